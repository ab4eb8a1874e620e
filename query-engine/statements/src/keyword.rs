//! Words that SQL itself uses: they are written in upper case, and a sign or placeholder may follow them.
//!
//! Words that are as often a column's name (name, date, status, user, count …) are left out: their case is the sender's.

/// Longest of the words below, in bytes.
const WORD_BYTES_MAX: usize = 16;

/// Reserved, or never a name in practice. Sorted.
const ANYWHERE: &[&str] = &[
    "ADD",
    "ALL",
    "ALTER",
    "ANALYZE",
    "AND",
    "ANY",
    "ARRAY",
    "AS",
    "ASC",
    "BETWEEN",
    "BOTH",
    "BY",
    "CASCADE",
    "CASE",
    "CAST",
    "COLLATE",
    "COLUMN",
    "CONSTRAINT",
    "CREATE",
    "CROSS",
    "DEFAULT",
    "DELETE",
    "DESC",
    "DISTINCT",
    "DIV",
    "DO",
    "DROP",
    "ELSE",
    "END",
    "ESCAPE",
    "EXCEPT",
    "EXISTS",
    "FALSE",
    "FETCH",
    "FOR",
    "FOREIGN",
    "FROM",
    "FULL",
    "GRANT",
    "GROUP",
    "HAVING",
    "IF",
    "ILIKE",
    "IN",
    "INDEX",
    "INNER",
    "INSERT",
    "INTERSECT",
    "INTERVAL",
    "INTO",
    "IS",
    "JOIN",
    "LATERAL",
    "LEADING",
    "LEFT",
    "LIKE",
    "LIMIT",
    "NATURAL",
    "NOT",
    "NOTHING",
    "NULL",
    "NULLS",
    "OFFSET",
    "ON",
    "ONLY",
    "OR",
    "ORDER",
    "OUTER",
    "OVER",
    "PARTITION",
    "PRIMARY",
    "RECURSIVE",
    "REFERENCES",
    "REGEXP",
    "RETURNING",
    "REVOKE",
    "RIGHT",
    "RLIKE",
    "SELECT",
    "SET",
    "SIMILAR",
    "SOME",
    "STRAIGHT_JOIN",
    "TABLE",
    "THEN",
    "TO",
    "TRAILING",
    "TRUE",
    "TRUNCATE",
    "UNION",
    "UNIQUE",
    "UPDATE",
    "USING",
    "VALUES",
    "VIEW",
    "WHEN",
    "WHERE",
    "WINDOW",
    "WITH",
    "XOR",
];

/// Words that begin a statement, and only there are keywords. Sorted.
const VERBS: &[&str] = &[
    "ABORT",
    "ALTER",
    "ANALYZE",
    "BEGIN",
    "BINLOG",
    "CACHE",
    "CALL",
    "CHANGE",
    "CHECK",
    "CHECKPOINT",
    "CHECKSUM",
    "CLOSE",
    "CLUSTER",
    "COMMENT",
    "COMMIT",
    "COPY",
    "CREATE",
    "DEALLOCATE",
    "DECLARE",
    "DELETE",
    "DESC",
    "DESCRIBE",
    "DISCARD",
    "DO",
    "DROP",
    "END",
    "EXECUTE",
    "EXPLAIN",
    "FETCH",
    "FLUSH",
    "GRANT",
    "HANDLER",
    "HELP",
    "IMPORT",
    "INSERT",
    "INSTALL",
    "KILL",
    "LISTEN",
    "LOAD",
    "LOCK",
    "MERGE",
    "MOVE",
    "NOTIFY",
    "OPTIMIZE",
    "PREPARE",
    "PURGE",
    "REASSIGN",
    "REFRESH",
    "REINDEX",
    "RELEASE",
    "RENAME",
    "REPAIR",
    "REPLACE",
    "RESET",
    "RESIGNAL",
    "RESTART",
    "REVOKE",
    "ROLLBACK",
    "SAVEPOINT",
    "SECURITY",
    "SELECT",
    "SET",
    "SHOW",
    "SHUTDOWN",
    "SIGNAL",
    "START",
    "STOP",
    "TABLE",
    "TRUNCATE",
    "UNINSTALL",
    "UNLISTEN",
    "UNLOCK",
    "UPDATE",
    "USE",
    "VACUUM",
    "VALUES",
    "WITH",
    "XA",
];

/// Keywords directly after another one, names elsewhere.
const PAIRS: &[(&str, &str)] = &[
    ("BEGIN", "TRANSACTION"),
    ("CREATE", "DATABASE"),
    ("CREATE", "FUNCTION"),
    ("CREATE", "PROCEDURE"),
    ("CREATE", "SCHEMA"),
    ("CREATE", "SEQUENCE"),
    ("CREATE", "TEMPORARY"),
    ("CREATE", "TRIGGER"),
    ("DELETE", "IGNORE"),
    ("DROP", "DATABASE"),
    ("DROP", "SCHEMA"),
    ("DUPLICATE", "KEY"),
    ("FOR", "SHARE"),
    ("FOREIGN", "KEY"),
    ("INSERT", "IGNORE"),
    ("NULLS", "FIRST"),
    ("NULLS", "LAST"),
    ("ON", "CONFLICT"),
    ("ON", "DUPLICATE"),
    ("PRIMARY", "KEY"),
    ("SET", "NAMES"),
    ("SET", "TRANSACTION"),
    ("SHARE", "NOWAIT"),
    ("SHARE", "SKIP"),
    ("SKIP", "LOCKED"),
    ("START", "TRANSACTION"),
    ("UPDATE", "IGNORE"),
    ("UPDATE", "NOWAIT"),
    ("UPDATE", "SKIP"),
];

/// The keyword that `word` is, in upper case; `begins` tells that it is its statement's first, `after` the keyword directly
/// before it.
pub(crate) fn keyword(word: &[u8], begins: bool, after: Option<&str>) -> Option<&'static str> {
    let mut upper = [0; WORD_BYTES_MAX];
    let upper = upper.get_mut(..word.len())?;
    upper.copy_from_slice(word);
    upper.make_ascii_uppercase();
    let listed = |list: &[&'static str]| list.binary_search_by(|w| w.as_bytes().cmp(upper)).ok().map(|at| list[at]);
    listed(ANYWHERE).or_else(|| if begins { listed(VERBS) } else { None }).or_else(|| {
        let after = after?;
        PAIRS.iter().find(|(first, second)| *first == after && second.as_bytes() == upper).map(|pair| pair.1)
    })
}

/// Whether a statement can begin with this keyword.
pub(crate) fn is_verb(keyword: &str) -> bool {
    VERBS.binary_search(&keyword).is_ok()
}

/// Whether this keyword is itself a value, so that an operator follows and not a sign.
pub(crate) fn is_value(keyword: &str) -> bool {
    matches!(keyword, "NULL" | "TRUE" | "FALSE" | "DEFAULT" | "END")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_sorted_and_fit() {
        for list in [ANYWHERE, VERBS] {
            assert!(list.is_sorted());
            assert!(list.iter().all(|w| w.len() <= WORD_BYTES_MAX));
        }
        assert!(PAIRS.is_sorted());
    }

    #[test]
    fn a_name_is_no_keyword() {
        assert_eq!(keyword(b"from", false, None), Some("FROM"));
        assert_eq!(keyword(b"show", false, None), None);
        assert_eq!(keyword(b"show", true, None), Some("SHOW"));
        assert_eq!(keyword(b"key", false, None), None);
        assert_eq!(keyword(b"key", false, Some("PRIMARY")), Some("KEY"));
        assert_eq!(keyword(b"a_name_that_is_longer_than_any_keyword", false, None), None);
    }
}
