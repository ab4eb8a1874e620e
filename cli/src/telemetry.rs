//! earshot's own log and metrics.

use tracing_subscriber::EnvFilter;

/// Log lines go to standard error.
pub fn log(filter: &str) {
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).with_target(false).init();
}

/// Starts collecting metrics; the result renders them in Prometheus' text format.
pub fn metrics() -> anyhow::Result<query_engine::api::MetricsText> {
    let handle = metrics_exporter_prometheus::PrometheusBuilder::new().install_recorder()?;
    metrics::gauge!("earshot_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    Ok(std::sync::Arc::new(move || {
        own_process();
        handle.run_upkeep();
        handle.render()
    }))
}

/// What earshot itself costs.
fn own_process() {
    let Ok(me) = procfs::process::Process::myself() else { return };
    if let Ok(stat) = me.stat() {
        metrics::gauge!("earshot_process_resident_bytes").set((stat.rss * procfs::page_size()) as f64);
        let ticks = (stat.utime + stat.stime) as f64 / procfs::ticks_per_second() as f64;
        metrics::gauge!("earshot_process_cpu_seconds_total").set(ticks);
    }
}
