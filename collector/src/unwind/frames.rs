//! The call frame information of compilers, `.eh_frame` or `.debug_frame`, as rows of a [`Table`](super::table::Table).
//!
//! What is damaged ends the reading of its function, or of the section; what was read till then holds.

use gimli::{
    BaseAddresses, CfaRule, CieOrFde, CommonInformationEntry, EndianSlice, FrameDescriptionEntry, LittleEndian, RegisterRule,
    UnwindContext, UnwindSection, UnwindTableRow,
};

use super::expression;
use super::table::{Bp, Builder, Cfa, Ra, Rule};

pub type Slice<'a> = EndianSlice<'a, LittleEndian>;

const BP: gimli::Register = gimli::Register(6);
const RA: gimli::Register = gimli::Register(16);
const REGISTERS: u16 = 16;

/// Where sections are in the program: pointers in them count from there.
#[derive(Clone, Copy, Debug, Default)]
pub struct Places {
    pub eh_frame: u64,
    pub text: u64,
}

pub fn add_eh_frame(builder: &mut Builder, section: &[u8], places: Places) {
    let mut frames = gimli::EhFrame::new(section, LittleEndian);
    frames.set_address_size(8);
    let bases = BaseAddresses::default().set_eh_frame(places.eh_frame).set_text(places.text);
    add(builder, &frames, &bases);
}

pub fn add_debug_frame(builder: &mut Builder, section: &[u8], places: Places) {
    let mut frames = gimli::DebugFrame::new(section, LittleEndian);
    frames.set_address_size(8);
    add(builder, &frames, &BaseAddresses::default().set_text(places.text));
}

fn add<'a, S: UnwindSection<Slice<'a>>>(builder: &mut Builder, section: &S, bases: &BaseAddresses) {
    let mut context = UnwindContext::new();
    // functions of one source file mostly share theirs
    let mut last: Option<(usize, CommonInformationEntry<Slice<'a>>)> = None;
    let mut entries = section.entries(bases);
    while let Ok(Some(entry)) = entries.next() {
        let CieOrFde::Fde(partial) = entry else { continue };
        let function = partial.parse(|section, bases, offset| {
            let at: usize = gimli::UnwindOffset::into(offset);
            if let Some((known, shared)) = &last
                && *known == at
            {
                return Ok(shared.clone());
            }
            let shared = section.cie_from_offset(bases, offset)?;
            last = Some((at, shared.clone()));
            Ok(shared)
        });
        let Ok(function) = function else { continue };
        let start = function.initial_address();
        let wanted = builder.is_code(start) && !builder.describes(start);
        if wanted && !add_function(builder, section, bases, &mut context, &function) {
            return;
        }
    }
}

/// False when the table is full.
pub fn add_function<'a, S: UnwindSection<Slice<'a>>>(
    builder: &mut Builder,
    section: &S,
    bases: &BaseAddresses,
    context: &mut UnwindContext<usize>,
    function: &FrameDescriptionEntry<Slice<'a>>,
) -> bool {
    let signal = function.is_signal_trampoline();
    if let Ok(mut rows) = function.rows(section, bases, context) {
        while let Ok(Some(row)) = rows.next_row() {
            let rule = if signal { Rule { cfa: Cfa::Signal, ..Rule::default() } } else { rule(builder, section, row) };
            if !builder.row(row.start_address(), rule) {
                return false;
            }
        }
    }
    // after the rows that are before it: they are put in order faster that way
    builder.end(function.end_address());
    true
}

fn rule<'a, S: UnwindSection<Slice<'a>>>(builder: &mut Builder, section: &S, row: &UnwindTableRow<usize>) -> Rule {
    let cfa = match row.cfa() {
        CfaRule::RegisterAndOffset { register, offset } => match (number(*register), i32::try_from(*offset)) {
            (Some(cfa_register), Ok(cfa_offset)) => {
                Some(Rule { cfa: Cfa::Register, cfa_register, cfa_offset, ..Rule::default() })
            }
            _ => None,
        },
        CfaRule::Expression(e) => e.get(section).ok().and_then(|e| by_expression(builder, e.0.slice())),
    };
    let Some(mut rule) = cfa else { return Rule::default() };
    match row.register(BP) {
        None | Some(RegisterRule::SameValue | RegisterRule::Undefined) => {}
        Some(RegisterRule::Offset(offset)) => {
            (rule.bp, rule.bp_offset) = at(offset).map_or((Bp::Unknown, 0), |o| (Bp::AtCfa, o))
        }
        Some(RegisterRule::Expression(e)) => {
            let place = e.get(section).ok().and_then(|e| expression::simple(e.0.slice()));
            match place.filter(|p| p.cfa == Cfa::Register) {
                Some(p) => (rule.bp, rule.bp_register, rule.bp_offset) = (Bp::AtRegister, p.cfa_register, p.cfa_offset),
                None => rule.bp = Bp::Unknown,
            }
        }
        Some(_) => rule.bp = Bp::Unknown,
    }
    match row.register(RA) {
        Some(RegisterRule::Undefined) => rule.ra = Ra::Outermost,
        Some(RegisterRule::Offset(offset)) => {
            (rule.ra, rule.ra_offset) = at(offset).map_or((Ra::Unknown, 0), |o| (Ra::AtCfa, o))
        }
        Some(RegisterRule::Register(register)) => match number(register) {
            Some(register) => (rule.ra, rule.ra_register) = (Ra::Register, register),
            None => rule.ra = Ra::Unknown,
        },
        _ => rule.ra = Ra::Unknown,
    }
    rule
}

fn by_expression(builder: &mut Builder, bytes: &[u8]) -> Option<Rule> {
    if let Some(simple) = expression::simple(bytes) {
        return Some(simple);
    }
    let bytes = Some(bytes).filter(|b| b.len() <= expression::BYTES_MAX)?;
    Some(Rule { cfa: Cfa::Expression, cfa_offset: builder.expression(bytes)?, ..Rule::default() })
}

fn number(register: gimli::Register) -> Option<u8> {
    Some(register.0).filter(|r| *r < REGISTERS).and_then(|r| u8::try_from(r).ok())
}

fn at(offset: i64) -> Option<i32> {
    i32::try_from(offset).ok()
}
