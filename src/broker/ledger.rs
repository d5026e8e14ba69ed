//! The way into the ledger. The database may be away when there is something to write down, or not answer at all: what must not be
//! lost is tried again for an hour, whoever waits for it or not. Connections to it are few, so what one caller has to write down waits
//! for the caller's turn.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{sleep, timeout};
use tokio_util::task::TaskTracker;

use super::room::Shares;
use crate::authorization::Grant;
use crate::authorization::action::jobs::Submit;
use crate::domain::{JobReference, QpuTokenId, UserId};
use crate::repository::{Repository, Result, Taken};

/// How often it is tried: for an hour, if the database says at once that it is not there.
const TRIES: u32 = 720;

/// How many of one caller's transactions there are at the same time.
const AT_ONCE: usize = 2;

/// How long between two tries.
const BETWEEN_TRIES: Duration = Duration::from_secs(5);

/// Where jobs are written down.
#[derive(Clone)]
pub(super) struct Ledger {
    repository: Repository,
    tasks: TaskTracker,
    /// Until the database has answered.
    patience: Duration,
    turns: Arc<Shares>,
}

impl Ledger {
    pub(super) fn new(repository: Repository, tasks: TaskTracker, patience: Duration) -> Self {
        Self { repository, tasks, patience, turns: Arc::new(Shares::new(AT_ONCE)) }
    }

    /// Waits for the caller's turn to write something down. It lasts as long as what is given is kept.
    pub(super) async fn turn(&self, caller: Option<UserId>) -> Option<OwnedSemaphorePermit> {
        self.turns.turn(caller?).await.ok()
    }

    /// Waits for the database, but not for ever: a connection whose other end has vanished never says so. `None` if the work could not be
    /// done; why is logged.
    pub(super) async fn in_time<T>(&self, work: impl Future<Output = Result<T>>) -> Option<T> {
        match timeout(self.patience, work).await {
            Ok(Ok(done)) => Some(done),
            Ok(Err(error)) => {
                tracing::warn!(%error, "something could not be written down yet");
                None
            }
            Err(_) => {
                tracing::warn!("something could not be written down yet: the database does not answer");
                None
            }
        }
    }

    /// Books what jobs used, in the caller's turn. What cannot be booked now, the worker asks for again; but what a provider tells `once`
    /// is tried until it is booked.
    pub(super) async fn book(
        &self,
        caller: Option<UserId>,
        token: QpuTokenId,
        used: Vec<(JobReference, i64)>,
        once: bool,
    ) {
        if used.is_empty() {
            return;
        }
        let _turn = self.turn(caller).await;
        let booked = self.in_time(self.repository.settle_jobs(token, &used)).await;
        if booked.is_none() && once {
            self.tasks.spawn(self.clone().book_later(token, used));
        }
    }

    async fn book_later(self, token: QpuTokenId, used: Vec<(JobReference, i64)>) {
        for _ in 0..TRIES {
            sleep(BETWEEN_TRIES).await;
            if self.in_time(self.repository.settle_jobs(token, &used)).await.is_some() {
                return;
            }
        }
        let jobs = used.iter().map(|(job, _)| job.id.as_str()).collect::<Vec<_>>().join(", ");
        tracing::error!(%token, jobs, "what was used was never booked");
    }

    /// Writes down what became of a submission, in the caller's turn; answers which of the provider's names are somebody else's. `None` if
    /// it could not be.
    pub(super) async fn submit(&self, grant: &Grant<Submit>, taken: &Taken) -> Option<Vec<String>> {
        let _turn = self.turn(grant.caller()).await;
        self.in_time(self.repository.submit_jobs(grant, taken)).await
    }

    /// Writes it down, and books what is known of its usage, when that works: whether the reservation lasts or not.
    pub(super) fn submit_later(&self, grant: Arc<Grant<Submit>>, taken: Taken, used: Vec<(JobReference, i64)>) {
        let ledger = self.clone();
        self.tasks.spawn(async move {
            let used_with = grant.token();
            for _ in 0..TRIES {
                sleep(BETWEEN_TRIES).await;
                let Some(foreign) = ledger.submit(&grant, &taken).await else { continue };
                if !foreign.is_empty() {
                    tracing::error!(token = %used_with, jobs = foreign.join(", "), "what the provider took is somebody else's");
                }
                let own = |(job, _): &(JobReference, i64)| !foreign.contains(&job.id);
                // What this does not book, the worker asks for.
                let used = used.into_iter().filter(own).collect();
                return ledger.book(grant.caller(), used_with, used, false).await;
            }
            let jobs = taken.names().collect::<Vec<_>>().join(", ");
            tracing::error!(token = %used_with, jobs, "what became of a submission was never written down");
        });
    }
}
