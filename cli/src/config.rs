//! Configuration: defaults, then the file, then the flags.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context;
use collector::kernel::PROFILE_HZ_MAX;
use collector::live::{BudgetLimits, BudgetRate};
use serde::{Deserialize, Serialize};

use crate::args::RunArgs;

/// Everything that `earshot run` can be told, with its default.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Address of the API and the page.
    pub listen: SocketAddr,
    /// Address for PostgreSQL clients.
    pub pg_listen: SocketAddr,
    /// Folder that rows are kept in between two runs.
    pub data_dir: PathBuf,
    /// Serve what is stored; capture nothing.
    pub no_probes: bool,
    /// File whose first line every request must bring as a bearer token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
    /// Memory for earshot, in MiB: rows get what is left beside its code, ring buffers and batches in the making.
    pub memory_mib: usize,
    /// Name of this host in the column `host`; the kernel's when empty.
    pub host: String,
    /// How much of a body or a large value is kept in a row, in bytes.
    pub body_bytes_max: usize,
    /// How much of one argument is kept in a row, in bytes.
    pub argument_bytes_max: usize,
    /// Keep no values of SQL statements and Redis commands: literals, parameters, arguments beside the key, what Redis answers and
    /// the texts of errors are '?'.
    pub redact_statements: bool,
    /// How often a second stacks are taken on each CPU, up to 997; 0 takes none, nor of threads that wait.
    pub profile_hz: u32,
    /// Take stacks of page faults, too: one in 251.
    pub profile_faults: bool,
    /// Take stacks where the memory of processes grows, too: one a MiB.
    pub profile_rss_growth: bool,
    /// OpenTelemetry collector that profiles are sent to by HTTP; none when empty.
    #[cfg(feature = "otlp")]
    pub otlp_profiles: String,
    /// What earshot may take before it copies less of the processes that cost the most.
    pub budget: Budget,
}

/// Limits beyond which less is copied: the beginning of each transfer, then nothing, until there is room again. 0 is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Budget {
    /// Processor time of what reads and parses traffic, in percent of one CPU.
    pub cpu_percent: u64,
    /// Transfers that are read in a second, of all processes: a request with its response is two or more.
    pub host_events_per_second: u64,
    /// Copied data in a second, in MiB, of all processes.
    pub host_mib_per_second: u64,
    /// Transfers that are read in a second, of one process.
    pub process_events_per_second: u64,
    /// Copied data in a second, in MiB, of one process.
    pub process_mib_per_second: u64,
}

impl Default for Budget {
    /// Three quarters of a CPU read more than two CPUs serve, and a tenth of many is nothing that they miss; the other limits are for
    /// what is dear in another way, such as memory.
    fn default() -> Self {
        let cpus = std::thread::available_parallelism().map_or(1, |cpus| cpus.get() as u64);
        Self {
            cpu_percent: (10 * cpus).max(75),
            host_events_per_second: 1_000_000,
            host_mib_per_second: 1024,
            process_events_per_second: 500_000,
            process_mib_per_second: 512,
        }
    }
}

impl Budget {
    pub fn limits(self) -> BudgetLimits {
        let rate = |events, mib: u64| BudgetRate { events, bytes: mib.saturating_mul(1 << 20) };
        BudgetLimits {
            cpu_percent: self.cpu_percent,
            host: rate(self.host_events_per_second, self.host_mib_per_second),
            process: rate(self.process_events_per_second, self.process_mib_per_second),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        let parsing = protocol_parsers::Settings::default();
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 7117)),
            pg_listen: SocketAddr::from(([127, 0, 0, 1], 7118)),
            data_dir: default_data_dir(),
            no_probes: false,
            token_file: None,
            memory_mib: 512,
            host: String::new(),
            body_bytes_max: parsing.body_bytes_max,
            argument_bytes_max: parsing.argument_bytes_max,
            redact_statements: false,
            profile_hz: 19,
            profile_faults: false,
            profile_rss_growth: false,
            #[cfg(feature = "otlp")]
            otlp_profiles: String::new(),
            budget: Budget::default(),
        }
    }
}

fn default_data_dir() -> PathBuf {
    let root = procfs::process::Process::myself().and_then(|p| p.uid()).is_ok_and(|uid| uid == 0);
    if root {
        return PathBuf::from("/var/lib/earshot");
    }
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| Path::new(&home).join(".local/state"));
    state.or(home).unwrap_or_else(|| PathBuf::from("/var/tmp")).join("earshot")
}

/// What earshot needs beside its stored rows, in MiB.
const BESIDE_ROWS_MIB: usize = 96;
/// Rows have at least this much, in MiB, however little memory earshot is given.
const ROWS_MIB_MIN: usize = 16;

impl Config {
    /// Memory for rows, in bytes.
    pub fn rows_bytes_max(&self) -> usize {
        self.memory_mib.saturating_sub(BESIDE_ROWS_MIB).max(ROWS_MIB_MIN) << 20
    }

    pub fn of(args: &RunArgs) -> anyhow::Result<Self> {
        let mut config = match &args.config {
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .with_context(|| format!("cannot read the configuration {}", path.display()))?;
                toml::from_str(&text).with_context(|| format!("the configuration {} is wrong", path.display()))?
            }
            None => Self::default(),
        };
        config.set_flags(args);
        anyhow::ensure!(config.profile_hz <= PROFILE_HZ_MAX, "profile_hz is {}, more than {PROFILE_HZ_MAX}", config.profile_hz);
        Ok(config)
    }

    fn set_flags(&mut self, args: &RunArgs) {
        let Self { listen, pg_listen, data_dir, no_probes, token_file, memory_mib, redact_statements, profile_hz, .. } = self;
        set(listen, args.listen);
        set(pg_listen, args.pg_listen);
        set(data_dir, args.data_dir.clone());
        set(memory_mib, args.memory_mib);
        set(profile_hz, args.profile_hz);
        #[cfg(feature = "otlp")]
        set(&mut self.otlp_profiles, args.otlp_profiles.clone());
        *no_probes |= args.no_probes;
        *redact_statements |= args.redact_statements;
        self.profile_faults |= args.profile_faults;
        self.profile_rss_growth |= args.profile_rss_growth;
        if args.token_file.is_some() {
            token_file.clone_from(&args.token_file);
        }
    }

    /// The token, when one is configured. It must not be empty.
    pub fn token(&self) -> anyhow::Result<Option<String>> {
        let Some(path) = &self.token_file else { return Ok(None) };
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read the token file {}", path.display()))?;
        let token = text.lines().next().unwrap_or_default().trim().to_owned();
        anyhow::ensure!(!token.is_empty(), "the token file {} is empty", path.display());
        Ok(Some(token))
    }

    pub fn host_name(&self) -> String {
        if !self.host.is_empty() {
            return self.host.clone();
        }
        std::fs::read_to_string("/proc/sys/kernel/hostname")
            .map_or_else(|_| "localhost".to_owned(), |name| name.trim().to_owned())
    }

    pub fn parsing(&self) -> protocol_parsers::Settings {
        protocol_parsers::Settings {
            body_bytes_max: self.body_bytes_max,
            argument_bytes_max: self.argument_bytes_max,
            ..protocol_parsers::Settings::default()
        }
    }
}

fn set<T>(to: &mut T, from: Option<T>) {
    if let Some(value) = from {
        *to = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Args, Command};

    #[test]
    fn a_file_changes_what_it_names_and_nothing_else() {
        let config: Config = toml::from_str("memory_mib = 64\nlisten = \"127.0.0.1:9\"").unwrap();
        assert_eq!((config.memory_mib, config.listen.port(), config.pg_listen.port()), (64, 9, 7118));
        assert!(toml::from_str::<Config>("no_such_key = 1").is_err());
    }

    #[test]
    fn a_flag_wins_over_the_file() {
        let config = |file: &str, flags: &[&str]| {
            let parsed = <Args as clap::Parser>::parse_from(["earshot", "run"].iter().chain(flags));
            let Command::Run(args) = parsed.command else { panic!("not run") };
            let mut config: Config = toml::from_str(file).unwrap();
            config.set_flags(&args);
            config
        };
        assert!(!config("", &[]).redact_statements);
        assert!(config("redact_statements = true", &[]).redact_statements);
        assert!(config("redact_statements = false", &["--redact-statements"]).redact_statements);
        assert_eq!(config("memory_mib = 64", &["--memory-mib", "65"]).memory_mib, 65);
        assert_eq!((config("", &[]).profile_hz, config("profile_hz = 99", &["--profile-hz", "0"]).profile_hz), (19, 0));
    }

    #[test]
    fn the_printed_configuration_can_be_read_back() {
        let text = toml::to_string(&Config::default()).unwrap();
        let read = toml::from_str::<Config>(&text).unwrap();
        assert_eq!((read.data_dir, read.budget), (Config::default().data_dir, Budget::default()));
    }

    #[test]
    fn a_budget_is_a_group_of_its_own_and_zero_is_no_limit() {
        let config: Config = toml::from_str("[budget]\ncpu_percent = 0\nprocess_mib_per_second = 2").unwrap();
        let limits = config.budget.limits();
        assert_eq!((limits.cpu_percent, limits.process.bytes, limits.process.events), (0, 2 << 20, 500_000));
        assert!(toml::from_str::<Config>("[budget]\ncpu = 1").is_err());
    }
}
