//! The simple protocol.

use super::harness::*;
use super::wire::*;

#[test]
fn a_query_has_its_tag_and_rows() {
    let (select, create) = (query("select g -- ü"), query("create table t ()"));
    let selected = [columns(), row("1"), row("2"), done("SELECT 2")].concat();
    let rows = check(
        &[
            Client(&login("me", "db")),
            Server(&ready()),
            Client(&select),
            Server(&selected),
            Client(&create),
            Server(&done("CREATE TABLE")),
        ],
        &[
            "Startup | user_name=me | database_name=db | transaction_status=idle",
            "Query | query=select g -- ü | operation=SELECT | command_tag=SELECT 2 | rows=2 | user_name=me | database_name=db | transaction_status=idle",
            "Query | query=create table t () | operation=CREATE | command_tag=CREATE TABLE | user_name=me | database_name=db | transaction_status=idle",
        ],
    );
    assert_eq!(rows.sizes[1], (Some(select.len() as u64), Some(selected.len() as u64)));
    assert_eq!(rows.times[1], (300, Some(100)));
}

#[test]
fn several_statements_are_one_row() {
    let three = query("select 1; insert into t select 2; begin");
    let answers = [columns(), row("1"), tag("SELECT 1"), tag("INSERT 0 3"), tag("BEGIN"), message(b'Z', b"T")].concat();
    check_logged_in(
        &[Client(&three), Server(&answers)],
        &[
            "Query | query=select 1; insert into t select 2; begin | operation=SELECT | command_tag=BEGIN | rows=4 | transaction_status=active",
        ],
    );
}

#[test]
fn errors_have_code_and_message() {
    let failed = [tag("SELECT 1"), error("22012", "division by zero"), ready()].concat();
    check_logged_in(
        &[Client(&query("select 4; select 1/0; select 5")), Server(&failed)],
        &[
            "Query | query=select 4; select 1/0; select 5 | operation=SELECT | command_tag=SELECT 1 | rows=1 | error_code=22012 | error_message=division by zero | transaction_status=idle",
        ],
    );
}

#[test]
fn a_fatal_error_is_the_last_word() {
    check_logged_in(
        &[Client(&query("select pg_terminate_backend(pg_backend_pid())")), Server(&error("57P01", "terminated"))],
        &[
            "Query | query=select pg_terminate_backend(pg_backend_pid()) | operation=SELECT | error_code=57P01 | error_message=terminated",
        ],
    );
    // it comes while nothing is asked
    check_logged_in(&[Server(&error("57P01", "terminated"))], &[]);
}

#[test]
fn an_empty_query_has_neither_tag_nor_rows() {
    let answer = [message(b'I', b""), ready()].concat();
    check_logged_in(&[Client(&query("")), Server(&answer)], &["Query | query= | transaction_status=idle"]);
}

#[test]
fn what_the_server_says_on_its_own_is_no_row() {
    let notification = message(b'A', b"\0\0\0\x07channel\0payload\0");
    let notice = message(b'N', b"SNOTICE\0C00000\0Mhello\0\0");
    let parameter = message(b'S', b"TimeZone\0UTC\0");
    let answer = [notification.clone(), notice.clone(), parameter.clone(), done("SET")].concat();
    let rows = check_logged_in(
        &[Server(&notification), Server(&notice), Client(&query("set x to 1")), Server(&answer), Server(&notification)],
        &["Query | query=set x to 1 | operation=SET | command_tag=SET | transaction_status=idle"],
    );
    // the notification is not part of the response
    assert_eq!(rows.sizes[1].1, Some((answer.len() - notification.len()) as u64));
}

#[test]
fn queries_may_be_pipelined() {
    let both = [query("select 1"), query("select 2")].concat();
    let answers = [columns(), row("1"), done("SELECT 1"), columns(), done("SELECT 0")].concat();
    check_logged_in(
        &[Client(&both), Server(&answers)],
        &[
            "Query | query=select 1 | operation=SELECT | command_tag=SELECT 1 | rows=1 | transaction_status=idle",
            "Query | query=select 2 | operation=SELECT | command_tag=SELECT 0 | rows=0 | transaction_status=idle",
        ],
    );
}

#[test]
fn function_calls_are_rows() {
    let call = message(b'F', [0; 10]);
    let answer = [message(b'V', [0, 0, 0, 1, b'x']), ready()].concat();
    check_logged_in(&[Client(&call), Server(&answer)], &["FunctionCall | transaction_status=idle"]);
}

#[test]
fn unanswered_queries_are_broken() {
    check_logged_in(
        &[Client(&query("select 1")), Client(&query("select 2")), Server(&[columns(), row("1")].concat())],
        &[
            "Query | query=select 1 | operation=SELECT | rows=1 [truncated] [broken] [unended]",
            "Query | query=select 2 | operation=SELECT [broken] [unended]",
        ],
    );
}

#[test]
fn expired_queries_take_their_late_answers_along() {
    check_logged_in(
        &[
            Client(&query("select pg_sleep(70)")),
            Expire,
            Server(&done("SELECT 1")),
            Client(&query("select 2")),
            Server(&done("SELECT 2")),
        ],
        &[
            "Query | query=select pg_sleep(70) | operation=SELECT [unended]",
            "Query | query=select 2 | operation=SELECT | command_tag=SELECT 2 | rows=2 | transaction_status=idle",
        ],
    );
}

#[test]
fn comments_name_traces() {
    let text = "select 1 /*traceparent='00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'*/";
    let rows = check_logged_in(
        &[Client(&query(text)), Server(&done("SELECT 1"))],
        &[&format!(
            "Query | query={text} | operation=SELECT | command_tag=SELECT 1 | rows=1 | transaction_status=idle | 4bf92f3577b34da6a3ce929d0e0e4736/00f067aa0ba902b7"
        )],
    );
    assert_eq!(rows.skipped, []);
}
