//! Python in a process: which version, where its state is, and how its structures are laid out.
//!
//! The version is in the file's name, as CPython's builds name it; within one the layout is the same for all releases. Builds with
//! other layouts (for debugging, without the global lock) have other names.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use ebpf_abi::Python;
use hashbrown::HashMap;
use object::elf::{SHT_DYNSYM, Sym64};
use object::{LittleEndian, pod};

use crate::binary::elf::{Elf, Section};
use crate::kernel::Mapped;
use crate::libraries::files::{self, FileId};

/// Files that are known; beyond it all are looked at anew.
const FILES_MAX: usize = 1024;
/// Larger tables of exported symbols are none of Python's.
const TABLE_BYTES_MAX: u64 = 4 << 20;
const PAGE_BYTES: u64 = 4096;
const LE: LittleEndian = LittleEndian;

/// What is the same in every process that runs this version.
#[derive(Debug)]
pub struct Version {
    minor: u32,
    /// Without the address of the interpreter.
    layout: Python,
    /// In the runtime's state: the pointer to the main interpreter.
    interpreter: u64,
    /// A frame of its own, without a function, stands between two calls of the interpreter.
    pub frame_between: bool,
    /// Where a text's characters are: of one that is all ASCII, and of others.
    pub ascii_text: u64,
    pub other_text: u64,
}

const fn layout(threads: u32, thread: [u16; 4], frame: [u16; 4]) -> Python {
    let [thread_next, thread_id, thread_frame, in_between] = thread;
    let [frame_code, frame_caller, frame_mark, mark] = frame;
    Python {
        interpreter_at: 0,
        threads,
        thread_next,
        thread_id,
        thread_frame,
        in_between,
        frame_code,
        frame_caller,
        frame_mark,
        mark,
        _pad: 0,
    }
}

/// From the headers `cpython/pystate.h`, `internal/pycore_frame.h`, `internal/pycore_interp.h` and `internal/pycore_runtime.h`.
const VERSIONS: [Version; 3] = [
    Version {
        minor: 11,
        layout: layout(16, [8, 152, 56, 8], [32, 48, 68, 1]),
        interpreter: 48,
        frame_between: false,
        ascii_text: 48,
        other_text: 72,
    },
    Version {
        minor: 12,
        layout: layout(72, [8, 136, 56, 0], [0, 8, 70, 3]),
        interpreter: 48,
        frame_between: true,
        ascii_text: 40,
        other_text: 56,
    },
    Version {
        minor: 13,
        layout: layout(7344, [8, 152, 72, Python::DIRECT], [0, 8, 70, 3]),
        interpreter: 640,
        frame_between: true,
        ascii_text: 40,
        other_text: 56,
    },
];

/// Python in one process.
#[derive(Debug, Clone, Copy)]
pub struct Runtime {
    pub version: &'static Version,
    pub layout: Python,
    /// The type of code objects: what else is in a frame is no function.
    pub code_type: u64,
}

/// Places in a file, by its exported symbols.
#[derive(Debug, Clone, Copy)]
struct Places {
    code: u64,
    state: u64,
    code_type: u64,
}

#[derive(Debug, Default)]
pub struct Runtimes {
    files: HashMap<FileId, Option<Places>>,
}

impl Runtimes {
    /// None: the process runs no Python, or none that is known.
    pub fn of(&mut self, pid: u32) -> Option<Runtime> {
        files::code_of(pid).iter().find_map(|mapped| self.in_file(mapped, version(&mapped.path)?))
    }

    fn in_file(&mut self, mapped: &Mapped, version: &'static Version) -> Option<Runtime> {
        let (file, id) = files::open(mapped)?;
        if self.files.len() >= FILES_MAX {
            self.files.clear();
        }
        let places = (*self.files.entry(id).or_insert_with(|| places(&Elf::read(&file).ok()??)))?;
        let moved = mapped.start.wrapping_sub(places.code);
        let interpreter_at = places.state.wrapping_add(moved).wrapping_add(version.interpreter);
        let layout = Python { interpreter_at, ..version.layout };
        Some(Runtime { version, layout, code_type: places.code_type.wrapping_add(moved) })
    }
}

/// `python3.11`, `libpython3.11.so.1.0`; not `python3.11d` or `python3.13t`.
fn version(path: &[u8]) -> Option<&'static Version> {
    let name = Path::new(std::ffi::OsStr::from_bytes(path)).file_name()?.to_str()?;
    let rest = name.strip_prefix("lib").unwrap_or(name).strip_prefix("python3.")?;
    let minor = rest.split_once(".so").map_or(rest, |(minor, _)| minor).parse::<u32>().ok()?;
    VERSIONS.iter().find(|version| version.minor == minor)
}

fn places(elf: &Elf<'_>) -> Option<Places> {
    let table = elf.sections.iter().find(|s| s.kind == SHT_DYNSYM)?;
    let [state, code_type] = exported(elf, table, ["_PyRuntime", "PyCode_Type"])?;
    let code = elf.code().map(|(address, _, _)| address).min()?;
    Some(Places { code: code / PAGE_BYTES * PAGE_BYTES, state, code_type })
}

/// The addresses of exported symbols; None when one is missing.
fn exported<const N: usize>(elf: &Elf<'_>, table: &Section, names: [&str; N]) -> Option<[u64; N]> {
    let bytes = |s: &Section| elf.bytes(s.offset, usize::try_from(Some(s.size).filter(|n| *n <= TABLE_BYTES_MAX)?).ok()?).ok();
    let (symbols, strings) = (bytes(table)?, bytes(elf.sections.get(table.link)?)?);
    let count = symbols.len() / size_of::<Sym64<LittleEndian>>();
    let (symbols, _) = pod::slice_from_bytes::<Sym64<LittleEndian>>(&symbols, count).ok()?;
    let name = |at: u32| strings.get(at as usize..)?.split(|b| *b == 0).next();
    let address = |wanted: &str| {
        let found = symbols.iter().find(|s| name(s.st_name.get(LE)) == Some(wanted.as_bytes()))?;
        Some(found.st_value.get(LE)).filter(|address| *address != 0)
    };
    let mut out = [0; N];
    for (place, wanted) in out.iter_mut().zip(names) {
        *place = address(wanted)?;
    }
    Some(out)
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// Python 3.11, without a process.
    pub fn with_code_type(code_type: u64) -> Runtime {
        Runtime { version: &VERSIONS[0], layout: VERSIONS[0].layout, code_type }
    }

    #[test]
    fn versions_are_known_by_their_files() {
        let minor = |path: &str| version(path.as_bytes()).map(|version| version.minor);
        assert_eq!(minor("/usr/bin/python3.11"), Some(11));
        assert_eq!(minor("/usr/lib/x86_64-linux-gnu/libpython3.12.so.1.0"), Some(12));
        assert_eq!(minor("libpython3.13.so"), Some(13));
        for other in ["/usr/bin/python3.11d", "/usr/bin/python3.13t", "/usr/bin/python3.9", "/usr/bin/python3", "/bin/ls", ""] {
            assert_eq!(minor(other), None, "{other}");
        }
    }

    #[test]
    fn a_process_without_python_has_none() {
        let mut runtimes = Runtimes::default();
        assert!(runtimes.of(std::process::id()).is_none());
        assert!(runtimes.of(u32::MAX).is_none());
    }
}
