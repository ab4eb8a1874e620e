//! Presentation format of DNSSEC's records (RFC 4034, RFC 5155), which hickory-proto reads only together with a library of
//! cryptography.

use std::io::Write;

use super::{name, names};

const DS: u16 = 43;
const RRSIG: u16 = 46;
const NSEC: u16 = 47;
const DNSKEY: u16 = 48;
const NSEC3: u16 = 50;
const NSEC3PARAM: u16 = 51;
const CDS: u16 = 59;
const CDNSKEY: u16 = 60;

/// Appends the data between `begin` and `end`; `None` when the type is another or the data are not as they should be.
pub fn write(message: &[u8], record_type: u16, (begin, end): (usize, usize), out: &mut Vec<u8>) -> Option<()> {
    let raw = message.get(begin..end)?;
    match record_type {
        DS | CDS => {
            let (&[tag_high, tag_low, algorithm, digest_type], digest) = raw.split_first_chunk()?;
            let tag = u16::from_be_bytes([tag_high, tag_low]);
            write!(out, "{tag} {algorithm} {digest_type} ").ok()?;
            hexadecimal(digest, out)
        }
        DNSKEY | CDNSKEY => {
            let (&[flags_high, flags_low, protocol, algorithm], key) = raw.split_first_chunk()?;
            let flags = u16::from_be_bytes([flags_high, flags_low]);
            write!(out, "{flags} {protocol} {algorithm} ").ok()?;
            base64(key, out);
            Some(())
        }
        RRSIG => signature(message, begin, end, out),
        NSEC => {
            let after = name::read(message, begin, out)?;
            types(message.get(after..end)?, out)
        }
        NSEC3 => hashed(raw, out),
        NSEC3PARAM => salted(raw, out).filter(|rest| rest.is_empty()).map(|_| ()),
        _ => None,
    }
}

/// Type covered, algorithm, labels, original TTL, expiration, inception, key tag, signer, signature. The two times are seconds
/// since 1970, as RFC 4034 section 3.2 allows.
fn signature(message: &[u8], begin: usize, end: usize, out: &mut Vec<u8>) -> Option<()> {
    let fixed: &[u8; 18] = message.get(begin..end)?.first_chunk()?;
    let covered = names::record_type(u16::from_be_bytes([fixed[0], fixed[1]]));
    write!(out, "{covered} {} {} ", fixed[2], fixed[3]).ok()?;
    for number in fixed[4..16].chunks_exact(4) {
        write!(out, "{} ", u32::from_be_bytes([number[0], number[1], number[2], number[3]])).ok()?;
    }
    write!(out, "{} ", u16::from_be_bytes([fixed[16], fixed[17]])).ok()?;
    let after = name::read(message, begin + fixed.len(), out)?;
    out.push(b' ');
    base64(message.get(after..end)?, out);
    Some(())
}

/// Algorithm, flags, iterations, salt; returns what follows.
fn salted<'a>(raw: &'a [u8], out: &mut Vec<u8>) -> Option<&'a [u8]> {
    let (&[algorithm, flags, high, low, salt_bytes], rest) = raw.split_first_chunk()?;
    let (salt, rest) = rest.split_at_checked(usize::from(salt_bytes))?;
    write!(out, "{algorithm} {flags} {} ", u16::from_be_bytes([high, low])).ok()?;
    if salt.is_empty() {
        out.push(b'-');
    }
    hexadecimal(salt, out)?;
    Some(rest)
}

/// NSEC3: as above, then the next owner's hash and the types.
fn hashed(raw: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let (&hash_bytes, rest) = salted(raw, out)?.split_first()?;
    let (hash, maps) = rest.split_at_checked(usize::from(hash_bytes))?;
    out.push(b' ');
    base32hex(hash, out);
    types(maps, out)
}

/// The record types of a type bit map (RFC 4034 section 4.1.2), each after a space.
fn types(mut maps: &[u8], out: &mut Vec<u8>) -> Option<()> {
    while let Some((&[window, bytes], rest)) = maps.split_first_chunk() {
        let (map, rest) = rest.split_at_checked(usize::from(bytes)).filter(|_| bytes <= 32)?;
        for bit in (0..map.len() * 8).filter(|bit| map[bit / 8] & (0x80 >> (bit % 8)) != 0) {
            let code = u16::from(window) << 8 | bit as u16;
            write!(out, " {}", names::record_type(code)).ok()?;
        }
        maps = rest;
    }
    maps.is_empty().then_some(())
}

fn hexadecimal(bytes: &[u8], out: &mut Vec<u8>) -> Option<()> {
    bytes.iter().try_for_each(|byte| write!(out, "{byte:02x}")).ok()
}

/// RFC 4648 section 4.
fn base64(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0u32, |bits, b| bits << 8 | u32::from(*b)) << (8 * (3 - group.len()));
        for digit in 0..4 {
            let used = digit <= group.len();
            out.push(if used { DIGITS[(bits >> (18 - 6 * digit)) as usize & 63] } else { b'=' });
        }
    }
}

/// RFC 4648 section 7, without padding.
fn base32hex(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHIJKLMNOPQRSTUV";
    for group in bytes.chunks(5) {
        let bits = group.iter().fold(0u64, |bits, b| bits << 8 | u64::from(*b)) << (8 * (5 - group.len()));
        let digits = (group.len() * 8).div_ceil(5);
        out.extend((0..digits).map(|digit| DIGITS[(bits >> (35 - 5 * digit)) as usize & 31]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings() {
        let text = |encode: fn(&[u8], &mut Vec<u8>), bytes: &str| {
            let mut out = vec![];
            encode(bytes.as_bytes(), &mut out);
            String::from_utf8_lossy(&out).into_owned()
        };
        // RFC 4648 section 10
        assert_eq!(["", "f", "fo", "foo", "foob"].map(|t| text(base64, t)), ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg=="]);
        assert_eq!(["", "f", "fo", "foobar"].map(|t| text(base32hex, t)), ["", "CO", "CPNG", "CPNMUOJ1E8"]);
    }
}
