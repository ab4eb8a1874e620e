//! Tokens of a statement, one after the other.
//!
//! In: a text, whole or cut anywhere. Out: tokens in order that cover all of it but the space between them. Remembers only
//! what is needed to read on: whether an operator or a value is due, and what the parentheses around are. Does not know what
//! a statement may look like: any text is a sequence of tokens.

use crate::keyword::{is_value, keyword};
use crate::operator;
use crate::quote::{Backslash, End, Nesting, block_comment, dollar, line_comment, quoted, quotes};
use crate::{CUT, Dialect};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An unquoted name, a keyword or a system variable.
    Word,
    /// A quoted name.
    Name,
    Number,
    /// Quoted text of any kind, with its prefix.
    Text,
    /// `?`, `$1`, `:name`, `%s`, `@variable`.
    Placeholder,
    /// `(` or `[`.
    Open,
    /// `)` or `]`.
    Close,
    Comma,
    Semicolon,
    Dot,
    /// `::`.
    Cast,
    /// `-` or `+` where a value is due.
    Sign,
    Operator,
    Comment,
    /// `/*!` of MySQL, with its version.
    HintOpen,
    HintClose,
    /// The mark of a text that was cut.
    Cut,
}

/// A piece of the text, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token {
    pub kind: Kind,
    pub start: usize,
    pub end: usize,
    /// False: the text ends inside, or cannot be read on from here; it is the last token.
    pub whole: bool,
    /// The keyword that a word is, in upper case.
    pub keyword: Option<&'static str>,
}

/// One bit for each parenthesis around, innermost lowest; of more than 64 the outermost are forgotten.
#[derive(Debug, Clone, Copy, Default)]
struct Around {
    brackets: u64,
    /// A SELECT or DELETE stands here, so that FROM is followed by a table.
    tables: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct Lexer<'a> {
    bytes: &'a [u8],
    at: usize,
    dialect: Dialect,
    around: Around,
    /// The token before is a value, so that an operator is due.
    value: bool,
    /// The token before.
    last: Option<Kind>,
    last_keyword: Option<&'static str>,
    /// No word of this statement was seen yet.
    begins: bool,
    in_hint: bool,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(text: &'a str, dialect: Dialect) -> Self {
        Self {
            bytes: text.as_bytes(),
            at: 0,
            dialect,
            around: Around::default(),
            value: false,
            last: None,
            last_keyword: None,
            begins: true,
            in_hint: false,
        }
    }

    /// Whether the text so far ends inside a comment that is executed.
    pub(crate) fn in_hint(&self) -> bool {
        self.in_hint
    }

    fn byte(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or(0)
    }

    fn is_mysql(&self) -> bool {
        self.dialect == Dialect::MySql
    }

    /// The end of the name that begins at `at`.
    fn word_end(&self, at: usize) -> usize {
        let rest = self.bytes.get(at..).unwrap_or_default();
        rest.iter().position(|b| !is_word(*b)).map_or(self.bytes.len(), |n| at + n)
    }

    fn token(&self, kind: Kind, end: usize) -> Token {
        Token { kind, start: self.at, end, whole: true, keyword: None }
    }

    fn ends(&self, kind: Kind, end: End) -> Token {
        Token { kind, start: self.at, end: end.at, whole: end.whole, keyword: None }
    }

    fn read(&self) -> Token {
        let start = self.at;
        let one = |kind| self.token(kind, start + 1);
        match self.byte(start) {
            b'\'' => self.text(start, self.backslash()),
            b'"' => self.double_quoted(),
            b'`' => self.ends(Kind::Name, quoted(self.bytes, start + 1, b'`', Backslash::Plain)),
            b'$' => self.dollar(),
            b'.' if self.byte(start + 1).is_ascii_digit() && !self.value => self.token(Kind::Number, self.fraction_end(start)),
            b'.' => one(Kind::Dot),
            b',' => one(Kind::Comma),
            b';' => one(Kind::Semicolon),
            b'(' | b'[' => one(Kind::Open),
            b')' | b']' => one(Kind::Close),
            b':' => self.colon(),
            b'?' => self.question(),
            b'@' => self.at_sign(),
            b'%' if !self.value => self.percent().unwrap_or_else(|| self.operator()),
            b'-' if self.byte(start + 1) == b'-' => self.dashes(),
            b'#' => self.hash(),
            b'/' if self.byte(start + 1) == b'*' => self.comment(),
            b'*' if self.in_hint && self.byte(start + 1) == b'/' => self.token(Kind::HintClose, start + 2),
            b'0'..=b'9' => self.number(),
            byte if is_word(byte) => self.word(),
            _ => self.operator(),
        }
    }

    fn backslash(&self) -> Backslash {
        match self.dialect {
            Dialect::PostgreSql => Backslash::Plain,
            Dialect::MySql => Backslash::Escapes,
            Dialect::Unknown => Backslash::Disputed,
        }
    }

    /// Text whose quote is at `quote`, behind its prefix.
    fn text(&self, quote: usize, backslash: Backslash) -> Token {
        self.ends(Kind::Text, quoted(self.bytes, quote + 1, self.byte(quote), backslash))
    }

    fn double_quoted(&self) -> Token {
        match self.dialect {
            Dialect::MySql => self.text(self.at, Backslash::Escapes),
            Dialect::PostgreSql => self.ends(Kind::Name, quoted(self.bytes, self.at + 1, b'"', Backslash::Plain)),
            Dialect::Unknown => {
                let token = self.text(self.at, Backslash::Disputed);
                let behind = &self.bytes[token.end..];
                let dot = behind.iter().find(|b| !is_space(**b)) == Some(&b'.');
                let kind = if self.last == Some(Kind::Dot) || dot || self.table_is_due() { Kind::Name } else { Kind::Text };
                Token { kind, ..token }
            }
        }
    }

    fn table_is_due(&self) -> bool {
        match self.last_keyword {
            Some("JOIN" | "INTO" | "UPDATE" | "TABLE") => true,
            // TRIM(… FROM "text")
            Some("FROM") => self.around.tables & 1 == 1,
            _ => false,
        }
    }

    fn dollar(&self) -> Token {
        let start = self.at;
        let word = self.bytes[start + 1..].iter().position(|b| !is_word(*b) || *b == b'$');
        let end = word.map_or(self.bytes.len(), |n| start + 1 + n);
        let digits = self.bytes[start + 1..end].iter().take_while(|b| b.is_ascii_digit()).count();
        if digits > 0 && (!self.is_mysql() || start + 1 + digits == self.word_end(start)) {
            return self.token(Kind::Placeholder, start + 1 + digits);
        }
        match self.byte(end) {
            _ if self.is_mysql() => self.word(),
            b'$' => self.ends(Kind::Text, dollar(self.bytes, end + 1, &self.bytes[start..=end])),
            _ if end == self.bytes.len() && end > start + 1 => self.ends(Kind::Text, End { at: end, whole: false }),
            _ if end > start + 1 => self.token(Kind::Placeholder, end),
            _ => self.token(Kind::Operator, end),
        }
    }

    fn colon(&self) -> Token {
        let start = self.at;
        match self.byte(start + 1) {
            b':' => self.token(Kind::Cast, start + 2),
            b'=' => self.token(Kind::Operator, start + 2),
            // the bounds of a slice
            _ if self.around.brackets & 1 == 1 => self.token(Kind::Operator, start + 1),
            next if is_word(next) => self.token(Kind::Placeholder, self.word_end(start + 1)),
            _ => self.token(Kind::Operator, start + 1),
        }
    }

    fn question(&self) -> Token {
        let start = self.at;
        let (next, then) = (self.byte(start + 1), self.byte(start + 2));
        if !self.is_mysql() && matches!(next, b'|' | b'&') && then != next {
            return self.token(Kind::Operator, start + 2);
        }
        let digits = self.bytes[start + 1..].iter().take_while(|b| b.is_ascii_digit()).count();
        self.token(Kind::Placeholder, start + 1 + digits)
    }

    fn at_sign(&self) -> Token {
        let start = self.at;
        let free = self.is_mysql() || !self.value;
        match self.byte(start + 1) {
            b'@' if free && is_word(self.byte(start + 2)) => self.token(Kind::Word, self.word_end(start + 2)),
            next if free && is_word(next) => self.token(Kind::Placeholder, self.word_end(start + 1)),
            b'\'' | b'"' | b'`' if self.is_mysql() => {
                Token { kind: Kind::Placeholder, ..self.text(start + 1, Backslash::Escapes) }
            }
            _ => self.operator(),
        }
    }

    /// `%s` and `%(name)s` of Python's drivers.
    fn percent(&self) -> Option<Token> {
        let start = self.at;
        let end = if self.byte(start + 1) == b'(' {
            let end = self.word_end(start + 2);
            // cut before its `s`
            if end == self.bytes.len() || (end + 1 == self.bytes.len() && self.byte(end) == b')') {
                return Some(self.ends(Kind::Placeholder, End { at: self.bytes.len(), whole: false }));
            }
            if self.byte(end) != b')' {
                return None;
            }
            end + 1
        } else {
            start + 1
        };
        (self.byte(end) == b's' && !is_word(self.byte(end + 1))).then(|| self.token(Kind::Placeholder, end + 1))
    }

    fn dashes(&self) -> Token {
        let (start, next) = (self.at, self.byte(self.at + 2));
        let spaced = next <= b' ';
        match self.dialect {
            Dialect::MySql if !spaced => self.operator(),
            Dialect::MySql => self.token(Kind::Comment, line_comment(self.bytes, start, |b| b == b'\n')),
            Dialect::PostgreSql => self.token(Kind::Comment, line_comment(self.bytes, start, |b| b == b'\n' || b == b'\r')),
            Dialect::Unknown => self.disputed_line(!spaced),
        }
    }

    fn hash(&self) -> Token {
        match self.dialect {
            Dialect::MySql => self.token(Kind::Comment, line_comment(self.bytes, self.at, |b| b == b'\n')),
            Dialect::PostgreSql => self.operator(),
            // operators on JSON
            Dialect::Unknown if self.byte(self.at + 1) == b'>' => self.operator(),
            Dialect::Unknown if self.byte(self.at + 1) == b'-' && self.byte(self.at + 2) != b'-' => self.operator(),
            Dialect::Unknown => self.disputed_line(true),
        }
    }

    /// A line that is a comment, at least in one dialect; dropped where the other reads on in the same way behind it.
    fn disputed_line(&self, disputed: bool) -> Token {
        let end = line_comment(self.bytes, self.at, |b| b == b'\n');
        let line = &self.bytes[self.at..end];
        let carriage = line.iter().position(|b| *b == b'\r').is_some_and(|at| at + 1 < line.len());
        if carriage || (disputed && quotes(line)) {
            return self.ends(Kind::Comment, End { at: self.bytes.len(), whole: false });
        }
        self.token(Kind::Comment, end)
    }

    fn comment(&self) -> Token {
        let start = self.at;
        let executed = if self.byte(start + 2) == b'M' { start + 3 } else { start + 2 };
        let executed = (self.byte(executed) == b'!').then_some(executed + 1);
        match (self.dialect, executed) {
            (Dialect::MySql, Some(version)) => self.hint(version),
            (Dialect::MySql, None) => self.ends(Kind::Comment, block_comment(self.bytes, start, Nesting::Flat)),
            (Dialect::PostgreSql, _) => self.ends(Kind::Comment, block_comment(self.bytes, start, Nesting::Nested)),
            (Dialect::Unknown, executed) => {
                let end = block_comment(self.bytes, start, Nesting::Disputed);
                let disputed = end.whole && executed.is_some_and(|at| quotes(&self.bytes[at..end.at - 2]));
                let end = if disputed { End { at: self.bytes.len(), whole: false } } else { end };
                self.ends(Kind::Comment, end)
            }
        }
    }

    /// `/*!50110`: the version has five or six digits.
    fn hint(&self, version: usize) -> Token {
        let digits = self.bytes[version.min(self.bytes.len())..].iter().take_while(|b| b.is_ascii_digit()).count();
        match digits {
            5 => self.token(Kind::HintOpen, version + 5),
            6.. => self.token(Kind::HintOpen, version + 6),
            1.. if version + digits == self.bytes.len() => {
                self.ends(Kind::HintOpen, End { at: version + digits, whole: false })
            }
            _ => self.token(Kind::HintOpen, version),
        }
    }

    fn number(&self) -> Token {
        let start = self.at;
        let end = self.word_end(start);
        let word = &self.bytes[start..end];
        let based = word[0] == b'0' && matches!(word.get(1), Some(b'x' | b'X' | b'b' | b'B' | b'o' | b'O'));
        if based && word[2..].iter().all(|b| b.is_ascii_hexdigit() || *b == b'_') {
            return self.token(Kind::Number, end);
        }
        let exponent = word.iter().position(|b| matches!(b, b'e' | b'E'));
        let digits = |bytes: &[u8]| bytes.iter().all(|b| b.is_ascii_digit() || *b == b'_');
        let plain = exponent.is_none_or(|at| digits(&word[at + 1..])) && digits(&word[..exponent.unwrap_or(word.len())]);
        if !plain && self.is_mysql() && (self.value || self.last != Some(Kind::Dot)) {
            // a name may begin with digits
            return self.token(Kind::Word, end);
        }
        if plain && exponent.is_none() && self.byte(end) == b'.' && self.byte(end + 1) != b'.' && self.last != Some(Kind::Dot) {
            return self.token(Kind::Number, self.fraction_end(end));
        }
        self.token(Kind::Number, self.exponent_end(start, end))
    }

    /// The end of the number whose dot is at `dot`.
    fn fraction_end(&self, dot: usize) -> usize {
        self.exponent_end(dot + 1, self.word_end(dot + 1))
    }

    /// The end of the number of which `start..end` has been read, behind the exponent's sign if it has one.
    fn exponent_end(&self, start: usize, end: usize) -> usize {
        let [digits @ .., b'e' | b'E'] = &self.bytes[start..end] else { return end };
        let next = self.byte(end + 1);
        let signed = matches!(self.byte(end), b'+' | b'-') && (next.is_ascii_digit() || end + 1 == self.bytes.len());
        if signed && digits.iter().all(|b| b.is_ascii_digit() || *b == b'_') { self.word_end(end + 1) } else { end }
    }

    fn word(&self) -> Token {
        let start = self.at;
        let end = self.word_end(start);
        let word = &self.bytes[start..end];
        if word == CUT.as_bytes() {
            return self.token(Kind::Cut, end);
        }
        if self.last == Some(Kind::Dot) {
            return self.token(Kind::Word, end);
        }
        if let Some(token) = self.prefixed(word, end) {
            return token;
        }
        Token { keyword: keyword(word, self.begins, self.last_keyword), ..self.token(Kind::Word, end) }
    }

    /// Text or a name with a prefix: `E'…'`, `N'…'`, `X'…'`, `B'…'`, `_utf8'…'`, `U&'…'`, `U&"…"`.
    fn prefixed(&self, word: &[u8], end: usize) -> Option<Token> {
        let postgres = !self.is_mysql();
        match (word, self.byte(end)) {
            (b"e" | b"E", b'\'') if postgres => Some(self.text(end, Backslash::Escapes)),
            (b"n" | b"N" | b"x" | b"X" | b"b" | b"B", b'\'') => Some(self.text(end, self.backslash())),
            ([b'_', ..], b'\'') if self.dialect != Dialect::PostgreSql => Some(self.text(end, self.backslash())),
            ([b'_', ..], b'"') if self.is_mysql() => Some(self.text(end, Backslash::Escapes)),
            (b"u" | b"U", b'&') if postgres && self.byte(end + 1) == b'\'' => Some(self.text(end + 1, self.backslash())),
            (b"u" | b"U", b'&') if self.dialect == Dialect::PostgreSql && self.byte(end + 1) == b'"' => {
                Some(self.ends(Kind::Name, quoted(self.bytes, end + 2, b'"', Backslash::Plain)))
            }
            _ => None,
        }
    }

    fn operator(&self) -> Token {
        let end = operator::end(self.bytes, self.at, self.dialect);
        let sign = matches!(&self.bytes[self.at..end], b"-" | b"+") && !self.value;
        self.token(if sign { Kind::Sign } else { Kind::Operator }, end)
    }

    /// Remembers what is needed for what follows.
    fn remember(&mut self, token: &Token) {
        self.at = token.end;
        let opened = self.bytes[token.start];
        match token.kind {
            Kind::Comment | Kind::Cut => return,
            Kind::HintOpen | Kind::HintClose => {
                self.in_hint = token.kind == Kind::HintOpen;
                return;
            }
            Kind::Open => {
                self.around.brackets = self.around.brackets << 1 | u64::from(opened == b'[');
                self.around.tables <<= 1;
            }
            Kind::Close => {
                self.around.brackets >>= 1;
                self.around.tables >>= 1;
            }
            _ => {}
        }
        if matches!(token.keyword, Some("SELECT" | "DELETE")) {
            self.around.tables |= 1;
        }
        self.begins = match token.kind {
            Kind::Open => self.begins,
            kind => kind == Kind::Semicolon,
        };
        self.value = match token.kind {
            Kind::Word => token.keyword.is_none_or(is_value),
            Kind::Name | Kind::Number | Kind::Text | Kind::Placeholder | Kind::Close => true,
            // tells whether there is a name before it
            Kind::Dot => self.value,
            _ => false,
        };
        self.last = Some(token.kind);
        self.last_keyword = token.keyword;
    }
}

impl Iterator for Lexer<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        let rest = self.bytes.get(self.at..)?;
        self.at += rest.iter().position(|b| !is_space(*b))?;
        let token = self.read();
        debug_assert!(token.end > token.start && token.end <= self.bytes.len());
        self.remember(&token);
        Some(token)
    }
}

/// Space and control characters.
fn is_space(byte: u8) -> bool {
    byte <= b' ' || byte == 0x7f
}

/// Part of an unquoted name; all beyond ASCII is.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}
