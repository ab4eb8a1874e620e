//! Which reply belongs to which command.

use super::harness::*;
use crate::Skipped;

fn join(parts: &[Vec<u8>]) -> Vec<u8> {
    parts.concat()
}

#[test]
fn pipelines() {
    let sent = join(&[command("SET a 1"), command("LPUSH a x"), command("GET a")]);
    check(
        &[Client(&sent), Server(b"+OK\r\n-WRONGTYPE Operation\r\n$1\r\n1\r\n")],
        &[
            r#"SET | a | ["a","1"] | 2 | OK | simple | - certain"#,
            r#"LPUSH | a | ["a","x"] | 2 | - | error | WRONGTYPE Operation certain"#,
            r#"GET | a | ["a"] | 1 | 1 | bulk | - certain"#,
        ],
    );
}

#[test]
fn transactions() {
    let sent = join(&[command("MULTI"), command("SET a 1"), command("LPUSH a x"), command("EXEC"), command("PING")]);
    check(
        &[Client(&sent), Server(b"+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n-WRONGTYPE x\r\n+PONG\r\n")],
        &[
            "MULTI | - | [] | 0 | OK | simple | - certain",
            r#"SET | a | ["a","1"] | 2 | QUEUED | simple | - certain"#,
            r#"LPUSH | a | ["a","x"] | 2 | QUEUED | simple | - certain"#,
            r#"EXEC | - | [] | 0 | ["OK",{"error":"WRONGTYPE x"}] | array | - certain"#,
            "PING | - | [] | 0 | PONG | simple | - certain",
        ],
    );
    let (multi, exec) = (command("MULTI"), command("EXEC"));
    check(
        &[Client(&multi), Server(b"+OK\r\n"), Client(&exec), Server(b"-EXECABORT discarded\r\n")],
        &["MULTI | - | [] | 0 | OK | simple | - certain", "EXEC | - | [] | 0 | - | error | EXECABORT discarded certain"],
    );
}

const SUBSCRIBED: &[u8] = b"*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n";
const MESSAGE: &[u8] = b"*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$5\r\nhello\r\n";

#[test]
fn subscriptions_in_resp2() {
    let (subscribe, leave, ping) = (command("SUBSCRIBE a b"), command("UNSUBSCRIBE a"), command("PING"));
    let rows = check(
        &[
            Client(&subscribe),
            Server(SUBSCRIBED),
            Server(MESSAGE),
            Client(&ping),
            Server(MESSAGE),
            Server(b"*2\r\n$4\r\npong\r\n$0\r\n\r\n"),
            Client(&leave),
            Server(MESSAGE),
            Server(b"*3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:1\r\n"),
            Server(MESSAGE),
        ],
        &[
            r#"SUBSCRIBE | a | ["a","b"] | 2 | [["subscribe","a",1],["subscribe","b",2]] | array | - certain"#,
            r#"PING | - | [] | 0 | ["pong",""] | array | - certain"#,
            r#"UNSUBSCRIBE | a | ["a"] | 1 | ["unsubscribe","a",1] | array | - certain"#,
        ],
    );
    assert_eq!(rows.sizes[0].1, Some(SUBSCRIBED.len() as u64));
}

#[test]
fn leaving_all_channels() {
    let all = join(&[command("UNSUBSCRIBE"), command("PUNSUBSCRIBE"), command("PING")]);
    // two channels and no pattern
    let (subscribe, left) = (
        command("SUBSCRIBE a b"),
        b"*3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:1\r\n*3\r\n$11\r\nunsubscribe\r\n$1\r\nb\r\n:0\r\n*3\r\n$12\r\npunsubscribe\r\n$-1\r\n:0\r\n+PONG\r\n",
    );
    check(
        &[Client(&subscribe), Server(SUBSCRIBED), Client(&all), Server(left)],
        &[
            r#"SUBSCRIBE | a | ["a","b"] | 2 | [["subscribe","a",1],["subscribe","b",2]] | array | - certain"#,
            r#"UNSUBSCRIBE | - | [] | 0 | [["unsubscribe","a",1],["unsubscribe","b",0]] | array | - certain"#,
            r#"PUNSUBSCRIBE | - | [] | 0 | ["punsubscribe",null,0] | array | - certain"#,
            "PING | - | [] | 0 | PONG | simple | - certain",
        ],
    );
}

#[test]
fn leaving_channels_while_patterns_stay() {
    let sent = join(&[command("SUBSCRIBE a"), command("PSUBSCRIBE p*"), command("UNSUBSCRIBE"), command("UNSUBSCRIBE")]);
    let replies = b"*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n*3\r\n$10\r\npsubscribe\r\n$2\r\np*\r\n:2\r\n\
        *3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:1\r\n*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:1\r\n\
        *4\r\n$8\r\npmessage\r\n$2\r\np*\r\n$2\r\npx\r\n$1\r\nm\r\n";
    check(
        &[Client(&sent), Server(replies)],
        &[
            r#"SUBSCRIBE | a | ["a"] | 1 | ["subscribe","a",1] | array | - certain"#,
            r#"PSUBSCRIBE | p* | ["p*"] | 1 | ["psubscribe","p*",2] | array | - certain"#,
            r#"UNSUBSCRIBE | - | [] | 0 | ["unsubscribe","a",1] | array | - certain"#,
            r#"UNSUBSCRIBE | - | [] | 0 | ["unsubscribe",null,1] | array | - certain"#,
        ],
    );
}

#[test]
fn subscriptions_in_resp3() {
    let (hello, subscribe, get) = (command("HELLO 3"), command("SUBSCRIBE a b"), command("GET k"));
    let confirmed = b">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n>3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n";
    let message = b">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nm\r\n";
    let invalidate = b">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n";
    check(
        &[
            Client(&hello),
            Server(b"%1\r\n$5\r\nproto\r\n:3\r\n"),
            Client(&subscribe),
            Server(confirmed),
            Client(&get),
            Server(message),
            Server(invalidate),
            Server(b"$1\r\nv\r\n"),
            Server(message),
        ],
        &[
            r#"HELLO | - | ["3"] | 1 | {"proto":3} | map | - certain"#,
            r#"SUBSCRIBE | a | ["a","b"] | 2 | [["subscribe","a",1],["subscribe","b",2]] | push | - certain"#,
            r#"GET | k | ["k"] | 1 | v | bulk | - certain"#,
        ],
    );
}

#[test]
fn a_list_that_looks_like_a_message() {
    let range = command("LRANGE k 0 2");
    check(
        &[Client(&range), Server(MESSAGE)],
        &[r#"LRANGE | k | ["k","0","2"] | 3 | ["message","a","hello"] | array | - certain"#],
    );
}

#[test]
fn refused_subscription() {
    let sent = join(&[command("SUBSCRIBE a b"), command("PING")]);
    check(
        &[Client(&sent), Server(b"-NOPERM no\r\n+PONG\r\n")],
        &[r#"SUBSCRIBE | a | ["a","b"] | 2 | - | error | NOPERM no certain"#, "PING | - | [] | 0 | PONG | simple | - certain"],
    );
}

#[test]
fn monitor() {
    let (monitor, quit) = (command("MONITOR"), command("QUIT"));
    check(
        &[
            Client(&monitor),
            Server(b"+OK\r\n+1339518083.107412 [0 127.0.0.1:60866] \"keys\" \"*\"\r\n"),
            Client(&quit),
            Server(b"+1339518084.1 [0 lua] \"get\" \"x\"\r\n+OK\r\n"),
        ],
        &["MONITOR | - | [] | 0 | OK | simple | - certain", "QUIT | - | [] | 0 | OK | simple | - certain"],
    );
}

#[test]
fn commands_without_replies() {
    let sent = join(&[
        command("CLIENT REPLY SKIP"),
        command("SET a 1"),
        command("GET a"),
        command("CLIENT reply off"),
        command("SET b 1"),
        command("SET c 1"),
        command("CLIENT REPLY ON"),
        command("GET b"),
    ]);
    check(
        &[Client(&sent), Server(b"$1\r\n1\r\n+OK\r\n$1\r\n2\r\n")],
        &[
            r#"CLIENT | - | ["REPLY","SKIP"] | 2 | - | - | - [unended] certain"#,
            r#"SET | a | ["a","1"] | 2 | - | - | - [unended] certain"#,
            r#"CLIENT | - | ["reply","off"] | 2 | - | - | - [unended] certain"#,
            r#"SET | b | ["b","1"] | 2 | - | - | - [unended] certain"#,
            r#"SET | c | ["c","1"] | 2 | - | - | - [unended] certain"#,
            r#"GET | a | ["a"] | 1 | 1 | bulk | - certain"#,
            r#"CLIENT | - | ["REPLY","ON"] | 2 | OK | simple | - certain"#,
            r#"GET | b | ["b"] | 1 | 2 | bulk | - certain"#,
        ],
    );
}

#[test]
fn replication() {
    let (psync, ack) = (command("PSYNC ? -1"), command("REPLCONF ACK 100"));
    let mut dump = b"\n+FULLRESYNC 8de1787ba490483314a4d30f1c628bc5025eb761 1\r\n\n$9\r\nREDIS+OK*".to_vec();
    dump.extend(command("SET a 1"));
    let expect = r#"PSYNC | - | ["?","-1"] | 2 | FULLRESYNC 8de1787ba490483314a4d30f1c628bc5025eb761 1 | simple | - certain"#;
    let rows = check(&[Client(&psync), Server(&dump), Client(&ack), Server(&command("SET b 1"))], &[expect]);
    assert_eq!(rows.skipped, []);

    let sync = command("SYNC");
    check(
        &[Client(&sync), Server(b"\n\n"), Server(b"$4\r\nREDI*1\r\n$4\r\nPING\r\n")],
        &["SYNC | - | [] | 0 | - | - | - [truncated] certain"],
    );
    // refused: everything goes on
    let get = command("GET k");
    check(
        &[Client(&psync), Server(b"-NOMASTERLINK no\r\n"), Client(&get), Server(b"$-1\r\n")],
        &[
            r#"PSYNC | - | ["?","-1"] | 2 | - | error | NOMASTERLINK no certain"#,
            r#"GET | k | ["k"] | 1 | - | null | - certain"#,
        ],
    );
    // joined
    check_joined(&[Server(&command("SET a 1")), Client(&ack), Server(&command("SET a 2"))], &[]);
}

#[test]
fn blocking_commands_expire_and_stay_aligned() {
    let (pop, get) = (command("BLPOP l 0"), command("GET k"));
    check(
        &[
            Client(&pop),
            Client(&get),
            Expire,
            Server(b"*2\r\n$1\r\nl\r\n$1\r\nx\r\n$1\r\nv\r\n"),
            Client(&get),
            Server(b"$1\r\nw\r\n"),
        ],
        &[
            r#"BLPOP | l | ["l","0"] | 2 | - | - | - [unended] certain"#,
            r#"GET | k | ["k"] | 1 | - | - | - [unended] certain"#,
            r#"GET | k | ["k"] | 1 | w | bulk | - certain"#,
        ],
    );
}

#[test]
fn latency_of_a_blocking_command() {
    let (pop, other) = (command("BLPOP l 5"), command("GET k"));
    let rows = check(
        &[Client(&pop), Client(&other[..3]), Server(b"*2\r\n$1\r\nl\r\n$1\r\nx\r\n")],
        &[r#"BLPOP | l | ["l","5"] | 2 | ["l","x"] | array | - certain"#],
    );
    assert_eq!(rows.times, [(100, Some(200))]);
}

#[test]
fn connections_that_end_too_early() {
    let sent = join(&[command("GET a"), command("GET b"), command("GET c")]);
    check(
        &[Client(&sent), Server(b"$1\r\n1\r\n*3\r\n:1\r\n$5\r\nab")],
        &[
            r#"GET | a | ["a"] | 1 | 1 | bulk | - certain"#,
            r#"GET | b | ["b"] | 1 | [1] | array | - [truncated] [broken] [unended] certain"#,
            r#"GET | c | ["c"] | 1 | - | - | - [broken] [unended] certain"#,
        ],
    );
    check(
        &[Client(&command("GET a")), Server(b"$10\r\nab")],
        &[r#"GET | a | ["a"] | 1 | ab | bulk | - [truncated] [broken] [unended] certain"#],
    );
    let rows = check(&[Client(b"*2\r\n$3\r\nGET\r\n$1")], &[]);
    assert_eq!(rows.skipped(Skipped::Malformed), (1, 15));
}

#[test]
fn replies_without_commands_are_no_rows() {
    check(
        &[Server(b"+OK\r\n:1\r\n"), Client(&command("GET a")), Server(b"$1\r\n1\r\n")],
        &[r#"GET | a | ["a"] | 1 | 1 | bulk | - certain"#],
    );
}
