//! pcapng files, as written by Wireshark: blocks of which some are packets
//! (<https://datatracker.ietf.org/doc/draft-ietf-opsawg-pcapng/>).
//!
//! In: a file. Out: its packets, of all sections and interfaces. Passes over every block that is neither a packet nor needed to
//! read one: names, statistics, secrets, what others invented.

use std::io::Read;

use super::capture::{Order, Packet, Stop};
use super::limits::{INTERFACES_MAX, PACKET_BYTES_MAX};
use super::window::{FILL_BYTES_MAX, Window};

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;

const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;
/// Type and length before a block's body.
const HEAD_BYTES: usize = 8;
/// The length once more, after it.
const TAIL_BYTES: usize = 4;

const OPTION_END: u16 = 0;
const OPTION_TIME_RESOLUTION: u16 = 9;
const OPTION_TIME_OFFSET: u16 = 14;

pub struct Pcapng<R> {
    window: Window<R>,
    order: Order,
    interfaces: Vec<Interface>,
    /// Simple packets have no time of their own: they get the one before theirs.
    last_ns: u64,
}

/// The head of a block that is at hand or can be skipped.
#[derive(Clone, Copy)]
struct Block {
    kind: u32,
    len: u32,
    offset: u64,
}

impl<R: Read> Pcapng<R> {
    /// Whether a file that begins so is pcapng.
    pub fn is(first: [u8; 4]) -> bool {
        u32::from_le_bytes(first) == SECTION
    }

    /// `window` stands at the beginning of the file.
    pub fn open(window: Window<R>) -> Self {
        Self { window, order: Order::Little, interfaces: Vec::new(), last_ns: 0 }
    }

    pub fn next(&mut self) -> Result<Option<Packet<'_>>, Stop> {
        loop {
            let Some(block) = self.head()? else { return Ok(None) };
            match block.kind {
                SECTION => self.section(block)?,
                INTERFACE => self.interface(block)?,
                ENHANCED_PACKET | OBSOLETE_PACKET | SIMPLE_PACKET => {
                    let place = self.place(block)?;
                    self.last_ns = place.at_ns;
                    let whole = self.window.consume(block.len as usize);
                    let bytes = &whole[place.start..place.start + place.captured];
                    return Ok(Some(Packet { at_ns: place.at_ns, link: place.link, bytes, len: place.len }));
                }
                _ => self.pass(block)?,
            }
        }
    }

    /// The next block's type and length; `None` at the end of the file.
    fn head(&mut self) -> Result<Option<Block>, Stop> {
        let offset = self.window.offset();
        let have = self.window.fill(HEAD_BYTES + 4)?;
        if have == 0 {
            return Ok(None);
        }
        if have < HEAD_BYTES + TAIL_BYTES {
            return Err(Stop::damaged(offset, "the file ends within a block's header"));
        }
        let bytes = self.window.unread();
        if Order::Little.u32(bytes, 0) == SECTION {
            self.order = match Order::Little.u32(bytes, HEAD_BYTES) {
                BYTE_ORDER_MAGIC => Order::Little,
                other if other.swap_bytes() == BYTE_ORDER_MAGIC => Order::Big,
                _ => return Err(Stop::damaged(offset, "a section does not say its byte order")),
            };
        }
        let block = Block { kind: self.order.u32(bytes, 0), len: self.order.u32(bytes, 4), offset };
        if (block.len as usize) < HEAD_BYTES + TAIL_BYTES || !block.len.is_multiple_of(4) {
            return Err(Stop::damaged(offset, "a block's length cannot be"));
        }
        Ok(Some(block))
    }

    /// Brings a block to hand whole and gives its body.
    fn body(&mut self, block: Block) -> Result<&[u8], Stop> {
        let len = block.len as usize;
        if len > FILL_BYTES_MAX {
            return Err(Stop::damaged(block.offset, "a block's length is beyond reason"));
        }
        if self.window.fill(len)? < len {
            return Err(Stop::damaged(block.offset, "the file ends within a block"));
        }
        let bytes = self.window.unread();
        if self.order.u32(bytes, len - TAIL_BYTES) != block.len {
            return Err(Stop::damaged(block.offset, "a block's two lengths differ"));
        }
        Ok(&bytes[HEAD_BYTES..len - TAIL_BYTES])
    }

    fn pass(&mut self, block: Block) -> Result<(), Stop> {
        match self.window.skip(u64::from(block.len))? {
            true => Ok(()),
            false => Err(Stop::damaged(block.offset, "the file ends within a block")),
        }
    }

    fn section(&mut self, block: Block) -> Result<(), Stop> {
        let order = self.order;
        let body = self.body(block)?;
        if body.len() < 16 || order.u16(body, 4) != 1 {
            return Err(Stop::damaged(block.offset, "a section's pcapng version is not 1"));
        }
        self.interfaces.clear();
        self.window.consume(block.len as usize);
        Ok(())
    }

    fn interface(&mut self, block: Block) -> Result<(), Stop> {
        let order = self.order;
        let body = self.body(block)?;
        if body.len() < 8 {
            return Err(Stop::damaged(block.offset, "an interface's description is too short"));
        }
        let interface = Interface::read(order, body);
        if self.interfaces.len() >= INTERFACES_MAX {
            return Err(Stop::damaged(block.offset, "there are more interfaces than can be"));
        }
        self.interfaces.push(interface);
        self.window.consume(block.len as usize);
        Ok(())
    }

    /// Where in its block a packet's bytes are, and what is said of it.
    fn place(&mut self, block: Block) -> Result<Place, Stop> {
        let (order, last_ns) = (self.order, self.last_ns);
        let body = self.body(block)?;
        let fixed = if block.kind == SIMPLE_PACKET { 4 } else { 20 };
        if body.len() < fixed {
            return Err(Stop::damaged(block.offset, "a packet's block is too short"));
        }
        let room = body.len() - fixed;
        let field = |at| order.u32(body, at);
        let (interface, ticks, captured, len) = match block.kind {
            SIMPLE_PACKET => (0, None, None, field(0)),
            kind => {
                let interface = if kind == ENHANCED_PACKET { field(0) } else { u32::from(order.u16(body, 0)) };
                let ticks = u64::from(field(4)) << 32 | u64::from(field(8));
                (interface, Some(ticks), Some(field(12) as usize), field(16))
            }
        };
        let Some(interface) = self.interfaces.get(interface as usize) else {
            return Err(Stop::damaged(block.offset, "a packet's interface was not described"));
        };
        let captured = captured.unwrap_or_else(|| room.min(len as usize).min(interface.snap_bytes));
        if captured > room || captured > PACKET_BYTES_MAX {
            return Err(Stop::damaged(block.offset, "a packet's length does not fit its block"));
        }
        Ok(Place {
            start: HEAD_BYTES + fixed,
            captured,
            len: (len as usize).clamp(captured, PACKET_BYTES_MAX),
            at_ns: ticks.map_or(last_ns, |ticks| interface.clock.unix_ns(ticks)),
            link: interface.link,
        })
    }
}

struct Place {
    /// From the beginning of the block.
    start: usize,
    captured: usize,
    len: usize,
    at_ns: u64,
    link: u32,
}

struct Interface {
    link: u32,
    /// `usize::MAX` when packets were not cut.
    snap_bytes: usize,
    clock: Clock,
}

impl Interface {
    fn read(order: Order, body: &[u8]) -> Self {
        let snap_bytes = match order.u32(body, 4) {
            0 => usize::MAX,
            bytes => bytes as usize,
        };
        let mut clock = Clock::default();
        let mut rest = &body[8..];
        while rest.len() >= 4 {
            let (code, len) = (order.u16(rest, 0), usize::from(order.u16(rest, 2)));
            let Some(value) = rest.get(4..4 + len) else { break };
            match (code, value) {
                (OPTION_END, _) => break,
                (OPTION_TIME_RESOLUTION, &[resolution]) => clock.set_resolution(resolution),
                (OPTION_TIME_OFFSET, value) if len == 8 => clock.offset_s = order.u64(value, 0).cast_signed(),
                _ => {}
            }
            rest = rest.get(4 + len.next_multiple_of(4)..).unwrap_or_default();
        }
        Self { link: u32::from(order.u16(body, 0)), snap_bytes, clock }
    }
}

/// How an interface's timestamps are meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Clock {
    ticks: Ticks,
    offset_s: i64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Ticks {
    /// A tick is so many nanoseconds.
    Ns(u64),
    /// A second is so many ticks.
    PerSecond(u128),
}

impl Default for Clock {
    fn default() -> Self {
        Self { ticks: Ticks::Ns(1000), offset_s: 0 }
    }
}

impl Clock {
    /// `if_tsresol`: a negative power of 10, or of 2 when the highest bit is set.
    fn set_resolution(&mut self, resolution: u8) {
        let power = u32::from(resolution & 0x7f);
        self.ticks = match resolution & 0x80 {
            0 if power <= 9 => Ticks::Ns(10_u64.pow(9 - power)),
            0 => Ticks::PerSecond(10_u128.checked_pow(power).unwrap_or(u128::MAX)),
            _ => Ticks::PerSecond(1 << power),
        };
    }

    /// Times before 1970 are given as 1970, those beyond 2262 as the last that a table can hold.
    fn unix_ns(self, ticks: u64) -> u64 {
        let ns = match self.ticks {
            Ticks::Ns(ns) => u128::from(ticks) * u128::from(ns),
            Ticks::PerSecond(per_second) => u128::from(ticks) * 1_000_000_000 / per_second,
        };
        let ns = i128::try_from(ns).unwrap_or(i128::MAX).saturating_add(i128::from(self.offset_s) * 1_000_000_000);
        ns.clamp(0, i128::from(i64::MAX)) as u64
    }
}
