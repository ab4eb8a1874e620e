//! A walk from function to function, by what user space has told: which code the place is in, which rule holds there.
//!
//! In: what was told, and memory that may be unreadable. Out: the next function, or a reason of [`ended`]. The searches have a
//! bounded number of steps and no branches, for the kernel's verifier.

use crate::{
    CODE_PAGE_BITS, CODE_PAGE_BYTES, CodeMapping, Frame, Memory, PAGE_ROWS, PART_MAPPINGS, PARTS_MAX, PLACES_BITS, PageKey,
    PageRows, PartKey, PlaceRule, ProcessPart, TABLE_NONE, TABLE_NOT_LOADED, UNWIND_RULES_BITS, UnwindRule, cfa, ended,
};

/// `mov $15, %rax` or `mov $15, %eax`, and `syscall`: the return from a signal handler, by its first bytes as they lie in memory.
const RETURN_64: u64 = u64::from_le_bytes([0x48, 0xc7, 0xc0, 15, 0, 0, 0, 0x0f]);
const RETURN_32: u64 = u64::from_le_bytes([0xb8, 15, 0, 0, 0, 0x0f, 5, 0]);
const RETURN_32_MASK: u64 = (1 << 56) - 1;

/// What user space has told.
pub trait Known {
    fn part(&self, key: PartKey) -> Option<&ProcessPart>;
    fn page(&self, key: PageKey) -> Option<&PageRows>;
    fn rule(&self, number: u16) -> Option<&UnwindRule>;
    /// What was remembered last under this number, which is below [`PLACES_MAX`](crate::PLACES_MAX).
    fn remembered(&self, slot: u32) -> PlaceRule;
    fn remember(&self, slot: u32, place: PlaceRule);
}

/// A walk under way.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Walk {
    pub frame: Frame,
    /// The code that the function before was in, most often this one too.
    pub code: CodeMapping,
    pub pid: u32,
    pub _pad: u32,
}

impl Walk {
    /// Finds the code that the function is in.
    #[inline(always)]
    pub fn find_code(&mut self, known: &impl Known) -> u8 {
        let place = self.frame.place();
        if place >= self.code.start && place < self.code.end {
            return ended::GOES_ON;
        }
        let Some(mut part) = known.part(PartKey { pid: self.pid, part: 0 }) else { return ended::UNKNOWN_PROCESS };
        let number = part.part_of(place);
        if number > 0 {
            match known.part(PartKey { pid: self.pid, part: number }) {
                Some(other) => part = other,
                None => return ended::UNKNOWN_PROCESS,
            }
        }
        match part.find(place) {
            Some(code) => self.code = *code,
            None => return ended::NO_CODE,
        }
        ended::GOES_ON
    }

    /// To the caller, once the code is found.
    #[inline(always)]
    pub fn step(&mut self, known: &impl Known, memory: &impl Memory) -> u8 {
        let table = self.code.table;
        if table == TABLE_NOT_LOADED {
            return ended::NOT_LOADED;
        }
        if table != TABLE_NONE {
            let place = self.frame.place().wrapping_sub(self.code.bias);
            let number = match self.rule_at(place, known) {
                Ok(number) => number,
                Err(why) => return why,
            };
            if let Some(rule) = known.rule(number)
                && rule.cfa != cfa::UNKNOWN
            {
                return self.frame.by_rule(rule, place, memory);
            }
            if returns_from_signal(self.frame.ip, memory) {
                return self.frame.out_of_signal(memory);
            }
        }
        self.frame.by_frame_pointer(memory)
    }

    /// The number of the rule for a place in the table, or a reason of [`ended`].
    #[inline(always)]
    fn rule_at(&self, place: u64, known: &impl Known) -> Result<u16, u8> {
        let key = self.key(place);
        let slot = (key >> (u64::BITS - PLACES_BITS)) as u32;
        let before = known.remembered(slot);
        let number = before.key ^ before.key_and_rule;
        if before.key == key && number >> UNWIND_RULES_BITS == 0 {
            return Ok(number as u16);
        }
        let page = PageKey { table: self.code.table, page: (place >> CODE_PAGE_BITS) as u32 };
        let Some(rows) = known.page(page) else { return Err(ended::NOT_LOADED) };
        if rows.count == 0 {
            return Err(ended::EXPRESSION);
        }
        let number = rows.rule(place & (CODE_PAGE_BYTES - 1));
        known.remember(slot, PlaceRule { key, key_and_rule: key ^ number as u64 });
        Ok(number)
    }

    /// A number for a place in the table, never 0: 36 bits of the place, 20 of the table, 8 of the numbering, well mixed.
    #[inline(always)]
    fn key(&self, place: u64) -> u64 {
        let whose = ((self.code.table as u64) << 36) ^ ((self.code.numbering as u64) << 56);
        (place ^ whose).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

/// Whether signal handlers return to this place: few libraries describe it.
#[inline(always)]
fn returns_from_signal(ip: u64, memory: &impl Memory) -> bool {
    let code = memory.word(ip).unwrap_or(0);
    code == RETURN_64 || code & RETURN_32_MASK == RETURN_32
}

/// Halvings that find one of so many.
const fn halvings(of: usize) -> u32 {
    usize::BITS - (of - 1).leading_zeros()
}

impl ProcessPart {
    /// The part that the address is in.
    #[inline(always)]
    pub fn part_of(&self, address: u64) -> u32 {
        let mut part = 0;
        for start in &self.starts[1..PARTS_MAX] {
            part += not_above(*start, address);
        }
        part as u32
    }

    /// The code at this address.
    #[inline(always)]
    pub fn find(&self, address: u64) -> Option<&CodeMapping> {
        let (mut at, mut left) = (0, self.mappings as u64);
        for _ in 0..const { halvings(PART_MAPPINGS) } {
            let half = left >> 1;
            let start = self.code.get(bounded(at + half, PART_MAPPINGS as u64 - 1) as usize)?.start;
            at += half & not_above(start, address).wrapping_neg();
            left -= half;
        }
        let found = self.code.get(bounded(at, PART_MAPPINGS as u64 - 1) as usize)?;
        (found.start <= address && address < found.end).then_some(found)
    }
}

impl PageRows {
    /// The rule for a place in the page.
    #[inline(always)]
    pub fn rule(&self, place: u64) -> u16 {
        let (mut at, mut left) = (0, self.count as u64);
        for _ in 0..const { halvings(PAGE_ROWS) } {
            let half = left >> 1;
            let Some(row) = self.rows.get(bounded(at + half, PAGE_ROWS as u64 - 1) as usize) else { return 0 };
            at += half & not_above(row.at as u64, place).wrapping_neg();
            left -= half;
        }
        self.rows.get(bounded(at, PAGE_ROWS as u64 - 1) as usize).map_or(0, |row| row.rule)
    }
}

/// 1 when `a <= b`, without a branch, of which the verifier would follow both ways each time. For numbers below 2^63.
#[inline(always)]
fn not_above(a: u64, b: u64) -> u64 {
    opaque(a.wrapping_sub(b).wrapping_sub(1) >> 63)
}

/// `n`, at most `max`. The compiler must not replace the comparison by one on another register, which the verifier would not
/// follow.
#[inline(always)]
pub fn bounded(n: u64, max: u64) -> u64 {
    let n = opaque(n);
    if n > max { max } else { n }
}

/// `n`, of which the compiler knows nothing.
#[inline(always)]
fn opaque(n: u64) -> u64 {
    #[cfg(target_arch = "bpf")]
    let n = {
        let mut opaque = n;
        unsafe { core::arch::asm!("{n} = {n}", n = inout(reg) opaque) };
        opaque
    };
    n
}
