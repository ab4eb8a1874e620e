//! How to get from a function to its caller, for every place in a program, in few bytes.
//!
//! Rows are two arrays, 6 bytes a row: the places from which a rule holds (rising, relative to one base) and the rule's number.
//! Programs have hundreds of thousands of rows and some hundred rules. Both are plain numbers without pointers, so that they
//! can be copied into a map of a kernel program as they are.

/// Places in one program.
pub const ROWS_MAX: usize = 6 << 20;
/// Numbers of rules have 16 bits.
const RULES_MAX: usize = 1 << 16;
/// Rules that are found again without a look at the map of all.
const RECENT: usize = 64;

/// The stack pointer's DWARF number.
const SP: u8 = 7;

/// How the canonical frame address (CFA: the stack pointer after the return to the caller) is found.
#[repr(u8)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Cfa {
    /// Nothing is known here: no function, or a rule of no known kind.
    #[default]
    Unknown,
    /// register + offset
    Register,
    /// A stub of the procedure linkage table: register + offset, and 8 more from byte `add` of each 16 on.
    Linkage,
    /// What is in memory at register + offset, + `add`.
    Memory,
    /// The expression of number `offset`.
    Expression,
    /// The kernel's frame of a signal handler: all registers lie on the stack.
    Signal,
}

/// Where the caller's frame pointer is.
#[repr(u8)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Bp {
    /// Still in its register.
    #[default]
    Same,
    /// In memory at CFA + offset.
    AtCfa,
    /// In memory at register + offset.
    AtRegister,
    Unknown,
}

/// Where the return address is.
#[repr(u8)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Ra {
    /// In memory at CFA + offset.
    #[default]
    AtCfa,
    /// In a register.
    Register,
    /// There is none: the outermost function.
    Outermost,
    Unknown,
}

/// Registers by their DWARF numbers.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Rule {
    pub cfa: Cfa,
    pub cfa_register: u8,
    pub bp: Bp,
    pub bp_register: u8,
    pub ra: Ra,
    pub ra_register: u8,
    pub reserved: [u8; 2],
    pub cfa_offset: i32,
    pub cfa_add: i32,
    pub bp_offset: i32,
    pub ra_offset: i32,
}

impl Rule {
    /// Nothing is on the stack but the return address: no register is saved, and the caller finds them as they are.
    pub fn saves_nothing(&self) -> bool {
        (self.cfa, self.cfa_register, self.cfa_offset, self.ra) == (Cfa::Register, SP, 8, Ra::AtCfa)
    }
}

/// A piece of code: its addresses, and where it is in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    pub address: u64,
    pub offset: u64,
    pub bytes: u64,
}

/// The address in the program of a place in its file.
pub fn address(code: &[Code], offset: u64) -> Option<u64> {
    code.iter().find_map(|c| Some(c.address + offset.checked_sub(c.offset).filter(|inside| *inside < c.bytes)?))
}

#[derive(Debug, Default)]
pub struct Table {
    code: Vec<Code>,
    base: u64,
    starts: Vec<u32>,
    numbers: Vec<u16>,
    rules: Vec<Rule>,
    expressions: Vec<Box<[u8]>>,
}

impl Table {
    pub fn code(&self) -> &[Code] {
        &self.code
    }

    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// None: no rule is known for this address.
    pub fn rule(&self, address: u64) -> Option<&Rule> {
        let at = u32::try_from(address.checked_sub(self.base)?).ok()?;
        let row = self.starts.partition_point(|start| *start <= at).checked_sub(1)?;
        self.rules.get(usize::from(*self.numbers.get(row)?)).filter(|rule| rule.cfa != Cfa::Unknown)
    }

    pub fn expression(&self, number: i32) -> Option<&[u8]> {
        self.expressions.get(usize::try_from(number).ok()?).map(|e| &**e)
    }

    /// The base, and for each row where it begins from there and its rule's number; a row holds up to the next.
    pub fn rows(&self) -> (u64, &[u32], &[u16]) {
        (self.base, &self.starts, &self.numbers)
    }

    /// The rule at `from`, and those that follow it before `to`, each with the place from which on it holds.
    pub fn between(&self, from: u64, to: u64) -> Vec<(u64, Rule)> {
        let address = |row: usize| Some(self.base + u64::from(*self.starts.get(row)?));
        let rule = |row: usize| self.numbers.get(row).and_then(|number| self.rules.get(usize::from(*number))).copied();
        let next = self.starts.partition_point(|start| self.base + u64::from(*start) <= from);
        let mut out = vec![(from, next.checked_sub(1).and_then(rule).unwrap_or_default())];
        out.extend((next..).map_while(|row| Some((address(row).filter(|at| *at < to)?, rule(row)?))));
        out
    }

    #[cfg(test)]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// What it occupies.
    pub fn bytes(&self) -> usize {
        size_of::<Table>()
            + self.code.capacity() * size_of::<Code>()
            + self.starts.capacity() * size_of::<u32>()
            + self.numbers.capacity() * size_of::<u16>()
            + self.rules.capacity() * size_of::<Rule>()
            + self.expressions.iter().map(|e| e.len() + size_of::<Box<[u8]>>()).sum::<usize>()
    }
}

/// Most rules of a program differ in these.
fn slot(rule: &Rule) -> usize {
    let words = (rule.cfa_offset / 8).wrapping_add(rule.bp_offset).wrapping_add(i32::from(rule.cfa_register) * 5);
    words.rem_euclid(RECENT as i32) as usize
}

/// Rows in any order become a table.
pub struct Builder {
    code: Vec<Code>,
    base: u64,
    rows: Vec<(u32, u16)>,
    rules: Vec<Rule>,
    known: hashbrown::HashMap<Rule, u16>,
    /// Rules that were used lately, by [`slot`].
    recent: [(Rule, u16); RECENT],
    /// So many rows are in order.
    settled: usize,
    expressions: Vec<Box<[u8]>>,
}

impl Builder {
    pub fn new(code: Vec<Code>) -> Self {
        let base = code.iter().map(|c| c.address).min().unwrap_or(0);
        let none = Rule::default();
        let known = [(none, 0)].into_iter().collect();
        Self {
            code,
            base,
            rows: vec![],
            rules: vec![none],
            known,
            recent: [(none, 0); RECENT],
            settled: 0,
            expressions: vec![],
        }
    }

    /// Linkers leave descriptions of functions that they dropped: their addresses mean nothing.
    pub fn is_code(&self, address: u64) -> bool {
        self.code.iter().any(|c| address.wrapping_sub(c.address) < c.bytes)
    }

    /// The rule holds from here on, up to the next row. False when the table is full.
    pub fn row(&mut self, address: u64, rule: Rule) -> bool {
        let Some(at) = address.checked_sub(self.base).and_then(|at| u32::try_from(at).ok()) else { return true };
        let number = self.number(rule);
        self.rows.push((at, number));
        self.rows.len() < ROWS_MAX
    }

    /// Nothing is known from here on, unless another row begins here.
    pub fn end(&mut self, address: u64) {
        self.row(address, Rule::default());
    }

    pub fn expression(&mut self, bytes: &[u8]) -> Option<i32> {
        let number = self.expressions.iter().position(|e| **e == *bytes).unwrap_or(self.expressions.len());
        if number == self.expressions.len() {
            if number == super::expression::KEPT_MAX {
                return None;
            }
            self.expressions.push(bytes.into());
        }
        i32::try_from(number).ok()
    }

    fn number(&mut self, rule: Rule) -> u16 {
        let recent = slot(&rule);
        if self.recent[recent].0 == rule {
            return self.recent[recent].1;
        }
        let next = self.rules.len();
        let number = match self.known.get(&rule) {
            Some(number) => *number,
            None if next == RULES_MAX => return 0,
            None => {
                self.rules.push(rule);
                self.known.insert(rule, next as u16);
                next as u16
            }
        };
        self.recent[recent] = (rule, number);
        number
    }

    /// Puts the rows in order: what they describe is known then.
    pub fn settle(&mut self) {
        // ends come before what begins in the same place; the rows of one function stay in their order
        self.rows.sort_by_key(|(at, number)| (*at, *number != 0));
        let mut kept: usize = 0;
        for i in 0..self.rows.len() {
            let row = self.rows[i];
            if kept > 0 && self.rows[kept - 1].0 == row.0 {
                kept -= 1;
            }
            if kept > 0 && self.rows[kept - 1].1 == row.1 {
                continue;
            }
            self.rows[kept] = row;
            kept += 1;
        }
        self.rows.truncate(kept);
        self.settled = kept;
    }

    /// Whether a rule was known for this address when the rows were last put in order.
    pub fn describes(&self, address: u64) -> bool {
        let at = address.checked_sub(self.base).and_then(|at| u32::try_from(at).ok());
        let settled = self.rows.get(..self.settled).unwrap_or_default();
        let row = at.and_then(|at| settled.partition_point(|row| row.0 <= at).checked_sub(1));
        row.and_then(|row| settled.get(row)).is_some_and(|row| row.1 != 0)
    }

    pub fn build(mut self) -> Table {
        self.settle();
        self.rules.shrink_to_fit();
        Table {
            code: self.code,
            base: self.base,
            starts: self.rows.iter().map(|r| r.0).collect(),
            numbers: self.rows.iter().map(|r| r.1).collect(),
            rules: self.rules,
            expressions: self.expressions,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_sp(offset: i32) -> Rule {
        Rule { cfa: Cfa::Register, cfa_register: 7, cfa_offset: offset, ra_offset: -8, ..Rule::default() }
    }

    #[test]
    fn rows_in_any_order_are_found_by_address() {
        let mut builder = Builder::new(vec![Code { address: 0x1000, offset: 0x400, bytes: 0x1000 }]);
        assert!(builder.is_code(0x1fff) && !builder.is_code(0x2000) && !builder.is_code(0));
        builder.row(0x1100, by_sp(8));
        builder.row(0x1104, by_sp(16));
        builder.end(0x1110);
        builder.row(0x1080, by_sp(8));
        builder.row(0x1081, by_sp(8));
        builder.end(0x1100);
        assert!(!builder.describes(0x1080));
        builder.settle();
        assert!(builder.describes(0x1080) && !builder.describes(0x107f) && !builder.describes(0x1110));
        let table = builder.build();
        let offset = |address| table.rule(address).map(|rule| rule.cfa_offset);
        assert_eq!([0xfff, 0x1000, 0x107f].map(offset), [None; 3]);
        assert_eq!([0x1080, 0x10ff, 0x1100, 0x1103].map(offset), [Some(8); 4]);
        assert_eq!([0x1104, 0x110f].map(offset), [Some(16); 2]);
        assert_eq!([0x1110, u64::MAX].map(offset), [None; 2]);
        assert_eq!(table.rows().1, [0x80, 0x104, 0x110], "rows that say the same are one");
        assert_eq!(table.rules().len(), 3);
        assert_eq!(address(table.code(), 0x410), Some(0x1010));
        assert_eq!(address(table.code(), 0x1400), None);
    }
}
