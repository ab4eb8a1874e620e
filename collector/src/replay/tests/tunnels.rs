//! Packets in packets.

use super::build::{CLIENT, Pcap, SERVER, ethernet, ipv4, ipv4_part, ipv6, udp};
use super::{check, told};

const OUTER: [[u8; 4]; 2] = [[192, 0, 2, 1], [192, 0, 2, 2]];

fn packet() -> Vec<u8> {
    ipv4(CLIENT, SERVER, 17, &udp((4000, 53), b"query"))
}

fn outer(protocol: u8, payload: &[u8]) -> Vec<u8> {
    ipv4(OUTER[0], OUTER[1], protocol, payload)
}

#[track_caller]
fn check_packet(link: u32, frame: &[u8]) {
    let mut file = Pcap::new(link);
    file.add(frame);
    check(&file.bytes, &["open 1 Datagram 10.0.0.2:53 - 10.0.0.1:4000", "data 1 Received 0+5 query", "close 1"]);
}

#[track_caller]
fn check_lost(frame: &[u8], why: &str) {
    let mut file = Pcap::new(101);
    file.add(frame);
    let told = told(&file.bytes).lines;
    assert!(told.iter().all(|line| line.starts_with("lost") && line.contains(why)) && !told.is_empty(), "{told:?}");
}

fn gre(flags: u16, ethertype: u16, optional: usize, payload: &[u8]) -> Vec<u8> {
    [&flags.to_be_bytes()[..], &ethertype.to_be_bytes(), &vec![0; optional], payload].concat()
}

#[test]
fn ip_in_ip() {
    check_packet(101, &outer(4, &packet()));
    check_packet(101, &ipv6(8, 9, 4, &packet()));
    check_packet(101, &outer(41, &ipv6(8, 9, 4, &packet())));
}

#[test]
fn gre_with_ip_and_with_ethernet() {
    check_packet(101, &outer(47, &gre(0, 0x0800, 0, &packet())));
    check_packet(101, &outer(47, &gre(0xb000, 0x0800, 12, &packet())));
    check_packet(101, &outer(47, &gre(0x2000, 0x6558, 4, &ethernet(0x0800, &packet()))));
    // of PPTP, and with a route in it
    check_lost(&outer(47, &gre(0x2001, 0x880b, 4, &packet())), "not_tcp_or_udp");
    check_lost(&outer(47, &gre(0x4000, 0x0800, 4, &packet())), "not_tcp_or_udp");
    check_lost(&outer(47, &gre(0, 0x0806, 0, &[0; 28])), "not_ip");
}

#[test]
fn vxlan_and_geneve() {
    let frame = ethernet(0x8100, &[&[0, 5, 0x08, 0][..], &packet()].concat());
    for port in [4789, 8472] {
        check_packet(101, &outer(17, &udp((50_000, port), &[&[8, 0, 0, 0, 0, 0, 42, 0][..], &frame].concat())));
    }
    let geneve = |first: u8, ethertype: u16, options: &[u8], payload: &[u8]| {
        let data = [&[first, 0][..], &ethertype.to_be_bytes(), &[0, 0, 42, 0], options, payload].concat();
        outer(17, &udp((50_000, 6081), &data))
    };
    check_packet(101, &geneve(0, 0x6558, &[], &frame));
    check_packet(101, &geneve(2, 0x6558, &[1, 2, 3, 1, 0, 0, 0, 0], &frame));
    check_packet(101, &geneve(0, 0x0800, &[], &packet()));
}

#[test]
fn other_datagrams_at_these_ports_are_themselves() {
    for port in [4789, 6081] {
        let mut file = Pcap::new(101);
        file.add(&outer(17, &udp((50_000, port), b"\xffhello there")));
        let told = told(&file.bytes).lines;
        assert!(told[0].starts_with(&format!("open 1 Datagram 192.0.2.2:{port}")), "{told:?}");
    }
}

#[test]
fn both_may_be_in_fragments() {
    let inner = ipv4_part(CLIENT, SERVER, 17, 1, 0x2000, &udp((4000, 53), b"query")[..8]);
    let rest = ipv4_part(CLIENT, SERVER, 17, 1, 1, &udp((4000, 53), b"query")[8..]);
    let mut file = Pcap::new(101);
    for part in [inner, rest] {
        let whole = [&[8, 0, 0, 0, 0, 0, 42, 0][..], &ethernet(0x0800, &part)].concat();
        let whole = udp((50_000, 4789), &whole);
        let id = part[13].into();
        file.add(&ipv4_part(OUTER[0], OUTER[1], 17, id, 0x2000, &whole[..24]));
        file.add(&ipv4_part(OUTER[0], OUTER[1], 17, id, 3, &whole[24..]));
    }
    check(&file.bytes, &["open 1 Datagram 10.0.0.2:53 - 10.0.0.1:4000", "data 1 Received 0+5 query", "close 1"]);
}

#[test]
fn tunnels_in_tunnels_have_an_end() {
    let nested = |depth: usize| (0..depth).fold(packet(), |inner, _| outer(4, &inner));
    check_packet(101, &nested(4));
    check_lost(&nested(5), "tunnels_limit");
    check_lost(&outer(47, &[0x20]), "cut_headers");
}

#[test]
fn labels_and_ppp_are_passed_over() {
    let labels = [&[0, 1, 0, 0x40, 0, 2, 1, 0x40][..], &packet()].concat();
    check_packet(1, &ethernet(0x8847, &labels));
    check_packet(1, &ethernet(0x8864, &[&[0x11, 0, 0, 1, 0, 99, 0, 0x21][..], &packet()].concat()));
    check_packet(9, &[&[0xff, 3, 0, 0x21][..], &packet()].concat());
    check_packet(9, &[&[0x21][..], &packet()].concat());
    let length = packet().len() as u16 + 8;
    check_packet(1, &ethernet(length, &[&[0xaa, 0xaa, 3, 0, 0, 0, 8, 0][..], &packet()].concat()));
}
