//! Capture files as a source of traffic.
//!
//! In: a pcap or pcapng file, or earshot's own recording. Out: the same events as the kernel gives, in the order of the capture,
//! and what was left out with its reason. Reads a file of any size in bounded memory (`limits.rs`), needs no privileges, and
//! knows no protocol above TCP and UDP. A damaged file gives all that stands before the damage.
//!
//! The way of a packet: `window` (bytes of the file) → `pcap`, `pcapng` (frames) → `link` → `ip` → `fragments` → `tunnel`
//! (perhaps back to `ip`) → `packet` (headers of TCP and UDP) → `tcp` and `half`, or `udp` → `sink` (events) → `relay` (another thread) → `rows`.

mod capture;
mod cut;
mod ends;
mod fragments;
mod half;
mod ip;
mod limits;
mod link;
mod packet;
mod pcap;
mod pcapng;
mod pieces;
mod reasons;
pub mod recording;
mod relay;
mod rows;
mod sink;
mod table;
mod tcp;
mod tunnel;
mod udp;
mod window;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::connect::event::Consumer;
use crate::kernel::MappedFile;

pub use rows::rows;

use capture::{Capture, Damage, Packet, Stop};
use cut::Cut;
use fragments::Fragments;
use ip::Ip;
use limits::TUNNELS_MAX;
use pcap::{Magic, Pcap};
use pcapng::Pcapng;
use reasons::{NOT_TCP_OR_UDP, Reason, TUNNELS_LIMIT};
use sink::Sink;
use tcp::Tcp;
use udp::Udp;
use window::{Window, torn};

/// What was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Summary {
    pub packets: u64,
    /// Length of the packets on the wire.
    pub bytes: u64,
    /// Unix time of the first and the last packet; `None` without a packet.
    pub first_ns: Option<u64>,
    pub last_ns: Option<u64>,
}

#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error("cannot open {path}: {error}")]
    Open { path: PathBuf, error: io::Error },
    /// Everything before the damage was told.
    #[error("{path} is damaged at byte {offset}: {why}")]
    Damaged { path: PathBuf, offset: u64, why: &'static str, before: Summary },
    #[error("cannot read {path}: {error}")]
    Read { path: PathBuf, error: io::Error },
}

/// Tells `consumer` the traffic in a file.
pub fn replay(path: &Path, consumer: &mut dyn Consumer) -> Result<Summary, ReplayError> {
    CaptureFile::open(path)?.replay(consumer)
}

/// A capture file that is open.
struct CaptureFile<'a> {
    path: &'a Path,
    file: File,
    /// Its bytes, unless it can only be read.
    mapped: Option<Arc<MappedFile>>,
}

impl<'a> CaptureFile<'a> {
    fn open(path: &'a Path) -> Result<Self, ReplayError> {
        let file = File::open(path).map_err(|error| ReplayError::Open { path: path.into(), error })?;
        let mapped = MappedFile::of(&file).map(Arc::new);
        Ok(Self { path, file, mapped })
    }

    /// Tells `consumer` the traffic in it.
    fn replay(&self, consumer: &mut dyn Consumer) -> Result<Summary, ReplayError> {
        let path = self.path;
        let mut summary = Summary::default();
        let window = match &self.mapped {
            Some(mapped) => Window::mapped(mapped.clone()),
            None => Window::new(&self.file),
        };
        match read(window, consumer, &mut summary) {
            Ok(()) => Ok(summary),
            Err(Stop::Read(error)) => Err(ReplayError::Read { path: path.into(), error }),
            Err(Stop::Damaged(Damage { offset, why })) => {
                Err(ReplayError::Damaged { path: path.into(), offset, why, before: summary })
            }
        }
    }

    /// Whether all that was told is what the file said, once nobody reads it any more.
    fn is_whole(&self) -> Result<(), ReplayError> {
        match &self.mapped {
            Some(mapped) if mapped.is_torn() => Err(ReplayError::Read { path: self.path.into(), error: torn() }),
            _ => Ok(()),
        }
    }
}

/// What a file is, by its first bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Format {
    Pcap(Magic),
    Pcapng,
    /// earshot's own.
    Recording,
}

const RECORDING_MAGIC: [u8; 8] = *b"EARSHOT\x01";
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

impl Format {
    /// The format, or why it is none.
    fn of(first: &[u8]) -> Result<Self, &'static str> {
        let Some(&magic) = first.first_chunk() else {
            return Err(if first.is_empty() { "the file is empty" } else { "the file is too short for a capture" });
        };
        if let Some(magic) = Magic::of(magic) {
            Ok(Format::Pcap(magic))
        } else if Pcapng::<File>::is(magic) {
            Ok(Format::Pcapng)
        } else if first.starts_with(&RECORDING_MAGIC) {
            Ok(Format::Recording)
        } else if first.starts_with(&GZIP_MAGIC) {
            Err("it is compressed with gzip and must be decompressed first")
        } else if first.starts_with(&ZSTD_MAGIC) {
            Err("it is compressed with zstd and must be decompressed first")
        } else {
            Err("it is neither pcap nor pcapng nor a recording of earshot")
        }
    }
}

fn read(mut window: Window<impl Read>, consumer: &mut dyn Consumer, summary: &mut Summary) -> Result<(), Stop> {
    window.fill(RECORDING_MAGIC.len())?;
    let format = Format::of(window.unread()).map_err(|why| Stop::damaged(0, why))?;
    let capture = match format {
        Format::Pcap(magic) => Capture::Pcap(Pcap::open(window, magic)?),
        Format::Pcapng => Capture::Pcapng(Pcapng::open(window)),
        Format::Recording => return recording::read(window, consumer, summary),
    };
    read_packets(capture, consumer, summary)
}

fn read_packets(mut capture: Capture<impl Read>, consumer: &mut dyn Consumer, summary: &mut Summary) -> Result<(), Stop> {
    let mut sink = Sink::new(consumer);
    let mut traffic = Traffic::new();
    let stop = loop {
        match capture.next() {
            Ok(Some(packet)) => {
                summary.count(&packet);
                traffic.packet(&packet, &mut sink);
            }
            Ok(None) => break Ok(()),
            Err(stop) => break Err(stop),
        }
    };
    traffic.end(&mut sink);
    stop
}

impl Summary {
    fn count(&mut self, packet: &Packet<'_>) {
        self.packets += 1;
        self.bytes += packet.len as u64;
        self.first_ns.get_or_insert(packet.at_ns);
        self.last_ns = Some(packet.at_ns);
    }
}

/// All that is known of what goes on in the capture.
struct Traffic {
    fragments: Fragments,
    tcp: Tcp,
    udp: Udp,
}

impl Traffic {
    fn new() -> Self {
        Self { fragments: Fragments::new(), tcp: Tcp::new(), udp: Udp::new() }
    }

    fn packet(&mut self, packet: &Packet<'_>, sink: &mut Sink<'_>) {
        if let Err(why) = self.take(packet, sink) {
            sink.lost(why, packet.len as u64);
        }
    }

    fn take(&mut self, frame: &Packet<'_>, sink: &mut Sink<'_>) -> Result<(), Reason> {
        let packet = link::ip(frame.link, Cut { bytes: frame.bytes, len: frame.len })?;
        self.ip(packet, TUNNELS_MAX, frame.at_ns, sink)
    }

    /// An IP packet that may be `tunnels` times in another.
    fn ip(&mut self, packet: Cut<'_>, tunnels: u32, at_ns: u64, sink: &mut Sink<'_>) -> Result<(), Reason> {
        let ip = ip::parse(packet)?;
        let Some(fragment) = ip.fragment else { return self.whole(&ip, tunnels, at_ns, sink) };
        let Some(Ip { from, to, protocol, payload, .. }) = self.fragments.add(&ip, fragment, at_ns, sink)? else {
            return Ok(());
        };
        // what a tunnel carries may be in fragments, too
        let Cut { bytes, len } = payload;
        let bytes = bytes.to_vec();
        self.whole(&Ip { from, to, protocol, payload: Cut { bytes: &bytes, len }, fragment: None }, tunnels, at_ns, sink)
    }

    fn whole(&mut self, ip: &Ip<'_>, tunnels: u32, at_ns: u64, sink: &mut Sink<'_>) -> Result<(), Reason> {
        if let Some(inner) = tunnel::inner(ip)? {
            let tunnels = tunnels.checked_sub(1).ok_or(TUNNELS_LIMIT)?;
            return self.ip(inner, tunnels, at_ns, sink);
        }
        match ip.protocol {
            ip::TCP => self.tcp.segment(&packet::segment(ip)?, at_ns, sink),
            ip::UDP => self.udp.datagram(&packet::datagram(ip)?, at_ns, sink),
            _ => return Err(NOT_TCP_OR_UDP),
        }
        Ok(())
    }

    fn end(mut self, sink: &mut Sink<'_>) {
        self.fragments.end(sink);
        self.tcp.end(sink);
        self.udp.end(sink);
    }
}
