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
