//! Commands and replies of every type.

use super::harness::*;

/// One reply to `GET k`, as `response | response_type | error`.
#[track_caller]
fn check_reply(reply: &[u8], expect: &str) {
    let get = command("GET k");
    check(&[Client(&get), Server(reply)], &[&format!("GET | k | [\"k\"] | 1 | {expect} certain")]);
}

#[test]
fn resp2_replies() {
    check_reply(b"+OK\r\n", "OK | simple | -");
    check_reply(b"+\r\n", " | simple | -");
    check_reply(b"-ERR no\r\n", "- | error | ERR no");
    check_reply(b":-12\r\n", "-12 | integer | -");
    check_reply(b"$5\r\nhello\r\n", "hello | bulk | -");
    check_reply(b"$0\r\n\r\n", " | bulk | -");
    check_reply(b"$4\r\na\r\nb\r\n", "a\r\nb | bulk | -");
    check_reply(b"$-1\r\n", "- | null | -");
    check_reply(b"*-1\r\n", "- | null | -");
    check_reply(b"*0\r\n", "[] | array | -");
    check_reply(b"*4\r\n$1\r\na\r\n:1\r\n$-1\r\n*1\r\n+x\r\n", r#"["a",1,null,["x"]] | array | -"#);
    check_reply(b"*2\r\n-ERR inner\r\n*0\r\n", r#"[{"error":"ERR inner"},[]] | array | -"#);
    check_reply(b"*1\r\n$2\r\n\xff\x00\r\n", r#"["\\xff00"] | array | -"#);
}

#[test]
fn resp3_replies() {
    check_reply(b"_\r\n", "- | null | -");
    check_reply(b"#t\r\n", "true | boolean | -");
    check_reply(b"#f\r\n", "false | boolean | -");
    check_reply(b",1.5\r\n", "1.5 | double | -");
    check_reply(b",inf\r\n", "inf | double | -");
    check_reply(
        b"(3492890328409238509324850943850943825024385\r\n",
        "3492890328409238509324850943850943825024385 | big_number | -",
    );
    check_reply(b"=15\r\ntxt:Some string\r\n", "Some string | verbatim | -");
    check_reply(b"!10\r\nERR a\r\nbad\r\n", "- | error | ERR a\r\nbad");
    check_reply(b"~2\r\n:1\r\n#t\r\n", "[1,true] | set | -");
    check_reply(b"%2\r\n+a\r\n:1\r\n$1\r\nb\r\n%0\r\n", r#"{"a":1,"b":{}} | map | -"#);
    check_reply(b"%2\r\n:1\r\n+one\r\n*1\r\n:2\r\n,nan\r\n", r#"[[1,"one"],[[2],"nan"]] | map | -"#);
    check_reply(b"%2\r\n+a\r\n:1\r\n:2\r\n:3\r\n", r#"{"a":1,"2":3} | map | -"#);
    check_reply(b"|1\r\n+ttl\r\n:3600\r\n$1\r\nv\r\n", "v | bulk | -");
    check_reply(b"*2\r\n:1\r\n|1\r\n+a\r\n*1\r\n+b\r\n,0.5\r\n", "[1,0.5] | array | -");
    check_reply(b"*1\r\n(12\r\n", r#"["12"] | array | -"#);
    check_reply(b"$?\r\n;4\r\nHell\r\n;5\r\no wor\r\n;1\r\nd\r\n;0\r\n", "Hello word | bulk | -");
    check_reply(b"*?\r\n:1\r\n*?\r\n.\r\n$?\r\n;2\r\nab\r\n;0\r\n.\r\n", r#"[1,[],"ab"] | array | -"#);
    check_reply(b"%?\r\n+a\r\n~?\r\n:1\r\n.\r\n.\r\n", r#"{"a":[1]} | map | -"#);
}

#[test]
fn commands() {
    let one = |words: &[&[u8]], expect: &str| {
        let sent = resp(words);
        check(&[Client(&sent), Server(b"+OK\r\n")], &[&format!("{expect} | OK | simple | - certain")]);
    };
    one(&[b"set", b"k", b"v"], r#"SET | k | ["k","v"] | 2"#);
    one(&[b"PING"], "PING | - | [] | 0");
    one(&[b"SET", b"k", b"\xff\xfe\x00"], r#"SET | k | ["k","\\xfffe00"] | 2"#);
    one(&[b"SET", b"k", b"a\r\n*1\r\n$4\r\nPING\r\n\"\\"], r#"SET | k | ["k","a\r\n*1\r\n$4\r\nPING\r\n\"\\"] | 2"#);
    one(&[b"SET", b"", b""], r#"SET |  | ["",""] | 2"#);
    one(&[b"EVAL", b"return 1", b"1", b"key", b"arg"], r#"EVAL | key | ["return 1","1","key","arg"] | 4"#);
    one(&[b"EVAL", b"return 1", b"0"], r#"EVAL | - | ["return 1","0"] | 2"#);
    one(&[b"OBJECT", b"ENCODING", b"k"], r#"OBJECT | k | ["ENCODING","k"] | 2"#);
    one(&[b"XREAD", b"COUNT", b"2", b"streams", b"s", b"0"], r#"XREAD | s | ["COUNT","2","streams","s","0"] | 5"#);
    one(&[b"AUTH", b"user", b"secret"], r#"AUTH | - | ["user","secret"] | 2"#);
    one("ECHO|hello wörld".split('|').map(str::as_bytes).collect::<Vec<_>>().as_slice(), r#"ECHO | - | ["hello wörld"] | 1"#);
}

#[test]
fn inline_commands() {
    let one = |line: &str, expect: &str| {
        check(&[Client(line.as_bytes()), Server(b"+OK\r\n")], &[&format!("{expect} | OK | simple | - certain")]);
    };
    one("set k plain\r\n", r#"SET | k | ["k","plain"] | 2"#);
    one("PING\n", "PING | - | [] | 0");
    one("  EXISTS   a \t b  \r\n", r#"EXISTS | a | ["a","b"] | 2"#);
    one("SET k \"two words\"\r\n", r#"SET | k | ["k","two words"] | 2"#);
    one("SET k \"\\x41\\n\\\"\\q\" 'it\\'s \\n'\r\n", r#"SET | k | ["k","A\n\"q","it's \\n"] | 3"#);
    one("SET k a\"b c\" ''\r\n", r#"SET | k | ["k","ab c",""] | 3"#);
    // empty lines and empty arrays get no reply
    one("\r\n*0\r\n*-1\r\nGET k\r\n", r#"GET | k | ["k"] | 1"#);
    one("unknown k\r\n", r#"UNKNOWN | k | ["k"] | 1"#);
}

#[test]
fn unbalanced_quotes_are_no_command() {
    let rows = check(&[Client(b"SET \"k\r\n"), Server(b"-ERR Protocol error: unbalanced quotes in request\r\n")], &[]);
    assert_eq!(rows.skipped(crate::Skipped::Malformed), (1, 8));
}

#[test]
fn inline_and_resp_mixed() {
    let get = command("GET k");
    let expect = [r#"SET | k | ["k","1"] | 2 | OK | simple | - certain"#, r#"GET | k | ["k"] | 1 | 1 | bulk | - certain"#];
    check(&[Client(b"SET k 1\r\n"), Server(b"+OK\r\n"), Client(&get), Server(b"$1\r\n1\r\n")], &expect);
}

#[test]
fn sizes_and_times() {
    let (set, get) = (command("SET k v"), command("GET k"));
    let rows = check(
        &[Client(&set), Server(b"+OK\r\n"), Client(&get), Server(b"$1\r\nv\r\n")],
        &[r#"SET | k | ["k","v"] | 2 | OK | simple | - certain"#, r#"GET | k | ["k"] | 1 | v | bulk | - certain"#],
    );
    assert_eq!(rows.sizes, [(Some(set.len() as u64), Some(5)), (Some(get.len() as u64), Some(7))]);
    assert_eq!(rows.times, [(100, Some(100)), (300, Some(100))]);
}

#[test]
fn time_is_that_of_the_first_byte() {
    let get = command("GET k");
    let turns = [Client(&get[..1]), Client(&get[1..10]), Client(&get[10..]), Server(b"$1\r\n"), Server(b"v\r\n")];
    let rows = check(&turns, &[r#"GET | k | ["k"] | 1 | v | bulk | - certain"#]);
    assert_eq!(rows.times, [(100, Some(400))]);
}

#[test]
fn large_values_are_counted_not_kept() {
    let value = vec![b'v'; 1 << 20];
    let (set, get) = (resp(&[b"SET", b"k", &value]), command("GET k"));
    let mut reply = format!("${}\r\n", value.len()).into_bytes();
    reply.extend_from_slice(&value);
    reply.extend_from_slice(b"\r\n");
    let turns = [Client(&set), Server(b"+OK\r\n"), Client(&get), Server(&reply)];
    for piece in [usize::MAX, 1, 1000] {
        let mut fed = talk(true);
        for turn in turns {
            fed.turn(turn, || piece);
        }
        assert!(fed.heap_bytes_max < 256 << 10, "{} bytes", fed.heap_bytes_max);
        let rows = fed.close();
        let sizes = [(Some(set.len() as u64), Some(5)), (Some(get.len() as u64), Some(reply.len() as u64))];
        assert_eq!(rows.sizes, sizes);
        let kept = format!(r#"SET | k | ["k","{}"] | 2 | OK | simple | - [truncated] certain"#, "v".repeat(4096));
        assert_eq!(rows.lines[0], kept);
        let kept = format!(r#"GET | k | ["k"] | 1 | {} | bulk | - [truncated] certain"#, "v".repeat(65536));
        assert_eq!(rows.lines[1], kept);
    }
}

#[test]
fn a_cut_inside_a_character_leaves_it_out() {
    let value = format!("a{}", "ö".repeat(3000));
    let set = resp(&[b"SET", b"k", value.as_bytes()]);
    let kept = format!("a{}", "ö".repeat(2047));
    let expect = format!(r#"SET | k | ["k","{kept}"] | 2 | OK | simple | - [truncated] certain"#);
    check(&[Client(&set), Server(b"+OK\r\n")], &[&expect]);
}
