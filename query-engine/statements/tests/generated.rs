//! What holds for any text whatever.

use proptest::prelude::*;
use statements::{CUT, Dialect, fingerprint, normalize, operation, redact};

fn dialects() -> impl Strategy<Value = Dialect> {
    prop_oneof![Just(Dialect::PostgreSql), Just(Dialect::MySql), Just(Dialect::Unknown)]
}

/// Pieces that mean something, in any order.
fn pieces() -> impl Strategy<Value = String> {
    const PIECES: &[&str] = &[
        " ",
        " ",
        "\n",
        "\r",
        "'",
        "\"",
        "`",
        "\\",
        "''",
        "$",
        "$$",
        "$a$",
        "$1",
        "?",
        "?|",
        "?&",
        ":",
        "::",
        ":=",
        ":a",
        "@",
        "@@",
        "@a",
        "%",
        "%s",
        "%(a)s",
        "-",
        "--",
        "-- ",
        "+",
        "*",
        "/",
        "/*",
        "*/",
        "/*!",
        "/*!40001",
        "/*M!",
        "#",
        "#>",
        "(",
        "(",
        ")",
        "[",
        "]",
        ",",
        ",",
        ";",
        ".",
        "..",
        "…",
        " …",
        "a",
        "b",
        "e",
        "n",
        "x",
        "u&",
        "_c",
        "ä",
        "1",
        "2",
        "0x",
        "1e",
        ".5",
        "5.",
        "=",
        "<",
        ">",
        "!",
        "|",
        "&",
        "~",
        "^",
        "{",
        "NULL",
        "TRUE",
        "DEFAULT",
        " IN (",
        " VALUES (",
        "VALUES",
        " ROW",
        "ARRAY[",
        "SELECT ",
        " FROM ",
        " INTO ",
        "TABLE ",
        "show",
        " key",
        "PRIMARY",
        "DELETE",
        "END",
        "'s'",
        "\"n\"",
        "`n`",
        "(1,2)",
        ",(1,2)",
        "f(",
        "/**/",
        "\u{7f}",
        "\0",
    ];
    prop::collection::vec(prop::sample::select(PIECES), 0..40).prop_map(|pieces| pieces.concat())
}

/// Pieces that leave nothing open.
fn harmless() -> impl Strategy<Value = String> {
    const PIECES: &[&str] = &[
        " ", "\n", "$1", "?", "?|", ":a", "@a", "@", "%", "%s", "- ", "+", "*", "/ ", "/*x*/", "(", ")", "[", "]", ",", ";",
        ".", "…", "a ", "e ", "1 ", "=", "<", ">", "!", "|", "&", "~", "{", "NULL ", "IN (", "VALUES (", "ARRAY[", "SELECT ",
        " FROM ", "INTO ", "show", "'s'", "`n`", "(1,2)", "f(", "/**/",
    ];
    prop::collection::vec(prop::sample::select(PIECES), 0..30).prop_map(|pieces| pieces.concat())
}

fn check(text: &str, dialect: Dialect) -> Result<(), TestCaseError> {
    let normal = normalize(text, dialect);
    prop_assert_eq!(&normalize(&normal, dialect), &normal, "{:?}", text);
    prop_assert_eq!(fingerprint(&normal, dialect), fingerprint(text, dialect));
    prop_assert!(normal.len() <= 2 * text.len() + CUT.len() + 1);
    let redacted = redact(text, dialect);
    prop_assert!(redacted.len() <= text.len());
    prop_assert_eq!(&redact(&redacted, dialect), &redacted, "{:?}", text);
    operation(text);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn pieces_of_sql(text in pieces(), dialect in dialects()) {
        check(&text, dialect)?;
    }

    #[test]
    fn any_text(text in any::<String>(), dialect in dialects()) {
        check(&text, dialect)?;
    }

    #[test]
    fn a_value_is_hidden_wherever_it_stands(before in harmless(), after in pieces(), dialect in dialects()) {
        for value in ["'secret'", "N'it''s secret'"] {
            let normal = normalize(&format!("{before} {value} {after}"), dialect);
            prop_assert!(!normal.contains("secret"), "{:?} {} {:?} gave {:?}", before, value, after, normal);
        }
        let normal = normalize(&format!("{before} 77 {after}"), dialect);
        prop_assert!(!normal.contains("77"), "{:?} {:?} gave {:?}", before, after, normal);
    }
}
