//! SQL functions of earshot's own, as a query uses them.

use query_engine::format::{Format, write};
use query_engine::sql::{Limits, Query, SqlEngine};
use serde_json::{Value, json};

use crate::fixture::engine;

async fn rows(engine: &SqlEngine, query: &str) -> Result<Vec<Value>, String> {
    let answer = engine.query(Query::new(query)).await.map_err(|e| e.to_string())?;
    let mut bytes = Vec::new();
    write(answer, Format::Json, &mut bytes).await.map_err(|e| e.to_string())?;
    Ok(String::from_utf8(bytes).expect("text").lines().map(|l| serde_json::from_str(l).expect("one object a line")).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_are_grouped() {
    let e = engine(300, Limits::default());
    let query = "SELECT normalize_sql('select a from t where b = ''' || message || ''' and c in (' || latency_ns || ', 1)', 'postgresql') AS s, \
                 count(*) AS n FROM echo_events GROUP BY s";
    let expected = json!({"s": "SELECT a FROM t WHERE b = ? AND c IN (?)", "n": 300});
    assert_eq!(rows(&e, query).await.unwrap(), [expected]);
    // a column in a dictionary
    let query = "SELECT normalize_sql(process_name) AS s, count(*) AS n FROM echo_events GROUP BY s";
    assert_eq!(rows(&e, query).await.unwrap(), [json!({"s": "echod", "n": 300})]);
    let query = "SELECT count(DISTINCT sql_fingerprint('SELECT ' || code)) AS n FROM echo_events WHERE sql_fingerprint(command) IS NOT NULL";
    assert_eq!(rows(&e, query).await.unwrap(), [json!({"n": 1})]);
}

#[tokio::test(flavor = "multi_thread")]
async fn dialects_and_nulls() {
    let e = engine(2, Limits::default());
    let query = "SELECT normalize_sql('SELECT \"a\"', 'postgres') AS p, normalize_sql('SELECT \"a\"', 'MySQL') AS m, \
                 normalize_sql('SELECT \"a\"') AS u, normalize_sql(NULL) AS n, normalize_sql('SELECT 1', NULL) AS d, \
                 sql_fingerprint('select 1') AS f, sql_fingerprint(NULL, 'mysql') AS g, \
                 normalize_sql(arrow_cast('SELECT 1', 'Utf8View')) AS v, normalize_sql(arrow_cast('SELECT 1', 'LargeUtf8')) AS l";
    let expected = json!({"p": "SELECT \"a\"", "m": "SELECT ?", "u": "SELECT ?", "n": null, "d": null,
                          "f": "02fb7a5a1a5a9a58", "g": null, "v": "SELECT ?", "l": "SELECT ?"});
    assert_eq!(rows(&e, query).await.unwrap(), [expected]);
    // a dialect for each row
    let query = "SELECT normalize_sql('SELECT \"a\"', CASE message WHEN 'm0' THEN 'mysql' ELSE 'postgresql' END) AS s FROM echo_events ORDER BY message";
    assert_eq!(rows(&e, query).await.unwrap(), [json!({"s": "SELECT ?"}), json!({"s": "SELECT \"a\""})]);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_arguments_are_named() {
    let e = engine(2, Limits::default());
    let cases = [
        ("SELECT normalize_sql(code) FROM echo_events", "normalize_sql takes text, not Int32"),
        ("SELECT normalize_sql()", "normalize_sql takes a statement's text"),
        ("SELECT normalize_sql('a', 'oracle')", "not 'oracle'"),
        ("SELECT sql_fingerprint('a', 5)", "the dialect of sql_fingerprint is text, not Int64"),
        ("SELECT sql_fingerprint('a', 'mysql', 'b')", "not 3 arguments"),
    ];
    for (query, expected) in cases {
        let error = rows(&e, query).await.expect_err(query);
        assert!(error.contains(expected), "{query}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn text_in_a_dictionary_is_used_as_plain_text_is() {
    let e = engine(300, Limits::default());
    let query = "SELECT process_name || 1 || process_name AS a, 1 || process_name AS b, process_name || NULL AS c \
                 FROM echo_events LIMIT 1";
    assert_eq!(rows(&e, query).await.unwrap(), [json!({"a": "echod1echod", "b": "1echod", "c": null})]);
    let query = "SELECT approx_distinct(process_name) AS name, approx_distinct(message) AS plain, approx_distinct(time) > 290 AS time \
                 FROM echo_events";
    assert_eq!(rows(&e, query).await.unwrap(), [json!({"name": 1, "plain": 300, "time": true})]);
    let error = rows(&e, "SELECT approx_distinct(message, code) FROM echo_events").await.expect_err("two arguments");
    assert!(error.contains("takes 1 argument, not 2"), "{error}");
}
