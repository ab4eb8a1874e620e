//! Libraries written in C: OpenSSL, GnuTLS, wolfSSL and mbed TLS, as shared libraries or inside a program.
//!
//! In: an ELF file. Out: an [`Analysis`], by what the file exports, else by the symbol table for debuggers, else by what the
//! functions themselves tell.

use super::elf::{Elf, Section};
use super::function::{Function, Within};
use super::site::{Analysis, Call, Confidence, Kind};
use super::symbols::{self, Names, Symbol};
use super::{Error, exported, gnutls, mbedtls, openssl, raised, records, wolfssl};

/// One of them.
pub struct Library {
    pub kind: Kind,
    pub functions: &'static [Function],
    /// The functions without which there is nothing to see.
    pub essential: [&'static str; 2],
    /// How the versions of its symbols begin, where they have any.
    pub versions: &'static str,
}

/// Of a file with several the first is told.
const LIBRARIES: [&Library; 4] = [&openssl::LIBRARY, &gnutls::LIBRARY, &wolfssl::LIBRARY, &mbedtls::LIBRARY];

/// What a file defines of the functions.
struct Defined {
    symbols: Vec<Symbol>,
    /// The newest of each library.
    versions: [Option<String>; LIBRARIES.len()],
    confidence: Confidence,
}

const VERSIONS: [&str; LIBRARIES.len()] =
    [LIBRARIES[0].versions, LIBRARIES[1].versions, LIBRARIES[2].versions, LIBRARIES[3].versions];

/// None: none is there.
pub fn analyse(elf: &Elf<'_>, return_probes: bool) -> Result<Option<Analysis>, Error> {
    let functions: Vec<&Function> = LIBRARIES.iter().flat_map(|library| library.functions).collect();
    let names: Vec<&str> = functions.iter().map(|f| f.name).chain([openssl::VERSION_FUNCTION]).chain(records::NAMES).collect();
    for look in [exports, debug_symbols] {
        let Some(defined) = look(elf, &names)? else { continue };
        let Defined { symbols, versions, confidence } = defined;
        let has = |name: &&str| symbols.iter().any(|s| s.name == *name);
        let found = LIBRARIES.iter().zip(versions).find(|(library, _)| library.essential.iter().all(has));
        let Some((Library { kind, .. }, newest)) = found else { continue };
        let version = if *kind == Kind::OpenSsl { openssl::version(elf, &symbols)?.or(newest) } else { newest };
        let analysis = Analysis { version, ..nothing(elf, *kind, confidence) };
        return with_sites(analysis, &symbols, &functions, Within { elf, others: &symbols, return_probes }).map(Some);
    }
    let Some(inside) = raised::find(elf)? else { return Ok(None) };
    let raised::Inside { symbols, version, refused } = inside;
    let analysis = Analysis { version, refused, ..nothing(elf, Kind::OpenSsl, Confidence::Raised) };
    with_sites(analysis, &symbols, &functions, Within { elf, others: &symbols, return_probes }).map(Some)
}

fn nothing(elf: &Elf<'_>, kind: Kind, confidence: Confidence) -> Analysis {
    Analysis {
        kind,
        build_id: elf.build_id(),
        version: None,
        sites: vec![],
        refused: vec![],
        forwarding: vec![],
        confidence,
        layout: None,
    }
}

fn with_sites(
    mut analysis: Analysis,
    symbols: &[Symbol],
    functions: &[&Function],
    within: Within<'_>,
) -> Result<Analysis, Error> {
    let records = match analysis.kind {
        Kind::OpenSsl => records::find(within.elf, symbols)?,
        _ => records::Records { reads: None, writes: None },
    };
    for symbol in symbols {
        for function in functions.iter().filter(|f| f.name == symbol.name) {
            let instead = match function.call {
                Call::Read | Call::ReadEx => records.reads.as_ref().map(|_| records::READ),
                Call::Write | Call::WriteEx => records.writes.as_ref().map(|_| records::WRITE_RECORD),
                _ => None,
            };
            if let Some(instead) = instead {
                analysis.forwarding.push((symbol.name.clone(), instead));
                continue;
            }
            function.add_sites(&within, symbol, &mut |_| Ok(false), &mut analysis)?;
        }
    }
    analysis.sites.extend(records.reads.into_iter().chain(records.writes).flatten());
    Ok(analysis)
}

fn exports(elf: &Elf<'_>, names: &[&str]) -> Result<Option<Defined>, Error> {
    if let Some(symbols) = exported::functions(elf, names)? {
        let versions = VERSIONS.map(|prefix| exported::newest_version(elf, prefix));
        return Ok(Some(Defined { symbols, versions, confidence: Confidence::Exported }));
    }
    let table = elf.sections.iter().find(|s| s.kind == object::elf::SHT_DYNSYM);
    table.map(|table| looked_through(elf, table, names, Confidence::Exported)).transpose()
}

fn debug_symbols(elf: &Elf<'_>, names: &[&str]) -> Result<Option<Defined>, Error> {
    let Some(table) = elf.symbol_table() else { return Ok(None) };
    // most programs have neither, and this is told by a fast look at their names
    let essential = LIBRARIES.map(|library| [library.essential[0].as_bytes(), b"\0"].concat());
    if !symbols::mentions(elf, table, &essential)? {
        return Ok(None);
    }
    looked_through(elf, table, names, Confidence::Symbol).map(Some)
}

fn looked_through(elf: &Elf<'_>, table: &Section, names: &[&str], confidence: Confidence) -> Result<Defined, Error> {
    let mut wanted = Names::new(names, &VERSIONS);
    let symbols = symbols::functions(elf, table, &mut wanted)?;
    Ok(Defined { symbols, versions: VERSIONS.map(|prefix| wanted.newest(prefix)), confidence })
}
