//! Where a call's end is seen, with its result.
//!
//! In: a function's [`Graph`]. Out: [`Ending`]s, of which every call that returns passes at least one. Works backwards from the
//! returns: which register or stack slot, at each instruction, holds what will be returned, whatever way is taken from there.
//! A path that can only return a constant of 0 or less (an argument error) needs no ending: it moved no data.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use iced_x86::{Code, FlowControl, InstructionInfoFactory, Mnemonic, OpKind};

use super::emulated::{attachable, emulated};
use super::graph::{Graph, Next, Node};
use super::holder::{Holder, escaped, tested};
use super::site::{Place, Register};
use super::values::{Convention, Signature, Width, general};

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
    /// The return probe belongs into the function that is called here.
    pub callee: Option<u64>,
    pub reason: String,
}

impl Ending {
    fn behind(address: u64, emulated: bool, uretprobe: bool, reason: &str) -> Ending {
        let result = Place::Register(Register::Rax);
        let (plus, status) = (Place::Unknown, Place::Unknown);
        Ending { address, emulated, uretprobe, result, plus, status, callee: None, reason: reason.to_owned() }
    }
}

/// Of one instruction, seen from the returns. None where no return is reachable.
type Held = Option<Knowledge>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Knowledge {
    In(Holder),
    /// The sum of both: they are added on the way.
    Sum(Holder, Holder),
    /// The value if the status is above 0, else the status.
    Either {
        status: Holder,
        value: Holder,
    },
    /// Not yet there, or in different places depending on the way.
    Nowhere,
}

impl Knowledge {
    /// Result, what is to be added to it, status.
    fn places(self, node: &Node) -> Option<(Place, Place, Place)> {
        match self {
            Knowledge::In(holder) => Some((holder.place(node)?, Place::Unknown, Place::Unknown)),
            Knowledge::Sum(one, other) => Some((one.place(node)?, other.place(node)?, Place::Unknown)),
            Knowledge::Either { status, value } => Some((value.place(node)?, Place::Unknown, status.place(node)?)),
            Knowledge::Nowhere => None,
        }
    }
}

struct Results<'a> {
    graph: &'a Graph,
    signature: Signature,
    width: Width,
    /// Before each instruction.
    held: BTreeMap<u64, Held>,
    /// Frame positions whose address is taken: calls may write there.
    escaped: BTreeSet<i32>,
}

/// The endings that cover every return: emulated ones alone if they can, else with return instructions, and with return probes
/// on jumps to functions that return in this one's place (the return address is on top of the stack there). Err: why not.
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

/// Calls that together cover every return, each with a result that is the function's own. None: there are no such.
pub fn find_behind_calls(graph: &Graph, signature: &Signature, width: Width) -> Option<Vec<Ending>> {
    let results = Results::new(graph, *signature, width).ok()?;
    let endings = results.behind_calls();
    results.covered(&endings).then(|| results.fewest(endings))
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
                    Knowledge::In(holder) => {
                        if let Some(added) = holder.added(node, self.width) {
                            Some(Knowledge::Sum(holder, added))
                        } else if let Some(value) = holder.replaced_above_zero(self.graph, node) {
                            Some(Knowledge::Either { status: holder, value })
                        } else {
                            self.origin(node, holder, facts).map(Knowledge::In)
                        }
                    }
                    Knowledge::Sum(one, other) => {
                        let both = (self.origin(node, one, facts), self.origin(node, other, facts));
                        both.0.zip(both.1).map(|(one, other)| Knowledge::Sum(one, other))
                    }
                    Knowledge::Either { status, value } => {
                        let both = (self.origin(node, status, facts), self.origin(node, value, facts));
                        both.0.zip(both.1).map(|(status, value)| Knowledge::Either { status, value })
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

    fn origin(&self, node: &Node, holder: Holder, facts: &mut InstructionInfoFactory) -> Option<Holder> {
        match node.instruction.flow_control() {
            FlowControl::Call | FlowControl::IndirectCall => self.survives_call(holder).then_some(holder),
            _ => holder.origin(node, self.width, facts),
        }
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
            let held = match self.held.get(address).copied().flatten() {
                Some(Knowledge::Nowhere) => self.decided(node),
                held => held,
            };
            let known = held.and_then(|known| known.places(node));
            if let Some((result, plus, status)) = known.filter(|_| !self.graph.repeats(*address)) {
                let reason = match status {
                    Place::Unknown => "emulated, the value that will be returned followed back to here",
                    _ => "emulated, decides between the status and the value that will be returned",
                };
                let (emulated, uretprobe, reason) = (true, false, reason.to_owned());
                endings.push(Ending { address: *address, emulated, uretprobe, result, plus, status, callee: None, reason });
            }
        }
        endings
    }

    /// `test r, r; jle`: r is returned if it is not above 0, else another value that is already there.
    fn decided(&self, node: &Node) -> Held {
        let Next::Go { next: Some(next), target: Some(target) } = node.next else { return None };
        let (above, not_above) = match node.instruction.mnemonic() {
            Mnemonic::Jle => (next, target),
            Mnemonic::Jg => (target, next),
            _ => return None,
        };
        let held = |address: u64| self.held.get(&address).copied().flatten();
        let (Some(Knowledge::In(value)), Some(Knowledge::In(status))) = (held(above), held(not_above)) else { return None };
        status.is(tested(self.graph, node)).then_some(Knowledge::Either { status, value })
    }

    /// Direct calls of which the result is the function's own.
    fn behind_calls(&self) -> Vec<Ending> {
        let calls = self.graph.nodes.iter().filter(|(_, node)| node.instruction.flow_control() == FlowControl::Call);
        let ending = |(address, node): (&u64, &Node)| {
            // the stack is as deep after the return as it is before the call
            let (result, plus, status) = self.after(node).and_then(|known| known.places(node))?;
            let returned = |place| place == Place::Register(Register::Rax);
            let callee = Some(node.instruction.near_branch_target()).filter(|_| returned(result) || returned(status));
            let reason = "return probe: in the function whose result is this one's".to_owned();
            callee?;
            Some(Ending { address: *address, emulated: true, uretprobe: true, result, plus, status, callee, reason })
        };
        calls.filter_map(ending).collect()
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
