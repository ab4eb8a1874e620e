//! From a frame to the IP packet in it.
//!
//! In: a frame and its link type (<https://www.tcpdump.org/linktypes.html>). Out: the IP packet, or the reason why there is none.
//! Knows Ethernet and Linux cooked frames with any number of VLAN tags and MPLS labels, PPP and PPP over Ethernet, raw IP and BSD
//! loopback.

use super::cut::Cut;
use super::reasons::{CUT_HEADERS, LINK_TYPE, NOT_IP, Reason};

const NULL: u32 = 0;
const ETHERNET: u32 = 1;
const PPP: u32 = 9;
const RAW_ON_BSD: u32 = 12;
const RAW_ON_OPENBSD: u32 = 14;
const RAW: u32 = 101;
const LOOP: u32 = 108;
const LINUX_COOKED_V1: u32 = 113;
const IPV4: u32 = 228;
const IPV6: u32 = 229;
const LINUX_COOKED_V2: u32 = 276;

const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_IPV6: u16 = 0x86dd;
const ETHERTYPES_MPLS: [u16; 2] = [0x8847, 0x8848];
const ETHERTYPE_PPPOE_SESSION: u16 = 0x8864;
/// Smaller numbers are the frame's length.
const ETHERTYPE_MIN: u16 = 0x0600;
/// LLC's "a SNAP header follows", and the one of those that has an EtherType (RFC 1042).
const SNAP: [u8; 6] = [0xaa, 0xaa, 3, 0, 0, 0];
/// 802.1Q, 802.1ad, and what was used before 802.1ad.
const ETHERTYPES_VLAN: [u16; 4] = [0x8100, 0x88a8, 0x9100, 0x9200];

/// AF_INET everywhere; AF_INET6 on Linux, NetBSD and OpenBSD, FreeBSD, macOS.
const ADDRESS_FAMILIES: [u32; 5] = [2, 10, 24, 28, 30];

pub fn ip(link: u32, frame: Cut<'_>) -> Result<Cut<'_>, Reason> {
    match link {
        ETHERNET => ethernet(frame),
        PPP => ppp(frame),
        LINUX_COOKED_V1 => tagged(frame, 14),
        // The protocol stands first; 18 bytes of interface and address follow it.
        LINUX_COOKED_V2 => match frame.u16(0).ok_or(CUT_HEADERS)? {
            tag if ETHERTYPES_VLAN.contains(&tag) => tagged(frame.after(20), 2),
            ethertype => carried(ethertype, frame.after(20)),
        },
        RAW | RAW_ON_BSD | RAW_ON_OPENBSD | IPV4 | IPV6 => Ok(frame),
        NULL | LOOP => loopback(frame),
        _ => Err(LINK_TYPE),
    }
}

pub fn ethernet(frame: Cut<'_>) -> Result<Cut<'_>, Reason> {
    tagged(frame, 12)
}

/// An EtherType at `at`, perhaps of a VLAN tag: two bytes of tag and the next EtherType follow it.
fn tagged(frame: Cut<'_>, mut at: usize) -> Result<Cut<'_>, Reason> {
    loop {
        match frame.u16(at).ok_or(CUT_HEADERS)? {
            tag if ETHERTYPES_VLAN.contains(&tag) => at += 4,
            length if length < ETHERTYPE_MIN && frame.array(at + 2) == Some(SNAP) => at += 8,
            ethertype => return carried(ethertype, frame.after(at + 2)),
        }
    }
}

/// What an EtherType says of the payload behind it.
pub fn carried(ethertype: u16, payload: Cut<'_>) -> Result<Cut<'_>, Reason> {
    match ethertype {
        ETHERTYPE_IPV4 | ETHERTYPE_IPV6 => Ok(payload),
        ETHERTYPE_PPPOE_SESSION => ppp(payload.after(6)),
        label if ETHERTYPES_MPLS.contains(&label) => labelled(payload),
        _ => Err(NOT_IP),
    }
}

/// Labels of four bytes, the last of which says so (RFC 3032): what follows is told by nothing but its first half byte.
fn labelled(mut packet: Cut<'_>) -> Result<Cut<'_>, Reason> {
    while packet.u32(0).ok_or(CUT_HEADERS)? & 0x100 == 0 {
        packet = packet.after(4);
    }
    let packet = packet.after(4);
    if matches!(packet.u8(0).ok_or(CUT_HEADERS)? >> 4, 4 | 6) { Ok(packet) } else { Err(NOT_IP) }
}

/// A protocol's number in one or two bytes (RFC 1661, section 2), perhaps behind an address and a control byte.
fn ppp(frame: Cut<'_>) -> Result<Cut<'_>, Reason> {
    let frame = if frame.u16(0) == Some(0xff03) { frame.after(2) } else { frame };
    let first = frame.u8(0).ok_or(CUT_HEADERS)?;
    let (protocol, payload) = match first & 1 {
        1 => (u16::from(first), frame.after(1)),
        _ => (frame.u16(0).ok_or(CUT_HEADERS)?, frame.after(2)),
    };
    if matches!(protocol, 0x21 | 0x57) { Ok(payload) } else { Err(NOT_IP) }
}

/// An address family in the byte order of the capturing machine, whichever that was.
fn loopback(frame: Cut<'_>) -> Result<Cut<'_>, Reason> {
    let family = frame.u32(0).ok_or(CUT_HEADERS)?;
    match ADDRESS_FAMILIES.contains(&family) || ADDRESS_FAMILIES.contains(&family.swap_bytes()) {
        true => Ok(frame.after(4)),
        false => Err(NOT_IP),
    }
}
