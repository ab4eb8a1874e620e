//! IP fragments.

use super::build::{CLIENT, Pcap, SERVER, ethernet, ipv4_part, ipv6, udp};
use super::{check, told};

const MORE: u16 = 0x2000;

/// A datagram of 32 bytes in parts of 8.
fn datagram() -> Vec<u8> {
    udp((4000, 53), b"abcdefghijklmnopqrstuvwx")
}

fn part(id: u16, place: u16, payload: &[u8]) -> Vec<u8> {
    ethernet(0x0800, &ipv4_part(CLIENT, SERVER, 17, id, place, payload))
}

fn file(frames: &[Vec<u8>]) -> Vec<u8> {
    super::build::pcap(frames)
}

const WHOLE: [&str; 3] =
    ["open 1 Datagram 10.0.0.2:53 - 10.0.0.1:4000", "data 1 Received 0+24 abcdefghijklmnopqrstuvwx", "close 1"];

#[test]
fn parts_make_a_datagram_in_any_order() {
    let whole = datagram();
    let parts = [part(1, MORE, &whole[..8]), part(1, MORE | 1, &whole[8..24]), part(1, 3, &whole[24..])];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        check(&file(&order.map(|i| parts[i].clone())), &WHOLE);
    }
}

#[test]
fn where_parts_overlap_the_first_is_kept() {
    let whole = datagram();
    let frames = [
        part(1, MORE | 1, &whole[8..24]),
        part(1, MORE, &[&whole[..8], b"XXXXXXXX"].concat()),
        part(1, 2, &[b"YYYYYYYY", &whole[24..]].concat()),
    ];
    check(&file(&frames), &WHOLE);
}

#[test]
fn ids_keep_datagrams_apart() {
    let whole = datagram();
    let other = udp((4000, 53), b"ABCDEFGHIJKLMNOPQRSTUVWX");
    let frames = [part(1, MORE, &whole[..16]), part(2, MORE, &other[..16]), part(2, 2, &other[16..]), part(1, 2, &whole[16..])];
    let notes = told(&file(&frames));
    assert_eq!(notes.said[&(1, false)], b"ABCDEFGHIJKLMNOPQRSTUVWXabcdefghijklmnopqrstuvwx");
}

#[test]
fn ipv6_parts_make_a_datagram() {
    let whole = datagram();
    let part = |place: u16, payload: &[u8]| {
        let head = [&[17, 0][..], &place.to_be_bytes(), &[0, 0, 0, 7]].concat();
        ipv6(1, 2, 44, &[&head, payload].concat())
    };
    let mut file = Pcap::new(101);
    file.add(&part(16, &whole[16..]));
    file.add(&part(1, &whole[..16]));
    let data = "data 1 Received 0+24 abcdefghijklmnopqrstuvwx";
    check(&file.bytes, &["open 1 Datagram [fd00::2]:53 - [fd00::1]:4000", data, "close 1"]);
}

#[test]
fn a_part_cut_by_the_snap_length_leaves_the_rest_unseen() {
    let whole = datagram();
    let mut file = Pcap::new(1);
    file.add_cut(&part(1, MORE, &whole[..16]), 14 + 24 + 12);
    file.add(&part(1, 2, &whole[16..]));
    let data = "data 1 Received 0+24 abcd";
    check(&file.bytes, &["open 1 Datagram 10.0.0.2:53 - 10.0.0.1:4000", data, "close 1"]);
}

#[test]
fn parts_without_the_others_are_lost_after_a_while() {
    let whole = datagram();
    let mut file = Pcap::new(1);
    file.add(&part(1, MORE, &whole[..16]));
    file.at_us += 31_000_000;
    file.add(&part(1, 2, &whole[16..]));
    check(&file.bytes, &["lost fragments_missing 16", "lost fragments_missing 16"]);
}

#[test]
fn waiting_datagrams_are_limited() {
    let whole = datagram();
    let mut file = Pcap::new(1);
    file.step_us = 1;
    for id in 0..5000 {
        file.add(&part(id, MORE, &whole[..16]));
    }
    let notes = told(&file.bytes);
    let count = |line: &str| notes.lines.iter().filter(|other| *other == line).count();
    assert_eq!((count("lost fragments_limit 16"), count("lost fragments_missing 16")), (5000 - 4096, 4096));
}

#[test]
fn parts_that_contradict_each_other_are_counted() {
    let whole = datagram();
    let frames = [
        part(1, 3, &whole[24..]),
        // Beyond the end, an odd length before the end, and beyond what a datagram can be.
        part(1, MORE | 4, &whole[..8]),
        part(1, MORE, &whole[..7]),
        part(1, 0x1fff, &whole[..16]),
        part(1, MORE, &whole[..24]),
    ];
    let lost = ["lost malformed_packet 46", "lost malformed_packet 45", "lost malformed_packet 54"];
    check(&file(&frames), &[&lost[..], &WHOLE].concat());
}
