//! Lists of values, however deep in parentheses: elements that are written like the one before are left out.
//!
//! In: what is written, token by token. Out: the text so far made shorter. `IN (1, 2, 3)` and `ARRAY[1, 2]` come to one
//! element, the rows of VALUES to one row for each form. A row keeps its columns.

use std::ops::Range;

use crate::lexer::Kind;

/// Deeper parentheses are written as they are.
const DEPTH_MAX: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Plain,
    /// Values of one kind: IN (…), ARRAY[…].
    List,
    /// Columns of one row.
    Row,
}

/// The rows of a VALUES.
#[derive(Debug)]
struct Rows {
    /// VALUES or a comma was seen, and no row since.
    due: bool,
    start: Option<usize>,
    before: Option<Range<usize>>,
}

#[derive(Debug)]
struct Level {
    sort: Sort,
    /// Where the current element starts in the text; none before its first token.
    start: Option<usize>,
    /// The element before.
    before: Option<Range<usize>>,
    rows: Option<Rows>,
}

impl Level {
    fn new(sort: Sort) -> Self {
        Self { sort, start: None, before: None, rows: None }
    }
}

/// The parentheses around, outermost first; the first level is the statement itself.
#[derive(Debug)]
pub(crate) struct Levels {
    levels: Vec<Level>,
    /// Parentheses beyond the limit.
    deeper: usize,
}

impl Levels {
    pub(crate) fn new() -> Self {
        Self { levels: vec![Level::new(Sort::Plain)], deeper: 0 }
    }

    /// Whether a parenthesis is open.
    pub(crate) fn open(&self) -> bool {
        self.levels.len() > 1 || self.deeper > 0
    }

    /// Another statement begins.
    pub(crate) fn clear(&mut self) {
        *self = Self::new();
    }

    /// A token of this kind is about to be written: at the end of an element, the element is left out or kept.
    pub(crate) fn before(&mut self, kind: Kind, out: &mut String) {
        if self.deeper == 0
            && matches!(kind, Kind::Comma | Kind::Close)
            && let Some(level) = self.levels.last_mut()
        {
            end_element(level, out);
        }
    }

    /// A token was written at `at`; `after` is the keyword before it.
    pub(crate) fn written(&mut self, kind: Kind, keyword: Option<&str>, after: Option<&str>, at: usize, out: &mut String) {
        if self.deeper > 0 {
            match kind {
                Kind::Open => self.deeper += 1,
                Kind::Close => self.deeper -= 1,
                _ => {}
            }
            return;
        }
        match kind {
            Kind::Open => self.opened(after, at, out),
            Kind::Close => self.closed(out),
            Kind::Comma => {
                if let Some(level) = self.levels.last_mut() {
                    level.rows = level.rows.take().filter(|r| !r.due && r.start.is_none());
                    if let Some(rows) = &mut level.rows {
                        rows.due = true;
                    }
                }
            }
            _ => self.part(kind, keyword, at, &out[at..]),
        }
    }

    fn opened(&mut self, after: Option<&str>, at: usize, out: &str) {
        let Some(level) = self.levels.last_mut() else { return };
        let bracket = out[at..].starts_with('[');
        let first = level.start.is_none();
        let sort = match &mut level.rows {
            Some(rows) if rows.due && !bracket => {
                rows.start.get_or_insert(at);
                rows.due = false;
                Sort::Row
            }
            rows => {
                *rows = None;
                match after {
                    Some("IN") if !bracket => Sort::List,
                    Some("ARRAY") if bracket => Sort::List,
                    _ if level.sort == Sort::List && first => {
                        if bracket {
                            Sort::List
                        } else {
                            Sort::Row
                        }
                    }
                    _ => Sort::Plain,
                }
            }
        };
        level.start.get_or_insert(at);
        if self.levels.len() > DEPTH_MAX {
            self.deeper = 1;
        } else {
            self.levels.push(Level::new(sort));
        }
    }

    fn closed(&mut self, out: &mut String) {
        if self.levels.len() < 2 {
            return;
        }
        self.levels.pop();
        if let Some(rows) = self.levels.last_mut().and_then(|l| l.rows.as_mut())
            && let Some(start) = rows.start.take()
        {
            rows.before = Some(keep_or_drop(rows.before.take(), start, out));
        }
    }

    /// A token that is no parenthesis and no comma.
    fn part(&mut self, kind: Kind, keyword: Option<&str>, at: usize, piece: &str) {
        let Some(level) = self.levels.last_mut() else { return };
        let first = level.start.is_none() && level.before.is_none();
        level.start.get_or_insert(at);
        level.rows = match (keyword, level.rows.take()) {
            (Some("VALUES"), _) => Some(Rows { due: true, start: None, before: None }),
            // VALUES ROW(…)
            (_, Some(rows)) if rows.due && rows.start.is_none() && kind == Kind::Word && piece.eq_ignore_ascii_case("ROW") => {
                Some(Rows { start: Some(at), ..rows })
            }
            _ => None,
        };
        // a query, or rows, which are told apart by themselves
        if keyword == Some("VALUES") || (first && matches!(keyword, Some("SELECT" | "WITH" | "TABLE"))) {
            level.sort = Sort::Plain;
        }
    }

    /// The text ends here: where a list or a row is open behind whole ones, it ends with those. Tells whether it does.
    pub(crate) fn trim(&self, out: &mut String) -> bool {
        let end = self.levels.iter().find_map(|level| match (&level.before, &level.rows) {
            (Some(before), _) if level.sort == Sort::List => Some(before.end),
            (_, Some(Rows { before: Some(before), due, start })) if *due || start.is_some() => Some(before.end),
            _ => None,
        });
        if let Some(end) = end {
            out.truncate(end);
        }
        end.is_some()
    }
}

/// The element of `level` that ends here; of a row's, only what is a value whatever its keyword.
fn end_element(level: &mut Level, out: &mut String) {
    let before = level.before.take();
    let Some(start) = level.start.take().filter(|_| level.sort != Sort::Plain) else { return };
    if matches!(&out[start..], "NULL" | "TRUE" | "FALSE") {
        out.truncate(start);
        out.push('?');
    }
    level.before = Some(match level.sort {
        Sort::List => keep_or_drop(before, start, out),
        _ => start..out.len(),
    });
}

/// The element that starts at `start` and ends the text, or the one before it if they are the same.
fn keep_or_drop(before: Option<Range<usize>>, start: usize, out: &mut String) -> Range<usize> {
    match before {
        Some(before) if out[before.clone()] == out[start..] => {
            out.truncate(before.end);
            before
        }
        _ => start..out.len(),
    }
}
