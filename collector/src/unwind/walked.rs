//! Stacks that the kernel program walked along by itself, and what it is told after those that it could not.

use ebpf_abi::{INTERRUPTED, begins, ended};

use super::maps::{Kind, Maps};
use super::step::{State, Window};
use super::{End, Registers, Stack, Unwinder};

fn stack(addresses: impl Iterator<Item = u64>) -> Stack {
    let mut out = Stack { frames: vec![], interrupted: vec![], ended: End::Complete };
    for (depth, address) in addresses.enumerate() {
        if address & INTERRUPTED != 0 {
            out.interrupted.push(depth);
        }
        out.frames.push(address & !INTERRUPTED);
    }
    out
}

impl Unwinder {
    /// What the kernel program found, leaf first, and how it ended there, a value of [`ended`].
    pub fn walked(&mut self, pid: u32, addresses: impl Iterator<Item = u64>, how: u8) -> Stack {
        self.now += 1;
        let mut out = stack(addresses);
        let told = self.told.as_ref().is_some_and(|told| told.knows(pid));
        let changed = !told || self.processes.get(&pid).is_none_or(Maps::old);
        if !self.know(pid) {
            out.ended = End::ProcessGone;
            return out;
        }
        if changed {
            self.tell(pid);
        }
        self.use_tables(pid, &out);
        out.ended = self.end_of_walk(pid, how, &out);
        out
    }

    /// Goes on where the kernel program lacked a rule: at the last of the addresses that it found, with what it knew of the
    /// registers there, bits of [`begins`], and the bytes from the stack pointer there upwards.
    pub fn resume(
        &mut self,
        pid: u32,
        addresses: impl Iterator<Item = u64>,
        (registers, known): (&Registers, u32),
        bytes: &[u8],
    ) -> Stack {
        self.now += 1;
        let mut out = stack(addresses);
        if !self.know(pid) {
            out.ended = End::ProcessGone;
            return out;
        }
        self.use_tables(pid, &out);
        let last = out.frames.len().saturating_sub(1);
        let interrupted = last == 0 || out.interrupted.contains(&last);
        let (bp_known, rest_known) = (known & begins::BP_KNOWN != 0, known & begins::REST_KNOWN != 0);
        let state = State::inside(registers, bp_known, rest_known, interrupted);
        self.go_on(pid, out, state, Window { start: registers.sp, bytes })
    }

    fn use_tables(&mut self, pid: u32, stack: &Stack) {
        for (depth, address) in stack.frames.iter().enumerate() {
            self.use_table(pid, address.wrapping_sub(u64::from(depth > 0)));
        }
    }

    fn use_table(&mut self, pid: u32, place: u64) {
        let table = self.processes.get_mut(&pid).and_then(|maps| maps.find(place)).and_then(|mapping| mapping.table);
        if let Some(table) = table {
            self.tables.used(table, self.now);
        }
        if let Some(told) = &mut self.told {
            told.used(pid, table, self.now);
        }
    }

    fn end_of_walk(&mut self, pid: u32, how: u8, stack: &Stack) -> End {
        match how {
            ended::COMPLETE => return End::Complete,
            ended::UNREADABLE => return End::Unreadable,
            ended::TOO_DEEP => return End::TooDeep,
            ended::RULE => return End::Rule,
            ended::STUCK => return End::Stuck,
            ended::NO_FRAME_POINTER | ended::ANOTHER_STACK => {}
            ended::USER_SPACE.. => return End::NotCopied,
            _ => return End::NoCode,
        }
        let depth = stack.frames.len().saturating_sub(1);
        let is_return_address = depth > 0 && !stack.interrupted.contains(&depth);
        let place = stack.frames.last().map_or(0, |address| address.wrapping_sub(u64::from(is_return_address)));
        let mapping = self.processes.get_mut(&pid).and_then(|maps| maps.find(place));
        let Some((kind, table)) = mapping.map(|m| (m.kind, m.table)) else { return End::NoFramePointer };
        let described = table.zip(self.told.as_ref()).is_some_and(|(table, told)| told.describes(table));
        match kind {
            // code that changes stacks, in a program whose rules are known
            _ if described && how == ended::ANOTHER_STACK => End::AnotherStack,
            Kind::File => End::NoTable(self.path(pid, place)),
            Kind::Vdso | Kind::Anonymous => End::NoFramePointer,
        }
    }

    /// Tells the kernel program what is known of this process.
    pub fn tell(&mut self, pid: u32) {
        if let (Some(told), Some(maps)) = (&mut self.told, self.processes.get_mut(&pid))
            && maps.program != 0
        {
            told.tell(pid, maps, &self.tables, self.now);
        }
    }
}
