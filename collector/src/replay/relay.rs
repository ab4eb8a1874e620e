//! Events from the thread that reads a capture to the thread that makes rows of them.
//!
//! In: what is told to one consumer. Out: the same, in the same order, told to another one in another thread. Bytes that stand in a
//! mapped file are handed over by their place, others are copied. What was told and not yet taken is bounded: whoever is
//! faster waits. Knows no file format and no protocol.

use std::ops::Range;
use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

use super::limits::{RELAYED_BATCHES_MAX, RELAYED_BYTES, RELAYED_CALLS};
use crate::connect::event::{Consumer, Data, Event, Plain};
use crate::kernel::MappedFile;

/// Runs `read` in a thread of its own, and tells `to` in this one what it tells. `file` is what it may read from.
pub fn relay<T: Send>(to: &mut dyn Consumer, file: Option<&MappedFile>, read: impl FnOnce(&mut dyn Consumer) -> T + Send) -> T {
    let file = file.map_or(&[][..], MappedFile::bytes);
    thread::scope(|scope| {
        let (full, filled) = sync_channel(RELAYED_BATCHES_MAX);
        let (emptied, empty) = channel();
        let reading = scope.spawn(move || {
            let mut teller = Teller { file, batch: Batch::default(), full, empty };
            let result = read(&mut teller);
            teller.hand_over();
            result
        });
        take(&filled, &emptied, file, to);
        reading.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}

fn take(filled: &Receiver<Batch>, emptied: &Sender<Batch>, file: &[u8], to: &mut dyn Consumer) {
    while let Ok(mut batch) = filled.recv() {
        for call in batch.calls.drain(..) {
            call.make(&batch.bytes, file, to);
        }
        batch.bytes.clear();
        // the other thread may have read all, and needs it no more
        let _ = emptied.send(batch);
    }
}

/// What was told, in order; the bytes of all events that are not the file's in one place.
#[derive(Default)]
struct Batch {
    calls: Vec<Call>,
    bytes: Vec<u8>,
}

enum Call {
    /// The event's own bytes stand elsewhere.
    Event(Event<'static>, Bytes),
    Lost {
        stage: &'static str,
        reason: &'static str,
        events: u64,
        bytes: u64,
    },
}

enum Bytes {
    Batch(Range<usize>),
    File(Range<usize>),
}

impl Call {
    fn make(self, batch: &[u8], file: &[u8], to: &mut dyn Consumer) {
        match self {
            Call::Event(event, Bytes::Batch(own)) => to.event(with_bytes(event, |_| &batch[own])),
            Call::Event(event, Bytes::File(own)) => to.event(with_bytes(event, |_| &file[own])),
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

struct Teller<'a> {
    file: &'a [u8],
    batch: Batch,
    full: SyncSender<Batch>,
    empty: Receiver<Batch>,
}

impl Teller<'_> {
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

impl Consumer for Teller<'_> {
    fn event(&mut self, event: Event<'_>) {
        let (file, kept) = (self.file, &mut self.batch.bytes);
        let mut own = Bytes::Batch(0..0);
        let event = with_bytes(event, |bytes| {
            own = match place_in(file, bytes) {
                Some(place) => Bytes::File(place),
                None => {
                    let start = kept.len();
                    kept.extend_from_slice(bytes);
                    Bytes::Batch(start..kept.len())
                }
            };
            &[]
        });
        self.call(Call::Event(event, own));
    }

    fn lost(&mut self, stage: &'static str, reason: &'static str, events: u64, bytes: u64) {
        self.call(Call::Lost { stage, reason, events, bytes });
    }
}

/// Where in `all` a part of it is; `None` when it is something else.
fn place_in(all: &[u8], part: &[u8]) -> Option<Range<usize>> {
    let start = part.as_ptr().addr().checked_sub(all.as_ptr().addr())?;
    let end = start.checked_add(part.len())?;
    (end <= all.len()).then_some(start..end)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

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

    fn tell(to: &mut dyn Consumer, all: &[u8]) -> usize {
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
        let all: Vec<u8> = (0..3000).map(|i| i as u8).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&all).unwrap();
        let file = MappedFile::of(&file).unwrap();
        let mut direct = Told::default();
        tell(&mut direct, &all);
        for (mapped, bytes) in [(None, &all[..]), (Some(&file), &all), (Some(&file), file.bytes())] {
            let mut relayed = Told::default();
            assert_eq!(relay(&mut relayed, mapped, |to| tell(to, bytes)), 42);
            assert!(relayed.0 == direct.0, "another order, or other bytes");
        }
    }

    #[test]
    fn bytes_of_the_file_are_told_from_others() {
        let all = [1, 2, 3, 4];
        assert_eq!(place_in(&all, &all), Some(0..4));
        assert_eq!(place_in(&all[1..], &all[2..3]), Some(1..2));
        assert_eq!(place_in(&all[1..3], &all[2..]), None);
        assert_eq!(place_in(&all[1..], &all), None);
        assert_eq!(place_in(&[], &[1, 2]), None);
    }

    #[test]
    fn nothing_told_is_nothing_taken() {
        let mut told = Told::default();
        assert_eq!(relay(&mut told, None, |_| "read"), "read");
        assert!(told.0.is_empty());
    }
}
