//! Statements and what they come to, in each dialect; what holds for every one of them holds for all their beginnings too.

mod table;

use statements::{CUT, Dialect, fingerprint, normalize, redact};
use table::{CASES, Case};

const DIALECTS: [Dialect; 3] = [Dialect::PostgreSql, Dialect::MySql, Dialect::Unknown];

#[test]
fn every_case() {
    let wrong: Vec<String> = CASES
        .iter()
        .map(|case| (case, normalize(case.sent, case.dialect)))
        .filter(|(case, got)| got != case.normal)
        .map(|(case, got)| format!("{:?}: {}\n  expected {}\n  got      {got}", case.dialect, case.sent, case.normal))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(CASES.len() >= 80);
}

#[test]
fn normal_text_is_normal_in_whatever_dialect_it_was_sent() {
    for Case { sent, .. } in CASES {
        for dialect in DIALECTS {
            let once = normalize(sent, dialect);
            assert_eq!(normalize(&once, dialect), once, "{dialect:?}: {sent}");
            assert_eq!(fingerprint(&once, dialect), fingerprint(sent, dialect));
        }
    }
}

/// The runs of letters and digits of a text, in lower case.
fn words(text: &str) -> Vec<String> {
    let parts = text.to_lowercase();
    parts.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|w| !w.is_empty()).map(str::to_owned).collect()
}

/// Prefixes of literals, which stand alone when the text is cut behind them.
const PREFIXES: [&str; 6] = ["e", "n", "x", "b", "u", "_utf8mb4"];

#[test]
fn cut_at_any_byte_nothing_of_a_literal_is_shown() {
    for Case { dialect, sent, normal } in CASES {
        let whole = words(normal);
        for (at, _) in sent.char_indices() {
            let cut = normalize(&sent[..at], *dialect);
            assert_eq!(normalize(&cut, *dialect), cut, "{dialect:?}: {}", &sent[..at]);
            let shown = words(&cut);
            for (n, word) in shown.iter().enumerate() {
                let last = n + 1 == shown.len();
                // the last word may be cut itself
                let known = whole.iter().any(|w| w == word || (last && w.starts_with(word.as_str())))
                    || (last && PREFIXES.iter().any(|p| p.starts_with(word.as_str())));
                assert!(known, "{dialect:?}: {:?} gave {cut:?} with {word:?}", &sent[..at]);
            }
        }
    }
}

#[test]
fn cut_at_any_byte_redacted_text_shows_no_secret() {
    for Case { dialect, sent, .. } in CASES {
        assert!(!redact(sent, *dialect).contains("zz"), "{sent}");
        for (at, _) in sent.char_indices() {
            for (what, text) in [("redact", redact(&sent[..at], *dialect)), ("normalize", normalize(&sent[..at], *dialect))] {
                assert!(!text.contains('z'), "{what} {dialect:?}: {:?} gave {text:?}", &sent[..at]);
            }
        }
    }
}

#[test]
fn an_unknown_dialect_shows_no_secret_of_either() {
    for Case { dialect, sent, .. } in CASES {
        for (at, _) in sent.char_indices().chain([(sent.len(), ' ')]) {
            let text = normalize(&sent[..at], Dialect::Unknown);
            assert!(!text.contains('z'), "of {dialect:?}: {:?} gave {text:?}", &sent[..at]);
            let text = redact(&sent[..at], Dialect::Unknown);
            assert!(!text.contains('z'), "of {dialect:?}: {:?} gave {text:?}", &sent[..at]);
        }
    }
}

#[test]
fn one_group_whatever_the_values() {
    let groups: [&[&str]; 6] = [
        &["select 1", "SELECT 2", "Select 'a'", "SELECT\n -1 ;", "/* x */ SELECT $1 -- y", "SELECT ?"],
        &["SELECT a FROM t WHERE b IN (1)", "select a from t where b in(1,2,3)", "SELECT a FROM t WHERE b IN ($1, $2)"],
        &["INSERT INTO t (a,b) VALUES (1,2)", "INSERT INTO t(a, b) VALUES (1, 'x'), (2, NULL), (-3, 'y')"],
        &["select count(*) from T", "SELECT COUNT ( * ) FROM t"],
        &["UPDATE t SET a = 1.5e-3", "update t set a=-7"],
        &["SELECT 'a' || 'b'", "SELECT 'a'||'b'"],
    ];
    for dialect in DIALECTS {
        let mut seen = Vec::new();
        for group in groups {
            let first = fingerprint(group[0], dialect);
            for text in group {
                assert_eq!(fingerprint(text, dialect), first, "{dialect:?}: {text}");
            }
            assert!(!seen.contains(&first));
            seen.push(first);
        }
    }
}

#[test]
fn names_keep_groups_apart() {
    let number = |text| fingerprint(text, Dialect::PostgreSql);
    assert_ne!(number("SELECT a FROM t"), number("SELECT b FROM t"));
    assert_ne!(number("SELECT a FROM \"T\""), number("SELECT a FROM \"t\""));
    assert_ne!(number("SELECT a FROM t"), number("SELECT a FROM \"t\""));
    assert_ne!(number("SELECT a IS NULL FROM t"), number("SELECT a IS TRUE FROM t"));
}

#[test]
fn fingerprints_never_change() {
    let text = |sent| fingerprint(sent, Dialect::PostgreSql).to_string();
    assert_eq!(text(""), "cbf29ce484222325");
    assert_eq!(text("SELECT 1"), "02fb7a5a1a5a9a58");
    assert_eq!(text("select * from users where id in (1, 2)"), "60b1dfc67a742c66");
}

#[test]
fn long_lists_and_deep_parentheses() {
    for dialect in DIALECTS {
        let list = |n: usize| format!("SELECT a FROM t WHERE b IN ({})", vec!["12345"; n].join(", "));
        assert_eq!(normalize(&list(100_000), dialect), normalize(&list(1), dialect));
        let rows = |n: usize| format!("INSERT INTO t VALUES {}", vec!["(1, 'x', NULL)"; n].join(","));
        assert_eq!(normalize(&rows(100_000), dialect), "INSERT INTO t VALUES (?, ?, ?)");
        for opening in [
            "(", "[", "IN (", "VALUES (", "ARRAY[", "/*", "/*!", "- ", "+-", "'a' ", "$a", "$$", "\"a\"   ", "#", "{",
            "IN (a, ",
        ] {
            let deep = opening.repeat(50_000);
            let normal = normalize(&deep, dialect);
            assert!(normal.len() <= 2 * deep.len() + CUT.len() + 1, "{opening}");
            assert_eq!(normalize(&normal, dialect), normal, "{opening}");
        }
    }
}
