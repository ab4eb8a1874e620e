//! What registers and stack slots hold at one place in a function, as far as it is proved.
//!
//! In: a state and an instruction. Out: the state after it. Knows arguments and addresses in the stack frame, and follows
//! them through copies; everything else is unknown. Positions in the frame count from rsp at the function's first instruction,
//! where the return address is at 0.

use iced_x86::{
    Code, FlowControl, Instruction, InstructionInfoFactory, Mnemonic, OpAccess, OpKind, Register as Name, UsedMemory,
};

use super::site::{Place, Register};

/// Slots known at a time: more are forgotten, never wrong.
const SLOTS_MAX: usize = 48;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    Unknown,
    Argument(u8),
    /// An argument and something that was added to it, as when a pointer moves on through what it points to.
    Beyond(u8),
    /// An address in the frame.
    Frame(i32),
}

/// How many bits of an argument or result count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    Bits32,
    Bits64,
}

impl Width {
    fn bytes(self) -> i32 {
        match self {
            Width::Bits32 => 4,
            Width::Bits64 => 8,
        }
    }
}

/// Calling convention: where arguments come in and which registers a call leaves alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Convention {
    SystemV,
    /// Go's ABIInternal, since 1.17.
    Go,
}

/// Arguments that are followed, of those that come in registers.
pub const ARGUMENTS: usize = 6;

impl Value {
    /// What is known of a value that is one of these two.
    fn or(self, other: Value) -> Value {
        match (self, other) {
            (mine, theirs) if mine == theirs => mine,
            (Value::Argument(n) | Value::Beyond(n), Value::Argument(m) | Value::Beyond(m)) if n == m => Value::Beyond(n),
            _ => Value::Unknown,
        }
    }

    /// After a number was added to it.
    fn moved(self) -> Value {
        match self {
            Value::Argument(n) | Value::Beyond(n) => Value::Beyond(n),
            _ => Value::Unknown,
        }
    }
}

impl Convention {
    pub fn arguments(self) -> [Register; ARGUMENTS] {
        use Register::*;
        match self {
            Convention::SystemV => [Rdi, Rsi, Rdx, Rcx, R8, R9],
            Convention::Go => [Rax, Rbx, Rcx, Rdi, Rsi, R8],
        }
    }

    pub fn keeps(self, register: Register) -> bool {
        use Register::*;
        match self {
            Convention::SystemV => matches!(register, Rbx | Rbp | Rsp | R12 | R13 | R14 | R15),
            Convention::Go => matches!(register, Rbp | Rsp),
        }
    }
}

pub const REGISTERS: [Register; 16] = {
    use Register::*;
    [R15, R14, R13, R12, Rbp, Rbx, R11, R10, R9, R8, Rax, Rcx, Rdx, Rsi, Rdi, Rsp]
};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    registers: [Value; 16],
    /// Sorted by position.
    slots: Vec<Slot>,
}

/// A place in the frame and what is known to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Slot {
    position: i32,
    bytes: i32,
    value: Value,
}

/// The function's signature as the state needs it.
#[derive(Debug, Clone, Copy)]
pub struct Signature {
    pub convention: Convention,
    pub widths: [Width; ARGUMENTS],
}

impl State {
    pub fn at_entry(signature: &Signature) -> State {
        let mut state = State { registers: [Value::Unknown; 16], slots: vec![] };
        state.registers[Register::Rsp as usize] = Value::Frame(0);
        for (number, register) in signature.convention.arguments().into_iter().enumerate() {
            state.registers[register as usize] = Value::Argument(number as u8);
        }
        state
    }

    pub fn register(&self, register: Register) -> Value {
        self.registers[register as usize]
    }

    /// rsp, as a position in the frame.
    pub fn depth(&self) -> Option<i32> {
        match self.register(Register::Rsp) {
            Value::Frame(depth) => Some(depth),
            _ => None,
        }
    }

    /// Where an argument is: a register rather than the stack.
    pub fn place_of(&self, argument: u8) -> Place {
        let wanted = Value::Argument(argument);
        if let Some(register) = REGISTERS.into_iter().find(|r| self.register(*r) == wanted) {
            return Place::Register(register);
        }
        let slot = self.slots.iter().find(|slot| slot.value == wanted);
        match (slot, self.depth()) {
            (Some(slot), Some(depth)) => slot.position.checked_sub(depth).map_or(Place::Unknown, Place::Stack),
            _ => Place::Unknown,
        }
    }

    /// The stack position that a memory operand means, if it means one.
    pub fn frame_position(&self, instruction: &Instruction) -> Option<i32> {
        if instruction.memory_index() != Name::None || instruction.segment_prefix() != Name::None {
            return None;
        }
        let Value::Frame(base) = self.register(general(instruction.memory_base())?) else { return None };
        add(base, instruction.memory_displacement64())
    }

    /// What both states agree on.
    pub fn join(&mut self, other: &State) -> bool {
        let before = self.clone();
        for (mine, theirs) in self.registers.iter_mut().zip(&other.registers) {
            *mine = mine.or(*theirs);
        }
        self.slots.retain(|slot| other.slots.contains(slot));
        *self != before
    }

    fn slot(&self, position: i32, bytes: i32) -> Value {
        let slot = self.slots.iter().find(|slot| slot.position == position && slot.bytes >= bytes);
        slot.map_or(Value::Unknown, |slot| slot.value)
    }

    fn set(&mut self, register: Register, value: Value) {
        self.registers[register as usize] = value;
    }

    fn forget_slots(&mut self, position: i32, bytes: i32) {
        self.slots.retain(|slot| {
            slot.position.saturating_add(slot.bytes) <= position || position.saturating_add(bytes) <= slot.position
        });
    }

    fn store(&mut self, position: i32, bytes: i32, value: Value) {
        self.forget_slots(position, bytes);
        if value != Value::Unknown && self.slots.len() < SLOTS_MAX {
            let at = self.slots.partition_point(|other| other.position < position);
            self.slots.insert(at, Slot { position, bytes, value });
        }
    }

    /// The state after the instruction.
    pub fn step(&mut self, instruction: &Instruction, signature: &Signature, facts: &mut InstructionInfoFactory) {
        if self.step_copy(instruction, signature) || self.step_stack(instruction) {
            return;
        }
        if matches!(instruction.flow_control(), FlowControl::Call | FlowControl::IndirectCall) {
            for register in REGISTERS.into_iter().filter(|r| !signature.convention.keeps(*r)) {
                self.set(register, Value::Unknown);
            }
            return;
        }
        self.forget_written(instruction, facts);
    }

    /// Copies of a whole value. False: none of those.
    fn step_copy(&mut self, instruction: &Instruction, signature: &Signature) -> bool {
        let Some(bits) = copied(instruction) else { return false };
        let value = match instruction.op1_kind() {
            OpKind::Register => general(instruction.op1_register()).map_or(Value::Unknown, |r| self.register(r)),
            OpKind::Memory => {
                self.frame_position(instruction).map_or(Value::Unknown, |position| self.slot(position, bits.bytes()))
            }
            _ => Value::Unknown,
        };
        let value = narrowed(value, bits, signature);
        match instruction.op0_kind() {
            OpKind::Register => match general(instruction.op0_register()) {
                Some(register) => self.set(register, value),
                None => return false,
            },
            OpKind::Memory => match self.frame_position(instruction) {
                Some(position) => self.store(position, bits.bytes(), value),
                None => return false,
            },
            _ => return false,
        }
        true
    }

    /// Pushes, pops, and addresses in the frame.
    fn step_stack(&mut self, instruction: &Instruction) -> bool {
        match instruction.mnemonic() {
            Mnemonic::Push => {
                let Some(depth) = self.depth().and_then(|d| add(d, 8u64.wrapping_neg())) else { return false };
                if instruction.stack_pointer_increment() != -8 {
                    return false;
                }
                let pushed = Some(instruction.op0_register()).filter(|_| instruction.op0_kind() == OpKind::Register);
                let value = pushed.and_then(general).map_or(Value::Unknown, |r| self.register(r));
                self.set(Register::Rsp, Value::Frame(depth));
                self.store(depth, 8, value);
            }
            Mnemonic::Pop => {
                let (Some(depth), Some(register)) = (self.depth(), general(instruction.op0_register())) else { return false };
                if instruction.stack_pointer_increment() != 8 {
                    return false;
                }
                let value = self.slot(depth, 8);
                self.set(Register::Rsp, add(depth, 8).map_or(Value::Unknown, Value::Frame));
                self.set(register, value);
            }
            Mnemonic::Leave => {
                let Value::Frame(base) = self.register(Register::Rbp) else { return false };
                let saved = self.slot(base, 8);
                self.set(Register::Rsp, add(base, 8).map_or(Value::Unknown, Value::Frame));
                self.set(Register::Rbp, saved);
            }
            Mnemonic::Lea => {
                let Some(register) = general(instruction.op0_register()) else { return false };
                let position = self.frame_position(instruction).filter(|_| instruction.op0_register().is_gpr64());
                self.set(register, position.map_or(Value::Unknown, Value::Frame));
            }
            Mnemonic::Add | Mnemonic::Sub => {
                let register = Some(instruction.op0_register()).filter(|_| instruction.op0_kind() == OpKind::Register);
                let Some(register) = register.filter(|r| r.is_gpr64()).and_then(general) else { return false };
                let (Value::Frame(base), Ok(_)) = (self.register(register), instruction.try_immediate(1)) else {
                    return instruction.mnemonic() == Mnemonic::Add && self.step_onward(instruction, register);
                };
                let by = instruction.immediate(1);
                let by = if instruction.mnemonic() == Mnemonic::Sub { by.wrapping_neg() } else { by };
                self.set(register, add(base, by).map_or(Value::Unknown, Value::Frame));
            }
            _ => return false,
        }
        true
    }

    /// A number that is added to an argument, or to what was made of one. False: none of those.
    fn step_onward(&mut self, instruction: &Instruction, register: Register) -> bool {
        let added = match instruction.op1_kind() {
            OpKind::Register => general(instruction.op1_register()).map_or(Value::Unknown, |r| self.register(r)),
            _ => Value::Unknown,
        };
        let onward = self.register(register).moved();
        if onward == Value::Unknown || added != Value::Unknown {
            return false;
        }
        self.set(register, onward);
        true
    }

    fn forget_written(&mut self, instruction: &Instruction, facts: &mut InstructionInfoFactory) {
        let info = facts.info(instruction);
        let stores: Vec<(Option<i32>, i32)> =
            info.used_memory().iter().filter(|m| writes(m.access())).map(|m| self.stored(m)).collect();
        for used in info.used_registers().iter().filter(|r| writes(r.access())) {
            if let Some(register) = general(used.register()) {
                self.set(register, Value::Unknown);
            }
        }
        for (position, bytes) in stores {
            // a store through any other pointer does not reach into this frame's spilled values
            if let Some(position) = position {
                self.forget_slots(position, bytes);
            }
        }
    }

    fn stored(&self, memory: &UsedMemory) -> (Option<i32>, i32) {
        let bytes = memory.memory_size().size() as i32;
        let base = general(memory.base()).map(|r| self.register(r));
        match base {
            // an indexed store into the frame may be anywhere in it
            Some(Value::Frame(_)) if memory.index() != Name::None => (Some(i32::MIN / 2), i32::MAX),
            Some(Value::Frame(base)) => (add(base, memory.displacement()), bytes),
            _ => (None, bytes),
        }
    }
}

/// The general register that this names or is a part of.
pub fn general(name: Name) -> Option<Register> {
    Some(match name.full_register() {
        Name::RAX => Register::Rax,
        Name::RBX => Register::Rbx,
        Name::RCX => Register::Rcx,
        Name::RDX => Register::Rdx,
        Name::RSI => Register::Rsi,
        Name::RDI => Register::Rdi,
        Name::RBP => Register::Rbp,
        Name::RSP => Register::Rsp,
        Name::R8 => Register::R8,
        Name::R9 => Register::R9,
        Name::R10 => Register::R10,
        Name::R11 => Register::R11,
        Name::R12 => Register::R12,
        Name::R13 => Register::R13,
        Name::R14 => Register::R14,
        Name::R15 => Register::R15,
        _ => return None,
    })
}

/// Is it a plain copy, and of how many bits?
pub fn copied(instruction: &Instruction) -> Option<Width> {
    match instruction.code() {
        Code::Mov_r64_rm64 | Code::Mov_rm64_r64 => Some(Width::Bits64),
        Code::Mov_r32_rm32 | Code::Mov_rm32_r32 | Code::Movsxd_r64_rm32 => Some(Width::Bits32),
        _ => None,
    }
}

pub fn writes(access: OpAccess) -> bool {
    matches!(access, OpAccess::Write | OpAccess::CondWrite | OpAccess::ReadWrite | OpAccess::ReadCondWrite)
}

fn narrowed(value: Value, bits: Width, signature: &Signature) -> Value {
    match value {
        Value::Argument(number) if bits == Width::Bits32 => match signature.widths.get(usize::from(number)) {
            Some(Width::Bits32) => value,
            _ => Value::Unknown,
        },
        Value::Beyond(_) | Value::Frame(_) if bits == Width::Bits32 => Value::Unknown,
        value => value,
    }
}

fn add(base: i32, by: u64) -> Option<i32> {
    base.checked_add(i32::try_from(by as i64).ok()?)
}
