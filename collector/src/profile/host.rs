//! This host's programs.

use std::sync::Arc;

use super::frames::{Addresses, Programs};
use crate::discover::Processes;
use crate::kernel::Sample;

pub struct Host {
    processes: Option<Arc<Processes>>,
}

impl Host {
    pub fn new(processes: Option<Arc<Processes>>) -> Self {
        Self { processes }
    }
}

impl Programs for Host {
    fn unwind(&mut self, sample: &Sample<'_>) -> Addresses {
        let _ = (&self.processes, sample.stack);
        Addresses { frames: vec![(sample.header.registers[16], false)], ended: None, pid: sample.header.pid }
    }

    fn user(&mut self, _: u32, address: u64, _: bool, out: &mut Vec<String>) {
        out.push(format!("[{address:#x}]"));
    }

    fn kernel(&mut self, address: u64) -> String {
        format!("[{address:#x}]")
    }

    fn tidy(&mut self) {}
}
