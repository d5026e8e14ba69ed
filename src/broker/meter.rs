//! Phase 5: which jobs were made, which are over, and what they used. Each is booked once, whichever answer tells of it.

use std::sync::Arc;

use http::StatusCode;

use super::Broker;
use super::adapter::Learned;
use super::answer::Asked;
use super::body::Body;
use super::denial::Denial;
use super::failed::Failed;
use super::head::is_plain_id;
use super::prepare::Reservation;
use super::usage::{Extract, Watched};
use crate::authorization::action::jobs::Cancel;
use crate::domain::{Created, JobId, JobKind, JobReference, Refusal};
use crate::repository::{Submitted, Taken};

/// Most parts that one answer may name. Each is a row of the ledger, and a provider may name as many as fit into an answer.
const MOST_PARTS: usize = 1000;

impl Broker {
    /// Writes down what an answer has told. What jobs used can be booked later, too, by the worker.
    pub(super) async fn learned(
        &self,
        asked: &Asked<'_>,
        reservation: Option<&Reservation>,
        status: StatusCode,
        learned: Learned,
    ) -> Result<(), Failed> {
        let Some(reservation) = reservation else { return Ok(self.told(asked, learned).await?) };
        let Learned { created, used, parts, .. } = learned;
        let taken = self.taken(asked, reservation, status, created, plain_parts(parts));
        let caller = asked.grant.caller();
        let Some(foreign) = self.ledger.submit(&reservation.grant, &taken).await else {
            let names = taken.names().collect::<Vec<_>>().join(", ");
            tracing::error!(token = %asked.door.token, jobs = names, "what became of a submission is not written down yet");
            // What the provider says to a refusal is all that there is to know.
            let is_refused = taken.jobs.iter().all(|job| job.created == Created::Refused);
            self.ledger.submit_later(Arc::clone(&reservation.grant), taken, used);
            return if is_refused { Ok(()) } else { Err(Failed::Taken(unrecorded(&names))) };
        };
        if !foreign.is_empty() {
            return Err(Denial::from(Refusal::NotFound("job")).into());
        }
        if taken.jobs.iter().any(|job| job.created == Created::Unnamed) {
            tracing::error!(token = %reservation.grant.token(), "the provider has taken what has no id that can be read");
            if taken.names().next().is_none() {
                return Err(Failed::Taken(unnamed()));
            }
        }
        self.ledger.book(caller, asked.door.token, used, asked.operation.rule.tells_once()).await;
        Ok(())
    }

    /// The same for an answer to what submits nothing.
    pub(super) async fn told(&self, asked: &Asked<'_>, learned: Learned) -> Result<(), Denial> {
        let caller = asked.grant.caller();
        if let Some((whole, parts)) = plain_parts(learned.parts) {
            let _turn = self.ledger.turn(caller).await;
            self.in_time(self.repository.adopt_parts(asked.grant, &whole, &parts)).await?;
        }
        self.ledger.book(caller, asked.door.token, learned.used, asked.operation.rule.tells_once()).await;
        Ok(())
    }

    /// What the provider took of what was reserved.
    fn taken(
        &self,
        asked: &Asked<'_>,
        reservation: &Reservation,
        status: StatusCode,
        created: Vec<Created>,
        parts: Option<(JobReference, Vec<JobReference>)>,
    ) -> Taken {
        let kind = reservation.kind;
        let untold = if status.is_success() { Created::Unnamed } else { Created::Refused };
        let mut created = created.into_iter().map(|created| match created {
            // It could not be asked for.
            Created::Named(id) if !is_plain_id(&id) => Created::Unnamed,
            created => created,
        });
        let submitted = |id: &JobId| Submitted { id: *id, created: created.next().unwrap_or_else(|| untold.clone()) };
        let jobs: Vec<Submitted> = reservation.ids.iter().map(submitted).collect();
        // Most providers do not tell of uploads: there is nothing to ask, and an upload never ends.
        let is_told = |id: &str| {
            asked.adapter.settle(&JobReference { kind, id: id.to_owned() }, &asked.operation.place).is_some()
        };
        let mut taken = Taken { kind, jobs, parts, check_after: Some(self.settle_after) };
        if kind == JobKind::Upload && !taken.names().any(is_told) {
            taken.check_after = None;
        }
        taken
    }

    /// Reads an answer that is passed on as it came. What cannot be booked now, the worker books later.
    pub(super) async fn watched(&self, asked: &Asked<'_>, status: StatusCode, answer: &[u8]) {
        let mut extract = Extract::new(&asked.operation.rule.tells);
        extract.read(answer);
        let Some(mut told) = extract.finish() else { return };
        let learned = asked.adapter.learn(asked.operation, status, &mut told);
        self.ledger.book(asked.grant.caller(), asked.door.token, learned.used, asked.operation.rule.tells_once()).await;
    }

    /// The same for an answer that is still coming.
    pub(super) fn watching(&self, asked: &Asked<'_>, status: StatusCode, body: Body) -> Watched {
        let (adapter, operation) = (Arc::clone(asked.adapter), Arc::clone(asked.operation));
        let (ledger, caller, token) = (self.ledger.clone(), asked.grant.caller(), asked.door.token);
        let extract = Extract::new(&operation.rule.tells);
        let to_the_end = operation.rule.tells_once().then_some(self.patience.whole);
        let watcher = Box::new(move |extract: Extract| {
            let booked = async move {
                let Some(mut told) = extract.finish() else { return };
                let learned = adapter.learn(&operation, status, &mut told);
                ledger.book(caller, token, learned.used, operation.rule.tells_once()).await;
            };
            Box::pin(booked) as _
        });
        Watched::new(body, extract, watcher, to_the_end, self.tasks.clone())
    }

    /// Remembers what was cancelled.
    pub(super) async fn cancelled(&self, asked: &Asked<'_>) -> Result<(), Denial> {
        let jobs: Vec<JobReference> = asked.operation.jobs.iter().cloned().collect();
        let grant = asked.grant.with_job::<Cancel>()?;
        let _turn = self.ledger.turn(asked.grant.caller()).await;
        self.in_time(self.repository.jobs_cancelled(&grant, &jobs)).await
    }
}

/// The ledger does not know it yet: the client is told what the provider said, and not to submit it again.
fn unrecorded(names: &str) -> Denial {
    let as_what = if names.is_empty() { String::new() } else { format!(" as {names}") };
    let message = format!(
        "the provider has taken it{as_what}, which could not be written down yet; look for it in a moment, and do not submit \
         it again"
    );
    Denial::new(StatusCode::FAILED_DEPENDENCY, "submission_not_recorded", message)
}

/// Nobody can look for it, and it counts all the same: it may run.
fn unnamed() -> Denial {
    let message = "the provider has taken it, and its answer has no id that can be read, so it counts as what was reserved for it; \
                   do not submit it again";
    Denial::new(StatusCode::FAILED_DEPENDENCY, "submission_not_named", message)
}

/// Parts whose ids may be used in paths, up to [`MOST_PARTS`], of a job whose id may be. The others are nobody's.
fn plain_parts(parts: Option<(JobReference, Vec<JobReference>)>) -> Option<(JobReference, Vec<JobReference>)> {
    let (whole, mut parts) = parts.filter(|(whole, _)| is_plain_id(&whole.id))?;
    parts.retain(|part| is_plain_id(&part.id));
    if parts.len() > MOST_PARTS {
        tracing::warn!(job = whole.id, parts = parts.len(), "a job has more parts than are taken note of");
        parts.truncate(MOST_PARTS);
    }
    Some((whole, parts))
}
