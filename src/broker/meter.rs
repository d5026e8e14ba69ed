//! Phase 5: which jobs were made, which are over, and what they used. Each is booked once, whichever answer tells of it.

use std::mem::take;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use tokio::time::sleep;
use tokio_util::task::TaskTracker;

use super::Broker;
use super::adapter::Learned;
use super::answer::Asked;
use super::body::Body;
use super::denial::Denial;
use super::forward::Failed;
use super::head::is_plain_id;
use super::prepare::Reservation;
use super::usage::{Extract, Watched};
use crate::authorization::action::jobs::Cancel;
use crate::domain::{JobId, JobReference, QpuTokenId, Refusal};
use crate::repository::{Repository, Submitted};

/// What could not be written down at once is tried again so often: as long as the reservation lasts.
const TRIES: u32 = 180;

/// How long between two tries.
const BETWEEN_TRIES: Duration = Duration::from_secs(5);

impl Broker {
    /// Writes down what an answer has told. What jobs used can be booked later, too, by the worker.
    pub(super) async fn learned(
        &self,
        asked: &Asked<'_>,
        reservation: Option<&Reservation>,
        mut learned: Learned,
    ) -> Result<(), Failed> {
        if let Some(reservation) = reservation {
            let plain = |id: Option<String>| id.filter(|id| is_plain_id(id));
            let mut created = take(&mut learned.created).into_iter().map(plain);
            let submitted = |id: &JobId| Submitted { id: *id, provider_id: created.next().flatten() };
            let jobs: Vec<Submitted> = reservation.ids.iter().map(submitted).collect();
            let Ok(foreign) = self.opened(reservation, &jobs).await else {
                return Err(Failed::Taken(self.open_later(reservation, jobs)));
            };
            if !foreign.is_empty() {
                return Err(Denial::from(Refusal::NotFound("job")).into());
            }
        }
        Ok(self.told(asked, learned).await?)
    }

    /// The same for an answer to what submits nothing.
    pub(super) async fn told(&self, asked: &Asked<'_>, learned: Learned) -> Result<(), Denial> {
        if let Some((whole, parts)) = &learned.parts {
            let parts: Vec<&JobReference> = parts.iter().filter(|part| is_plain_id(&part.id)).collect();
            self.in_time(self.repository.adopt_parts(asked.grant, whole, &parts)).await?;
        }
        book(&self.repository, &self.tasks, asked.door.token, learned.used, asked.operation.rule.tells_once()).await;
        Ok(())
    }

    async fn opened(&self, reservation: &Reservation, jobs: &[Submitted]) -> Result<Vec<String>, Denial> {
        let Reservation { grant, kind, .. } = reservation;
        self.in_time(self.repository.submit_jobs(grant, *kind, jobs, self.settle_after)).await
    }

    /// The provider has taken the jobs, and the database does not take note of it. That is tried until the reservation ends; the
    /// client is told what the provider said, and not to submit it again.
    fn open_later(&self, reservation: &Reservation, jobs: Vec<Submitted>) -> Denial {
        tracing::error!("what the provider took could not be written down yet");
        let names: Vec<&str> = jobs.iter().filter_map(|job| job.provider_id.as_deref()).collect();
        let message = format!(
            "the provider has taken it as {}, which could not be written down yet; look for it in a moment, and do not \
             submit it again",
            names.join(", ")
        );
        let (repository, settle_after) = (self.repository.clone(), self.settle_after);
        let (grant, kind) = (Arc::clone(&reservation.grant), reservation.kind);
        self.tasks.spawn(async move {
            for _ in 0..TRIES {
                sleep(BETWEEN_TRIES).await;
                match repository.submit_jobs(&grant, kind, &jobs, settle_after).await {
                    Ok(_) => return,
                    Err(error) => tracing::warn!(%error, "what the provider took could not be written down yet"),
                }
            }
        });
        Denial::new(StatusCode::FAILED_DEPENDENCY, "submission_not_recorded", message)
    }

    /// Reads an answer that is passed on as it came. What cannot be booked now, the worker books later.
    pub(super) async fn watched(&self, asked: &Asked<'_>, status: StatusCode, answer: &[u8]) {
        let mut extract = Extract::new(&asked.operation.rule.tells);
        extract.read(answer);
        let Some(mut told) = extract.finish() else { return };
        let learned = asked.adapter.learn(asked.operation, status, &mut told);
        book(&self.repository, &self.tasks, asked.door.token, learned.used, asked.operation.rule.tells_once()).await;
    }

    /// The same for an answer that is still coming.
    pub(super) fn watching(&self, asked: &Asked<'_>, status: StatusCode, body: Body) -> Watched {
        let (adapter, operation) = (Arc::clone(asked.adapter), Arc::clone(asked.operation));
        let (repository, tasks, token) = (self.repository.clone(), self.tasks.clone(), asked.door.token);
        let extract = Extract::new(&operation.rule.tells);
        let to_the_end = operation.rule.tells_once().then_some(self.patience.whole);
        let watcher = Box::new(move |extract: Extract| {
            let booked = async move {
                let Some(mut told) = extract.finish() else { return };
                let learned = adapter.learn(&operation, status, &mut told);
                book(&repository, &tasks, token, learned.used, operation.rule.tells_once()).await;
            };
            Box::pin(booked) as _
        });
        Watched::new(body, extract, watcher, to_the_end, self.tasks.clone())
    }

    /// Remembers what was cancelled.
    pub(super) async fn cancelled(&self, asked: &Asked<'_>) -> Result<(), Denial> {
        let jobs: Vec<JobReference> = asked.operation.jobs.iter().cloned().collect();
        let grant = asked.grant.with_job::<Cancel>()?;
        self.in_time(self.repository.jobs_cancelled(&grant, &jobs)).await
    }
}

/// What cannot be booked now, the worker asks for again; but what a provider tells `once` is tried until it is booked.
async fn book(
    repository: &Repository,
    tasks: &TaskTracker,
    token: QpuTokenId,
    used: Vec<(JobReference, i64)>,
    once: bool,
) {
    for (job, used) in used {
        if let Err(error) = repository.settle_job(token, &job, used).await {
            tracing::warn!(%error, "what a job used could not be booked yet");
            if once {
                tasks.spawn(book_later(repository.clone(), token, job, used));
            }
        }
    }
}

async fn book_later(repository: Repository, token: QpuTokenId, job: JobReference, used: i64) {
    for _ in 0..TRIES {
        sleep(BETWEEN_TRIES).await;
        match repository.settle_job(token, &job, used).await {
            Ok(_) => return,
            Err(error) => tracing::warn!(%error, "what a job used could not be booked yet"),
        }
    }
}
