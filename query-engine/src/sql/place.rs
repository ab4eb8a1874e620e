//! Where in a query's text something is.

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

/// All three count from 1, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub position: usize,
    pub line: usize,
    pub column: usize,
}

impl Place {
    /// From a line and column, both counted from 1, as the SQL parser gives them.
    pub fn at(text: &str, line: u64, column: u64) -> Option<Self> {
        let (line, column) = (usize::try_from(line).ok()?, usize::try_from(column).ok()?);
        if line == 0 || column == 0 {
            return None;
        }
        let before: usize = text.split('\n').take(line - 1).map(|l| l.chars().count() + 1).sum();
        Some(Self { position: before + column, line, column })
    }

    /// Just after the text's last character: where something is missing.
    pub fn end(text: &str) -> Self {
        let text = text.trim_end();
        let line = text.split('\n').count();
        let column = text.rsplit('\n').next().map_or(0, |l| l.chars().count()) + 1;
        Self { position: text.chars().count() + 1, line, column }
    }

    /// The first occurrence of an identifier, given as messages show it: `name`, `table.name`, any quotes or case.
    pub fn of_identifier(text: &str, name: &str) -> Option<Self> {
        let tokens = tokens(text).ok()?;
        // what has dots may be one name between quotes, or a name with those of its table and schema before it
        let mut name = Some(name.trim_matches(QUOTES));
        while let Some(part) = name {
            if let Some(place) = Self::of_name(text, &tokens, part.trim_matches(QUOTES)) {
                return Some(place);
            }
            name = part.split_once('.').map(|(_, rest)| rest);
        }
        None
    }

    fn of_name(text: &str, tokens: &[TokenWithSpan], name: &str) -> Option<Self> {
        let found = tokens.iter().find(|t| match &t.token {
            Token::Word(word) => word.value.eq_ignore_ascii_case(name),
            Token::SingleQuotedString(value) => value == name,
            _ => false,
        })?;
        Self::at(text, found.span.start.line, found.span.start.column)
    }
}

const QUOTES: [char; 3] = ['"', '\'', '`'];

pub(super) fn tokens(text: &str) -> Result<Vec<TokenWithSpan>, datafusion::sql::sqlparser::tokenizer::TokenizerError> {
    Tokenizer::new(&GenericDialect {}, text).tokenize_with_location()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_characters_from_one() {
        assert_eq!(Place::at("SELECT 'ü',\n x", 2, 2), Some(Place { position: 14, line: 2, column: 2 }));
        assert_eq!(Place::at("x", 0, 1), None);
        assert_eq!(Place::end("SELECT (1  \n"), Place { position: 10, line: 1, column: 10 });
        assert_eq!(Place::of_identifier("SELECT a.Nope FROM t", "a.nope").map(|p| p.position), Some(10));
        assert_eq!(Place::of_identifier("SELECT 'nope', b", "missing"), None);
    }
}
