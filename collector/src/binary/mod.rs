//! Programs and libraries on disk: which TLS library a file holds, and where its functions can be probed.
//!
//! In: an open file. Out: an [`Analysis`]: places ([`Site`]) of which each says what is known there and what a probe on it
//! costs. Reads in pieces, with bounded memory, and never maps. Only x86-64; a file for another processor holds nothing here.
//! Attaches nothing, and knows no process.

mod elf;
mod emulated;
mod entry;
mod function;
mod gnutls;
mod graph;
mod openssl;
mod result;
mod site;
mod symbols;
mod values;

use std::fs::File;
use std::io;

pub use site::{Analysis, Call, Confidence, Kind, Moment, Place, Register, Site};

use elf::Elf;
use function::Function;
use symbols::{Names, Symbol};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot read the file: {0}")]
    Read(#[from] io::Error),
    #[error("the file is damaged: {0}")]
    Damaged(&'static str),
}

/// None: the file holds no library of interest, or is no program for this processor.
pub fn analyse(file: &File) -> Result<Option<Analysis>, Error> {
    let Some(elf) = Elf::read(file)? else { return Ok(None) };
    c_libraries(&elf)
}

/// OpenSSL and GnuTLS: by the dynamic symbol table, else by the one for debuggers.
fn c_libraries(elf: &Elf<'_>) -> Result<Option<Analysis>, Error> {
    let dynamic = elf.sections.iter().find(|s| s.kind == object::elf::SHT_DYNSYM);
    let tables = [(dynamic, Confidence::Exported), (elf.symbol_table(), Confidence::Symbol)];
    for (table, confidence) in tables.into_iter().filter_map(|(table, confidence)| Some((table?, confidence))) {
        let functions: Vec<&Function> = openssl::FUNCTIONS.iter().chain(gnutls::FUNCTIONS).collect();
        let names: Vec<&str> = functions.iter().map(|f| f.name).collect();
        let symbols = symbols::functions(elf, table, &mut Names { names: &names })?;
        let has = |names: &[&str]| names.iter().all(|name| symbols.iter().any(|s| s.name == *name));
        let kind = match (has(&openssl::ESSENTIAL), has(&gnutls::ESSENTIAL)) {
            (true, _) => Kind::OpenSsl,
            (_, true) => Kind::GnuTls,
            _ => continue,
        };
        let mut analysis =
            Analysis { kind, build_id: elf.build_id(), version: None, sites: vec![], refused: vec![], confidence };
        for symbol in &symbols {
            for function in functions.iter().filter(|f| f.name == symbol.name) {
                add(elf, function, symbol, &mut analysis)?;
            }
        }
        return Ok(Some(analysis));
    }
    Ok(None)
}

fn add(elf: &Elf<'_>, function: &Function, symbol: &Symbol, analysis: &mut Analysis) -> Result<(), Error> {
    match function.sites(elf, symbol)? {
        Ok(sites) => analysis.sites.extend(sites),
        Err(reason) => analysis.refused.push((symbol.name.clone(), reason)),
    }
    Ok(())
}
