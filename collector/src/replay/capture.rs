//! What both capture formats give: packets, and where and why reading stops.

use std::io::{self, Read};

use super::pcap::Pcap;
use super::pcapng::Pcapng;

/// One packet as it was captured.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// Unix time.
    pub at_ns: u64,
    /// The number of its link type (LINKTYPE_…, <https://www.tcpdump.org/linktypes.html>).
    pub link: u32,
    pub bytes: &'a [u8],
    /// How long it was on the wire; `bytes` holds the first of it.
    pub len: usize,
}

/// A place from which on a file does not make sense.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Damage {
    /// Byte in the file at which the damaged part begins.
    pub offset: u64,
    pub why: &'static str,
}

/// Why reading stopped before the end of the file.
#[derive(Debug)]
pub enum Stop {
    Damaged(Damage),
    Read(io::Error),
}

impl From<io::Error> for Stop {
    fn from(e: io::Error) -> Self {
        Stop::Read(e)
    }
}

impl Stop {
    pub fn damaged(offset: u64, why: &'static str) -> Self {
        Stop::Damaged(Damage { offset, why })
    }
}

/// A capture file of either format.
pub enum Capture<R> {
    Pcap(Pcap<R>),
    Pcapng(Pcapng<R>),
}

impl<R: Read> Capture<R> {
    /// The next packet; `None` at the end of the file.
    pub fn next(&mut self) -> Result<Option<Packet<'_>>, Stop> {
        match self {
            Capture::Pcap(file) => file.next(),
            Capture::Pcapng(file) => file.next(),
        }
    }
}

/// Byte order of the machine that wrote a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    Little,
    Big,
}

impl Order {
    /// The two bytes at `at`; 0 beyond the end, which callers rule out beforehand.
    pub fn u16(self, bytes: &[u8], at: usize) -> u16 {
        let raw = array(bytes, at);
        match self {
            Order::Little => u16::from_le_bytes(raw),
            Order::Big => u16::from_be_bytes(raw),
        }
    }

    /// The four bytes at `at`, likewise.
    pub fn u32(self, bytes: &[u8], at: usize) -> u32 {
        let raw = array(bytes, at);
        match self {
            Order::Little => u32::from_le_bytes(raw),
            Order::Big => u32::from_be_bytes(raw),
        }
    }

    /// The eight bytes at `at`, likewise.
    pub fn u64(self, bytes: &[u8], at: usize) -> u64 {
        let raw = array(bytes, at);
        match self {
            Order::Little => u64::from_le_bytes(raw),
            Order::Big => u64::from_be_bytes(raw),
        }
    }
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
}
