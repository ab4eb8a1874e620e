//! Statements that differ in nothing but values and layout become one text.

use crate::Dialect;
use crate::layout::{Before, space};
use crate::level::Levels;
use crate::lexer::{Kind, Lexer, Token};

/// Ends a text that was cut.
pub const CUT: &str = "…";

/// `text` with `?` for every value, in one layout.
///
/// - Numbers with their signs, text in all quotes, and placeholders (`$1`, `?`, `:name`, `%s`, `@p`) become `?`. NULL, TRUE
///   and FALSE stay as they are, since they say more of a statement than values do (`IS NULL`), except as an element of a list.
/// - Elements of `IN (…)` and `ARRAY[…]` that are written like the one before are left out, so that the length of a list does not
///   matter; so are rows of VALUES. A row keeps its columns.
/// - Comments are dropped, except those that MySQL executes (`/*!40001 … */`). Space is where it helps, not where it was sent.
/// - Keywords are in upper case; names keep theirs. Statements are joined by `; `, empty ones left out.
/// - Where the text was cut in a literal, name, comment, list or parenthesis, ` …` follows what is known. Nothing of a literal
///   is shown wherever it was cut.
///
/// Normalised text stays as it is when normalised again. At most twice as long as `text`, and four bytes.
pub fn normalize(text: &str, dialect: Dialect) -> String {
    let mut writer = Writer::new(text);
    let mut tokens = Lexer::new(text, dialect);
    for token in tokens.by_ref() {
        writer.token(&token);
    }
    writer.finish(tokens.in_hint())
}

struct Writer<'a> {
    text: &'a str,
    out: String,
    levels: Levels,
    before: Option<Before>,
    /// Signs that are not written yet: those of a value are part of it.
    signs: String,
    /// A semicolon that is not written yet: nothing may follow.
    semicolon: bool,
    /// The text ends inside something.
    cut: bool,
    /// The text says itself that it was cut.
    marked: bool,
}

impl<'a> Writer<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            text,
            out: String::with_capacity(text.len() + text.len() / 4),
            levels: Levels::new(),
            before: None,
            signs: String::new(),
            semicolon: false,
            cut: false,
            marked: false,
        }
    }

    fn token(&mut self, token: &Token) {
        self.cut |= !token.whole;
        let sent = &self.text[token.start..token.end];
        match token.kind {
            Kind::Comment => {}
            Kind::Cut => self.marked = true,
            Kind::Sign => self.signs.push_str(sent),
            Kind::Semicolon => {
                self.flush_signs();
                self.semicolon = !self.out.is_empty();
            }
            Kind::Number | Kind::Text | Kind::Placeholder => {
                let adjacent = !self.semicolon && self.before.is_some_and(|b| b.kind == Kind::Text);
                self.signs.clear();
                if token.kind != Kind::Text || !adjacent {
                    self.write(token.kind, None, "?");
                }
            }
            Kind::Name | Kind::HintOpen if !token.whole => {}
            _ => {
                self.flush_signs();
                self.write(token.kind, token.keyword, token.keyword.unwrap_or(sent));
            }
        }
    }

    fn flush_signs(&mut self) {
        let signs = std::mem::take(&mut self.signs);
        for at in 0..signs.len() {
            self.write(Kind::Sign, None, &signs[at..=at]);
        }
    }

    fn write(&mut self, kind: Kind, keyword: Option<&'static str>, piece: &str) {
        if std::mem::take(&mut self.semicolon) {
            self.out.push_str("; ");
            self.levels.clear();
            self.before = None;
        }
        self.levels.before(kind, &mut self.out);
        if self.before.is_some_and(|before| space(before, kind, piece)) {
            self.out.push(' ');
        }
        let at = self.out.len();
        self.out.push_str(piece);
        let after = self.before.and_then(|b| b.keyword);
        self.levels.written(kind, keyword, after, at, &mut self.out);
        let relation = match (kind, keyword) {
            (Kind::Word, Some("INTO" | "TABLE" | "REFERENCES")) => true,
            (Kind::Word, None | Some("IF" | "NOT" | "EXISTS" | "ONLY")) | (Kind::Name | Kind::Dot, _) => {
                self.before.is_some_and(|b| b.relation)
            }
            _ => false,
        };
        self.before = Some(Before { kind, keyword, relation });
    }

    fn finish(mut self, in_hint: bool) -> String {
        self.flush_signs();
        self.cut |= in_hint || self.levels.open();
        self.cut |= !self.marked && self.levels.trim(&mut self.out);
        if self.cut || self.marked {
            if !self.out.is_empty() {
                self.out.push(' ');
            }
            self.out.push_str(CUT);
        }
        self.out
    }
}
