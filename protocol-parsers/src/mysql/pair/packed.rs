//! The compressed protocol: what frames give becomes the bytes of either direction.

use super::{Connection, Sync};
use crate::mysql::compress::{Frames, Piece};
use crate::mysql::frame::Hole;
use crate::mysql::meter::{Origin, Share};
use crate::{Moment, Output, Skipped};

impl Connection {
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
