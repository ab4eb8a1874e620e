//! Go's crypto/tls: found by Go's own function table, probed without ever touching a return address.
//!
//! In: an ELF file. Out: an [`Analysis`] with sites for `(*Conn).Read`, `Write` and `Close`. Go moves its stacks and checks
//! return addresses when it does, so that a return probe would crash it: the end of a call is seen at instructions of its own.
//! The results (n, and the error behind it) are in rax, rbx and rcx at a return instruction.

use super::Error;
use super::elf::Elf;
use super::function::{Function, Need, Within};
use super::go_layout;
use super::pclntab::Pclntab;
use super::site::{Analysis, Call, Confidence, Kind};
use super::values::Width::Bits64;

const VERSION_BYTES_MAX: usize = 256;
/// Arguments come in registers since this one.
const VERSION_MIN: (u32, u32) = (1, 17);

const FUNCTIONS: [Function; 3] = [
    Function::new(Kind::Go, "crypto/tls.(*Conn).Read", Call::Read, &[Bits64; 4], Need::Result(Bits64)),
    Function::new(Kind::Go, "crypto/tls.(*Conn).Write", Call::Write, &[Bits64; 4], Need::Result(Bits64)),
    Function::new(Kind::Go, "crypto/tls.(*Conn).Close", Call::Close, &[Bits64], Need::Entry),
];

/// None: no Go program, or one without crypto/tls.
pub fn analyse(elf: &Elf<'_>) -> Result<Option<Analysis>, Error> {
    let Some(mut table) = Pclntab::find(elf)? else { return Ok(None) };
    let version = version(elf);
    let symbols = table.functions(&FUNCTIONS.map(|f| f.name), begins_function)?;
    if symbols.is_empty() {
        return Ok(None);
    }
    let numbers = version.as_deref().and_then(parsed);
    let (layout, known_by) = go_layout::of(elf, numbers.map(|(_, minor)| minor));
    let mut analysis = Analysis {
        kind: Kind::Go,
        build_id: elf.build_id(),
        version,
        sites: vec![],
        refused: vec![],
        forwarding: vec![],
        confidence: Confidence::Symbol,
        layout: Some(layout),
    };
    let too_old = numbers.is_some_and(|version| version < VERSION_MIN);
    let within = Within { elf, others: &symbols, return_probes: false };
    for symbol in &symbols {
        let Some(function) = FUNCTIONS.iter().find(|f| f.name == symbol.name) else { continue };
        if too_old {
            analysis.refused.push((symbol.name.clone(), "before Go 1.17 arguments come on the stack".to_owned()));
            continue;
        }
        let mut panics = |address| Ok(table.name_of(address)?.is_some_and(|name| never_returns(&name)));
        function.add_sites(&within, symbol, &mut panics, &mut analysis)?;
    }
    for site in &mut analysis.sites {
        site.reason.push_str(&format!("; structures by {known_by}"));
    }
    Ok(Some(analysis))
}

/// The check of the stack's limit that Go functions begin with: `cmp rsp, [r14+16]`, or a `lea r12, [rsp-n]` for it.
pub fn begins_function(code: &[u8]) -> bool {
    [&[0x49, 0x3b, 0x66, 0x10][..], &[0x4c, 0x8d, 0x64, 0x24], &[0x4c, 0x8d, 0xa4, 0x24]]
        .iter()
        .any(|start| code.starts_with(start))
}

fn never_returns(name: &str) -> bool {
    ["runtime.panic", "runtime.gopanic", "runtime.goPanic", "runtime.throw", "runtime.fatal"]
        .iter()
        .any(|p| name.starts_with(p))
}

/// 'go1.26.1', from the build information.
fn version(elf: &Elf<'_>) -> Option<String> {
    const MAGIC: &[u8] = b"\xff Go buildinf:";
    const INLINE: u8 = 2;
    let section = elf.section(".go.buildinfo")?;
    let bytes = elf.bytes(section.offset, usize::try_from(section.size).ok()?.min(VERSION_BYTES_MAX)).ok()?;
    bytes.starts_with(MAGIC).then_some(())?;
    let text = if bytes.get(15)? & INLINE != 0 {
        let length = usize::from(*bytes.get(32)?);
        bytes.get(33..33 + length)?.to_vec()
    } else {
        // before 1.18: the address of a string, which is an address and a length
        let word = |bytes: &[u8], at: usize| Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
        let at = |address| elf.locate(address).map(|(offset, _)| offset);
        let string = elf.bytes(at(word(&bytes, 16)?)?, 16).ok()?;
        let length = usize::try_from(word(&string, 8)?).ok()?.min(VERSION_BYTES_MAX);
        elf.bytes(at(word(&string, 0)?)?, length).ok()?
    };
    String::from_utf8(text).ok().filter(|text| text.starts_with("go"))
}

/// The numbers of 'go1.26.1' that decide: (1, 26). None for a development version.
fn parsed(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.strip_prefix("go")?.split('.');
    let major = numbers.next()?.parse().ok()?;
    let minor = numbers.next()?;
    let digits = minor.find(|c: char| !c.is_ascii_digit()).unwrap_or(minor.len());
    Some((major, minor[..digits].parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_number() {
        assert_eq!(parsed("go1.26.1"), Some((1, 26)));
        assert_eq!(parsed("go1.9rc1"), Some((1, 9)));
        assert_eq!(parsed("devel +abc"), None);
        assert!(parsed("go1.9").is_some_and(|v| v < VERSION_MIN));
        assert!(parsed("go1.17").is_some_and(|v| v >= VERSION_MIN));
    }
}
