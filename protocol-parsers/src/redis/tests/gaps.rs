//! Connections that were joined, and bytes that were not seen.

use super::harness::*;
use crate::Skipped;

const GET: &str = r#"GET | k | ["k"] | 1 | v | bulk | -"#;

#[test]
fn joined_between_messages() {
    let get = command("GET k");
    let expect = format!("{GET} likely");
    check_joined(&[Client(&get), Server(b"$1\r\nv\r\n"), Client(&get), Server(b"$1\r\nv\r\n")], &[&expect, &expect]);
    check_joined(&[Client(b"get k\r\n"), Server(b"$1\r\nv\r\n")], &[&expect]);
}

#[test]
fn joined_inside_messages() {
    let get = command("GET k");
    let expect = format!("{GET} likely");
    // inside a command, whose reply comes
    let rows = check_joined(&[Client(b"lue\r\n"), Server(b"+OK\r\n"), Client(&get), Server(b"$1\r\nv\r\n")], &[&expect]);
    assert_eq!(rows.skipped(Skipped::JoinedMidMessage), (0, 5));
    // inside a command, with another after it
    let mut rest = b"x\r\n*1\r\n:1\r\n".to_vec();
    rest.extend(&get);
    let rows = check_joined(&[Client(&rest), Server(b"$1\r\nv\r\n")], &[&expect]);
    assert_eq!(rows.skipped(Skipped::JoinedMidMessage), (0, 11));
    // inside a reply
    let rows = check_joined(&[Server(b"tail of a value\r\n"), Client(&get), Server(b"$1\r\nv\r\n")], &[&expect]);
    assert_eq!(rows.skipped(Skipped::JoinedMidMessage), (0, 17));
    // inside a reply without a line end
    let rows = check_joined(&[Server(b"tail"), Client(&get), Server(b"$1\r\nv\r\n")], &[&expect]);
    assert_eq!(rows.skipped(Skipped::JoinedMidMessage), (0, 4));
}

#[test]
fn joined_after_a_command() {
    let get = command("GET k");
    check_joined(&[Server(b"+OK\r\n:3\r\n"), Client(&get), Server(b"$1\r\nv\r\n")], &[&format!("{GET} likely")]);
}

#[test]
fn joined_as_a_subscriber() {
    let message = b"*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$5\r\nhello\r\n";
    let ping = command("PING");
    check_joined(
        &[Server(message), Client(&ping), Server(message), Server(b"*2\r\n$4\r\npong\r\n$0\r\n\r\n")],
        &[r#"PING | - | [] | 0 | ["pong",""] | array | - likely"#],
    );
}

#[test]
fn unseen_bytes_inside_values_are_counted() {
    let get = command("GET k");
    let rows = check(
        &[
            Client(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100\r\nbegin"),
            ClientUnseen(90),
            Client(b"ended\r\n"),
            Server(b"+OK\r\n"),
            Client(&get),
            Server(b"$20\r\nab"),
            ServerUnseen(20),
            Client(&get),
            Server(b"$1\r\nv\r\n"),
        ],
        &[
            r#"SET | k | ["k","begin"] | 2 | OK | simple | - [truncated] certain"#,
            r#"GET | k | ["k"] | 1 | ab | bulk | - [truncated] certain"#,
            &format!("{GET} certain"),
        ],
    );
    assert_eq!(rows.sizes[0].0, Some(26 + 100 + 2));
    assert_eq!(rows.sizes[1].1, Some(5 + 22));
    assert_eq!(rows.skipped, []);
}

#[test]
fn unseen_bytes_that_end_a_value_in_an_array() {
    check(
        &[Client(&command("GET k")), Server(b"*2\r\n$20\r\nab"), ServerUnseen(18), ServerUnseen(2), Server(b":1\r\n")],
        &[r#"GET | k | ["k"] | 1 | ["ab",1] | array | - [truncated] certain"#],
    );
}

#[test]
fn lost_commands() {
    let get = command("GET k");
    let rows = check(
        &[
            Client(&get),
            Server(b"$1\r\nv\r\n"),
            ClientUnseen(40),
            Server(b"+OK\r\n"),
            Client(&get),
            Server(b"$1\r\nv\r\n"),
            Client(&get),
            Server(b"$1\r\nv\r\n"),
        ],
        &[&format!("{GET} certain"), &format!("{GET} [gap] likely"), &format!("{GET} likely")],
    );
    assert_eq!(rows.skipped(Skipped::Gap), (0, 40));
}

#[test]
fn a_command_whose_end_is_lost_keeps_its_place() {
    let get = command("GET k");
    let rows = check(
        &[
            Client(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$10"),
            ClientUnseen(20),
            Server(b"+OK\r\n"),
            Client(&get),
            Server(b"$1\r\nv\r\n"),
        ],
        &[r#"SET | k | ["k"] | 2 | OK | simple | - [truncated] guessed"#, &format!("{GET} [gap] likely")],
    );
    assert_eq!(rows.sizes[0].0, None);
}

#[test]
fn lost_replies() {
    let get = command("GET k");
    check(
        &[Client(&get), ServerUnseen(7), Client(&get), Server(b"$1\r\nv\r\n")],
        &[r#"GET | k | ["k"] | 1 | - | - | - [truncated] [gap] [unended] guessed"#, &format!("{GET} [gap] guessed")],
    );
    // in the middle of an array, whose other elements come after the gap
    check(
        &[
            Client(&get),
            Server(b"*9\r\n:1\r\n:"),
            ServerUnseen(7),
            Server(b"5\r\n:6\r\n:7\r\n:8\r\n"),
            Client(&get),
            Server(b"$1\r\nv\r\n"),
        ],
        &[r#"GET | k | ["k"] | 1 | [1] | array | - [truncated] [gap] [unended] guessed"#, &format!("{GET} [gap] likely")],
    );
}

#[test]
fn lost_replies_of_a_pipeline_do_not_shift_the_next() {
    let three = command("GET k").repeat(3);
    let cut = r#"GET | k | ["k"] | 1 | - | - | - [truncated] [gap] [unended] guessed"#;
    let never = r#"GET | k | ["k"] | 1 | - | - | - [unended] guessed"#;
    check(
        &[
            Client(&three),
            ServerUnseen(14),
            Server(b"$1\r\nv\r\n"),
            Client(&three),
            Server(b"$1\r\nv\r\n$1\r\nv\r\n$1\r\nv\r\n"),
        ],
        &[
            cut,
            &format!("{GET} [gap] guessed"),
            never,
            &format!("{GET} likely"),
            &format!("{GET} likely"),
            &format!("{GET} likely"),
        ],
    );
}
