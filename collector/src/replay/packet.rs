//! From an IP payload to a TCP segment (RFC 9293 section 3.1) or a UDP datagram (RFC 768).
//!
//! In: the payload and its addresses. Out: what the header says, and the data. Keeps no state.

use std::net::SocketAddr;

use super::cut::Cut;
use super::ip::{Addr, Ip};
use super::reasons::{CUT_HEADERS, MALFORMED, Reason};

const UDP_HEADER_BYTES: usize = 8;
const TCP_HEADER_BYTES: usize = 20;

/// One end of a connection.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Socket {
    pub addr: Addr,
    pub port: u16,
}

impl Socket {
    pub fn to_addr(self) -> SocketAddr {
        SocketAddr::new(self.addr.to_ip(), self.port)
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    pub from: Socket,
    pub to: Socket,
    pub sequence: u32,
    /// The next byte that its sender expects.
    pub acknowledged: Option<u32>,
    pub syn: bool,
    pub fin: bool,
    pub rst: bool,
    pub psh: bool,
    pub data: Cut<'a>,
}

#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    pub from: Socket,
    pub to: Socket,
    pub data: Cut<'a>,
}

fn sockets(ip: &Ip<'_>) -> Result<(Socket, Socket), Reason> {
    let from = Socket { addr: ip.from, port: ip.payload.u16(0).ok_or(CUT_HEADERS)? };
    let to = Socket { addr: ip.to, port: ip.payload.u16(2).ok_or(CUT_HEADERS)? };
    Ok((from, to))
}

pub fn segment<'a>(ip: &Ip<'a>) -> Result<Segment<'a>, Reason> {
    let (from, to) = sockets(ip)?;
    let sequence = ip.payload.u32(4).ok_or(CUT_HEADERS)?;
    let acknowledged = ip.payload.u32(8).ok_or(CUT_HEADERS)?;
    let header_len = usize::from(ip.payload.u8(12).ok_or(CUT_HEADERS)? >> 4) * 4;
    let flags = ip.payload.u8(13).ok_or(CUT_HEADERS)?;
    if header_len < TCP_HEADER_BYTES || header_len > ip.payload.len {
        return Err(MALFORMED);
    }
    Ok(Segment {
        from,
        to,
        sequence,
        acknowledged: (flags & 0x10 != 0).then_some(acknowledged),
        syn: flags & 0x02 != 0,
        fin: flags & 0x01 != 0,
        rst: flags & 0x04 != 0,
        psh: flags & 0x08 != 0,
        data: ip.payload.after(header_len),
    })
}

pub fn datagram<'a>(ip: &Ip<'a>) -> Result<Datagram<'a>, Reason> {
    let (from, to) = sockets(ip)?;
    let len = match usize::from(ip.payload.u16(4).ok_or(CUT_HEADERS)?) {
        // A jumbogram (RFC 2675), or left for the network card to fill in.
        0 => ip.payload.len,
        len => len,
    };
    if len < UDP_HEADER_BYTES || ip.payload.len < UDP_HEADER_BYTES {
        return Err(MALFORMED);
    }
    Ok(Datagram { from, to, data: ip.payload.first(len).after(UDP_HEADER_BYTES) })
}
