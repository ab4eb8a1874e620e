//! Captures in, events out: what a small capture tells, line by line.

mod build;
mod captures;
mod closing;
mod connections;
mod files;
mod fragments;
mod frames;
mod generated;
mod holes;
mod limits;
mod pcapng;
mod tunnels;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::sync::Arc;

use crate::connect::event::{Consumer, Direction, Endpoint, Event, Role};

use super::window::Window;
use super::{Stop, Summary, read};
use crate::kernel::MappedFile;

/// Writes down what it is told.
#[derive(Default)]
struct Notes {
    lines: Vec<String>,
    /// What was said by key and direction, with `_` for each byte that was not seen.
    said: BTreeMap<(u64, bool), Vec<u8>>,
    times: Vec<u64>,
}

impl Consumer for Notes {
    fn event(&mut self, event: Event<'_>) {
        let line = match event {
            Event::Opened(opened) => {
                let (local, remote) = (text(&opened.local), text(&opened.remote));
                let role = match opened.role {
                    Some(Role::Server) => " server",
                    Some(Role::Client) => " client",
                    None => "",
                };
                let start = if opened.from_start { " from start" } else { "" };
                format!("open {} {:?} {local} - {remote}{role}{start}", opened.key, opened.transport)
            }
            Event::Owner(owner) => format!("owner {}", owner.key),
            Event::Data(data) => {
                self.times.push(data.at.mono_ns);
                let said = self.said.entry((data.key, data.direction == Direction::Sent)).or_default();
                said.resize(said.len().max(data.offset as usize), b'_');
                assert_eq!(said.len() as u64, data.offset, "bytes are told twice");
                said.extend_from_slice(data.bytes);
                said.resize((data.offset + data.len) as usize, b'_');
                let bytes = String::from_utf8_lossy(data.bytes);
                format!("data {} {:?} {}+{} {bytes}", data.key, data.direction, data.offset, data.len)
            }
            Event::Plain(plain) => format!("plain {}", plain.data.key),
            Event::End(end) => format!("end {} {:?}", end.key, end.direction),
            Event::Closed(closed) => format!("close {}", closed.key),
        };
        self.lines.push(line);
    }

    fn lost(&mut self, stage: &'static str, reason: &'static str, events: u64, bytes: u64) {
        assert_eq!((stage, events), ("capture", 1));
        self.lines.push(format!("lost {reason} {bytes}"));
    }
}

fn text(end: &Endpoint) -> String {
    match end {
        Endpoint::Inet(addr) => addr.to_string(),
        other => format!("{other:?}"),
    }
}

/// What a file tells, and why reading it stopped if it was damaged.
type Told = (Notes, Result<Summary, (u64, &'static str)>);

/// All that a file tells, whether it is read or mapped.
fn replay_bytes(bytes: &[u8]) -> Told {
    let (notes, result) = tell(Window::new(bytes));
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    if let Some(mapped) = MappedFile::of(&file) {
        let mapped = tell(Window::<&[u8]>::mapped(Arc::new(mapped)));
        assert_eq!((&mapped.0.lines, &mapped.1), (&notes.lines, &result), "mapped it tells something else");
    }
    (notes, result)
}

fn tell(window: Window<impl Read>) -> Told {
    let mut notes = Notes::default();
    let mut summary = Summary::default();
    let result = match read(window, &mut notes, &mut summary) {
        Ok(()) => Ok(summary),
        Err(Stop::Damaged(damage)) => Err((damage.offset, damage.why)),
        Err(Stop::Read(e)) => panic!("memory cannot fail to be read: {e}"),
    };
    (notes, result)
}

/// Tells another consumer what a file tells.
fn tell_to(consumer: &mut dyn Consumer, bytes: &[u8]) -> Result<(), Stop> {
    read(Window::new(bytes), consumer, &mut Summary::default())
}

/// The events of a file that is not damaged.
fn told(file: &[u8]) -> Notes {
    let (notes, result) = replay_bytes(file);
    result.expect("the capture is whole");
    notes
}

#[track_caller]
fn check(file: &[u8], expected: &[&str]) {
    assert_eq!(told(file).lines, expected);
}
