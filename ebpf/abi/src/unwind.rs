//! What user space tells the kernel programs so that they can find the callers on a stack: which code a process maps, and for
//! each place in a program how to get to the caller.
//!
//! A program's code is cut into pages, of which those are told that stacks came upon. A page has rows, rising by their place in it,
//! and a row has the number of a rule that all programs share.

/// Bit of a user address of a sample that is no return address: a signal came there.
pub const INTERRUPTED: u64 = 1 << 63;
/// Frames of a user stack.
pub const USER_FRAMES_MAX: usize = 1024;

/// Bytes of code in a page.
pub const CODE_PAGE_BYTES: u64 = 1 << CODE_PAGE_BITS;
pub const CODE_PAGE_BITS: u32 = 10;
/// Rows of a page, one for four bytes of code, which is more than compilers need: with what the kernel adds to it, it fills 1 KiB.
pub const PAGE_ROWS: usize = 240;
/// Pages of all programs: 64 MiB.
pub const CODE_PAGES_MAX: u32 = 65536;
/// Different rules of all programs.
pub const UNWIND_RULES_MAX: u32 = 1 << UNWIND_RULES_BITS;
pub const UNWIND_RULES_BITS: u32 = 14;
/// Places whose rules were found lately.
pub const PLACES_MAX: u32 = 1 << PLACES_BITS;
pub const PLACES_BITS: u32 = 13;
/// Mappings in one part of what is known of a process: with what the kernel adds to it, it fills 4 KiB.
pub const PART_MAPPINGS: usize = 118;
/// Parts of one process.
pub const PARTS_MAX: usize = 16;
/// No address of a program is as high.
pub const NO_PART: u64 = 1 << 62;
/// Parts of all processes: 16 MiB.
pub const PROCESS_PARTS_MAX: u32 = 4096;

/// In place of a table's number: user space has the rules, and has not been asked for them.
pub const TABLE_NOT_LOADED: u32 = u32::MAX;
/// In place of a table's number: code that no file has.
pub const TABLE_NONE: u32 = u32::MAX - 1;

/// A range of code of a process.
#[repr(C)]
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct CodeMapping {
    pub start: u64,
    pub end: u64,
    /// An address less this is the place in the table.
    pub bias: u64,
    /// The number of the program's table, or one of the two above.
    pub table: u32,
    /// Changes when the rules are numbered anew; never 0.
    pub numbering: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PartKey {
    pub pid: u32,
    pub part: u32,
}

/// Some of the mappings of a process, rising by address. The first part tells how many there are.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ProcessPart {
    /// [`SampleHeader::program`](crate::SampleHeader::program) when the mappings were read.
    pub program: u64,
    /// Mappings of this part.
    pub mappings: u32,
    /// [`SampleHeader::code_pages`](crate::SampleHeader::code_pages) when the mappings were read.
    pub code_pages: u32,
    /// In the first part: where each part begins; [`NO_PART`] where there is none.
    pub starts: [u64; PARTS_MAX],
    pub code: [CodeMapping; PART_MAPPINGS],
}

#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PageKey {
    pub table: u32,
    pub page: u32,
}

/// The rows of a page. A page without rules has one with rule 0; one with too many rows for it has none.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct PageRows {
    pub count: u32,
    pub rows: [UnwindRow; PAGE_ROWS],
}

/// From this place in the page on, this rule holds, up to the next row; the first row of a page is at its beginning. Rule 0 is
/// none.
#[repr(C)]
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct UnwindRow {
    pub at: u16,
    pub rule: u16,
}

/// A place in a program and the number of the rule that holds there, so that a caller that comes again is not searched for again.
///
/// CPUs share these without a lock: the second word is the first one with the rule's number in it, so that halves of two writers
/// do not fit together.
#[repr(C)]
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct PlaceRule {
    pub key: u64,
    pub key_and_rule: u64,
}

/// How the canonical frame address (CFA: the stack pointer after the return to the caller) is found.
pub mod cfa {
    pub const UNKNOWN: u8 = 0;
    /// register + offset
    pub const REGISTER: u8 = 1;
    /// register + offset, and 8 more from byte `add` of each 16 on
    pub const LINKAGE: u8 = 2;
    /// what is in memory at register + offset, + `add`
    pub const MEMORY: u8 = 3;
    pub const EXPRESSION: u8 = 4;
    /// All registers lie on the stack.
    pub const SIGNAL: u8 = 5;
}

/// Where the caller's frame pointer is.
pub mod bp {
    pub const SAME: u8 = 0;
    pub const AT_CFA: u8 = 1;
    pub const AT_REGISTER: u8 = 2;
    pub const UNKNOWN: u8 = 3;
}

/// Where the return address is.
pub mod ra {
    pub const AT_CFA: u8 = 0;
    pub const REGISTER: u8 = 1;
    pub const OUTERMOST: u8 = 2;
    pub const UNKNOWN: u8 = 3;
}

/// Registers by their DWARF numbers.
#[repr(C)]
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq, Hash)]
pub struct UnwindRule {
    /// A value of [`cfa`].
    pub cfa: u8,
    pub cfa_register: u8,
    /// A value of [`bp`].
    pub bp: u8,
    pub bp_register: u8,
    /// A value of [`ra`].
    pub ra: u8,
    pub ra_register: u8,
    pub _pad: [u8; 2],
    pub cfa_offset: i32,
    pub cfa_add: i32,
    pub bp_offset: i32,
    pub ra_offset: i32,
}

const _: () = assert!(size_of::<CodeMapping>() == 32 && size_of::<UnwindRule>() == 24);
const _: () = assert!(size_of::<ProcessPart>() == 16 + 8 * PARTS_MAX + 32 * PART_MAPPINGS && size_of::<ProcessPart>() < 4000);
const _: () = assert!(size_of::<PageRows>() == 4 + 4 * PAGE_ROWS && size_of::<PageRows>() <= 1024 - 56);
