//! `luna-organizations serve`: production.

use super::Failure;
use super::configuration::Configuration;
use super::service::{Service, repository};
use super::stop_signal::StopSignal;

pub async fn run(configuration: Configuration) -> Result<(), Failure> {
    super::logging::start(&configuration)?;
    let mut stop = StopSignal::listen()?;
    let service = tokio::select! {
        service = Service::start(&configuration, repository(&configuration)?) => service?,
        () = stop.heard() => return Ok(()),
    };
    stop.heard().await;
    service.stop().await;
    Ok(())
}
