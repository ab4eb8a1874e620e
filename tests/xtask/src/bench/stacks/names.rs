//! How functions are called, the same for both profilers: of several symbols at one address each may take another, and linkers fold
//! functions of equal code into one.

use std::collections::HashMap;
use std::path::Path;

use object::{Object, ObjectSymbol, SymbolKind};
use symbolic_common::{Language, Name, NameMangling};
use symbolic_demangle::{Demangle, DemangleOptions};

/// Of a frame whose function has no name.
pub const NAMELESS: &str = "[?]";

/// The symbols of the files that were asked for.
#[derive(Default)]
pub struct Files {
    by_path: HashMap<String, Symbols>,
}

#[derive(Default)]
struct Symbols {
    address_of: HashMap<String, u64>,
    at: HashMap<u64, Vec<String>>,
    /// Those that were asked for.
    names: HashMap<String, Vec<String>>,
}

impl Files {
    /// All names of the function that `file` has this symbol for, in order; of one that it does not have only this.
    pub fn names(&mut self, file: &str, symbol: &str) -> &[String] {
        let symbols = self.by_path.entry(file.to_owned()).or_insert_with(|| Symbols::read(Path::new(file)));
        let Symbols { address_of, at, names } = symbols;
        names.entry(symbol.to_owned()).or_insert_with(|| {
            let others = address_of.get(without_version(symbol)).and_then(|address| at.get(address));
            let mut names: Vec<String> = others.into_iter().flatten().map(|other| of_symbol(other)).collect();
            names.push(of_symbol(symbol));
            names.sort();
            names.dedup();
            names
        })
    }
}

impl Symbols {
    /// None of what is no file, as code that a runtime made.
    fn read(file: &Path) -> Self {
        let mut symbols = Self::default();
        let Ok(bytes) = std::fs::read(file) else { return symbols };
        let Ok(elf) = object::File::parse(&*bytes) else { return symbols };
        let functions = elf.symbols().chain(elf.dynamic_symbols()).filter(|symbol| symbol.is_definition());
        for symbol in functions.filter(|symbol| matches!(symbol.kind(), SymbolKind::Text | SymbolKind::Unknown)) {
            let Ok(name) = symbol.name() else { continue };
            let name = without_version(name).to_owned();
            symbols.at.entry(symbol.address()).or_default().push(name.clone());
            symbols.address_of.insert(name, symbol.address());
        }
        symbols
    }
}

fn without_version(symbol: &str) -> &str {
    symbol.split('@').next().unwrap_or_default()
}

/// What perf writes, which demangles nothing.
fn of_symbol(symbol: &str) -> String {
    let clear = |name: &str| Name::new(name, NameMangling::Mangled, Language::Unknown).demangle(DemangleOptions::name_only());
    let whole = symbol.split(".llvm.").next().unwrap_or_default();
    let part = || whole.split_once('.').and_then(|(stem, part)| Some(format!("{}.{part}", clear(stem)?)));
    let mangled = ["_Z", "_R"].iter().any(|start| symbol.starts_with(start));
    let name = if mangled { clear(whole).or_else(part) } else { None };
    plain(name.as_deref().unwrap_or(whole))
}

/// Characters of a name that are compared: earshot keeps no more.
const CHARS_MAX: usize = 1024;

/// A name that people read, as one of both profilers writes it: earshot has a comma for what separates the names of a folded stack.
/// Parts that a compiler split off are their function, and C's library calls one function by many names.
pub fn plain(name: &str) -> String {
    if name.starts_with('[') {
        return NAMELESS.to_owned();
    }
    let mut name = name.split_once(" [").map_or(name, |(name, _)| name);
    while let Some(rest) = ["_", "GI_", "libc_"].iter().find_map(|start| name.strip_prefix(start)) {
        name = rest;
    }
    let name = without_version(name);
    let name = [".cold", ".warm"].iter().find_map(|part| name.strip_suffix(part)).unwrap_or(name);
    name.strip_suffix("_impl").unwrap_or(name).replace(';', ",").chars().take(CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_function_has_one_name() {
        for (written, name) in [
            ("__GI___read", "read"),
            ("__libc_start_main@@GLIBC_2.34", "start_main"),
            ("__libc_start_main_impl", "start_main"),
            ("schedule [module]", "schedule"),
            ("[libc.so.6]", NAMELESS),
            ("llvm::Value::use_empty.warm", "llvm::Value::use_empty"),
            ("f::<[u8; 8]>", "f::<[u8, 8]>"),
        ] {
            assert_eq!(plain(written), name);
        }
        for (symbol, name) in [
            ("_ZN3foo3barEv", "foo::bar"),
            ("_ZN3foo3barEv.cold", "foo::bar"),
            ("_ZN4deep4spin17h0123456789abcdefE.llvm.123", "deep::spin"),
            ("__read_nocancel", "read_nocancel"),
            ("LazyCompile:~spin /x/burn.js:3:5", "LazyCompile:~spin /x/burn.js:3:5"),
        ] {
            assert_eq!(of_symbol(symbol), name);
        }
    }

    #[test]
    fn all_symbols_of_an_address_are_names() {
        let at = |address, names: [&str; 2]| (address, names.map(str::to_owned).to_vec());
        let symbols = Symbols {
            address_of: [("_ZN1a1bEv", 1), ("_ZN1c1dEv", 1), ("e", 2), ("f", 2)].map(|(n, a)| (n.to_owned(), a)).into(),
            at: [at(1, ["_ZN1a1bEv", "_ZN1c1dEv"]), at(2, ["e", "f"])].into(),
            ..Symbols::default()
        };
        let mut files = Files { by_path: [("lib".to_owned(), symbols)].into() };
        assert_eq!(files.names("lib", "_ZN1c1dEv"), ["a::b", "c::d"]);
        assert_eq!(files.names("lib", "e@@V1"), ["e", "f"]);
        assert_eq!(files.names("lib", "g"), ["g"]);
        assert_eq!(files.names("/no/such/file", "e"), ["e"]);
    }
}
