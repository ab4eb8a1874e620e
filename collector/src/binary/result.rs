//! Where a call's end is seen, with its result.
//!
//! In: a function's [`Graph`]. Out: [`Ending`]s, of which every call that returns passes at least one. Works backwards from the
//! returns: which register or stack slot, at each instruction, holds what will be returned, whatever way is taken from there.
//! A path that can only return a constant of 0 or less (an argument error) needs no ending: it moved no data.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use iced_x86::{Code, FlowControl, InstructionInfoFactory, Mnemonic, OpKind};

use super::emulated::{attachable, emulated};
use super::graph::{Graph, Next, Node};
use super::site::{Place, Register};
use super::values::{Convention, Signature, Value, Width, copied, general, writes};

/// Rounds over the function until nothing changes; it takes a few.
const ROUNDS_MAX: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    pub address: u64,
    pub emulated: bool,
    pub uretprobe: bool,
    pub result: Place,
    pub plus: Place,
    pub status: Place,
    pub reason: String,
}

impl Ending {
    fn behind(address: u64, emulated: bool, uretprobe: bool, reason: &str) -> Ending {
        let result = Place::Register(Register::Rax);
        let (plus, status) = (Place::Unknown, Place::Unknown);
        Ending { address, emulated, uretprobe, result, plus, status, reason: reason.to_owned() }
    }
}

/// What holds the value that will be returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holder {
    Register(Register),
    /// A position in the frame.
    Slot(i32),
}

/// Of one instruction, seen from the returns. None where no return is reachable.
type Held = Option<Knowledge>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Knowledge {
    In(Holder),
    /// The sum of both: they are added on the way.
    Sum(Holder, Holder),
    /// Not yet there, or in different places depending on the way.
    Nowhere,
}

pub struct Results<'a> {
    graph: &'a Graph,
    signature: Signature,
    width: Width,
    /// Before each instruction.
    held: BTreeMap<u64, Held>,
    /// Frame positions whose address is taken: calls may write there.
    escaped: BTreeSet<i32>,
}

/// The endings that cover every return: emulated ones alone if they can, else with return instructions, and with return probes on
/// jumps to functions that return in this one's place (the return address is on top of the stack there). Err: why not.
pub fn find(graph: &Graph, signature: &Signature, width: Width, return_probes: bool) -> Result<Vec<Ending>, &'static str> {
    let results = Results::new(graph, *signature, width)?;
    let mut endings = results.emulated_endings();
    if !results.covered(&endings) {
        endings.extend(results.returns());
        if return_probes {
            endings.extend(results.tail_calls());
        }
        if !results.covered(&endings) {
            return Err("it ends in a jump to another function, which returns for it");
        }
    }
    Ok(results.fewest(endings))
}

impl<'a> Results<'a> {
    fn new(graph: &'a Graph, signature: Signature, width: Width) -> Result<Results<'a>, &'static str> {
        let held = graph.nodes.keys().map(|address| (*address, None)).collect();
        let mut results = Results { graph, signature, width, held, escaped: escaped(graph) };
        let mut facts = InstructionInfoFactory::new();
        for _ in 0..ROUNDS_MAX {
            let mut changed = false;
            for (address, node) in graph.nodes.iter().rev() {
                let now = results.before(node, &mut facts);
                changed |= results.held.insert(*address, now) != Some(now);
            }
            if !changed {
                return Ok(results);
            }
        }
        Err("its flow of values is too tangled to follow")
    }

    fn before(&self, node: &Node, facts: &mut InstructionInfoFactory) -> Held {
        match node.next {
            Next::Return => Some(Knowledge::In(Holder::Register(Register::Rax))),
            Next::TailCall => Some(Knowledge::Nowhere),
            Next::Never => None,
            Next::Go { .. } => {
                let known = match self.after(node)? {
                    Knowledge::Nowhere => None,
                    Knowledge::In(holder) => match added(node, holder, self.width) {
                        Some(added) => Some(Knowledge::Sum(holder, added)),
                        None => self.origin(node, holder, facts).map(Knowledge::In),
                    },
                    Knowledge::Sum(one, other) => {
                        let both = (self.origin(node, one, facts), self.origin(node, other, facts));
                        both.0.zip(both.1).map(|(one, other)| Knowledge::Sum(one, other))
                    }
                };
                Some(known.unwrap_or(Knowledge::Nowhere))
            }
        }
    }

    /// What the instructions that may follow agree on.
    fn after(&self, node: &Node) -> Held {
        let mut held = node.next.addresses().filter_map(|address| self.held.get(&address).copied().flatten());
        let first = held.next()?;
        Some(if held.all(|other| other == first) { first } else { Knowledge::Nowhere })
    }

    /// Where the holder's value was before the instruction; None when the instruction makes it.
    fn origin(&self, node: &Node, holder: Holder, facts: &mut InstructionInfoFactory) -> Option<Holder> {
        let instruction = &node.instruction;
        if matches!(instruction.flow_control(), FlowControl::Call | FlowControl::IndirectCall) {
            return self.survives_call(holder).then_some(holder);
        }
        match (instruction.mnemonic(), node.state.depth()) {
            (Mnemonic::Push, Some(depth)) if instruction.stack_pointer_increment() == -8 => {
                let below = depth.checked_sub(8)?;
                return match holder {
                    Holder::Slot(at) if at == below && instruction.op0_kind() == OpKind::Register => {
                        general(instruction.op0_register()).map(Holder::Register)
                    }
                    Holder::Slot(at) if overlaps(at, below, 8) => None,
                    holder => Some(holder),
                };
            }
            (Mnemonic::Pop, Some(depth)) if holder_is(holder, general(instruction.op0_register())) => {
                return Some(Holder::Slot(depth));
            }
            _ => {}
        }
        if let Some(bits) = copied(instruction).filter(|bits| *bits == Width::Bits64 || self.width == Width::Bits32) {
            let into = match instruction.op0_kind() {
                OpKind::Register => general(instruction.op0_register()).map(Holder::Register),
                _ => node.state.frame_position(instruction).map(Holder::Slot),
            };
            if into == Some(holder) {
                return match instruction.op1_kind() {
                    OpKind::Register => general(instruction.op1_register()).map(Holder::Register),
                    _ => node.state.frame_position(instruction).map(Holder::Slot),
                };
            }
            debug_assert!(bits == Width::Bits64 || self.width == Width::Bits32);
        }
        (!overwrites(node, holder, facts)).then_some(holder)
    }

    fn survives_call(&self, holder: Holder) -> bool {
        match (holder, self.signature.convention) {
            (Holder::Register(register), convention) => convention.keeps(register),
            (Holder::Slot(position), Convention::Go) => !self.escaped.contains(&position),
            // whatever begins at or below the slot may reach over it
            (Holder::Slot(position), Convention::SystemV) => self.escaped.range(..=position).next().is_none(),
        }
    }

    fn emulated_endings(&self) -> Vec<Ending> {
        let mut endings = vec![];
        for (address, node) in self.graph.nodes.iter().filter(|(_, node)| emulated(node.code())) {
            let held = self.held.get(address).copied().flatten();
            let known = match held {
                Some(Knowledge::In(holder)) => place(node, holder).map(|result| (result, Place::Unknown, Place::Unknown)),
                Some(Knowledge::Sum(one, other)) => {
                    place(node, one).zip(place(node, other)).map(|(result, plus)| (result, plus, Place::Unknown))
                }
                Some(Knowledge::Nowhere) => self.guarded(node).map(|(result, status)| (result, Place::Unknown, status)),
                None => None,
            };
            if let Some((result, plus, status)) = known.filter(|_| !self.graph.repeats(*address)) {
                let reason = match status {
                    Place::Unknown => "emulated, the value that will be returned followed back to here",
                    _ => "emulated, decides between the status and the value that will be returned",
                };
                endings.push(Ending {
                    address: *address,
                    emulated: true,
                    uretprobe: false,
                    result,
                    plus,
                    status,
                    reason: reason.to_owned(),
                });
            }
        }
        endings
    }

    /// `test r, r; jle`: r is returned if it is not above 0, else another value that is already there. Result and status.
    fn guarded(&self, node: &Node) -> Option<(Place, Place)> {
        let Next::Go { next: Some(next), target: Some(target) } = node.next else { return None };
        let (above, not_above) = match node.instruction.mnemonic() {
            Mnemonic::Jle => (next, target),
            Mnemonic::Jg => (target, next),
            _ => return None,
        };
        let (_, test) = self.graph.nodes.range(..node.instruction.ip()).next_back()?;
        let tested = general(test.instruction.op0_register())?;
        let tests = test.instruction.next_ip() == node.instruction.ip()
            && test.instruction.mnemonic() == Mnemonic::Test
            && test.instruction.op0_register() == test.instruction.op1_register()
            && test.instruction.op0_register().is_gpr32();
        let held = |address: u64| self.held.get(&address).copied().flatten();
        let (Some(Knowledge::In(value)), Some(Knowledge::In(status))) = (held(above), held(not_above)) else { return None };
        (tests && status == Holder::Register(tested)).then_some(())?;
        Some((place(node, value)?, place(node, status)?))
    }

    fn returns(&self) -> Vec<Ending> {
        let returns = self.graph.nodes.iter().filter(|(_, n)| n.next == Next::Return && attachable(n.code()));
        let why = "the return instruction: nothing emulated before it has the result";
        returns.map(|(address, _)| Ending::behind(*address, false, false, why)).collect()
    }

    fn tail_calls(&self) -> Vec<Ending> {
        let jumps = self.graph.nodes.iter().filter(|(_, n)| n.next == Next::TailCall && emulated(n.code()));
        let why = "return probe: where it jumps to a function that returns for it";
        jumps.map(|(address, _)| Ending::behind(*address, true, true, why)).collect()
    }

    /// Does every path to a return that may have a result pass one of them?
    fn covered(&self, endings: &[Ending]) -> bool {
        let at: HashSet<u64> = endings.iter().map(|e| e.address).collect();
        let mut seen = HashSet::new();
        let mut open = vec![self.graph.entry];
        while let Some(address) = open.pop() {
            if at.contains(&address) || !seen.insert(address) {
                continue;
            }
            let Some(node) = self.graph.nodes.get(&address) else { continue };
            match node.next {
                Next::Return | Next::TailCall => return false,
                _ if self.settles_for_nothing(node) => {}
                next => open.extend(next.addresses()),
            }
        }
        true
    }

    /// The instruction makes the value that will be returned, and it is a constant of 0 or less.
    fn settles_for_nothing(&self, node: &Node) -> bool {
        let instruction = &node.instruction;
        let immediate = instruction.try_immediate(1).ok();
        let nothing = immediate.is_some_and(|value| match self.width {
            Width::Bits32 => value as i32 <= 0,
            Width::Bits64 => value as i64 <= 0,
        });
        match self.after(node) {
            Some(Knowledge::In(Holder::Register(register))) => {
                let into = instruction.op0_register();
                let whole = into.is_gpr32() || into.is_gpr64();
                whole
                    && general(into) == Some(register)
                    && match instruction.mnemonic() {
                        Mnemonic::Xor | Mnemonic::Sub => {
                            instruction.op1_kind() == OpKind::Register && into == instruction.op1_register()
                        }
                        // a 32-bit move makes a large number of what looks negative
                        Mnemonic::Mov => nothing || immediate == Some(0),
                        Mnemonic::Or => immediate == Some(u64::MAX),
                        _ => false,
                    }
            }
            Some(Knowledge::In(Holder::Slot(position))) => {
                let whole = matches!(instruction.code(), Code::Mov_rm64_imm32)
                    || (instruction.code() == Code::Mov_rm32_imm32 && self.width == Width::Bits32);
                whole && nothing && node.state.frame_position(instruction) == Some(position)
            }
            _ => false,
        }
    }

    /// Without those that are not needed, the expensive first.
    fn fewest(&self, mut endings: Vec<Ending>) -> Vec<Ending> {
        // one alone is best, and the later it is the surer
        if let Some(alone) = endings.iter().rev().find(|e| e.emulated && !e.uretprobe && self.covered(std::slice::from_ref(*e)))
        {
            return vec![alone.clone()];
        }
        endings.sort_by_key(|e| (e.emulated, !e.uretprobe, e.address));
        let mut at = 0;
        while at < endings.len() {
            let without = endings.iter().enumerate().filter(|(n, _)| *n != at).map(|(_, e)| e.clone()).collect::<Vec<_>>();
            if self.covered(&without) {
                endings = without;
            } else {
                at += 1;
            }
        }
        endings.sort_by_key(|e| e.address);
        endings
    }
}

fn place(node: &Node, holder: Holder) -> Option<Place> {
    match holder {
        Holder::Register(register) => Some(Place::Register(register)),
        Holder::Slot(position) => Some(Place::Stack(position.checked_sub(node.state.depth()?)?)),
    }
}

/// What the instruction adds to the holder, of the result's whole width.
fn added(node: &Node, holder: Holder, width: Width) -> Option<Holder> {
    let instruction = &node.instruction;
    let into = instruction.op0_register();
    let whole = if width == Width::Bits64 { into.is_gpr64() } else { into.is_gpr32() };
    let adds = instruction.mnemonic() == Mnemonic::Add && instruction.op0_kind() == OpKind::Register && whole;
    if !adds || !holder_is(holder, general(into)) {
        return None;
    }
    match instruction.op1_kind() {
        OpKind::Register => general(instruction.op1_register()).map(Holder::Register),
        OpKind::Memory => node.state.frame_position(instruction).map(Holder::Slot),
        _ => None,
    }
}

fn holder_is(holder: Holder, register: Option<Register>) -> bool {
    register.is_some_and(|register| holder == Holder::Register(register))
}

fn overlaps(slot: i32, position: i32, bytes: i32) -> bool {
    slot < position.saturating_add(bytes) && position < slot.saturating_add(8)
}

fn overwrites(node: &Node, holder: Holder, facts: &mut InstructionInfoFactory) -> bool {
    let info = facts.info(&node.instruction);
    match holder {
        Holder::Register(register) => {
            info.used_registers().iter().any(|used| writes(used.access()) && general(used.register()) == Some(register))
        }
        Holder::Slot(slot) => info.used_memory().iter().filter(|m| writes(m.access())).any(|memory| {
            let base = general(memory.base()).map(|r| node.state.register(r));
            let Some(Value::Frame(base)) = base else { return false };
            let Ok(displacement) = i32::try_from(memory.displacement() as i64) else { return true };
            // an indexed store into the frame may be anywhere in it
            memory.index() != iced_x86::Register::None
                || overlaps(slot, base.saturating_add(displacement), memory.memory_size().size() as i32)
        }),
    }
}

/// Frame positions whose address goes into a register other than the frame's own two.
fn escaped(graph: &Graph) -> BTreeSet<i32> {
    let taken = graph.nodes.values().filter_map(|node| {
        let instruction = &node.instruction;
        let into = general(instruction.op0_register()).filter(|_| instruction.op0_kind() == OpKind::Register)?;
        let own = matches!(into, Register::Rsp | Register::Rbp);
        match instruction.mnemonic() {
            Mnemonic::Lea if !own => node.state.frame_position(instruction),
            Mnemonic::Mov if !own && instruction.op1_kind() == OpKind::Register => {
                match node.state.register(general(instruction.op1_register())?) {
                    Value::Frame(position) => Some(position),
                    _ => None,
                }
            }
            _ => None,
        }
    });
    taken.collect()
}
