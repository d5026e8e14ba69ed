//! What can go wrong with the database, and which constraint speaks for which refusal.

use sqlx::error::DatabaseError;

use crate::authentication::AuthenticationError;
use crate::domain::Refusal;
use crate::vault::VaultError;

/// A result of this floor.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller is to be told.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The database is not there, or not ready; it may be in a moment.
    #[error("the database is not available: {0}")]
    Unavailable(#[source] sqlx::Error),
    /// The vault could not seal or open; the text holds no secret.
    #[error("the vault: {0}")]
    Vault(#[from] VaultError),
    /// What is stored is not what this service writes.
    #[error("stored: {0}")]
    Stored(#[from] AuthenticationError),
    /// A fault of ours.
    #[error("the database: {0}")]
    Database(#[source] sqlx::Error),
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(database) => match refusal(database.as_ref()) {
                Some(refusal) => Self::Refused(refusal),
                None if is_passing(database.as_ref()) => Self::Unavailable(error),
                None => Self::Database(error),
            },
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => Self::Unavailable(error),
            _ => Self::Database(error),
        }
    }
}

impl From<sqlx::migrate::MigrateError> for Error {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        Self::from(sqlx::Error::Migrate(Box::new(error)))
    }
}

/// The constraints of `migrations/` by name.
fn refusal(error: &dyn DatabaseError) -> Option<Refusal> {
    Some(match error.constraint()? {
        "last_admin" => Refusal::LastAdmin(detail(error)),
        "organization_name_taken" => Refusal::OrganizationNameTaken,
        "tree_too_deep" => Refusal::TreeTooDeep,
        "tree_cycle" => Refusal::TreeCycle,
        "only_one_root" => Refusal::RootExists,
        // What was there when the caller was let in, and has gone since.
        "organizations_parent_id_fkey"
        | "memberships_organization_id_fkey"
        | "api_keys_organization_id_fkey"
        | "qpu_tokens_organization_id_fkey"
        | "users_home_organization_id_fkey" => Refusal::NotFound("organization"),
        "already_a_member" => Refusal::AlreadyMember,
        "token_name_taken" | "personal_token_name_taken" => Refusal::TokenNameTaken,
        "quota_exists" => Refusal::QuotaExists,
        "job_is_known" => Refusal::JobReported,
        "quota_window" => Refusal::InvalidWindow,
        _ => return None,
    })
}

fn detail(error: &dyn DatabaseError) -> String {
    let error = error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>();
    error.and_then(sqlx::postgres::PgDatabaseError::detail).unwrap_or("the organization").to_owned()
}

/// Whether it says that the connection has died, and so that whatever was asked first was not done: the other end is gone,
/// or has left word that it would be (57P01 and 57P02: the database was stopped, or an administrator ended the connection).
pub(super) fn is_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) => true,
        sqlx::Error::Database(database) => matches!(database.code().as_deref(), Some("57P01" | "57P02" | "25P03")),
        _ => false,
    }
}

/// SQLSTATEs that go away by themselves: connection trouble (08), shutdown and start-up (57P), no room for another
/// connection (53), a statement that waited too long (57014), and a transaction that lost against another one (40).
fn is_passing(error: &dyn DatabaseError) -> bool {
    let code = error.code().unwrap_or_default();
    ["08", "57P", "53", "57014", "40", "55P03"].iter().any(|passing| code.starts_with(passing))
}
