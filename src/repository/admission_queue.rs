//! Many questions in one statement. Every request to the broker asks who may use a token; those that arrive while a statement runs are
//! asked together in the next one. Nothing is cached: a statement starts, and sees the database, after each of its questions has
//! arrived. `benches/broker` tells what it costs.
//!
//! The connections are the queue's own: the pool's costs a round trip when it is given back.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};
use tokio::sync::{Notify, oneshot};
use tokio::time::timeout;
use uuid::Uuid;

use super::error::is_lost;
use super::{Error, Result};
use crate::domain::{ApiKeyId, Clock, JobReference, KeyScope, OrganizationId, QpuTokenId, Timestamp, UserId};

/// Most questions in one statement.
const AT_ONCE: usize = 64;

/// Most jobs that they name. What names more is asked by itself.
const NAMED_AT_ONCE: usize = 400;

/// Most questions that wait.
const WAITING: usize = 4096;

/// How long an answer may take. Whoever asked has gone by then, so no statement is waited for any longer, either: a connection that
/// has not answered is left, since its other end may have vanished without a word.
const PATIENCE: Duration = Duration::from_secs(10);

/// All accesses are by unique keys. Left to itself, the planner reads whole tables once for all questions, which is cheaper only
/// as long as the tables are small.
const PLAN: [(&str, &str); 7] = [
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("enable_bitmapscan", "off"),
    ("enable_material", "off"),
    ("jit", "off"),
];

/// Who wants to use which token, for which jobs.
pub(super) struct Question {
    pub(super) key: ApiKeyId,
    pub(super) token: QpuTokenId,
    pub(super) jobs: Vec<JobReference>,
}

/// What the database says.
pub(super) struct Row {
    n: i64,
    pub(super) user_id: UserId,
    pub(super) email: String,
    pub(super) home: Option<OrganizationId>,
    pub(super) key_id: ApiKeyId,
    pub(super) digest: Vec<u8>,
    pub(super) scope: KeyScope,
    pub(super) bound_to: Option<OrganizationId>,
    pub(super) token: Option<QpuTokenId>,
    pub(super) provider: Option<String>,
    pub(super) owner_organization: Option<OrganizationId>,
    pub(super) owner_user: Option<UserId>,
    pub(super) enabled: Option<bool>,
    pub(super) token_expires_at: Option<Timestamp>,
    pub(super) member_of: Option<OrganizationId>,
    pub(super) looks_after: bool,
    pub(super) outside_window: bool,
    pub(super) seen_jobs: i64,
    pub(super) place: Option<String>,
    pub(super) secret_version: Option<i32>,
    pub(super) format: Option<i16>,
    pub(super) kek_id: Option<String>,
    pub(super) wrapped_data_key: Option<Vec<u8>>,
    pub(super) field_names: Option<Vec<String>>,
    pub(super) ciphertexts: Option<Vec<Vec<u8>>>,
}

/// Somebody waits for the answer: a row, or none if the key does not work.
struct Waiting {
    question: Question,
    answer: oneshot::Sender<Result<Option<Row>>>,
}

/// The questions that wait, and two connections that answer them.
pub(super) struct AdmissionQueue {
    shared: Arc<Shared>,
}

struct Shared {
    waiting: Mutex<VecDeque<Waiting>>,
    /// Wakes one connection each. The second one helps only while the first is in a statement: its caches are colder.
    bells: [Notify; 2],
    first_is_busy: AtomicBool,
    closed: AtomicBool,
    options: PgConnectOptions,
    clock: Clock,
}

impl AdmissionQueue {
    /// Starts the two connections' tasks; they connect when there is something to ask.
    pub(super) fn start(options: PgConnectOptions, clock: Clock) -> Self {
        let shared = Arc::new(Shared {
            waiting: Mutex::default(),
            bells: [Notify::new(), Notify::new()],
            first_is_busy: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            options: options.options(PLAN).disable_statement_logging(),
            clock,
        });
        for index in 0..shared.bells.len() {
            tokio::spawn(Arc::clone(&shared).answer(index));
        }
        Self { shared }
    }

    /// The database's answer to a question.
    pub(super) async fn ask(&self, question: Question) -> Result<Option<Row>> {
        let unavailable = || Error::Unavailable(sqlx::Error::PoolTimedOut);
        let (sender, answer) = oneshot::channel();
        {
            let mut waiting = self.shared.waiting();
            if waiting.len() >= WAITING || self.shared.closed.load(Ordering::Relaxed) {
                return Err(unavailable());
            }
            waiting.push_back(Waiting { question, answer: sender });
        }
        self.shared.ring();
        match timeout(PATIENCE, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) | Err(_) => Err(unavailable()),
        }
    }

    /// Ends the tasks and their connections.
    pub(super) fn close(&self) {
        self.shared.closed.store(true, Ordering::Relaxed);
        self.shared.bells.iter().for_each(Notify::notify_one);
    }
}

impl Drop for AdmissionQueue {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, VecDeque<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ring(&self) {
        let second = self.first_is_busy.load(Ordering::Acquire);
        self.bells[usize::from(second)].notify_one();
    }

    /// One connection's life: wait, take what waits, ask, hand out.
    async fn answer(self: Arc<Self>, index: usize) {
        let (mut connection, mut crowd) = (None, false);
        while !self.closed.load(Ordering::Relaxed) {
            self.bells[index].notified().await;
            loop {
                if crowd {
                    // Whoever is about to ask gets in as well; nobody waits for a clock, and who is alone for nothing.
                    tokio::task::yield_now().await;
                }
                let batch = take_batch(&mut self.waiting());
                if batch.is_empty() {
                    break;
                }
                crowd = batch.len() > 1;
                if index == 0 {
                    self.first_is_busy.store(true, Ordering::Release);
                }
                let rows = timeout(PATIENCE, self.rows(&mut connection, &batch)).await;
                let rows = rows.unwrap_or(Err(sqlx::Error::PoolTimedOut));
                if index == 0 {
                    self.first_is_busy.store(false, Ordering::Release);
                }
                hand_out(batch, rows);
            }
        }
        if let Some(connection) = connection {
            let _ = PgConnection::close(connection).await;
        }
    }

    /// Asks, a second time if the connection had died in the meantime. It may be stopped at any point.
    async fn rows(&self, connection: &mut Option<PgConnection>, batch: &[Waiting]) -> sqlx::Result<Vec<Row>> {
        let had_one = connection.is_some();
        // Taken out: a connection that is left in the middle of something is not used again.
        let mut alive = match connection.take() {
            Some(connection) => connection,
            None => self.options.connect().await?,
        };
        let outcome = match query(&mut alive, batch, self.clock.now()).await {
            Err(error) if had_one && is_lost(&error) => {
                alive = self.options.connect().await?;
                query(&mut alive, batch, self.clock.now()).await
            }
            outcome => outcome,
        };
        if !outcome.as_ref().is_err_and(is_lost) {
            *connection = Some(alive);
        }
        outcome
    }
}

/// The questions that are asked next. Of those whose client has hung up there may be many, and nobody waits for them.
fn take_batch(waiting: &mut VecDeque<Waiting>) -> Vec<Waiting> {
    let (mut batch, mut named) = (Vec::new(), 0);
    while batch.len() < AT_ONCE
        && let Some(next) = waiting.pop_front_if(|next| {
            next.answer.is_closed() || batch.is_empty() || named + next.question.jobs.len() <= NAMED_AT_ONCE
        })
    {
        if !next.answer.is_closed() {
            named += next.question.jobs.len();
            batch.push(next);
        }
    }
    batch
}

async fn query(connection: &mut PgConnection, batch: &[Waiting], now: Timestamp) -> sqlx::Result<Vec<Row>> {
    let keys: Vec<Uuid> = batch.iter().map(|waiting| waiting.question.key.uuid()).collect();
    let tokens: Vec<Uuid> = batch.iter().map(|waiting| waiting.question.token.uuid()).collect();
    let (mut numbers, mut kinds, mut ids) = (Vec::new(), Vec::new(), Vec::new());
    for (number, waiting) in (1_i64..).zip(batch) {
        for job in &waiting.question.jobs {
            numbers.push(number);
            kinds.push(job.kind.as_str());
            ids.push(job.id.as_str());
        }
    }
    sqlx::query_file_as!(Row, "src/repository/admission.sql", &keys, &tokens, now, &numbers, &kinds as _, &ids as _)
        .fetch_all(connection)
        .await
}

fn hand_out(batch: Vec<Waiting>, rows: sqlx::Result<Vec<Row>>) {
    // Whoever does not wait any more does not mind.
    match rows {
        Ok(rows) => {
            let mut answers: Vec<Option<Row>> = batch.iter().map(|_| None).collect();
            for row in rows {
                let place = usize::try_from(row.n - 1).ok().and_then(|place| answers.get_mut(place));
                if let Some(place) = place {
                    *place = Some(row);
                }
            }
            for (waiting, answer) in batch.into_iter().zip(answers) {
                let _ = waiting.answer.send(Ok(answer));
            }
        }
        Err(error) => {
            let error = Error::from(error);
            tracing::warn!(%error, "admissions could not be looked up");
            for waiting in batch {
                let again = match &error {
                    Error::Unavailable(_) => Error::Unavailable(sqlx::Error::WorkerCrashed),
                    _ => Error::Database(sqlx::Error::WorkerCrashed),
                };
                let _ = waiting.answer.send(Err(again));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_bounded_and_nothing_is_asked_for_nobody() {
        let (mut waiting, mut receivers) = (VecDeque::new(), Vec::new());
        for named in [150, 150, 150, 0] {
            let (answer, receiver) = oneshot::channel();
            let jobs = (0..named).map(|number| JobReference::job(number.to_string())).collect();
            waiting.push_back(Waiting {
                question: Question { key: ApiKeyId::new(), token: QpuTokenId::new(), jobs },
                answer,
            });
            receivers.push(receiver);
        }
        let sizes = |batch: Vec<Waiting>| batch.iter().map(|one| one.question.jobs.len()).collect::<Vec<_>>();
        assert_eq!(sizes(take_batch(&mut waiting)), [150, 150]);
        drop(receivers.remove(2));
        assert_eq!(sizes(take_batch(&mut waiting)), [0]);
        assert!(take_batch(&mut waiting).is_empty());
    }
}
