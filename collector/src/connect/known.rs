//! A process that a connection knows of, kept up to date without asking for each row.

use std::sync::Arc;

use crate::discover::{Process, Processes};

#[derive(Clone, Debug, Default)]
pub struct Known {
    pid: u32,
    process: Option<Arc<Process>>,
    generation: u64,
}

impl Known {
    pub fn pid(&self) -> u32 {
        self.pid
    }

    pub fn process(&self) -> Option<&Process> {
        self.process.as_deref()
    }

    /// The process with this number uses the connection now.
    pub fn set(&mut self, pid: u32, processes: Option<&Processes>) {
        if pid == 0 {
            return;
        }
        let Some(processes) = processes else { return };
        let generation = processes.generation();
        if pid != self.pid {
            *self = Known { pid, process: processes.get(pid), generation };
        } else if generation != self.generation {
            self.generation = generation;
            // the number may have been given to another process meanwhile; this connection is the old one's
            if let Some(now) = processes.get(pid)
                && self.process.as_ref().is_none_or(|held| held.id == now.id)
            {
                self.process = Some(now);
            }
        }
    }

    /// The same process as it is now.
    pub fn refresh(&mut self, processes: Option<&Processes>) {
        self.set(self.pid, processes);
    }
}
