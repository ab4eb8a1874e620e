//! Link types, IP headers and what is left out.

use super::build::{ACK, CLIENT, PSH, Pcap, SERVER, down, ethernet, ipv4, ipv6, pcap, tcp, udp, up};
use super::{check, told};

fn packet() -> Vec<u8> {
    ipv4(CLIENT, SERVER, 17, &udp((4000, 53), b"query"))
}

fn packet_v6() -> Vec<u8> {
    ipv6(1, 2, 17, &udp((4000, 53), b"query"))
}

#[track_caller]
fn check_frame(link: u32, frame: &[u8]) {
    let mut file = Pcap::new(link);
    file.add(frame);
    let open = match frame.windows(2).any(|pair| pair == [0xfd, 0]) {
        true => "open 1 Datagram [fd00::2]:53 - [fd00::1]:4000",
        false => "open 1 Datagram 10.0.0.2:53 - 10.0.0.1:4000",
    };
    check(&file.bytes, &[open, "data 1 Received 0+5 query", "close 1"]);
}

#[test]
fn every_link_type_leads_to_ip() {
    for (ethertype, ip, bsd_families) in [(0x0800_u16, packet(), vec![2_u32]), (0x86dd, packet_v6(), vec![10, 24, 28, 30])] {
        check_frame(1, &ethernet(ethertype, &ip));
        let cooked = [&[0, 0, 0, 1, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0][..], &ethertype.to_be_bytes(), &ip].concat();
        check_frame(113, &cooked);
        let cooked = [&ethertype.to_be_bytes()[..], &[0; 18], &ip].concat();
        check_frame(276, &cooked);
        for link in [101, 12, 14, if ethertype == 0x0800 { 228 } else { 229 }] {
            check_frame(link, &ip);
        }
        for family in bsd_families {
            check_frame(0, &[&family.to_le_bytes()[..], &ip].concat());
            check_frame(0, &[&family.to_be_bytes()[..], &ip].concat());
            check_frame(108, &[&family.to_be_bytes()[..], &ip].concat());
        }
    }
}

#[test]
fn vlan_tags_are_passed_over_however_many() {
    let tagged = [&[0, 5, 0x08, 0][..], &packet()].concat();
    check_frame(1, &ethernet(0x8100, &tagged));
    let twice = [&[0, 6, 0x81, 0][..], &tagged].concat();
    check_frame(1, &ethernet(0x88a8, &twice));
    let thrice = [&[0, 7, 0x91, 0][..], &twice].concat();
    check_frame(1, &ethernet(0x9100, &thrice[..4].iter().chain(&twice).copied().collect::<Vec<_>>()));
    check_frame(113, &[&[0; 14][..], &[0x81, 0], &tagged].concat());
    check_frame(276, &[&[0x81, 0][..], &[0; 18], &tagged].concat());
}

#[test]
fn padding_after_the_packet_is_not_data() {
    let mut frame = ethernet(0x0800, &packet());
    frame.resize(100, 0xee);
    check_frame(1, &frame);
}

#[test]
fn ipv6_extension_headers_are_passed_over() {
    let datagram = udp((4000, 53), b"query");
    // Hop-by-hop, destination options, routing of 16 bytes, authentication of 24, mobility, and a fragment that is the whole.
    let chain = [
        &[60, 0, 1, 4, 0, 0, 0, 0][..],
        &[43, 0, 1, 4, 0, 0, 0, 0],
        &[51, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        &[135, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        &[44, 0, 0, 0, 0, 0, 0, 0],
        &[17, 0, 0, 0, 0, 0, 0, 9],
        &datagram,
    ]
    .concat();
    check_frame(101, &ipv6(1, 2, 0, &chain));
}

#[test]
fn mapped_addresses_are_written_as_ipv4() {
    let mut mapped = ipv6(1, 2, 17, &udp((4000, 53), b"query"));
    for (at, addr) in [(8, CLIENT), (24, SERVER)] {
        mapped[at..at + 12].copy_from_slice(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]);
        mapped[at + 12..at + 16].copy_from_slice(&addr);
    }
    check_frame(101, &mapped);
}

#[test]
fn lengths_left_to_the_network_card_are_those_of_the_frame() {
    let data = vec![b'x'; 3000];
    let mut offloaded = ipv4(CLIENT, SERVER, 6, &tcp((1, 2), ACK | PSH, 0, 0, &data));
    offloaded[2..4].copy_from_slice(&[0, 0]);
    let mut offloaded_v6 = ipv6(1, 2, 6, &tcp((1, 2), ACK | PSH, 0, 0, &data));
    offloaded_v6[4..6].copy_from_slice(&[0, 0]);
    let mut file = Pcap::new(101);
    file.add(&offloaded);
    file.add(&offloaded_v6);
    let notes = told(&file.bytes);
    assert_eq!(notes.said[&(1, false)], data);
    assert_eq!(notes.said[&(2, false)], data);
}

#[test]
fn what_the_snap_length_cut_off_is_known_to_exist() {
    let mut file = Pcap::new(1);
    file.add_cut(&up(ACK | PSH, 100, 0, b"0123456789"), 14 + 24 + 32 + 4);
    file.add_cut(&up(ACK | PSH, 110, 0, b"abcdef"), 14 + 24 + 32);
    file.add(&down(ACK | PSH, 7, 116, b"answer"));
    file.add_cut(&ethernet(0x0800, &packet()), 14 + 24 + 8 + 2);
    file.add_cut(&ethernet(0x0800, &packet()), 14 + 24 + 5);
    file.add_cut(&ethernet(0x0800, &packet()), 20);
    file.add_cut(&ethernet(0x0800, &packet()), 13);
    check(
        &file.bytes,
        &[
            "open 1 Stream 10.0.0.2:80 - 10.0.0.1:4000",
            "data 1 Received 0+10 0123",
            "data 1 Received 10+6 ",
            "data 1 Sent 0+6 answer",
            "open 2 Datagram 10.0.0.2:53 - 10.0.0.1:4000",
            "data 2 Received 0+5 qu",
            "lost cut_headers 51",
            "lost cut_headers 51",
            "lost cut_headers 51",
            "close 1",
            "close 2",
        ],
    );
}

#[test]
fn what_is_neither_tcp_nor_udp_is_counted() {
    let mut short = ipv4(CLIENT, SERVER, 17, &udp((1, 2), b""));
    short[24 + 5] = 3;
    let mut header = packet();
    header[0] = 0x42;
    let frames = [
        ethernet(0x0806, &[0; 28]),
        ethernet(0x0800, &ipv4(CLIENT, SERVER, 1, &[8, 0, 0, 0])),
        ethernet(0x86dd, &ipv6(1, 2, 58, &[128, 0, 0, 0])),
        ethernet(0x0800, &short),
        ethernet(0x0800, &header),
        ethernet(0x0800, &[0x50; 40]),
    ];
    check(
        &pcap(&frames),
        &[
            "lost not_ip 42",
            "lost not_tcp_or_udp 42",
            "lost not_tcp_or_udp 58",
            "lost malformed_packet 46",
            "lost malformed_packet 51",
            "lost malformed_packet 54",
        ],
    );
    let mut file = Pcap::new(147);
    file.add(&packet());
    check(&file.bytes, &["lost link_type 37"]);
}

#[test]
fn datagrams_between_the_same_ends_are_one_connection_until_it_is_quiet() {
    let ask = |text: &[u8]| ethernet(0x0800, &ipv4(CLIENT, SERVER, 17, &udp((4000, 53), text)));
    let answer = |text: &[u8]| ethernet(0x0800, &ipv4(SERVER, CLIENT, 17, &udp((53, 4000), text)));
    let mut file = Pcap::new(1);
    file.add(&ask(b"a?"));
    file.add(&answer(b"a!"));
    file.add(&ask(b"aaaa?"));
    file.at_us += 61_000_000;
    file.add(&answer(b"who is there"));
    check(
        &file.bytes,
        &[
            "open 1 Datagram 10.0.0.2:53 - 10.0.0.1:4000",
            "data 1 Received 0+2 a?",
            "data 1 Sent 0+2 a!",
            "data 1 Received 2+5 aaaa?",
            "close 1",
            "open 2 Datagram 10.0.0.1:4000 - 10.0.0.2:53",
            "data 2 Received 0+12 who is there",
            "close 2",
        ],
    );
}
