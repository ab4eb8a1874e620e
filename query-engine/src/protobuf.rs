//! Protocol buffers by hand: messages as their fields, written and read
//! (<https://protobuf.dev/programming-guides/encoding/>). Knows no schema.

/// Wire types.
const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const BYTES: u64 = 2;
const FIXED32: u64 = 5;

/// A message that is being written.
#[derive(Debug, Default)]
pub(crate) struct Message(pub Vec<u8>);

impl Message {
    pub fn raw(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    pub fn number(&mut self, field: u64, value: u64) -> &mut Self {
        self.raw(field << 3 | VARINT);
        self.raw(value);
        self
    }

    pub fn double(&mut self, field: u64, value: f64) -> &mut Self {
        self.raw(field << 3 | FIXED64);
        self.0.extend(value.to_le_bytes());
        self
    }

    #[cfg(any(test, feature = "otlp"))]
    pub fn fixed(&mut self, field: u64, value: u64) -> &mut Self {
        self.raw(field << 3 | FIXED64);
        self.0.extend(value.to_le_bytes());
        self
    }

    pub fn bytes(&mut self, field: u64, bytes: &[u8]) -> &mut Self {
        self.raw(field << 3 | BYTES);
        self.raw(bytes.len() as u64);
        self.0.extend(bytes);
        self
    }

    pub fn numbers(&mut self, field: u64, values: impl Iterator<Item = u64>) -> &mut Self {
        let mut packed = Message::default();
        values.for_each(|value| packed.raw(value));
        self.bytes(field, &packed.0)
    }
}

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Held<'a> {
    Number(u64),
    Double(f64),
    Bytes(&'a [u8]),
}

/// The fields of a message by their numbers, in order; `None` when the bytes are no message.
pub(crate) fn fields(mut bytes: &[u8]) -> Option<Vec<(u64, Held<'_>)>> {
    let mut fields = vec![];
    while !bytes.is_empty() {
        let tag = varint(&mut bytes)?;
        let held = match tag & 7 {
            VARINT => Held::Number(varint(&mut bytes)?),
            FIXED64 => Held::Double(f64::from_le_bytes(take(&mut bytes, 8)?.try_into().ok()?)),
            BYTES => {
                let len = usize::try_from(varint(&mut bytes)?).ok()?;
                Held::Bytes(take(&mut bytes, len)?)
            }
            FIXED32 => Held::Number(u64::from(u32::from_le_bytes(take(&mut bytes, 4)?.try_into().ok()?))),
            _ => return None,
        };
        fields.push((tag >> 3, held));
    }
    Some(fields)
}

fn take<'a>(bytes: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(len)?;
    *bytes = rest;
    Some(taken)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = take(bytes, 1)?[0];
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let mut message = Message::default();
        message.number(1, 300).bytes(2, b"text").double(3, 1.5).number(4, -1_i64 as u64).numbers(5, [1, 200].into_iter());
        let read = fields(&message.0);
        let wanted = [
            (1, Held::Number(300)),
            (2, Held::Bytes(b"text")),
            (3, Held::Double(1.5)),
            (4, Held::Number(u64::MAX)),
            (5, Held::Bytes(&[1, 0xc8, 1])),
        ];
        assert_eq!(read.as_deref(), Some(&wanted[..]));
        for cut in 1..message.0.len() {
            // a beginning is a message or none, and never a panic
            let _ = fields(&message.0[..cut]);
        }
        assert_eq!(fields(&[0x0a, 0x05, b'a']), None);
        assert_eq!(fields(&[0x80; 20]), None);
    }
}
