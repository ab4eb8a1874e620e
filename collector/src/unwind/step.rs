//! One step from a function to its caller, by a rule, by the frame pointer, or out of a signal handler.
//!
//! In: registers and a copy of the stack. Out: the caller's registers. Knows no processes and no files.

use super::expression;
use super::table::{Bp, Cfa, Ra, Rule, Table};

const SP: u8 = 7;
const BP: u8 = 6;
const IP: u16 = 16;
/// Bytes of code that a stub of the procedure linkage table takes.
const STUB_BYTES: u64 = 16;

/// Registers at the moment of a sample. Those that are not known are 0.
#[derive(Clone, Copy, Debug, Default)]
pub struct Registers {
    pub ip: u64,
    pub sp: u64,
    pub bp: u64,
    /// By DWARF number: rax, rdx, rcx, rbx, rsi, rdi, rbp, rsp, r8 to r15. The places of rbp and rsp are not looked at.
    pub rest: [u64; 16],
}

/// Bytes of the stack as they were, from an address on.
#[derive(Clone, Copy)]
pub struct Window<'a> {
    pub start: u64,
    pub bytes: &'a [u8],
}

/// Why there is no step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The outermost function.
    Outermost,
    /// The frame lies behind what was copied.
    Cut,
    /// The frame lies elsewhere: another stack.
    Elsewhere,
    /// The rule needs a register that is not known any more, or is of no known kind.
    Rule,
    /// The caller's frame would not be above.
    Stuck,
}

impl Window<'_> {
    pub fn word(&self, address: u64) -> Result<u64, Stop> {
        let at = address.checked_sub(self.start).ok_or(Stop::Elsewhere)?;
        // far from what was copied is no deep frame
        const NEAR_BYTES: u64 = 64 << 20;
        if at > NEAR_BYTES {
            return Err(Stop::Elsewhere);
        }
        let at = at as usize;
        let bytes = self.bytes.get(at..at + 8).and_then(|b| b.try_into().ok()).ok_or(Stop::Cut)?;
        Ok(u64::from_le_bytes(bytes))
    }
}

/// What is known of a function's registers.
#[derive(Clone, Copy, Debug)]
pub struct State {
    pub ip: u64,
    pub sp: u64,
    bp: Option<u64>,
    /// Known in the innermost function, in one that a signal interrupted, and in what calls these while they saved none.
    rest: Option<[u64; 16]>,
    /// The place is where the program was, and not where a call returns to.
    pub interrupted: bool,
}

impl State {
    pub fn new(registers: &Registers) -> Self {
        let Registers { ip, sp, bp, rest } = *registers;
        Self { ip, sp, bp: Some(bp), rest: Some(rest), interrupted: true }
    }

    /// Of a function on the stack, with what is known of its registers.
    pub fn inside(registers: &Registers, bp_known: bool, rest_known: bool, interrupted: bool) -> Self {
        let Registers { ip, sp, bp, rest } = *registers;
        Self { ip, sp, bp: bp_known.then_some(bp), rest: rest_known.then_some(rest), interrupted }
    }

    /// An address inside the instruction that runs: of a return address, the call before it.
    pub fn place(&self) -> u64 {
        if self.interrupted { self.ip } else { self.ip.wrapping_sub(1) }
    }

    fn register(&self, number: u8) -> Option<u64> {
        match number {
            SP => Some(self.sp),
            BP => self.bp,
            _ => self.rest.as_ref()?.get(usize::from(number)).copied(),
        }
    }

    fn by_offset(&self, register: u8, offset: i32) -> Result<u64, Stop> {
        Ok(self.register(register).ok_or(Stop::Rule)?.wrapping_add_signed(offset.into()))
    }

    /// `address` is where in its program the code is.
    pub fn by_rule(&self, rule: &Rule, table: &Table, address: u64, stack: Window<'_>) -> Result<State, Stop> {
        if rule.ra == Ra::Outermost {
            return Err(Stop::Outermost);
        }
        let cfa = match rule.cfa {
            Cfa::Unknown => return Err(Stop::Rule),
            Cfa::Signal => return self.out_of_signal(stack),
            Cfa::Register => self.by_offset(rule.cfa_register, rule.cfa_offset)?,
            Cfa::Linkage => {
                let pushed = i64::try_from(address % STUB_BYTES).is_ok_and(|at| at >= rule.cfa_add.into());
                self.by_offset(rule.cfa_register, rule.cfa_offset)?.wrapping_add(if pushed { 8 } else { 0 })
            }
            Cfa::Memory => {
                let place = self.by_offset(rule.cfa_register, rule.cfa_offset)?;
                stack.word(place)?.wrapping_add_signed(rule.cfa_add.into())
            }
            Cfa::Expression => {
                let register = |r: u16| if r == IP { Some(self.ip) } else { self.register(u8::try_from(r).ok()?) };
                let bytes = table.expression(rule.cfa_offset).ok_or(Stop::Rule)?;
                expression::value(bytes, &register, &|at| stack.word(at).ok()).ok_or(Stop::Rule)?
            }
        };
        if cfa <= self.sp {
            return Err(Stop::Stuck);
        }
        let ip = match rule.ra {
            Ra::AtCfa => stack.word(cfa.wrapping_add_signed(rule.ra_offset.into()))?,
            Ra::Register => self.register(rule.ra_register).ok_or(Stop::Rule)?,
            Ra::Outermost | Ra::Unknown => return Err(Stop::Rule),
        };
        let bp = match rule.bp {
            Bp::Same => self.bp,
            Bp::AtCfa => stack.word(cfa.wrapping_add_signed(rule.bp_offset.into())).ok(),
            Bp::AtRegister => self.by_offset(rule.bp_register, rule.bp_offset).and_then(|at| stack.word(at)).ok(),
            Bp::Unknown => None,
        };
        Ok(State { ip, sp: cfa, bp, rest: self.rest.filter(|_| rule.saves_nothing()), interrupted: false })
    }

    /// For code that keeps frame pointers and has no rules: translated at run time, or of a language that always does.
    pub fn by_frame_pointer(&self, stack: Window<'_>) -> Result<State, Stop> {
        let bp = self.bp.ok_or(Stop::Rule)?;
        if bp == 0 {
            return Err(Stop::Outermost);
        }
        if bp < self.sp {
            return Err(Stop::Elsewhere);
        }
        let (outer, ip) = (stack.word(bp)?, stack.word(bp.wrapping_add(8))?);
        Ok(State { ip, sp: bp.wrapping_add(16), bp: Some(outer), rest: None, interrupted: false })
    }

    /// The stack pointer is at `struct ucontext`, in which the kernel has put the registers.
    pub fn out_of_signal(&self, stack: Window<'_>) -> Result<State, Stop> {
        /// Where `uc_mcontext` is, and in it, by DWARF number, each register.
        const CONTEXT: u64 = 40;
        const ORDER: [u64; 16] = [13, 12, 14, 11, 9, 8, 10, 15, 0, 1, 2, 3, 4, 5, 6, 7];
        const IP_AT: u64 = 16;
        let word = |n: u64| stack.word(self.sp.wrapping_add(CONTEXT + 8 * n));
        let mut rest = [0; 16];
        for (register, at) in rest.iter_mut().zip(ORDER) {
            *register = word(at)?;
        }
        let (bp, sp) = (rest[usize::from(BP)], rest[usize::from(SP)]);
        Ok(State { ip: word(IP_AT)?, sp, bp: Some(bp), rest: Some(rest), interrupted: true })
    }
}
