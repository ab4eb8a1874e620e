//! pcap files, as written by tcpdump: a header, then packets each with a header of its own
//! (<https://datatracker.ietf.org/doc/draft-ietf-opsawg-pcap/>).
//!
//! In: a file. Out: its packets. Does not look into them.

use std::io::Read;

use super::capture::{Order, Packet, Stop};
use super::limits::PACKET_BYTES_MAX;
use super::window::Window;

const FILE_HEADER_BYTES: usize = 24;
const RECORD_HEADER_BYTES: usize = 16;
/// The "modified" format appends interface index, protocol and packet type to each packet's header.
const MODIFIED_RECORD_HEADER_BYTES: usize = 24;

/// What the magic number says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Magic {
    order: Order,
    /// Nanoseconds in the unit of the timestamps' second half.
    fraction_ns: u64,
    record_header_bytes: usize,
}

impl Magic {
    /// `None` when the file is not pcap.
    pub fn of(first: [u8; 4]) -> Option<Self> {
        let [little, big] = [u32::from_le_bytes(first), u32::from_be_bytes(first)];
        [(little, Order::Little), (big, Order::Big)].into_iter().find_map(|(number, order)| {
            let (fraction_ns, record_header_bytes) = match number {
                0xa1b2_c3d4 => (1000, RECORD_HEADER_BYTES),
                0xa1b2_3c4d => (1, RECORD_HEADER_BYTES),
                0xa1b2_cd34 => (1000, MODIFIED_RECORD_HEADER_BYTES),
                _ => return None,
            };
            Some(Self { order, fraction_ns, record_header_bytes })
        })
    }
}

pub struct Pcap<R> {
    window: Window<R>,
    magic: Magic,
    link: u32,
}

impl<R: Read> Pcap<R> {
    /// `window` stands at the beginning of the file.
    pub fn open(mut window: Window<R>, magic: Magic) -> Result<Self, Stop> {
        if window.fill(FILE_HEADER_BYTES)? < FILE_HEADER_BYTES {
            return Err(Stop::damaged(window.offset(), "the file ends within its header"));
        }
        let offset = window.offset();
        let header = window.consume(FILE_HEADER_BYTES);
        if magic.order.u16(header, 4) != 2 {
            return Err(Stop::damaged(offset, "its pcap version is not 2"));
        }
        // The upper half tells of checksums at the end of frames, which IP's own lengths leave out.
        let link = magic.order.u32(header, 20) & 0xffff;
        Ok(Self { window, magic, link })
    }

    pub fn next(&mut self) -> Result<Option<Packet<'_>>, Stop> {
        let Magic { order, fraction_ns, record_header_bytes } = self.magic;
        let offset = self.window.offset();
        match self.window.fill(record_header_bytes)? {
            0 => return Ok(None),
            have if have < record_header_bytes => {
                return Err(Stop::damaged(offset, "the file ends within a packet's header"));
            }
            _ => {}
        }
        let header = self.window.unread();
        let at_ns = u64::from(order.u32(header, 0)) * 1_000_000_000 + u64::from(order.u32(header, 4)) * fraction_ns;
        let captured = order.u32(header, 8) as usize;
        let len = order.u32(header, 12) as usize;
        if captured > PACKET_BYTES_MAX {
            return Err(Stop::damaged(offset, "a packet's length is beyond reason"));
        }
        let whole = record_header_bytes + captured;
        if self.window.fill(whole)? < whole {
            return Err(Stop::damaged(offset, "the file ends within a packet"));
        }
        let bytes = &self.window.consume(whole)[record_header_bytes..];
        Ok(Some(Packet { at_ns, link: self.link, bytes, len: len.clamp(captured, PACKET_BYTES_MAX) }))
    }
}
