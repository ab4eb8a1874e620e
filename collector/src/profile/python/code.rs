//! Names of code objects, read out of the memory of the process that has them.
//!
//! In: addresses. Out: `function (file.py)`. Whatever is not a code object with a name has none.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use hashbrown::HashMap;

use super::runtime::Runtime;

/// Of one process; beyond it all are read anew.
const CODES_MAX: usize = 16384;
/// Another object may come to be at the same address, as when a program that starts compiles what it runs only once: a name is
/// believed the longer the more often it was the same.
const BELIEVED_MIN: Duration = Duration::from_millis(50);
const BELIEVED_MAX: Duration = Duration::from_secs(10);
const CHARACTERS_MAX: usize = 256;

// in an object: its type
const TYPE: usize = 8;
// in a code object: where it was written, and its name with those of the classes and functions around it
const FILE_NAME: usize = 112;
const NAME: usize = 128;
const CODE_BYTES: usize = 136;
// in a text: how many characters, and how they are kept
const LENGTH: usize = 16;
const STATE: usize = 32;
const TEXT_BYTES: usize = 40;

#[derive(Default)]
pub struct Codes {
    names: HashMap<u64, Known>,
}

struct Known {
    name: Option<String>,
    read: Instant,
    believed: Duration,
}

/// Bytes of a process.
pub trait Memory {
    fn fill(&self, address: u64, into: &mut [u8]) -> Option<()>;
}

impl Memory for File {
    fn fill(&self, address: u64, into: &mut [u8]) -> Option<()> {
        self.read_exact_at(into, address).ok()
    }
}

impl Codes {
    pub fn name(&mut self, memory: &impl Memory, code: u64, runtime: &Runtime) -> Option<String> {
        let known = self.names.get(&code);
        if let Some(Known { name, read, believed }) = known
            && read.elapsed() < *believed
        {
            return name.clone();
        }
        // of a process that has ended what was read before holds
        let name = name(memory, code, runtime).or_else(|| known?.name.clone());
        let believed = known.filter(|known| known.name == name).map_or(BELIEVED_MIN, |known| longer(known.believed));
        if self.names.len() >= CODES_MAX {
            self.names.clear();
        }
        self.names.insert(code, Known { name: name.clone(), read: Instant::now(), believed });
        name
    }
}

fn longer(believed: Duration) -> Duration {
    (believed * 2).min(BELIEVED_MAX)
}

fn name(memory: &impl Memory, code: u64, runtime: &Runtime) -> Option<String> {
    let mut object = [0; CODE_BYTES];
    memory.fill(code, &mut object)?;
    if word(&object, TYPE)? != runtime.code_type {
        return None;
    }
    let function = text(memory, word(&object, NAME)?, runtime).filter(|name| !name.is_empty())?;
    let file = text(memory, word(&object, FILE_NAME)?, runtime)?;
    let file = file.rsplit('/').next().unwrap_or(&file);
    Some(if file.is_empty() { function } else { format!("{function} ({file})") })
}

fn text(memory: &impl Memory, at: u64, runtime: &Runtime) -> Option<String> {
    let mut object = [0; TEXT_BYTES];
    memory.fill(at, &mut object)?;
    let length = usize::try_from(word(&object, LENGTH)?).ok()?;
    let state = word(&object, STATE)?;
    let (character_bytes, is_compact, is_ascii) = ((state >> 2 & 7) as usize, state >> 5 & 1 == 1, state >> 6 & 1 == 1);
    if !is_compact || ![1, 2, 4].contains(&character_bytes) {
        return None;
    }
    let start = at.checked_add(if is_ascii { runtime.version.ascii_text } else { runtime.version.other_text })?;
    // of a long path the end says more
    let skipped = length.saturating_sub(CHARACTERS_MAX);
    let mut bytes = vec![0; (length - skipped) * character_bytes];
    memory.fill(start.checked_add((skipped as u64).checked_mul(character_bytes as u64)?)?, &mut bytes)?;
    let number = |character: &[u8]| character.iter().rev().fold(0, |n, byte| n << 8 | u32::from(*byte));
    let character = |bytes: &[u8]| char::from_u32(number(bytes)).unwrap_or(char::REPLACEMENT_CHARACTER);
    Some(bytes.chunks_exact(character_bytes).map(character).collect())
}

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::python::runtime;

    struct Bytes(Vec<u8>);

    impl Memory for Bytes {
        fn fill(&self, address: u64, into: &mut [u8]) -> Option<()> {
            let at = usize::try_from(address).ok()?;
            into.copy_from_slice(self.0.get(at..at.checked_add(into.len())?)?);
            Some(())
        }
    }

    const CODE_TYPE: u64 = 0x7777;

    /// A code object at 1000 whose texts are at 2000 and 3000.
    fn memory() -> Bytes {
        let mut bytes = vec![0; 5000];
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        put(1000 + TYPE, &CODE_TYPE.to_le_bytes());
        put(1000 + NAME, &2000_u64.to_le_bytes());
        put(1000 + FILE_NAME, &3000_u64.to_le_bytes());
        // two bytes a character, not ASCII
        put(2000 + LENGTH, &3_u64.to_le_bytes());
        put(2000 + STATE, &(2_u32 << 2 | 1 << 5).to_le_bytes());
        put(2000 + 72, &[b'a', 0, 0xb2, 3, b'z', 0]);
        put(3000 + LENGTH, &9_u64.to_le_bytes());
        put(3000 + STATE, &(1_u32 << 2 | 1 << 5 | 1 << 6).to_le_bytes());
        put(3000 + 48, b"/srv/a.py");
        Bytes(bytes)
    }

    #[test]
    fn a_function_is_named_with_its_file() {
        let runtime = runtime::tests::with_code_type(CODE_TYPE);
        let mut codes = Codes::default();
        assert_eq!(codes.name(&memory(), 1000, &runtime).as_deref(), Some("aβz (a.py)"));
        assert_eq!(codes.name(&Bytes(vec![]), 1000, &runtime).as_deref(), Some("aβz (a.py)"), "it is remembered");
        assert_eq!(name(&memory(), 1008, &runtime), None, "no code object");
        assert_eq!(name(&memory(), u64::MAX, &runtime), None);
    }

    #[test]
    fn a_name_is_believed_longer_and_longer_but_not_for_good() {
        assert_eq!(longer(BELIEVED_MIN), 2 * BELIEVED_MIN);
        assert_eq!(longer(BELIEVED_MAX), BELIEVED_MAX);
    }

    #[test]
    fn damaged_texts_are_none() {
        let runtime = runtime::tests::with_code_type(CODE_TYPE);
        for (at, value) in [(2000 + LENGTH, u64::MAX), (2000 + STATE, 0), (1000 + NAME, u64::MAX), (1000 + FILE_NAME, 4999)] {
            let mut memory = memory();
            memory.0[at..at + 8].copy_from_slice(&value.to_le_bytes());
            assert_eq!(name(&memory, 1000, &runtime), None, "{at}");
        }
    }
}
