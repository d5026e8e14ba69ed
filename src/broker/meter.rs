//! Phase 5: which jobs were made, which are over, and what they used. Each is booked once, whichever answer tells of it.

use std::sync::Arc;

use http::StatusCode;

use super::Broker;
use super::adapter::Learned;
use super::answer::Asked;
use super::body::Watcher;
use super::denial::Denial;
use super::head::is_plain_id;
use super::json::parse;
use super::prepare::Reservation;
use crate::authorization::action::jobs::Cancel;
use crate::domain::{JobReference, QpuTokenId, Refusal};
use crate::repository::{Repository, Submitted};

impl Broker {
    /// Writes down what an answer has told.
    pub(super) async fn learned(
        &self,
        asked: &Asked<'_>,
        reservation: Option<&Reservation>,
        learned: Learned,
    ) -> Result<(), Denial> {
        if let Some(Reservation { grant, kind, ids }) = reservation {
            let plain = |id: Option<String>| id.filter(|id| is_plain_id(id));
            let mut created = learned.created.into_iter().map(plain);
            let jobs: Vec<Submitted> =
                ids.iter().map(|id| Submitted { id: *id, provider_id: created.next().flatten() }).collect();
            let foreign = self.repository.submit_jobs(grant, *kind, &jobs, self.settle_after).await?;
            if !foreign.is_empty() {
                return Err(Refusal::NotFound("job").into());
            }
        }
        for (job, used) in &learned.used {
            self.repository.settle_job(asked.door.token, job, *used).await?;
        }
        Ok(())
    }

    /// Reads an answer that is passed on as it came. What cannot be booked now, the worker books later.
    pub(super) async fn watched(&self, asked: &Asked<'_>, status: StatusCode, copy: &[u8]) {
        let Some(mut value) = parse(copy) else { return };
        let learned = asked.adapter.learn(asked.operation, status, &mut value);
        book(&self.repository, asked.door.token, &learned).await;
    }

    /// The same for an answer that is still coming.
    pub(super) fn watcher(&self, asked: &Asked<'_>, status: StatusCode) -> Watcher {
        let (adapter, operation) = (Arc::clone(asked.adapter), Arc::clone(asked.operation));
        let (repository, token) = (self.repository.clone(), asked.door.token);
        Box::new(move |copy| {
            Box::pin(async move {
                let Some(mut value) = parse(&copy) else { return };
                let learned = adapter.learn(&operation, status, &mut value);
                book(&repository, token, &learned).await;
            })
        })
    }

    /// Remembers what was cancelled.
    pub(super) async fn cancelled(&self, asked: &Asked<'_>) -> Result<(), Denial> {
        let jobs: Vec<JobReference> = asked.operation.jobs.iter().cloned().collect();
        let grant = asked.grant.with_job::<Cancel>()?;
        Ok(self.repository.jobs_cancelled(&grant, &jobs).await?)
    }
}

async fn book(repository: &Repository, token: QpuTokenId, learned: &Learned) {
    for (job, used) in &learned.used {
        if let Err(error) = repository.settle_job(token, job, *used).await {
            tracing::warn!(%error, "what a job used could not be booked yet");
        }
    }
}
