//! Captures of real traffic: `tests/captures` of the workspace.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::harness::*;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/captures")
}

/// All captures, of every protocol.
pub fn captures() -> Vec<PathBuf> {
    let folders = std::fs::read_dir(folder()).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_dir());
    let files = folders.flat_map(|f| std::fs::read_dir(f).unwrap().map(|e| e.unwrap().path()));
    let mut captures: Vec<_> = files.filter(|p| p.extension().is_some_and(|e| e == "pcap")).collect();
    captures.sort();
    captures
}

/// Payloads of one TCP connection in their order, with whether the end sent them that spoke first.
pub struct Conversation(pub Vec<(bool, Vec<u8>)>);

impl Conversation {
    /// The bytes of both directions.
    pub fn both(&self) -> (Vec<u8>, Vec<u8>) {
        let of = |direction| self.0.iter().filter(|s| s.0 == direction).flat_map(|s| s.1.clone()).collect();
        (of(true), of(false))
    }

    pub fn turns(&self) -> Vec<Turn<'_>> {
        self.0.iter().map(|(client, bytes)| if *client { Client(bytes) } else { Server(bytes) }).collect()
    }
}

/// The TCP conversations of a small capture without losses: Ethernet or Linux cooked, IPv4.
pub fn capture(path: &Path) -> Vec<Conversation> {
    let bytes = std::fs::read(path).unwrap();
    let little = match bytes[..4] {
        [0xd4, 0xc3, 0xb2, 0xa1] | [0x4d, 0x3c, 0xb2, 0xa1] => true,
        [0xa1, 0xb2, 0xc3, 0xd4] => false,
        // another format
        _ => return vec![],
    };
    let u32_at = |at: usize| {
        let raw = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
        if little { u32::from_le_bytes(raw) } else { u32::from_be_bytes(raw) }
    };
    let link_bytes = match u32_at(20) {
        1 => 14,
        113 => 16,
        other => panic!("{}: link type {other}", path.display()),
    };
    let (mut conversations, mut at) = (BTreeMap::<_, Conversation>::new(), 24);
    while at + 16 <= bytes.len() {
        let length = u32_at(at + 8) as usize;
        let packet = &bytes[at + 16..at + 16 + length];
        at += 16 + length;
        let Some((key, up, payload)) = tcp(packet.get(link_bytes..).unwrap_or_default()) else { continue };
        if !payload.is_empty() {
            conversations.entry(key).or_insert(Conversation(vec![])).0.push((up, payload.to_vec()));
        }
    }
    let mut conversations: Vec<_> = conversations.into_values().collect();
    for Conversation(segments) in &mut conversations {
        let first = segments[0].0;
        segments.iter_mut().for_each(|s| s.0 = s.0 == first);
    }
    conversations
}

type Key = (Vec<u8>, u16, u16);

fn tcp(ip: &[u8]) -> Option<(Key, bool, &[u8])> {
    if ip.first()? >> 4 != 4 || ip.get(9)? != &6 {
        return None;
    }
    let total = usize::from(u16::from_be_bytes([ip[2], ip[3]]));
    let tcp = ip.get(usize::from(ip[0] & 15) * 4..total)?;
    let (from, to) = (u16::from_be_bytes([tcp[0], tcp[1]]), u16::from_be_bytes([tcp[2], tcp[3]]));
    let mut addresses = [&ip[12..16], &ip[16..20]];
    addresses.sort();
    Some(((addresses.concat(), from.min(to), from.max(to)), to < from, tcp.get(usize::from(tcp[12] >> 4) * 4..)?))
}

#[track_caller]
fn check_capture(name: &str, from_start: bool, expect: &[&str]) {
    let conversations = capture(&folder().join("postgres").join(name));
    let mut lines = vec![];
    for conversation in &conversations {
        let turns = conversation.turns();
        let whole = rows(from_start, &turns, || usize::MAX);
        assert_eq!(whole.skipped, []);
        assert_eq!(rows(from_start, &turns, || 1).lines, whole.lines);
        lines.extend(whole.lines);
    }
    assert_eq!(lines, expect);
}

#[test]
fn published_captures() {
    check_capture(
        "error.pcap",
        false,
        &[
            "Query | query=asdsdfdsf; | operation=ASDSDFDSF | error_code=42601 | error_message=syntax error at or near \"asdsdfdsf\" likely",
        ],
    );
    check_capture(
        "prepare_stat.pcap",
        false,
        &["Parse | query=delete from test where id=$1 returning id | operation=DELETE [unended] likely"],
    );
    let names = "user_name=postgres | database_name=postgres";
    check_capture(
        "pgsql_extended_query.pcap",
        true,
        &[
            &format!("Startup | {names} | transaction_status=idle"),
            &format!("Parse | query=SET extra_float_digits = 3 | operation=SET | {names}"),
            &format!("Execute | query=SET extra_float_digits = 3 | operation=SET | parameters=[] | command_tag=SET | {names}"),
            &format!("Parse | query=SELECT * from test where id = $1 | operation=SELECT | {names}"),
            &format!(
                "Execute | query=SELECT * from test where id = $1 | operation=SELECT | parameters=[1] | command_tag=SELECT 1 | rows=1 | {names}"
            ),
        ],
    );
}

/// The rows of all conversations of a capture are the lines of a text.
#[track_caller]
fn check_recorded(name: &str, expect: &str) {
    let expect: Vec<&str> = expect.lines().collect();
    check_capture(name, true, &expect);
}

#[test]
fn psycopg_is_understood() {
    check_recorded("recorded-psycopg.pcap", include_str!("recorded-psycopg.txt"));
}

#[test]
fn the_command_line_tools_are_understood() {
    check_recorded("recorded-tools.pcap", include_str!("recorded-tools.txt"));
}
