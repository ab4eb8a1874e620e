//! Parameters of an execution as a JSON list, and query attributes.

use super::limits::PARAMETERS_MAX;
use super::read::Reader;
use super::statements::{ParameterType, Statement};
use super::value::{text, value};
use crate::trace::{Trace, traceparent};

/// Bit of the flags of COM_STMT_EXECUTE: the number of parameters is on the wire, as attributes may follow them.
const PARAMETER_COUNT_AVAILABLE: u8 = 0x08;
/// Bit of the flags of COM_STMT_BULK_EXECUTE: types follow.
const SEND_TYPES_TO_SERVER: u16 = 1 << 7;

/// How much is written.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Of one value.
    pub value_bytes_max: usize,
    /// Of the whole list.
    pub list_bytes_max: usize,
}

/// What became of the parameters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Written {
    /// They cannot be known: nothing was written.
    Unknown,
    Whole,
    /// The list or a value in it is only a beginning.
    Cut,
}

/// Number of the statement in the payload of a command about one, which begins with the command's byte.
pub fn statement_id(payload: &[u8]) -> Option<u32> {
    Reader::new(payload.get(1..)?).u32()
}

/// Whether an execution says that attributes may follow, which clients do that agreed on attributes.
pub fn counts_parameters(payload: &[u8]) -> bool {
    payload.get(5).is_some_and(|flags| flags & PARAMETER_COUNT_AVAILABLE != 0)
}

/// Parameters of COM_STMT_EXECUTE: `[17] number flags iterations`, a bitmap of the nulls, types if they are new, values.
pub fn parameters(payload: &[u8], attributes: bool, statement: &mut Statement, room: Room, out: &mut Vec<u8>) -> Written {
    let start = out.len();
    match list(payload, attributes, statement, room, out) {
        Some(cut) => {
            out.push(b']');
            if cut { Written::Cut } else { Written::Whole }
        }
        None => {
            out.truncate(start);
            Written::Unknown
        }
    }
}

/// The list without its end, and whether it is cut; `None` when it cannot be read.
fn list(payload: &[u8], attributes: bool, statement: &mut Statement, room: Room, out: &mut Vec<u8>) -> Option<bool> {
    let long_data = std::mem::take(&mut statement.long_data);
    let expected = usize::from(statement.parameters);
    let mut reader = Reader::new(payload);
    let header = reader.take(10)?;
    out.push(b'[');
    let counted = attributes && (expected > 0 || header[5] & PARAMETER_COUNT_AVAILABLE != 0);
    let with_count = counted && header[5] & PARAMETER_COUNT_AVAILABLE != 0;
    let count = if with_count { usize::try_from(reader.number()?).ok()? } else { expected };
    if count == 0 {
        return Some(false);
    }
    if count > PARAMETERS_MAX || count < expected {
        return None;
    }
    let nulls = reader.take(count.div_ceil(8))?;
    if reader.u8()? == 1 {
        statement.types = types(&mut reader, count, counted)?;
    }
    if statement.types.len() < expected {
        return None;
    }
    let start = out.len();
    let mut cut = false;
    for index in 0..expected {
        if out.len() - start >= room.list_bytes_max {
            return Some(true);
        }
        let before = out.len();
        if index > 0 {
            out.push(b',');
        }
        if let Some(long) = long_data.get(&(index as u16)) {
            cut |= text(&long.kept, room.value_bytes_max, out) || long.cut;
        } else if nulls[index / 8] >> (index % 8) & 1 == 1 {
            out.extend_from_slice(b"null");
        } else {
            match value(&mut reader, statement.types[index], room.value_bytes_max, out) {
                Some(shortened) => cut |= shortened,
                None => {
                    out.truncate(before);
                    return Some(true);
                }
            }
        }
    }
    Some(cut)
}

fn types(reader: &mut Reader<'_>, count: usize, named: bool) -> Option<Vec<ParameterType>> {
    let mut types = Vec::with_capacity(count.min(reader.rest().len() / 2));
    for _ in 0..count {
        types.push(reader.array()?);
        if named {
            reader.text()?;
        }
    }
    Some(types)
}

/// Parameters of MariaDB's COM_STMT_BULK_EXECUTE, a list for each row: `[fa] number flags`, types, then for each value
/// whether it is there (0), null (1), the default (2) or to be ignored (3).
pub fn bulk_parameters(payload: &[u8], statement: &mut Statement, room: Room, out: &mut Vec<u8>) -> Written {
    let mut reader = Reader::new(payload);
    let expected = usize::from(statement.parameters);
    let Some(flags) = reader.take(5).and_then(|_| reader.u16()).filter(|_| expected > 0) else { return Written::Unknown };
    if flags & SEND_TYPES_TO_SERVER != 0 {
        match types(&mut reader, expected, false) {
            Some(types) => statement.types = types,
            None => return Written::Unknown,
        }
    }
    if statement.types.len() < expected {
        return Written::Unknown;
    }
    let start = out.len();
    let (mut whole_rows, mut cut) = (start + 1, false);
    out.push(b'[');
    while !reader.is_empty() && out.len() - start < room.list_bytes_max {
        if whole_rows > start + 1 {
            out.push(b',');
        }
        match bulk_row(&mut reader, &statement.types[..expected], room, out) {
            Some(shortened) => cut |= shortened,
            None => {
                out.truncate(whole_rows);
                out.push(b']');
                return Written::Cut;
            }
        }
        whole_rows = out.len();
    }
    out.push(b']');
    if cut || !reader.is_empty() { Written::Cut } else { Written::Whole }
}

fn bulk_row(reader: &mut Reader<'_>, types: &[ParameterType], room: Room, out: &mut Vec<u8>) -> Option<bool> {
    let mut cut = false;
    out.push(b'[');
    for (index, kind) in types.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        match reader.u8()? {
            0 => cut |= value(reader, *kind, room.value_bytes_max, out)?,
            _ => out.extend_from_slice(b"null"),
        }
    }
    out.push(b']');
    Some(cut)
}

/// The statement of COM_QUERY without the attributes before it, and the traceparent among these.
pub struct Query<'a> {
    pub text: &'a [u8],
    pub traceparent: Option<Trace<'a>>,
}

/// `payload` begins after the command's byte. `attributes` is `None` when it is not known whether they were agreed on: no
/// statement begins with such small bytes.
pub fn query(payload: &[u8], attributes: Option<bool>) -> Query<'_> {
    let inferred = || matches!(payload, [0..=8, 1, ..]);
    let plain = Query { text: payload, traceparent: None };
    if !attributes.unwrap_or_else(inferred) {
        return plain;
    }
    attributed(payload).unwrap_or(plain)
}

/// Number of attributes, number of sets, a bitmap of the nulls, types and names, values, the statement.
fn attributed(payload: &[u8]) -> Option<Query<'_>> {
    let mut reader = Reader::new(payload);
    let count = usize::try_from(reader.number()?).ok().filter(|n| *n <= PARAMETERS_MAX)?;
    reader.number()?;
    if count == 0 {
        return Some(Query { text: reader.rest(), traceparent: None });
    }
    let nulls = reader.take(count.div_ceil(8))?;
    reader.u8()?;
    let mut types = Vec::with_capacity(count.min(payload.len() / 2));
    for _ in 0..count {
        types.push((reader.array()?, reader.text()?));
    }
    let (mut trace, mut unused) = (None, Vec::new());
    for (index, (kind, name)) in types.iter().enumerate() {
        if nulls[index / 8] >> (index % 8) & 1 == 1 {
            continue;
        }
        let mut peek = reader;
        if name.eq_ignore_ascii_case(b"traceparent") {
            trace = peek.text().and_then(traceparent);
        }
        unused.clear();
        value(&mut reader, *kind, 0, &mut unused)?;
    }
    Some(Query { text: reader.rest(), traceparent: trace })
}
