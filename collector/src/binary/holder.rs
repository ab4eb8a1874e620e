//! Where a value is kept: what an instruction does to it, seen backwards.
//!
//! In: a register or a slot of the frame, after an instruction. Out: where the same value was before it.

use std::collections::BTreeSet;

use iced_x86::{InstructionInfoFactory, Mnemonic, OpKind};

use super::graph::{Graph, Node};
use super::site::{Place, Register};
use super::values::{Value, Width, copied, general, writes};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    Register(Register),
    /// A position in the frame.
    Slot(i32),
}

impl Holder {
    /// For a probe on the instruction.
    pub fn place(self, node: &Node) -> Option<Place> {
        match self {
            Holder::Register(register) => Some(Place::Register(register)),
            Holder::Slot(position) => Some(Place::Stack(position.checked_sub(node.state.depth()?)?)),
        }
    }

    pub fn is(self, register: Option<Register>) -> bool {
        register.is_some_and(|register| self == Holder::Register(register))
    }

    /// Where the holder's value was before the instruction; None when the instruction makes it. Not for calls.
    pub fn origin(self, node: &Node, width: Width, facts: &mut InstructionInfoFactory) -> Option<Holder> {
        let instruction = &node.instruction;
        match (instruction.mnemonic(), node.state.depth()) {
            (Mnemonic::Push, Some(depth)) if instruction.stack_pointer_increment() == -8 => {
                let below = depth.checked_sub(8)?;
                return match self {
                    Holder::Slot(at) if at == below && instruction.op0_kind() == OpKind::Register => {
                        general(instruction.op0_register()).map(Holder::Register)
                    }
                    Holder::Slot(at) if overlaps(at, below, 8) => None,
                    holder => Some(holder),
                };
            }
            (Mnemonic::Pop, Some(depth)) if self.is(general(instruction.op0_register())) => {
                return Some(Holder::Slot(depth));
            }
            _ => {}
        }
        if copied(instruction).is_some_and(|bits| bits == Width::Bits64 || width == Width::Bits32) {
            let into = match instruction.op0_kind() {
                OpKind::Register => general(instruction.op0_register()).map(Holder::Register),
                _ => node.state.frame_position(instruction).map(Holder::Slot),
            };
            if into == Some(self) {
                return match instruction.op1_kind() {
                    OpKind::Register => general(instruction.op1_register()).map(Holder::Register),
                    _ => node.state.frame_position(instruction).map(Holder::Slot),
                };
            }
        }
        (!self.overwritten(node, facts)).then_some(self)
    }

    /// What the instruction adds to the holder, of the result's whole width.
    pub fn added(self, node: &Node, width: Width) -> Option<Holder> {
        let instruction = &node.instruction;
        let into = instruction.op0_register();
        let whole = if width == Width::Bits64 { into.is_gpr64() } else { into.is_gpr32() };
        let adds = instruction.mnemonic() == Mnemonic::Add && instruction.op0_kind() == OpKind::Register && whole;
        if !adds || !self.is(general(into)) {
            return None;
        }
        match instruction.op1_kind() {
            OpKind::Register => general(instruction.op1_register()).map(Holder::Register),
            OpKind::Memory => node.state.frame_position(instruction).map(Holder::Slot),
            _ => None,
        }
    }

    /// `test r, r` before it, and a conditional move into this holder, which is r: what it holds if r is above 0, else r
    /// itself.
    pub fn replaced_above_zero(self, graph: &Graph, node: &Node) -> Option<Holder> {
        let instruction = &node.instruction;
        let moves = instruction.mnemonic() == Mnemonic::Cmovg && instruction.op0_register().is_gpr32();
        let into = general(instruction.op0_register()).filter(|into| moves && self.is(Some(*into)))?;
        (tested(graph, node) == Some(into)).then_some(())?;
        match instruction.op1_kind() {
            OpKind::Register => general(instruction.op1_register()).map(Holder::Register),
            _ => node.state.frame_position(instruction).map(Holder::Slot),
        }
    }

    fn overwritten(self, node: &Node, facts: &mut InstructionInfoFactory) -> bool {
        let info = facts.info(&node.instruction);
        match self {
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
}

/// The register that `test r, r` directly before the instruction looks at, on every way to it.
pub fn tested(graph: &Graph, node: &Node) -> Option<Register> {
    let here = node.instruction.ip();
    let (_, before) = graph.nodes.range(..here).next_back()?;
    let test = &before.instruction;
    let tests = test.next_ip() == here && test.mnemonic() == Mnemonic::Test;
    let whole = test.op0_register() == test.op1_register() && test.op0_register().is_gpr32();
    let jumped_to = graph.nodes.values().any(|n| n.instruction.ip() != test.ip() && n.next.addresses().any(|to| to == here));
    general(test.op0_register()).filter(|_| tests && whole && !jumped_to)
}

fn overlaps(slot: i32, position: i32, bytes: i32) -> bool {
    slot < position.saturating_add(bytes) && position < slot.saturating_add(8)
}

/// Frame positions whose address goes into a register other than the frame's own two.
pub fn escaped(graph: &Graph) -> BTreeSet<i32> {
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
