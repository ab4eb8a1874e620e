//! Functions of the kernel and its modules, by address.
//!
//! In: `/proc/kallsyms`. Out: `name`, or `name [module]`; `[kernel]` where addresses are hidden or nothing is near.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::time::{Duration, Instant};

use super::demangle::one_line;

/// Functions that are kept, and bytes of their names: 16 MiB in all.
const FUNCTIONS_MAX: usize = 512 << 10;
const NAMES_BYTES_MAX: usize = 8 << 20;
/// The list does not say where functions end: no function is longer.
const FUNCTION_BYTES_MAX: u64 = 256 << 10;
/// Modules and programs are loaded later: how often the list may be read again.
const INTERVAL: Duration = Duration::from_secs(60);
pub const UNKNOWN: &str = "[kernel]";

#[derive(Debug, Default)]
pub struct Kernel {
    read_at: Option<Instant>,
    functions: Vec<(u64, u32)>,
    /// Each ends with a zero.
    names: Vec<u8>,
}

impl Kernel {
    pub fn name(&mut self, address: u64, now: Instant) -> String {
        let known = self.known(address);
        let again = known.is_none() && self.read_at.is_none_or(|read| now.saturating_duration_since(read) >= INTERVAL);
        let known = if again {
            self.read(now);
            self.known(address)
        } else {
            known
        };
        known.unwrap_or_else(|| UNKNOWN.to_owned())
    }

    pub fn read(&mut self, now: Instant) {
        *self = File::open("/proc/kallsyms").map(|file| Kernel::parse(BufReader::new(file))).unwrap_or_default();
        self.read_at = Some(now);
    }

    pub fn bytes(&self) -> usize {
        self.functions.capacity() * size_of::<(u64, u32)>() + self.names.capacity()
    }

    fn known(&self, address: u64) -> Option<String> {
        let after = self.functions.partition_point(|(start, _)| *start <= address);
        let (start, name) = *self.functions.get(after.checked_sub(1)?)?;
        let name = self.names.get(name as usize..).filter(|_| address - start < FUNCTION_BYTES_MAX)?;
        let end = name.iter().position(|b| *b == 0)?;
        Some(one_line(&String::from_utf8_lossy(&name[..end])))
    }

    /// Lines `ADDRESS TYPE NAME [MODULE]`; of several functions at one address the first global one.
    fn parse(list: impl BufRead) -> Kernel {
        let mut kernel = Kernel::default();
        let mut found: Vec<(u64, bool, u32)> = vec![];
        for line in list.split(b'\n').map_while(Result::ok) {
            let Some((address, kind, name)) = function(&line) else { continue };
            if found.len() >= FUNCTIONS_MAX || kernel.names.len() + name.len() >= NAMES_BYTES_MAX {
                break;
            }
            found.push((address, !kind.is_ascii_uppercase(), kernel.names.len() as u32));
            kernel.names.extend_from_slice(name.replace('\t', " ").as_bytes());
            kernel.names.push(0);
        }
        found.sort_unstable();
        found.dedup_by_key(|(address, _, _)| *address);
        kernel.functions = found.into_iter().map(|(address, _, name)| (address, name)).collect();
        kernel.names.shrink_to_fit();
        kernel
    }
}

/// None: no function, or its address is hidden.
fn function(line: &[u8]) -> Option<(u64, u8, &str)> {
    let mut words = std::str::from_utf8(line).ok()?.splitn(3, ' ');
    let address = u64::from_str_radix(words.next()?, 16).ok().filter(|address| *address != 0)?;
    let kind = *words.next()?.as_bytes().first()?;
    b"tTwW".contains(&kind).then_some((address, kind, words.next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "ffffffff81000000 T _stext\nffffffff81000000 T _text\nffffffff81000100 t local\nffffffff81000100 T global\n\
        ffffffff81000200 d data\nffffffffc0000000 t nf_hook\t[nf_tables]\nbroken\n";

    #[test]
    fn addresses_are_inside_the_function_before_them() {
        let kernel = Kernel::parse(LIST.as_bytes());
        let known = |address| kernel.known(address);
        assert_eq!(known(0xffffffff81000010).as_deref(), Some("_stext"));
        assert_eq!(known(0xffffffff81000100).as_deref(), Some("global"));
        assert_eq!(known(0xffffffffc0000008).as_deref(), Some("nf_hook [nf_tables]"));
        assert_eq!(known(0xffffffff80ffffff), None);
        assert_eq!(known(0xffffffff91000000), None, "too far from any");
    }

    #[test]
    fn hidden_addresses_name_nothing() {
        let kernel = Kernel::parse("0000000000000000 T _stext\n0000000000000000 T schedule\n".as_bytes());
        assert_eq!(kernel.known(0xffffffff81000010), None);
        assert_eq!(kernel.known(0), None);
    }

    #[test]
    fn the_list_is_not_read_for_every_unknown_address() {
        let now = Instant::now();
        let mut kernel = Kernel { read_at: Some(now), ..Kernel::parse(LIST.as_bytes()) };
        assert_eq!(kernel.name(0xffffffff81000101, now), "global");
        assert_eq!(kernel.name(5, now), UNKNOWN);
        assert!(!kernel.functions.is_empty(), "still what was read before");
    }
}
