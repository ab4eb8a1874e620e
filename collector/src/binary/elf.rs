//! The parts of an ELF file that an analysis needs, read in pieces.
//!
//! In: an open file. Out: section and program headers, bytes by offset or by address, the build id. Nothing is mapped (a
//! file that shrinks while it is looked at is an error here, and would be a signal there) and no table is read as a whole.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use object::elf::{
    EM_X86_64, ET_DYN, ET_EXEC, FileHeader64, NT_GNU_BUILD_ID, NoteType, PF_X, PT_LOAD, ProgramHeader64, SHF_COMPRESSED,
    SHT_NOTE, SHT_SYMTAB, SectionHeader64, SectionType,
};
use object::{LittleEndian, pod};

use super::Error;

const SECTIONS_MAX: usize = 4096;
const SEGMENTS_MAX: usize = 256;
/// No file and no program reaches so far; sums of a few such numbers do not overflow.
const POSITION_MAX: u64 = 1 << 56;
const NAMES_BYTES_MAX: u64 = 256 << 10;
const NOTE_BYTES_MAX: u64 = 64 << 10;
const BUILD_ID_BYTES_MAX: usize = 64;

/// Bytes read at a time from tables of any size.
pub const PIECE_BYTES: usize = 64 << 10;

const LE: LittleEndian = LittleEndian;

#[derive(Debug, Clone)]
pub struct Section {
    pub name: String,
    pub kind: SectionType,
    pub address: u64,
    pub offset: u64,
    pub size: u64,
    pub link: usize,
    /// Its bytes are not what it stands for.
    pub compressed: bool,
}

#[derive(Debug, Clone, Copy)]
struct Segment {
    address: u64,
    offset: u64,
    size: u64,
    executable: bool,
}

pub struct Elf<'a> {
    file: &'a File,
    pub sections: Vec<Section>,
    segments: Vec<Segment>,
}

impl<'a> Elf<'a> {
    /// None: not an ELF file, or not one for this analysis (64 bits, little-endian, x86-64, executable or shared).
    pub fn read(file: &'a File) -> Result<Option<Elf<'a>>, Error> {
        let mut head = [0; size_of::<FileHeader64<LittleEndian>>()];
        match file.read_exact_at(&mut head, 0) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            read => read?,
        }
        let Ok((header, _)) = pod::from_bytes::<FileHeader64<LittleEndian>>(&head) else { return Ok(None) };
        let ident = &header.e_ident;
        let wanted = ident.magic == object::elf::ELFMAG
            && ident.class == object::elf::ELFCLASS64
            && ident.data == object::elf::ELFDATA2LSB
            && header.e_machine.get(LE) == EM_X86_64
            && [ET_EXEC, ET_DYN].contains(&header.e_type.get(LE));
        if !wanted {
            return Ok(None);
        }
        let mut elf = Elf { file, sections: vec![], segments: vec![] };
        elf.segments = elf.read_segments(header)?;
        elf.sections = elf.read_sections(header)?;
        Ok(Some(elf))
    }

    fn read_segments(&self, header: &FileHeader64<LittleEndian>) -> Result<Vec<Segment>, Error> {
        let count = usize::from(header.e_phnum.get(LE)).min(SEGMENTS_MAX);
        let bytes = self.bytes(header.e_phoff.get(LE), count * size_of::<ProgramHeader64<LittleEndian>>())?;
        let (headers, _) =
            pod::slice_from_bytes::<ProgramHeader64<LittleEndian>>(&bytes, count).map_err(|()| Error::Damaged("segments"))?;
        let loaded = headers.iter().filter(|h| h.p_type.get(LE) == PT_LOAD);
        let segment = |h: &ProgramHeader64<LittleEndian>| Segment {
            address: h.p_vaddr.get(LE),
            offset: h.p_offset.get(LE),
            size: h.p_filesz.get(LE),
            executable: h.p_flags.get(LE).contains(PF_X),
        };
        Ok(loaded.map(segment).filter(Segment::possible).collect())
    }

    fn read_sections(&self, header: &FileHeader64<LittleEndian>) -> Result<Vec<Section>, Error> {
        let count = usize::from(header.e_shnum.get(LE)).min(SECTIONS_MAX);
        let bytes = self.bytes(header.e_shoff.get(LE), count * size_of::<SectionHeader64<LittleEndian>>())?;
        let (headers, _) =
            pod::slice_from_bytes::<SectionHeader64<LittleEndian>>(&bytes, count).map_err(|()| Error::Damaged("sections"))?;
        let names = match headers.get(usize::from(header.e_shstrndx.get(LE).0)) {
            Some(names) => self.bytes(names.sh_offset.get(LE), names.sh_size.get(LE).min(NAMES_BYTES_MAX) as usize)?,
            None => vec![],
        };
        let section = |h: &SectionHeader64<LittleEndian>| Section {
            name: text_at(&names, h.sh_name.get(LE) as usize),
            kind: h.sh_type.get(LE),
            address: h.sh_addr.get(LE),
            offset: h.sh_offset.get(LE),
            size: h.sh_size.get(LE),
            link: h.sh_link.get(LE) as usize,
            compressed: h.sh_flags.get(LE).contains(SHF_COMPRESSED),
        };
        // one that lies stays in its place, empty: others are named by number
        let checked = |s: Section| if s.possible() { s } else { Section { offset: 0, size: 0, address: 0, ..s } };
        Ok(headers.iter().map(section).map(checked).collect())
    }

    pub fn section(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|s| s.name == name && s.kind != object::elf::SHT_NOBITS)
    }

    pub fn symbol_table(&self) -> Option<&Section> {
        self.sections.iter().find(|s| s.kind == SHT_SYMTAB)
    }

    /// Exactly so many bytes of the file: callers bound the length.
    pub fn bytes(&self, offset: u64, length: usize) -> Result<Vec<u8>, Error> {
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    }

    /// Fills what the file has from there on, and says how much.
    pub fn fill(&self, offset: u64, into: &mut [u8]) -> Result<usize, Error> {
        let mut filled = 0;
        while filled < into.len() {
            match self.file.read_at(&mut into[filled..], offset.saturating_add(filled as u64)) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(filled)
    }

    /// Where in the file an address's bytes are, and how many follow in its segment.
    pub fn locate(&self, address: u64) -> Option<(u64, u64)> {
        self.segments.iter().find_map(|s| s.locate(address))
    }

    /// The same, for code only.
    pub fn locate_code(&self, address: u64) -> Option<(u64, u64)> {
        self.segments.iter().filter(|s| s.executable).find_map(|s| s.locate(address))
    }

    /// Code: address, place in the file and size of each segment that holds any.
    pub fn code(&self) -> impl Iterator<Item = (u64, u64, u64)> {
        self.segments.iter().filter(|s| s.executable).map(|s| (s.address, s.offset, s.size))
    }

    /// The GNU build id, in hexadecimal.
    pub fn build_id(&self) -> Option<String> {
        self.note(NT_GNU_BUILD_ID, b"GNU\0")
            .filter(|id| id.len() <= BUILD_ID_BYTES_MAX)
            .map(|id| id.iter().map(|b| format!("{b:02x}")).collect())
    }

    fn note(&self, kind: NoteType, owner: &[u8]) -> Option<Vec<u8>> {
        self.sections.iter().filter(|s| s.kind == SHT_NOTE && s.size <= NOTE_BYTES_MAX).find_map(|section| {
            let bytes = self.bytes(section.offset, section.size as usize).ok()?;
            note_in(&bytes, kind.0, owner)
        })
    }
}

impl Section {
    fn possible(&self) -> bool {
        [self.address, self.offset, self.size].iter().all(|n| *n < POSITION_MAX)
    }
}

impl Segment {
    fn possible(&self) -> bool {
        [self.address, self.offset, self.size].iter().all(|n| *n < POSITION_MAX)
    }

    fn locate(&self, address: u64) -> Option<(u64, u64)> {
        let inside = address.checked_sub(self.address).filter(|inside| *inside < self.size)?;
        Some((self.offset.checked_add(inside)?, self.size - inside))
    }
}

/// The contents of the first note of this kind and owner (which is 4 bytes long, so that nothing needs padding).
fn note_in(mut bytes: &[u8], kind: u32, owner: &[u8]) -> Option<Vec<u8>> {
    let word = |bytes: &[u8], at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    loop {
        let (name_bytes, content_bytes) = (word(bytes, 0)? as usize, word(bytes, 4)? as usize);
        let content_at = 12 + name_bytes.next_multiple_of(4);
        let content = bytes.get(content_at..content_at.checked_add(content_bytes)?)?;
        if word(bytes, 8)? == kind && bytes.get(12..12 + name_bytes)? == owner {
            return Some(content.to_vec());
        }
        bytes = bytes.get(content_at + content_bytes.next_multiple_of(4)..)?;
    }
}

fn text_at(bytes: &[u8], at: usize) -> String {
    let rest = bytes.get(at..).unwrap_or_default();
    let end = rest.iter().position(|b| *b == 0).unwrap_or(rest.len());
    String::from_utf8_lossy(&rest[..end]).into_owned()
}
