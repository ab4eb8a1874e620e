//! A function's control flow: its instructions, what follows each, and what is proved before each.
//!
//! In: where the function begins and how long its symbol says it is. Out: a [`Graph`]. Follows direct jumps only, also into
//! parts that the compiler has put elsewhere; a jump through a table ends the analysis, with a reason. Calls are steps.

use std::collections::{BTreeMap, HashMap};

use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction, InstructionInfoFactory, Mnemonic, OpKind, Register as Name};

use super::Error;
use super::elf::Elf;
use super::values::{Signature, State};

const INSTRUCTIONS_MAX: usize = 4000;
/// Each instruction may be looked at again when more paths to it are found.
const STEPS_MAX: usize = 16 * INSTRUCTIONS_MAX;
const CODE_PIECE_BYTES: usize = 4096;
const INSTRUCTION_BYTES_MAX: usize = 15;
/// Where the stack protector's value is, from fs.
const STACK_PROTECTOR_OFFSET: u64 = 0x28;

/// What comes after an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The function goes on at these: the next instruction, the target of a jump.
    Go { next: Option<u64>, target: Option<u64> },
    /// The function returns.
    Return,
    /// Another function goes on in this one's place, and returns for it.
    TailCall,
    /// Nothing: the program ends here.
    Never,
}

impl Next {
    pub fn addresses(self) -> impl Iterator<Item = u64> {
        let (next, target) = match self {
            Next::Go { next, target } => (next, target),
            _ => (None, None),
        };
        next.into_iter().chain(target)
    }
}

#[derive(Debug, Clone)]
pub struct Node {
    pub instruction: Instruction,
    pub bytes: ([u8; INSTRUCTION_BYTES_MAX], u8),
    pub next: Next,
    /// Before the instruction.
    pub state: State,
}

impl Node {
    pub fn code(&self) -> &[u8] {
        &self.bytes.0[..usize::from(self.bytes.1)]
    }
}

#[derive(Debug, Clone)]
pub struct Graph {
    pub entry: u64,
    pub nodes: BTreeMap<u64, Node>,
}

/// Instructions by address, read from the file in pieces.
pub struct Instructions<'a> {
    elf: &'a Elf<'a>,
    piece_address: u64,
    piece: Vec<u8>,
}

impl<'a> Instructions<'a> {
    pub fn new(elf: &'a Elf<'a>) -> Instructions<'a> {
        Instructions { elf, piece_address: 0, piece: vec![] }
    }

    /// None: no code there, or no instruction.
    pub fn at(&mut self, address: u64) -> Result<Option<(Instruction, Vec<u8>)>, Error> {
        let inside = address.checked_sub(self.piece_address).and_then(|i| usize::try_from(i).ok());
        let inside = match inside.filter(|i| i.saturating_add(INSTRUCTION_BYTES_MAX) <= self.piece.len()) {
            Some(inside) => inside,
            None => {
                let Some((offset, follow)) = self.elf.locate_code(address) else { return Ok(None) };
                self.piece.resize(usize::try_from(follow).unwrap_or(CODE_PIECE_BYTES).min(CODE_PIECE_BYTES), 0);
                let filled = self.elf.fill(offset, &mut self.piece)?;
                self.piece.truncate(filled);
                self.piece_address = address;
                0
            }
        };
        let bytes = &self.piece[inside..];
        let instruction = Decoder::with_ip(64, bytes, address, DecoderOptions::NONE).decode();
        if instruction.is_invalid() {
            return Ok(None);
        }
        Ok(bytes.get(..instruction.len()).map(|bytes| (instruction, bytes.to_vec())))
    }
}

/// Tells of an address whether the function there comes back.
pub type NeverReturns<'a> = dyn FnMut(u64) -> Result<bool, Error> + 'a;

/// What to do where another function goes on in this one's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TailCalls {
    Stop,
    /// If it is in the same file.
    Follow,
}

/// The graph, or why there is none.
pub fn explore(
    instructions: &mut Instructions<'_>,
    entry: u64,
    size: u64,
    signature: &Signature,
    never_returns: &mut NeverReturns<'_>,
    tail_calls: TailCalls,
) -> Result<Result<Graph, &'static str>, Error> {
    let mut facts = InstructionInfoFactory::new();
    let mut graph = Graph { entry, nodes: BTreeMap::new() };
    let mut waiting: HashMap<u64, State> = HashMap::from([(entry, State::at_entry(signature))]);
    let mut order = vec![entry];
    let mut steps = 0;
    while let Some(address) = order.pop() {
        let Some(arriving) = waiting.remove(&address) else { continue };
        steps += 1;
        if steps > STEPS_MAX || graph.nodes.len() > INSTRUCTIONS_MAX {
            return Ok(Err("the function is too long to analyse"));
        }
        if let Some(node) = graph.nodes.get_mut(&address) {
            if !node.state.join(&arriving) {
                continue;
            }
        } else {
            let Some((instruction, code)) = instructions.at(address)? else {
                return Ok(Err("its code cannot be decoded"));
            };
            let mut bytes = [0; INSTRUCTION_BYTES_MAX];
            bytes[..code.len()].copy_from_slice(&code);
            let node = Node { instruction, bytes: (bytes, code.len() as u8), next: Next::Never, state: arriving };
            graph.nodes.insert(address, node);
        }
        let Some(node) = graph.nodes.get(&address) else { continue };
        let calls = node.instruction.flow_control() == FlowControl::Call;
        let next = match next(&graph, node, entry..entry.saturating_add(size), tail_calls) {
            Ok(Next::Go { .. }) if calls && never_returns(node.instruction.near_branch_target())? => Next::Never,
            Ok(next) => next,
            Err(reason) => return Ok(Err(reason)),
        };
        let mut after = node.state.clone();
        after.step(&node.instruction, signature, &mut facts);
        if let Some(node) = graph.nodes.get_mut(&address) {
            node.next = next;
        }
        for follower in next.addresses() {
            waiting.entry(follower).and_modify(|state| _ = state.join(&after)).or_insert_with(|| after.clone());
            order.push(follower);
        }
    }
    Ok(Ok(graph))
}

fn next(graph: &Graph, node: &Node, own: std::ops::Range<u64>, tail_calls: TailCalls) -> Result<Next, &'static str> {
    let instruction = &node.instruction;
    let after = instruction.next_ip();
    // a call at the function's end does not come back: there is nothing to come back to
    let ends = after == own.end && own.contains(&instruction.ip());
    let go = |next, target| Ok(Next::Go { next, target });
    let target = Some(instruction.near_branch_target());
    match instruction.flow_control() {
        FlowControl::Call | FlowControl::IndirectCall if ends => Ok(Next::Never),
        FlowControl::Next | FlowControl::Call | FlowControl::IndirectCall => go(Some(after), None),
        FlowControl::ConditionalBranch if checks_stack_protector(graph, node) => go(Some(after), None),
        FlowControl::ConditionalBranch => go(Some(after), target),
        FlowControl::UnconditionalBranch if own.contains(&instruction.near_branch_target()) => go(None, target),
        FlowControl::UnconditionalBranch => match node.state.depth() {
            Some(0) if tail_calls == TailCalls::Stop => Ok(Next::TailCall),
            Some(_) => go(None, target),
            None => Err("it jumps elsewhere with a stack of unknown depth"),
        },
        FlowControl::IndirectBranch if node.state.depth() == Some(0) => Ok(Next::TailCall),
        FlowControl::IndirectBranch => Err("it jumps through a table"),
        FlowControl::Return => Ok(Next::Return),
        FlowControl::Interrupt | FlowControl::Exception => Ok(Next::Never),
        FlowControl::XbeginXabortXend => Err("it uses transactional memory"),
    }
}

/// `sub reg, fs:[0x28]; jne fails`: where it jumps to does not return.
fn checks_stack_protector(graph: &Graph, node: &Node) -> bool {
    let Some((_, before)) = graph.nodes.range(..node.instruction.ip()).next_back() else { return false };
    let compare = &before.instruction;
    let compares = matches!(compare.mnemonic(), Mnemonic::Sub | Mnemonic::Xor | Mnemonic::Cmp);
    node.instruction.mnemonic() == Mnemonic::Jne
        && compares
        && compare.next_ip() == node.instruction.ip()
        && (0..compare.op_count()).any(|n| compare.op_kind(n) == OpKind::Memory)
        && compare.segment_prefix() == Name::FS
        && compare.memory_displacement64() == STACK_PROTECTOR_OFFSET
}

impl Graph {
    /// Does it do nothing but call another function in its place?
    pub fn only_forwards(&self) -> bool {
        let tail = self.nodes.values().filter(|n| n.next == Next::TailCall).count();
        tail == 1 && self.nodes.values().all(|n| n.next == Next::TailCall || matches!(n.next, Next::Go { target: None, .. }))
    }

    /// Can this place be reached again from itself?
    pub fn repeats(&self, address: u64) -> bool {
        let mut seen = std::collections::HashSet::new();
        let mut open: Vec<u64> = self.nodes.get(&address).map(|n| n.next.addresses().collect()).unwrap_or_default();
        while let Some(at) = open.pop() {
            if at == address {
                return true;
            }
            if seen.insert(at) {
                open.extend(self.nodes.get(&at).map(|n| n.next.addresses()).into_iter().flatten());
            }
        }
        false
    }
}
