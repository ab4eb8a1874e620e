//! The compressed protocol: what frames give becomes the bytes of either direction.

use super::{Connection, Sync};
use crate::mysql::compress::{BEGINNING_BYTES, Frames, HEADER_BYTES, Piece};
use crate::mysql::detect::{First, first_command};
use crate::mysql::frame::Hole;
use crate::mysql::meter::{Origin, Share};
use crate::{Moment, Output, Skipped};

/// More is not needed to tell a frame from a packet.
const FIRST_BYTES_MAX: usize = HEADER_BYTES + BEGINNING_BYTES;

impl Connection {
    /// The first bytes of a connection that was joined.
    pub(super) fn keep_first(&mut self, bytes: &[u8], at: Moment, out: &mut dyn Output) {
        let Some(first) = &mut self.first else { return };
        if first.is_empty() {
            self.first_at = at;
        }
        // a frame is known by its beginning
        let n = bytes.len().min(FIRST_BYTES_MAX - first.len());
        first.extend_from_slice(&bytes[..n]);
        let full = first.len() == FIRST_BYTES_MAX;
        self.decide_first(full, out);
        if n < bytes.len() {
            self.bytes_up(&bytes[n..], at, out);
        }
    }

    /// Goes on with what was kept, when it is known what it is, or `now`.
    pub(super) fn decide_first(&mut self, now: bool, out: &mut dyn Output) {
        let Some(first) = self.first.take_if(|first| !first.is_empty()) else { return };
        match first_command(&first) {
            First::Short if !now => {
                self.first = Some(first);
                return;
            }
            First::Packed => (self.up_frames, self.down_frames) = (Some(Box::default()), Some(Box::default())),
            First::Short | First::Packet => {}
        }
        self.bytes_up(&first, self.first_at, out);
    }

    pub(super) fn packed_up(&mut self, mut frames: Box<Frames>, bytes: &[u8], at: Moment, out: &mut dyn Output) {
        // that there is compression stays visible meanwhile
        self.up_frames = Some(Box::default());
        frames.feed(bytes, at, &mut |piece, from| self.plain_up(piece, from, out));
        self.up_frames = Some(frames);
    }

    pub(super) fn packed_down(&mut self, mut frames: Box<Frames>, bytes: &[u8], at: Moment, out: &mut dyn Output) {
        self.down_frames = Some(Box::default());
        frames.feed(bytes, at, &mut |piece, from| self.plain_down(piece, from.share, at, out));
        self.down_frames = Some(frames);
    }

    pub(super) fn packed_up_unseen(&mut self, mut frames: Box<Frames>, len: u64, out: &mut dyn Output) {
        self.up_frames = Some(Box::default());
        if !frames.unseen(len, &mut |piece, from| self.plain_up(piece, from, out)) {
            frames.lost = true;
            out.skipped(Skipped::Gap, 0, len);
            self.up_lost(self.up_hole(), out);
        }
        self.up_frames = Some(frames);
    }

    pub(super) fn packed_down_unseen(&mut self, mut frames: Box<Frames>, len: u64, at: Moment, out: &mut dyn Output) {
        self.down_frames = Some(Box::default());
        if !frames.unseen(len, &mut |piece, from| self.plain_down(piece, from.share, at, out)) {
            frames.lost = true;
            out.skipped(Skipped::Gap, 0, len);
            self.down_lost(out);
        }
        self.down_frames = Some(frames);
    }

    fn plain_up(&mut self, piece: Piece<'_>, from: Origin, out: &mut dyn Output) {
        self.up_meter.share = from.share;
        match piece {
            Piece::Bytes(bytes) => self.take_up(bytes, from.started, out),
            Piece::Unseen(len) => {
                self.up_meter.measure(len);
                self.up_unseen(len, from.started, out);
            }
            Piece::Damaged(len) => {
                self.damaged(len, out);
                self.up_lost(self.up_hole(), out);
            }
        }
    }

    fn plain_down(&mut self, piece: Piece<'_>, share: Share, at: Moment, out: &mut dyn Output) {
        self.down_meter.share = share;
        match piece {
            Piece::Bytes(bytes) => {
                self.take_down(bytes, at, out);
            }
            Piece::Unseen(len) => {
                self.down_meter.measure(len);
                self.down_unseen(len, at, out);
            }
            Piece::Damaged(len) => {
                self.damaged(len, out);
                self.down_lost(out);
            }
        }
    }

    fn damaged(&mut self, len: u64, out: &mut dyn Output) {
        if len > 0 {
            out.skipped(Skipped::Malformed, 0, len);
        }
    }

    /// Where bytes begin that are lost for good.
    fn up_hole(&self) -> Hole {
        if self.up_sync == Sync::Sound && !self.up.idle() { Hole::Cut } else { Hole::Between }
    }
}
