//! Which TLS libraries and Go programs run here: found when a process maps them, probed once a file, left when unused.
//!
//! In: what `/proc` shows at the start, then the kernel's word of each file that is mapped as code. Out: probes in
//! [`Capture`]; for each file that cannot be probed the reason; and to [`Processes`] which of them were there before their
//! probes. Knows where functions are by [`crate::binary`]; reads no traffic.

mod analyses;
pub(crate) mod files;
mod limits;
mod pending;
pub(crate) mod sites;
mod told;

use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use hashbrown::{HashMap, HashSet};

use crate::binary::{self, Analysis};
use crate::discover::Processes;
use crate::kernel::{Capture, Mapped, Mappings, ProbesId, monotonic_ns, prefer_this_thread};
use analyses::Analyses;
use files::{FileId, MappingId};
use pending::{News, Pending};
pub use sites::probes;
pub use told::Told;

/// How long to wait for news before looking at the time.
const WAIT: Duration = Duration::from_millis(200);
/// How long the start waits until what runs already is probed; the rest is probed right after it.
const START_MAX: Duration = Duration::from_secs(3);
/// How often it is looked whether the probed files are still in use.
const SWEEP: Duration = Duration::from_secs(10);
/// `/proc` is not looked through more often than this.
const LOOK_AROUND: Duration = Duration::from_secs(1);
/// A probed file that nobody maps keeps its probes for so long.
const UNUSED_KEPT: Duration = Duration::from_secs(60);
/// The same for a file that so many processes have mapped: the next one is seen from its first byte.
const OFTEN_USED_KEPT: Duration = Duration::from_secs(15 * 60);
const OFTEN_USES: u64 = 3;
/// Mapped files that are remembered; beyond it all are looked at anew.
const MAPPINGS_MAX: usize = 16384;
/// Users of one file that are remembered.
const USERS_MAX: usize = 4096;

/// What is not seen, by its file, and why.
const UNSEEN: [(&[u8], &str); 2] = [
    (
        b"/libjvm.so",
        "TLS of Java programs (JSSE) is compiled while they run: only an agent inside them could see it; their peers on this host are seen",
    ),
    (
        b"/libssl3.so",
        "NSS: what is said inside TLS passes NSPR's PR_Read and PR_Write, as files and plain sockets do, too; peers on this host are seen",
    ),
];

/// A file whose functions are known.
struct Library {
    path: String,
    /// None when no place could be probed.
    probes: Option<ProbesId>,
    places: usize,
    /// When its probes were there, on the monotonic clock.
    probed_ns: u64,
    users: HashSet<u32>,
    uses: u64,
    unused_since: Option<Instant>,
}

pub struct Libraries {
    capture: Arc<Mutex<Capture>>,
    processes: Arc<Processes>,
    told: Arc<Told>,
    mappings: Option<Mappings>,
    pending: Pending,
    /// What each mapping was found to be; `None`: nothing of interest.
    seen: HashMap<MappingId, Option<FileId>>,
    known: HashMap<FileId, Library>,
    analyses: Analyses,
    /// Whether they are safe on this kernel.
    return_probes: bool,
    swept: Instant,
    /// Something was mapped that nobody told.
    missed: bool,
    looked_around: Instant,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}

impl Libraries {
    /// Looks at what every process maps now. When it returns, all of that is probed, or as much as could be in `START_MAX`.
    pub fn start(capture: Arc<Mutex<Capture>>, processes: Arc<Processes>, told: Arc<Told>) -> Self {
        let mut libraries = Self {
            capture,
            processes,
            told,
            mappings: None,
            pending: Pending::default(),
            seen: HashMap::new(),
            known: HashMap::new(),
            analyses: Analyses::default(),
            return_probes: return_probes_are_safe(),
            swept: Instant::now(),
            missed: false,
            looked_around: Instant::now(),
        };
        let possible = lock(&libraries.capture).can_probe_programs();
        if let Err(why) = possible {
            libraries.told.refuse("user space programs", &format!("TLS libraries cannot be probed: {why}"));
            return libraries;
        }
        // watched first, so that nothing falls between
        match Mappings::watch() {
            Ok(mappings) => libraries.mappings = Some(mappings),
            Err(e) => {
                let why = format!("libraries that are loaded from now on stay unseen: perf events: {e}");
                libraries.told.refuse("mappings", &why);
            }
        }
        let started = Instant::now();
        libraries.look_around();
        while started.elapsed() < START_MAX
            && let Some(news) = libraries.pending.pop()
        {
            libraries.mapped(&news);
        }
        libraries
    }

    /// Follows what is mapped until told to stop.
    pub fn run(mut self, stop: &AtomicBool) {
        let Some(mappings) = self.mappings.take() else { return };
        prefer_this_thread();
        while !stop.load(Ordering::Relaxed) {
            let wait = if self.pending.is_empty() { WAIT } else { Duration::ZERO };
            let (seen, pending) = (&self.seen, &mut self.pending);
            let lost = mappings.wait(wait, |mapped, at_ns| {
                if !matches!(seen.get(&MappingId::of(&mapped)), Some(None)) {
                    pending.push(News { mapped, at_ns: Some(at_ns) });
                }
            });
            if let Some(news) = self.pending.pop() {
                self.mapped(&news);
            }
            // where there was no room for all of it, /proc shows what was missed
            self.missed |= lost > 0 || self.pending.take_overflowed();
            if self.missed && self.pending.is_empty() && self.looked_around.elapsed() > LOOK_AROUND {
                self.look_around();
            }
            if self.swept.elapsed() > SWEEP {
                self.swept = Instant::now();
                self.sweep();
            }
        }
    }

    /// Every mapping of every process is still to be looked at.
    fn look_around(&mut self) {
        (self.missed, self.looked_around) = (false, Instant::now());
        for now in files::mapped_now() {
            if matches!(self.seen.get(&MappingId::of(&now.mapped)), Some(None)) {
                continue;
            }
            for pid in now.pids {
                self.pending.push(News { mapped: Mapped { pid, ..now.mapped.clone() }, at_ns: None });
            }
        }
    }

    fn mapped(&mut self, news: &News) {
        let mapped = &news.mapped;
        let id = MappingId::of(mapped);
        match self.seen.get(&id) {
            Some(None) => return,
            Some(Some(file_id)) => {
                let file_id = file_id.clone();
                if self.use_again(&file_id, news) {
                    return;
                }
            }
            None => {}
        }
        let Some((file, file_id)) = files::open(mapped) else { return };
        if self.seen.len() >= MAPPINGS_MAX {
            self.seen.clear();
        }
        let found = self.use_again(&file_id, news) || self.probe_new(&file, &file_id, news);
        self.seen.insert(id, found.then_some(file_id));
    }

    /// One more process maps a file that is probed.
    fn use_again(&mut self, file_id: &FileId, news: &News) -> bool {
        let Some(library) = self.known.get_mut(file_id) else { return false };
        library.used_by(news.mapped.pid);
        if library.probes.is_some() && news.at_ns.is_none_or(|at| at < library.probed_ns) {
            self.processes.probed_late(news.mapped.pid, library.probed_ns);
        }
        true
    }

    /// False when the file is of no interest.
    fn probe_new(&mut self, file: &File, file_id: &FileId, news: &News) -> bool {
        let path = String::from_utf8_lossy(&news.mapped.path).into_owned();
        let begun = Instant::now();
        let analysis = match self.analysis(file, file_id) {
            Ok(Some(analysis)) => analysis,
            Ok(None) => {
                if let Some((_, why)) = UNSEEN.iter().find(|(file, _)| news.mapped.path.ends_with(file)) {
                    self.told.refuse(&path, why);
                }
                return false;
            }
            Err(e) => {
                tracing::debug!("{path}: {e}");
                return false;
            }
        };
        let analysed = begun.elapsed();
        let library = self.probe(file, &analysis, path, news);
        let (places, path, attach_us) = (library.places, &library.path, (begun.elapsed() - analysed).as_micros());
        tracing::info!("{path}: {:?} probed at {places} places", analysis.kind);
        tracing::debug!("{path}: analysed in {} us, attached in {attach_us} us", analysed.as_micros());
        self.known.insert(file_id.clone(), library);
        true
    }

    fn analysis(&mut self, file: &File, file_id: &FileId) -> Result<Option<Arc<Analysis>>, binary::Error> {
        // what cannot be read has no id, and tells so when it is analysed
        if let Some(known) = self.analyses.get(file_id, || binary::build_id(file).ok().flatten()) {
            return Ok(Some(known));
        }
        let analysis = match self.return_probes {
            true => binary::analyse(file),
            false => binary::analyse_without_return_probes(file),
        };
        Ok(analysis?.map(|analysis| self.analyses.keep(file_id, analysis)))
    }

    fn probe(&mut self, file: &File, analysis: &Analysis, path: String, news: &News) -> Library {
        let pid = news.mapped.pid;
        for (symbol, why) in &analysis.refused {
            self.told.refuse(&format!("{path}:{symbol}"), why);
        }
        for (symbol, other) in &analysis.forwarding {
            self.told.replace(&format!("{path}:{symbol}"), other);
        }
        let mut library =
            Library { path, probes: None, places: 0, probed_ns: 0, users: HashSet::new(), uses: 0, unused_since: None };
        library.used_by(pid);
        let probes = probes(analysis, &library.path);
        let has = self.known.values().filter(|other| other.users.contains(&pid)).map(|other| other.places).sum();
        if let Some(why) = limits::refusal(probes.len(), has) {
            self.told.refuse(&library.path, &why);
            return library;
        }
        let attached = lock(&self.capture).probe(file, probes);
        for (target, why) in &attached.refused {
            self.told.refuse(target, why);
        }
        (library.probes, library.places, library.probed_ns) = (attached.id, attached.places, monotonic_ns());
        if attached.id.is_some() {
            // where it is not known when it was mapped, connections from before the probes are late all the same
            self.processes.probed_late(pid, library.probed_ns);
            if let Some(at_ns) = news.at_ns {
                self.told.late(&library.path, pid, library.probed_ns.saturating_sub(at_ns));
            }
        }
        library
    }

    /// Takes the probes away from files that nobody has mapped for a while.
    fn sweep(&mut self) {
        let mut idle = vec![];
        for (file_id, library) in &mut self.known {
            library.users.retain(|pid| files::maps(*pid, file_id));
            if library.users.is_empty() {
                let since = *library.unused_since.get_or_insert_with(Instant::now);
                if since.elapsed() > library.kept_unused() {
                    idle.push(file_id.clone());
                }
            }
        }
        if idle.is_empty() {
            return;
        }
        let still = files::users_of(&idle);
        for file_id in idle {
            if let (Some(pids), Some(library)) = (still.get(&file_id), self.known.get_mut(&file_id)) {
                library.unused_since = None;
                library.users.extend(pids.iter().take(USERS_MAX));
                continue;
            }
            let Some(library) = self.known.remove(&file_id) else { continue };
            if let Some(id) = library.probes {
                lock(&self.capture).unprobe(id);
            }
            self.seen.retain(|_, found| found.as_ref() != Some(&file_id));
        }
    }
}

impl Library {
    fn used_by(&mut self, pid: u32) {
        if self.users.len() < USERS_MAX && self.users.insert(pid) {
            self.uses += 1;
        }
        self.unused_since = None;
    }

    fn kept_unused(&self) -> Duration {
        if self.uses >= OFTEN_USES { OFTEN_USED_KEPT } else { UNUSED_KEPT }
    }
}

/// Kernels 6.11 to 6.13 return from a probed function by a system call of their own, for which a seccomp filter that does not
/// know it kills the program.
pub(crate) fn return_probes_are_safe() -> bool {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = release.split(['.', '-']).map_while(|n| n.parse::<u32>().ok());
    !matches!((numbers.next(), numbers.next()), (Some(6), Some(11..=13)))
}
