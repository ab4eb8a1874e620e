//! Loads the kernel programs, attaches them, and holds what they share with user space.

use std::fs::File;
use std::io::Read;
use std::os::fd::AsRawFd;
use std::sync::Mutex;
use std::time::Duration;

use aya::maps::{Array, HashMap, Map, MapData, PerCpuArray, RingBuf};
use aya::programs::{BtfTracePoint, Iter};
use aya::{Btf as AyaBtf, Ebpf, EbpfLoader, Pod};
use ebpf_abi::{Counters, Decision, ListenKey, Policy, Python, RINGS_MAX, SAMPLE_PLACES, hook};

use super::heap::{self, HeapProbes};
use super::unwind_maps::UnwindMaps;
use super::uprobes::{self, Attached, Probe, ProbesId, Uprobes};
use super::{btf::Btf, offsets, privileges, samples};

static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("CARGO_MANIFEST_DIR"), "/../ebpf/object/earshot.bpf.o"));

const VMLINUX: &str = "/sys/kernel/btf/vmlinux";
/// One ring buffer for this many CPUs.
const CPUS_A_RING: usize = 8;

/// Why nothing can be captured.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("not permitted to trace: missing {missing}")]
    NotPermitted { missing: String },
    #[error("this kernel does not describe its types: {VMLINUX}: {error}")]
    NoBtf { error: std::io::Error },
    #[error("this kernel's types are not understood: {what}")]
    Unknown { what: String },
    #[error("cannot load the kernel programs: {what}")]
    Load { what: String },
    #[error("cannot attach {hook}: {what}")]
    Attach { hook: &'static str, what: String },
}

/// One hook, as the table `probe_status` tells it.
#[derive(Clone, Debug)]
pub struct ProbeState {
    pub hook: &'static str,
    pub target: String,
    pub standing: Standing,
    pub reason: String,
    pub hits: Option<u64>,
    /// Known only while the kernel counts (`kernel.bpf_stats_enabled`).
    pub run_time_ns: Option<u64>,
}

impl ProbeState {
    pub fn attached(&self) -> bool {
        self.standing == Standing::Attached
    }
}

/// How a hook stands: whether something is not seen that should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Attached,
    /// Nobody has asked for what it tells.
    Off,
    /// Not to be had, but another way does the same.
    Replaced,
    /// Not to be had: what it would tell is not seen.
    Refused,
}

impl Standing {
    pub fn name(self) -> &'static str {
        match self {
            Self::Attached => "attached",
            Self::Off => "off",
            Self::Replaced => "replaced",
            Self::Refused => "refused",
        }
    }

    /// Of what was asked for.
    pub fn of<T, E>(attached: &Result<T, E>) -> Self {
        if attached.is_ok() { Self::Attached } else { Self::Refused }
    }
}

/// Each program, the tracepoint it is attached to, and why.
const PROGRAMS: [(&str, &str, &str); 7] = [
    ("sock_send", hook::NAMES[hook::SEND], "socket data only, no system call slowed down"),
    ("sock_receive", hook::NAMES[hook::RECEIVE], "socket data only, no system call slowed down"),
    ("set_state", hook::NAMES[hook::SET_STATE], "who opens and accepts TCP connections, and their end"),
    ("process_fork", hook::NAMES[hook::FORK], "start of processes"),
    ("process_exec", hook::NAMES[hook::EXEC], "programs of processes"),
    ("process_exit", hook::NAMES[hook::EXIT], "end of processes"),
    ("process_rename", hook::NAMES[hook::RENAME], "names of processes"),
];

/// Without these there is no capture; without the others, less is known.
const NEEDED: [&str; 2] = ["sock_send", "sock_receive"];

pub struct Capture {
    ebpf: Ebpf,
    rings: usize,
    probes: Vec<ProbeState>,
    /// Or why nothing in user space can be probed.
    uprobes: Result<Uprobes, String>,
    /// Or why no heap can be profiled.
    heap: Result<HeapProbes, String>,
}

/// One ring buffer.
pub struct Ring(RingBuf<MapData>);

impl Ring {
    /// Waits for a record; only the ring of samples wakes its reader. False when none came in time.
    pub fn wait(&self, timeout: Duration) -> bool {
        let mut wanted = libc::pollfd { fd: self.0.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one valid structure, which outlives the call.
        unsafe { libc::poll(&raw mut wanted, 1, timeout.as_millis().min(60_000) as libc::c_int) > 0 }
    }

    /// Calls `each` with up to `max` records; returns how many there were.
    pub fn read(&mut self, max: usize, mut each: impl FnMut(&[u8])) -> usize {
        for n in 0..max {
            match self.0.next() {
                Some(record) => {
                    fetch_ahead(&record);
                    each(&record);
                }
                None => return n,
            }
        }
        max
    }
}

/// How much of the record that follows is asked for early: its header and most of a short message.
const AHEAD_BYTES: usize = 256;

/// Asks for the memory behind a record, where the next one is: another processor wrote it, so that it takes long to come.
fn fetch_ahead(record: &[u8]) {
    #[cfg(target_arch = "x86_64")]
    for line in (0..AHEAD_BYTES).step_by(64) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let at = record.as_ptr_range().end.wrapping_add(line);
        // SAFETY: a hint, which reads nothing: any address will do.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = record;
}

/// What user space decides about connections, and about all of a process.
pub struct Policies {
    by_connection: HashMap<MapData, u64, PodDecision>,
    by_process: HashMap<MapData, u32, Policy>,
    epoch: Mutex<(Array<MapData, u32>, u32)>,
}

impl Policies {
    /// False when the table of policies is full: the connection keeps the one it has.
    pub fn set(&mut self, connection: u64, decision: Decision) -> bool {
        if self.by_connection.insert(connection, PodDecision(decision), 0).is_err() {
            return false;
        }
        self.changed()
    }

    /// The most that is copied of any connection of a process; `None` when nothing is left out. False when the kernel takes no more.
    pub fn limit_process(&mut self, pid: u32, most: Option<Policy>) -> bool {
        let told = match most {
            Some(policy) => self.by_process.insert(pid, policy, 0),
            None => self.by_process.remove(&pid),
        };
        told.is_ok() && self.changed()
    }

    /// The programs look again.
    fn changed(&self) -> bool {
        let mut epoch = self.epoch.lock().unwrap_or_else(|e| e.into_inner());
        epoch.1 = epoch.1.wrapping_add(1);
        let value = epoch.1;
        epoch.0.set(0, value, 0).is_ok()
    }

    pub fn forget(&mut self, connection: u64) {
        // it is gone already when the connection never had one
        let _ = self.by_connection.remove(&connection);
    }
}

/// Processes that run Python code, as the kernel program knows them.
pub struct Pythons(HashMap<MapData, u32, PodPython>);

impl Pythons {
    /// False when the table is full.
    pub fn set(&mut self, pid: u32, python: &Python) -> bool {
        self.0.insert(pid, PodPython(*python), 0).is_ok()
    }

    pub fn forget(&mut self, pid: u32) {
        // it may be gone already
        let _ = self.0.remove(&pid);
    }
}

#[derive(Clone, Copy)]
#[repr(transparent)]
struct PodPython(Python);
// SAFETY: integers only.
unsafe impl Pod for PodPython {}

#[derive(Clone, Copy)]
#[repr(transparent)]
struct PodDecision(Decision);
// SAFETY: integers only.
unsafe impl Pod for PodDecision {}

#[derive(Clone, Copy)]
#[repr(transparent)]
struct PodCounters(Counters);
// SAFETY: integers only.
unsafe impl Pod for PodCounters {}

#[derive(Clone, Copy)]
#[repr(transparent)]
struct PodListenKey(ListenKey);
// SAFETY: integers only.
unsafe impl Pod for PodListenKey {}

impl Capture {
    pub fn start(profile: samples::Wanted) -> Result<Self, StartError> {
        let missing = privileges::missing_privileges();
        if !missing.is_empty() {
            return Err(StartError::NotPermitted { missing: missing.join(", ") });
        }
        privileges::raise_limits();
        privileges::keep_large_memory_apart();
        let offsets = {
            let bytes = std::fs::read(VMLINUX).map_err(|error| StartError::NoBtf { error })?;
            let btf = Btf::parse(bytes).ok_or_else(|| StartError::Unknown { what: format!("{VMLINUX} is damaged") })?;
            offsets::all(&btf).map_err(|what| StartError::Unknown { what })?
        };
        let pages_known = offsets.iter().any(|(name, offset)| *name == offsets::MM_ANON_PAGES && *offset != 0);
        let btf = AyaBtf::from_sys_fs().map_err(|e| StartError::Unknown { what: chain(&e) })?;
        let (mut ebpf, walks) = load_walking(&btf, &offsets, profile)?;
        // every program before any map is taken
        let first = uprobes::load_first(&mut ebpf);
        let on = if profile.hz == 0 { Err("the profiler is switched off (--profile-hz 0)".to_owned()) } else { first.clone() };
        let heap = on.and_then(|()| heap::Programs::load(&ebpf, OBJECT));
        let uprobes = first.and_then(|()| Uprobes::load(&mut ebpf, OBJECT));
        let heap = heap.and_then(|programs| HeapProbes::new(&mut ebpf, programs));
        let mut capture = Self { ebpf, rings: rings(), probes: vec![], uprobes, heap };
        capture.find_listeners(&btf);
        for (program, target, reason) in PROGRAMS {
            let attached = capture.attach(program, target, &btf);
            if let Err(what) = &attached
                && NEEDED.contains(&program)
            {
                return Err(StartError::Attach { hook: target, what: what.clone() });
            }
            capture.probes.push(ProbeState {
                hook: "tp_btf",
                target: target.to_owned(),
                standing: Standing::of(&attached),
                reason: attached.err().unwrap_or_else(|| reason.to_owned()),
                hits: None,
                run_time_ns: None,
            });
        }
        capture.probes.extend(samples::attach(&mut capture.ebpf, &btf, profile, pages_known, walks));
        Ok(capture)
    }

    fn attach(&mut self, program: &str, target: &str, btf: &AyaBtf) -> Result<(), String> {
        let program = self.ebpf.program_mut(program).ok_or("no such program in the object")?;
        let program: &mut BtfTracePoint = program.try_into().map_err(|e| chain(&e))?;
        program.load(target, btf).map_err(|e| chain(&e))?;
        program.attach().map_err(|e| chain(&e))?;
        Ok(())
    }

    /// Tells the programs which ports are listened on, so that connections older than this start have a server.
    fn find_listeners(&mut self, btf: &AyaBtf) {
        let found = self.read_listeners(btf);
        let reason = match &found {
            Ok(keys) => format!("{} listening ports known before the start", keys.len()),
            Err(what) => what.clone(),
        };
        let standing = Standing::of(&found);
        let target = "task_file".to_owned();
        self.probes.push(ProbeState { hook: "iter", target, standing, reason, hits: None, run_time_ns: None });
        let Ok(keys) = found else { return };
        let Some(map) = self.ebpf.map_mut("LISTENERS") else { return };
        let Ok(mut map) = HashMap::<_, PodListenKey, u32>::try_from(map) else { return };
        for key in keys {
            if map.insert(PodListenKey(key), 1, 0).is_err() {
                break; // full: older connections to further ports have an unknown role until their bytes tell
            }
        }
    }

    fn read_listeners(&mut self, btf: &AyaBtf) -> Result<Vec<ListenKey>, String> {
        let program = self.ebpf.program_mut("listeners").ok_or("no such program in the object")?;
        let program: &mut Iter = program.try_into().map_err(|e| chain(&e))?;
        program.load("task_file", btf).map_err(|e| chain(&e))?;
        let link = program.attach().map_err(|e| chain(&e))?;
        let link = program.take_link(link).map_err(|e| chain(&e))?;
        let mut bytes = vec![];
        link.into_file().map_err(|e| chain(&e))?.read_to_end(&mut bytes).map_err(|e| chain(&e))?;
        let word = |b: &[u8]| u32::from_ne_bytes([b[0], b[1], b[2], b[3]]);
        let mut keys: Vec<ListenKey> =
            bytes.chunks_exact(size_of::<ListenKey>()).map(|c| ListenKey { netns: word(c), port: word(&c[4..]) }).collect();
        keys.sort_by_key(|k| (k.netns, k.port));
        keys.dedup();
        Ok(keys)
    }

    /// The ring buffers; they can be taken once.
    pub fn take_rings(&mut self) -> Vec<Ring> {
        (0..self.rings)
            .filter_map(|i| self.ebpf.take_map(["RING_0", "RING_1", "RING_2", "RING_3"][i]))
            .filter_map(|map| RingBuf::try_from(map).ok().map(Ring))
            .collect()
    }

    /// The ring buffer of samples; it can be taken once.
    pub fn take_samples(&mut self) -> Option<Ring> {
        RingBuf::try_from(self.ebpf.take_map("RING_SAMPLES")?).ok().map(Ring)
    }

    /// What the kernel program unwinds by; it can be taken once.
    pub fn take_unwind_maps(&mut self) -> Option<UnwindMaps> {
        UnwindMaps::take(&mut self.ebpf)
    }

    /// What is known of processes that run Python code; it can be taken once.
    pub fn take_pythons(&mut self) -> Option<Pythons> {
        HashMap::try_from(self.ebpf.take_map("PYTHONS")?).ok().map(Pythons)
    }

    /// The policies; they can be taken once.
    pub fn take_policies(&mut self) -> Option<Policies> {
        let by_connection = HashMap::try_from(self.ebpf.take_map("POLICIES")?).ok()?;
        let by_process = HashMap::try_from(self.ebpf.take_map("STEPS")?).ok()?;
        let epoch = Array::try_from(self.ebpf.take_map("EPOCH")?).ok()?;
        Some(Policies { by_connection, by_process, epoch: Mutex::new((epoch, 0)) })
    }

    /// Whether user space programs can be probed, or why not.
    pub fn can_probe_programs(&self) -> Result<(), String> {
        self.uprobes.as_ref().map(|_| ()).map_err(Clone::clone)
    }

    /// Probes instructions of a file in every process that maps it.
    pub fn probe(&mut self, file: &File, probes: Vec<Probe>) -> Attached {
        match &mut self.uprobes {
            Ok(uprobes) => uprobes.attach(&mut self.ebpf, file, probes),
            Err(why) => {
                let refused = probes.into_iter().map(|p| (p.target, why.clone())).collect();
                Attached { id: None, places: 0, refused }
            }
        }
    }

    pub fn unprobe(&mut self, id: ProbesId) {
        if let Ok(uprobes) = &mut self.uprobes {
            uprobes.detach(&mut self.ebpf, id);
        }
    }

    /// The probes of one process's heap, or why there are none.
    pub fn heap(&mut self) -> Result<&mut HeapProbes, String> {
        self.heap.as_mut().map_err(|why| why.clone())
    }

    /// What the programs saw so far, all CPUs together.
    pub fn counters(&self) -> Counters {
        let mut sum = Counters::default();
        let Some(Map::PerCpuArray(_)) = self.ebpf.map("COUNTERS") else { return sum };
        let Some(map) = self.ebpf.map("COUNTERS").and_then(|m| PerCpuArray::<_, PodCounters>::try_from(m).ok()) else {
            return sum;
        };
        let Ok(values) = map.get(&0, 0) else { return sum };
        for PodCounters(one) in values.iter() {
            for (to, from) in [
                (&mut sum.seen, one.seen),
                (&mut sum.copied, one.copied),
                (&mut sum.own, one.own),
                (&mut sum.mirrored, one.mirrored),
                (&mut sum.counted, one.counted),
                (&mut sum.ring_full, one.ring_full),
                (&mut sum.over_budget, one.over_budget),
                (&mut sum.no_state, one.no_state),
                (&mut sum.notices_lost, one.notices_lost),
                (&mut sum.plain_seen, one.plain_seen),
                (&mut sum.plain_copied, one.plain_copied),
                (&mut sum.plain_counted, one.plain_counted),
                (&mut sum.plain_ring_full, one.plain_ring_full),
                (&mut sum.plain_over_budget, one.plain_over_budget),
                (&mut sum.plain_unread, one.plain_unread),
                (&mut sum.samples_seen, one.samples_seen),
                (&mut sum.samples_copied, one.samples_copied),
                (&mut sum.samples_idle, one.samples_idle),
                (&mut sum.samples_ring_full, one.samples_ring_full),
            ] {
                to.events += from.events;
                to.bytes += from.bytes;
            }
            for (to, from) in sum.hits.iter_mut().zip(one.hits) {
                *to += from;
            }
        }
        sum
    }

    /// Every hook as it is now.
    pub fn probes(&self) -> Vec<ProbeState> {
        let hits = self.counters().hits;
        let mut probes = self.probes.clone();
        for probe in &mut probes {
            let mut programs = PROGRAMS.iter().map(|p| p.0).chain(samples::PROGRAMS.iter().map(|p| p.0));
            let known = match probe.target.as_str() {
                samples::FIRST_FUNCTION => Some((hook::SWITCH_IN, Some(samples::AT_FIRST_FUNCTION))),
                target => hook::NAMES.iter().position(|name| *name == target).map(|at| (at, programs.nth(at))),
            };
            let Some((at, program)) = known else { continue };
            probe.hits = probe.attached().then_some(hits[at]);
            let info = program.and_then(|name| self.ebpf.program(name)).and_then(|p| p.info().ok());
            probe.run_time_ns = info.map(|i| i.run_time().as_nanos() as u64).filter(|ns| *ns > 0);
        }
        if let Ok(uprobes) = &self.uprobes {
            probes.extend(uprobes.states());
        }
        match &self.heap {
            Ok(heap) => probes.extend(heap.states()),
            Err(why) => probes.push(heap::refused(why)),
        }
        probes
    }
}

/// The programs as they are to run here; and why they do not find the callers on stacks by themselves, if they do not.
fn load_walking(
    btf: &AyaBtf,
    offsets: &[(&str, u32)],
    profile: samples::Wanted,
) -> Result<(Ebpf, Result<(), String>), StartError> {
    let mut walking = load(btf, offsets, profile, true)?;
    if profile.hz == 0 {
        return Ok((walking, Ok(())));
    }
    let mut refused = samples::load(&mut walking, btf, profile);
    let Some((_, why)) = refused.pop() else { return Ok((walking, Ok(()))) };
    let mut other = load(btf, offsets, profile, false)?;
    // what is refused either way is not for the walk
    let is_for_walk = samples::load(&mut other, btf, profile).len() <= refused.len();
    Ok(if is_for_walk { (other, Err(why)) } else { (walking, Ok(())) })
}

/// The programs as they are to run here. `walks`: whether they find the callers on stacks by themselves.
fn load(btf: &AyaBtf, offsets: &[(&str, u32)], profile: samples::Wanted, walks: bool) -> Result<Ebpf, StartError> {
    let rings = rings();
    let (own_pid, mask, walks) = (std::process::id(), rings as u32 - 1, u32::from(walks));
    let (period, ring_bytes) = (samples::period_ns(profile.hz), samples::ring_bytes(cpus(), profile.hz));
    let waiting = u64::from(ring_bytes) / 4;
    let mut loader = EbpfLoader::new();
    // aya has no type for task storage, which only the programs use
    loader.allow_unsupported_maps();
    loader.btf(Some(btf)).override_global("OWN_PID", &own_pid, true).override_global("RING_MASK", &mask, true);
    for (name, offset) in offsets {
        loader.override_global(name, offset, true);
    }
    for unused in rings..RINGS_MAX {
        loader.map_max_entries(["RING_0", "RING_1", "RING_2", "RING_3"][unused], 4096);
    }
    loader.override_global("SAMPLE_PERIOD_NS", &period, true).override_global("WALKS", &walks, true);
    loader.override_global("SAMPLES_WAITING_BYTES", &waiting, true);
    if profile.hz == 0 || !profile.growth {
        loader.map_max_entries("GROWTHS", 1);
    }
    if profile.hz == 0 {
        loader.map_max_entries("RING_SAMPLES", 4096).map_max_entries("WAKERS", 1);
        for unused in UnwindMaps::ALL {
            loader.map_max_entries(unused, 1);
        }
    } else {
        let cpus = aya::util::nr_cpus().map_err(|(what, e)| StartError::Unknown { what: format!("{what}: {e}") })?;
        loader.map_max_entries("SAMPLE_SCRATCH", SAMPLE_PLACES * cpus as u32);
        loader.map_max_entries("RING_SAMPLES", ring_bytes);
    }
    loader.load(OBJECT).map_err(|e| StartError::Load { what: chain(&e) })
}

fn rings() -> usize {
    (cpus() / CPUS_A_RING).next_power_of_two().clamp(1, RINGS_MAX)
}

fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Lines of a verifier's log that say what it refused; the lines before are how it got there.
const LOG_LINES_KEPT: usize = 4;

/// An error with its causes; of a long log the end.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let text = causes(error);
    let lines: Vec<&str> = text.lines().filter(|l| !l.trim().is_empty()).collect();
    match lines.as_slice() {
        [first, .., _] if lines.len() > 2 * LOG_LINES_KEPT => {
            let first: String = first.chars().take(200).collect();
            format!("{first} … {}", lines[lines.len() - LOG_LINES_KEPT..].join(" | "))
        }
        _ => lines.join(" | "),
    }
}

fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
