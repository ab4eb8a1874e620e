//! Which functions are inlined where, compact: ranges of addresses by how deep they are nested.
//!
//! Of one depth no two ranges share an address, because they are calls within one function.

/// Ranges of one program: 3 MiB of them.
pub const RANGES_MAX: usize = 256 << 10;
/// Of all names of one program.
pub const NAMES_BYTES_MAX: usize = 4 << 20;
/// Deeper ones are left out.
pub const DEPTH_MAX: usize = 64;

/// As it is found.
#[derive(Debug, Clone, Copy)]
pub struct Found {
    pub start: u64,
    pub end: u64,
    /// 0 is a function that is inlined into a physical one.
    pub depth: usize,
    /// Where its name begins.
    pub name: u32,
}

#[derive(Debug, Clone, Copy)]
struct Part {
    start: u32,
    bytes: u32,
    name: u32,
}

#[derive(Debug, Default)]
pub struct Table {
    base: u64,
    depths: Vec<Vec<Part>>,
    /// Each ends with a zero.
    names: String,
}

impl Table {
    pub fn new(found: &[Found], mut names: String) -> Table {
        let base = found.iter().map(|f| f.start).min().unwrap_or(0);
        let mut depths: Vec<Vec<Part>> = vec![];
        for f in found.iter().filter(|f| f.depth < DEPTH_MAX) {
            // the code of a program is within 4 GiB
            let (Ok(start), Ok(bytes)) = (u32::try_from(f.start - base), u32::try_from(f.end.saturating_sub(f.start))) else {
                continue;
            };
            if depths.len() <= f.depth {
                depths.resize_with(f.depth + 1, Vec::new);
            }
            depths[f.depth].push(Part { start, bytes, name: f.name });
        }
        for parts in &mut depths {
            parts.sort_unstable_by_key(|p| p.start);
            parts.shrink_to_fit();
        }
        names.shrink_to_fit();
        Table { base, depths, names }
    }

    pub fn is_empty(&self) -> bool {
        self.depths.is_empty()
    }

    pub fn bytes(&self) -> usize {
        self.depths.iter().map(|parts| parts.capacity() * size_of::<Part>()).sum::<usize>() + self.names.capacity()
    }

    /// The outermost first.
    pub fn names_at(&self, address: u64) -> impl Iterator<Item = &str> {
        let at = address.checked_sub(self.base).and_then(|at| u32::try_from(at).ok());
        let part = move |parts: &Vec<Part>| {
            let at = at?;
            let before = parts.partition_point(|p| p.start <= at).checked_sub(1)?;
            Some(parts[before]).filter(|p| at - p.start < p.bytes)
        };
        self.depths.iter().map_while(part).filter_map(|part| self.names.get(part.name as usize..)?.split('\0').next())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_ranges_are_told_from_the_outermost() {
        let found = |start, end, depth, name| Found { start, end, depth, name };
        let table = Table::new(
            &[found(0x120, 0x130, 1, 2), found(0x100, 0x140, 0, 0), found(0x200, 0x210, 0, 4), found(0x128, 0x12a, 2, 0)],
            "a\0b\0c\0".to_owned(),
        );
        let names = |address| table.names_at(address).collect::<Vec<_>>().join(" ");
        assert_eq!(names(0xff), "");
        assert_eq!(names(0x100), "a");
        assert_eq!(names(0x120), "a b");
        assert_eq!(names(0x129), "a b a");
        assert_eq!(names(0x130), "a");
        assert_eq!(names(0x140), "");
        assert_eq!(names(0x205), "c");
        assert_eq!(names(u64::MAX), "");
    }

    #[test]
    fn what_makes_no_sense_is_nowhere() {
        let table = Table::new(
            &[Found { start: 8, end: 4, depth: 0, name: 9 }, Found { start: 1, end: 2, depth: 99, name: 0 }],
            String::new(),
        );
        assert_eq!((table.names_at(8).count(), table.names_at(1).count()), (0, 0));
        assert!(Table::new(&[], String::new()).is_empty());
    }
}
