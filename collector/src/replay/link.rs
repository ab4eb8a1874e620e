//! From a frame to the IP packet in it.
//!
//! In: a frame and its link type (<https://www.tcpdump.org/linktypes.html>). Out: the IP packet, or the reason why there is none.
//! Knows Ethernet and Linux cooked frames with any number of VLAN tags, raw IP and BSD loopback.

use super::cut::Cut;
use super::reasons::{CUT_HEADERS, LINK_TYPE, NOT_IP, Reason};

const NULL: u32 = 0;
const ETHERNET: u32 = 1;
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
/// 802.1Q, 802.1ad, and what was used before 802.1ad.
const ETHERTYPES_VLAN: [u16; 4] = [0x8100, 0x88a8, 0x9100, 0x9200];

/// AF_INET everywhere; AF_INET6 on Linux, NetBSD and OpenBSD, FreeBSD, macOS.
const ADDRESS_FAMILIES: [u32; 5] = [2, 10, 24, 28, 30];

pub fn ip(link: u32, frame: Cut<'_>) -> Result<Cut<'_>, Reason> {
    match link {
        ETHERNET => tagged(frame, 12),
        LINUX_COOKED_V1 => tagged(frame, 14),
        // The protocol stands first; 18 bytes of interface and address follow it.
        LINUX_COOKED_V2 => match frame.u16(0).ok_or(CUT_HEADERS)? {
            ETHERTYPE_IPV4 | ETHERTYPE_IPV6 => Ok(frame.after(20)),
            tag if ETHERTYPES_VLAN.contains(&tag) => tagged(frame.after(20), 2),
            _ => Err(NOT_IP),
        },
        RAW | RAW_ON_BSD | RAW_ON_OPENBSD | IPV4 | IPV6 => Ok(frame),
        NULL | LOOP => loopback(frame),
        _ => Err(LINK_TYPE),
    }
}

/// An EtherType at `at`, perhaps of a VLAN tag: two bytes of tag and the next EtherType follow it.
fn tagged(frame: Cut<'_>, mut at: usize) -> Result<Cut<'_>, Reason> {
    loop {
        match frame.u16(at).ok_or(CUT_HEADERS)? {
            ETHERTYPE_IPV4 | ETHERTYPE_IPV6 => return Ok(frame.after(at + 2)),
            tag if ETHERTYPES_VLAN.contains(&tag) => at += 4,
            _ => return Err(NOT_IP),
        }
    }
}

/// An address family in the byte order of the capturing machine, whichever that was.
fn loopback(frame: Cut<'_>) -> Result<Cut<'_>, Reason> {
    let family = frame.u32(0).ok_or(CUT_HEADERS)?;
    match ADDRESS_FAMILIES.contains(&family) || ADDRESS_FAMILIES.contains(&family.swap_bytes()) {
        true => Ok(frame.after(4)),
        false => Err(NOT_IP),
    }
}
