//! Capture files straight to rows: the same tracker as for live traffic, with the capture's own time. The file is read in one
//! thread, and rows are made of it in another.

use std::path::Path;

use super::relay::relay;
use super::{CaptureFile, ReplayError, Summary};
use crate::connect::{Consumer, Context, Event, Tracker};

/// Capture time between two looks at what is overdue.
const TICK_NS: u64 = 1_000_000_000;

struct Timed {
    tracker: Tracker,
    ticked_ns: u64,
}

impl Consumer for Timed {
    fn event(&mut self, event: Event<'_>) {
        let at_ns = match &event {
            Event::Opened(e) => e.at_ns,
            Event::Data(e) => e.at.mono_ns,
            Event::Plain(e) => e.data.at.mono_ns,
            Event::End(e) => e.at.mono_ns,
            Event::Closed(e) => e.at_ns,
            Event::Owner(_) => 0,
        };
        if at_ns > self.ticked_ns + TICK_NS {
            self.ticked_ns = at_ns;
            self.tracker.tick(at_ns);
        }
        self.tracker.event(event);
    }

    fn lost(&mut self, stage: &'static str, reason: &'static str, events: u64, bytes: u64) {
        self.tracker.lost(stage, reason, events, bytes);
    }
}

/// Reads one file and closes what is still open at its end. The rows of what stands before a damage are written as well.
pub fn rows(path: &Path, context: Context) -> Result<Summary, ReplayError> {
    let capture = CaptureFile::open(path)?;
    let mut timed = Timed { tracker: Tracker::new(context, None), ticked_ns: 0 };
    let read = relay(&mut timed, capture.mapped.as_deref(), |teller| capture.replay(teller));
    timed.tracker.finish_all();
    let summary = read?;
    // the file may have become shorter between the two threads
    capture.is_whole()?;
    Ok(summary)
}
