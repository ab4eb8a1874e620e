//! What a statement does: its first keyword.

use crate::Dialect;
use crate::keyword::is_verb;
use crate::lexer::{Kind, Lexer};

/// The statement's verb in upper case: `SELECT`, `INSERT`, `BEGIN` …; of WITH that of the statement it belongs to (`WITH`
/// itself when the text ends before). Of several statements the first counts. Comments and parentheses are skipped; what
/// begins with anything but a known verb has none.
pub fn operation(text: &str) -> Option<&'static str> {
    let mut tokens = Lexer::new(text, dialect(text));
    let first = loop {
        let token = tokens.next()?;
        match token.kind {
            Kind::Comment | Kind::HintOpen | Kind::HintClose | Kind::Open | Kind::Semicolon => {}
            Kind::Word => break token.keyword.filter(|k| is_verb(k))?,
            _ => return None,
        }
    };
    Some(if first == "WITH" { main_verb(tokens, text).unwrap_or(first) } else { first })
}

/// A text that begins with a comment of MySQL's that is executed is MySQL's.
fn dialect(text: &str) -> Dialect {
    let text = text.trim_start();
    if text.starts_with("/*!") || text.starts_with("/*M!") { Dialect::MySql } else { Dialect::Unknown }
}

/// The verb behind the parentheses of WITH.
fn main_verb(tokens: Lexer<'_>, text: &str) -> Option<&'static str> {
    let mut depth = 0_i64;
    for token in tokens {
        match token.kind {
            Kind::Open => depth += 1,
            Kind::Close => depth -= 1,
            Kind::Semicolon => return None,
            Kind::Word if depth <= 0 => match token.keyword {
                Some(verb @ ("SELECT" | "INSERT" | "UPDATE" | "DELETE" | "VALUES" | "TABLE")) => return Some(verb),
                // no keywords elsewhere, since columns are called so
                None if text[token.start..token.end].eq_ignore_ascii_case("MERGE") => return Some("MERGE"),
                _ => {}
            },
            _ => {}
        }
    }
    None
}
