//! The streams that are open, by number, under limits; and the memory of calls, to be used again.

use std::collections::VecDeque;

use super::limits::{GONE_STREAMS_MAX, SPARE_CALLS_MAX};
use super::message::Call;
use crate::limits::{PENDING_BYTES_MAX, PENDING_REQUESTS_MAX};

#[derive(Debug, Default)]
pub struct Calls {
    /// By stream; new ones mostly come last.
    open: Vec<(u32, Box<Call>)>,
    /// What is counted for all.
    bytes: usize,
    /// Ended before both of their messages did; frames may still be on their way.
    gone: VecDeque<u32>,
    #[expect(clippy::vec_box, reason = "the boxes themselves are what is used again")]
    spare: Vec<Box<Call>>,
}

impl Calls {
    fn place(&self, id: u32) -> Result<usize, usize> {
        if self.open.last().is_none_or(|last| last.0 < id) {
            return Err(self.open.len());
        }
        self.open.binary_search_by_key(&id, |call| call.0)
    }

    pub fn contains(&self, id: u32) -> bool {
        self.place(id).is_ok()
    }

    pub fn get(&mut self, id: u32) -> Option<&mut Call> {
        let place = self.place(id).ok()?;
        Some(&mut self.open[place].1)
    }

    /// A call and how many bytes there is room for.
    pub fn get_with_room(&mut self, id: u32) -> Option<(&mut Call, usize)> {
        let place = self.place(id).ok()?;
        Some((&mut self.open[place].1, PENDING_BYTES_MAX.saturating_sub(self.bytes)))
    }

    /// The call of a stream, a new one if need be; `None` when a limit leaves no room.
    pub fn open(&mut self, id: u32) -> Option<&mut Call> {
        let place = match self.place(id) {
            Ok(place) => place,
            Err(_) if self.open.len() >= PENDING_REQUESTS_MAX || self.bytes >= PENDING_BYTES_MAX => return None,
            Err(place) => {
                self.open.insert(place, (id, self.spare.pop().unwrap_or_default()));
                place
            }
        };
        Some(&mut self.open[place].1)
    }

    /// Counts `bytes` more for a call.
    pub fn count_more(&mut self, id: u32, bytes: usize) {
        if bytes > 0
            && let Ok(place) = self.place(id)
        {
            self.open[place].1.counted += bytes;
            self.bytes += bytes;
        }
    }

    /// Counts what a call holds after its sections have changed.
    pub fn count(&mut self, id: u32) {
        if let Ok(place) = self.place(id) {
            let call = &mut self.open[place].1;
            let bytes = call.heap_bytes();
            self.bytes = self.bytes + bytes - call.counted;
            call.counted = bytes;
        }
    }

    pub fn take(&mut self, id: u32) -> Option<Box<Call>> {
        let (_, call) = self.open.remove(self.place(id).ok()?);
        self.bytes -= call.counted;
        if self.open.is_empty() && self.open.capacity() > 256 {
            self.open = Vec::new();
        }
        Some(call)
    }

    pub fn put_back(&mut self, mut call: Box<Call>) {
        if self.spare.len() < SPARE_CALLS_MAX {
            call.clear();
            self.spare.push(call);
        }
    }

    /// Frames of this stream are to be ignored.
    pub fn forget(&mut self, id: u32) {
        if self.gone.len() == GONE_STREAMS_MAX {
            self.gone.pop_front();
        }
        self.gone.push_back(id);
    }

    pub fn is_gone(&self, id: u32) -> bool {
        self.gone.contains(&id)
    }

    pub fn iter(&self) -> impl Iterator<Item = (u32, &Call)> {
        self.open.iter().map(|(id, call)| (*id, &**call))
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Call> {
        self.open.iter_mut().map(|(_, call)| &mut **call)
    }

    pub fn heap_bytes(&self) -> usize {
        let spare: usize = self.spare.iter().map(|call| call.heap_bytes()).sum();
        self.open.iter().map(|(_, call)| call.heap_bytes()).sum::<usize>()
            + self.open.capacity() * size_of::<(u32, Box<Call>)>()
            + self.gone.capacity() * size_of::<u32>()
            + spare
    }
}
