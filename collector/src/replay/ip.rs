//! From an IP packet to its payload.
//!
//! In: an IPv4 (RFC 791) or IPv6 (RFC 8200) packet. Out: its addresses, the protocol above it and the payload, or one fragment of
//! it. Checks no checksum: captures on the sending host have none yet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::cut::Cut;
use super::reasons::{CUT_HEADERS, MALFORMED, NOT_TCP_OR_UDP, Reason};

const HOP_BY_HOP: u8 = 0;
pub const IPV4: u8 = 4;
pub const TCP: u8 = 6;
pub const UDP: u8 = 17;
pub const IPV6: u8 = 41;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
pub const GRE: u8 = 47;
const AUTHENTICATION: u8 = 51;
const DESTINATION: u8 = 60;
const MOBILITY: u8 = 135;

const IPV6_HEADER_BYTES: usize = 40;

/// An address; IPv4 in its IPv4-mapped form, so that both ways of writing it are one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Addr(u128);

impl Addr {
    fn v4(bytes: [u8; 4]) -> Self {
        Self(Ipv4Addr::from(bytes).to_ipv6_mapped().to_bits())
    }

    fn v6(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }

    pub fn to_ip(self) -> IpAddr {
        Ipv6Addr::from_bits(self.0).to_canonical()
    }
}

/// What a packet carries from where to where.
#[derive(Clone, Copy, Debug)]
pub struct Ip<'a> {
    pub from: Addr,
    pub to: Addr,
    /// `TCP`, `UDP` or that of a tunnel, unless this is a fragment.
    pub protocol: u8,
    pub payload: Cut<'a>,
    pub fragment: Option<Fragment>,
}

/// Which part of its datagram a payload is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fragment {
    pub id: u32,
    /// In bytes.
    pub offset: u32,
    /// Whether another one comes after it.
    pub more: bool,
}

pub fn parse(packet: Cut<'_>) -> Result<Ip<'_>, Reason> {
    match packet.u8(0).ok_or(CUT_HEADERS)? >> 4 {
        4 => v4(packet),
        6 => v6(packet),
        _ => Err(MALFORMED),
    }
}

fn v4(packet: Cut<'_>) -> Result<Ip<'_>, Reason> {
    let header_len = usize::from(packet.u8(0).ok_or(CUT_HEADERS)? & 0xf) * 4;
    let total_len = usize::from(packet.u16(2).ok_or(CUT_HEADERS)?);
    let id = packet.u16(4).ok_or(CUT_HEADERS)?;
    let fragment = packet.u16(6).ok_or(CUT_HEADERS)?;
    let protocol = packet.u8(9).ok_or(CUT_HEADERS)?;
    let from = Addr::v4(packet.array(12).ok_or(CUT_HEADERS)?);
    let to = Addr::v4(packet.array(16).ok_or(CUT_HEADERS)?);
    // Segmentation offload leaves 0 there for the network card to fill in.
    let total_len = if total_len == 0 { packet.len } else { total_len };
    if header_len < 20 || total_len < header_len {
        return Err(MALFORMED);
    }
    let payload = within(packet, header_len, total_len);
    let (more, offset) = (fragment & 0x2000 != 0, u32::from(fragment & 0x1fff) * 8);
    if more || offset > 0 {
        let fragment = Some(Fragment { id: u32::from(id), offset, more });
        return Ok(Ip { from, to, protocol, payload, fragment });
    }
    let upper = upper(protocol, payload)?;
    Ok(Ip { from, to, protocol: upper.protocol, payload: upper.payload, fragment: upper.fragment })
}

fn v6(packet: Cut<'_>) -> Result<Ip<'_>, Reason> {
    let payload_len = usize::from(packet.u16(4).ok_or(CUT_HEADERS)?);
    let next = packet.u8(6).ok_or(CUT_HEADERS)?;
    let from = Addr::v6(packet.array(8).ok_or(CUT_HEADERS)?);
    let to = Addr::v6(packet.array(24).ok_or(CUT_HEADERS)?);
    // 0 stands for a jumbogram (RFC 2675) or segmentation offload.
    let total_len = if payload_len == 0 { packet.len } else { IPV6_HEADER_BYTES + payload_len };
    let upper = upper(next, within(packet, IPV6_HEADER_BYTES, total_len))?;
    Ok(Ip { from, to, protocol: upper.protocol, payload: upper.payload, fragment: upper.fragment })
}

/// The payload by the packet's own lengths: a frame's padding is not part of it, and what the snap length cut off is.
fn within(packet: Cut<'_>, header_len: usize, total_len: usize) -> Cut<'_> {
    let len = total_len - header_len;
    Cut { bytes: packet.after(header_len).bytes, len }.first(len)
}

#[derive(Clone, Copy, Debug)]
pub struct Upper<'a> {
    pub protocol: u8,
    pub payload: Cut<'a>,
    pub fragment: Option<Fragment>,
}

/// Passes over IPv6 extension headers and the authentication header (RFC 4302) to TCP, UDP, a tunnel or a fragment.
pub fn upper(mut next: u8, mut payload: Cut<'_>) -> Result<Upper<'_>, Reason> {
    loop {
        match next {
            TCP | UDP | IPV4 | IPV6 | GRE => return Ok(Upper { protocol: next, payload, fragment: None }),
            HOP_BY_HOP | ROUTING | DESTINATION | MOBILITY | AUTHENTICATION => {
                let len = usize::from(payload.u8(1).ok_or(CUT_HEADERS)?);
                let len = if next == AUTHENTICATION { (len + 2) * 4 } else { (len + 1) * 8 };
                next = payload.u8(0).ok_or(CUT_HEADERS)?;
                payload = payload.after(len);
            }
            FRAGMENT => {
                let place = payload.u16(2).ok_or(CUT_HEADERS)?;
                let id = payload.u32(4).ok_or(CUT_HEADERS)?;
                let (offset, more) = (u32::from(place & 0xfff8), place & 1 != 0);
                next = payload.u8(0).ok_or(CUT_HEADERS)?;
                payload = payload.after(8);
                // A datagram in a single fragment is whole (RFC 6946).
                if offset > 0 || more {
                    return Ok(Upper { protocol: next, payload, fragment: Some(Fragment { id, offset, more }) });
                }
            }
            _ => return Err(NOT_TCP_OR_UDP),
        }
    }
}
