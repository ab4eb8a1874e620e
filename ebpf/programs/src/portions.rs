//! Amounts that are told in portions: of small ones, each time that they make a portion together the last is told, and stands for
//! all; a larger one is told as it is. So a sum is right to within a portion, and what it begins with is random, so that many sums are
//! right together. The portion grows when too many are told.

use aya_ebpf::helpers::generated as helpers;

const SECOND_NS: u64 = 1_000_000_000;
/// A portion does not grow beyond this, so that its product with 32 random bits fits.
const PORTION_MAX: u64 = 1 << 31;

/// What may be told on a CPU.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Portions {
    /// Since when `told` counts.
    pub since_ns: u64,
    pub told: u64,
    /// How large a portion is; 0 is the least.
    pub portion: u64,
}

/// A portion is no smaller than this, and so many are told on a CPU in a second.
#[derive(Clone, Copy)]
pub struct Limits {
    pub portion_min: u64,
    pub a_second_max: u64,
}

/// What `owed` begins with.
#[inline(always)]
pub unsafe fn at_first(portion: u64) -> u64 {
    unsafe { 1 + ((helpers::bpf_get_prandom_u32() as u64 * portion) >> 32) }
}

/// The amount that this one stands for, 0 when it is not told. `owed` is what no other stands for yet; 0 before the first.
#[inline(always)]
pub unsafe fn stands_for(portions: *mut Portions, owed: *mut u64, amount: u64, limits: Limits) -> u64 {
    unsafe {
        let mut portion = (*portions).portion;
        if portion < limits.portion_min {
            portion = limits.portion_min;
        }
        let mut value = amount;
        if amount < portion {
            if *owed == 0 {
                *owed = at_first(portion);
            }
            let sum = *owed + amount;
            if sum < portion {
                *owed = sum;
                return 0;
            }
            let rest = sum % portion;
            *owed = if rest == 0 { 1 } else { rest };
            value = sum - rest;
        }
        // the clock is looked at only for what is told: most calls end above
        let now = helpers::bpf_ktime_get_ns();
        if now.wrapping_sub((*portions).since_ns) > SECOND_NS {
            if (*portions).told < limits.a_second_max / 2 && portion > limits.portion_min {
                portion /= 2;
            }
            (*portions).since_ns = now;
            (*portions).told = 0;
        } else if (*portions).told >= limits.a_second_max {
            // one that is used up at once is far too small
            let factor = if now.wrapping_sub((*portions).since_ns) < SECOND_NS / 8 { 4 } else { 2 };
            portion = if portion * factor < PORTION_MAX { portion * factor } else { PORTION_MAX };
            (*portions).since_ns = now;
            (*portions).told = 0;
        }
        (*portions).portion = portion;
        (*portions).told += 1;
        value
    }
}
