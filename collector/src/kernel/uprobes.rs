//! Probes at instructions of user space programs: attaches them to files, and tells how often each ran.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::AsRawFd;

use aya::maps::{Array, MapData, PerCpuArray};
use aya::programs::UProbe;
use aya::programs::uprobe::{UProbeAttachLocation, UProbeAttachPoint, UProbeLinkId, UProbeScope};
use aya::{Ebpf, Pod};
use ebpf_abi::{SITES_MAX, Site};

use super::capture::{ProbeState, chain};

/// The program that runs at a site.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Run {
    /// A call begins.
    Entry,
    /// A call's result is known at this instruction.
    Result,
    /// As `Result`, when the function returns: attached at the function's first instruction.
    Return,
}

impl Run {
    fn program(self) -> &'static str {
        match self {
            Run::Entry => "call_entry",
            Run::Result => "call_result",
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
struct Attached {
    run: Run,
    link: UProbeLinkId,
    target: String,
    reason: String,
    /// The place's count when it was given: what its earlier owners counted.
    before: u64,
}

/// Names a probe while it is attached.
pub type ProbeId = u32;

/// The maps of the sites, what is attached, and which places are free.
pub struct Uprobes {
    sites: Array<MapData, PodSite>,
    on: Array<MapData, u32>,
    hits: PerCpuArray<MapData, u64>,
    free: Vec<ProbeId>,
    attached: BTreeMap<ProbeId, Attached>,
}

impl Uprobes {
    /// Loads the programs. The error says why nothing in user space can be probed on this kernel.
    pub fn load(ebpf: &mut Ebpf) -> Result<Self, String> {
        for run in [Run::Entry, Run::Result, Run::Return] {
            program(ebpf, run)?.load().map_err(|e| chain(&e))?;
        }
        let mut map = |name: &str| ebpf.take_map(name).ok_or_else(|| format!("no map {name} in the object"));
        Ok(Self {
            sites: Array::try_from(map("SITES")?).map_err(|e| chain(&e))?,
            on: Array::try_from(map("PLAIN_ON")?).map_err(|e| chain(&e))?,
            hits: PerCpuArray::try_from(map("SITE_HITS")?).map_err(|e| chain(&e))?,
            free: (0..SITES_MAX).rev().collect(),
            attached: BTreeMap::new(),
        })
    }

    /// Probes an instruction of the file in every process that maps it.
    pub fn attach(&mut self, ebpf: &mut Ebpf, file: &File, probe: Probe) -> Result<ProbeId, String> {
        let id = self.free.pop().ok_or_else(|| format!("the limit of {SITES_MAX} probes is reached"))?;
        match self.attach_as(ebpf, file, &probe, id) {
            Ok(link) => {
                let before = self.count(id);
                let Probe { run, target, reason, .. } = probe;
                self.attached.insert(id, Attached { run, link, target, reason, before });
                Ok(id)
            }
            Err(what) => {
                self.free.push(id);
                Err(what)
            }
        }
    }

    fn attach_as(&mut self, ebpf: &mut Ebpf, file: &File, probe: &Probe, id: ProbeId) -> Result<UProbeLinkId, String> {
        self.sites.set(id, PodSite(probe.site), 0).map_err(|e| chain(&e))?;
        self.on.set(0, 1, 0).map_err(|e| chain(&e))?;
        // the file itself, whatever its name is by now, in whatever mount namespace
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        let location = UProbeAttachLocation::AbsoluteOffset(probe.offset);
        let point = UProbeAttachPoint { location, cookie: Some(u64::from(id)) };
        program(ebpf, probe.run)?.attach(point, &path, UProbeScope::AllProcesses).map_err(|e| chain(&e))
    }

    pub fn detach(&mut self, ebpf: &mut Ebpf, id: ProbeId) {
        let Some(attached) = self.attached.remove(&id) else { return };
        let done = program(ebpf, attached.run).and_then(|p| p.detach(attached.link).map_err(|e| chain(&e)));
        if let Err(what) = done {
            tracing::warn!("the probe at {} could not be taken away: {what}", attached.target);
        }
        self.free.push(id);
        if self.attached.is_empty() {
            // threads need not be watched any more; a failure costs a little time and nothing else
            let _ = self.on.set(0, 0, 0);
        }
    }

    fn count(&self, id: ProbeId) -> u64 {
        self.hits.get(&id, 0).map_or(0, |values| values.iter().sum())
    }

    /// Every probe, and how often it ran since it was attached.
    pub fn states(&self) -> Vec<ProbeState> {
        let state = |(id, attached): (&ProbeId, &Attached)| ProbeState {
            hook: if attached.run == Run::Return { "uretprobe" } else { "uprobe" },
            target: attached.target.clone(),
            attached: true,
            reason: attached.reason.clone(),
            hits: Some(self.count(*id).saturating_sub(attached.before)),
            run_time_ns: None,
        };
        self.attached.iter().map(state).collect()
    }
}

fn program(ebpf: &mut Ebpf, run: Run) -> Result<&mut UProbe, String> {
    ebpf.program_mut(run.program())
        .ok_or_else(|| format!("no program {} in the object", run.program()))?
        .try_into()
        .map_err(|e| chain(&e))
}
