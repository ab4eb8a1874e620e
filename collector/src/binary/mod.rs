//! Programs and libraries on disk: which TLS library a file holds, and where its functions can be probed.
//!
//! In: an open file. Out: an [`Analysis`]: places ([`Site`]) of which each says what is known there and what a probe on it
//! costs; beside that, the memory allocator in a file. Reads in pieces, with bounded memory, and never maps. Only x86-64; a file
//! for another processor holds nothing here.
//! Attaches nothing, and knows no process.

mod allocator;
mod boringssl;
mod c_library;
pub(crate) mod elf;
mod emulated;
mod entry;
mod exported;
mod function;
mod gnutls;
pub(crate) mod go;
mod go_layout;
mod go_layouts;
mod graph;
mod holder;
mod mbedtls;
mod openssl;
pub(crate) mod pclntab;
mod raised;
mod records;
mod references;
mod result;
mod rustls;
mod site;
mod symbols;
#[cfg(test)]
mod tests;
mod values;
mod wolfssl;

use std::fs::File;
use std::io;

pub use allocator::{Allocator, AllocatorSite, Gives, allocator};
pub use site::{Analysis, Call, Confidence, Kind, Layout, Moment, Place, Register, Site};

use elf::Elf;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot read the file: {0}")]
    Read(#[from] io::Error),
    #[error("the file is damaged: {0}")]
    Damaged(&'static str),
}

/// None: the file holds no library of interest, or is no program for this processor. Of a program with several the first is the
/// analysis, and the others' sites are added to it.
pub fn analyse(file: &File) -> Result<Option<Analysis>, Error> {
    analysed(file, true)
}

/// The same for processes in which return probes are not safe: kernels 6.11 to 6.13 return through a system call, which a
/// seccomp filter may punish. Dearer, and blind to what ends in jumps to other functions.
pub fn analyse_without_return_probes(file: &File) -> Result<Option<Analysis>, Error> {
    analysed(file, false)
}

/// The GNU build id, in hexadecimal, of a program or library for this processor.
pub fn build_id(file: &File) -> Result<Option<String>, Error> {
    Ok(Elf::read(file)?.and_then(|elf| elf.build_id()))
}

fn analysed(file: &File, return_probes: bool) -> Result<Option<Analysis>, Error> {
    let Some(elf) = Elf::read(file)? else { return Ok(None) };
    let found = [go::analyse(&elf)?, c_library::analyse(&elf, return_probes)?, rustls::analyse(&elf, return_probes)?];
    Ok(found.into_iter().flatten().reduce(|mut all, other| {
        all.sites.extend(other.sites);
        all.refused.extend(other.refused);
        all.forwarding.extend(other.forwarding);
        all
    }))
}
