//! Events from the thread that reads a capture to the thread that makes rows of them.
//!
//! In: what is told to one consumer. Out: the same, in the same order, told to another one in another thread. What was told and
//! not yet taken is bounded: whoever is faster waits. Knows no file format and no protocol.

use std::ops::Range;
use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

use super::limits::{RELAYED_BATCHES_MAX, RELAYED_BYTES, RELAYED_CALLS};
use crate::connect::event::{Consumer, Data, Event, Plain};

/// Runs `read` in a thread of its own, and tells `to` in this one what it tells.
pub fn relay<T: Send>(to: &mut dyn Consumer, read: impl FnOnce(&mut dyn Consumer) -> T + Send) -> T {
    thread::scope(|scope| {
        let (full, filled) = sync_channel(RELAYED_BATCHES_MAX);
        let (emptied, empty) = channel();
        let reading = scope.spawn(move || {
            let mut teller = Teller { batch: Batch::default(), full, empty };
            let result = read(&mut teller);
            teller.hand_over();
            result
        });
        take(&filled, &emptied, to);
        reading.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}

fn take(filled: &Receiver<Batch>, emptied: &Sender<Batch>, to: &mut dyn Consumer) {
    while let Ok(mut batch) = filled.recv() {
        for call in batch.calls.drain(..) {
            call.make(&batch.bytes, to);
        }
        batch.bytes.clear();
        // the other thread may have read all, and needs it no more
        let _ = emptied.send(batch);
    }
}

/// What was told, in order; the bytes of all events in one place.
#[derive(Default)]
struct Batch {
    calls: Vec<Call>,
    bytes: Vec<u8>,
}

enum Call {
    /// Where among the batch's bytes the event's own are.
    Event(Event<'static>, Range<usize>),
    Lost {
        stage: &'static str,
        reason: &'static str,
        events: u64,
        bytes: u64,
    },
}

impl Call {
    fn make(self, all: &[u8], to: &mut dyn Consumer) {
        match self {
            Call::Event(event, own) => to.event(with_bytes(event, |_| &all[own])),
            Call::Lost { stage, reason, events, bytes } => to.lost(stage, reason, events, bytes),
        }
    }
}

/// The event with other bytes, which are made of its own.
fn with_bytes<'a, 'b>(event: Event<'a>, bytes: impl FnOnce(&'a [u8]) -> &'b [u8]) -> Event<'b> {
    match event {
        Event::Data(data) => Event::Data(Data { bytes: bytes(data.bytes), ..data }),
        Event::Plain(plain) => Event::Plain(Plain { data: Data { bytes: bytes(plain.data.bytes), ..plain.data }, ..plain }),
        Event::Opened(opened) => Event::Opened(opened),
        Event::Owner(owner) => Event::Owner(owner),
        Event::End(end) => Event::End(end),
        Event::Closed(closed) => Event::Closed(closed),
    }
}

struct Teller {
    batch: Batch,
    full: SyncSender<Batch>,
    empty: Receiver<Batch>,
}

impl Teller {
    fn call(&mut self, call: Call) {
        self.batch.calls.push(call);
        if self.batch.bytes.len() >= RELAYED_BYTES || self.batch.calls.len() >= RELAYED_CALLS {
            self.hand_over();
        }
    }

    fn hand_over(&mut self) {
        let next = self.empty.try_recv().unwrap_or_default();
        // nobody takes it when the other thread panicked, which is told where both are joined
        let _ = self.full.send(std::mem::replace(&mut self.batch, next));
    }
}

impl Consumer for Teller {
    fn event(&mut self, event: Event<'_>) {
        let kept = &mut self.batch.bytes;
        let start = kept.len();
        let event = with_bytes(event, |bytes| {
            kept.extend_from_slice(bytes);
            &[]
        });
        let end = self.batch.bytes.len();
        self.call(Call::Event(event, start..end));
    }

    fn lost(&mut self, stage: &'static str, reason: &'static str, events: u64, bytes: u64) {
        self.call(Call::Lost { stage, reason, events, bytes });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connect::event::{Closed, Direction};
    use protocol_parsers::Moment;

    /// What is told, as text.
    #[derive(Default)]
    struct Told(Vec<String>);

    impl Consumer for Told {
        fn event(&mut self, event: Event<'_>) {
            self.0.push(format!("{event:?}"));
        }
        fn lost(&mut self, stage: &'static str, reason: &'static str, events: u64, bytes: u64) {
            self.0.push(format!("{stage} {reason} {events} {bytes}"));
        }
    }

    fn tell(to: &mut dyn Consumer) -> usize {
        let all = [7; 3000];
        for i in 0..3 * RELAYED_CALLS {
            let bytes = &all[..i % all.len()];
            let (at, len) = (Moment { mono_ns: i as u64, thread_id: 0 }, bytes.len() as u64);
            let data = Data { key: 1, direction: Direction::Sent, offset: 0, len, bytes, at, pid: 0, remote: None };
            to.event(Event::Data(data));
            if i % 1000 == 0 {
                to.lost("replay", "test", i as u64, 1);
                to.event(Event::Closed(Closed { key: i as u64, at_ns: 1, totals: None }));
            }
        }
        42
    }

    #[test]
    fn what_is_told_arrives_as_it_was_and_in_order() {
        let (mut direct, mut relayed) = (Told::default(), Told::default());
        tell(&mut direct);
        assert_eq!(relay(&mut relayed, tell), 42);
        assert_eq!(relayed.0.len(), direct.0.len());
        assert!(relayed.0 == direct.0, "another order, or other bytes");
    }

    #[test]
    fn nothing_told_is_nothing_taken() {
        let mut told = Told::default();
        assert_eq!(relay(&mut told, |_| "read"), "read");
        assert!(told.0.is_empty());
    }
}
