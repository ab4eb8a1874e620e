//! Expressions by which some code says where its frame is: few, in hand-written code and stubs.
//!
//! In: an expression's bytes. Out: a rule of a simple kind where the expression is one of the usual, else its value for given
//! registers and memory.

use gimli::{EndianSlice, LittleEndian, Operation, Reader};

use super::table::{Cfa, Rule};

/// Different expressions of one program that are kept.
pub const KEPT_MAX: usize = 1024;
pub const BYTES_MAX: usize = 128;
/// Values that wait at a time, and steps.
const DEPTH_MAX: usize = 16;
const STEPS_MAX: usize = 64;

const ENCODING: gimli::Encoding = gimli::Encoding { address_size: 8, format: gimli::Format::Dwarf32, version: 4 };
const IP: u16 = 16;

type Slice<'a> = EndianSlice<'a, LittleEndian>;
type Op<'a> = Operation<Slice<'a>>;

fn operations(bytes: &[u8]) -> Option<Vec<Op<'_>>> {
    let mut rest = EndianSlice::new(bytes, LittleEndian);
    let mut out = vec![];
    while !rest.is_empty() && out.len() < STEPS_MAX {
        out.push(Operation::parse(&mut rest, ENCODING).ok()?);
    }
    rest.is_empty().then_some(out)
}

/// The expression as a rule for the CFA, when it is of a kind that needs no expression.
pub fn simple(bytes: &[u8]) -> Option<Rule> {
    use Operation::{And, Deref, Ge, Plus, PlusConstant, RegisterOffset, Shl, UnsignedConstant};
    let ops = operations(bytes)?;
    let rule = |cfa, register: gimli::Register, offset: i64, add: u64| {
        let cfa_register = u8::try_from(register.0).ok().filter(|r| *r < 16)?;
        Some(Rule {
            cfa,
            cfa_register,
            cfa_offset: i32::try_from(offset).ok()?,
            cfa_add: i32::try_from(add).ok()?,
            ..Rule::default()
        })
    };
    match ops[..] {
        [RegisterOffset { register, offset, .. }] => rule(Cfa::Register, register, offset, 0),
        [RegisterOffset { register, offset, .. }, Deref { size: 8, space: false, .. }] => {
            rule(Cfa::Memory, register, offset, 0)
        }
        [RegisterOffset { register, offset, .. }, Deref { size: 8, space: false, .. }, PlusConstant { value }]
        | [RegisterOffset { register, offset, .. }, Deref { size: 8, space: false, .. }, UnsignedConstant { value }, Plus] => {
            rule(Cfa::Memory, register, offset, value)
        }
        [
            RegisterOffset { register, offset, .. },
            RegisterOffset { register: gimli::Register(IP), offset: 0, .. },
            UnsignedConstant { value: 15 },
            And,
            UnsignedConstant { value },
            Ge,
            UnsignedConstant { value: 3 },
            Shl,
            Plus,
        ] => rule(Cfa::Linkage, register, offset, value),
        _ => None,
    }
}

/// None: an operation that is not known, or a value that is not known.
pub fn value(bytes: &[u8], register: &dyn Fn(u16) -> Option<u64>, memory: &dyn Fn(u64) -> Option<u64>) -> Option<u64> {
    let mut stack: Vec<u64> = Vec::with_capacity(DEPTH_MAX);
    for op in operations(bytes)? {
        let next = match op {
            Operation::RegisterOffset { register: r, offset, .. } => register(r.0)?.wrapping_add_signed(offset),
            Operation::UnsignedConstant { value } => value,
            Operation::SignedConstant { value } => value as u64,
            Operation::PlusConstant { value } => stack.pop()?.wrapping_add(value),
            Operation::Deref { size: 8, space: false, .. } => memory(stack.pop()?)?,
            Operation::Pick { index } => *stack.get(stack.len().checked_sub(1 + usize::from(index))?)?,
            other => {
                let (right, left) = (stack.pop()?, stack.pop()?);
                arithmetic(&other, left, right)?
            }
        };
        if stack.len() == DEPTH_MAX {
            return None;
        }
        stack.push(next);
    }
    stack.pop()
}

fn arithmetic(op: &Op<'_>, left: u64, right: u64) -> Option<u64> {
    let (signed_left, signed_right) = (left as i64, right as i64);
    Some(match op {
        Operation::Plus => left.wrapping_add(right),
        Operation::Minus => left.wrapping_sub(right),
        Operation::Mul => left.wrapping_mul(right),
        Operation::And => left & right,
        Operation::Or => left | right,
        Operation::Xor => left ^ right,
        Operation::Shl => left.checked_shl(u32::try_from(right).ok()?)?,
        Operation::Shr => left.checked_shr(u32::try_from(right).ok()?)?,
        Operation::Ge => u64::from(signed_left >= signed_right),
        Operation::Gt => u64::from(signed_left > signed_right),
        Operation::Le => u64::from(signed_left <= signed_right),
        Operation::Lt => u64::from(signed_left < signed_right),
        Operation::Eq => u64::from(left == right),
        Operation::Ne => u64::from(left != right),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// breg7 8, breg16 0, lit15, and, lit11, ge, lit3, shl, plus
    const LINKAGE: [u8; 11] = [0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22];

    #[test]
    fn usual_expressions_become_rules() {
        let linkage = simple(&LINKAGE).expect("a stub");
        assert_eq!((linkage.cfa, linkage.cfa_register, linkage.cfa_offset, linkage.cfa_add), (Cfa::Linkage, 7, 8, 11));
        // breg7 120, deref, plus_uconst 8
        let memory = simple(&[0x77, 0xf8, 0, 0x06, 0x23, 8]).expect("a saved stack pointer");
        assert_eq!((memory.cfa, memory.cfa_register, memory.cfa_offset, memory.cfa_add), (Cfa::Memory, 7, 120, 8));
        assert_eq!(simple(&[0x76, 0x78, 0x06]).map(|r| (r.cfa_register, r.cfa_offset, r.cfa_add)), Some((6, -8, 0)));
        assert_eq!(simple(&[0x3f]), None);
        assert_eq!(simple(&[0x77]), None, "cut");
    }

    #[test]
    fn others_are_computed() {
        let register = |r: u16| [(7, 0x1000), (9, 4), (16, 0x40b)].iter().find(|(n, _)| *n == r).map(|(_, v)| *v);
        let memory = |address: u64| (address == 0x1028).then_some(0x2000);
        assert_eq!(value(&LINKAGE, &register, &memory), Some(0x1010));
        // breg7 8, breg9 0, lit8, mul, plus, deref, plus_uconst 8
        assert_eq!(value(&[0x77, 8, 0x79, 0, 0x38, 0x1e, 0x22, 0x06, 0x23, 8], &register, &memory), Some(0x2008));
        for bad in [&[0x22][..], &[0x71, 0], &[0x30, 0x06], &[0xff], &[0x38; 30], &[]] {
            assert_eq!(value(bad, &register, &memory), None, "{bad:x?}");
        }
    }
}
