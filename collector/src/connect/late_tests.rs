//! Encrypted connections of programs that were there before their probes: events in, what `lost_events` says of them out.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use arrow_array::{RecordBatch, StringArray};
use protocol_parsers::{Moment, Settings, Transport};
use schema::Table;

use super::{Closed, Consumer, Context, Data, Direction, Endpoint, Event, Evidence, HostSocket, Opened, Plain, Role, Tracker};
use crate::batch::Sink;
use crate::discover::Processes;
use crate::kernel::Clock;

const KEY: u64 = 7;
const PID: u32 = u32::MAX / 2;
const OPENED_NS: u64 = 1000;
const REQUEST: &[u8] = b"GET /inside HTTP/1.1\r\nHost: a\r\n\r\n";
/// More than the records of a handshake that may follow it.
const DATA_BYTES: usize = 900;

/// Reason and bytes of each loss.
#[derive(Default)]
struct Losses(Mutex<Vec<(String, i64)>>);

impl Sink for Losses {
    fn rows(&self, table: &'static Table, batch: RecordBatch) {
        if table.name != "lost_events" {
            return;
        }
        let column = |name: &str| batch.column_by_name(name).expect("a column").clone();
        let (reasons, bytes) = (column("reason"), column("bytes"));
        let reasons = reasons.as_dictionary::<Int32Type>().downcast_dict::<StringArray>().expect("text");
        let found = reasons.into_iter().flatten().map(str::to_owned).zip(bytes.as_primitive::<Int64Type>().iter().flatten());
        self.0.lock().expect("no writer panicked").extend(found);
    }
}

struct Host {
    tracker: Tracker,
    losses: Arc<Losses>,
    processes: Arc<Processes>,
    now_ns: u64,
    sent: u64,
    received: u64,
}

impl Host {
    /// A client's connection, up to the end of its handshake.
    fn shake_hands() -> Self {
        let (losses, processes) = (Arc::new(Losses::default()), Arc::new(Processes::of_this_host(Clock::UNIX, 0)));
        let context = Context {
            host: Arc::from(&b""[..]),
            clock: Clock::UNIX,
            settings: Settings::default(),
            redact: false,
            sink: losses.clone(),
            processes: Some(processes.clone()),
            names: Arc::default(),
            unbound: Default::default(),
            ids: Arc::new(AtomicU64::new(1)),
        };
        let mut host =
            Self { tracker: Tracker::new(context, None), losses, processes, now_ns: OPENED_NS, sent: 0, received: 0 };
        host.tracker.event(Event::Opened(Opened {
            key: KEY,
            transport: Transport::Stream,
            local: Endpoint::Inet("10.0.0.1:1000".parse().expect("an address")),
            remote: Endpoint::Inet("10.0.0.2:443".parse().expect("an address")),
            role: Some(Role::Client),
            from_start: true,
            at_ns: OPENED_NS,
            host: Some(HostSocket { netns: 1, socket: KEY, peer_socket: 0, mirrored: false, pid: PID }),
        }));
        let hello = [&[1, 0, 0, 43, 3, 3][..], &[7; 32], &[0, 0, 2, 0x13, 1, 1, 0, 0, 0]].concat();
        let answer = [&[2, 0, 0, 46, 3, 3][..], &[5; 32], &[0, 0x13, 1, 0, 0, 6, 0, 43, 0, 2, 3, 4]].concat();
        host.pass(Direction::Sent, 22, &hello);
        host.pass(Direction::Received, 22, &answer);
        host.pass(Direction::Received, 23, &[1; DATA_BYTES]);
        host.pass(Direction::Sent, 23, &[1; 53]);
        host
    }

    /// One record.
    fn pass(&mut self, direction: Direction, kind: u8, payload: &[u8]) {
        let bytes = [&[kind, 3, 3][..], &(payload.len() as u16).to_be_bytes(), payload].concat();
        let place = if direction == Direction::Sent { &mut self.sent } else { &mut self.received };
        let (offset, len) = (*place, bytes.len() as u64);
        *place += len;
        self.now_ns += 1000;
        let at = Moment { mono_ns: self.now_ns, thread_id: 0 };
        self.tracker.event(Event::Data(Data { key: KEY, direction, offset, len, bytes: &bytes, at, pid: PID, remote: None }));
    }

    fn say_inside(&mut self) {
        let at = Moment { mono_ns: self.now_ns, thread_id: 0 };
        let (direction, len) = (Direction::Sent, REQUEST.len() as u64);
        let data = Data { key: KEY, direction, offset: 0, len, bytes: REQUEST, at, pid: PID, remote: None };
        self.tracker.event(Event::Plain(Plain { session: 70, evidence: Evidence::Inside, data }));
    }

    fn close(&mut self) {
        self.tracker.event(Event::Closed(Closed { key: KEY, at_ns: self.now_ns, totals: None }));
    }

    fn lost(mut self) -> Vec<(String, i64)> {
        self.tracker.finish_all();
        std::mem::take(&mut *self.losses.0.lock().expect("no writer panicked"))
    }
}

/// A record of data, as it is on the wire.
const RECORD_BYTES: i64 = DATA_BYTES as i64 + 5;

#[test]
fn what_was_said_before_the_probes_is_lost_even_if_they_come_after_its_end() {
    let mut host = Host::shake_hands();
    host.pass(Direction::Sent, 23, &[2; DATA_BYTES]);
    host.pass(Direction::Received, 23, &[2; DATA_BYTES]);
    host.close();
    host.processes.probed_late(PID, host.now_ns + 5000);
    assert_eq!(host.lost(), [("attached_late".to_owned(), 2 * RECORD_BYTES)]);
}

#[test]
fn nothing_is_lost_of_a_connection_that_is_younger_than_the_probes_or_of_a_program_without_any() {
    for probed_ns in [Some(OPENED_NS - 1), None] {
        let mut host = Host::shake_hands();
        host.pass(Direction::Sent, 23, &[2; DATA_BYTES]);
        host.close();
        if let Some(probed_ns) = probed_ns {
            host.processes.probed_late(PID, probed_ns);
        }
        let lost = host.lost();
        assert!(lost.is_empty(), "{probed_ns:?}: {lost:?}");
    }
}

#[test]
fn nothing_is_lost_where_the_probes_came_during_the_handshake() {
    let mut host = Host::shake_hands();
    host.processes.probed_late(PID, OPENED_NS + 1);
    host.pass(Direction::Sent, 23, &[2; REQUEST.len()]);
    host.say_inside();
    host.close();
    let lost = host.lost();
    assert!(lost.is_empty(), "{lost:?}");
}

#[test]
fn what_was_said_before_the_first_plaintext_is_lost() {
    let mut host = Host::shake_hands();
    host.pass(Direction::Sent, 23, &[2; DATA_BYTES]);
    host.pass(Direction::Received, 23, &[2; DATA_BYTES]);
    host.processes.probed_late(PID, host.now_ns);
    host.pass(Direction::Sent, 23, &[2; REQUEST.len()]);
    host.say_inside();
    host.close();
    let lost = host.lost();
    let late: Vec<_> = lost.iter().filter(|(reason, _)| reason == "attached_late").collect();
    assert!(late.len() == 1 && (1..2 * RECORD_BYTES).contains(&late[0].1), "{lost:?}");
}
