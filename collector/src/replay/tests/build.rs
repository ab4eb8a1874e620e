//! Packets and capture files, byte by byte.

/// A client and a server, who speak over IPv4 in Ethernet frames unless a test says otherwise.
pub const CLIENT: [u8; 4] = [10, 0, 0, 1];
pub const SERVER: [u8; 4] = [10, 0, 0, 2];
pub const CLIENT_PORT: u16 = 4000;
pub const SERVER_PORT: u16 = 80;

pub const FIN: u8 = 1;
pub const SYN: u8 = 2;
pub const RST: u8 = 4;
pub const PSH: u8 = 8;
pub const ACK: u8 = 16;

pub fn tcp(ports: (u16, u16), flags: u8, seq: u32, ack: u32, data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend(ports.0.to_be_bytes());
    out.extend(ports.1.to_be_bytes());
    out.extend(seq.to_be_bytes());
    out.extend(ack.to_be_bytes());
    // Eight header words, of which three are options.
    out.extend([0x80, flags, 0xff, 0xff, 0, 0, 0, 0]);
    out.extend([1; 12]);
    out.extend(data);
    out
}

pub fn udp(ports: (u16, u16), data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend(ports.0.to_be_bytes());
    out.extend(ports.1.to_be_bytes());
    out.extend((data.len() as u16 + 8).to_be_bytes());
    out.extend([0, 0]);
    out.extend(data);
    out
}

pub fn ipv4(from: [u8; 4], to: [u8; 4], protocol: u8, payload: &[u8]) -> Vec<u8> {
    ipv4_part(from, to, protocol, 0, 0, payload)
}

/// `place`: flags and offset in units of 8 bytes.
pub fn ipv4_part(from: [u8; 4], to: [u8; 4], protocol: u8, id: u16, place: u16, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0x46, 0];
    out.extend((payload.len() as u16 + 24).to_be_bytes());
    out.extend(id.to_be_bytes());
    out.extend(place.to_be_bytes());
    out.extend([64, protocol, 0, 0]);
    out.extend(from);
    out.extend(to);
    // One word of options.
    out.extend([1, 1, 1, 0]);
    out.extend(payload);
    out
}

pub fn ipv6(from: u8, to: u8, next: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0x60, 0, 0, 0];
    out.extend((payload.len() as u16).to_be_bytes());
    out.extend([next, 64]);
    for last in [from, to] {
        out.extend([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
    }
    out.extend(payload);
    out
}

pub fn ethernet(ethertype: u16, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
    out.extend(ethertype.to_be_bytes());
    out.extend(payload);
    out
}

/// From the client to the server.
pub fn up(flags: u8, seq: u32, ack: u32, data: &[u8]) -> Vec<u8> {
    let segment = tcp((CLIENT_PORT, SERVER_PORT), flags, seq, ack, data);
    ethernet(0x0800, &ipv4(CLIENT, SERVER, 6, &segment))
}

/// From the server to the client.
pub fn down(flags: u8, seq: u32, ack: u32, data: &[u8]) -> Vec<u8> {
    let segment = tcp((SERVER_PORT, CLIENT_PORT), flags, seq, ack, data);
    ethernet(0x0800, &ipv4(SERVER, CLIENT, 6, &segment))
}

/// The three packets with which a connection begins; the client's bytes begin at `up`, the server's at `down`.
pub fn handshake(up_seq: u32, down_seq: u32) -> [Vec<u8>; 3] {
    [
        up(SYN, up_seq.wrapping_sub(1), 0, b""),
        down(SYN | ACK, down_seq.wrapping_sub(1), up_seq, b""),
        up(ACK, up_seq, down_seq, b""),
    ]
}

/// A pcap file of Ethernet frames, one a millisecond.
pub fn pcap(frames: &[Vec<u8>]) -> Vec<u8> {
    let mut file = Pcap::new(1);
    for frame in frames {
        file.add(frame);
    }
    file.bytes
}

/// A pcap file that grows, with microseconds and little-endian.
pub struct Pcap {
    pub bytes: Vec<u8>,
    pub at_us: u64,
    /// How much later the next frame is.
    pub step_us: u64,
}

impl Pcap {
    pub fn new(link: u32) -> Self {
        let mut bytes = Vec::new();
        bytes.extend(0xa1b2_c3d4_u32.to_le_bytes());
        bytes.extend([2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0]);
        bytes.extend(link.to_le_bytes());
        Self { bytes, at_us: 0, step_us: 1000 }
    }

    pub fn add(&mut self, frame: &[u8]) {
        self.add_cut(frame, frame.len());
    }

    /// Only the first `snap` bytes of a frame.
    pub fn add_cut(&mut self, frame: &[u8], snap: usize) {
        self.at_us += self.step_us;
        let captured = frame.len().min(snap);
        for word in [self.at_us / 1_000_000, self.at_us % 1_000_000, captured as u64, frame.len() as u64] {
            self.bytes.extend((word as u32).to_le_bytes());
        }
        self.bytes.extend(&frame[..captured]);
    }
}
