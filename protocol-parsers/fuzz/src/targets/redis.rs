//! Redis: every type of reply, and everything that changes the order of replies.

use protocol_parsers::{Flow, Transport};

use super::Target;
use crate::script::{Step, down, up};

pub const TARGET: Target = Target {
    name: "redis",
    protocol: &protocol_parsers::redis::PROTOCOL,
    transport: Transport::Stream,
    corpus,
    heap_bytes_max: 6 << 20,
};

/// A command of words without spaces.
fn command(words: &str) -> Step {
    up(text(words))
}

fn text(words: &str) -> String {
    let values: String = words.split(' ').map(|w| format!("${}\r\n{w}\r\n", w.len())).collect();
    format!("*{}\r\n{values}", words.split(' ').count())
}

fn corpus() -> Vec<Vec<Step>> {
    [plain(), typed(), ordered(), foreign()].concat()
}

fn plain() -> Vec<Vec<Step>> {
    let large = "v".repeat(5000);
    vec![
        vec![command("GET k"), down("$5\r\nhello\r\n")],
        vec![command("SET k v"), down("+OK\r\n")],
        vec![command("GET none"), down("$-1\r\n")],
        vec![command("INCR k"), down(":12\r\n")],
        vec![command("LPUSH k v"), down("-WRONGTYPE Operation against a key\r\n")],
        vec![command("LRANGE l 0 -1"), down("*3\r\n$1\r\na\r\n:1\r\n*1\r\n$-1\r\n")],
        vec![up(format!("{}{}{}", text("SET a 1"), text("GET a"), text("DEL a"))), down("+OK\r\n$1\r\n1\r\n:1\r\n")],
        vec![command(&format!("SET k {large}")), down("+OK\r\n")],
        vec![command("GET k"), down(format!("${}\r\n{large}\r\n", large.len()))],
        vec![up("SET k \"two words\\x00\" 'it\\'s'\r\n"), down("+OK\r\n")],
        vec![up("PING\r\n\r\n*0\r\n"), down("+PONG\r\n")],
        vec![up("*2\r\n$3\r\nGET\r\n$100\r\nab"), Step::Unseen(Flow::ToServer, 100), down("$-1\r\n")],
        vec![command("GET k"), down("$100\r\nab"), Step::Unseen(Flow::ToClient, 100)],
        vec![command("EVAL return 1 key"), down("$1\r\nx\r\n")],
        vec![command("BLPOP l 0"), Step::Wait(70_000), Step::Expire(60_000), down("*2\r\n$1\r\nl\r\n$1\r\nx\r\n")],
    ]
}

fn typed() -> Vec<Vec<Step>> {
    let replies = [
        "_\r\n",
        "#t\r\n",
        ",1.5\r\n",
        ",inf\r\n",
        "(3492890328409238509324850943850943825024385\r\n",
        "=15\r\ntxt:Some string\r\n",
        "!5\r\nERR x\r\n",
        "~2\r\n:1\r\n#f\r\n",
        "%2\r\n+a\r\n:1\r\n+b\r\n*0\r\n",
        "%1\r\n*1\r\n:1\r\n_\r\n",
        "%1\r\n+a\r\n%?\r\n:1\r\n,2\r\n.\r\n",
        "|1\r\n+ttl\r\n:1\r\n$1\r\nv\r\n",
        "*2\r\n|1\r\n+a\r\n+b\r\n:1\r\n:2\r\n",
        "$?\r\n;4\r\nHell\r\n;1\r\no\r\n;0\r\n",
        "*?\r\n:1\r\n~?\r\n.\r\n.\r\n",
        ">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n+OK\r\n",
    ];
    replies.iter().map(|reply| vec![command("GET k"), down(reply)]).collect()
}

fn ordered() -> Vec<Vec<Step>> {
    let message = "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$2\r\nhi\r\n";
    vec![
        vec![
            command("SUBSCRIBE a b"),
            down("*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n"),
            down(message),
            command("PING"),
            down(message),
            down("*2\r\n$4\r\npong\r\n$0\r\n\r\n"),
            command("UNSUBSCRIBE"),
            down("*3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:1\r\n*3\r\n$11\r\nunsubscribe\r\n$1\r\nb\r\n:0\r\n"),
        ],
        vec![command("PUNSUBSCRIBE"), down("*3\r\n$12\r\npunsubscribe\r\n$-1\r\n:0\r\n")],
        vec![command("PSUBSCRIBE p*"), down(">3\r\n$10\r\npsubscribe\r\n$2\r\np*\r\n:1\r\n")],
        vec![command("HELLO 3"), down("%1\r\n$5\r\nproto\r\n:3\r\n")],
        vec![
            command("MULTI"),
            down("+OK\r\n"),
            command("GET k"),
            down("+QUEUED\r\n"),
            command("EXEC"),
            down("*1\r\n-ERR x\r\n"),
        ],
        vec![command("CLIENT REPLY SKIP"), command("GET a"), command("GET b"), down("$-1\r\n")],
        vec![command("CLIENT REPLY OFF"), command("GET a"), command("CLIENT REPLY ON"), down("+OK\r\n")],
        vec![command("MONITOR"), down("+OK\r\n+1339518083.107412 [0 127.0.0.1:60866] \"keys\"\r\n")],
        vec![command("RESET"), down("+RESET\r\n")],
        vec![command("QUIT"), down("+OK\r\n"), Step::End(Flow::ToClient), Step::End(Flow::ToServer)],
        vec![command("PSYNC ? -1"), down("+FULLRESYNC 8de1787b 1\r\n\n$4\r\nREDI"), command("REPLCONF ACK 1")],
        vec![command("PSYNC ? -1"), down("-NOMASTERLINK no\r\n")],
        vec![command("SYNC"), down("\n\n$4\r\nREDI")],
    ]
}

/// What does not belong there.
fn foreign() -> Vec<Vec<Step>> {
    vec![
        vec![down("+OK\r\n:1\r\n")],
        vec![up("\x16\x03\x01\x02\0\x01\n")],
        vec![up("SET \"unbalanced\r\n"), down("-ERR Protocol error: unbalanced quotes in request\r\n")],
        vec![command("GET k"), down("*1\r\n".repeat(100))],
    ]
}
