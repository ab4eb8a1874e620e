//! One step from a function to its caller, as the kernel programs do it. User space has the same code to test it.
//!
//! In: registers, a rule, and memory that may be unreadable. Out: the caller's registers, or a reason of [`ended`].

use crate::{UnwindRule, bounded, bp, cfa, ended, ra};

const SP: u8 = 7;
const BP: u8 = 6;
/// Bytes of code that a stub of the procedure linkage table takes.
const STUB_BYTES: u64 = 16;

/// The stack of the thread.
pub trait Memory {
    fn word(&self, address: u64) -> Option<u64>;
}

/// A function on the stack.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Frame {
    pub ip: u64,
    pub sp: u64,
    pub bp: u64,
    /// By DWARF number: rax, rdx, rcx, rbx, rsi, rdi, rbp, rsp, r8 to r15.
    pub rest: [u64; 16],
    /// Whether `bp` is known: 0 or 1, as the next two.
    pub bp_known: u32,
    /// Whether `rest` is: in the innermost function, in one that a signal interrupted, and in what calls these while they saved none.
    pub rest_known: u32,
    /// The place is where the program was, and not where a call returns to.
    pub interrupted: u32,
    pub _pad: u32,
}

impl UnwindRule {
    /// Nothing is on the stack but the return address: no register is saved, and the caller finds them as they are.
    #[inline(always)]
    fn saves_nothing(&self) -> bool {
        self.cfa == cfa::REGISTER && self.cfa_register == SP && self.cfa_offset == 8 && self.ra == ra::AT_CFA
    }
}

impl Frame {
    /// An address inside the instruction that runs: of a return address, the call before it.
    #[inline(always)]
    pub fn place(&self) -> u64 {
        self.ip.wrapping_sub(1).wrapping_add(self.interrupted as u64)
    }

    #[inline(always)]
    fn register(&self, number: u8) -> Option<u64> {
        match number {
            SP => Some(self.sp),
            BP => (self.bp_known != 0).then_some(self.bp),
            _ if self.rest_known == 0 => None,
            _ => self.rest.get(bounded(number as u64, 15) as usize).copied(),
        }
    }

    #[inline(always)]
    fn by_offset(&self, register: u8, offset: i32) -> Option<u64> {
        Some(self.register(register)?.wrapping_add(offset as i64 as u64))
    }

    /// To the caller, by a rule; `place` is where the function is in its table.
    #[inline(always)]
    pub fn by_rule(&mut self, rule: &UnwindRule, place: u64, memory: &impl Memory) -> u8 {
        if rule.ra == ra::OUTERMOST {
            return ended::COMPLETE;
        }
        if rule.cfa == cfa::SIGNAL {
            return self.out_of_signal(memory);
        }
        if rule.cfa == cfa::EXPRESSION {
            return ended::EXPRESSION;
        }
        let Some(mut cfa) = self.by_offset(rule.cfa_register, rule.cfa_offset) else { return ended::RULE };
        if rule.cfa == cfa::LINKAGE {
            if place % STUB_BYTES >= rule.cfa_add as u64 {
                cfa = cfa.wrapping_add(8);
            }
        } else if rule.cfa == cfa::MEMORY {
            let Some(word) = memory.word(cfa) else { return ended::UNREADABLE };
            cfa = word.wrapping_add(rule.cfa_add as i64 as u64);
        }
        if cfa <= self.sp {
            return ended::STUCK;
        }
        let ip = match rule.ra {
            ra::AT_CFA => match memory.word(cfa.wrapping_add(rule.ra_offset as i64 as u64)) {
                Some(ip) => ip,
                None => return ended::UNREADABLE,
            },
            ra::REGISTER => match self.register(rule.ra_register) {
                Some(ip) => ip,
                None => return ended::RULE,
            },
            _ => return ended::RULE,
        };
        if rule.bp != bp::SAME {
            let at = match rule.bp {
                bp::AT_CFA => Some(cfa.wrapping_add(rule.bp_offset as i64 as u64)),
                bp::AT_REGISTER => self.by_offset(rule.bp_register, rule.bp_offset),
                _ => None,
            };
            let outer = match at {
                Some(at) => memory.word(at),
                None => None,
            };
            self.bp_known = outer.is_some() as u32;
            self.bp = outer.unwrap_or(0);
        }
        self.ip = ip;
        self.sp = cfa;
        self.rest_known &= rule.saves_nothing() as u32;
        self.interrupted = 0;
        ended::GOES_ON
    }

    /// For code that keeps frame pointers and has no rules.
    #[inline(always)]
    pub fn by_frame_pointer(&mut self, memory: &impl Memory) -> u8 {
        if self.bp_known == 0 {
            return ended::NO_FRAME_POINTER;
        }
        if self.bp == 0 {
            return ended::COMPLETE;
        }
        if self.bp < self.sp {
            return ended::ANOTHER_STACK;
        }
        let (Some(outer), Some(ip)) = (memory.word(self.bp), memory.word(self.bp.wrapping_add(8))) else {
            return ended::NO_FRAME_POINTER;
        };
        self.ip = ip;
        self.sp = self.bp.wrapping_add(16);
        self.bp = outer;
        self.rest_known = 0;
        self.interrupted = 0;
        ended::GOES_ON
    }

    /// The stack pointer is at `struct ucontext`, in which the kernel has put the registers.
    #[inline(always)]
    pub fn out_of_signal(&mut self, memory: &impl Memory) -> u8 {
        /// Where `uc_mcontext` is, and in it, by DWARF number, each register.
        const CONTEXT: u64 = 40;
        const ORDER: [u64; 16] = [13, 12, 14, 11, 9, 8, 10, 15, 0, 1, 2, 3, 4, 5, 6, 7];
        const IP_AT: u64 = 16;
        let context = self.sp.wrapping_add(CONTEXT);
        for (register, at) in self.rest.iter_mut().zip(ORDER) {
            let Some(word) = memory.word(context.wrapping_add(8 * at)) else { return ended::UNREADABLE };
            *register = word;
        }
        let Some(ip) = memory.word(context.wrapping_add(8 * IP_AT)) else { return ended::UNREADABLE };
        self.ip = ip;
        self.bp = self.rest[BP as usize];
        self.sp = self.rest[SP as usize];
        self.bp_known = 1;
        self.rest_known = 1;
        self.interrupted = 1;
        ended::GOES_ON
    }
}
