//! Where OpenSSL moves plaintext between its records and the program: places that a call passes once, and only when it moves
//! something.
//!
//! In: an ELF file. Out: [`Site`]s inside the functions behind `SSL_read` and `SSL_write`, which need no probes of their own then:
//! one hit instead of two, and none when there is nothing to read. The functions are those of versions 1.1 to 3.1; where the code
//! has another shape, so that this cannot be shown, it is left to the probes of `SSL_read` and `SSL_write`.

use iced_x86::{FlowControl, Instruction, Mnemonic, OpKind};

use super::Error;
use super::elf::Elf;
use super::emulated::emulated;
use super::graph::{self, Graph, Instructions, Next, Node, TailCalls};
use super::raised;
use super::site::{Call, Kind, Moment, NO_CONDITIONS, Place, Register, Site};
use super::symbols::Symbol;
use super::values::Width::{Bits32, Bits64};
use super::values::{Convention, Signature, Value, Width};

/// Gives the program what a record has (`ssl/record/rec_layer_s3.c`): object, type, where to put the type, buffer, its length,
/// whether to leave the bytes where they are.
pub const READ: &str = "ssl3_read_bytes";
const READ_ARGUMENTS: [Width; 6] = [Bits64, Bits32, Bits64, Bits64, Bits64, Bits32];
/// Makes records of what the program gives: object, type, buffer, its length, where to put how much was taken.
pub const WRITE: &str = "ssl3_write_bytes";
const WRITE_ARGUMENTS: [Width; 6] = [Bits64, Bits32, Bits64, Bits64, Bits64, Bits64];
/// Makes one of them, of so many pipelines: object, type, buffer, the pipelines' lengths, how many there are.
pub const WRITE_RECORD: &str = "do_ssl3_write";
const WRITE_RECORD_ARGUMENTS: [Width; 6] = [Bits64, Bits32, Bits64, Bits64, Bits64, Bits32];

/// Their names, by which they are looked for.
pub const NAMES: [&str; 3] = [READ, WRITE, WRITE_RECORD];

/// The type of records with what programs say (RFC 8446, section 5.1).
const APPLICATION_DATA: u32 = 23;
/// Ciphers with this flag are given several records at once by this control (`include/openssl/evp.h`): its third argument is the
/// size of what the fourth points to.
const MULTIBLOCK_FLAG: u64 = 0x40_0000;
const MULTIBLOCK_ENCRYPT: u64 = 0x1a;
/// How far before a call its constant arguments are looked for.
const LOOK_BACK: usize = 24;
const FUNCTION_BYTES_MAX: u64 = 64 << 10;

/// None: it is left to the public functions.
pub struct Records {
    pub reads: Option<Vec<Site>>,
    pub writes: Option<Vec<Site>>,
}

/// `symbols` are those that the file has a table for.
pub fn find(elf: &Elf<'_>, symbols: &[Symbol]) -> Result<Records, Error> {
    let raised;
    let symbols = if symbols.iter().any(|symbol| NAMES.contains(&symbol.name.as_str())) {
        symbols
    } else {
        raised = raised::named(elf, &NAMES)?;
        &raised
    };
    Ok(Records { reads: reads(elf, symbols)?, writes: writes(elf, symbols)? })
}

/// A function and what is proved in it.
struct Explored<'a> {
    elf: &'a Elf<'a>,
    symbol: &'a Symbol,
    graph: Graph,
}

fn explored<'a>(
    elf: &'a Elf<'a>,
    symbols: &'a [Symbol],
    name: &str,
    widths: [Width; 6],
) -> Result<Option<Explored<'a>>, Error> {
    let mut named = symbols.iter().filter(|symbol| symbol.name == name);
    let (Some(symbol), None) = (named.next(), named.next()) else { return Ok(None) };
    let size = if symbol.size == 0 { FUNCTION_BYTES_MAX } else { symbol.size.min(FUNCTION_BYTES_MAX) };
    let signature = Signature { convention: Convention::SystemV, widths };
    let mut instructions = Instructions::new(elf);
    let graph = graph::explore(&mut instructions, symbol.address, size, &signature, &mut |_| Ok(false), TailCalls::Stop)?;
    Ok(graph.ok().map(|graph| Explored { elf, symbol, graph }))
}

/// The copy out of a record, `memcpy`: nothing else is called with a place in the caller's buffer. Copies to elsewhere, as of parts
/// of the handshake, are others.
fn reads(elf: &Elf<'_>, symbols: &[Symbol]) -> Result<Option<Vec<Site>>, Error> {
    const BUFFER: u8 = 3;
    const LEAVES_THEM: u8 = 5;
    let Some(function) = explored(elf, symbols, READ, READ_ARGUMENTS)? else { return Ok(None) };
    let copies_out = |node: &&Node| {
        let into = node.state.register(Register::Rdi);
        is_call(node) && matches!(into, Value::Argument(BUFFER) | Value::Beyond(BUFFER))
    };
    let mut copies = function.graph.nodes.values().filter(copies_out);
    let (Some(copy), None) = (copies.next(), copies.next()) else { return Ok(None) };
    let only_if = [(copy.state.place_of(1), APPLICATION_DATA), (copy.state.place_of(LEAVES_THEM), 0)];
    if only_if.iter().any(|(place, _)| *place == Place::Unknown) {
        return Ok(None);
    }
    let (from, length) = (Place::Register(Register::Rsi), Place::Register(Register::Rdx));
    let site = function.site(copy, Call::Opened, [copy.state.place_of(0), from, length]);
    Ok(site.map(|site| vec![Site { only_if, ..site }]))
}

/// Where a record begins to be made, and where several are made at once.
fn writes(elf: &Elf<'_>, symbols: &[Symbol]) -> Result<Option<Vec<Site>>, Error> {
    let Some(one) = explored(elf, symbols, WRITE_RECORD, WRITE_RECORD_ARGUMENTS)? else { return Ok(None) };
    let Some(all) = explored(elf, symbols, WRITE, WRITE_ARGUMENTS)? else { return Ok(None) };
    let calls = |node: &&Node| is_call(node) && node.instruction.near_branch_target() == one.symbol.address;
    let lengths: Vec<Value> = all.graph.nodes.values().filter(calls).map(|node| node.state.register(Register::Rcx)).collect();
    // before 1.1, and in LibreSSL, a length and not where the lengths are
    if lengths.is_empty() || !lengths.iter().all(|value| matches!(value, Value::Frame(_))) {
        return Ok(None);
    }
    let Some(begins) = one.beginnings().find_map(|node| one.sealed(node)) else { return Ok(None) };
    let mut sites = vec![begins];
    if all.graph.nodes.values().any(|node| constant(&node.instruction) == Some(MULTIBLOCK_FLAG)) {
        let Some(together) = all.together() else { return Ok(None) };
        sites.push(together);
    }
    Ok(Some(sites))
}

impl Explored<'_> {
    /// Where the function begins, the best first: its first branch, which the kernel emulates without writing to memory, and the
    /// emulated instructions before it.
    fn beginnings(&self) -> impl Iterator<Item = &Node> {
        let mut straight = vec![];
        let mut address = Some(self.graph.entry);
        while let Some(node) = address.and_then(|address| self.graph.nodes.get(&address)) {
            straight.push(node);
            address = match node.next {
                Next::Go { next, target: None } if !is_call(node) => next,
                _ => None,
            };
        }
        let branch = straight.pop_if(|node| matches!(node.next, Next::Go { next: Some(_), target: Some(_) }));
        let fits = |node: &&Node| emulated(node.code()) && !self.graph.repeats(node.instruction.ip());
        branch.into_iter().chain(straight).filter(fits)
    }

    /// Where a record begins to be made, if what it is made of is known there.
    fn sealed(&self, node: &Node) -> Option<Site> {
        let [object, kind, buffer, lengths, pipelines] = [0, 1, 2, 3, 4].map(|n| node.state.place_of(n));
        let site = self.site(node, Call::Sealed, [object, buffer, lengths])?;
        let only_if = [(kind, APPLICATION_DATA), NO_CONDITIONS[1]];
        [kind, pipelines].iter().all(|place| *place != Place::Unknown).then_some(Site { result: pipelines, only_if, ..site })
    }

    /// The call of a cipher that makes several records: it is given an address in the frame.
    fn together(&self) -> Option<Site> {
        let encrypts = |node: &&Node| {
            is_call(node)
                && matches!(node.state.register(Register::Rcx), Value::Frame(_))
                && self.loaded_before(node, Register::Rsi) == Some(MULTIBLOCK_ENCRYPT)
        };
        let mut calls = self.graph.nodes.values().filter(encrypts);
        let (Some(call), None) = (calls.next(), calls.next()) else { return None };
        let words = Place::Register(Register::Rcx);
        self.site(call, Call::SealedTogether, [call.state.place_of(0), words, words])
    }

    /// The constant that a register is given in the straight code before an instruction.
    fn loaded_before(&self, node: &Node, register: Register) -> Option<u64> {
        let mut after = node.instruction.ip();
        for (_, before) in self.graph.nodes.range(..after).rev().take(LOOK_BACK) {
            let instruction = &before.instruction;
            if instruction.next_ip() != after || instruction.flow_control() != FlowControl::Next {
                return None;
            }
            let into = super::values::general(instruction.op0_register());
            if instruction.op0_kind() == OpKind::Register && into == Some(register) {
                return (instruction.mnemonic() == Mnemonic::Mov).then(|| constant(instruction)).flatten();
            }
            after = instruction.ip();
        }
        None
    }

    /// None: something is not known there, or a probe would be dear.
    fn site(&self, node: &Node, call: Call, [object, buffer, length]: [Place; 3]) -> Option<Site> {
        if !emulated(node.code()) || [object, buffer, length].contains(&Place::Unknown) {
            return None;
        }
        let address = node.instruction.ip();
        let (offset, _) = self.elf.locate_code(address)?;
        Some(Site {
            kind: Kind::OpenSsl,
            call,
            symbol: self.symbol.name.clone(),
            offset,
            address,
            moment: Moment::Entry,
            emulated: true,
            uretprobe: false,
            arguments: [object, buffer, Place::Unknown, length],
            result: Place::Unknown,
            plus: Place::Unknown,
            status: Place::Unknown,
            only_if: NO_CONDITIONS,
            reason: format!("{} bytes in, emulated, passed once for what is moved", address - self.symbol.address),
        })
    }
}

fn is_call(node: &Node) -> bool {
    node.instruction.flow_control() == FlowControl::Call
}

fn constant(instruction: &Instruction) -> Option<u64> {
    let last = instruction.op_count().checked_sub(1)?;
    instruction.try_immediate(last).ok()
}
