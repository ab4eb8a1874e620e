//! Sockets: when they are first heard of, who uses them, when they close, and what the kernel keeps of each.

use crate::UNIX_PATH_BYTES;

pub mod transport {
    pub const TCP: u8 = 1;
    pub const UDP: u8 = 2;
    pub const UNIX: u8 = 3;
}

pub mod role {
    pub const UNKNOWN: u8 = 0;
    pub const CLIENT: u8 = 1;
    pub const SERVER: u8 = 2;
}

/// How much of a connection is copied.
pub mod policy {
    /// Everything until a limit: user space has not said what it is.
    pub const UNCLASSIFIED: u32 = 0;
    /// Everything.
    pub const FULL: u32 = 1;
    /// The beginning of each system call's bytes.
    pub const HEADERS: u32 = 2;
    /// Nothing; bytes are counted.
    pub const COUNTERS: u32 = 3;
    /// Nothing at all; not even counted.
    pub const OFF: u32 = 4;
}

/// A value of [`policy`].
pub type Policy = u32;

/// What user space decided about a connection.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    pub policy: Policy,
    pub _pad: u32,
    /// Of a call whose bytes all lie before this place in their direction none are copied.
    pub sent_from: u64,
    pub received_from: u64,
}

/// A socket as it is first heard of.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SocketEvent {
    pub kind: u8,
    pub transport: u8,
    pub role: u8,
    /// 1 when it was seen from its first byte.
    pub from_start: u8,
    /// AF_INET, AF_INET6 or AF_UNIX.
    pub family: u16,
    pub local_port: u16,
    /// In host byte order; 0 when the socket is not connected.
    pub remote_port: u16,
    /// 1 when the other end is on this host and its bytes are copied instead.
    pub mirrored: u8,
    /// Length of `path`.
    pub path_len: u8,
    pub pid: u32,
    pub tid: u32,
    /// Inode number of the network namespace.
    pub netns: u32,
    pub connection: u64,
    pub time_ns: u64,
    /// The kernel's address of the socket: names it while it lives.
    pub socket: u64,
    /// The kernel's address of the other end of a Unix socket.
    pub peer_socket: u64,
    pub local_addr: [u8; 16],
    pub remote_addr: [u8; 16],
    /// sun_path of the Unix socket's named end; an abstract name begins with a zero byte.
    pub path: [u8; UNIX_PATH_BYTES],
    pub _pad: [u8; 4],
}

/// Another process uses a socket whose bytes are not copied.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct OwnerEvent {
    pub kind: u8,
    pub _pad: [u8; 3],
    pub pid: u32,
    pub connection: u64,
    pub time_ns: u64,
}

/// No byte follows in one direction.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct EndEvent {
    pub kind: u8,
    pub direction: u8,
    pub _pad: [u8; 2],
    pub tid: u32,
    pub connection: u64,
    pub time_ns: u64,
}

/// A TCP connection is gone.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct CloseEvent {
    pub kind: u8,
    pub _pad: [u8; 3],
    pub retransmits: u32,
    pub connection: u64,
    pub time_ns: u64,
    pub sent_bytes: u64,
    pub received_bytes: u64,
    pub rtt_us: u32,
    pub _pad2: u32,
}

/// What the kernel keeps of a socket, in its socket storage. Zero at first.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct SocketState {
    /// 0 until the socket has been announced.
    pub connection: u64,
    pub sent_bytes: u64,
    pub received_bytes: u64,
    pub policy: Policy,
    /// Value of the policies' epoch at which the decision was looked up.
    pub epoch: u32,
    /// Process that last used it.
    pub pid: u32,
    pub tid: u32,
    pub transport: u8,
    pub role: u8,
    pub from_start: u8,
    pub mirrored: u8,
    pub ring: u8,
    pub _pad: [u8; 3],
    /// Value of the TLS processes' epoch at which `pid` had made no TLS call, plus one; else 0.
    pub no_tls: u32,
    /// The most that is copied while its process is over its budget, a value of [`policy`]; 0 while it is not.
    pub step: Policy,
    /// See [`Decision`].
    pub sent_from: u64,
    pub received_from: u64,
}

/// A port that is listened on in a network namespace.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ListenKey {
    pub netns: u32,
    pub port: u32,
}

const _: () = assert!(size_of::<SocketEvent>() == 200 && size_of::<OwnerEvent>() == 24 && size_of::<EndEvent>() == 24);
const _: () = assert!(
    size_of::<CloseEvent>() == 48
        && size_of::<SocketState>() == 72
        && size_of::<Decision>() == 24
        && size_of::<ListenKey>() == 8
);
