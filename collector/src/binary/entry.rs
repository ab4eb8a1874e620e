//! Where a call's beginning is seen: the first emulated instruction that every call passes and that still has the arguments.
//!
//! In: where a function begins, and which of its arguments are needed. Out: a [`Spot`]. Looks no further than the first
//! instruction that branches: what comes before it, and it itself, is on every path. A branch that only leads back to the start
//! does not count.

use iced_x86::{FlowControl, InstructionInfoFactory};

use super::Error;
use super::emulated::{attachable, emulated};
use super::graph::{Graph, Instructions, Next};
use super::site::Place;
use super::values::{Signature, State};

/// Straight code longer than this before any emulated instruction has not been seen.
const INSTRUCTIONS_MAX: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spot {
    pub address: u64,
    pub emulated: bool,
    pub arguments: [Place; 4],
    pub reason: String,
}

/// `graph` may be missing where a function could not be followed; then nothing is known of loops, and only the first
/// instructions' order is relied on. Err: why nothing can be probed.
pub fn find(
    instructions: &mut Instructions<'_>,
    entry: u64,
    needed: usize,
    signature: &Signature,
    graph: Option<&Graph>,
) -> Result<Result<Spot, String>, Error> {
    let mut facts = InstructionInfoFactory::new();
    let mut state = State::at_entry(signature);
    let mut address = entry;
    let mut why_not = "no emulated instruction before its first branch has the arguments";
    for _ in 0..INSTRUCTIONS_MAX {
        let Some((instruction, code)) = instructions.at(address)? else { break };
        let places = [0, 1, 2, 3].map(|n| state.place_of(n));
        let known = places[..needed.min(4)].iter().all(|place| *place != Place::Unknown);
        if known && emulated(&code) {
            if graph.is_none_or(|g| !g.repeats(address)) {
                let reason = format!("{} bytes in, emulated, arguments followed to here", address - entry);
                return Ok(Ok(Spot { address, emulated: true, arguments: only(places, needed), reason }));
            }
            why_not = "the emulated instructions that have the arguments are in a loop";
        }
        let goes_on = match instruction.flow_control() {
            FlowControl::Next => true,
            FlowControl::ConditionalBranch => graph.is_some_and(|g| restarts(g, instruction.near_branch_target())),
            _ => false,
        };
        if !goes_on {
            break;
        }
        state.step(&instruction, signature, &mut facts);
        address = instruction.next_ip();
    }
    let Some((_, code)) = instructions.at(entry)? else { return Ok(Err("its code cannot be decoded".to_owned())) };
    if !attachable(&code) {
        return Ok(Err("the kernel refuses probes on its first instruction".to_owned()));
    }
    let state = State::at_entry(signature);
    let arguments = only([0, 1, 2, 3].map(|n| state.place_of(n)), needed);
    Ok(Ok(Spot { address: entry, emulated: emulated(&code), arguments, reason: format!("at its start: {why_not}") }))
}

/// Go's functions first look whether the stack is large enough, and else jump to where it grows and the function starts again.
fn restarts(graph: &Graph, target: u64) -> bool {
    let mut address = target;
    for _ in 0..INSTRUCTIONS_MAX {
        let Some(Next::Go { next, target }) = graph.nodes.get(&address).map(|node| node.next) else { return false };
        match (next, target) {
            (None, Some(target)) if target == graph.entry => return true,
            (Some(only), None) | (None, Some(only)) => address = only,
            _ => return false,
        }
    }
    false
}

/// Without the registers that carry no argument of this function.
fn only(mut places: [Place; 4], needed: usize) -> [Place; 4] {
    places.iter_mut().skip(needed).for_each(|place| *place = Place::Unknown);
    places
}

/// Where a return probe can go: the return address must be on top of the stack, as it is from the start to the first push.
/// The place and whether it is emulated.
pub fn for_return_probe(
    instructions: &mut Instructions<'_>,
    entry: u64,
    signature: &Signature,
    graph: Option<&Graph>,
) -> Result<Option<(u64, bool)>, Error> {
    let mut facts = InstructionInfoFactory::new();
    let mut state = State::at_entry(signature);
    let mut address = entry;
    for _ in 0..INSTRUCTIONS_MAX {
        let Some((instruction, code)) = instructions.at(address)? else { break };
        if state.depth() != Some(0) {
            break;
        }
        if emulated(&code) && graph.is_none_or(|g| !g.repeats(address)) {
            return Ok(Some((address, true)));
        }
        if instruction.flow_control() != FlowControl::Next {
            break;
        }
        state.step(&instruction, signature, &mut facts);
        address = instruction.next_ip();
    }
    let first = instructions.at(entry)?;
    Ok(first.filter(|(_, code)| attachable(code)).map(|_| (entry, false)))
}
