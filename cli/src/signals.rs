//! SIGTERM and SIGINT: both mean to end in order.

use tokio::signal::unix::{SignalKind, signal};

/// Waits for either.
pub async fn asked_to_end() -> anyhow::Result<()> {
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    Ok(())
}
