//! Bind: which statement with which parameters makes which portal.
//!
//! <https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-BIND>

use super::frame::Message;
use super::message::Reader;
use super::value::{self, Format};

#[derive(Clone, Copy, Debug)]
pub struct Bind<'a> {
    pub portal: &'a [u8],
    pub statement: &'a [u8],
    /// Formats, parameters and result formats, perhaps cut.
    rest: Reader<'a>,
    cut: bool,
}

/// B. `None` when it is no Bind, or so cut that not even its names are whole.
#[inline]
pub fn bind<'a>(message: &Message<'a>) -> Option<Bind<'a>> {
    let mut reader = Reader(message.body);
    let (portal, statement) = (reader.text()?, reader.text()?);
    let bind = Bind { portal, statement, rest: reader, cut: message.cut };
    (message.cut || bind.sound()).then_some(bind)
}

/// Parameters as a JSON list.
#[derive(Debug)]
pub struct Parameters {
    pub json: Vec<u8>,
    /// A parameter is cut, or some are missing.
    pub truncated: bool,
}

impl<'a> Bind<'a> {
    /// Whether lengths and counts add up.
    fn sound(&self) -> bool {
        let mut reader = self.rest;
        let mut all = || {
            let formats = reader.u16()?;
            reader.bytes(usize::from(formats) * 2)?;
            let count = reader.u16()?;
            for _ in 0..count {
                let length = reader.i32()?;
                if length < -1 {
                    return None;
                }
                reader.bytes(length.max(0) as usize)?;
            }
            let results = reader.u16()?;
            (reader.0.len() == usize::from(results) * 2).then_some(())
        };
        all().is_some()
    }

    /// The parameters with these `types`; `None` when it is not known how many there are.
    pub fn parameters(&self, types: &[u32], keep_max: usize, list_max: usize) -> Option<Parameters> {
        let mut reader = self.rest;
        let format_count = usize::from(reader.u16()?);
        let formats = reader.bytes(format_count * 2)?;
        let count = usize::from(reader.u16()?);
        let mut out = Parameters { json: Vec::with_capacity(2 + 8 * count.min(256)), truncated: false };
        out.json.push(b'[');
        for i in 0..count {
            let start = out.json.len();
            if i > 0 {
                out.json.push(b',');
            }
            let written = parameter(&mut out, &mut reader, self.cut, ty(types, i), format(formats, i), keep_max);
            if written.is_none() || out.json.len() > list_max {
                // what is missing, or does not fit, ends the list
                out.json.truncate(start);
                out.truncated = true;
                break;
            }
        }
        out.json.push(b']');
        Some(out)
    }
}

fn ty(types: &[u32], i: usize) -> u32 {
    types.get(i).copied().unwrap_or_default()
}

/// No format: all text. One: it is that of all.
fn format(formats: &[u8], i: usize) -> Format {
    let at = if formats.len() == 2 { 0 } else { i * 2 };
    match formats.get(at..at + 2) {
        None | Some([0, 0]) => Format::Text,
        Some(_) => Format::Binary,
    }
}

fn parameter(out: &mut Parameters, reader: &mut Reader<'_>, cut: bool, ty: u32, format: Format, keep_max: usize) -> Option<()> {
    let Ok(length) = usize::try_from(reader.i32()?) else {
        out.json.extend_from_slice(b"null");
        return Some(());
    };
    let bytes = match reader.bytes(length) {
        Some(bytes) => bytes,
        // its beginning is shown if that is as much as is ever shown
        None if cut && reader.0.len() > keep_max => std::mem::take(&mut reader.0),
        None => return None,
    };
    out.truncated |= value::write(&mut out.json, bytes, ty, format, keep_max);
    Some(())
}
