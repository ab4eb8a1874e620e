//! The limits of this protocol, by name and unit.

/// Prepared statements whose text one connection remembers; the oldest is forgotten first.
pub const STATEMENTS_MAX: usize = 1024;
/// Bytes that the texts, types and long data of these statements may take.
pub const STATEMENTS_BYTES_MAX: usize = 2 << 20;
/// Parameters of one statement; the number has two bytes on the wire.
pub const PARAMETERS_MAX: usize = 65_535;
/// How much of one packet of a response is kept: error texts have at most 512 characters.
pub const RESPONSE_PACKET_BYTES_MAX: usize = 4096;
/// Columns of a result set; servers allow 4096.
pub const COLUMNS_MAX: u64 = 65_535;
/// A zstd frame is kept until it is whole; what is larger is passed over.
pub const ZSTD_FRAME_BYTES_MAX: usize = 1 << 20;
/// Longest name of a user or a database that is kept.
pub const NAME_BYTES_MAX: usize = 512;
/// So many times in a row what came was no packet that belongs here: this is another protocol.
pub const FALLS_MAX: u32 = 4;
/// So many bytes were passed over since the last command or response, looking for the next.
pub const PASSED_BYTES_MAX: u64 = 1 << 20;
/// Longest greeting, and longest answer to it.
pub const LOGIN_BYTES_MAX: u32 = 64 << 10;
