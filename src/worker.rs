//! Background jobs. Every replica runs them; none minds another one doing the same.

use std::time::Duration;

use crate::repository::Repository;

const SWEEP_EVERY: Duration = Duration::from_mins(15);

/// Sweeps now and then, for ever. A failure is logged and the next round tries again.
pub async fn run(repository: Repository) {
    let mut rounds = tokio::time::interval(SWEEP_EVERY);
    loop {
        rounds.tick().await;
        match repository.sweep().await {
            Ok(rows) => tracing::debug!(rows, "swept"),
            Err(error) => tracing::warn!(%error, "sweeping failed"),
        }
    }
}
