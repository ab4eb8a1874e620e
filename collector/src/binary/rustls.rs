//! rustls in Rust programs that have symbols.
//!
//! In: an ELF file. Out: an [`Analysis`] with sites where plaintext enters and leaves `CommonState`: functions that do not
//! depend on the program's types and so exist once, whatever the program calls (`Reader::read` and its like are inlined, or
//! passed by: tokio-rustls borrows the received chunks). Both manglings hold a path's words with their lengths, so nothing is
//! demangled. Rust promises no layouts; those relied on are told at [`Call`]'s variants and were the same in rustls 0.23 as
//! built by Rust 1.95.

use super::Error;
use super::elf::{Elf, PIECE_BYTES};
use super::function::{Function, Need, Within};
use super::site::{Analysis, Call, Confidence, Kind};
use super::symbols::{self, Wanted};
use super::values::Width::Bits64;

const KIND: Kind = Kind::Rustls;
/// Read-only data that is searched for the version.
const DATA_BYTES_MAX: u64 = 64 << 20;
const COMMENT_BYTES_MAX: u64 = 4096;
/// From the crate's name in a path to behind its version.
const PATH_BYTES_MAX: usize = 40;

/// A function's last word, as mangled, and what it is. Of the functions that write, the first that is there is enough.
const FUNCTIONS: [(&str, Function); 3] = [
    (
        "23take_received_plaintext",
        Function::new(KIND, "CommonState::take_received_plaintext", Call::Received, &[Bits64, Bits64], Need::Entry),
    ),
    (
        "16buffer_plaintext",
        Function::new(KIND, "CommonState::buffer_plaintext", Call::Send, &[Bits64, Bits64], Need::Result(Bits64)),
    ),
    // up to 0.22
    (
        "19send_some_plaintext",
        Function::new(KIND, "CommonState::send_some_plaintext", Call::Write, &[Bits64, Bits64, Bits64], Need::Result(Bits64)),
    ),
];

/// None: no rustls is seen in it.
pub fn analyse(elf: &Elf<'_>, return_probes: bool) -> Result<Option<Analysis>, Error> {
    if !made_by_rustc(elf) {
        return Ok(None);
    }
    let Some(version) = version(elf)? else { return Ok(None) };
    let confidence = Confidence::Symbol;
    let mut analysis = Analysis {
        kind: KIND,
        build_id: elf.build_id(),
        version: Some(version),
        sites: vec![],
        refused: vec![],
        forwarding: vec![],
        confidence,
        layout: None,
    };
    let Some(table) = elf.symbol_table() else {
        analysis.refused.push(("rustls".to_owned(), "its symbols are gone: the program is stripped".to_owned()));
        return Ok(Some(analysis));
    };
    let symbols = symbols::functions(elf, table, &mut Methods)?;
    let within = Within { elf, others: &symbols, return_probes };
    for (word, function) in &FUNCTIONS {
        let mut found = symbols.iter().filter(|symbol| is_method(symbol.name.as_bytes(), word)).peekable();
        let old = *word == "19send_some_plaintext";
        if found.peek().is_none() && !old {
            analysis.refused.push((function.name.to_owned(), "inlined, or of another version".to_owned()));
        }
        for symbol in found {
            function.add_sites(&within, symbol, &mut |_| Ok(false), &mut analysis)?;
        }
    }
    Ok(Some(analysis))
}

struct Methods;

impl Wanted for Methods {
    fn look(&mut self, string: &[u8], found: &mut dyn FnMut(usize)) {
        if FUNCTIONS.iter().any(|(word, _)| is_method(string, word)) {
            found(0);
        }
    }
}

/// `rustls::…::CommonState::word`, in either mangling, and none of its closures.
fn is_method(symbol: &[u8], word: &str) -> bool {
    let mangled = symbol.starts_with(b"_ZN6rustls") || symbol.starts_with(b"_R");
    let after = |text: &[u8], word: &[u8]| memchr::memmem::find(text, word).map(|at| at + word.len());
    let rest = || {
        let krate = after(symbol, b"6rustls")?;
        let class = krate + after(&symbol[krate..], b"11CommonState")?;
        let word = class + after(&symbol[class..], word.as_bytes())?;
        Some(&symbol[word..])
    };
    // what may follow: nothing, a hash as the last word, a suffix of the compiler's
    mangled && rest().is_some_and(|rest| rest.is_empty() || rest.starts_with(b"17h") || rest.starts_with(b"."))
}

fn made_by_rustc(elf: &Elf<'_>) -> bool {
    let Some(comment) = elf.section(".comment") else { return false };
    let bytes = elf.bytes(comment.offset, comment.size.min(COMMENT_BYTES_MAX) as usize).unwrap_or_default();
    memchr::memmem::find(&bytes, b"rustc ").is_some()
}

/// '0.23.1', from the paths of its sources that panics would name. None: there are none.
fn version(elf: &Elf<'_>) -> Result<Option<String>, Error> {
    let Some(data) = elf.section(".rodata") else { return Ok(None) };
    let size = data.size.min(DATA_BYTES_MAX);
    let mut piece = vec![0; PIECE_BYTES];
    let mut position = 0;
    while position < size {
        let filled = elf.fill(data.offset + position, &mut piece)?;
        if let Some(version) = version_in(&piece[..filled]) {
            return Ok(Some(version));
        }
        if filled <= PATH_BYTES_MAX {
            break;
        }
        position += (filled - PATH_BYTES_MAX) as u64;
    }
    Ok(None)
}

fn version_in(bytes: &[u8]) -> Option<String> {
    const BEFORE: &[u8] = b"/rustls-";
    const AFTER: &[u8] = b"/src/";
    memchr::memmem::find_iter(bytes, BEFORE).find_map(|at| {
        let rest = bytes.get(at + BEFORE.len()..)?;
        let rest = &rest[..rest.len().min(PATH_BYTES_MAX)];
        let version = &rest[..rest.iter().position(|b| !b.is_ascii_digit() && *b != b'.')?];
        let whole = !version.is_empty() && rest[version.len()..].starts_with(AFTER);
        whole.then(|| String::from_utf8_lossy(version).into_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_manglings_are_recognised() {
        let yes = [
            "_ZN6rustls12common_state11CommonState23take_received_plaintext17h2317e2f8988941baE",
            "_ZN6rustls12common_state11CommonState23take_received_plaintext17h2317e2f8988941baE.llvm.6976461",
            "_RNvMNtCs1PVfNTLNy3A_6rustls12common_stateNtB2_11CommonState23take_received_plaintext",
        ];
        assert!(yes.iter().all(|name| is_method(name.as_bytes(), "23take_received_plaintext")));
        let no = [
            "_ZN6rustls6server11server_conn14EarlyDataState23take_received_plaintext17h1c89ecfbee47d874E",
            "_ZN6rustls12common_state11CommonState23take_received_plaintext28_$u7b$$u7b$closure$u7d$$u7d$17h00E",
            "_ZN6rustls12common_state11CommonState8send_msg17h349bddbb6fb0681eE",
            "take_received_plaintext",
            "",
        ];
        assert!(!no.iter().any(|name| is_method(name.as_bytes(), "23take_received_plaintext")));
    }

    #[test]
    fn the_version_is_in_paths_of_sources() {
        let path = b"..io-1949cf8c6b5b557f/rustls-pki-types-1.1/src/x /rustls-0.23.46/src/conn.rs";
        assert_eq!(version_in(path).as_deref(), Some("0.23.46"));
        assert_eq!(version_in(b"/rustls-0.6rustls/src/"), None);
        assert_eq!(version_in(b"/rustls-0.23"), None);
    }
}
