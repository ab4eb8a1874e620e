//! What was lost, summed up until it is written.

use hashbrown::HashMap;
use schema::tables::LostEvent;

/// One reason at one stage.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Reason {
    stage: &'static str,
    reason: &'static str,
    unit: &'static str,
}

#[derive(Debug, Default)]
pub struct Losses {
    sums: HashMap<Reason, (u64, u64)>,
}

impl Losses {
    pub fn add(&mut self, stage: &'static str, reason: &'static str, unit: &'static str, events: u64, bytes: u64) {
        if events == 0 && bytes == 0 {
            return;
        }
        let sum = self.sums.entry(Reason { stage, reason, unit }).or_default();
        sum.0 += events;
        sum.1 += bytes;
        metrics::counter!("earshot_lost_events_total", "stage" => stage, "reason" => reason).increment(events);
    }

    /// One row a reason; the sums start anew.
    pub fn drain(&mut self) -> impl Iterator<Item = LostEvent<'static>> + '_ {
        self.sums.drain().map(|(r, (events, bytes))| LostEvent {
            stage: Some(r.stage.as_bytes()),
            reason: Some(r.reason.as_bytes()),
            unit: Some(r.unit.as_bytes()),
            events: Some(events as i64),
            bytes: Some(bytes as i64),
            ..Default::default()
        })
    }
}
