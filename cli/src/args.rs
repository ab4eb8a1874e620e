//! The command line. What a flag means is its help text; what it defaults to is in `config`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand};
use query_engine::api::{HEAP_SECONDS_DEFAULT, HEAP_SECONDS_MAX};

use crate::client::ServerArg;
use crate::output::FormatArg;

/// earshot shows what the programs on this machine say to each other, with no change to any of them.
#[derive(Parser)]
#[command(
    name = "earshot",
    version,
    arg_required_else_help = true,
    after_help = "Example:
  earshot run &
  earshot sql \"SELECT time, operation, target, status, latency_ns FROM requests ORDER BY time DESC LIMIT 10\""
)]
pub struct Args {
    /// What to tell on standard error: error, warn, info, debug or trace, or a filter such as 'warn,collector=debug'.
    #[arg(long, global = true, env = "EARSHOT_LOG", default_value = "warn")]
    pub log: String,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    Run(RunArgs),
    Replay(ReplayArgs),
    Record(RecordArgs),
    Sql(SqlArgs),
    Flamegraph(FlamegraphArgs),
    Heap(HeapArgs),
    Doctor(DoctorArgs),
    Tables(TablesArgs),
}

/// Capture this host's traffic and answer SQL over it, by HTTP, a page and PostgreSQL's protocol.
#[derive(ClapArgs)]
#[command(
    after_help = "Prints 'earshot ready: URL' when every probe is attached. Ends with SIGTERM or Ctrl-C and keeps its rows.

Example:
  earshot run --data-dir /var/lib/earshot
  earshot run --listen 0.0.0.0:7117 --token-file /etc/earshot/token"
)]
pub struct RunArgs {
    /// Address of the API and the page [default: 127.0.0.1:7117]
    #[arg(long)]
    pub listen: Option<SocketAddr>,
    /// Address for PostgreSQL clients [default: 127.0.0.1:7118]
    #[arg(long)]
    pub pg_listen: Option<SocketAddr>,
    /// Folder that rows are kept in between two runs [default: /var/lib/earshot; for others than root in their home]
    #[arg(long)]
    pub data_dir: Option<PathBuf>,
    /// Configuration file (TOML); flags win over it
    #[arg(long)]
    pub config: Option<PathBuf>,
    /// Serve what is stored; capture nothing. Needs no privileges
    #[arg(long)]
    pub no_probes: bool,
    /// File whose first line every request must bring as a bearer token; needed to listen on more than loopback
    #[arg(long)]
    pub token_file: Option<PathBuf>,
    /// Memory for earshot, in MiB; rows have most of it, and the oldest go first [default: 512]
    #[arg(long)]
    pub memory_mib: Option<usize>,
    /// Keep no values of SQL statements and Redis commands: '?' stands for literals, parameters and arguments beside the key,
    /// for what Redis answers and for the texts of errors
    #[arg(long)]
    pub redact_statements: bool,
    /// How often a second stacks are taken on each CPU, up to 997; 0 takes none [default: 19]
    #[arg(long, value_parser = clap::value_parser!(u32).range(..=997))]
    pub profile_hz: Option<u32>,
    /// Take stacks of page faults, too: where memory is touched for the first time
    #[arg(long)]
    pub profile_faults: bool,
    /// Take stacks where the memory of processes grows, too: by bytes that stay resident
    #[arg(long)]
    pub profile_rss_growth: bool,
    /// OpenTelemetry collector that profiles are sent to by HTTP, such as http://127.0.0.1:4318
    #[cfg(feature = "otlp")]
    #[arg(long, value_name = "URL")]
    pub otlp_profiles: Option<String>,
    /// Print the configuration as it will be used, and end
    #[arg(long)]
    pub print_config: bool,
}

/// Read captures (pcap, pcapng, or earshot's own recordings) as if they happened here.
#[derive(ClapArgs)]
#[command(after_help = "Needs no privileges. Exits with 3 when a file is damaged; what stands before the damage is used.

Example:
  earshot replay capture.pcap --sql \"SELECT req_method, req_path, resp_status FROM http_events\"")]
pub struct ReplayArgs {
    /// Capture files, in the order in which they happened
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// Query to run on the result
    #[arg(long)]
    pub sql: Option<String>,
    /// Show no values of SQL statements and Redis commands, as for 'run'; the file keeps them
    #[arg(long)]
    pub redact_statements: bool,
    /// Keep the result open to queries, like 'run'
    #[arg(long)]
    pub serve: bool,
    /// Address for --serve
    #[arg(long, default_value = "127.0.0.1:7117", requires = "serve")]
    pub listen: SocketAddr,
    #[command(flatten)]
    pub format: FormatArg,
}

/// Write raw kernel events to a file that 'replay' reads.
#[derive(ClapArgs)]
#[command(after_help = "Ends with Ctrl-C or after --seconds. The file holds what the traced programs said: keep it safe.

Example:
  earshot record incident.earshot --seconds 30")]
pub struct RecordArgs {
    /// File to write; must not exist
    pub file: PathBuf,
    /// End after this many seconds
    #[arg(long)]
    pub seconds: Option<u64>,
}

/// Ask a running earshot.
#[derive(ClapArgs)]
#[command(after_help = "Example:
  earshot sql \"SELECT query_name, query_type, rcode FROM dns_events ORDER BY time DESC LIMIT 20\"
  earshot sql --follow \"SELECT req_path, resp_status FROM http_events WHERE resp_status >= 500\"")]
pub struct SqlArgs {
    /// The query; '-' reads it from standard input
    pub query: String,
    #[command(flatten)]
    pub server: ServerArg,
    /// Ask again every so many seconds
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "2", conflicts_with = "follow")]
    pub watch: Option<f64>,
    /// Print new rows as they arrive, one JSON object a line (a query over one table)
    #[arg(long)]
    pub follow: bool,
    #[command(flatten)]
    pub format: FormatArg,
}

/// Where the time of a window went: a flame graph, from a running earshot.
#[derive(ClapArgs)]
#[command(after_help = "Times are RFC 3339, 'now', or so long ago: -90s, -5m, -2h, -1d. Frames are root first.

Example:
  earshot flamegraph --from -10m --where \"process_name = 'nginx'\" --format svg -o nginx.svg
  earshot flamegraph --requests \"target = '/checkout' AND latency_ns > 200000000\"
  earshot flamegraph --from -5m --diff -65m -60m --normalize --format svg -o change.svg
  earshot flamegraph --kind off_cpu --root thread --format pprof -o waits.pb.gz && go tool pprof -top waits.pb.gz")]
pub struct FlamegraphArgs {
    /// Begin of the window
    #[arg(long, default_value = "-5m", allow_hyphen_values = true)]
    pub from: String,
    /// End of the window
    #[arg(long, default_value = "now", allow_hyphen_values = true)]
    pub until: String,
    /// Only samples for which this SQL condition over stack_samples holds
    #[arg(long = "where", value_name = "EXPR")]
    pub where_: Option<String>,
    /// Only samples of processes and threads while they answered requests for which this condition over the view requests holds
    #[arg(long, value_name = "EXPR")]
    pub requests: Option<String>,
    /// Kind of samples: on_cpu, off_cpu, page_fault, rss_growth …
    #[arg(long, default_value = "on_cpu")]
    pub kind: String,
    /// What stands above the frames
    #[arg(long, default_value = "none", value_parser = ["none", "process", "thread", "service"])]
    pub root: String,
    /// What to write
    #[arg(long, default_value = "folded", value_parser = ["folded", "pprof", "speedscope", "svg", "json"])]
    pub format: String,
    /// File to write instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// A window to compare with; folded stacks then have its value and the window's
    #[arg(long, num_args = 2, value_names = ["FROM", "UNTIL"], allow_hyphen_values = true)]
    pub diff: Option<Vec<String>>,
    /// Scale that window to the sum of the other
    #[arg(long, requires = "diff")]
    pub normalize: bool,
    /// The largest so many frames, the rest summed as `[other]`; by default 5000 for svg, else 200000
    #[arg(long)]
    pub frames: Option<usize>,
    #[command(flatten)]
    pub server: ServerArg,
}

/// Who asks for memory in one process, and what is not given back: a flame graph, by a running earshot.
#[derive(ClapArgs)]
#[command(
    after_help = "Probes the process's allocator (malloc and its like, also jemalloc's, mimalloc's, tcmalloc's; Go's) for so many seconds, no
other process, and only then: each call takes 1 to 2 microseconds longer meanwhile. A summary is on standard error.

Example:
  earshot heap --pid 1234 --for 10 --format svg -o heap.svg
  earshot heap --pid 1234 --for 30 --live > leaks.folded"
)]
pub struct HeapArgs {
    /// The process
    #[arg(long)]
    pub pid: u32,
    /// For how many seconds
    #[arg(long = "for", value_name = "SECONDS", default_value_t = HEAP_SECONDS_DEFAULT, value_parser = seconds)]
    pub for_: u64,
    /// A sample stands for at least so many bytes [default: 524288]
    #[arg(long, value_name = "BYTES")]
    pub every: Option<u64>,
    /// Only memory that was not given back by the end
    #[arg(long)]
    pub live: bool,
    /// What stands above the frames
    #[arg(long, default_value = "none", value_parser = ["none", "process", "thread", "service"])]
    pub root: String,
    /// What to write
    #[arg(long, default_value = "folded", value_parser = ["folded", "pprof", "speedscope", "svg", "json"])]
    pub format: String,
    /// File to write instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub server: ServerArg,
}

/// 10 or 10s.
fn seconds(text: &str) -> Result<u64, String> {
    let number = text.strip_suffix('s').unwrap_or(text).parse::<u64>().ok();
    let possible = number.filter(|n| (1..=HEAP_SECONDS_MAX).contains(n));
    possible.ok_or_else(|| format!("from 1 to {HEAP_SECONDS_MAX} seconds"))
}

/// What this kernel, these privileges and these settings allow, and what to do about the rest.
#[derive(ClapArgs)]
#[command(after_help = "Exits with 0 when capture works here, else with 1.

Example:
  sudo earshot doctor")]
pub struct DoctorArgs {}

/// The tables, or one table's columns with types, units and meanings.
#[derive(ClapArgs)]
#[command(after_help = "Example:
  earshot tables http_events")]
pub struct TablesArgs {
    /// A table's name
    pub name: Option<String>,
    #[command(flatten)]
    pub format: FormatArg,
}
