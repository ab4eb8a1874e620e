//! Statements as sent and as normalised. The letter z occurs in literals and comments only.

use statements::Dialect;
use statements::Dialect::{MySql, PostgreSql, Unknown};

pub struct Case {
    pub dialect: Dialect,
    pub sent: &'static str,
    pub normal: &'static str,
}

const fn case(dialect: Dialect, sent: &'static str, normal: &'static str) -> Case {
    Case { dialect, sent, normal }
}

#[rustfmt::skip]
pub const CASES: &[Case] = &[
    // layout, keywords, names
    case(PostgreSql, "", ""),
    case(PostgreSql, " \n\t ", ""),
    case(PostgreSql, "select 1", "SELECT ?"),
    case(PostgreSql, "SELECT  a ,b\n\tFROM   t", "SELECT a, b FROM t"),
    case(PostgreSql, "select a.b, t.* from Users As t", "SELECT a.b, t.* FROM Users AS t"),
    case(PostgreSql, "SELECT count( * ) , max ( a )FROM t", "SELECT count(*), max(a) FROM t"),
    case(PostgreSql, "select a from t where (b=1 and c<>2)or d>=3", "SELECT a FROM t WHERE (b = ? AND c <> ?) OR d >= ?"),
    case(PostgreSql, "SELECT t.order, o.select FROM t", "SELECT t.order, o.select FROM t"),
    case(PostgreSql, "SELECT 1;", "SELECT ?"),
    case(PostgreSql, ";; SELECT 1 ;; select 2 ; ", "SELECT ?; SELECT ?"),
    case(PostgreSql, "begin; update t set a=1; commit", "BEGIN; UPDATE t SET a = ?; COMMIT"),
    case(PostgreSql, "insert into t(a,b)values(1,2)", "INSERT INTO t (a, b) VALUES (?, ?)"),
    case(PostgreSql, "create table if not exists s.t(id bigint primary key, n varchar(20) default 'zz')",
        "CREATE TABLE IF NOT EXISTS s.t (id bigint PRIMARY KEY, n varchar(?) DEFAULT ?)"),
    case(PostgreSql, "select show, begin from t", "SELECT show, begin FROM t"),
    case(PostgreSql, "SELECT a FROM t WHERE b IS NOT NULL AND c IS TRUE", "SELECT a FROM t WHERE b IS NOT NULL AND c IS TRUE"),
    case(PostgreSql, "SELECT größe FROM straße WHERE ort = 'zürich'", "SELECT größe FROM straße WHERE ort = ?"),
    case(PostgreSql, "insert into t values (1) on conflict do nothing", "INSERT INTO t VALUES (?) ON CONFLICT DO NOTHING"),
    case(PostgreSql, "select a from t for update skip locked", "SELECT a FROM t FOR UPDATE SKIP LOCKED"),
    case(MySql, "insert into t values (1) on duplicate key update a=values(a),b=values(b)",
        "INSERT INTO t VALUES (?) ON DUPLICATE KEY UPDATE a = VALUES (a), b = VALUES (b)"),
    case(MySql, "show tables", "SHOW tables"),
    case(MySql, "set names utf8mb4", "SET NAMES utf8mb4"),

    // numbers
    case(PostgreSql, "SELECT 1, 1.5, .5, 5., 1e10, 1.5E-3, 0x1F, 0b01, 0o17, 1_000", "SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?"),
    case(PostgreSql, "SELECT -1, +2, - 3, - -4", "SELECT ?, ?, ?, ?"),
    case(PostgreSql, "SELECT a-1, a - -1, (a)-1, -a, -(a), - -a", "SELECT a - ?, a - ?, (a) - ?, -a, -(a), - -a"),
    case(PostgreSql, "SELECT 1-1, 'zz'||-1", "SELECT ? - ?, ? || ?"),
    case(PostgreSql, "SELECT t1.c2, x9 FROM t_3", "SELECT t1.c2, x9 FROM t_3"),
    case(PostgreSql, "SELECT a FROM t LIMIT 10 OFFSET 20", "SELECT a FROM t LIMIT ? OFFSET ?"),
    case(MySql, "SELECT a FROM t LIMIT 20, 10", "SELECT a FROM t LIMIT ?, ?"),
    case(MySql, "SELECT 2fa, t.3d FROM 4u WHERE a=0xAbZ OR b=0xAB", "SELECT 2fa, t.3d FROM 4u WHERE a = 0xAbZ OR b = ?"),
    case(MySql, "SELECT 5--1, a--1", "SELECT ? - ?, a - ?"),
    case(PostgreSql, "SELECT a FROM t WHERE b BETWEEN -1 AND +1", "SELECT a FROM t WHERE b BETWEEN ? AND ?"),
    case(PostgreSql, "SELECT CASE WHEN a THEN -1 ELSE -2 END - 3", "SELECT CASE WHEN a THEN ? ELSE ? END - ?"),

    // text
    case(PostgreSql, "SELECT 'zz', '', 'z''z', 'z\"z'", "SELECT ?, ?, ?, ?"),
    case(PostgreSql, "SELECT 'z\\', a", "SELECT ?, a"),
    case(PostgreSql, "SELECT E'z\\'z', e'z\\\\', a", "SELECT ?, ?, a"),
    case(PostgreSql, "SELECT N'zz', X'1Fz', b'01z', U&'z\\0041'", "SELECT ?, ?, ?, ?"),
    case(PostgreSql, "SELECT 'zz'\n'zz', a", "SELECT ?, a"),
    case(PostgreSql, "SELECT $$zz 'z$$, $q$z $$ z$q$, a", "SELECT ?, ?, a"),
    case(PostgreSql, "SELECT $ä$zz$ä$, a$b$c", "SELECT ?, a$b$c"),
    case(PostgreSql, "DO $body$ BEGIN RAISE 'zz'; END $body$", "DO ?"),
    case(PostgreSql, "SELECT 'zz'::text, a::int4, '{1}'::int[]", "SELECT ?::text, a::int4, ?::int[]"),
    case(PostgreSql, "SELECT date '2026-01-01z', interval '1 zz'", "SELECT date ?, INTERVAL ?"),
    case(MySql, "SELECT 'z\\'z', \"z\\\"z\", 'z''z', \"z\"\"z\", a", "SELECT ?, ?, ?, ?, a"),
    case(MySql, "SELECT 'zz' \"zz\" 'zz', a", "SELECT ?, a"),
    case(MySql, "SELECT _utf8mb4'zz', _utf8mb4 'zz', N'zz', x'4Az', B'1z'", "SELECT ?, _utf8mb4 ?, ?, ?, ?"),
    case(MySql, "SELECT 'z\\\\', a", "SELECT ?, a"),
    case(MySql, "SELECT a FROM t WHERE b LIKE '%zz\\%%' ESCAPE '|'", "SELECT a FROM t WHERE b LIKE ? ESCAPE ?"),
    case(MySql, "CREATE USER app IDENTIFIED BY 'zz'", "CREATE USER app IDENTIFIED BY ?"),
    case(MySql, "GRANT ALL ON *.* TO 'zz'@'%'", "GRANT ALL ON *.* TO ? ?"),

    // quoted names
    case(PostgreSql, "SELECT \"a b\".\"C\"\"d\", U&\"x\\0041\" FROM \"select\"", "SELECT \"a b\".\"C\"\"d\", U&\"x\\0041\" FROM \"select\""),
    case(PostgreSql, "SELECT \"f\"(1), \"it's\" FROM \"t\"  WHERE \"a\"='zz'", "SELECT \"f\"(?), \"it's\" FROM \"t\" WHERE \"a\" = ?"),
    case(MySql, "SELECT `a b`.`c``d`, `it's` FROM `select`", "SELECT `a b`.`c``d`, `it's` FROM `select`"),
    case(MySql, "INSERT INTO `d`.`t`(`a`) VALUES (\"zz\")", "INSERT INTO `d`.`t` (`a`) VALUES (?)"),

    // placeholders
    case(PostgreSql, "SELECT $1, $23, $1::int FROM t WHERE a=$2", "SELECT ?, ?, ?::int FROM t WHERE a = ?"),
    case(MySql, "SELECT ?, a FROM t WHERE b=? AND c IN (?,?,?)", "SELECT ?, a FROM t WHERE b = ? AND c IN (?)"),
    case(PostgreSql, "SELECT :name, :a1 FROM t WHERE a = :b", "SELECT ?, ? FROM t WHERE a = ?"),
    case(PostgreSql, "SELECT %s FROM t WHERE a = %(name)s AND b %s", "SELECT ? FROM t WHERE a = ? AND b % s"),
    case(MySql, "SELECT a%3, a % b, %s", "SELECT a % ?, a % b, ?"),
    case(MySql, "SET @a = 1, @b := 'zz', @'q z' = @@session.sql_mode", "SET ? = ?, ? := ?, ? = @@session.sql_mode"),
    case(MySql, "SELECT @@version, @p", "SELECT @@version, ?"),
    case(PostgreSql, "SELECT a FROM t WHERE b = @p AND -$1 < c", "SELECT a FROM t WHERE b = ? AND ? < c"),
    case(Unknown, "SELECT ?1, $2, :c, @d", "SELECT ?, ?, ?, ?"),

    // operators of PostgreSQL
    case(PostgreSql, "SELECT a->'zz'->>'zz', a#>>'{z}', a @> '{z}', a<@b, a ? 'zz', a ?| b, a@@b, a @? 'z'",
        "SELECT a -> ? ->> ?, a #>> ?, a @> ?, a <@ b, a ? ?, a ?| b, a @@ b, a @? ?"),
    case(PostgreSql, "SELECT a[1], a[1:2], (a)[i:j], ARRAY[1,2,3], b || ARRAY [1]", "SELECT a[?], a[? : ?], (a)[i : j], ARRAY[?], b || ARRAY[?]"),
    case(PostgreSql, "SELECT a~*'z', a!~'z', a<->b, a -|- b, 1!=-1", "SELECT a ~* ?, a !~ ?, a <-> b, a -|- b, ? != ?"),
    case(MySql, "SELECT a<=>NULL, a->'$.z', a->>\"$.z\", !a, a&&b, a||b, a:=1", "SELECT a <=> NULL, a -> ?, a ->> ?, ! a, a && b, a || b, a := ?"),

    // comments
    case(PostgreSql, "SELECT a -- it's zz\nFROM t--zz", "SELECT a FROM t"),
    case(PostgreSql, "/* zz /* 'z */ z */ SELECT a/**/FROM/*zz*/t", "SELECT a FROM t"),
    case(PostgreSql, "SELECT 1 /*traceparent='00-zz-01',application='z'*/", "SELECT ?"),
    case(MySql, "SELECT a # it's zz\nFROM t -- zz\n#zz", "SELECT a FROM t"),
    case(MySql, "/* /* zz */ SELECT /*+ NO_INDEX(z) */ a", "SELECT a"),
    case(MySql, "SELECT /*!40001 SQL_NO_CACHE */ a FROM t /*!WHERE b=5*/", "SELECT /*!40001 SQL_NO_CACHE */ a FROM t /*! WHERE b = ? */"),
    case(MySql, "/*M!100100 SET */ /*!12 SELECT 'zz' */", "/*M!100100 SET */ /*! ? SELECT ? */"),
    case(PostgreSql, "SELECT a /*!40001 zz */ FROM t", "SELECT a FROM t"),
    case(PostgreSql, "SELECT '--zz', '/*zz', \"--a\" -- zz", "SELECT ?, ?, \"--a\""),

    // lists
    case(PostgreSql, "SELECT a FROM t WHERE b IN (1)", "SELECT a FROM t WHERE b IN (?)"),
    case(PostgreSql, "SELECT a FROM t WHERE b NOT IN (1, 'zz', NULL, $1, -2, TRUE)", "SELECT a FROM t WHERE b NOT IN (?)"),
    case(PostgreSql, "SELECT a FROM t WHERE (b, c) IN ((1, 2), (3, NULL))", "SELECT a FROM t WHERE (b, c) IN ((?, ?))"),
    case(PostgreSql, "SELECT a FROM t WHERE b IN ('zz'::text, 'z'::text)", "SELECT a FROM t WHERE b IN (?::text)"),
    case(PostgreSql, "SELECT a FROM t WHERE b IN (1, c, 2, 3)", "SELECT a FROM t WHERE b IN (?, c, ?)"),
    case(PostgreSql, "SELECT a FROM t WHERE b IN (SELECT c, c, c FROM u WHERE d IN (1,2))", "SELECT a FROM t WHERE b IN (SELECT c, c, c FROM u WHERE d IN (?))"),
    case(PostgreSql, "SELECT f(1, 2, 3), ROW(1, 2)", "SELECT f(?, ?, ?), ROW(?, ?)"),
    case(PostgreSql, "SELECT ARRAY[[1,2],[3,4]], ANY(ARRAY['zz','z'])", "SELECT ARRAY[[?]], ANY (ARRAY[?])"),
    case(PostgreSql, "INSERT INTO t VALUES (1, 'zz'), (2, NULL), (3, $1) RETURNING id", "INSERT INTO t VALUES (?, ?) RETURNING id"),
    case(PostgreSql, "INSERT INTO t VALUES (1, now()), (2, now()), (3, DEFAULT)", "INSERT INTO t VALUES (?, now()), (?, DEFAULT)"),
    case(PostgreSql, "SELECT * FROM (VALUES (1, 2), (3, 4)) AS v (a, b)", "SELECT * FROM (VALUES (?, ?)) AS v(a, b)"),
    case(MySql, "VALUES ROW(1, 2), ROW(3, 4)", "VALUES ROW(?, ?)"),
    case(MySql, "INSERT INTO t VALUES (1),(2),(3)", "INSERT INTO t VALUES (?)"),
    case(MySql, "INSERT INTO t VALUES (), ()", "INSERT INTO t VALUES ()"),

    case(MySql, "SELECT a IN (b VALUES (1), (2), (3))", "SELECT a IN (b VALUES (?))"),

    // cut
    case(PostgreSql, "SELECT 'zz", "SELECT ? …"),
    case(PostgreSql, "SELECT a, $q$zz $q", "SELECT a, ? …"),
    case(PostgreSql, "SELECT $zz", "SELECT ? …"),
    case(PostgreSql, "SELECT \"zz", "SELECT …"),
    case(PostgreSql, "SELECT a /* zz", "SELECT a …"),
    case(PostgreSql, "SELECT a FROM t WHERE b IN (1, 2, 3", "SELECT a FROM t WHERE b IN (? …"),
    case(PostgreSql, "SELECT a FROM t WHERE b IN (1, 2, 'zz", "SELECT a FROM t WHERE b IN (? …"),
    case(PostgreSql, "SELECT a FROM t WHERE b IN (1, 2,", "SELECT a FROM t WHERE b IN (? …"),
    case(PostgreSql, "INSERT INTO t VALUES (1, 'zz'), (2, 'z", "INSERT INTO t VALUES (?, ?) …"),
    case(PostgreSql, "INSERT INTO t VALUES (1, 'zz'), (2, 'z'),", "INSERT INTO t VALUES (?, ?) …"),
    case(PostgreSql, "SELECT a FROM t WHERE (b = 1 AND c", "SELECT a FROM t WHERE (b = ? AND c …"),
    case(PostgreSql, "SELECT a FROM t WHERE b = 12", "SELECT a FROM t WHERE b = ?"),
    case(PostgreSql, "SELECT ? …", "SELECT ? …"),
    case(PostgreSql, "SELECT a… FROM t", "SELECT a… FROM t"),
    case(MySql, "SELECT \"zz", "SELECT ? …"),
    case(MySql, "SELECT `zz", "SELECT …"),
    case(MySql, "SELECT 'z\\'", "SELECT ? …"),
    case(MySql, "SELECT /*!400", "SELECT …"),
    case(MySql, "SELECT /*!40001 SQL_NO", "SELECT /*!40001 SQL_NO …"),

    // not known whose
    case(Unknown, "SELECT \"zz\", 'zz' FROM t", "SELECT ?, ? FROM t"),
    case(Unknown, "SELECT \"u\".\"id\" FROM \"u\" JOIN \"v\" ON \"u\" . \"id\" = \"v\".\"id\" WHERE \"u\".\"n\" = \"zz\"",
        "SELECT \"u\".\"id\" FROM \"u\" JOIN \"v\" ON \"u\".\"id\" = \"v\".\"id\" WHERE \"u\".\"n\" = ?"),
    case(Unknown, "SELECT TRIM(BOTH FROM \"zz\"), (SELECT a FROM \"t\")", "SELECT TRIM(BOTH FROM ?), (SELECT a FROM \"t\")"),
    case(Unknown, "SELECT 'z\\', ' zz', a", "SELECT ? …"),
    case(Unknown, "SELECT 'z\\\\', 'z\\n', E'z\\'z', a", "SELECT ?, ?, ?, a"),
    case(Unknown, "SELECT a # zz\nFROM t --zz\nWHERE b", "SELECT a FROM t WHERE b"),
    case(Unknown, "SELECT a # it's zz\nFROM t", "SELECT a …"),
    case(Unknown, "SELECT a #>> '{z}' FROM t", "SELECT a #>> ? FROM t"),
    case(Unknown, "SELECT /* zz /* z */ a", "SELECT …"),
    case(Unknown, "SELECT /*!40001 SQL_NO_CACHE */ `a`, $$zz$$", "SELECT `a`, ?"),
];
