//! `luna-organizations serve`: production.

use tokio::signal::unix::{SignalKind, signal};

use super::Failure;
use super::configuration::Configuration;
use super::service::{Service, repository};

pub async fn run(configuration: Configuration) -> Result<(), Failure> {
    super::logging::start(&configuration)?;
    let service = Service::start(&configuration, repository(&configuration)?).await?;
    told_to_stop().await?;
    tracing::info!("stopping");
    service.stop().await;
    Ok(())
}

/// Waits for Ctrl-C or SIGTERM.
pub async fn told_to_stop() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
