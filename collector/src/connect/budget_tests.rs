//! A connection of which less is copied for a while, and then all again: what its rows say.

use protocol_parsers::{Moment, Transport};

use super::kept::Kept;
use super::{Consumer, Data, Direction, Endpoint, Event, Opened, Role, Tracker};

const KEY: u64 = 7;
const EXCHANGE_NS: u64 = 200_000_000;
/// As the kernel program leaves them at the step `headers`.
const BEGINNING: usize = 512;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Copied {
    All,
    Beginnings,
    Nothing,
}

/// One server's connection, as the kernel tells it.
struct Conversation {
    tracker: Tracker,
    now_ns: u64,
    offsets: [u64; 2],
}

impl Conversation {
    fn begin(mut tracker: Tracker) -> Self {
        tracker.event(Event::Opened(Opened {
            key: KEY,
            transport: Transport::Stream,
            local: Endpoint::Inet("10.0.0.2:2000".parse().expect("an address")),
            remote: Endpoint::Inet("10.0.0.1:1000".parse().expect("an address")),
            role: Some(Role::Server),
            from_start: true,
            at_ns: 1,
            host: None,
        }));
        Self { tracker, now_ns: EXCHANGE_NS, offsets: [0; 2] }
    }

    fn say(&mut self, direction: Direction, said: &[u8], copied: Copied) {
        let offset = &mut self.offsets[usize::from(direction == Direction::Sent)];
        let bytes = match copied {
            Copied::All => said,
            Copied::Beginnings => &said[..said.len().min(BEGINNING)],
            Copied::Nothing => &[],
        };
        let at = Moment { mono_ns: self.now_ns, thread_id: 0 };
        let len = said.len() as u64;
        if copied != Copied::Nothing {
            self.tracker.event(Event::Data(Data {
                key: KEY,
                direction,
                offset: *offset,
                len,
                bytes,
                at,
                pid: 0,
                remote: None,
            }));
        }
        *offset += len;
        self.now_ns += EXCHANGE_NS / 4;
    }

    fn exchange(&mut self, (request, response): &(Vec<u8>, Vec<u8>), [first, second]: [Copied; 2]) {
        self.say(Direction::Received, request, first);
        self.say(Direction::Sent, response, second);
        self.now_ns += EXCHANGE_NS / 2;
        self.tracker.tick(self.now_ns);
    }
}

/// The longer, the later: its size tells which it was.
fn http(n: usize) -> (Vec<u8>, Vec<u8>) {
    let request = format!("GET /{n} HTTP/1.1\r\nHost: a\r\n\r\n");
    let response = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", 1000 + n, "x".repeat(1000 + n));
    (request.into_bytes(), response.into_bytes())
}

fn redis(n: usize) -> (Vec<u8>, Vec<u8>) {
    let request = format!("*2\r\n$3\r\nGET\r\n$3\r\nk{n:02}\r\n");
    (request.into_bytes(), format!("${}\r\n{}\r\n", 1000 + n, "x".repeat(1000 + n)).into_bytes())
}

type Exchange = fn(usize) -> (Vec<u8>, Vec<u8>);
const PROTOCOLS: [(&str, Exchange); 2] = [("http_events", http), ("redis_events", redis)];

/// Three exchanges of each kind, and the rows of them: sizes of responses, and what they say of themselves.
fn rows(exchange: Exchange, table: &str, kinds: &[[Copied; 2]]) -> (Vec<i64>, Vec<bool>, Vec<bool>) {
    let (tracker, kept) = Kept::tracker(None);
    let mut conversation = Conversation::begin(tracker);
    for (n, kind) in kinds.iter().flat_map(|kind| [kind; 3]).enumerate() {
        conversation.exchange(&exchange(n), *kind);
    }
    conversation.tracker.finish_all();
    (kept.numbers(table, "response_bytes"), kept.flags(table, "truncated"), kept.flags(table, "gap_before"))
}

#[test]
fn rows_are_whole_then_cut_then_missing_then_whole_again() {
    use Copied::{All, Beginnings, Nothing};
    for (table, exchange) in PROTOCOLS {
        let (sizes, truncated, gap_before) =
            rows(exchange, table, &[[All; 2], [Beginnings; 2], [Nothing; 2], [Beginnings; 2], [All; 2]]);
        let size = |n: usize| exchange(n).1.len() as i64;
        assert_eq!(sizes[..6], [0, 1, 2, 3, 4, 5].map(size), "{table}");
        // of the first reply after what nobody saw it may not be known whose it is
        let later: Vec<i64> = (9..15).map(size).collect();
        assert!(sizes[6..] == later || sizes[6..] == later[1..], "{table}: {sizes:?}");
        let cut = [[false; 3], [true; 3], [true; 3], [false; 3]].concat();
        assert_eq!(truncated, cut, "{table}");
        assert!(!gap_before[..3].contains(&true), "{table}: {gap_before:?}");
        assert!(gap_before[6] || sizes.len() < 12, "{table}: {gap_before:?}");
    }
}

#[test]
fn a_step_between_a_request_and_its_response_mixes_nothing_up() {
    use Copied::{All, Nothing};
    for (table, exchange) in PROTOCOLS {
        for halves in [[All, Nothing], [Nothing, All]] {
            let (sizes, ..) = rows(exchange, table, &[[All; 2], halves, [Nothing; 2], [All; 2]]);
            let whole: Vec<i64> = (0..3).chain(9..12).map(|n| exchange(n).1.len() as i64).collect();
            let found: Vec<i64> = sizes.iter().copied().filter(|size| whole.contains(size)).collect();
            let without_first = [&whole[..3], &whole[4..]].concat();
            assert!(found == whole || found == without_first, "{table} {halves:?}: {sizes:?}");
        }
    }
}
