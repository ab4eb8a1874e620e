//! Every limit that reading captures has, by name and unit. Time is the capture's own.

/// Captured bytes of one packet. libpcap writes 256 KiB at most; some tools declare twice that. A longer one is damage.
pub const PACKET_BYTES_MAX: usize = 1 << 20;
/// Read from the file at once.
pub const READ_BYTES: usize = 512 << 10;
/// Bytes of a mapped file between two times that the kernel is told what was read and what will be; four of them stay mapped.
pub const MAPPED_STEP_BYTES: usize = 16 << 20;
/// Bytes of events that are copied, and the number of events, that go from the reading thread to the next at once,
pub const RELAYED_BYTES: usize = 256 << 10;
pub const RELAYED_CALLS: usize = 1024;
/// and how often that may be before the reading thread waits.
pub const RELAYED_BATCHES_MAX: usize = 4;
/// Interfaces that one section of a pcapng file may describe.
pub const INTERFACES_MAX: usize = 65_536;

/// How many packets a packet may be in.
pub const TUNNELS_MAX: u32 = 4;

/// Datagrams whose fragments are kept at the same time.
pub const FRAGMENTED_DATAGRAMS_MAX: usize = 4096;
/// Bytes that the fragments of all datagrams hold.
pub const FRAGMENTED_BYTES_MAX: usize = 32 << 20;
/// How long a datagram waits for the rest of its fragments (RFC 8200 section 4.5 says 60 s, Linux uses 30).
pub const FRAGMENTED_NS_MAX: u64 = 30_000_000_000;
/// Length of an IP datagram's payload.
pub const DATAGRAM_BYTES_MAX: u64 = 65_535;

/// TCP connections that are followed at the same time; the one longest unused makes room.
pub const TCP_FLOWS_MAX: usize = 262_144;
/// A TCP connection without a packet for so long is taken for closed.
pub const TCP_IDLE_NS_MAX: u64 = 3_600_000_000_000;
/// Closed connections of which stragglers are still recognised.
pub const TCP_CLOSED_MAX: usize = 65_536;
/// How long they are (Linux keeps TIME-WAIT for as long).
pub const TCP_CLOSED_NS_MAX: u64 = 60_000_000_000;
/// Data segments after its close that show a connection to be alive after all.
pub const LATE_SEGMENTS_MAX: u32 = 64;
/// Data segments outside the window that show that the connection is another one.
pub const STRAY_SEGMENTS_MAX: u32 = 16;
/// A segment that begins further behind the next expected byte is no retransmission.
pub const SEQUENCE_BEHIND_BYTES_MAX: i64 = 64 << 20;
/// A segment that begins further ahead is no continuation: the largest window that RFC 7323 section 2.3 allows.
pub const SEQUENCE_AHEAD_BYTES_MAX: i64 = 1 << 30;

/// Bytes after a hole that one direction of a connection may hold.
pub const OUT_OF_ORDER_BYTES_MAX: usize = 4 << 20;
/// The same for all connections together.
pub const OUT_OF_ORDER_TOTAL_BYTES_MAX: usize = 128 << 20;
/// A hole whose bytes the receiver has acknowledged is given up when so many bytes after it are acknowledged too,
pub const HOLE_ACKNOWLEDGED_BYTES_MAX: u64 = 256 << 10;
/// or when it has been open for so long.
pub const HOLE_ACKNOWLEDGED_NS_MAX: u64 = 1_000_000_000;

/// Pairs of UDP ends that are followed at the same time; the one longest unused makes room.
pub const UDP_FLOWS_MAX: usize = 262_144;
/// A pair without a datagram for so long is taken for closed.
pub const UDP_IDLE_NS_MAX: u64 = 60_000_000_000;
