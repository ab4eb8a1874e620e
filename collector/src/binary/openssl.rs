//! OpenSSL's functions, under the names that BoringSSL and LibreSSL share; and its version, where the file tells it.

use iced_x86::{Code, OpKind};

use super::Error;
use super::c_library::Library;
use super::elf::Elf;
use super::function::{Function, Need};
use super::graph::Instructions;
use super::site::{Call, Kind};
use super::symbols::Symbol;
use super::values::Width::{Bits32, Bits64};

const KIND: Kind = Kind::OpenSsl;

pub const LIBRARY: Library =
    Library { kind: KIND, functions: FUNCTIONS, essential: ["SSL_read", "SSL_write"], versions: "OPENSSL_" };

const FUNCTIONS: &[Function] = &[
    Function::new(KIND, "SSL_read", Call::Read, &[Bits64, Bits64, Bits32], Need::Result(Bits32)),
    Function::new(KIND, "SSL_write", Call::Write, &[Bits64, Bits64, Bits32], Need::Result(Bits32)),
    Function::new(KIND, "SSL_read_ex", Call::ReadEx, &[Bits64, Bits64, Bits64, Bits64], Need::Result(Bits32)),
    Function::new(KIND, "SSL_write_ex", Call::WriteEx, &[Bits64, Bits64, Bits64, Bits64], Need::Result(Bits32)),
    Function::new(KIND, "SSL_peek", Call::Peek, &[Bits64, Bits64, Bits32], Need::Result(Bits32)),
    Function::new(KIND, "SSL_peek_ex", Call::PeekEx, &[Bits64, Bits64, Bits64, Bits64], Need::Result(Bits32)),
    Function::new(KIND, "SSL_do_handshake", Call::Handshake, &[Bits64], Need::Result(Bits32)),
    // both end in SSL_do_handshake, where the result is seen
    Function::new(KIND, "SSL_connect", Call::Connect, &[Bits64], Need::Entry),
    Function::new(KIND, "SSL_accept", Call::Accept, &[Bits64], Need::Entry),
    Function::new(KIND, "SSL_set_fd", Call::SetFd, &[Bits64, Bits32], Need::Entry),
    Function::new(KIND, "SSL_set_rfd", Call::SetReadFd, &[Bits64, Bits32], Need::Entry),
    Function::new(KIND, "SSL_set_wfd", Call::SetWriteFd, &[Bits64, Bits32], Need::Entry),
    Function::new(KIND, "SSL_set_bio", Call::SetBio, &[Bits64, Bits64, Bits64], Need::Entry),
    Function::new(KIND, "SSL_free", Call::Free, &[Bits64], Need::Entry),
];

/// Gives the version as text; it is in libcrypto, and so in programs that hold both.
pub const VERSION_FUNCTION: &str = "OpenSSL_version";
const VERSION_INSTRUCTIONS_MAX: usize = 64;
const VERSION_BYTES_MAX: usize = 64;

/// The text that the version function may return and that looks like a version: 'OpenSSL 3.0.17 1 Jul 2025'.
pub fn version(elf: &Elf<'_>, symbols: &[Symbol]) -> Result<Option<String>, Error> {
    let Some(function) = symbols.iter().find(|s| s.name == VERSION_FUNCTION) else { return Ok(None) };
    let mut instructions = Instructions::new(elf);
    let mut address = function.address;
    for _ in 0..VERSION_INSTRUCTIONS_MAX {
        let Some((instruction, _)) = instructions.at(address)? else { break };
        let text = match instruction.code() {
            Code::Lea_r64_m if instruction.is_ip_rel_memory_operand() => Some(instruction.memory_displacement64()),
            Code::Mov_r32_imm32 if instruction.op1_kind() == OpKind::Immediate32 => Some(instruction.immediate(1)),
            _ => None,
        };
        if let Some((offset, _)) = text.and_then(|address| elf.locate(address)) {
            let mut bytes = [0; VERSION_BYTES_MAX];
            let filled = elf.fill(offset, &mut bytes)?;
            let end = bytes[..filled].iter().position(|b| *b == 0).unwrap_or(0);
            let text = String::from_utf8_lossy(&bytes[..end]);
            if ["OpenSSL ", "LibreSSL ", "BoringSSL", "AWS-LC"].iter().any(|name| text.starts_with(name)) {
                return Ok(Some(text.into_owned()));
            }
        }
        address = instruction.next_ip();
    }
    Ok(None)
}
