//! SQL statements as text: which of them are the same but for their values, and what of them may be kept.
//!
//! In: a statement's text as it was sent, whole or cut anywhere, and whose dialect it is. Out: text or a number. Knows no
//! grammar: it tells tokens apart, never fails, never panics, and takes time and memory in proportion to the text.
//!
//! ```
//! use statements::{Dialect, fingerprint, normalize, operation, redact};
//!
//! let sent = "select * from users where id in (1, 2, 3) and name = 'O''Brien' -- from the page";
//! let normal = "SELECT * FROM users WHERE id IN (?) AND name = ?";
//! assert_eq!(normalize(sent, Dialect::PostgreSql), normal);
//! assert_eq!(fingerprint(sent, Dialect::PostgreSql), fingerprint(normal, Dialect::PostgreSql));
//! assert_eq!(operation("WITH t AS (SELECT 1) DELETE FROM u"), Some("DELETE"));
//! assert_eq!(redact("select  'x', 5 -- y", Dialect::MySql), "select  ?, ? -- ?");
//! ```

#![forbid(unsafe_code)]

mod fingerprint;
mod keyword;
mod layout;
mod level;
mod lexer;
mod normalize;
mod operation;
mod operator;
mod quote;
mod redact;

pub use fingerprint::{Fingerprint, fingerprint};
pub use normalize::{CUT, normalize};
pub use operation::operation;
pub use redact::redact;

/// Whose SQL a text is. Decides what quotes, backslashes, `#`, `--` and `$` mean.
///
/// Settings that change the meaning are taken at their defaults: `standard_conforming_strings` on, neither `ANSI_QUOTES`
/// nor `NO_BACKSLASH_ESCAPES`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// PostgreSQL and what speaks like it: `"…"` is a name, `E'…'` has backslashes, `$tag$…$tag$`, comments nest.
    PostgreSql,
    /// MySQL and MariaDB: `"…"` is text, backslashes escape, `` `…` `` is a name, `#` is a comment, `/*! … */` is executed.
    MySql,
    /// Not known: nothing is shown that is text in either. `"…"` is a name only where no text can stand (beside a dot, after
    /// FROM, JOIN, INTO, UPDATE or TABLE); from where the two would read on differently (`'\'`), the text is cut.
    Unknown,
}

impl Dialect {
    /// The dialect of this name: `postgresql`, `postgres`, `mysql`, `mariadb`, `unknown`; case does not matter.
    pub fn named(name: &str) -> Option<Self> {
        let is = |names: &[&str]| names.iter().any(|n| n.eq_ignore_ascii_case(name));
        if is(&["postgresql", "postgres"]) {
            Some(Self::PostgreSql)
        } else if is(&["mysql", "mariadb"]) {
            Some(Self::MySql)
        } else {
            is(&["unknown"]).then_some(Self::Unknown)
        }
    }
}
