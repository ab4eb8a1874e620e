//! OpenSSL's functions in a file whose symbols are gone, by the errors that they raise: from version 3 on each says its own name.
//! Of BoringSSL's, which do not, [`boringssl`] knows more.
//!
//! In: an ELF file without a symbol table. Out: which functions are where, or why they cannot be told. A function's name is a text
//! that it alone refers to; where it begins and ends is told by the information for unwinding, which stripping leaves. The plain
//! forms must also call the function behind them, which is known in the same way; the `_ex` forms raise nothing themselves, and
//! are what else calls it.

use std::collections::{BTreeMap, BTreeSet};

use memchr::memmem;

use super::elf::Elf;
use super::references::{Functions, Reference, functions_at, pieces, references, start_of};
use super::symbols::Symbol;
use super::{Error, boringssl};

/// A file with less code has no TLS library inside.
const CODE_BYTES_MIN: u64 = 512 << 10;
const CODE_BYTES_MAX: u64 = 256 << 20;
/// Read-only data that is searched for texts.
const DATA_BYTES_MAX: u64 = 32 << 20;
const VERSION_BYTES_MAX: usize = 64;
/// A symbol table that is smaller than this part of the code names none of what was linked in.
const CODE_PER_SYMBOLS: u64 = 1000;

/// The source file of the functions, of which errors tell, in every library of the family.
const SOURCE: &[u8] = b"ssl/ssl_lib.c";
const PLAIN: [&str; 4] = ["SSL_do_handshake", "SSL_set_fd", "SSL_set_rfd", "SSL_set_wfd"];
/// A function, the one behind it, and its other form.
const FORMS: [(&str, &str, &str); 3] = [
    ("SSL_read", "ssl_read_internal", "SSL_read_ex"),
    ("SSL_write", "ssl_write_internal", "SSL_write_ex"),
    ("SSL_peek", "ssl_peek_internal", "SSL_peek_ex"),
];
/// From OpenSSL 3.3 on what calls the function behind `SSL_write` has an argument more.
const OTHER_WRITE_SINCE: u32 = 3;

/// What is known of the library.
pub struct Inside {
    pub symbols: Vec<Symbol>,
    pub version: Option<String>,
    /// What cannot be told, and why.
    pub refused: Vec<(String, String)>,
}

/// None: the file has its symbols, or no such library is inside.
pub fn find(elf: &Elf<'_>) -> Result<Option<Inside>, Error> {
    let code: u64 = elf.code().map(|(_, _, size)| size).sum();
    let has_symbols = elf.symbol_table().is_some_and(|table| table.size > code / CODE_PER_SYMBOLS);
    if has_symbols || !(CODE_BYTES_MIN..=CODE_BYTES_MAX).contains(&code) {
        return Ok(None);
    }
    let Some(texts) = Texts::read(elf)? else { return Ok(None) };
    let inside = if texts.sources.is_empty() { by_names(elf, texts)? } else { by_reasons(elf, texts)? };
    Ok(Some(inside))
}

fn without(maker: &str, why: &str) -> Vec<(String, String)> {
    vec![(maker.to_owned(), format!("its symbols are gone, and {why}"))]
}

/// BoringSSL's way.
fn by_reasons(elf: &Elf<'_>, texts: Texts) -> Result<Inside, Error> {
    Ok(match boringssl::find(elf, &texts.sources)? {
        Ok(symbols) => Inside { symbols, version: texts.version, refused: vec![] },
        Err(why) => Inside { symbols: vec![], version: texts.version, refused: without(texts.maker, why) },
    })
}

/// OpenSSL's way.
fn by_names(elf: &Elf<'_>, texts: Texts) -> Result<Inside, Error> {
    let mut found = Found::by(elf, &texts.names)?;
    for name in PLAIN {
        found.add(name, found.raised(name).iter().copied().collect());
    }
    for (plain, behind, other) in FORMS {
        let same_arguments = other != "SSL_write_ex" || texts.minor().is_none_or(|minor| minor < OTHER_WRITE_SINCE);
        found.add_forms(plain, behind, same_arguments.then_some(other))?;
    }
    let mut refused = vec![];
    if ["SSL_read", "SSL_write"].iter().any(|name| !found.symbols.iter().any(|symbol| symbol.name == *name)) {
        found.symbols.clear();
        refused = without(texts.maker, &texts.why_not());
    }
    Ok(Inside { symbols: found.symbols, version: texts.version, refused })
}

struct Found<'a> {
    elf: &'a Elf<'a>,
    /// By name: where functions begin that raise errors by it.
    raisers: BTreeMap<&'static str, BTreeSet<u64>>,
    /// Start and size.
    functions: Functions,
    symbols: Vec<Symbol>,
}

/// The functions that say these names with errors, as far as each is said by one alone.
pub fn named(elf: &Elf<'_>, names: &[&'static str]) -> Result<Vec<Symbol>, Error> {
    let Some(data) = elf.section(".rodata").filter(|data| data.size <= DATA_BYTES_MAX) else { return Ok(vec![]) };
    let mut places = vec![];
    pieces(elf, (data.address, data.offset, data.size), &mut |address, piece| places.extend(said(names, address, piece)))?;
    let mut found = Found::by(elf, &places)?;
    for name in names {
        found.add(name, found.raised(name).iter().copied().collect());
    }
    Ok(found.symbols)
}

/// Where these names stand, each as a text of its own.
fn said(names: &[&'static str], address: u64, piece: &[u8]) -> Vec<(u64, &'static str)> {
    let mut places = vec![];
    for name in names {
        let whole = [name.as_bytes(), b"\0"].concat();
        let begins = |at: &usize| *at > 0 && !piece[at - 1].is_ascii_graphic();
        places.extend(memmem::find_iter(piece, &whole).filter(begins).map(|at| (address + at as u64, *name)));
    }
    places
}

impl<'a> Found<'a> {
    /// `names` are where they stand in the data.
    fn by(elf: &'a Elf<'a>, names: &[(u64, &'static str)]) -> Result<Self, Error> {
        let places: Vec<u64> = names.iter().map(|(at, _)| *at).collect();
        let references = references(elf, &places, Reference::Address)?;
        let functions = functions_at(elf, references.iter().map(|(from, _)| *from).collect())?;
        let mut raisers: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
        for (from, to) in &references {
            let names = names.iter().filter(|(at, _)| at == to).map(|(_, name)| *name);
            if let Some(start) = start_of(&functions, *from) {
                names.for_each(|name| raisers.entry(name).or_default().extend([start]));
            }
        }
        Ok(Found { elf, raisers, functions, symbols: vec![] })
    }

    fn raised(&self, name: &str) -> BTreeSet<u64> {
        self.raisers.get(name).cloned().unwrap_or_default()
    }

    /// It must be the only one.
    fn add(&mut self, name: &str, starts: Vec<u64>) {
        if let [start] = starts[..]
            && let Some(size) = self.functions.get(&start)
        {
            self.symbols.push(Symbol { name: name.to_owned(), address: start, size: *size });
        }
    }

    fn add_forms(&mut self, plain: &str, behind: &str, other: Option<&str>) -> Result<(), Error> {
        let (plains, inner) = (self.raised(plain), self.raised(behind));
        let mut forms = inner.clone();
        // else the compiler put it into its callers
        if inner.is_disjoint(&plains) {
            let inner: Vec<u64> = inner.into_iter().collect();
            let calls = references(self.elf, &inner, Reference::Call)?;
            let callers = functions_at(self.elf, calls.iter().map(|(from, _)| *from).collect())?;
            forms = callers.keys().copied().collect();
            self.functions.extend(callers);
        }
        self.add(plain, plains.intersection(&forms).copied().collect());
        if let Some(other) = other {
            self.add(other, forms.difference(&plains).copied().collect());
        }
        Ok(())
    }
}

/// What the read-only data has of the library.
struct Texts {
    maker: &'static str,
    version: Option<String>,
    /// Addresses of the functions' names.
    names: Vec<(u64, &'static str)>,
    /// Addresses of the source file's name, where it is BoringSSL's.
    sources: Vec<u64>,
}

impl Texts {
    fn read(elf: &Elf<'_>) -> Result<Option<Texts>, Error> {
        let Some(data) = elf.section(".rodata").filter(|data| data.size <= DATA_BYTES_MAX) else { return Ok(None) };
        let place = (data.address, data.offset, data.size);
        let mut is_there = false;
        pieces(elf, place, &mut |_, piece| is_there = is_there || memmem::find(piece, SOURCE).is_some())?;
        if !is_there {
            return Ok(None);
        }
        let wanted: Vec<&str> =
            PLAIN.into_iter().chain(FORMS.iter().flat_map(|(plain, behind, _)| [*plain, *behind])).collect();
        let mut texts = Texts { maker: "OpenSSL", version: None, names: vec![], sources: vec![] };
        pieces(elf, place, &mut |address, piece| texts.look(&wanted, address, piece))?;
        texts.names.sort_unstable();
        texts.names.dedup();
        texts.sources.sort_unstable();
        texts.sources.dedup();
        Ok(Some(texts))
    }

    fn look(&mut self, wanted: &[&'static str], address: u64, piece: &[u8]) {
        self.names.extend(said(wanted, address, piece));
        for at in memmem::find_iter(piece, boringssl::SOURCE) {
            // else it begins in the piece before, which has all of it
            if let Some(before) = piece[..at].iter().rposition(|byte| *byte == 0) {
                self.sources.push(address + before as u64 + 1);
                self.maker = "BoringSSL";
            }
        }
        for maker in ["OpenSSL", "LibreSSL"] {
            let begins = [b"\0", maker.as_bytes(), b" "].concat();
            let text = memmem::find_iter(piece, &begins).find_map(|at| {
                let text = piece.get(at + 1..)?;
                let end = text.iter().take(VERSION_BYTES_MAX).position(|byte| *byte == 0)?;
                text.get(begins.len() - 1).filter(|byte| byte.is_ascii_digit())?;
                Some(String::from_utf8_lossy(&text[..end]).into_owned())
            });
            if let Some(text) = text.filter(|_| self.version.is_none()) {
                (self.maker, self.version) = (maker, Some(text));
            }
        }
    }

    /// 0 of 'OpenSSL 3.0.22 1 Jul 2026'; None of what is before 3, and of other libraries.
    fn minor(&self) -> Option<u32> {
        self.version.as_deref()?.strip_prefix("OpenSSL 3.")?.split('.').next()?.parse().ok()
    }

    fn why_not(&self) -> String {
        let version = self.version.as_deref().unwrap_or(self.maker);
        if self.minor().is_some() {
            format!("the functions of {version} cannot be told by the errors that they raise")
        } else {
            format!("the functions of {version} do not say their names with errors")
        }
    }
}
