//! Bytes of one transfer, or of a part of it.

/// Which way bytes went, as their socket sees it.
pub mod direction {
    pub const SENT: u8 = 0;
    pub const RECEIVED: u8 = 1;
}

pub mod flags {
    /// A [`super::Peer`] stands between the header and the bytes.
    pub const PEER: u8 = 1;
}

/// Followed by `copied` bytes (after a [`Peer`] when `flags` says so).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct DataHeader {
    pub kind: u8,
    pub direction: u8,
    pub flags: u8,
    pub _pad: u8,
    /// Bytes that follow.
    pub copied: u32,
    pub connection: u64,
    /// Nanoseconds on the monotonic clock.
    pub time_ns: u64,
    /// Where the bytes stand in this direction of the connection.
    pub offset: u64,
    /// How many bytes this record stands for, `copied` of which follow.
    pub len: u32,
    pub pid: u32,
    pub tid: u32,
    pub _pad2: u32,
}

/// The other end of a datagram.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Peer {
    /// AF_INET or AF_INET6.
    pub family: u16,
    /// In network byte order, as in `sockaddr_in`.
    pub port_be: u16,
    pub _pad: u32,
    /// IPv4 in the first four bytes.
    pub addr: [u8; 16],
}

const _: () = assert!(size_of::<DataHeader>() == 48 && size_of::<Peer>() == 24);
