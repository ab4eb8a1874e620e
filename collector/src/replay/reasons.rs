//! Why packets became no event: the `reason` of `lost_events`, stage `capture`.

pub type Reason = &'static str;

pub const STAGE: &str = "capture";

/// The capture's link type is not known.
pub const LINK_TYPE: Reason = "link_type";
/// ARP and whatever else is not IP.
pub const NOT_IP: Reason = "not_ip";
/// ICMP and whatever else is neither TCP nor UDP, nor a tunnel that is known.
pub const NOT_TCP_OR_UDP: Reason = "not_tcp_or_udp";
/// The snap length cut the packet within its headers.
pub const CUT_HEADERS: Reason = "cut_headers";
/// Headers that contradict themselves.
pub const MALFORMED: Reason = "malformed_packet";
/// A packet in a packet in a packet, and so on.
pub const TUNNELS_LIMIT: Reason = "tunnels_limit";
/// A datagram of which not all fragments came in time.
pub const FRAGMENTS_MISSING: Reason = "fragments_missing";
/// A datagram whose fragments had to make room for others.
pub const FRAGMENTS_LIMIT: Reason = "fragments_limit";
/// A connection or pair of UDP ends that had to make room for others.
pub const FLOWS_LIMIT: Reason = "flows_limit";
/// Bytes that a connection joined in its midst sent before those that were seen first.
pub const BEFORE_START: Reason = "before_start";
/// A segment whose sequence number does not belong to its connection.
pub const OUT_OF_WINDOW: Reason = "out_of_window";
/// Bytes that came after their connection was closed.
pub const AFTER_CLOSE: Reason = "after_close";
