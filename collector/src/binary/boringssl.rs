//! BoringSSL's functions (and AWS-LC's) in a file whose symbols are gone, by the errors that they raise: with each goes the
//! source file and a reason, and reasons keep their numbers.
//!
//! In: an ELF file, and where the source file's name is in it. Out: which functions are where, or why they cannot be told.
//! What writes is the one function that raises three reasons; what reads is known by the function behind it, which raises two of
//! them: only reading and peeking call that, and peeking changes nothing. Each must be the only one, else none is told.

use std::collections::{BTreeMap, BTreeSet};

use iced_x86::{Code, FlowControl, Instruction, InstructionInfoFactory, OpAccess, Register};

use super::Error;
use super::elf::Elf;
use super::graph::Instructions;
use super::references::{Functions, Reference, functions_at, references};
use super::symbols::Symbol;

/// The source file of the functions, as errors name it: the end of a path.
pub const SOURCE: &[u8] = b"ssl/ssl_lib.cc\0";

/// Reasons, as in `ssl.h` and `err.h`.
const SHOULD_NOT_HAVE_BEEN_CALLED: u32 = 66;
const BAD_LENGTH: u32 = 111;
const CONNECTION_TYPE_NOT_SET: u32 = 134;
const HANDSHAKE_FAILURE: u32 = 215;
const UNINITIALIZED: u32 = 226;

/// Longer functions are none of those looked for.
const FUNCTION_BYTES_MAX: u64 = 8 << 10;
/// Functions of the source file that are looked at: it has about a hundred.
const FUNCTIONS_MAX: usize = 1024;

/// What a function's instructions tell.
#[derive(Debug, Default)]
struct Traits {
    /// Numbers that it gives as third argument to something, reasons among them.
    numbers: BTreeSet<u32>,
    /// What it calls or ends in.
    calls: BTreeSet<u64>,
    /// It writes to memory that is not its stack.
    changes: bool,
}

impl Traits {
    fn raises(&self, reasons: &[u32]) -> bool {
        reasons.iter().all(|reason| self.numbers.contains(reason))
    }
}

/// The functions that read, write and shake hands; the error says what cannot be told. `sources` are the addresses of the source
/// file's name.
pub fn find(elf: &Elf<'_>, sources: &[u64]) -> Result<Result<Vec<Symbol>, &'static str>, Error> {
    let raisers = references(elf, sources, Reference::Address)?;
    let functions = functions_at(elf, raisers.iter().map(|(from, _)| *from).collect())?;
    if functions.is_empty() {
        return Ok(Err("nothing tells where its functions begin and end"));
    }
    let traits = traits_of(elf, &functions)?;
    let raising = |reasons: &'static [u32]| traits.iter().filter(move |(_, t)| t.raises(reasons)).map(|(start, _)| *start);
    let Some(write) = only(raising(&[UNINITIALIZED, HANDSHAKE_FAILURE, BAD_LENGTH])) else {
        return Ok(Err("none or several raise the errors of SSL_write"));
    };
    let behind = raising(&[UNINITIALIZED, HANDSHAKE_FAILURE]).filter(|start| *start != write);
    let Some(behind) = only(behind) else { return Ok(Err("none or several raise the errors behind SSL_read")) };
    let Some(read) = reader(elf, behind)? else { return Ok(Err("SSL_read and SSL_peek cannot be told apart")) };
    let called_by_write = &traits[&write].calls;
    let handshake = only(raising(&[CONNECTION_TYPE_NOT_SET]).filter(|start| called_by_write.contains(start)));
    let named = |(name, (address, size)): (&str, (u64, u64))| Symbol { name: name.to_owned(), address, size };
    let sized = |start: u64| Some((start, *functions.get(&start)?));
    let found = [("SSL_read", Some(read)), ("SSL_write", sized(write)), ("SSL_do_handshake", handshake.and_then(sized))];
    Ok(Ok(found.into_iter().filter_map(|(name, place)| Some(named((name, place?)))).collect()))
}

/// Start and size of the function that reads: of the two that call the one behind it the one that changes something; or the only
/// one that calls the only one. What shuts a session down calls it, too, and raises an error that they do not.
fn reader(elf: &Elf<'_>, behind: u64) -> Result<Option<(u64, u64)>, Error> {
    let mut first = callers(elf, behind)?;
    first.retain(|_, (_, traits)| !traits.raises(&[UNINITIALIZED]));
    if !first.values().all(|(_, traits)| traits.raises(&[SHOULD_NOT_HAVE_BEEN_CALLED])) {
        return Ok(None);
    }
    let direct: Vec<(u64, &(u64, Traits))> = first.iter().map(|(start, caller)| (*start, caller)).collect();
    match direct[..] {
        [(a, (a_size, a_traits)), (b, (b_size, b_traits))] => Ok(match (a_traits.changes, b_traits.changes) {
            (true, false) => Some((a, *a_size)),
            (false, true) => Some((b, *b_size)),
            _ => None,
        }),
        [(peek, (_, traits))] if !traits.changes => {
            let further = callers(elf, peek)?;
            let reads = further.iter().filter(|(_, (_, traits))| traits.changes).map(|(start, (size, _))| (*start, *size));
            Ok(if further.len() == 1 { only(reads) } else { None })
        }
        _ => Ok(None),
    }
}

fn only<T>(mut found: impl Iterator<Item = T>) -> Option<T> {
    found.next().filter(|_| found.next().is_none())
}

/// The functions that do call this one.
fn callers(elf: &Elf<'_>, callee: u64) -> Result<BTreeMap<u64, (u64, Traits)>, Error> {
    let calls = references(elf, &[callee], Reference::Call)?;
    let functions = functions_at(elf, calls.iter().map(|(from, _)| *from).collect())?;
    let mut callers = BTreeMap::new();
    for (start, traits) in traits_of(elf, &functions)? {
        if traits.calls.contains(&callee) && start != callee {
            callers.insert(start, (functions[&start], traits));
        }
    }
    Ok(callers)
}

fn traits_of(elf: &Elf<'_>, functions: &Functions) -> Result<BTreeMap<u64, Traits>, Error> {
    let mut instructions = Instructions::new(elf);
    let mut facts = InstructionInfoFactory::new();
    let mut found = BTreeMap::new();
    for (start, size) in functions.iter().filter(|(_, size)| **size <= FUNCTION_BYTES_MAX).take(FUNCTIONS_MAX) {
        let (mut traits, end) = (Traits::default(), start + size);
        let mut address = *start;
        while address < end {
            let Some((instruction, _)) = instructions.at(address)? else { break };
            traits.see(&instruction, *start..end, &mut facts);
            address = instruction.next_ip();
        }
        found.insert(*start, traits);
    }
    Ok(found)
}

impl Traits {
    fn see(&mut self, instruction: &Instruction, own: std::ops::Range<u64>, facts: &mut InstructionInfoFactory) {
        if instruction.code() == Code::Mov_r32_imm32 && instruction.op0_register() == Register::EDX {
            self.numbers.insert(instruction.immediate32());
        }
        let target = instruction.near_branch_target();
        match instruction.flow_control() {
            FlowControl::Call => _ = self.calls.insert(target),
            FlowControl::UnconditionalBranch if !own.contains(&target) => _ = self.calls.insert(target),
            _ => {}
        }
        let writes =
            |access| matches!(access, OpAccess::Write | OpAccess::CondWrite | OpAccess::ReadWrite | OpAccess::ReadCondWrite);
        self.changes |= facts.info(instruction).used_memory().iter().any(|memory| {
            // the frame that rbp may point to lies below it
            let frame = memory.base() == Register::RBP && (memory.displacement() as i64) < 0;
            writes(memory.access()) && memory.base() != Register::RSP && !frame
        });
    }
}
