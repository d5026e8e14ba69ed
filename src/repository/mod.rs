//! Everything that is kept, and the only floor that speaks SQL. One file per noun.
//!
//! A method that changes something takes the [`Grant`](crate::authorization::Grant) that allows it, takes the place *from the
//! grant*, and ends with [`change::Change::commit`], which writes the audit event into the same transaction. There is no
//! other way to commit, except where there is nobody who is allowed or not: at log-ins, for signing keys, and for jobs that nobody comes
//! back for.

mod access;
mod accounts;
mod admission_queue;
mod admissions;
mod api_keys;
mod audit_events;
mod change;
mod columns;
mod due_jobs;
mod error;
mod idempotent_answers;
mod invitations;
mod jobs;
mod leases;
mod logins;
mod organizations;
mod qpu_tokens;
mod quotas;
mod roles;
mod sessions;
mod signing_keys;
mod standing;
mod status;
mod sweep;
mod turns;
mod usage;
mod users;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection as _, PgConnection, PgPool};
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::domain::{Clock, Timestamp};
use crate::vault::Vault;

use admission_queue::AdmissionQueue;

pub use accounts::AccountChange;
pub use admissions::Admission;
pub use api_keys::NewApiKey;
pub use audit_events::AuditFilter;
pub use change::Precondition;
pub use due_jobs::{Due, DueJob};
pub use error::{Error, Result};
pub use idempotent_answers::{Claim, PendingAnswer};
pub use invitations::{Acceptance, Invitee};
pub use jobs::{Submission, Submitted, Taken};
pub use leases::{NewLease, Redemption};
pub use logins::{Limit, LoginAccount, LoginAttempt};
pub use organizations::{Bootstrap, OrganizationChange};
pub use qpu_tokens::{NewToken, TokenChange, TokenFilter};
pub use quotas::{QuotaChange, QuotaSubject, TokenLimit};
pub use sessions::{NewSession, Refreshed};
pub use standing::Asked;
pub use status::Readiness;
pub use usage::{TokenUsage, UsageFilter};
pub use users::{NewUser, UserChange, UserFilter};

/// How long a request waits for a connection before it is told that the database is not there.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long a connection that is given back may take to answer. It may still be in a statement whose reader has gone, which ends
/// sooner than this if there is anybody at the other end.
const LAST_WORDS: Duration = Duration::from_secs(12);

/// The database, the clock and the vault: all that is needed to keep things.
#[derive(Clone)]
pub struct Repository {
    pool: PgPool,
    clock: Clock,
    vault: Arc<Vault>,
    last_readiness: Arc<Mutex<Option<(Timestamp, Readiness)>>>,
    options: Arc<PgConnectOptions>,
    admissions: Arc<OnceLock<AdmissionQueue>>,
}

impl Repository {
    /// Connects lazily: the database may come later, or go and come back.
    /// `connections` is the size of the pool; twice the database's cores is a good start.
    ///
    /// # Errors
    /// If the URL cannot be understood.
    pub fn connect(url: &str, connections: u32, clock: Clock, vault: Arc<Vault>) -> Result<Self> {
        let options: PgConnectOptions = url.parse()?;
        // A statement that takes longer than this has lost its reader; the limit also ends waits for locks. A transaction
        // in which nothing happens for so long has lost its writer.
        let options = options
            .application_name("luna-organizations")
            .options([("statement_timeout", "10s"), ("idle_in_transaction_session_timeout", "15s")]);
        let pool = PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(PATIENCE)
            .test_before_acquire(false)
            .after_release(|connection, _| Box::pin(answers(connection)))
            .connect_lazy_with(options.clone());
        Ok(Self {
            pool,
            clock,
            vault,
            last_readiness: Arc::default(),
            options: Arc::new(options),
            admissions: Arc::default(),
        })
    }

    /// Brings the schema up to date. Replicas may call this at the same time: one waits for the other.
    ///
    /// # Errors
    /// If the database cannot be reached or a migration fails.
    pub async fn migrate(&self) -> Result<()> {
        status::MIGRATIONS.run(&self.pool).await?;
        Ok(())
    }

    /// Ends all connections; running statements may finish.
    pub async fn close(&self) {
        if let Some(admissions) = self.admissions.get() {
            admissions.close();
        }
        self.pool.close().await;
    }

    /// The clock that everything here is dated by.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Where credentials are sealed and opened.
    #[must_use]
    pub(crate) fn vault(&self) -> &Vault {
        &self.vault
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// Whether somebody is at the other end of a connection that is given back. The pool asks as well, but waits for ever: of a
/// connection whose other end has vanished without a word, it would keep the place.
async fn answers(connection: &mut PgConnection) -> sqlx::Result<bool> {
    timeout(LAST_WORDS, connection.ping()).await.unwrap_or(Err(sqlx::Error::PoolTimedOut)).map(|()| true)
}
