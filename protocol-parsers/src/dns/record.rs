//! The answer section as JSON: a list of `{name, type, ttl, data}`.
//!
//! In: a message. Out: its answers, with each record's data in presentation format: the common types by this module and DNSSEC's by `dnssec`
//! (names without their final dot), the others by hickory-proto, and what neither can read as `\# length hex` (RFC 3597 section 5).

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hickory_proto::rr::{RData, RecordType};
use hickory_proto::serialize::binary::{BinDecoder, Restrict};

use super::frame::{Message, Record};
use super::{dnssec, name, names};
use crate::json;

/// The answers of one or more messages.
#[derive(Debug, Default)]
pub struct Answers {
    /// Without the closing bracket.
    text: Vec<u8>,
    /// Records that the messages' headers announce.
    pub count: u64,
    /// Records were left out, by a limit or because they could not be read.
    pub truncated: bool,
    /// SOA records that were read: a zone transfer begins and ends with one.
    pub soa_count: u64,
    /// The last record that was read is an SOA.
    pub ends_with_soa: bool,
    /// The first addresses among them.
    pub addresses: Vec<IpAddr>,
}

const ADDRESSES_MAX: usize = 64;

impl Answers {
    /// Appends a message's answers, as long as there is less text than `bytes_max`.
    pub fn add(&mut self, bytes: &[u8], message: &Message, bytes_max: usize) {
        let count = message.header.counts[1];
        self.count += u64::from(count);
        let mut at = message.answers_at;
        let mut owner = Vec::new();
        for _ in 0..count {
            owner.clear();
            let Some(record) = Record::read(bytes, at, &mut owner) else {
                self.truncated = true;
                return;
            };
            at = record.data.1;
            self.ends_with_soa = record.record_type == SOA;
            self.soa_count += u64::from(self.ends_with_soa);
            if self.addresses.len() < ADDRESSES_MAX {
                self.addresses.extend(address(bytes, &record));
            }
            if self.text.len() >= bytes_max {
                self.truncated = true;
                continue;
            }
            self.write(bytes, &record, &owner);
        }
    }

    fn write(&mut self, message: &[u8], record: &Record, owner: &[u8]) {
        let out = &mut self.text;
        out.extend_from_slice(if out.is_empty() { b"[{\"name\":" } else { b",{\"name\":" });
        json::text(out, owner);
        // writing to a vector does not fail
        let _ = write!(out, ",\"type\":\"{}\",\"ttl\":{},\"data\":", names::record_type(record.record_type), record.ttl);
        json::text(out, &data(message, record));
        out.push(b'}');
    }

    /// The whole list.
    pub fn finish(&mut self) -> &[u8] {
        self.text.extend_from_slice(if self.text.is_empty() { b"[]" } else { b"]" });
        &self.text
    }

    pub fn heap_bytes(&self) -> usize {
        self.text.capacity() + self.addresses.capacity() * size_of::<IpAddr>()
    }
}

fn address(message: &[u8], record: &Record) -> Option<IpAddr> {
    let data = message.get(record.data.0..record.data.1)?;
    match record.record_type {
        A => <[u8; 4]>::try_from(data).ok().map(IpAddr::from),
        AAAA => <[u8; 16]>::try_from(data).ok().map(IpAddr::from),
        _ => None,
    }
}

const A: u16 = 1;
const NS: u16 = 2;
const CNAME: u16 = 5;
const SOA: u16 = 6;
const PTR: u16 = 12;
const MX: u16 = 15;
const TXT: u16 = 16;
const AAAA: u16 = 28;
const SRV: u16 = 33;
const DNAME: u16 = 39;
const OPT: u16 = 41;

/// A record's data in presentation format.
fn data(message: &[u8], record: &Record) -> Vec<u8> {
    let mut out = Vec::new();
    if common(message, record, &mut out).is_some() {
        return out;
    }
    out.clear();
    if dnssec::write(message, record.record_type, record.data, &mut out).is_some() {
        return out;
    }
    if let Some(text) = rarer(message, record) {
        return text.into_bytes();
    }
    out.clear();
    let raw = &message[record.data.0..record.data.1];
    let _ = write!(out, "\\# {}", raw.len());
    for (i, byte) in raw.iter().enumerate() {
        let _ = write!(out, "{}{byte:02x}", if i == 0 { " " } else { "" });
    }
    out
}

/// The types that most answers consist of; `None` when the type is another or the data are not as they should be.
fn common(message: &[u8], record: &Record, out: &mut Vec<u8>) -> Option<()> {
    let (begin, end) = record.data;
    let raw = message.get(begin..end)?;
    let numbers = |count: usize| raw.get(..2 * count);
    let name_begins = match record.record_type {
        A => return write!(out, "{}", Ipv4Addr::from(<[u8; 4]>::try_from(raw).ok()?)).ok(),
        AAAA => return write!(out, "{}", Ipv6Addr::from(<[u8; 16]>::try_from(raw).ok()?)).ok(),
        TXT => return texts(raw, out),
        SOA => return authority(message, record, out),
        NS | CNAME | PTR | DNAME => 0,
        MX => 2,
        SRV => 6,
        _ => return None,
    };
    for number in numbers(name_begins / 2)?.chunks_exact(2) {
        write!(out, "{} ", u16::from_be_bytes([number[0], number[1]])).ok()?;
    }
    (name::read(message, begin + name_begins, out)? == end).then_some(())
}

/// Quoted strings, one after the other.
fn texts(mut raw: &[u8], out: &mut Vec<u8>) -> Option<()> {
    while let Some((&length, rest)) = raw.split_first() {
        let text = rest.get(..usize::from(length))?;
        if !out.is_empty() {
            out.push(b' ');
        }
        out.push(b'"');
        for &byte in text {
            if matches!(byte, b'"' | b'\\') {
                out.push(b'\\');
            }
            out.push(byte);
        }
        out.push(b'"');
        raw = &rest[text.len()..];
    }
    Some(())
}

/// Primary server, mailbox, serial, refresh, retry, expire, minimum.
fn authority(message: &[u8], record: &Record, out: &mut Vec<u8>) -> Option<()> {
    let (begin, end) = record.data;
    let after = name::read(message, begin, out)?;
    out.push(b' ');
    let after = name::read(message, after, out)?;
    let numbers = message.get(after..end).filter(|n| n.len() == 20)?;
    for n in numbers.chunks_exact(4) {
        write!(out, " {}", u32::from_be_bytes([n[0], n[1], n[2], n[3]])).ok()?;
    }
    Some(())
}

/// Types that hickory-proto can read and write as text.
fn rarer(message: &[u8], record: &Record) -> Option<String> {
    let (begin, end) = record.data;
    let record_type = RecordType::from(record.record_type);
    // an OPT has no presentation format; an unknown type has RFC 3597's, which is written by `data`
    if record.record_type == OPT || matches!(record_type, RecordType::Unknown(_)) || begin == end {
        return None;
    }
    let mut decoder = BinDecoder::new(&message[..end]).clone(u16::try_from(begin).ok()?);
    let length = Restrict::new(u16::try_from(end - begin).ok()?);
    match RData::read(&mut decoder, record_type, length).ok()? {
        RData::Unknown { .. } | RData::NULL(_) | RData::OPT(_) | RData::Update0(_) => None,
        data => {
            use std::fmt::Write as _;
            let mut text = String::new();
            write!(text, "{data}").ok()?;
            // hickory-proto ends each list of a service binding with a comma
            if matches!(record_type, RecordType::SVCB | RecordType::HTTPS) {
                text = text.replace(", ", " ");
            }
            Some(text.trim_end_matches([' ', ',']).to_owned())
        }
    }
}
