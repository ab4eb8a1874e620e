//! What is in registers and on the stack where a probe fires.

use core::mem::MaybeUninit;

use aya_ebpf::{bindings::pt_regs, helpers::generated as helpers};
use ebpf_abi::{Condition, Place, Site, bounded, place, words};

use crate::kernel::read_user;

/// The value at a place; 0 when it cannot be read.
#[inline(always)]
pub unsafe fn value(regs: *const pt_regs, at: &Place) -> u64 {
    unsafe {
        match at.kind {
            place::STACK => on_stack(regs, at),
            place::REGISTER => in_register(regs, at),
            _ => 0,
        }
    }
}

// of what passes only rarely
#[inline(never)]
unsafe fn on_stack(regs: *const pt_regs, at: &Place) -> u64 {
    unsafe { read_user::<u64>((*regs).rsp.wrapping_add(at.offset as i64 as u64)).unwrap_or(0) }
}

/// Registers are read one by one: the verifier allows no computed offset into them.
#[inline(always)]
unsafe fn in_register(regs: *const pt_regs, at: &Place) -> u64 {
    unsafe {
        match at.register {
            0 => (*regs).rax,
            1 => (*regs).rdx,
            2 => (*regs).rcx,
            3 => (*regs).rbx,
            4 => (*regs).rsi,
            5 => (*regs).rdi,
            6 => (*regs).rbp,
            7 => (*regs).rsp,
            8 => (*regs).r8,
            9 => (*regs).r9,
            10 => (*regs).r10,
            11 => (*regs).r11,
            12 => (*regs).r12,
            13 => (*regs).r13,
            14 => (*regs).r14,
            _ => (*regs).r15,
        }
    }
}

/// All that a site may ask for, by [`words`]: read at once, which takes less time than one by one as soon as the site has a value
/// on the stack, and no branches.
pub struct Words([u64; words::COUNT]);

impl Words {
    /// In the caller's place: it is too large to be there twice.
    #[inline(always)]
    pub unsafe fn read(to: &mut MaybeUninit<Self>, regs: *const pt_regs, site: &Site) {
        const STACK_BYTES: u64 = words::STACK as u64 * 8;
        unsafe {
            let (to, r) = (to.as_mut_ptr().cast::<u64>(), &*regs);
            // volatile, so that each word is written at once and none by a call
            let write = |n: usize, word: u64| to.add(n).write_volatile(word);
            write(0, r.rax);
            write(1, r.rdx);
            write(2, r.rcx);
            write(3, r.rbx);
            write(4, r.rsi);
            write(5, r.rdi);
            write(6, r.rbp);
            write(7, r.rsp);
            write(8, r.r8);
            write(9, r.r9);
            write(10, r.r10);
            write(11, r.r11);
            write(12, r.r12);
            write(13, r.r13);
            write(14, r.r14);
            write(15, r.r15);
            for n in words::REGISTERS..words::COUNT {
                write(n, 0);
            }
            let stack = to.add(words::REGISTERS);
            let n = bounded(site.stack_bytes as u64, STACK_BYTES);
            if n > 0 {
                let from = r.rsp.wrapping_add(site.stack_from as i64 as u64);
                // what cannot be read is zeros, which the helper sees to
                helpers::bpf_probe_read_user(stack.cast(), n as u32, from as *const _);
            }
        }
    }

    /// As [`value`], of a site's place.
    #[inline(always)]
    pub unsafe fn value(&self, regs: *const pt_regs, at: &Place) -> u64 {
        unsafe {
            if at.word == words::BEYOND {
                return on_stack(regs, at);
            }
            let word = bounded(at.word as u64, words::COUNT as u64 - 1);
            self.0.as_ptr().add(word as usize).read() >> at.shift
        }
    }

    #[inline(always)]
    pub unsafe fn hold(&self, regs: *const pt_regs, condition: &Condition) -> bool {
        unsafe { condition.at.kind == place::NOWHERE || self.value(regs, &condition.at) as u32 == condition.value }
    }
}
