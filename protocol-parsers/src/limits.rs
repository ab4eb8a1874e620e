//! Every limit that parsing has, by name and unit. Reaching one is counted with its reason.

/// An incomplete frame may wait for this many bytes before its parser gives it up.
pub const FRAME_BYTES_MAX: usize = (1 << 20) + (64 << 10);
/// Requests of one connection that may wait for their responses.
pub const PENDING_REQUESTS_MAX: usize = 4096;
/// Bytes that the waiting requests of one connection may hold.
pub const PENDING_BYTES_MAX: usize = 4 << 20;
