//! Where a space stands between two tokens.

use crate::lexer::Kind;

/// What the token before means for the space behind it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Before {
    pub kind: Kind,
    pub keyword: Option<&'static str>,
    /// It is, or belongs to, the name of a table that is being described: `INTO t (…)`.
    pub relation: bool,
}

/// Whether `kind` (written as `piece`) is set off from what stands before it.
pub(crate) fn space(before: Before, kind: Kind, piece: &str) -> bool {
    let named = before.kind == Kind::Name || (before.kind == Kind::Word && before.keyword.is_none());
    let value = named || matches!(before.kind, Kind::Number | Kind::Text | Kind::Placeholder | Kind::Close);
    match (before.kind, kind) {
        (Kind::Open | Kind::Dot | Kind::Cast, _) => false,
        (_, Kind::Close | Kind::Comma | Kind::Dot) => false,
        (_, Kind::Cast) => !value && before.kind != Kind::Word,
        (_, Kind::Open) if piece == "[" => !value && before.keyword != Some("ARRAY"),
        // with a variable's, a sign would be one operator
        (Kind::Sign, Kind::Word | Kind::Name | Kind::Open) => piece.starts_with('@'),
        (_, Kind::Open) => !named || before.relation,
        _ => true,
    }
}
