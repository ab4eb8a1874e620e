//! A number for all statements that differ in nothing but values, layout and the case of unquoted words.

use std::fmt;

use crate::{Dialect, normalize};

/// A statement's fingerprint; as text sixteen hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint(pub u64);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// FNV-1a (64 bit) of the [normalised](normalize) text, ASCII letters outside quotes in lower case.
///
/// The same number on every machine and in every version, as long as the normalised text is the same. Quoted names keep
/// their case. A text that was cut has another fingerprint than the whole statement.
pub fn fingerprint(text: &str, dialect: Dialect) -> Fingerprint {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let (mut hash, mut quote) = (OFFSET, None);
    for byte in normalize(text, dialect).bytes() {
        // a doubled quote closes and opens again, which comes to the same
        match (byte, quote) {
            (b'"' | b'`', None) => quote = Some(byte),
            (_, Some(open)) if open == byte => quote = None,
            _ => {}
        }
        let byte = if quote.is_none() { byte.to_ascii_lowercase() } else { byte };
        hash = (hash ^ u64::from(byte)).wrapping_mul(PRIME);
    }
    Fingerprint(hash)
}
