//! Logs: to standard error, as JSON lines or for people. What must never be in them stands in `LOGGING.md`.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::time::ChronoUtc;

use super::Failure;
use super::configuration::{Configuration, LogFormat};

/// Starts logging, once per process.
pub fn start(configuration: &Configuration) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(&configuration.log_filter).map_err(|error| {
        configuration.wrong("log_filter", &format!("a filter such as \"info\" or \"info,sqlx=warn\": {error}"))
    })?;
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_timer(ChronoUtc::rfc_3339())
        .with_writer(std::io::stderr);
    let started = match configuration.log_format {
        LogFormat::Json => logs.json().flatten_event(true).try_init(),
        LogFormat::Pretty => logs.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).try_init(),
    };
    for variable in Configuration::unknown_variables() {
        tracing::warn!(variable, "not a key of this service; ignored");
    }
    started
}
