//! The profiler's hooks: the clock and the page faults of each CPU, and tracepoints of the scheduler and of the memory accounting.
//!
//! In: what stacks are wanted of. Out: what `probe_status` says of each hook. The records come by the ring buffer of samples.

use aya::programs::perf_event::{PerfEventConfig, PerfEventScope, SamplePolicy, SoftwareEvent};
use aya::programs::{BtfTracePoint, KProbe, PerfEvent};
use aya::{Btf, Ebpf};
use ebpf_abi::{FAULTS_PERIOD, SAMPLES_BYTES_MAX, SAMPLES_BYTES_MIN, hook};

use super::capture::{ProbeState, Standing, chain};

/// Ticks a second at the most.
pub const PROFILE_HZ_MAX: u32 = 997;
const SECOND_NS: u64 = 1_000_000_000;

/// What a thread runs first when it runs again.
pub const FIRST_FUNCTION: &str = "finish_task_switch";
/// The program there.
pub const AT_FIRST_FUNCTION: &str = "switched";

/// Each program, by its position in `hook::NAMES`.
pub const PROGRAMS: [(&str, usize); 6] = [
    ("sample_tick", hook::SAMPLE),
    ("switch", hook::SWITCH),
    ("switch_in", hook::SWITCH_IN),
    ("waking", hook::WAKING),
    ("fault", hook::FAULT),
    ("growth", hook::GROWTH),
];

/// What stacks are taken of.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    /// How often a second on each CPU, and of waits; 0 is never, also not of the others.
    pub hz: u32,
    /// Page faults.
    pub faults: bool,
    /// Growth of processes' memory.
    pub growth: bool,
}

/// Time between two ticks; 0 when there are none.
pub fn period_ns(hz: u32) -> u64 {
    if hz == 0 { 0 } else { (SECOND_NS + u64::from(hz) / 2) / u64::from(hz) }
}

/// Bytes of a CPU's samples that may wait in the time that the reader needs for a large program's names: waits, and for each tick a
/// second what one has beside a compiler.
const WAITS_BYTES: usize = 1 << 20;
const TICK_BYTES: usize = 7 << 10;

/// How large the ring buffer of samples is.
pub fn ring_bytes(cpus: usize, hz: u32) -> u32 {
    let wanted = cpus.saturating_mul(WAITS_BYTES + TICK_BYTES * hz as usize).checked_next_power_of_two();
    let wanted = wanted.and_then(|bytes| u32::try_from(bytes).ok()).unwrap_or(SAMPLES_BYTES_MAX);
    wanted.clamp(SAMPLES_BYTES_MIN, SAMPLES_BYTES_MAX)
}

/// Loads the programs that take the stacks that are wanted, and tells which of them the kernel refuses, and why.
pub fn load(ebpf: &mut Ebpf, btf: &Btf, wanted: Wanted) -> Vec<(&'static str, String)> {
    let mut results = vec![("sample_tick", load_event(ebpf, "sample_tick").map(|_| ()))];
    let ends = load_tracepoint(ebpf, btf, "switch_in", hook::SWITCH_IN).map(|_| ());
    results.push(("switch_in", ends.or_else(|_| load_function(ebpf, AT_FIRST_FUNCTION).map(|_| ()))));
    if wanted.faults {
        results.push(("fault", load_event(ebpf, "fault").map(|_| ())));
    }
    if wanted.growth {
        results.push(("growth", load_tracepoint(ebpf, btf, "growth", hook::GROWTH).map(|_| ())));
    }
    results.into_iter().filter_map(|(program, loaded)| loaded.err().map(|why| (program, why))).collect()
}

/// Attaches what is wanted. `pages_known` says whether the programs know where the kernel counts processes' memory; `walks` why
/// they do not find the callers on stacks, if they do not.
pub fn attach(ebpf: &mut Ebpf, btf: &Btf, wanted: Wanted, pages_known: bool, walks: Result<(), String>) -> Vec<ProbeState> {
    let hz = wanted.hz;
    if hz == 0 {
        let off = |(_, at)| off("off", hook::NAMES[at], "the profiler is switched off (--profile-hz 0)");
        return PROGRAMS.into_iter().map(off).collect();
    }
    let callers = walks.err().map(|why| format!("; callers are found in user space, because the kernel refuses to: {why}"));
    let callers = callers.unwrap_or_default();
    let ticks = attach_event(ebpf, "sample_tick", SoftwareEvent::CpuClock, period_ns(hz))
        .map(|cpus| format!("stacks of what runs, {hz} times a second on each of {cpus} CPUs{callers}"));
    // the kernel counts every fault for it, which a program that does little else feels
    let (hook, target) = ("perf_event", hook::NAMES[hook::FAULT]);
    let faults = if wanted.faults {
        let attached = attach_event(ebpf, "fault", SoftwareEvent::PageFaults, FAULTS_PERIOD);
        state(hook, target, attached.map(|_| format!("stacks of one page fault in {FAULTS_PERIOD}")))
    } else {
        off(hook, target, "switched on by --profile-faults")
    };
    // it runs at every fault, too
    let (hook, target) = ("tp_btf", hook::NAMES[hook::GROWTH]);
    let growth = match (wanted.growth, pages_known) {
        (false, _) => off(hook, target, "switched on by --profile-rss-growth"),
        (true, false) => state(hook, target, Err("this kernel counts the memory of processes in another way".to_owned())),
        (true, true) => {
            let attached = attach_tracepoint(ebpf, btf, "growth", hook::GROWTH);
            state(hook, target, attached.map(|()| "where the memory of processes grows".to_owned()))
        }
    };
    // a wait that is seen to begin and never to end would only cost time, and so would who ended one that nobody sees
    let tracepoint = attach_tracepoint(ebpf, btf, "switch_in", hook::SWITCH_IN);
    let (hook, target, ends) = match tracepoint {
        Ok(()) => ("tp_btf", hook::NAMES[hook::SWITCH_IN], Ok(())),
        Err(reason) => match attach_function(ebpf, AT_FIRST_FUNCTION, FIRST_FUNCTION) {
            Ok(()) => ("kprobe", FIRST_FUNCTION, Ok(())),
            Err(other) => ("tp_btf", hook::NAMES[hook::SWITCH_IN], Err(format!("{reason}; kprobe {FIRST_FUNCTION}: {other}"))),
        },
    };
    let mut with_ends = |program, hook| match &ends {
        Ok(()) => attach_tracepoint(ebpf, btf, program, hook),
        Err(_) => Err(format!("of no use without {}", hook::NAMES[hook::SWITCH_IN])),
    };
    let begins = with_ends("switch", hook::SWITCH);
    let wakers = with_ends("waking", hook::WAKING);
    vec![
        state("perf_event", hook::NAMES[hook::SAMPLE], ticks),
        state(
            "tp_btf",
            hook::NAMES[hook::SWITCH],
            begins.map(|()| "when threads stop to run, and when they run again".to_owned()),
        ),
        state(hook, target, ends.map(|()| "where threads waited".to_owned())),
        state("tp_btf", hook::NAMES[hook::WAKING], wakers.map(|()| "who wakes threads that wait".to_owned())),
        faults,
        growth,
    ]
}

fn state(hook: &'static str, target: &str, attached: Result<String, String>) -> ProbeState {
    let standing = Standing::of(&attached);
    let (Ok(reason) | Err(reason)) = attached;
    ProbeState { hook, target: target.to_owned(), standing, reason, hits: None, run_time_ns: None }
}

/// Nobody asked for it; `how` says how to.
fn off(hook: &'static str, target: &str, how: &str) -> ProbeState {
    ProbeState { standing: Standing::Off, ..state(hook, target, Err(how.to_owned())) }
}

/// A period and not a frequency: with a frequency the kernel delivers more than it is asked for.
fn attach_event(ebpf: &mut Ebpf, program: &str, event: SoftwareEvent, period: u64) -> Result<usize, String> {
    let program = load_event(ebpf, program)?;
    let cpus = aya::util::online_cpus().map_err(|(what, e)| format!("{what}: {e}"))?;
    for cpu in &cpus {
        let scope = PerfEventScope::AllProcessesOneCpu { cpu: *cpu };
        let event = PerfEventConfig::Software(event);
        program.attach(event, scope, SamplePolicy::Period(period), false).map_err(|e| chain(&e))?;
    }
    Ok(cpus.len())
}

fn attach_tracepoint(ebpf: &mut Ebpf, btf: &Btf, program: &str, hook: usize) -> Result<(), String> {
    load_tracepoint(ebpf, btf, program, hook)?.attach().map_err(|e| chain(&e))?;
    Ok(())
}

// what is loaded already stays as it is

fn load_event<'a>(ebpf: &'a mut Ebpf, program: &str) -> Result<&'a mut PerfEvent, String> {
    let program = ebpf.program_mut(program).ok_or("no such program in the object")?;
    let program: &mut PerfEvent = program.try_into().map_err(|e| chain(&e))?;
    if program.fd().is_err() {
        program.load().map_err(|e| chain(&e))?;
    }
    Ok(program)
}

fn load_tracepoint<'a>(ebpf: &'a mut Ebpf, btf: &Btf, program: &str, hook: usize) -> Result<&'a mut BtfTracePoint, String> {
    let program = ebpf.program_mut(program).ok_or("no such program in the object")?;
    let program: &mut BtfTracePoint = program.try_into().map_err(|e| chain(&e))?;
    if program.fd().is_err() {
        program.load(hook::NAMES[hook], btf).map_err(|e| chain(&e))?;
    }
    Ok(program)
}

fn load_function<'a>(ebpf: &'a mut Ebpf, program: &str) -> Result<&'a mut KProbe, String> {
    let program = ebpf.program_mut(program).ok_or("no such program in the object")?;
    let program: &mut KProbe = program.try_into().map_err(|e| chain(&e))?;
    if program.fd().is_err() {
        program.load().map_err(|e| chain(&e))?;
    }
    Ok(program)
}

/// Compilers may have given the function another name with a suffix.
fn attach_function(ebpf: &mut Ebpf, program: &str, function: &str) -> Result<(), String> {
    let symbols = std::fs::read_to_string("/proc/kallsyms").map_err(|e| format!("/proc/kallsyms: {e}"))?;
    let is_it = |name: &&str| name.strip_prefix(function).is_some_and(|rest| rest.is_empty() || rest.starts_with(".isra."));
    let symbol = symbols.lines().filter_map(|line| line.split_ascii_whitespace().nth(2)).find(is_it);
    let symbol = symbol.ok_or("the kernel has no such function")?;
    load_function(ebpf, program)?.attach(symbol, 0).map_err(|e| chain(&e))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_rounded_to_the_nanosecond() {
        assert_eq!([0, 1, 19, 997].map(period_ns), [0, 1_000_000_000, 52_631_579, 1_003_009]);
    }

    #[test]
    fn the_ring_of_samples_grows_with_what_is_sampled() {
        let mib = |cpus, hz| ring_bytes(cpus, hz) >> 20;
        assert_eq!([mib(1, 19), mib(2, 19), mib(2, 99), mib(8, 19)], [4, 4, 4, 16]);
        assert_eq!([mib(2, 997), mib(64, 997), mib(usize::MAX, PROFILE_HZ_MAX)], [16, 16, 16]);
    }
}
