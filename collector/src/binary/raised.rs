//! OpenSSL's functions in a file whose symbols are gone, by the errors that they raise: from version 3 on each says its own name.
//!
//! In: an ELF file without a symbol table. Out: which functions are where, or why they cannot be told. A function's name is a text
//! that it alone refers to; where it begins and ends is told by the information for unwinding, which stripping leaves. The plain
//! forms must also call the function behind them, which is known in the same way; the `_ex` forms raise nothing themselves, and
//! are what else calls it.

use std::collections::{BTreeMap, BTreeSet};

use gimli::{BaseAddresses, CieOrFde, EhFrame, EndianSlice, LittleEndian, UnwindSection};
use memchr::memmem;

use super::Error;
use super::elf::{Elf, PIECE_BYTES};
use super::symbols::Symbol;

/// A file with less code has no TLS library inside.
const CODE_BYTES_MIN: u64 = 512 << 10;
const CODE_BYTES_MAX: u64 = 256 << 20;
/// Read-only data that is searched for texts.
const DATA_BYTES_MAX: u64 = 32 << 20;
const FRAMES_BYTES_MAX: u64 = 16 << 20;
const VERSION_BYTES_MAX: usize = 64;
/// Pieces share so many bytes, so that nothing looked for is cut: more than the longest text.
const OVERLAP_BYTES: usize = 128;
/// References that are looked at; a text that more refer to is no function's own.
const REFERENCES_MAX: usize = 4096;

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

type Functions = BTreeMap<u64, u64>;

/// None: the file has its symbols, or no such library is inside.
pub fn find(elf: &Elf<'_>) -> Result<Option<Inside>, Error> {
    let code: u64 = elf.code().map(|(_, _, size)| size).sum();
    if elf.symbol_table().is_some() || !(CODE_BYTES_MIN..=CODE_BYTES_MAX).contains(&code) {
        return Ok(None);
    }
    let Some(texts) = Texts::read(elf)? else { return Ok(None) };
    let places: Vec<u64> = texts.names.iter().map(|(at, _)| *at).collect();
    let references = references(elf, &places, Reference::Address)?;
    let functions = functions_at(elf, references.iter().map(|(from, _)| *from).collect())?;
    let mut raisers: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
    for (from, to) in &references {
        let names = texts.names.iter().filter(|(at, _)| at == to).map(|(_, name)| *name);
        if let Some(start) = start_of(&functions, *from) {
            names.for_each(|name| raisers.entry(name).or_default().extend([start]));
        }
    }
    let mut found = Found { elf, raisers, functions, symbols: vec![] };
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
        refused.push((texts.maker.to_owned(), format!("its symbols are gone, and {}", texts.why_not())));
    }
    Ok(Some(Inside { symbols: found.symbols, version: texts.version, refused }))
}

struct Found<'a> {
    elf: &'a Elf<'a>,
    /// By name: where functions begin that raise errors by it.
    raisers: BTreeMap<&'static str, BTreeSet<u64>>,
    /// Start and size.
    functions: Functions,
    symbols: Vec<Symbol>,
}

impl Found<'_> {
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
        let mut texts = Texts { maker: "OpenSSL", version: None, names: vec![] };
        pieces(elf, place, &mut |address, piece| texts.look(&wanted, address, piece))?;
        texts.names.sort_unstable();
        texts.names.dedup();
        Ok(Some(texts))
    }

    fn look(&mut self, wanted: &[&'static str], address: u64, piece: &[u8]) {
        for name in wanted {
            let whole = [name.as_bytes(), b"\0"].concat();
            let begins = |at: &usize| *at > 0 && !piece[at - 1].is_ascii_graphic();
            self.names.extend(memmem::find_iter(piece, &whole).filter(begins).map(|at| (address + at as u64, *name)));
        }
        if memmem::find(piece, b"boringssl").is_some() || memmem::find(piece, b"BoringSSL").is_some() {
            self.maker = "BoringSSL";
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

/// How code refers to what is somewhere else.
#[derive(Clone, Copy, PartialEq)]
enum Reference {
    /// Loads its address.
    Address,
    /// Calls it, or goes on there.
    Call,
}

/// Where in the code something may refer to one of these addresses, and to which.
fn references(elf: &Elf<'_>, to: &[u64], how: Reference) -> Result<Vec<(u64, u64)>, Error> {
    let mut found = vec![];
    if to.is_empty() {
        return Ok(found);
    }
    for place in elf.code() {
        pieces(elf, place, &mut |address, piece| {
            let mut refers = |at: usize, target: u64| {
                if to.contains(&target) && found.len() < REFERENCES_MAX {
                    found.push((address + at as u64, target));
                }
            };
            match how {
                Reference::Address => addresses(piece, address, to, &mut refers),
                Reference::Call => calls(piece, address, &mut refers),
            }
        })?;
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// The target of a displacement in the instruction that ends behind it.
fn relative(piece: &[u8], address: u64, at: usize) -> Option<u64> {
    let displacement = i32::from_le_bytes(piece.get(at..at + 4)?.try_into().ok()?);
    Some((address + at as u64 + 4).wrapping_add_signed(i64::from(displacement)))
}

/// `lea r64, [rip+x]`, and `mov r32, x` in programs that are linked to one place.
fn addresses(piece: &[u8], address: u64, to: &[u64], refers: &mut dyn FnMut(usize, u64)) {
    for at in memchr::memchr_iter(0x8d, piece).filter(|at| *at > 0) {
        let by_rip = matches!(piece[at - 1], 0x48 | 0x4c) && piece.get(at + 1).is_some_and(|mode| mode & 0xc7 == 0x05);
        if let Some(target) = relative(piece, address, at + 2).filter(|_| by_rip) {
            refers(at, target);
        }
    }
    for target in to {
        let Ok(absolute) = u32::try_from(*target) else { continue };
        for at in memmem::find_iter(piece, &absolute.to_le_bytes()).filter(|at| *at > 0) {
            if piece[at - 1] & 0xf8 == 0xb8 {
                refers(at, *target);
            }
        }
    }
}

/// `call x` and `jmp x`.
fn calls(piece: &[u8], address: u64, refers: &mut dyn FnMut(usize, u64)) {
    for at in memchr::memchr2_iter(0xe8, 0xe9, piece) {
        if let Some(target) = relative(piece, address, at + 1) {
            refers(at, target);
        }
    }
}

/// Calls `each` with the address and the bytes of one piece after another, which overlap.
fn pieces(elf: &Elf<'_>, (address, offset, size): (u64, u64, u64), each: &mut dyn FnMut(u64, &[u8])) -> Result<(), Error> {
    let mut piece = vec![0; PIECE_BYTES];
    let mut position = 0;
    while position < size {
        let length = usize::try_from(size - position).unwrap_or(PIECE_BYTES).min(PIECE_BYTES);
        let filled = elf.fill(offset + position, &mut piece[..length])?;
        each(address + position, &piece[..filled]);
        if filled < PIECE_BYTES {
            break;
        }
        position += (PIECE_BYTES - OVERLAP_BYTES) as u64;
    }
    Ok(())
}

fn start_of(functions: &Functions, address: u64) -> Option<u64> {
    let (start, size) = functions.range(..=address).next_back()?;
    (address - start < *size).then_some(*start)
}

/// The functions that hold these addresses.
fn functions_at(elf: &Elf<'_>, addresses: BTreeSet<u64>) -> Result<Functions, Error> {
    let mut functions = Functions::new();
    let Some(section) = elf.section(".eh_frame").filter(|section| section.size <= FRAMES_BYTES_MAX) else {
        return Ok(functions);
    };
    let bytes = elf.bytes(section.offset, section.size as usize)?;
    let text = elf.section(".text").map_or(0, |text| text.address);
    let mut frames = EhFrame::from(EndianSlice::new(&bytes, LittleEndian));
    frames.set_address_size(8);
    let bases = BaseAddresses::default().set_eh_frame(section.address).set_text(text);
    let mut entries = frames.entries(&bases);
    // what is damaged ends the reading
    while let Ok(Some(entry)) = entries.next() {
        let CieOrFde::Fde(partial) = entry else { continue };
        let Ok(function) = partial.parse(EhFrame::cie_from_offset) else { continue };
        let (start, size) = (function.initial_address(), function.len());
        if addresses.range(start..start.saturating_add(size)).next().is_some() {
            functions.insert(start, size);
        }
    }
    Ok(functions)
}
