//! A statement as it was sent, without its values.

use crate::Dialect;
use crate::lexer::{Kind, Lexer, Token};

/// `text` with every literal replaced by `?` and every comment's content too; all else as sent, placeholders included.
///
/// For what must not be kept at all: what cannot be told apart (an unterminated literal or name, and what follows where an
/// unknown dialect's readings differ) becomes `?` up to the end. NULL, TRUE and FALSE stay. Never longer than the text.
pub fn redact(text: &str, dialect: Dialect) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut copied, mut signs) = (0, None);
    for token in Lexer::new(text, dialect) {
        if token.kind == Kind::Sign {
            signs.get_or_insert(token.start);
            continue;
        }
        let signed = signs.take().unwrap_or(token.start);
        let from = match token.kind {
            Kind::Number | Kind::Text => signed,
            Kind::Comment => token.start,
            _ if !token.whole || names_text(&token, text) => token.start,
            _ => continue,
        };
        out.push_str(&text[copied..from]);
        match token.kind {
            Kind::Comment => comment(&text[token.start..token.end], token.whole, &mut out),
            _ => out.push('?'),
        }
        copied = token.end;
    }
    out.push_str(&text[copied..]);
    out
}

/// A placeholder or variable whose name is quoted as text is.
fn names_text(token: &Token, text: &str) -> bool {
    token.kind == Kind::Placeholder && text[token.start..token.end].contains(['\'', '"'])
}

fn comment(text: &str, whole: bool, out: &mut String) {
    let (opening, closing) = match text.as_bytes() {
        [b'#', ..] => (1, ""),
        // MySQL's needs the space
        [b'-', b'-', space, ..] if *space <= b' ' => (3, ""),
        [b'/', ..] if whole => (2, "*/"),
        _ => (2, ""),
    };
    out.push_str(&text[..opening]);
    if text.len() > opening + closing.len() {
        out.push('?');
    }
    out.push_str(closing);
}
