//! Memory allocators in programs and libraries: which functions give and take memory, and where to probe them.
//!
//! In: an open file. Out: a [`Gives`] and its places for each function, whose arguments are known there; of those that give memory the
//! return address is on top of the stack at the same place, so that their returns can be looked at from it. Knows the names of the C
//! library's functions, of those that jemalloc, mimalloc and tcmalloc have beside them, and Go's one function; nothing in Go returns
//! through a probe.

use std::fs::File;

use super::elf::Elf;
use super::graph::{self, Instructions, TailCalls};
use super::pclntab::Pclntab;
use super::site::Place;
use super::symbols::{self, Names, Symbol};
use super::values::{ARGUMENTS, Convention, Signature, Width};
use super::{Error, entry, exported, go};

/// What a function does with memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gives {
    /// New memory.
    New,
    /// Memory in place of that at the pointer.
    InPlaceOf,
    /// New memory, whose address it stores at the pointer.
    Stored,
    /// Nothing: it takes memory back.
    Nothing,
    /// New memory that is never given back by a call.
    Collected,
}

/// A function: which of its arguments say how much, how many times that, and the pointer.
struct Function {
    name: &'static str,
    gives: Gives,
    /// Whether some allocator calls another of these in it.
    calls_others: bool,
    bytes: Option<u8>,
    times: Option<u8>,
    pointer: Option<u8>,
}

const fn gives(name: &'static str, bytes: u8) -> Function {
    Function { name, gives: Gives::New, calls_others: true, bytes: Some(bytes), times: None, pointer: None }
}

const fn takes(name: &'static str) -> Function {
    Function { name, gives: Gives::Nothing, calls_others: false, bytes: None, times: None, pointer: Some(0) }
}

const fn alone(function: Function) -> Function {
    Function { calls_others: false, ..function }
}

/// What allocators put before the names.
const PREFIXES: [&str; 4] = ["", "je_", "_rjem_", "mi_"];
const FUNCTIONS: [Function; 15] = [
    alone(gives("malloc", 0)),
    Function { times: Some(1), ..gives("calloc", 0) },
    Function { gives: Gives::InPlaceOf, pointer: Some(0), ..gives("realloc", 1) },
    takes("free"),
    gives("aligned_alloc", 1),
    gives("memalign", 1),
    Function { gives: Gives::Stored, pointer: Some(0), ..gives("posix_memalign", 2) },
    gives("valloc", 0),
    // jemalloc
    alone(gives("mallocx", 0)),
    Function { gives: Gives::InPlaceOf, pointer: Some(0), ..gives("rallocx", 1) },
    takes("dallocx"),
    takes("sdallocx"),
    // mimalloc
    gives("zalloc", 0),
    gives("malloc_aligned", 0),
    gives("zalloc_aligned", 0),
];
/// C++'s operators, where they do the work themselves: elsewhere they call malloc.
const TCMALLOC: &str = "tc_malloc";
const OPERATORS: [Function; 8] = [
    alone(gives("_Znwm", 0)),
    alone(gives("_Znam", 0)),
    alone(gives("_ZnwmRKSt9nothrow_t", 0)),
    alone(gives("_ZnamRKSt9nothrow_t", 0)),
    takes("_ZdlPv"),
    takes("_ZdaPv"),
    takes("_ZdlPvm"),
    takes("_ZdaPvm"),
];
/// Without both, what has such a name is no allocator.
const ESSENTIAL: [&str; 2] = ["malloc", "free"];
const GO: Function = Function { gives: Gives::Collected, ..alone(gives("runtime.mallocgc", 0)) };

/// A function, and where to probe it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllocatorSite {
    pub symbol: String,
    /// In the file, in bytes.
    pub offset: u64,
    pub emulated: bool,
    pub gives: Gives,
    pub calls_others: bool,
    pub bytes: Place,
    pub times: Place,
    pub pointer: Place,
    pub reason: String,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Allocator {
    pub sites: Vec<AllocatorSite>,
    /// Functions that are there but cannot be probed, and why.
    pub refused: Vec<(String, String)>,
}

/// None: the file has no allocator, or is no program for this processor.
pub fn allocator(file: &File) -> Result<Option<Allocator>, Error> {
    let Some(elf) = Elf::read(file)? else { return Ok(None) };
    let mut found = Allocator::default();
    for (symbol, function) in c_functions(&elf)? {
        add(&elf, &symbol, function, Convention::SystemV, &mut found)?;
    }
    if let Some(mut table) = Pclntab::find(&elf)? {
        for symbol in table.functions(&[GO.name], go::begins_function)? {
            add(&elf, &symbol, &GO, Convention::Go, &mut found)?;
        }
    }
    Ok((found != Allocator::default()).then_some(found))
}

/// By what the file exports, and by the symbol table for debuggers; each address once.
fn c_functions(elf: &Elf<'_>) -> Result<Vec<(Symbol, &'static Function)>, Error> {
    let of = |prefix: &str, function: &'static Function| (format!("{prefix}{}", function.name), function);
    let mut wanted: Vec<(String, &Function)> =
        PREFIXES.iter().flat_map(|prefix| FUNCTIONS.iter().map(|f| of(prefix, f))).collect();
    wanted.extend(OPERATORS.iter().map(|f| of("", f)));
    let mut names: Vec<&str> = wanted.iter().map(|(name, _)| name.as_str()).collect();
    names.push(TCMALLOC);
    let mut symbols = exported::functions(elf, &names)?.unwrap_or_default();
    if let Some(table) = elf.symbol_table() {
        symbols.extend(symbols::functions(elf, table, &mut Names::new(&names, &[]))?);
    }
    let has = |name: &str| symbols.iter().any(|s| s.name == name);
    let prefixes: Vec<&str> =
        PREFIXES.into_iter().filter(|prefix| ESSENTIAL.iter().all(|name| has(&format!("{prefix}{name}")))).collect();
    let operators = has(TCMALLOC);
    let known = |symbol: &Symbol| {
        let own = |name: &str| prefixes.iter().any(|p| name.strip_prefix(p).is_some_and(|rest| is_one(&FUNCTIONS, rest)));
        let is_operator = is_one(&OPERATORS, &symbol.name);
        symbol.address != 0 && if is_operator { operators } else { own(&symbol.name) }
    };
    let mut found: Vec<(Symbol, &Function)> = vec![];
    for symbol in symbols.iter().filter(|symbol| known(symbol)) {
        let Some((_, function)) = wanted.iter().find(|(name, _)| *name == symbol.name) else { continue };
        if found.iter().all(|(other, _)| other.address != symbol.address) {
            found.push((symbol.clone(), function));
        }
    }
    Ok(found)
}

fn is_one(functions: &[Function], name: &str) -> bool {
    functions.iter().any(|function| function.name == name)
}

fn add(
    elf: &Elf<'_>,
    symbol: &Symbol,
    function: &Function,
    convention: Convention,
    found: &mut Allocator,
) -> Result<(), Error> {
    let signature = Signature { convention, widths: [Width::Bits64; ARGUMENTS] };
    let mut instructions = Instructions::new(elf);
    let size = if symbol.size == 0 { FUNCTION_BYTES_MAX } else { symbol.size.min(FUNCTION_BYTES_MAX) };
    let stop = TailCalls::Stop;
    let graph = graph::explore(&mut instructions, symbol.address, size, &signature, &mut |_| Ok(false), stop)?.ok();
    let last = [function.bytes, function.times, function.pointer].into_iter().flatten().max().unwrap_or(0);
    let needed = usize::from(last) + 1;
    let mut refuse = |why: String| found.refused.push((symbol.name.clone(), why));
    let spot = match entry::find(&mut instructions, symbol.address, needed, &signature, graph.as_ref())? {
        Ok(spot) => spot,
        Err(why) => {
            refuse(why);
            return Ok(());
        }
    };
    if !matches!(function.gives, Gives::Nothing | Gives::Collected) {
        let returns = entry::for_return_probe(&mut instructions, symbol.address, &signature, graph.as_ref())?;
        if returns.map(|(address, _)| address) != Some(spot.address) {
            refuse("nowhere are its arguments known and its return address on top of the stack".to_owned());
            return Ok(());
        }
    }
    let Some((offset, _)) = elf.locate_code(spot.address) else {
        refuse("its code is not in the file".to_owned());
        return Ok(());
    };
    let at = |number: Option<u8>| number.map_or(Place::Unknown, |n| spot.arguments[usize::from(n).min(3)]);
    found.sites.push(AllocatorSite {
        symbol: symbol.name.clone(),
        offset,
        emulated: spot.emulated,
        gives: function.gives,
        calls_others: function.calls_others,
        bytes: at(function.bytes),
        times: at(function.times),
        pointer: at(function.pointer),
        reason: spot.reason,
    });
    Ok(())
}

/// Longer functions are not followed; a symbol without a size is given this.
const FUNCTION_BYTES_MAX: u64 = 64 << 10;

#[cfg(test)]
mod tests {
    use super::super::site::Register;
    use super::*;

    #[test]
    fn the_c_library_of_this_host_has_an_allocator() {
        let maps = std::fs::read_to_string("/proc/self/maps").expect("this process maps files");
        let library = maps.lines().find_map(|line| line.split_ascii_whitespace().nth(5).filter(|p| p.contains("/libc.so")));
        let file = File::open(library.expect("the C library is mapped")).expect("it can be opened");
        let found = allocator(&file).expect("it is no damaged file").expect("it has an allocator");
        let site =
            |name: &str| found.sites.iter().find(|site| site.symbol == name).unwrap_or_else(|| panic!("{name}: {found:?}"));
        let (malloc, calloc, realloc, free) = (site("malloc"), site("calloc"), site("realloc"), site("free"));
        assert_eq!((malloc.bytes, malloc.gives, malloc.calls_others), (Place::Register(Register::Rdi), Gives::New, false));
        assert_eq!((calloc.bytes, calloc.times), (Place::Register(Register::Rdi), Place::Register(Register::Rsi)));
        assert_eq!((realloc.bytes, realloc.gives), (Place::Register(Register::Rsi), Gives::InPlaceOf));
        assert_eq!((free.pointer, free.bytes), (Place::Register(Register::Rdi), Place::Unknown));
        assert_ne!(site("posix_memalign").pointer, Place::Unknown);
    }

    #[test]
    fn what_only_calls_an_allocator_has_none() {
        let own = std::env::current_exe().and_then(File::open).expect("this test has a file");
        let sites = allocator(&own).expect("it is no damaged file").map(|found| found.sites).unwrap_or_default();
        assert!(sites.iter().all(|site| site.symbol != "malloc"), "{sites:?}");
    }
}
