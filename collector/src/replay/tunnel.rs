//! Packets that travel inside other packets, as between the nodes of a cluster.
//!
//! In: an IP packet that is whole. Out: the IP packet in it, unless it carries TCP or UDP for itself. Knows IP in IP (RFC 2003, 2473,
//! 4213), GRE (RFC 2784, 2890) with IP or Ethernet, VXLAN (RFC 7348) and Geneve (RFC 8926).

use super::cut::Cut;
use super::ip::{self, Ip};
use super::link;
use super::packet;
use super::reasons::{CUT_HEADERS, NOT_TCP_OR_UDP, Reason};

/// IANA's port, and Linux' before there was one.
const VXLAN_PORTS: [u16; 2] = [4789, 8472];
const GENEVE_PORT: u16 = 6081;

const ETHERTYPE_ETHERNET: u16 = 0x6558;

const GRE_CHECKSUM: u16 = 0x8000;
const GRE_ROUTING: u16 = 0x4000;
const GRE_KEY: u16 = 0x2000;
const GRE_SEQUENCE: u16 = 0x1000;
const GRE_VERSION: u16 = 0x0007;

/// `None` when the packet is not a tunnel's.
pub fn inner<'a>(outer: &Ip<'a>) -> Result<Option<Cut<'a>>, Reason> {
    match outer.protocol {
        ip::TCP => Ok(None),
        ip::UDP => datagram(outer),
        ip::IPV4 | ip::IPV6 => Ok(Some(outer.payload)),
        ip::GRE => gre(outer.payload).map(Some),
        _ => Err(NOT_TCP_OR_UDP),
    }
}

fn datagram<'a>(outer: &Ip<'a>) -> Result<Option<Cut<'a>>, Reason> {
    let port = outer.payload.u16(2).ok_or(CUT_HEADERS)?;
    if port != GENEVE_PORT && !VXLAN_PORTS.contains(&port) {
        return Ok(None);
    }
    let data = packet::datagram(outer)?.data;
    let Some(first) = data.u32(0) else { return Ok(None) };
    if port == GENEVE_PORT {
        // version 0, and no unknown flags
        let (options, carried) = ((first >> 24 & 0x3f) as usize * 4, first as u16);
        return if first & 0xc03f_0000 == 0 { carries(carried, data.after(8 + options)).map(Some) } else { Ok(None) };
    }
    // the one flag that says that there is an identifier
    if first == 0x0800_0000 { link::ethernet(data.after(8)).map(Some) } else { Ok(None) }
}

fn gre(packet: Cut<'_>) -> Result<Cut<'_>, Reason> {
    let flags = packet.u16(0).ok_or(CUT_HEADERS)?;
    if flags & (GRE_ROUTING | GRE_VERSION) != 0 {
        return Err(NOT_TCP_OR_UDP);
    }
    let optional = [GRE_CHECKSUM, GRE_KEY, GRE_SEQUENCE].iter().filter(|flag| flags & **flag != 0).count();
    carries(packet.u16(2).ok_or(CUT_HEADERS)?, packet.after(4 + 4 * optional))
}

fn carries(ethertype: u16, payload: Cut<'_>) -> Result<Cut<'_>, Reason> {
    match ethertype {
        ETHERTYPE_ETHERNET => link::ethernet(payload),
        _ => link::carried(ethertype, payload),
    }
}
