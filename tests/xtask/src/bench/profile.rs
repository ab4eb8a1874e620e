//! What profiling costs a server and programs that only compute: earshot's profiler at several rates, and perf's beside it.
//!
//! Each profiler stands between two stretches without any, of the same load, and starts afresh. earshot without its profiler is one of
//! them: what it costs besides is not the profiler's. What is measured begins when it has seen the load for some seconds. Samples are not
//! looked at here.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use ::tests::Process;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::Wanted;
use super::agent::Agent;
use super::cost::{cpu_seconds, memory};
use super::load::{self, Kind};
use super::needs::path;
use super::placement::Placement;
use super::report::{NONE, Section, whole};
use super::statistics::{median, paired_ratios, range};
use super::timed;
use crate::place::Place;

const RATES_HZ: [u32; 3] = [19, 99, 997];
/// Load beside a profiler before it is measured: what it learns about programs that it never saw is not what it costs for long.
const WARM_SECONDS: u64 = 5;
/// Before a stretch, for what the last one started or ended to be over.
const PAUSE: Duration = Duration::from_millis(500);
const READY_SECONDS: u64 = 10;

#[derive(Clone, Copy)]
enum Profiler {
    /// 0: without its profiler.
    Earshot(u32),
    /// What `--call-graph` is, and how often.
    Perf(&'static str, u32),
}

impl Profiler {
    fn all() -> Vec<Self> {
        let of = |hz| [Self::Earshot(hz), Self::Perf("fp", hz), Self::Perf("dwarf", hz)];
        std::iter::once(Self::Earshot(0)).chain(RATES_HZ.into_iter().flat_map(of)).collect()
    }

    fn name(self) -> String {
        match self {
            Self::Earshot(0) => "earshot, no stacks".to_owned(),
            Self::Earshot(hz) => format!("earshot, {hz} Hz"),
            Self::Perf(how, hz) => format!("perf record --call-graph {how}, {hz} Hz"),
        }
    }

    fn start(self, earshot: &Path) -> anyhow::Result<Running> {
        match self {
            Self::Earshot(hz) => Ok(Running::Earshot(Agent::start_with(earshot, &["--profile-hz", &hz.to_string()])?)),
            Self::Perf(how, hz) => {
                let folder = tempfile::tempdir()?;
                let data = folder.path().join("data");
                let mut command = Command::new(path("perf")?);
                command.args(["record", "-a", "-e", "cpu-clock", "-F", &hz.to_string(), "--call-graph", how, "-o"]);
                let mut process = Process::start(command.arg(&data), folder.path())?;
                process.wait_until(READY_SECONDS, "its file", |_| data.is_file().then_some(()))?;
                Ok(Running::Perf(process, folder))
            }
        }
    }
}

enum Running {
    Earshot(Agent),
    Perf(Process, TempDir),
}

impl Running {
    fn pid(&self) -> u32 {
        match self {
            Self::Earshot(agent) => agent.pid(),
            Self::Perf(process, _) => process.pid(),
        }
    }

    /// Bytes of earshot's maps in the kernel, or of the file that perf wrote.
    fn bytes(&self) -> u64 {
        match self {
            Self::Earshot(agent) => map_bytes(agent.pid()),
            Self::Perf(_, folder) => folder.path().join("data").metadata().map_or(0, |meta| meta.len()),
        }
    }

    fn stop(self) -> anyhow::Result<()> {
        match self {
            Self::Earshot(agent) => agent.stop(),
            Self::Perf(mut process, _) => process.end("INT").map(|_| ()),
        }
    }
}

/// Of all maps that a process holds, as the kernel accounts for them.
fn map_bytes(pid: u32) -> u64 {
    let infos = std::fs::read_dir(format!("/proc/{pid}/fdinfo")).into_iter().flatten().flatten();
    let of_map = |text: &str| {
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        Some((field("map_id:")?.to_owned(), field("memlock:")?.parse::<u64>().ok()?))
    };
    let mut maps: Vec<_> = infos.filter_map(|info| of_map(&std::fs::read_to_string(info.path()).ok()?)).collect();
    // one map may have several descriptors
    maps.sort();
    maps.dedup();
    maps.iter().map(|(_, bytes)| bytes).sum()
}

/// What is loaded, and how much it did.
struct Job<'a> {
    name: &'static str,
    unit: &'static str,
    /// Runs for about so many seconds; how much it did a second.
    run: Box<dyn FnMut(u64) -> anyhow::Result<f64> + 'a>,
}

fn jobs<'a>(place: &Place, folder: &Path, placement: &'a Placement) -> anyhow::Result<Vec<Job<'a>>> {
    let mut server = load::start(Kind::Postgres, placement)?;
    let select = move |seconds| server.ask(seconds).map(|done| done.requests as f64 / done.seconds);
    let burner = folder.join("burn");
    let mut build = Command::new(path("gcc")?);
    build.args(["-O2", "-o"]).arg(&burner).arg(place.root.join("tests/programs/burn.c")).arg("-ldl");
    timed::run(&build, 60)?;
    let burn = move |seconds| burn(&burner, seconds);
    Ok(vec![
        Job { name: "pgbench select", unit: "transactions/s", run: Box::new(select) },
        Job { name: "burn.c on each CPU", unit: "turns/s", run: Box::new(burn) },
    ])
}

/// One on each processor; turns of its loop in a second of the clock on the wall.
fn burn(program: &Path, seconds: u64) -> anyhow::Result<f64> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let one = || {
        let ran = timed::run(Command::new(program).arg(seconds.to_string()), seconds * 5 + 60)?;
        let turns = ran.out.lines().find_map(|line| line.strip_prefix("turns ")?.parse::<f64>().ok());
        let turns = turns.ok_or_else(|| anyhow::anyhow!("burn said what cannot be read: {}", ran.out))?;
        Ok::<f64, anyhow::Error>(turns / ran.took.as_secs_f64())
    };
    std::thread::scope(|scope| {
        let started: Vec<_> = (0..processors).map(|_| scope.spawn(one)).collect();
        started.into_iter().map(|one| one.join().map_err(|_| anyhow::anyhow!("a program's thread panicked"))?).sum()
    })
}

/// What was seen of a profiler beside a job.
#[derive(Default)]
struct Seen {
    with: Vec<f64>,
    without: Vec<f64>,
    ratios: Vec<f64>,
    /// Of one processor, in percent.
    cpu: Vec<f64>,
    resident: Vec<f64>,
    bytes: Vec<f64>,
}

impl Seen {
    fn row(&self, job: &Job<'_>, profiler: Profiler) -> Vec<String> {
        let mib = |bytes: f64| format!("{:.0}", bytes / f64::from(1 << 20));
        let text = |figures: &[f64], how: &dyn Fn(f64) -> String| median(figures).map_or(NONE.to_owned(), how);
        let ratio = median(&self.ratios).zip(range(&self.ratios));
        vec![
            job.name.to_owned(),
            profiler.name(),
            text(&self.with, &whole),
            ratio.map_or(NONE.to_owned(), |(middle, (least, most))| format!("{middle:.3} ({least:.3}..{most:.3})")),
            text(&self.cpu, &|percent| format!("{percent:.1} %")),
            text(&self.resident, &mib),
            text(&self.bytes, &mib),
        ]
    }
}

pub fn measure(place: &Place, earshot: &Path, wanted: &Wanted) -> anyhow::Result<Section> {
    let (placement, folder) = (Placement::find(), tempfile::tempdir()?);
    let (mut rows, mut figures, mut units) = (vec![], vec![], vec![]);
    for mut job in jobs(place, folder.path(), &placement)? {
        let profilers = Profiler::all();
        let mut seen: Vec<Seen> = profilers.iter().map(|_| Seen::default()).collect();
        for round in 1..=wanted.rounds {
            let mut before = without(&mut job, wanted.seconds)?;
            for (profiler, seen) in profilers.iter().zip(&mut seen) {
                let with = with(*profiler, earshot, &mut job, wanted.seconds, seen)?;
                let after = without(&mut job, wanted.seconds)?;
                seen.ratios.extend(paired_ratios(&[before, after], &[with]));
                seen.without.push(after);
                before = after;
                eprintln!(
                    "{}, {round} of {}: {}, {} of {}",
                    job.name,
                    wanted.rounds,
                    profiler.name(),
                    whole(with),
                    whole(after)
                );
            }
        }
        for (profiler, seen) in profilers.iter().zip(&seen) {
            rows.push(seen.row(&job, *profiler));
            figures.push(json!({ "job": job.name, "profiler": profiler.name(), "with": seen.with, "without": seen.without,
                "ratios": seen.ratios, "cpu_percent": seen.cpu, "resident_bytes": seen.resident, "bytes": seen.bytes }));
        }
        units.push(format!("{} in {}", job.name, job.unit));
    }
    Ok(Section {
        title: "Profilers",
        head: vec!["job", "profiler", "done", "ratio (min..max)", "of one CPU", "resident, MiB", "maps or file, MiB"],
        rows,
        notes: vec![format!(
            "{}; {} s each, {} rounds, {}. A ratio is to the mean of the stretches without any profiler before and after. earshot captures \
             and parses traffic, too: the first row of each job is that alone.",
            units.join(", "),
            wanted.seconds,
            wanted.rounds,
            placement.text()
        )],
        figures: Value::Array(figures),
    })
}

fn without(job: &mut Job<'_>, seconds: u64) -> anyhow::Result<f64> {
    std::thread::sleep(PAUSE);
    (job.run)(seconds)
}

fn with(profiler: Profiler, earshot: &Path, job: &mut Job<'_>, seconds: u64, seen: &mut Seen) -> anyhow::Result<f64> {
    let running = profiler.start(earshot)?;
    (job.run)(WARM_SECONDS)?;
    std::thread::sleep(PAUSE);
    let (before, started) = (cpu_seconds(running.pid())?, std::time::Instant::now());
    let done = (job.run)(seconds)?;
    let (cpu, took) = (cpu_seconds(running.pid())? - before, started.elapsed());
    seen.with.push(done);
    seen.cpu.push(100.0 * cpu / took.as_secs_f64());
    seen.resident.push(memory(running.pid())?.peak as f64);
    seen.bytes.push(running.bytes() as f64);
    running.stop()?;
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profiler_has_a_name_of_its_own() {
        let mut names: Vec<String> = Profiler::all().into_iter().map(Profiler::name).collect();
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!((count, names.len()), (10, 10));
    }

    #[test]
    fn a_row_says_what_is_unknown() {
        let job = Job { name: "x", unit: "y", run: Box::new(|_| Ok(1.0)) };
        let mut seen = Seen { with: vec![2000.0], ratios: vec![0.97, 0.95, 0.99], ..Seen::default() };
        seen.cpu.push(1.26);
        let row = seen.row(&job, Profiler::Perf("dwarf", 99));
        assert_eq!(row, ["x", "perf record --call-graph dwarf, 99 Hz", "2,000", "0.970 (0.950..0.990)", "1.3 %", NONE, NONE]);
    }
}
