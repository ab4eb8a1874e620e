//! The result of trying to decode one frame. There is no error: what cannot be decoded is skipped, with the reason.

use crate::Skipped;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step<T> {
    /// A frame that took `used` bytes; `used` is not 0.
    Done { used: usize, frame: T },
    /// The bytes are the beginning of a frame.
    NeedMore,
    /// The first `used` bytes are no frame; `used` is not 0.
    Skip { used: usize, why: Skipped },
}
