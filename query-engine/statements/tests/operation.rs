//! The verb of a statement, and statements without their values.

use statements::{Dialect, operation, redact};

#[test]
fn operations() {
    let cases = [
        ("select 1", Some("SELECT")),
        ("  /* x */ -- y\n (Insert into t values (1))", Some("INSERT")),
        ("((select 1) union (select 2))", Some("SELECT")),
        (";; begin", Some("BEGIN")),
        ("WITH a AS (SELECT 1), b AS (DELETE FROM t RETURNING 1) UPDATE t SET x = 1", Some("UPDATE")),
        ("with recursive a (n) as (select 1) select n from a", Some("SELECT")),
        ("WITH a AS (SELECT 1) MERGE INTO t USING a ON true", Some("MERGE")),
        ("WITH a AS (SELECT 1", Some("WITH")),
        ("/*!40101 SET NAMES utf8 */", Some("SET")),
        ("# x\nSHOW TABLES", Some("SHOW")),
        ("EXPLAIN ANALYZE SELECT 1", Some("EXPLAIN")),
        ("VALUES (1)", Some("VALUES")),
        ("call f()", Some("CALL")),
        ("", None),
        ("/* x", None),
        ("'text'", None),
        ("secret' AND 1", None),
        ("\"select\"", None),
        ("left join", None),
        ("sele", None),
    ];
    for (text, expected) in cases {
        assert_eq!(operation(text), expected, "{text}");
    }
}

#[test]
fn redacted() {
    use Dialect::{MySql, PostgreSql, Unknown};
    let cases = [
        (PostgreSql, "select  *\nfrom t where a = 'x' and b=-12.5e3", "select  *\nfrom t where a = ? and b=?"),
        (PostgreSql, "SELECT \"a\", $1, E'it\\'s', $q$x$q$ ;", "SELECT \"a\", $1, ?, ? ;"),
        (PostgreSql, "SELECT 1 /* who */ -- why\n, 2", "SELECT ? /*?*/ -- ?\n, ?"),
        (PostgreSql, "VALUES (1, NULL), (2, TRUE)", "VALUES (?, NULL), (?, TRUE)"),
        (PostgreSql, "SELECT a - 1, -a, /**/ - 2", "SELECT a - ?, -a, /**/ ?"),
        (PostgreSql, "SELECT 'never ended", "SELECT ?"),
        (PostgreSql, "SELECT \"never ended", "SELECT ?"),
        (PostgreSql, "SELECT /* never ended", "SELECT /*?"),
        (MySql, "SELECT \"a\", `b`, @c, ? # why\n-- why\n/*!40001 x, 5 */", "SELECT ?, `b`, @c, ? #?\n-- ?\n/*!40001 x, ? */"),
        (MySql, "SET @'a' = 5", "SET ? = ?"),
        (Unknown, "SELECT 'a\\', 'b'", "SELECT ?"),
        (Unknown, "SELECT a # it's", "SELECT a #?"),
    ];
    for (dialect, text, expected) in cases {
        assert_eq!(redact(text, dialect), expected, "{dialect:?}: {text}");
    }
}

#[test]
fn dialects_by_name() {
    assert_eq!(Dialect::named("PostgreSQL"), Some(Dialect::PostgreSql));
    assert_eq!(Dialect::named("postgres"), Some(Dialect::PostgreSql));
    assert_eq!(Dialect::named("mariadb"), Some(Dialect::MySql));
    assert_eq!(Dialect::named("unknown"), Some(Dialect::Unknown));
    assert_eq!(Dialect::named("oracle"), None);
}
