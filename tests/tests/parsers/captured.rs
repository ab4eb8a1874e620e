//! The conversations of a capture file.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use collector::connect::{Consumer, Direction, Event};
use collector::replay::replay;

use super::looks::{Piece, Talk};

/// A file's conversations; a hole ends one, and another begins behind it.
pub fn talks(path: &Path) -> anyhow::Result<Vec<Talk>> {
    let mut heard = Heard::default();
    replay(path, &mut heard).with_context(|| path.display().to_string())?;
    let mut talks = heard.done;
    talks.extend(heard.open.into_values());
    talks.retain(|talk| !talk.pieces.is_empty());
    Ok(talks)
}

#[derive(Default)]
struct Heard {
    open: BTreeMap<u64, Talk>,
    done: Vec<Talk>,
}

impl Consumer for Heard {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Opened(opened) => {
                let talk = Talk { transport: opened.transport, from_start: opened.from_start, pieces: vec![] };
                self.done.extend(self.open.insert(opened.key, talk));
            }
            Event::Data(data) => {
                let Some(talk) = self.open.get_mut(&data.key) else { return };
                if !data.bytes.is_empty() {
                    talk.pieces.push(Piece { sent: data.direction == Direction::Sent, bytes: data.bytes.to_vec() });
                }
                if data.len > data.bytes.len() as u64 {
                    let behind = Talk { transport: talk.transport, from_start: false, pieces: vec![] };
                    self.done.push(std::mem::replace(talk, behind));
                }
            }
            Event::Owner(_) | Event::Plain(_) | Event::End(_) | Event::Closed(_) => {}
        }
    }

    fn lost(&mut self, _: &'static str, _: &'static str, _: u64, _: u64) {}
}
