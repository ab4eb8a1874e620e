//! Member offsets of the running kernel's structures, from its BTF.
//!
//! In: the bytes of /sys/kernel/btf/vmlinux. Out: the offset of a member named by a path. Nothing is baked in (INV-5).
//! Format: Documentation/bpf/btf.rst of the kernel.

use std::collections::HashMap;

/// Types may nest this deep before a member is given up.
const NESTING_DEPTH_MAX: u32 = 16;

const KIND_ARRAY: u32 = 3;
const KIND_STRUCT: u32 = 4;
const KIND_UNION: u32 = 5;
/// Modifiers that a member's type may hide behind: typedef, volatile, const, restrict, type tag.
const MODIFIERS: [u32; 5] = [8, 9, 10, 11, 18];

#[derive(Debug)]
pub struct Btf {
    bytes: Vec<u8>,
    /// Position of each type; type 0 is void.
    types: Vec<usize>,
    strings: usize,
    structs: HashMap<Vec<u8>, Vec<u32>>,
}

impl Btf {
    /// None when the bytes are not BTF.
    pub fn parse(bytes: Vec<u8>) -> Option<Self> {
        let word = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        if bytes.get(..2)? != [0x9f, 0xeb] {
            return None;
        }
        let header = word(4)? as usize;
        let (first, len) = (header + word(8)? as usize, word(12)? as usize);
        let strings = header + word(16)? as usize;
        let mut types = vec![0];
        let mut structs: HashMap<Vec<u8>, Vec<u32>> = HashMap::new();
        let mut at = first;
        while at < first + len {
            let info = word(at + 4)?;
            let (kind, members) = (info >> 24 & 0x1f, (info & 0xffff) as usize);
            if kind == KIND_STRUCT || kind == KIND_UNION {
                let name = string(&bytes, strings + word(at)? as usize).to_vec();
                structs.entry(name).or_default().push(types.len() as u32);
            }
            types.push(at);
            at += 12
                + match kind {
                    1 | 14 | 17 => 4,
                    3 => 12,
                    4 | 5 | 15 | 19 => 12 * members,
                    6 | 13 => 8 * members,
                    _ => 0,
                };
        }
        Some(Self { bytes, types, strings, structs })
    }

    /// Offset in bytes of the member at `path` (`__sk_common.skc_family`) of the structure `name`; members of anonymous
    /// structures and unions are found as the C language finds them.
    pub fn offset(&self, name: &str, path: &str) -> Option<u32> {
        self.structs.get(name.as_bytes())?.iter().find_map(|id| {
            let (mut id, mut offset) = (*id, 0);
            for part in path.split('.') {
                let (at, ty) = self.member(id, part, 0)?;
                offset += at;
                id = self.bare(ty);
            }
            Some(offset)
        })
    }

    /// Offset in bytes of a member of one element of the array `array` (such as `rss_stat`) of the structure `name`; None when that
    /// is no array of structures `element`.
    pub fn offset_in_array(&self, name: &str, array: &str, (element, n): (&str, u32), path: &str) -> Option<u32> {
        let element_id = *self.structs.get(element.as_bytes())?.first()?;
        let (start, ty) = self.structs.get(name.as_bytes())?.iter().find_map(|id| self.member(*id, array, 0))?;
        let (array_id, size) = (self.bare(ty), self.word(*self.types.get(element_id as usize)? + 8));
        let of = self.types.get(array_id as usize).map(|at| self.bare(self.word(at + 12)));
        let found = self.kind(array_id) == KIND_ARRAY && of == Some(element_id);
        found.then_some(start + n * size + self.offset(element, path)?)
    }

    fn word(&self, at: usize) -> u32 {
        self.bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes)
    }

    fn kind(&self, id: u32) -> u32 {
        self.types.get(id as usize).map_or(0, |at| self.word(at + 4) >> 24 & 0x1f)
    }

    /// The type behind modifiers.
    fn bare(&self, mut id: u32) -> u32 {
        for _ in 0..NESTING_DEPTH_MAX {
            if !MODIFIERS.contains(&self.kind(id)) {
                break;
            }
            id = self.types.get(id as usize).map_or(0, |at| self.word(at + 8));
        }
        id
    }

    fn member(&self, id: u32, name: &str, depth: u32) -> Option<(u32, u32)> {
        if depth > NESTING_DEPTH_MAX || !matches!(self.kind(id), KIND_STRUCT | KIND_UNION) {
            return None;
        }
        let at = *self.types.get(id as usize)?;
        let info = self.word(at + 4);
        (0..(info & 0xffff) as usize).find_map(|i| {
            let member = at + 12 + i * 12;
            let (label, ty, bits) = (self.word(member), self.word(member + 4), self.word(member + 8));
            // with the flag set, the upper byte is a bit field's size
            let bytes = (if info >> 31 == 1 { bits & 0xff_ffff } else { bits }) / 8;
            let label = string(&self.bytes, self.strings + label as usize);
            if label == name.as_bytes() {
                Some((bytes, ty))
            } else if label.is_empty() {
                self.member(self.bare(ty), name, depth + 1).map(|(inner, ty)| (bytes + inner, ty))
            } else {
                None
            }
        })
    }
}

fn string(bytes: &[u8], at: usize) -> &[u8] {
    let rest = bytes.get(at..).unwrap_or_default();
    &rest[..rest.iter().position(|b| *b == 0).unwrap_or(rest.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// struct inner { int a; int b; }; struct outer { int x; union { long u; struct inner v; }; typedef_inner w; }
    fn sample() -> Vec<u8> {
        let strings = b"\0int\0inner\0a\0b\0outer\0x\0u\0v\0w\0alias\0";
        let name = |s: &str| strings.windows(s.len() + 1).position(|w| w == [s.as_bytes(), b"\0"].concat()).unwrap() as u32;
        let mut types: Vec<u32> = vec![];
        types.extend([name("int"), 1 << 24, 4, 32]); // 1
        types.extend([name("inner"), 4 << 24 | 2, 8, name("a"), 1, 0, name("b"), 1, 32]); // 2
        types.extend([name("alias"), 8 << 24, 2]); // 3
        types.extend([0, 5 << 24 | 2, 8, name("u"), 1, 0, name("v"), 2, 0]); // 4
        types.extend([name("outer"), 4 << 24 | 3, 20, name("x"), 1, 0, 0, 4, 32, name("w"), 3, 96]); // 5
        let body: Vec<u8> = types.iter().flat_map(|w| w.to_le_bytes()).collect();
        let mut out = vec![0x9f, 0xeb, 1, 0];
        for word in [24u32, 0, body.len() as u32, body.len() as u32, strings.len() as u32] {
            out.extend(word.to_le_bytes());
        }
        out.extend(body);
        out.extend(strings);
        out
    }

    #[test]
    fn members_are_found_through_anonymous_unions_and_typedefs() {
        let btf = Btf::parse(sample()).unwrap();
        assert_eq!(btf.offset("outer", "x"), Some(0));
        assert_eq!(btf.offset("outer", "v.b"), Some(8));
        assert_eq!(btf.offset("outer", "w.b"), Some(16));
        assert_eq!(btf.offset("outer", "nothing"), None);
        assert_eq!(btf.offset("nothing", "x"), None);
    }

    #[test]
    fn damaged_bytes_are_refused_or_give_nothing() {
        let whole = sample();
        for cut in 0..whole.len() {
            if let Some(btf) = Btf::parse(whole[..cut].to_vec()) {
                btf.offset("outer", "v.b");
            }
        }
        assert!(Btf::parse(b"ELF".to_vec()).is_none());
    }
}
