//! Background jobs. Every replica runs them; none minds another one doing the same.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::broker;
use crate::domain::ProviderName;
use crate::repository::Repository;

const SWEEP_EVERY: Duration = Duration::from_mins(15);

/// How often counted uses are written down. A replica that is killed forgets what it has counted since.
const FLUSH_EVERY: Duration = Duration::from_secs(10);

/// How long a job that has failed rests.
const PAUSE: Duration = Duration::from_secs(5);

/// How often jobs are looked for that are due to be asked about.
const SETTLE_EVERY: Duration = Duration::from_secs(2);

/// Runs for ever. A failure is logged and the next round tries again.
pub async fn run(repository: Repository, broker: broker::Shared) {
    // One for each provider, so that one that does not answer, or whose answer ends the job, holds up no other.
    let settling: Vec<_> = broker.asked().map(|provider| (broker.clone(), provider.cloned())).collect();
    tokio::join!(
        for_ever("sweep", &repository, sweep),
        for_ever("flush", &broker, flush),
        join_all(settling.iter().map(|with| for_ever("settle", with, settle))),
    );
}

/// Runs a job on its own, and anew should it ever panic: what a provider answers must not end it.
async fn for_ever<W: Clone, F>(name: &str, with: &W, job: impl Fn(W) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    loop {
        // Ends with this task, not after it.
        let mut running = JoinSet::new();
        running.spawn(job(with.clone()));
        running.join_next().await;
        tracing::error!(name, "a background job has ended and is started anew");
        tokio::time::sleep(PAUSE).await;
    }
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

async fn settle((broker, provider): (broker::Shared, Option<ProviderName>)) {
    let mut rounds = interval(SETTLE_EVERY);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        rounds.tick().await;
        broker.settle_due_with(provider.as_ref()).await;
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_has_panicked_is_started_anew() {
        let (sender, mut started) = mpsc::unbounded_channel();
        let job = |sender: mpsc::UnboundedSender<()>| async move {
            sender.send(()).unwrap();
            panic!("as an answer of a provider's might make it");
        };
        let three_times = async {
            for _ in 0..3 {
                started.recv().await.unwrap();
            }
        };
        tokio::select! {
            () = for_ever("test", &sender, job) => panic!("it has ended"),
            () = three_times => {}
        }
    }
}
