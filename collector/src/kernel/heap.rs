//! The probes of one process's allocator, while its heap is profiled: attaches and leaves them, and tells what they saw.

use std::collections::HashSet;
use std::fs::File;
use std::io;

use aya::maps::{Array, HashMap, MapData, PerCpuArray, PerCpuValues};
use aya::{Ebpf, Pod};
use ebpf_abi::{HEAP_SITES_MAX, HeapCounts, HeapSample, HeapSession, HeapSite, allocator};

use super::capture::{ProbeState, Standing, chain};
use super::multi::{self, Form, Program, Spot};
use super::uprobes::Run;

/// What is to be probed, and what `probe_status` says of it.
#[derive(Clone, Debug)]
pub struct HeapProbe {
    /// In the file, in bytes.
    pub offset: u64,
    pub site: HeapSite,
    pub target: String,
    pub reason: String,
}

struct Attached {
    _links: Vec<multi::Link>,
    /// How returns are looked at.
    how: String,
    places: Vec<(String, String)>,
}

/// How often the portions of each CPU are told anew: see the kernel program.
#[derive(Clone, Copy, Default)]
#[repr(C)]
struct Portions([u64; 3]);
// SAFETY: integers only.
unsafe impl Pod for Portions {}

macro_rules! pods {
    ($($pod:ident = $of:ty),*) => {
        $(
            #[derive(Clone, Copy)]
            #[repr(transparent)]
            struct $pod($of);
            // SAFETY: integers only, without padding.
            unsafe impl Pod for $pod {}
        )*
    };
}
pods!(PodSite = HeapSite, PodSession = HeapSession, PodSample = HeapSample, PodCounts = HeapCounts);

pub struct HeapProbes {
    enters: Program,
    /// Looks at every return, by a probe of its own.
    returns: Program,
    /// Does both, and looks at the returns alone of which that is wanted; or why not.
    chosen: Result<Program, String>,
    sites: Array<MapData, PodSite>,
    session: Array<MapData, PodSession>,
    live: HashMap<MapData, u64, PodSample>,
    counts: PerCpuArray<MapData, PodCounts>,
    portions: PerCpuArray<MapData, Portions>,
    number: u64,
    attached: Option<Attached>,
}

/// Why nothing is attached where all is well.
const ON_REQUEST: &str = "switched on by earshot heap";

/// The programs, loaded.
pub struct Programs {
    enters: Program,
    /// Looks at every return, by a probe of its own.
    returns: Program,
    /// Does both, and looks at the returns alone of which that is wanted; or why not.
    chosen: Result<Program, String>,
}

impl Programs {
    /// The error says why no heap can be profiled on this kernel. For while all maps are in `ebpf`, and the first of the programs of
    /// TLS calls is loaded.
    pub fn load(ebpf: &Ebpf, object: &[u8]) -> Result<Self, String> {
        let load = |name, form| {
            let [program] = multi::load(object, ebpf, Run::Return.program(), [(name, form)])?;
            Ok::<_, String>(program)
        };
        let enters = load("heap_enters", Form::Passes)
            .map_err(|why| format!("this kernel cannot probe one process alone (Linux 6.6 can): {why}"))?;
        let returns = load("heap_returns", Form::Returns)?;
        Ok(Self { enters, returns, chosen: load("heap_call", Form::Session) })
    }
}

/// What `probe_status` says where no heap can be profiled.
pub fn refused(why: &str) -> ProbeState {
    state("heap", Standing::Refused, why)
}

fn state(target: &str, standing: Standing, reason: &str) -> ProbeState {
    let (target, reason) = (target.to_owned(), reason.to_owned());
    ProbeState { hook: "uprobe", target, standing, reason, hits: None, run_time_ns: None }
}

impl HeapProbes {
    /// Attaches nothing.
    pub fn new(ebpf: &mut Ebpf, Programs { enters, returns, chosen }: Programs) -> Result<Self, String> {
        let mut map = |name: &str| ebpf.take_map(name).ok_or_else(|| format!("no map {name} in the object"));
        Ok(Self {
            enters,
            returns,
            chosen,
            sites: Array::try_from(map("HEAP_SITES")?).map_err(|e| chain(&e))?,
            session: Array::try_from(map("HEAP_SESSION")?).map_err(|e| chain(&e))?,
            live: HashMap::try_from(map("HEAP_LIVE")?).map_err(|e| chain(&e))?,
            counts: PerCpuArray::try_from(map("HEAP_COUNTS")?).map_err(|e| chain(&e))?,
            portions: PerCpuArray::try_from(map("HEAP_PORTIONS")?).map_err(|e| chain(&e))?,
            number: 0,
            attached: None,
        })
    }

    /// Probes the functions in these files, in this process alone. One process at a time.
    pub fn attach(&mut self, pid: u32, portion: u64, files: &[(File, Vec<HeapProbe>)]) -> Result<(), String> {
        self.detach();
        let wanted: usize = files.iter().map(|(_, probes)| probes.len()).sum();
        if wanted > HEAP_SITES_MAX as usize {
            return Err(format!("it has {wanted} functions of allocators, and {HEAP_SITES_MAX} can be probed"));
        }
        self.begin(pid, portion)?;
        let (mut places, mut slot) = (vec![], 0);
        let (mut takers, mut givers) = (vec![], vec![]);
        for (file, probes) in files {
            let (mut takes, mut gives) = (vec![], vec![]);
            for probe in probes {
                self.sites.set(slot, PodSite(probe.site), 0).map_err(|e| chain(&e))?;
                let spot = Spot { offset: probe.offset, cookie: u64::from(slot) };
                let never_returns = matches!(probe.site.call, allocator::FREE | allocator::COLLECTED);
                let list = if never_returns { &mut takes } else { &mut gives };
                list.push(spot);
                places.push((probe.target.clone(), probe.reason.clone()));
                slot += 1;
            }
            takers.push((file, takes));
            givers.push((file, gives));
        }
        let attach = |program: &Program, spots: &[(&File, Vec<Spot>)]| {
            let spots = spots.iter().filter(|(_, spots)| !spots.is_empty());
            let links = spots.map(|(file, spots)| program.attach(file, spots, Some(pid)));
            links.collect::<io::Result<Vec<_>>>().map_err(|e| format!("cannot attach: {e}"))
        };
        // what takes memory back comes first: what is given is then seen to be taken
        let mut links = attach(&self.enters, &takers)?;
        // kernels before 6.13 may load what they cannot attach
        let chosen = self.chosen.as_ref().map_err(Clone::clone).and_then(|program| attach(program, &givers));
        let how = match chosen {
            Ok(more) => {
                links.extend(more);
                "one process, on request; returns of sampled calls".to_owned()
            }
            Err(why) => {
                links.extend(attach(&self.returns, &givers)?);
                links.extend(attach(&self.enters, &givers)?);
                format!("one process, on request; returns of all calls, which costs more: {why}")
            }
        };
        self.attached = Some(Attached { _links: links, how, places });
        Ok(())
    }

    fn begin(&mut self, pid: u32, portion: u64) -> Result<(), String> {
        let old: Vec<u64> = self.live.keys().filter_map(Result::ok).collect();
        for pointer in old {
            // it may be gone already
            let _ = self.live.remove(&pointer);
        }
        let cpus = aya::util::nr_cpus().map_err(|(what, e)| format!("{what}: {e}"))?;
        let fresh = PerCpuValues::try_from(vec![Portions::default(); cpus]).map_err(|e| chain(&e))?;
        self.portions.set(0, fresh, 0).map_err(|e| chain(&e))?;
        self.number += 1;
        let session = HeapSession { number: self.number, portion, pid, _pad: 0 };
        self.session.set(0, PodSession(session), 0).map_err(|e| chain(&e))
    }

    /// Leaves the process; what was seen can still be asked for.
    pub fn detach(&mut self) {
        let Some(attached) = self.attached.take() else { return };
        // all programs at once: leaving the places takes a while, and what is given meanwhile would not be seen to be taken
        let nobody = HeapSession { number: self.number, ..HeapSession::default() };
        if let Err(error) = self.session.set(0, PodSession(nobody), 0) {
            tracing::warn!("a heap profile did not end at once: {}", chain(&error));
        }
        drop(attached);
    }

    /// The samples of the last process whose memory was not given back.
    pub fn live(&self) -> HashSet<HeapSample> {
        self.live.iter().filter_map(Result::ok).map(|(_, PodSample(sample))| sample).collect()
    }

    /// Of all processes so far.
    pub fn counts(&self) -> HeapCounts {
        let mut sum = HeapCounts::default();
        let Ok(values) = self.counts.get(&0, 0) else { return sum };
        for PodCounts(one) in values.iter() {
            sum.allocations += one.allocations;
            sum.bytes += one.bytes;
            sum.frees += one.frees;
            sum.samples += one.samples;
            sum.unwatched += one.unwatched;
        }
        sum
    }

    /// How returns are looked at, then every place.
    pub fn states(&self) -> Vec<ProbeState> {
        let Some(attached) = &self.attached else { return vec![state("heap", Standing::Off, ON_REQUEST)] };
        let places = attached.places.iter().map(|(target, reason)| state(target, Standing::Attached, reason));
        std::iter::once(state("heap", Standing::Attached, &attached.how)).chain(places).collect()
    }
}
