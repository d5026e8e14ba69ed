//! Phase 5: which jobs were made, which are over, and what they used. Each is booked once, whichever answer tells of it.

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
use super::failed::Failed;
use super::head::is_plain_id;
use super::prepare::Reservation;
use super::usage::{Extract, Watched};
use crate::authorization::action::jobs::Cancel;
use crate::domain::{Created, JobId, JobKind, JobReference, QpuTokenId, Refusal};
use crate::repository::{Repository, Submitted, Taken};

/// What could not be written down at once is tried again so often: for an hour.
const TRIES: u32 = 720;

/// How long between two tries.
const BETWEEN_TRIES: Duration = Duration::from_secs(5);

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
        let Ok(foreign) = self.in_time(self.repository.submit_jobs(&reservation.grant, &taken)).await else {
            let names = names(&taken.jobs).collect::<Vec<_>>().join(", ");
            // What the provider says to a refusal is all that there is to know.
            let is_refused = taken.jobs.iter().all(|job| job.created == Created::Refused);
            self.write_down_later(reservation, taken, used, names.clone());
            return if is_refused { Ok(()) } else { Err(Failed::Taken(unrecorded(&names))) };
        };
        if !foreign.is_empty() {
            return Err(Denial::from(Refusal::NotFound("job")).into());
        }
        let is_named = |job: &Submitted| matches!(job.created, Created::Named(_));
        if taken.jobs.iter().any(|job| job.created == Created::Unnamed) {
            tracing::error!(token = %reservation.grant.token(), "the provider has taken what has no id that can be read");
            if !taken.jobs.iter().any(is_named) {
                return Err(Failed::Taken(unnamed()));
            }
        }
        book(&self.repository, &self.tasks, asked.door.token, used, asked.operation.rule.tells_once()).await;
        Ok(())
    }

    /// The same for an answer to what submits nothing.
    pub(super) async fn told(&self, asked: &Asked<'_>, learned: Learned) -> Result<(), Denial> {
        if let Some((whole, parts)) = plain_parts(learned.parts) {
            self.in_time(self.repository.adopt_parts(asked.grant, &whole, &parts)).await?;
        }
        book(&self.repository, &self.tasks, asked.door.token, learned.used, asked.operation.rule.tells_once()).await;
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
        let check_after = (kind != JobKind::Upload || names(&jobs).any(is_told)).then_some(self.settle_after);
        Taken { kind, jobs, parts, check_after }
    }

    /// The provider has answered a submission, and the database does not take note of it. That is tried for a while, whether the
    /// reservation lasts or not.
    fn write_down_later(&self, reservation: &Reservation, taken: Taken, used: Vec<(JobReference, i64)>, names: String) {
        let (repository, grant) = (self.repository.clone(), Arc::clone(&reservation.grant));
        let with = grant.token();
        tracing::error!(token = %with, jobs = names, "what became of a submission could not be written down yet");
        let tasks = self.tasks.clone();
        self.tasks.spawn(async move {
            for _ in 0..TRIES {
                sleep(BETWEEN_TRIES).await;
                match repository.submit_jobs(&grant, &taken).await {
                    Ok(foreign) => {
                        if !foreign.is_empty() {
                            tracing::error!(token = %with, jobs = foreign.join(", "), "what the provider took is somebody else's");
                        }
                        let own = |(job, _): &(JobReference, i64)| !foreign.contains(&job.id);
                        let used = used.into_iter().filter(own).collect();
                        // What this does not book, the worker asks for.
                        return book(&repository, &tasks, with, used, false).await;
                    }
                    Err(error) => tracing::warn!(%error, "what became of a submission could not be written down yet"),
                }
            }
            tracing::error!(token = %with, jobs = names, "what became of a submission was never written down");
        });
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

/// The provider's names of what it took.
fn names(jobs: &[Submitted]) -> impl Iterator<Item = &str> {
    jobs.iter().filter_map(|job| match &job.created {
        Created::Named(id) => Some(id.as_str()),
        Created::Unnamed | Created::Refused => None,
    })
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

/// Parts whose ids may be used in paths, up to [`MOST_PARTS`]. The others are nobody's.
fn plain_parts(parts: Option<(JobReference, Vec<JobReference>)>) -> Option<(JobReference, Vec<JobReference>)> {
    let (whole, mut parts) = parts?;
    parts.retain(|part| is_plain_id(&part.id));
    if parts.len() > MOST_PARTS {
        tracing::warn!(job = whole.id, parts = parts.len(), "a job has more parts than are taken note of");
        parts.truncate(MOST_PARTS);
    }
    Some((whole, parts))
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
