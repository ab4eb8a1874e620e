//! Probes at instructions of user space programs: attaches those of a file, all at once where the kernel can, and tells how often
//! each ran.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::AsRawFd;

use aya::maps::{Array, MapData, PerCpuArray};
use aya::programs::UProbe;
use aya::programs::uprobe::{UProbeAttachLocation, UProbeAttachPoint, UProbeLinkId, UProbeScope};
use aya::{Ebpf, Pod};
use ebpf_abi::{SITES_MAX, Site};

use super::capture::{ProbeState, Standing, chain};
use super::multi;

/// The program that runs at a site.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Run {
    /// At the instruction: a call begins there, or its result is known.
    Passes,
    /// When the function returns: attached at the function's first instruction.
    Return,
}

const RUNS: [Run; 2] = [Run::Passes, Run::Return];

impl Run {
    pub(super) fn program(self) -> &'static str {
        match self {
            Run::Passes => "call_passes",
            Run::Return => "call_return",
        }
    }
}

#[derive(Clone, Copy)]
#[repr(transparent)]
struct PodSite(Site);
// SAFETY: integers only, without padding.
unsafe impl Pod for PodSite {}

/// What is to be probed, and what `probe_status` says of it.
#[derive(Clone, Debug)]
pub struct Probe {
    /// In the file, in bytes.
    pub offset: u64,
    pub run: Run,
    pub site: Site,
    pub target: String,
    pub reason: String,
}

/// A place that is probed.
#[derive(Debug)]
struct Placed {
    /// Its index in the maps.
    slot: u32,
    run: Run,
    target: String,
    reason: String,
    /// The slot's count when it was given: what its earlier owners counted.
    before: u64,
}

#[derive(Debug)]
enum Held {
    /// Several places; they are left when it is dropped.
    Together {
        _link: multi::Link,
    },
    Alone(Run, UProbeLinkId),
}

/// The probes of one file.
#[derive(Debug)]
struct Group {
    held: Vec<Held>,
    places: Vec<Placed>,
}

/// Names a file's probes while they are attached.
pub type ProbesId = u64;

/// What became of the probes of a file.
#[derive(Debug)]
pub struct Attached {
    /// None when no place could be probed.
    pub id: Option<ProbesId>,
    pub places: usize,
    /// Target, and why it is not probed.
    pub refused: Vec<(String, String)>,
}

/// How places are probed.
enum Way {
    Together {
        passes: multi::Program,
        returns: multi::Program,
    },
    /// One perf event each, and why.
    Alone(String),
}

/// The maps of the sites, what is attached, and which slots are free.
pub struct Uprobes {
    sites: Array<MapData, PodSite>,
    on: Array<MapData, u32>,
    hits: PerCpuArray<MapData, u64>,
    way: Way,
    free: Vec<u32>,
    next: ProbesId,
    attached: BTreeMap<ProbesId, Group>,
}

/// Loads the program of aya's own that the others' types are taken from, and that is left where the kernel has no others.
pub fn load_first(ebpf: &mut Ebpf) -> Result<(), String> {
    program(ebpf, Run::Return)?.load().map_err(|e| chain(&e))
}

impl Uprobes {
    /// Loads the programs; the first is loaded. The error says why nothing in user space can be probed on this kernel.
    pub fn load(ebpf: &mut Ebpf, object: &[u8]) -> Result<Self, String> {
        let wanted = [(Run::Passes.program(), multi::Form::Passes), (Run::Return.program(), multi::Form::Returns)];
        let way = match multi::load(object, ebpf, Run::Return.program(), wanted) {
            Ok([passes, returns]) => Way::Together { passes, returns },
            Err(why) => {
                program(ebpf, Run::Passes)?.load().map_err(|e| chain(&e))?;
                Way::Alone(why)
            }
        };
        let mut map = |name: &str| ebpf.take_map(name).ok_or_else(|| format!("no map {name} in the object"));
        Ok(Self {
            sites: Array::try_from(map("SITES")?).map_err(|e| chain(&e))?,
            on: Array::try_from(map("PLAIN_ON")?).map_err(|e| chain(&e))?,
            hits: PerCpuArray::try_from(map("SITE_HITS")?).map_err(|e| chain(&e))?,
            way,
            free: (0..SITES_MAX).rev().collect(),
            next: 1,
            attached: BTreeMap::new(),
        })
    }

    /// Probes instructions of the file in every process that maps it.
    pub fn attach(&mut self, ebpf: &mut Ebpf, file: &File, probes: Vec<Probe>) -> Attached {
        let (wanted, free) = (probes.len(), self.free.len());
        if wanted > free {
            let why = format!("it takes {wanted} probes, and of the {SITES_MAX} that a host may have {free} are left");
            let refused = probes.into_iter().map(|p| (p.target, why.clone())).collect();
            return Attached { id: None, places: 0, refused };
        }
        let mut group = Group { held: vec![], places: vec![] };
        let mut refused = vec![];
        if let Err(e) = self.on.set(0, 1, 0) {
            tracing::warn!("threads' sockets stay unknown: {}", chain(&e));
        }
        for run in RUNS {
            let mut ready = vec![];
            for probe in probes.iter().filter(|p| p.run == run) {
                match self.place(probe) {
                    Ok(placed) => ready.push((probe.offset, placed)),
                    Err(why) => refused.push((probe.target.clone(), why)),
                }
            }
            self.attach_run(ebpf, file, run, ready, &mut group, &mut refused);
        }
        let places = group.places.len();
        let id = (places > 0).then_some(self.next);
        if let Some(id) = id {
            self.next += 1;
            self.attached.insert(id, group);
        }
        self.rest();
        Attached { id, places, refused }
    }

    /// Gives the probe a slot and tells the programs of it.
    fn place(&mut self, probe: &Probe) -> Result<Placed, String> {
        let slot = self.free.pop().ok_or_else(|| format!("the limit of {SITES_MAX} probes is reached"))?;
        if let Err(e) = self.sites.set(slot, PodSite(probe.site), 0) {
            self.free.push(slot);
            return Err(chain(&e));
        }
        let before = self.count(slot);
        Ok(Placed { slot, run: probe.run, target: probe.target.clone(), reason: probe.reason.clone(), before })
    }

    fn attach_run(
        &mut self,
        ebpf: &mut Ebpf,
        file: &File,
        run: Run,
        ready: Vec<(u64, Placed)>,
        group: &mut Group,
        refused: &mut Vec<(String, String)>,
    ) {
        let spot = |(offset, placed): &(u64, Placed)| multi::Spot { offset: *offset, cookie: u64::from(placed.slot) };
        let spots: Vec<multi::Spot> = ready.iter().map(spot).collect();
        if spots.is_empty() {
            return;
        }
        if let Way::Together { .. } = self.way
            && let Ok(held) = self.hold(ebpf, file, run, &spots)
        {
            group.held.push(held);
            group.places.extend(ready.into_iter().map(|(_, placed)| placed));
            return;
        }
        // one by one: one that the kernel refuses does not take the others with it
        for (one, (_, placed)) in spots.iter().zip(ready) {
            match self.hold(ebpf, file, run, std::slice::from_ref(one)) {
                Ok(held) => {
                    group.held.push(held);
                    group.places.push(placed);
                }
                Err(why) => {
                    self.free.push(placed.slot);
                    refused.push((placed.target, why));
                }
            }
        }
    }

    /// Attaches to all of these places; of a way that knows single places only, to the first.
    fn hold(&self, ebpf: &mut Ebpf, file: &File, run: Run, spots: &[multi::Spot]) -> Result<Held, String> {
        if let Way::Together { passes, returns } = &self.way {
            let program = if run == Run::Return { returns } else { passes };
            let link = program.attach(file, spots, None).map_err(|e| format!("cannot attach: {e}"))?;
            return Ok(Held::Together { _link: link });
        }
        let spot = spots.first().ok_or("nothing to attach to")?;
        let location = UProbeAttachLocation::AbsoluteOffset(spot.offset);
        let point = UProbeAttachPoint { location, cookie: Some(spot.cookie) };
        // the file itself, whatever its name is by now, in whatever mount namespace
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        let link = program(ebpf, run)?.attach(point, &path, UProbeScope::AllProcesses).map_err(|e| chain(&e))?;
        Ok(Held::Alone(run, link))
    }

    pub fn detach(&mut self, ebpf: &mut Ebpf, id: ProbesId) {
        let Some(group) = self.attached.remove(&id) else { return };
        for held in group.held {
            if let Held::Alone(run, link) = held {
                let done = program(ebpf, run).and_then(|p| p.detach(link).map_err(|e| chain(&e)));
                if let Err(what) = done {
                    tracing::warn!("a probe could not be taken away: {what}");
                }
            }
        }
        self.free.extend(group.places.iter().map(|p| p.slot));
        self.rest();
    }

    /// Without probes the sockets of threads need not be watched any more; a failure costs a little time and nothing else.
    fn rest(&mut self) {
        if self.attached.is_empty() {
            let _ = self.on.set(0, 0, 0);
        }
    }

    fn count(&self, slot: u32) -> u64 {
        self.hits.get(&slot, 0).map_or(0, |values| values.iter().sum())
    }

    /// How places are probed, then every place, and how often it ran since it was attached.
    pub fn states(&self) -> Vec<ProbeState> {
        let (standing, reason) = match &self.way {
            Way::Together { .. } => (Standing::Attached, "all places of a file are probed at once".to_owned()),
            Way::Alone(why) => {
                (Standing::Replaced, format!("each place has a perf event of its own, which takes longer: {why}"))
            }
        };
        let target = "uprobe_multi".to_owned();
        let mut states = vec![ProbeState { hook: "uprobe", target, standing, reason, hits: None, run_time_ns: None }];
        let state = |placed: &Placed| ProbeState {
            hook: if placed.run == Run::Return { "uretprobe" } else { "uprobe" },
            target: placed.target.clone(),
            standing: Standing::Attached,
            reason: placed.reason.clone(),
            hits: Some(self.count(placed.slot).saturating_sub(placed.before)),
            run_time_ns: None,
        };
        states.extend(self.attached.values().flat_map(|group| &group.places).map(state));
        states
    }
}

fn program(ebpf: &mut Ebpf, run: Run) -> Result<&mut UProbe, String> {
    ebpf.program_mut(run.program())
        .ok_or_else(|| format!("no program {} in the object", run.program()))?
        .try_into()
        .map_err(|e| chain(&e))
}
