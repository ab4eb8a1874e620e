//! What is inside messages' bodies. A body may be cut: then what is whole in it is read.

use super::frame::Message;

/// Takes a body apart from its beginning.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    /// Text up to its NUL.
    #[inline]
    pub fn text(&mut self) -> Option<&'a [u8]> {
        let end = memchr::memchr(0, self.0)?;
        let text = &self.0[..end];
        self.0 = &self.0[end + 1..];
        Some(text)
    }

    #[inline]
    pub fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(bytes)
    }

    #[inline]
    pub fn byte(&mut self) -> Option<u8> {
        self.bytes(1).map(|b| b[0])
    }

    #[inline]
    pub fn u16(&mut self) -> Option<u16> {
        let (bytes, rest) = self.0.split_first_chunk::<2>()?;
        self.0 = rest;
        Some(u16::from_be_bytes(*bytes))
    }

    #[inline]
    pub fn i32(&mut self) -> Option<i32> {
        let (bytes, rest) = self.0.split_first_chunk::<4>()?;
        self.0 = rest;
        Some(i32::from_be_bytes(*bytes))
    }
}

/// A text that may be cut.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Text<'a> {
    pub text: &'a [u8],
    pub cut: bool,
}

/// Q: the text is all there is. `None` when it is no Query.
#[inline]
pub fn query<'a>(message: &Message<'a>) -> Option<Text<'a>> {
    if message.cut {
        let end = memchr::memchr(0, message.body).unwrap_or(message.body.len());
        return Some(Text { text: &message.body[..end], cut: true });
    }
    let (last, text) = message.body.split_last()?;
    (*last == 0 && memchr::memchr(0, text).is_none()).then_some(Text { text, cut: false })
}

#[derive(Clone, Copy, Debug)]
pub struct Parse<'a> {
    pub name: &'a [u8],
    pub text: Text<'a>,
    /// Type of each parameter, four bytes each; 0 where the server is to find out.
    pub types: &'a [u8],
}

/// P. `None` when it is no Parse, or so cut that not even its name is whole.
#[inline]
pub fn parse<'a>(message: &Message<'a>) -> Option<Parse<'a>> {
    let mut reader = Reader(message.body);
    let name = reader.text()?;
    let Some(text) = reader.text() else {
        return message.cut.then_some(Parse { name, text: Text { text: reader.0, cut: true }, types: &[] });
    };
    let text = Text { text, cut: false };
    match reader.u16() {
        Some(count) if reader.0.len() == usize::from(count) * 4 => Some(Parse { name, text, types: reader.0 }),
        _ => message.cut.then_some(Parse { name, text, types: &[] }),
    }
}

/// E: portal and the most rows it may give, 0 for all.
#[inline]
pub fn execute<'a>(message: &Message<'a>) -> Option<&'a [u8]> {
    let mut reader = Reader(message.body);
    let portal = reader.text()?;
    (reader.0.len() == 4 || message.cut).then_some(portal)
}

/// D or C: 'S' a statement or 'P' a portal, and its name.
#[inline]
pub fn named<'a>(message: &Message<'a>) -> Option<(u8, &'a [u8])> {
    let mut reader = Reader(message.body);
    let kind = reader.byte().filter(|k| matches!(k, b'S' | b'P'))?;
    let name = reader.text()?;
    (reader.0.is_empty() || message.cut).then_some((kind, name))
}

/// C from the server: the tag, such as "INSERT 0 2".
#[inline]
pub fn tag<'a>(message: &Message<'a>) -> Option<&'a [u8]> {
    let (last, tag) = message.body.split_last()?;
    (*last == 0 && tag.iter().all(|b| matches!(b, b' '..=b'~'))).then_some(tag)
}

/// The rows of a command tag: its last number.
#[inline]
pub fn tag_rows(tag: &[u8]) -> Option<u64> {
    let start = tag.iter().rposition(|b| !b.is_ascii_digit()).map(|i| i + 1)?;
    let digits = &tag[start..];
    if digits.is_empty() || digits.len() > 18 || tag[start - 1] != b' ' {
        return None;
    }
    Some(digits.iter().fold(0, |n, d| n * 10 + u64::from(d - b'0')))
}

/// What an ErrorResponse says.
#[derive(Clone, Copy, Debug)]
pub struct ErrorFields<'a> {
    /// SQLSTATE.
    pub code: Option<&'a [u8]>,
    pub message: Option<Text<'a>>,
}

/// E or N from the server. `None` when the body is no list of fields.
pub fn error<'a>(message: &Message<'a>) -> Option<ErrorFields<'a>> {
    let mut fields = ErrorFields { code: None, message: None };
    let mut reader = Reader(message.body);
    loop {
        let kind = match reader.byte() {
            Some(0) => return (reader.0.is_empty() || message.cut).then_some(fields),
            Some(kind) if kind.is_ascii_alphabetic() => kind,
            Some(_) => return None,
            None => return message.cut.then_some(fields),
        };
        let (text, cut) = match reader.text() {
            Some(text) => (text, false),
            None if message.cut => (std::mem::take(&mut reader.0), true),
            None => return None,
        };
        match kind {
            b'C' if !cut => fields.code = Some(text),
            b'M' => fields.message = Some(Text { text, cut }),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_a_tags_last_number() {
        for (tag, rows) in [
            ("SELECT 7", Some(7)),
            ("INSERT 0 2", Some(2)),
            ("COPY 1000", Some(1000)),
            ("CREATE TABLE", None),
            ("BEGIN", None),
            ("", None),
            ("12", None),
            ("SELECT 99999999999999999999", None),
        ] {
            assert_eq!(tag_rows(tag.as_bytes()), rows, "{tag}");
        }
    }
}
