//! How many bytes on the connection a packet of the compressed protocol takes: its part of the frames that it lies in.
//!
//! In: sizes of frames, and how much of them is read. Out: sizes of packets, which add up to those of the frames.

use crate::Moment;

/// How large a frame is, and how much of it was given out.
#[derive(Clone, Copy, Default, Debug)]
pub struct Share {
    /// Header and payload on the connection.
    wire_bytes: u64,
    /// The same unpacked.
    unpacked_bytes: u64,
    given_bytes: u64,
}

impl Share {
    pub fn new(wire_bytes: u64, unpacked_bytes: u64) -> Self {
        Self { wire_bytes, unpacked_bytes, given_bytes: 0 }
    }

    /// Takes the next `unpacked` bytes; answers for how many bytes on the connection they stand. The shares of a whole frame add
    /// up to it.
    pub fn take(&mut self, unpacked: u64) -> u64 {
        let before = self.wire_bytes_at(self.given_bytes);
        self.given_bytes += unpacked;
        self.wire_bytes_at(self.given_bytes) - before
    }

    fn wire_bytes_at(&self, given: u64) -> u64 {
        // both are below 16 MiB and a header
        self.wire_bytes * given.min(self.unpacked_bytes) / self.unpacked_bytes.max(1)
    }
}

/// Where a piece is from.
#[derive(Clone, Copy, Default, Debug)]
pub struct Origin {
    /// When its frame began.
    pub started: Moment,
    /// What of its frame came before it.
    pub share: Share,
}

impl Origin {
    /// That of the next piece, which has so many bytes.
    pub fn advance(&mut self, unpacked: usize) -> Self {
        let origin = *self;
        self.share.given_bytes += unpacked as u64;
        origin
    }
}

/// How many bytes on the connection a packet of the compressed protocol took.
#[derive(Debug, Default)]
pub struct Meter {
    /// Of the piece that is being read.
    pub share: Share,
    /// Unpacked bytes that were measured already.
    measured_bytes: u64,
    wire_bytes: u64,
}

impl Meter {
    pub fn measure(&mut self, unpacked: u64) {
        let measured = self.measured_bytes.min(unpacked);
        self.measured_bytes -= measured;
        self.wire_bytes += self.share.take(unpacked - measured);
    }

    /// Measures bytes that will come again.
    pub fn probed(&mut self, unpacked: usize) {
        self.wire_bytes += self.share.take(unpacked as u64);
        self.measured_bytes += unpacked as u64;
    }

    pub fn clear(&mut self) {
        (self.measured_bytes, self.wire_bytes) = (0, 0);
    }

    /// A packet is whole, or given up.
    pub fn take(&mut self) -> u64 {
        std::mem::take(&mut self.wire_bytes)
    }
}
