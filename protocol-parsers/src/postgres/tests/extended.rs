//! The extended protocol: statements, portals, pipelines, and where errors belong.

use super::harness::*;
use super::wire::*;

const SELECTED: &str = "command_tag=SELECT 1 | rows=1";

#[test]
fn parse_and_execute_are_a_row_each() {
    let sent = all("select $1", &[Some(b"v")]);
    let rows = check_logged_in(
        &[Client(&sent), Server(&all_done(1))],
        &[
            "Parse | query=select $1 | operation=SELECT",
            &format!("Execute | query=select $1 | operation=SELECT | parameters=[\"v\"] | {SELECTED}"),
        ],
    );
    // Bind and Describe belong to the Execute; Sync and ReadyForQuery to none
    let parse_bytes = parse("", "select $1", &[]).len() as u64;
    assert_eq!(rows.sizes[1], (Some(parse_bytes), Some(5)));
    assert_eq!(rows.sizes[2], (Some(sent.len() as u64 - parse_bytes - 5), Some(all_done(1).len() as u64 - 5 - 6)));
}

#[test]
fn named_statements_are_remembered() {
    let prepare = [parse("s1", "select $1", &[23]), sync()].concat();
    let run = [bind("", "s1", 1, &[Some(&[0, 0, 0, 7])]), execute(""), sync()].concat();
    let ran = [message(b'2', b""), row("7"), done("SELECT 1")].concat();
    let execute_row = format!("Execute | query=select $1 | operation=SELECT | parameters=[7] | {SELECTED}");
    check_logged_in(
        &[
            Client(&prepare),
            Server(&[message(b'1', b""), ready()].concat()),
            Client(&run),
            Server(&ran),
            Client(&run),
            Server(&ran),
            Client(&[close(b'S', "s1"), sync()].concat()),
            Server(&[message(b'3', b""), ready()].concat()),
            Client(&run),
            Server(&[error("26000", "does not exist"), ready()].concat()),
        ],
        &[
            "Parse | query=select $1 | operation=SELECT",
            &execute_row,
            &execute_row,
            // of an unknown type
            r#"Execute | parameters=["\\x00000007"] | error_code=26000 | error_message=does not exist"#,
        ],
    );
}

#[test]
fn portals_are_run_in_portions() {
    let first = [bind("p", "", 0, &[]), execute("p"), sync()].concat();
    let portion = [message(b'2', b""), row("1"), row("2"), message(b's', b""), ready()].concat();
    let second = [execute("p"), sync()].concat();
    check_logged_in(
        &[
            Client(&[parse("", "select g", &[]), sync()].concat()),
            Server(&[message(b'1', b""), ready()].concat()),
            Client(&first),
            Server(&portion),
            Client(&second),
            Server(&[row("3"), done("SELECT 1")].concat()),
        ],
        &[
            "Parse | query=select g | operation=SELECT",
            "Execute | query=select g | operation=SELECT | parameters=[] | rows=2",
            &format!("Execute | query=select g | operation=SELECT | parameters=[] | {SELECTED}"),
        ],
    );
}

#[test]
fn types_are_learned_from_a_description() {
    let prepare = [parse("", "select $1", &[0]), describe(b'S', ""), sync()].concat();
    let described = [message(b'1', b""), message(b't', [0, 1, 0, 0, 0, 23]), columns(), ready()].concat();
    let run = [bind("", "", 1, &[Some(&[0, 0, 0, 7])]), execute(""), sync()].concat();
    check_logged_in(
        &[
            Client(&prepare),
            Server(&described),
            Client(&run),
            Server(&[message(b'2', b""), row("7"), done("SELECT 1")].concat()),
        ],
        &[
            "Parse | query=select $1 | operation=SELECT",
            &format!("Execute | query=select $1 | operation=SELECT | parameters=[7] | {SELECTED}"),
        ],
    );
}

#[test]
fn an_error_belongs_to_parse_or_to_the_next_execute() {
    let of_parse = [error("42703", "p"), ready()].concat();
    let of_bind = [message(b'1', b""), error("22P02", "b"), ready()].concat();
    let of_execute = [message(b'1', b""), message(b'2', b""), columns(), error("22012", "e"), ready()].concat();
    let sent = all("select 1", &[]);
    let (parse, execute) =
        ("Parse | query=select 1 | operation=SELECT", "Execute | query=select 1 | operation=SELECT | parameters=[]");
    check_logged_in(
        &[Client(&sent), Server(&of_parse), Client(&sent), Server(&of_bind), Client(&sent), Server(&of_execute)],
        &[
            &format!("{parse} | error_code=42703 | error_message=p"),
            &format!("{execute} [unended]"),
            parse,
            &format!("{execute} | error_code=22P02 | error_message=b"),
            parse,
            &format!("{execute} | error_code=22012 | error_message=e"),
        ],
    );
}

#[test]
fn an_error_ends_a_pipeline_up_to_its_sync() {
    let one = |text| [parse("", text, &[]), bind("", "", 0, &[]), execute("")].concat();
    let sent = [one("a"), one("b"), one("c"), sync(), one("d"), sync()].concat();
    let ok = [message(b'1', b""), message(b'2', b""), tag("SELECT 1")].concat();
    let answer = [ok.clone(), message(b'1', b""), error("22012", "e"), ready(), ok, ready()].concat();
    let (parse, execute) = (
        |q: &str| format!("Parse | query={q} | operation={}", q.to_uppercase()),
        |q: &str| format!("Execute | query={q} | operation={} | parameters=[]", q.to_uppercase()),
    );
    let want = [
        parse("a"),
        format!("{} | {SELECTED}", execute("a")),
        parse("b"),
        format!("{} | error_code=22012 | error_message=e", execute("b")),
        format!("{} [unended]", parse("c")),
        format!("{} [unended]", execute("c")),
        parse("d"),
        format!("{} | {SELECTED}", execute("d")),
    ];
    check_logged_in(&[Client(&sent), Server(&answer)], &want.each_ref().map(String::as_str));
}

#[test]
fn an_error_may_come_before_its_execute_is_sent() {
    let flush = message(b'H', b"");
    let bound = [parse("", "select 1", &[]), bind("", "", 0, &[]), flush].concat();
    let refused = [message(b'1', b""), error("22P02", "b")].concat();
    check_logged_in(
        &[
            Client(&bound),
            Server(&refused),
            Client(&[execute(""), execute(""), sync()].concat()),
            Server(&ready()),
            Client(&query("select 2")),
            Server(&done("SELECT 1")),
        ],
        &[
            "Parse | query=select 1 | operation=SELECT",
            "Execute | query=select 1 | operation=SELECT | parameters=[] | error_code=22P02 | error_message=b",
            "Execute | query=select 1 | operation=SELECT | parameters=[] [unended]",
            &format!("Query | query=select 2 | operation=SELECT | {SELECTED} | transaction_status=idle"),
        ],
    );
    // no Execute comes at all
    check_logged_in(
        &[Client(&bound), Server(&refused), Client(&sync()), Server(&ready())],
        &["Parse | query=select 1 | operation=SELECT", "Bind | error_code=22P02 | error_message=b"],
    );
}

#[test]
fn an_error_of_the_commit_is_not_lost() {
    let ok = [message(b'1', b""), message(b'2', b""), columns(), tag("INSERT 0 1")].concat();
    check_logged_in(
        &[Client(&all("insert", &[])), Server(&[ok, error("23503", "deferred"), ready()].concat())],
        &[
            "Parse | query=insert | operation=INSERT",
            "Execute | query=insert | operation=INSERT | parameters=[] | command_tag=INSERT 0 1 | rows=1",
            "Sync | error_code=23503 | error_message=deferred",
        ],
    );
}

#[test]
fn a_refused_parse_changes_no_name() {
    let first = [parse("s", "select 1", &[]), sync()].concat();
    let second = [parse("s", "select 2", &[]), sync()].concat();
    let run = [bind("", "s", 0, &[]), execute(""), sync()].concat();
    check_logged_in(
        &[
            Client(&first),
            Server(&[message(b'1', b""), ready()].concat()),
            Client(&second),
            Server(&[error("42P05", "exists"), ready()].concat()),
            Client(&run),
            Server(&[message(b'2', b""), done("SELECT 1")].concat()),
        ],
        &[
            "Parse | query=select 1 | operation=SELECT",
            "Parse | query=select 2 | operation=SELECT | error_code=42P05 | error_message=exists",
            &format!("Execute | query=select 1 | operation=SELECT | parameters=[] | {SELECTED}"),
        ],
    );
}

#[test]
fn results_come_while_more_is_sent() {
    let flush = message(b'H', b"");
    check_logged_in(
        &[
            Client(&[parse("", "select 1", &[]), describe(b'S', ""), flush.clone()].concat()),
            Server(&[message(b'1', b""), message(b't', [0, 0]), columns()].concat()),
            Client(&[bind("", "", 0, &[]), execute(""), flush].concat()),
            Server(&[message(b'2', b""), row("1"), tag("SELECT 1")].concat()),
            Client(&sync()),
            Server(&ready()),
        ],
        &[
            "Parse | query=select 1 | operation=SELECT",
            &format!("Execute | query=select 1 | operation=SELECT | parameters=[] | {SELECTED}"),
        ],
    );
}

#[test]
fn unanswered_messages_are_broken() {
    check_logged_in(
        &[Client(&all("select 1", &[])), Server(&[message(b'1', b""), message(b'2', b"")].concat())],
        &[
            "Parse | query=select 1 | operation=SELECT",
            "Execute | query=select 1 | operation=SELECT | parameters=[] [broken] [unended]",
        ],
    );
}

#[test]
fn what_is_only_described_or_closed_is_no_row() {
    let prepare = [parse("s", "select 1", &[]), describe(b'S', "s"), sync()].concat();
    let described = [message(b'1', b""), message(b't', [0, 0]), columns(), ready()].concat();
    check_logged_in(
        &[
            Client(&prepare),
            Server(&described),
            Client(&[describe(b'S', "s"), close(b'S', "s"), close(b'P', ""), sync()].concat()),
            Server(&[message(b't', [0, 0]), columns(), message(b'3', b""), message(b'3', b""), ready()].concat()),
            // its error is a row, though
            Client(&[describe(b'S', "s"), sync()].concat()),
            Server(&[error("26000", "does not exist"), ready()].concat()),
        ],
        &["Parse | query=select 1 | operation=SELECT", "Describe | error_code=26000 | error_message=does not exist"],
    );
}

#[test]
fn an_empty_statement_is_a_row_without_rows() {
    let answer = [message(b'1', b""), message(b'2', b""), message(b'n', b""), message(b'I', b""), ready()].concat();
    check_logged_in(
        &[Client(&all("", &[])), Server(&answer), Client(&query("select 1")), Server(&done("SELECT 1"))],
        &[
            "Parse | query=",
            "Execute | query= | parameters=[]",
            "Query | query=select 1 | operation=SELECT | command_tag=SELECT 1 | rows=1 | transaction_status=idle",
        ],
    );
}

#[test]
fn portals_of_one_statement_keep_their_parameters() {
    let run = [
        parse("", "select $1", &[]),
        bind("a", "", 0, &[Some(b"1")]),
        bind("b", "", 0, &[None]),
        execute("b"),
        execute("a"),
        execute("b"),
        sync(),
    ]
    .concat();
    let answer = [
        message(b'1', b""),
        message(b'2', b"").repeat(2),
        row("x"),
        message(b's', b""),
        row("y"),
        tag("SELECT 1"),
        tag("SELECT 0"),
        ready(),
    ]
    .concat();
    let executed = "Execute | query=select $1 | operation=SELECT | parameters";
    check_logged_in(
        &[Client(&run), Server(&answer)],
        &[
            "Parse | query=select $1 | operation=SELECT",
            &format!("{executed}=[null] | rows=1"),
            &format!(r#"{executed}=["1"] | {SELECTED}"#),
            &format!("{executed}=[null] | command_tag=SELECT 0 | rows=0"),
        ],
    );
}
