//! Background jobs. Every replica runs them; none minds another one doing the same.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::broker;
use crate::repository::Repository;

const SWEEP_EVERY: Duration = Duration::from_mins(15);

/// How often counted uses are written down. A replica that is killed forgets what it has counted since.
const FLUSH_EVERY: Duration = Duration::from_secs(10);

/// How often jobs are looked for that are due to be asked about.
const SETTLE_EVERY: Duration = Duration::from_secs(2);

/// Runs for ever. A failure is logged and the next round tries again.
pub async fn run(repository: Repository, broker: broker::Shared) {
    tokio::join!(sweep(repository), flush(broker.clone()), settle(broker));
}

async fn sweep(repository: Repository) {
    let mut rounds = interval(SWEEP_EVERY);
    loop {
        rounds.tick().await;
        match repository.sweep().await {
            Ok(rows) => tracing::debug!(rows, "swept"),
            Err(error) => tracing::warn!(%error, "sweeping failed"),
        }
    }
}

async fn flush(broker: broker::Shared) {
    let mut rounds = interval(FLUSH_EVERY);
    loop {
        rounds.tick().await;
        broker.flush().await;
    }
}

async fn settle(broker: broker::Shared) {
    let mut rounds = interval(SETTLE_EVERY);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        rounds.tick().await;
        broker.settle_due().await;
    }
}
