//! `earshot record`: raw kernel events to a file.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use arrow::array::RecordBatch;
use collector::kernel::WantedSamples;
use collector::live::{BudgetLimits, Live, Settings};
use collector::replay::recording::Writer;

use crate::args::RecordArgs;
use crate::exit::{Done, Failure};
use crate::signals;

/// How often a failing disk is noticed.
const LOOK: Duration = Duration::from_millis(200);

/// The rows that come along are not wanted.
struct Nowhere;

impl collector::batch::Sink for Nowhere {
    fn rows(&self, _: &'static schema::Table, _: RecordBatch) {}
}

pub fn record(args: RecordArgs) -> Done {
    let missing = collector::kernel::missing_privileges();
    if !missing.is_empty() {
        return Err(Failure::NotPermitted(anyhow::anyhow!(
            "recording needs {}: run as root, or with these capabilities",
            missing.join(", ")
        )));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start")?;
    runtime.block_on(write(args.file, args.seconds))
}

async fn write(file: PathBuf, seconds: Option<u64>) -> Done {
    let ended = signals::asked_to_end();
    let writer = Writer::create(&file).with_context(|| format!("cannot create {}", file.display()))?;
    let progress = writer.progress();
    let settings = Settings {
        host: Arc::from(&b""[..]),
        parsing: protocol_parsers::Settings::default(),
        // no row is kept
        redact: false,
        profile: WantedSamples::default(),
        // a recording is of what there is
        budget: BudgetLimits::default(),
        sink: Arc::new(Nowhere),
        recorder: Some(Box::new(writer)),
    };
    let live = Live::start(settings).map_err(|e| Failure::Failed(e.into()))?;
    eprintln!("earshot: recording to {}; Ctrl-C ends it", file.display());
    let time = async {
        match seconds {
            Some(s) => tokio::time::sleep(Duration::from_secs(s)).await,
            None => std::future::pending().await,
        }
    };
    let failing = async {
        while progress.error().is_none() {
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::select! {
        done = ended => done?,
        () = time => {}
        () = failing => {}
    }
    tokio::task::spawn_blocking(move || live.stop()).await.context("the capture did not stop")?;
    if let Some(error) = progress.error() {
        return Err(Failure::Failed(anyhow::anyhow!(
            "cannot write {}: {error}; what was written before is good",
            file.display()
        )));
    }
    eprintln!("earshot: {} records, {} bytes", progress.records(), progress.bytes());
    Ok(())
}
