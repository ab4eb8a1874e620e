//! `earshot replay`: capture files through the same reassembly and parsers as live traffic.

mod asked;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use anyhow::Context as _;
use collector::connect::Context;
use collector::kernel::Clock;
use collector::replay::{ReplayError, rows};
use protocol_parsers::Settings;
use query_engine::api::{Server, ServerConfig};
use query_engine::format;
use query_engine::sql::{Limits, Query, SqlEngine};
use query_engine::store::{Store, StoreConfig};
use tokio::sync::watch;

use super::run::bind_failure;
use crate::args::ReplayArgs;
use crate::exit::{Done, Failure};
use crate::output::{print, text_rows};
use crate::{signals, telemetry};
use asked::{Asked, AskedRows};

/// Memory for the rows of a replay, in bytes: a capture is asked about as a whole.
const MEMORY_BYTES_MAX: usize = 8 << 30;

pub fn replay(args: ReplayArgs) -> Done {
    let store = Store::new(super::all_tables(), StoreConfig { memory_bytes_max: MEMORY_BYTES_MAX, ..StoreConfig::default() });
    let engine = SqlEngine::new(store.clone(), Limits::default()).map_err(anyhow::Error::from)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().context("cannot start")?;
    let asked = runtime.block_on(Asked::by(&args, &engine))?;
    let context = Context {
        host: Arc::from(&b""[..]),
        clock: Clock::UNIX,
        settings: Settings { bodies: asked.bodies(), headers: asked.headers(), ..Settings::default() },
        redact: args.redact_statements,
        sink: Arc::new(AskedRows { store, asked }),
        processes: None,
        names: Arc::default(),
        unbound: Default::default(),
        ids: Arc::new(AtomicU64::new(1)),
    };
    // a damaged file keeps its rows; the damage is told at the end
    let mut damaged = None;
    for file in &args.files {
        match rows(file, context.clone()) {
            Ok(_) => {}
            Err(error @ ReplayError::Damaged { .. }) => damaged = Some(error),
            Err(error) => return Err(Failure::Failed(error.into())),
        }
    }
    runtime.block_on(answer(&args, engine))?;
    damaged.map_or(Ok(()), |error| Err(Failure::Damaged(error.into())))
}

async fn answer(args: &ReplayArgs, engine: SqlEngine) -> Done {
    match &args.sql {
        Some(query) => {
            let stream = engine.query(Query::new(query)).await.map_err(|e| Failure::Failed(super::sql::explained(&e)))?;
            let mut out = std::io::stdout().lock();
            format::write(stream, args.format.chosen(), &mut out).await.map_err(anyhow::Error::from)?;
        }
        None if !args.serve => {
            let (names, counts) = super::all_tables()
                .filter_map(|t| {
                    engine
                        .store()
                        .stats(t.name)
                        .filter(|s| s.rows > 0)
                        .map(|s| (Some(t.name.to_owned()), Some(s.rows.to_string())))
                })
                .unzip();
            print(args.format.chosen(), &text_rows(&[("table", names), ("rows", counts)])?)?;
        }
        None => {}
    }
    if !args.serve {
        return Ok(());
    }
    let ended = signals::asked_to_end();
    let config = ServerConfig { metrics: Some(telemetry::metrics()?), ..ServerConfig::default() };
    let server = Server::bind(args.listen, config).await.map_err(bind_failure)?;
    let (stop, stopped) = watch::channel(false);
    let url = format!("http://{}", server.addr());
    let ready = server.ready();
    let serving = tokio::spawn(server.serve(engine, stopped));
    ready.set();
    println!("earshot ready: {url}");
    ended.await?;
    let _ = stop.send(true);
    serving.await.context("the API did not stop")?.context("the API ended with an error")?;
    Ok(())
}
