//! Makes a script of conversations that are well-formed, and damages it: flips, cuts, splits, swaps, holes, endings.

use protocol_parsers::Flow;

use crate::random::Random;
use crate::script::{Script, Step};

/// Conversations one after the other on a connection.
const CONVERSATIONS_MAX: usize = 6;
const MUTATIONS_MAX: usize = 8;

pub fn script(corpus: &[Vec<Step>], random: &mut Random) -> Script {
    let mut steps = Vec::new();
    for _ in 0..=random.below(CONVERSATIONS_MAX) {
        steps.extend_from_slice(&corpus[random.below(corpus.len())]);
    }
    // some are left whole, so that deep states are reached
    for _ in 0..random.below(MUTATIONS_MAX + 1) {
        mutate(&mut steps, random);
    }
    let from_start = !random.once_in(4);
    if random.once_in(20) {
        swap_roles(&mut steps);
    }
    Script { from_start, steps }
}

fn mutate(steps: &mut Vec<Step>, random: &mut Random) {
    if steps.is_empty() {
        return;
    }
    let at = random.below(steps.len());
    match random.below(14) {
        0..7 => {
            if let Step::Bytes(_, bytes) = &mut steps[at] {
                damage(bytes, random);
            }
        }
        7 => split(steps, at, random),
        8 => {
            steps.remove(at);
        }
        9 if at > 0 => steps.swap(at - 1, at),
        10 => steps.insert(at, steps[at].clone()),
        11 if random.once_in(2) => steps.truncate(at),
        12 => join(steps, at),
        _ => steps.insert(at, event(random)),
    }
}

fn flow(random: &mut Random) -> Flow {
    if random.once_in(2) { Flow::ToServer } else { Flow::ToClient }
}

/// Something other than bytes.
fn event(random: &mut Random) -> Step {
    let amounts = [1, 2, 10, 49, 51, 499, 1000, 60_000, u64::MAX / 2];
    let amount = amounts[random.below(amounts.len())];
    match random.below(6) {
        0..3 => Step::Unseen(flow(random), if random.once_in(2) { amount } else { random.below(64) as u64 }),
        3 => Step::End(flow(random)),
        4 => Step::Expire(amount),
        _ => Step::Wait(amount.min(60_000)),
    }
}

fn damage(bytes: &mut Vec<u8>, random: &mut Random) {
    if bytes.is_empty() {
        return;
    }
    let at = random.below(bytes.len());
    match random.below(8) {
        0 => bytes[at] ^= 1 << random.below(8),
        1 => bytes[at] = random.byte(),
        2 => bytes.truncate(at),
        3 => {
            let end = at + random.below(bytes.len() - at + 1).min(40);
            bytes.drain(at..end);
        }
        4 => {
            let end = at + random.below(bytes.len() - at + 1).min(40);
            let part = bytes[at..end].to_vec();
            bytes.splice(at..at, part);
        }
        5 => {
            let noise: Vec<u8> = (0..random.below(20)).map(|_| random.byte()).collect();
            bytes.splice(at..at, noise);
        }
        6 => digit(bytes, at, random),
        _ => {
            let ends: [&[u8]; 5] = [b"\n", b"\r\n", b"\r", b" ", b"\0"];
            bytes.splice(at..at, ends[random.below(ends.len())].iter().copied());
        }
    }
}

/// Changes a number in a text: lengths and counts decide most about framing.
fn digit(bytes: &mut Vec<u8>, at: usize, random: &mut Random) {
    let Some(found) = bytes[at..].iter().position(u8::is_ascii_digit) else { return };
    let numbers: [&[u8]; 7] = [b"0", b"1", b"-1", b"99", b"65536", b"4294967296", b"18446744073709551616"];
    bytes.splice(at + found..at + found + 1, numbers[random.below(numbers.len())].iter().copied());
}

fn split(steps: &mut Vec<Step>, at: usize, random: &mut Random) {
    if let Step::Bytes(flow, bytes) = &mut steps[at] {
        let rest = bytes.split_off(random.below(bytes.len() + 1));
        let step = Step::Bytes(*flow, rest);
        steps.insert(at + 1, step);
    }
}

/// Two segments of one direction become one.
fn join(steps: &mut Vec<Step>, at: usize) {
    let Step::Bytes(flow, bytes) = steps[at].clone() else { return };
    let next = steps[at + 1..].iter().position(|s| matches!(s, Step::Bytes(other, _) if *other == flow));
    if let Some(next) = next
        && let Step::Bytes(_, more) = steps.remove(at + 1 + next)
    {
        steps[at] = Step::Bytes(flow, [bytes, more].concat());
    }
}

fn swap_roles(steps: &mut [Step]) {
    for step in steps {
        if let Step::Bytes(flow, _) | Step::Unseen(flow, _) | Step::End(flow) = step {
            *flow = flow.other();
        }
    }
}
