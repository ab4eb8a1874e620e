//! Which TLS libraries and Go programs run here: found when a process maps them, probed once a file, left when unused.
//!
//! In: what `/proc` shows at the start, then the kernel's word of each file that is mapped as code. Out: probes in
//! [`Capture`], and for each file that cannot be probed the reason. Knows where functions are by [`crate::binary`]; reads no
//! traffic.

pub(crate) mod files;
mod sites;

use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use hashbrown::{HashMap, HashSet};

use crate::binary::{self, Analysis};
use crate::kernel::{Capture, Mapped, Mappings, ProbeId, ProbeState};
use files::{FileId, MappingId};

/// How long to wait for news before looking at the time.
const WAIT: Duration = Duration::from_millis(200);
/// How often it is looked whether the probed files are still in use.
const SWEEP: Duration = Duration::from_secs(10);
/// A probed file that nobody maps keeps its probes for so long.
const UNUSED_KEPT: Duration = Duration::from_secs(60);
/// Mapped files that are remembered; beyond it all are looked at anew.
const MAPPINGS_MAX: usize = 16384;
/// Users of one file that are remembered.
const USERS_MAX: usize = 4096;
/// Probes that one file may have.
const FILE_PROBES_MAX: usize = 256;
/// Reasons that are remembered of files and functions that are not probed.
const REFUSALS_MAX: usize = 512;

/// A file whose functions are known.
struct Library {
    analysis: Analysis,
    path: String,
    probes: Vec<ProbeId>,
    users: HashSet<u32>,
    unused_since: Option<Instant>,
}

pub struct Libraries {
    capture: Arc<Mutex<Capture>>,
    mappings: Option<Mappings>,
    /// What each mapping was found to be; `None`: nothing of interest.
    seen: HashMap<MappingId, Option<FileId>>,
    known: HashMap<FileId, Library>,
    refusals: Arc<Mutex<Vec<ProbeState>>>,
    /// Whether they are safe on this kernel.
    return_probes: bool,
    swept: Instant,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}

impl Libraries {
    /// Looks at what every process maps now. When it returns, all of that is probed.
    pub fn start(capture: Arc<Mutex<Capture>>, refusals: Arc<Mutex<Vec<ProbeState>>>) -> Self {
        let mut libraries = Self {
            capture,
            mappings: None,
            seen: HashMap::new(),
            known: HashMap::new(),
            refusals,
            return_probes: return_probes_are_safe(),
            swept: Instant::now(),
        };
        let possible = lock(&libraries.capture).can_probe_programs();
        if let Err(why) = possible {
            refuse(&libraries.refusals, "user space programs", &format!("TLS libraries cannot be probed: {why}"));
            return libraries;
        }
        // watched first, so that nothing falls between
        match Mappings::watch() {
            Ok(mappings) => libraries.mappings = Some(mappings),
            Err(e) => {
                let why = format!("libraries that are loaded from now on stay unseen: perf events: {e}");
                refuse(&libraries.refusals, "mappings", &why);
            }
        }
        for mapped in files::mapped_now() {
            libraries.mapped(&mapped);
        }
        libraries
    }

    /// Follows what is mapped until told to stop.
    pub fn run(mut self, stop: &AtomicBool) {
        let Some(mappings) = self.mappings.take() else { return };
        while !stop.load(Ordering::Relaxed) {
            let mut news = vec![];
            let lost = mappings.wait(WAIT, |mapped| news.push(mapped));
            for mapped in &news {
                self.mapped(mapped);
            }
            if lost > 0 {
                // the kernel had no room for all of it: /proc shows what was missed
                for mapped in files::mapped_now() {
                    self.mapped(&mapped);
                }
            }
            if self.swept.elapsed() > SWEEP {
                self.swept = Instant::now();
                self.sweep();
            }
        }
    }

    fn mapped(&mut self, mapped: &Mapped) {
        let id = MappingId::of(mapped);
        if let Some(found) = self.seen.get(&id) {
            let Some(file_id) = found.clone() else { return };
            if self.use_again(&file_id, mapped.pid) {
                return;
            }
        }
        let Some((file, file_id)) = files::open(mapped) else { return };
        if self.seen.len() >= MAPPINGS_MAX {
            self.seen.clear();
        }
        if !self.use_again(&file_id, mapped.pid) {
            let path = String::from_utf8_lossy(&mapped.path).into_owned();
            let analysis = match self.return_probes {
                true => binary::analyse(&file),
                false => binary::analyse_without_return_probes(&file),
            };
            match analysis {
                Ok(Some(analysis)) => self.found(file_id.clone(), &file, analysis, path, mapped.pid),
                Ok(None) => {
                    self.seen.insert(id, None);
                    return;
                }
                Err(e) => {
                    tracing::debug!("{path}: {e}");
                    self.seen.insert(id, None);
                    return;
                }
            }
        }
        self.seen.insert(id, Some(file_id));
    }

    /// One more process maps a file that is probed.
    fn use_again(&mut self, file_id: &FileId, pid: u32) -> bool {
        let Some(library) = self.known.get_mut(file_id) else { return false };
        if library.users.len() < USERS_MAX {
            library.users.insert(pid);
        }
        library.unused_since = None;
        true
    }

    fn found(&mut self, file_id: FileId, file: &File, analysis: Analysis, path: String, pid: u32) {
        let mut probes = vec![];
        for (symbol, why) in &analysis.refused {
            refuse(&self.refusals, &format!("{path}:{symbol}"), why);
        }
        for probe in sites::probes(&analysis, &path).into_iter().take(FILE_PROBES_MAX) {
            let target = probe.target.clone();
            match lock(&self.capture).probe(file, probe) {
                Ok(id) => probes.push(id),
                Err(why) => refuse(&self.refusals, &target, &why),
            }
        }
        let library = Library { analysis, path, probes, users: HashSet::from_iter([pid]), unused_since: None };
        tracing::info!("{}: {:?} probed at {} places", library.path, library.analysis.kind, library.probes.len());
        self.known.insert(file_id, library);
    }

    /// Takes the probes away from files that nobody has mapped for a while.
    fn sweep(&mut self) {
        let mut unused = vec![];
        for (file_id, library) in &mut self.known {
            library.users.retain(|pid| files::maps(*pid, file_id));
            if library.users.is_empty() {
                let since = *library.unused_since.get_or_insert_with(Instant::now);
                if since.elapsed() > UNUSED_KEPT {
                    unused.push(file_id.clone());
                }
            }
        }
        for file_id in unused {
            let Some(library) = self.known.remove(&file_id) else { continue };
            let mut capture = lock(&self.capture);
            for id in library.probes {
                capture.unprobe(id);
            }
            self.seen.retain(|_, found| found.as_ref() != Some(&file_id));
        }
    }
}

/// Kernels 6.11 to 6.13 return from a probed function by a system call of their own, for which a seccomp filter that does not
/// know it kills the program.
fn return_probes_are_safe() -> bool {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = release.split(['.', '-']).map_while(|n| n.parse::<u32>().ok());
    !matches!((numbers.next(), numbers.next()), (Some(6), Some(11..=13)))
}

/// Remembers why something is not probed; each target once.
fn refuse(refusals: &Mutex<Vec<ProbeState>>, target: &str, reason: &str) {
    let mut refusals = lock(refusals);
    if refusals.len() < REFUSALS_MAX && !refusals.iter().any(|r| r.target == target) {
        refusals.push(ProbeState {
            hook: "uprobe",
            target: target.to_owned(),
            attached: false,
            reason: reason.to_owned(),
            hits: None,
            run_time_ns: None,
        });
    }
}
