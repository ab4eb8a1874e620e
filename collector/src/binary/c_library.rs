//! Libraries written in C: OpenSSL and GnuTLS, as shared libraries or inside a program.
//!
//! In: an ELF file. Out: an [`Analysis`], by the dynamic symbol table, else by the one for debuggers.

use super::Error;
use super::elf::Elf;
use super::function::{Function, Within};
use super::site::{Analysis, Confidence, Kind};
use super::symbols::{self, Names};
use super::{gnutls, openssl};

/// None: neither is there.
pub fn analyse(elf: &Elf<'_>, return_probes: bool) -> Result<Option<Analysis>, Error> {
    let dynamic = elf.sections.iter().find(|s| s.kind == object::elf::SHT_DYNSYM);
    let tables = [(dynamic, Confidence::Exported), (elf.symbol_table(), Confidence::Symbol)];
    let functions: Vec<&Function> = openssl::FUNCTIONS.iter().chain(gnutls::FUNCTIONS).collect();
    let names: Vec<&str> = functions.iter().map(|f| f.name).chain([openssl::VERSION_FUNCTION]).collect();
    for (table, confidence) in tables.into_iter().filter_map(|(table, confidence)| Some((table?, confidence))) {
        let mut wanted = Names::new(&names, &["OPENSSL_", "GNUTLS_"]);
        let symbols = symbols::functions(elf, table, &mut wanted)?;
        let has = |names: &[&str]| names.iter().all(|name| symbols.iter().any(|s| s.name == *name));
        let (kind, version) = match (has(&openssl::ESSENTIAL), has(&gnutls::ESSENTIAL)) {
            (true, _) => (Kind::OpenSsl, openssl::version(elf, &symbols)?.or(wanted.newest("OPENSSL_"))),
            (_, true) => (Kind::GnuTls, wanted.newest("GNUTLS_")),
            _ => continue,
        };
        let build_id = elf.build_id();
        let mut analysis = Analysis { kind, build_id, version, sites: vec![], refused: vec![], confidence };
        let within = Within { elf, others: &symbols, return_probes };
        for symbol in &symbols {
            for function in functions.iter().filter(|f| f.name == symbol.name) {
                function.add_sites(&within, symbol, &mut |_| Ok(false), &mut analysis)?;
            }
        }
        return Ok(Some(analysis));
    }
    Ok(None)
}
