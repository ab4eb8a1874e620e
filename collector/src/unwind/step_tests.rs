//! A step in the kernel program and one in user space, by the same rule over the same registers and stack, lead to the same
//! caller, or end for the same reason.

use ebpf_abi::{Frame, Memory, UnwindRule, ended};

use super::step::{Registers, State, Stop, Window};
use super::table::{Bp, Cfa, Ra, Rule, Table};

const START: u64 = 0x7fff_0000;
const WORDS: u64 = 64;
const RAX: u8 = 0;
const BP: u8 = 6;
const SP: u8 = 7;

struct Copied<'a>(Window<'a>);

impl Memory for Copied<'_> {
    fn word(&self, address: u64) -> Option<u64> {
        self.0.word(address).ok()
    }
}

/// How to get to the caller.
#[derive(Clone, Copy, Debug)]
enum Way {
    Rule(Rule),
    FramePointer,
}

/// Both at the same function.
struct Both {
    here: State,
    there: Frame,
}

impl Both {
    fn begin() -> Self {
        let mut rest = [0; 16];
        for (number, register) in (0..).zip(&mut rest) {
            *register = START + 8 * number;
        }
        let registers = Registers { ip: 0x1000, sp: START + 16, bp: START + 48, rest };
        let Registers { ip, sp, bp, rest } = registers;
        let there = Frame { ip, sp, bp, rest, bp_known: 1, rest_known: 1, interrupted: 1, _pad: 0 };
        Self { here: State::new(&registers), there }
    }

    /// False when both ended.
    fn step(&mut self, way: &Way, place: u64, stack: Window<'_>) -> bool {
        let (here, how) = match way {
            Way::Rule(rule) => (
                self.here.by_rule(rule, &Table::default(), place, stack),
                self.there.by_rule(&UnwindRule::from(rule), place, &Copied(stack)),
            ),
            Way::FramePointer => (self.here.by_frame_pointer(stack), self.there.by_frame_pointer(&Copied(stack))),
        };
        let expected = match (&here, way) {
            (Ok(_), _) => ended::GOES_ON,
            (Err(Stop::Outermost), _) => ended::COMPLETE,
            (Err(_), Way::Rule(Rule { cfa: Cfa::Expression, .. })) => ended::EXPRESSION,
            (Err(Stop::Stuck), _) => ended::STUCK,
            (Err(Stop::Rule), Way::Rule(_)) => ended::RULE,
            (Err(Stop::Cut | Stop::Elsewhere), Way::Rule(_)) => ended::UNREADABLE,
            (Err(Stop::Elsewhere), Way::FramePointer) if how == ended::ANOTHER_STACK => ended::ANOTHER_STACK,
            (Err(_), Way::FramePointer) => ended::NO_FRAME_POINTER,
        };
        assert_eq!(how, expected, "{way:?} at {place:x}");
        let Ok(here) = here else { return false };
        self.here = here;
        let (here, there) = (&self.here, &self.there);
        assert_eq!((there.ip, there.sp, there.place()), (here.ip, here.sp, here.place()), "{way:?} at {place:x}");
        true
    }
}

fn ways() -> Vec<Way> {
    let mut ways = vec![Way::FramePointer];
    let cfas = [Cfa::Register, Cfa::Linkage, Cfa::Memory, Cfa::Signal, Cfa::Expression];
    let bps = [(Bp::Same, BP), (Bp::AtCfa, BP), (Bp::AtRegister, BP), (Bp::AtRegister, RAX), (Bp::Unknown, BP)];
    let ras = [(Ra::AtCfa, SP), (Ra::Register, RAX), (Ra::Register, BP), (Ra::Outermost, SP), (Ra::Unknown, SP)];
    for (cfa, cfa_register, cfa_offset) in
        cfas.into_iter().flat_map(|cfa| [SP, BP, RAX].into_iter().flat_map(move |r| [-8, 8, 64, 4096].map(|o| (cfa, r, o))))
    {
        for ((bp, bp_register), (ra, ra_register)) in bps.into_iter().flat_map(|bp| ras.map(|ra| (bp, ra))) {
            ways.push(Way::Rule(Rule {
                cfa,
                cfa_register,
                bp,
                bp_register,
                ra,
                ra_register,
                reserved: [0; 2],
                cfa_offset,
                cfa_add: 11,
                bp_offset: -16,
                ra_offset: -8,
            }));
        }
    }
    ways
}

#[test]
fn the_kernel_program_steps_as_user_space_does() {
    // words that are addresses in the stack, so that what is read is of use again
    let words: Vec<u64> = (0..WORDS).map(|n| START + 8 * ((n * 7 + 9) % WORDS)).collect();
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let stack = Window { start: START, bytes: &bytes };
    let ways = ways();
    let (mut one, mut two) = (0, 0);
    for first in &ways {
        // in a stub of the linkage table, before and after it has pushed
        for place in [0x1000, 0x100b] {
            for second in ways.iter().step_by(5) {
                let mut both = Both::begin();
                if both.step(first, place, stack) {
                    one += 1;
                    two += usize::from(both.step(second, place, stack));
                }
            }
        }
    }
    assert!(one > 10_000 && two > 1_000, "{one} {two}");
}
