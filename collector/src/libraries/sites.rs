//! The sites of an analysis in the words of the kernel programs.

use ebpf_abi::{Condition, GoDescriptor, Place as AbiPlace, Site as AbiSite, call, moment, place as kind_of, runtime};

use crate::binary::{Analysis, Call, Confidence, Kind, Layout, Moment, Place, Register};
use crate::kernel::{Probe, Run};

/// What is to be probed.
pub fn probes(analysis: &Analysis, path: &str) -> Vec<Probe> {
    let mut probes = vec![];
    for site in &analysis.sites {
        let target = format!("{path}:{}+{:#x}", site.symbol, site.offset);
        // a peek's bytes come again with the read
        let Some(call) = call_of(site.call) else { continue };
        let (run, moment) = match site.moment {
            Moment::Entry => (Run::Passes, moment::ENTRY),
            // the end of a session, and its descriptor, are known from the entry
            Moment::Result if call >= call::FREE => continue,
            Moment::Result if site.uretprobe => (Run::Return, moment::RESULT),
            Moment::Result => (Run::Passes, moment::RESULT),
        };
        let kind = if site.emulated { "emulated" } else { "single-stepped" };
        let sure = match analysis.confidence {
            Confidence::Exported | Confidence::Symbol => "",
            Confidence::Raised => "; without symbols: known by the errors that it raises, and by what it calls",
        };
        probes.push(Probe {
            offset: site.offset,
            run,
            site: AbiSite {
                call,
                moment,
                runtime: if site.kind == Kind::Go { runtime::GO } else { runtime::THREADS },
                object: place(site.arguments[0]),
                buffer: place(site.arguments[1]),
                length: place(site.arguments[if call == call::SET_DESCRIPTOR { 1 } else { 3 }]),
                result: place(site.result),
                plus: place(site.plus),
                status: place(site.status),
                only_if: site.only_if.map(|(at, value)| Condition { at: place(at), value }),
                go: analysis.layout.map(descriptor).unwrap_or_default(),
                ..Default::default()
            }
            .arranged(),
            target,
            reason: format!("{kind}: {}{sure}", site.reason),
        });
    }
    probes
}

fn descriptor(layout: Layout) -> GoDescriptor {
    /// An interface is two words, its type and its data.
    const DATA: u8 = 8;
    GoDescriptor { conn: layout.conn.saturating_add(DATA), fd: layout.fd, sysfd: layout.sysfd, _pad: 0 }
}

fn call_of(call: Call) -> Option<u8> {
    Some(match call {
        Call::Read => call::READ,
        Call::Write => call::WRITE,
        Call::ReadEx => call::READ_EX,
        Call::WriteEx => call::WRITE_EX,
        Call::Received => call::RECEIVED,
        Call::Send => call::SEND,
        Call::Opened => call::OPENED,
        Call::Sealed => call::SEALED,
        Call::SealedTogether => call::SEALED_TOGETHER,
        Call::Handshake | Call::Connect | Call::Accept => call::HANDSHAKE,
        Call::SetFd | Call::SetReadFd | Call::SetFds | Call::SetTransport => call::SET_DESCRIPTOR,
        Call::Free | Call::Close => call::FREE,
        Call::Peek | Call::PeekEx | Call::SetWriteFd | Call::SetBio | Call::SetTransports => return None,
    })
}

/// A place in the words of the kernel programs.
pub fn place(at: Place) -> AbiPlace {
    match at {
        Place::Unknown => AbiPlace { kind: kind_of::NOWHERE, ..Default::default() },
        Place::Register(register) => AbiPlace { kind: kind_of::REGISTER, register: dwarf(register), ..Default::default() },
        Place::Stack(offset) => AbiPlace { kind: kind_of::STACK, offset, ..Default::default() },
    }
}

/// The DWARF number of a register (System V ABI for x86-64, figure 3.36).
fn dwarf(register: Register) -> u8 {
    match register {
        Register::Rax => 0,
        Register::Rdx => 1,
        Register::Rcx => 2,
        Register::Rbx => 3,
        Register::Rsi => 4,
        Register::Rdi => 5,
        Register::Rbp => 6,
        Register::Rsp => 7,
        Register::R8 => 8,
        Register::R9 => 9,
        Register::R10 => 10,
        Register::R11 => 11,
        Register::R12 => 12,
        Register::R13 => 13,
        Register::R14 => 14,
        Register::R15 => 15,
    }
}

#[cfg(test)]
mod tests {
    use ebpf_abi::words;

    use super::*;

    fn at(offset: i32) -> AbiPlace {
        place(Place::Stack(offset))
    }

    fn word(at: AbiPlace) -> (u8, u8) {
        (at.word, at.shift)
    }

    const STACK: u8 = words::REGISTERS as u8;

    #[test]
    fn all_that_is_near_on_the_stack_is_read_at_once() {
        let only_if = [4, 0].map(|offset| Condition { at: at(offset), value: 23 });
        let (buffer, length) = (place(Place::Register(Register::Rsi)), place(Place::Register(Register::R15)));
        let site = AbiSite { object: at(0x28), buffer, length, only_if, ..Default::default() }.arranged();
        assert_eq!((site.stack_from, site.stack_bytes), (0, 0x30));
        assert_eq!([site.object, site.buffer, site.length].map(word), [(STACK + 5, 0), (4, 0), (15, 0)]);
        assert_eq!(site.only_if.map(|condition| word(condition.at)), [(STACK, 32), (STACK, 0)]);
        assert_eq!(word(site.result), (words::ZERO, 0), "is nowhere");
    }

    #[test]
    fn what_does_not_fit_is_read_by_itself() {
        // from the nearest on: a whole word further than the last, half a word, one that begins in the midst of a word
        let far = AbiSite { object: at(-12), buffer: at(48), length: at(40), result: at(-16), ..Default::default() }.arranged();
        assert_eq!((far.stack_from, far.stack_bytes), (-16, 64));
        let words = [far.object, far.buffer, far.length, far.result].map(word);
        assert_eq!(words, [(words::BEYOND, 0), (words::BEYOND, 0), (STACK + 7, 0), (STACK, 0)]);
        let ends = AbiSite { object: at(i32::MIN), buffer: at(i32::MAX), ..Default::default() }.arranged();
        assert_eq!([ends.object, ends.buffer].map(word), [(STACK, 0), (words::BEYOND, 0)]);
    }

    #[test]
    fn nothing_on_the_stack_needs_nothing_of_it() {
        let site = AbiSite { object: place(Place::Register(Register::Rdi)), ..Default::default() }.arranged();
        assert_eq!((site.stack_bytes, word(site.object)), (0, (5, 0)));
    }
}
