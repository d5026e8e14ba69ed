//! What nobody comes back for: jobs whose results are never read are settled with the provider, and what never ran expires. What ran
//! and of which nobody ever tells is booked with what was reserved for it. Each provider is asked by itself: one that does not answer
//! holds up its own jobs and no others.

use chrono::TimeDelta;
use futures_util::future::join_all;
use futures_util::{StreamExt, stream};
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt;
use tokio::time::timeout;

use super::adapter::Outgoing;
use super::body::{Body, Moved, Timed, full};
use super::forward::Way;
use super::upstream::{Failure, boxed};
use super::usage::Extract;
use super::{Broker, Denial, Learned, Operation};
use crate::domain::{JobKind, JobReference, JobState, ProviderName};
use crate::repository::{Due, DueJob};
use crate::vault::{Binding, SealedCredential};

/// How many jobs of a provider are taken at a time.
const TAKEN: i64 = 32;

/// How many of them are asked about at the same time, so that one that hangs does not hold up the others.
const AT_ONCE: usize = 8;

/// For how long a provider may not know a job yet, or not any more, before it expires. It may be wrong about that for a moment.
const UNKNOWN_FOR: TimeDelta = TimeDelta::hours(1);

impl Broker {
    /// Those to settle with: each provider that can be reached, and nobody for what needs no answer.
    pub fn asked(&self) -> impl Iterator<Item = Option<&ProviderName>> {
        std::iter::once(None).chain(self.providers.keys().map(Some))
    }

    /// Settles all jobs that are due, with all providers at the same time.
    pub async fn settle_due(&self) {
        let settled: Vec<_> = self.asked().map(|provider| self.settle_due_with(provider)).collect();
        join_all(settled).await;
    }

    /// Settles the jobs that are due with one provider, or those about which nobody is asked, until there are none.
    pub async fn settle_due_with(&self, provider: Option<&ProviderName>) {
        let reachable: Vec<_> = self.providers.keys().collect();
        let wanted = Due { provider, reachable: &reachable };
        loop {
            let due = self.in_time(self.repository.due_jobs(&wanted, TAKEN, self.settle_after)).await;
            let Some(due) = due.ok().filter(|due| !due.is_empty()) else { return };
            stream::iter(due).for_each_concurrent(AT_ONCE, async |job| self.settle(&job).await).await;
        }
    }

    /// What cannot be written down now is asked about again.
    async fn settle(&self, job: &DueJob) {
        match (&job.reference, job.state) {
            (Some(reference), JobState::Open) if reference.kind != JobKind::Lease => {
                let asked = self.ask(&job.binding, &job.sealed, reference, &job.place);
                let learned = match timeout(self.patience.job, asked).await {
                    Ok(Ok(learned)) => Some(learned),
                    Ok(Err(denial)) => {
                        tracing::info!(job = %job.id, code = denial.code, "a job's usage could not be asked for yet");
                        None
                    }
                    Err(_) => {
                        tracing::info!(job = %job.id, "a job's usage could not be asked for in time");
                        None
                    }
                };
                self.ledger.in_time(self.conclude(job, learned)).await
            }
            (_, JobState::Open) => self.ledger.in_time(self.repository.book_reserved(job, "never_reported")).await,
            _ => self.ledger.in_time(self.repository.expire_job(job, "never_submitted")).await,
        };
    }

    /// Asks the provider, with the credential that submitted the job.
    async fn ask(
        &self,
        binding: &Binding,
        sealed: &SealedCredential,
        reference: &JobReference,
        place: &str,
    ) -> Result<Learned, Denial> {
        let Some(provider) = self.providers.get(&binding.provider) else { return Ok(Learned::default()) };
        let adapter = &*provider.adapter;
        let Some(mut operation) = adapter.settle(reference, place) else { return Ok(Learned::default()) };
        let url = format!("{}/{}", adapter.base(&operation), operation.target);
        let method = operation.rule.method.clone();
        let outgoing = Outgoing { method, url, headers: HeaderMap::new(), body: None };
        let injected = self.inject(adapter, &mut operation, outgoing, binding, sealed).await?;
        let answer = self.upstream.send(injected.outgoing, full(""), &Moved::new()).await?;
        let status = answer.status();
        self.accepted(adapter, status, injected.exchanged.as_ref())?;
        let body = Timed::new(boxed(answer.into_body()), self.patience.idle, Moved::new()).boxed_unsync();
        let extract = timeout(self.patience.whole, extracted(body, &operation)).await.ok().flatten();
        let failed = || Denial::new(StatusCode::BAD_GATEWAY, "provider_not_understood", "no proper answer");
        let mut told = extract.ok_or_else(failed)?.finish().unwrap_or_default();
        Ok(adapter.learn(&operation, status, &mut told))
    }

    /// Books what jobs have used before the provider forgets them: in the caller's turn, and as long as any other answer may take. What
    /// costs the member one request costs the provider one for each job, as the pages of a list do.
    pub(super) async fn settle_first(&self, way: Way<'_>, operation: &Operation) -> Result<(), Denial> {
        let settled = async {
            let caller = way.grant.caller().ok_or_else(Denial::internal)?;
            let _turn = self.turning.turn(caller).await.map_err(|_| Denial::internal())?;
            self.settle_each(way, operation).await
        };
        timeout(self.patience.answer, settled).await.unwrap_or_else(|_| Err(Failure::TimedOut.into()))
    }

    async fn settle_each(&self, way: Way<'_>, operation: &Operation) -> Result<(), Denial> {
        for job in &operation.jobs {
            let learned = self.ask(way.binding, way.sealed, job, &operation.place).await?;
            let Some((_, used)) = learned.used.iter().find(|(known, _)| known == job) else {
                if learned.gone {
                    continue;
                }
                let message = "what this job has used is not known yet; it can be deleted soon after it has ended";
                return Err(Denial::new(StatusCode::CONFLICT, "usage_pending", message));
            };
            self.repository.settle_jobs(way.binding.token, &[(job.clone(), *used)]).await?;
        }
        Ok(())
    }

    /// Writes down what the provider has answered, if it has.
    async fn conclude(&self, job: &DueJob, answer: Option<Learned>) -> crate::repository::Result<()> {
        let is_gone = answer.as_ref().map(|learned| learned.gone);
        let used = answer.map(|learned| learned.used).unwrap_or_default();
        self.repository.settle_jobs(job.binding.token, &used).await?;
        if used.iter().any(|(reference, _)| Some(reference) == job.reference.as_ref()) {
            return Ok(());
        }
        if is_gone == Some(true) && job.unknown_for.is_some_and(|unknown_for| unknown_for > UNKNOWN_FOR) {
            // Where a result is told once, it has been, and what came of it got lost.
            let provider = self.providers.get(&job.binding.provider);
            let ran = provider.is_some_and(|it| it.adapter.allowed().rules().any(|(_, rule)| rule.tells_once()));
            return if ran {
                self.repository.book_reserved(job, "unknown_to_provider").await
            } else {
                self.repository.expire_job(job, "unknown_to_provider").await
            };
        }
        if job.is_hopeless() {
            return self.repository.book_reserved(job, "given_up").await;
        }
        match is_gone {
            Some(gone) if gone != job.unknown_for.is_some() => self.repository.note_unknown(job.id, gone).await,
            _ => Ok(()),
        }
    }
}

/// Reads of an answer what tells of usage, however long it is; `None` if the answer breaks off.
async fn extracted(mut body: Body, operation: &Operation) -> Option<Extract> {
    let mut extract = Extract::new(&operation.rule.tells);
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.ok()?.into_data() {
            extract.read(&data);
        }
    }
    Some(extract)
}
