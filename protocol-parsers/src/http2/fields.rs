//! The fields of a header or trailer section, as far as they are known.

use super::limits::{FIELD_BYTES_MAX, FIELDS_MAX};
use crate::json;

#[derive(Clone, Copy, Debug)]
struct Field {
    at: u32,
    name_len: u32,
    value_len: u32,
}

#[derive(Debug, Default)]
pub struct Fields {
    bytes: Vec<u8>,
    fields: Vec<Field>,
    /// Fields that depend on what was not seen.
    pub unknown: u32,
    /// Bytes beyond a limit.
    pub cut_bytes: u64,
}

impl Fields {
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.fields.clear();
        self.unknown = 0;
        self.cut_bytes = 0;
    }

    pub fn shrink(&mut self, bytes_max: usize) {
        self.bytes.shrink_to(bytes_max);
        self.fields.shrink_to(bytes_max / size_of::<Field>());
    }

    pub fn heap_bytes(&self) -> usize {
        self.bytes.capacity() + self.fields.capacity() * size_of::<Field>()
    }

    /// Not all fields are here.
    pub fn incomplete(&self) -> bool {
        self.unknown > 0 || self.cut_bytes > 0
    }

    pub fn push(&mut self, name: &[u8], value: &[u8]) {
        let len = name.len() + value.len();
        if self.fields.len() == FIELDS_MAX || self.bytes.len() + len > FIELD_BYTES_MAX {
            self.cut_bytes += len as u64;
            return;
        }
        let at = self.bytes.len() as u32;
        self.bytes.extend_from_slice(name);
        self.bytes.extend_from_slice(value);
        self.fields.push(Field { at, name_len: name.len() as u32, value_len: value.len() as u32 });
    }

    fn split(&self, field: &Field) -> (&[u8], &[u8]) {
        let start = field.at as usize;
        let bytes = &self.bytes[start..start + (field.name_len + field.value_len) as usize];
        bytes.split_at(field.name_len as usize)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.fields.iter().map(|field| self.split(field))
    }

    /// The values of a field, by its name in lower case.
    pub fn values(&self, name: &[u8]) -> impl Iterator<Item = &[u8]> {
        let fields = self.fields.iter().filter(move |f| f.name_len as usize == name.len());
        fields.map(|field| self.split(field)).filter(move |field| field.0 == name).map(|field| field.1)
    }

    pub fn value(&self, name: &[u8]) -> Option<&[u8]> {
        self.values(name).next()
    }

    /// The status of a response; `None` when it is unknown or none.
    pub fn status(&self) -> Option<u16> {
        match self.value(b":status")? {
            digits @ [b'1'..=b'9', b'0'..=b'9', b'0'..=b'9'] => {
                Some(digits.iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0')))
            }
            _ => None,
        }
    }

    /// Whether a field is here that only a request has, or only a response.
    pub fn is_request(&self) -> bool {
        self.pseudo().any(|name| matches!(name, b":method" | b":path" | b":scheme" | b":authority"))
    }

    pub fn is_response(&self) -> bool {
        self.pseudo().any(|name| name == b":status")
    }

    fn pseudo(&self) -> impl Iterator<Item = &[u8]> {
        self.iter().map(|field| field.0).take_while(|name| name.first() == Some(&b':'))
    }

    /// Names are lower-case tokens, and pseudo-headers come first (RFC 9113, sections 8.2 and 8.3).
    pub fn lawful(&self) -> bool {
        let pseudo = self.pseudo().count();
        self.iter().enumerate().all(|(n, (name, value))| {
            let text = if n < pseudo { &name[1..] } else { name };
            !text.is_empty()
                && text.iter().all(|&b| b.is_ascii_graphic() && !b.is_ascii_uppercase() && b != b':')
                && !value.iter().any(|b| matches!(b, 0 | b'\r' | b'\n'))
        })
    }

    /// The fields as a JSON object, without those that have a column of their own; a repeated one becomes a list at its
    /// first place.
    pub fn json(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        let mut empty = true;
        for (i, field) in self.fields.iter().enumerate() {
            let (name, value) = self.split(field);
            let (before, after) = (&self.fields[..i], &self.fields[i + 1..]);
            if matches!(name, b":method" | b":path" | b":authority" | b":status") || before.iter().any(|f| self.same(f, field))
            {
                continue;
            }
            if !std::mem::take(&mut empty) {
                out.push(b',');
            }
            json::text(out, name);
            out.push(b':');
            if !after.iter().any(|f| self.same(f, field)) {
                json::text(out, value);
                continue;
            }
            out.push(b'[');
            for (n, value) in self.values(name).enumerate() {
                if n > 0 {
                    out.push(b',');
                }
                json::text(out, value);
            }
            out.push(b']');
        }
        out.push(b'}');
    }

    fn same(&self, a: &Field, b: &Field) -> bool {
        a.name_len == b.name_len && self.split(a).0 == self.split(b).0
    }
}
