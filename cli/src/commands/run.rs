//! `earshot run`: agent, store, SQL, API and page on this host.

use std::io::Write;
use std::sync::Arc;

use anyhow::Context;
use arrow::array::RecordBatch;
use collector::kernel::{StartError, WantedSamples};
use collector::live::{Live, Settings};
use query_engine::api::{BindError, Server, ServerConfig};
use query_engine::pgwire;
use query_engine::sql::{Limits, SqlEngine};
use query_engine::store::{DataDir, Store, StoreConfig};
use tokio::sync::watch;

use crate::args::RunArgs;
use crate::config::Config;
use crate::exit::{Done, Failure};
use crate::heap::Profiler;
use crate::{signals, telemetry};

pub fn run(args: RunArgs) -> Done {
    let config = Config::of(&args).map_err(Failure::Usage)?;
    if args.print_config {
        print!("{}", toml::to_string(&config).map_err(anyhow::Error::from)?);
        return Ok(());
    }
    if !config.no_probes {
        let missing = collector::kernel::missing_privileges();
        if !missing.is_empty() {
            return Err(not_permitted(&missing.join(", ")));
        }
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().context("cannot start")?;
    runtime.block_on(serve(config))
}

fn not_permitted(missing: &str) -> Failure {
    Failure::NotPermitted(anyhow::anyhow!(
        "capturing needs {missing}: run as root, or with these capabilities; 'earshot run --no-probes' serves stored rows without"
    ))
}

/// Batches from the capture threads go straight into the store.
struct StoreSink(Arc<Store>);

impl collector::batch::Sink for StoreSink {
    fn rows(&self, table: &'static schema::Table, batch: RecordBatch) {
        self.0.append(table, batch);
    }
}

pub fn bind_failure(error: BindError) -> Failure {
    match error {
        BindError::NeedsToken { .. } => Failure::Usage(anyhow::anyhow!("{error}; configure one with --token-file")),
        BindError::Listen { .. } => Failure::Failed(error.into()),
    }
}

fn start_failure(error: StartError) -> Failure {
    match error {
        StartError::NotPermitted { missing } => not_permitted(&missing),
        other => Failure::Failed(anyhow::anyhow!("{other}; 'earshot doctor' tells what is missing here")),
    }
}

async fn serve(config: Config) -> Done {
    let ended = signals::asked_to_end();
    let token = config.token()?;
    let metrics = telemetry::metrics()?;
    let heaps = Profiler::default();
    let server = Server::bind(
        config.listen,
        ServerConfig { token: token.clone(), metrics: Some(metrics), heap: Some(Arc::new(heaps.clone())) },
    )
    .await
    .map_err(bind_failure)?;
    let pg = pgwire::Server::bind(config.pg_listen, token).await.map_err(bind_failure)?;
    let folder = DataDir::open(&config.data_dir).map_err(anyhow::Error::from)?;
    let host = config.host_name();
    #[cfg(feature = "otlp")]
    let export_host = host.clone();
    let memory_bytes_max = config.rows_bytes_max();
    let store = Store::new(super::all_tables(), StoreConfig { memory_bytes_max, host: host.clone(), ..StoreConfig::default() });
    store.load(&folder).map_err(anyhow::Error::from)?;
    let engine = SqlEngine::new(store.clone(), Limits::default()).map_err(anyhow::Error::from)?;

    let live = if config.no_probes { None } else { Some(start_capture(&config, host, store.clone()).map_err(start_failure)?) };
    if let Some(live) = &live {
        heaps.is(live.heaps());
    }
    let url = format!("http://{}", server.addr());
    let (stop, stopped) = watch::channel(false);
    let ready = server.ready();
    let http = tokio::spawn(server.serve(engine.clone(), stopped.clone()));
    #[cfg(feature = "otlp")]
    let exporting = tokio::spawn(crate::otlp::run(config.otlp_profiles, export_host, engine.clone(), stopped.clone()));
    let postgres = tokio::spawn(pg.serve(engine, stopped));
    ready.set();
    println!("earshot ready: {url}");
    std::io::stdout().flush().context("cannot write to standard output")?;

    ended.await?;
    // rows of the last moments are stored before the API says goodbye
    if let Some(live) = live {
        tokio::task::spawn_blocking(move || live.stop()).await.context("the capture did not stop")?;
    }
    let _ = stop.send(true);
    if let Err(error) = http.await.context("the API did not stop")? {
        tracing::error!(%error, "the API ended with an error");
    }
    postgres.await.context("the PostgreSQL port did not stop")?;
    #[cfg(feature = "otlp")]
    exporting.await.context("the export of profiles did not stop")?;
    store.save(&folder).map_err(anyhow::Error::from)?;
    Ok(())
}

fn start_capture(config: &Config, host: String, store: Arc<Store>) -> Result<Live, StartError> {
    let host: Arc<[u8]> = host.into_bytes().into();
    Live::start(Settings {
        host,
        parsing: config.parsing(),
        redact: config.redact_statements,
        profile: WantedSamples { hz: config.profile_hz, faults: config.profile_faults, growth: config.profile_rss_growth },
        budget: config.budget.limits(),
        sink: Arc::new(StoreSink(store)),
        recorder: None,
    })
}
