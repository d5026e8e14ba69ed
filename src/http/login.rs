//! Logging in with a password, for every face that does: throttled, in equal time, without telling who has an account.

use axum::http::HeaderMap;
use axum::http::header::USER_AGENT;

use super::problem::Result;
use super::state::{AppState, LoginLimits};
use crate::authentication::{AuthenticationError, Password, PasswordVerified, RefreshToken};
use crate::authorization::action::sessions::Create;
use crate::authorization::{Grant, Origin};
use crate::domain::{EmailAddress, Refusal, SessionId, UserId};
use crate::repository::{Limit, LoginAccount, NewSession};

/// Longest `User-Agent` that is kept, in characters.
const LONGEST_USER_AGENT: usize = 200;

/// A login that has just begun.
pub struct Login {
    /// Whose.
    pub user: UserId,
    /// Which.
    pub session: SessionId,
    /// Its first refresh token.
    pub refresh: RefreshToken,
}

/// Logs in and records the session.
pub async fn log_in(
    state: &AppState,
    origin: Origin,
    headers: &HeaderMap,
    email: &EmailAddress,
    password: Password,
) -> Result<Login> {
    let (email, verified) = verify(state, &origin, email.as_str(), password).await?;
    let user_agent = headers.get(USER_AGENT).and_then(|value| value.to_str().ok());
    let user_agent: Option<String> = user_agent.map(|text| text.chars().take(LONGEST_USER_AGENT).collect());
    let refresh = RefreshToken::generate()?;
    let grant = Grant::<Create>::after_password(&verified, email, origin.clone());
    let new = NewSession {
        refresh: &refresh.digest(),
        address: origin.address.as_deref().unwrap_or_default(),
        user_agent: user_agent.as_deref(),
        lifetime: state.settings.session_lifetime,
    };
    let session = state.repository.create_session(&grant, &new).await?;
    Ok(Login { user: verified.user(), session, refresh })
}

/// Verifies the password of the account with this e-mail address, and answers with the address as the account has it.
/// The attempt is counted first; without such an account the password is verified all the same, against nothing.
pub async fn verify(
    state: &AppState,
    origin: &Origin,
    email: &str,
    password: Password,
) -> Result<(String, PasswordVerified)> {
    let email: EmailAddress = email.parse().map_err(|_| Refusal::InvalidCredentials)?;
    let network = network_of(origin.address.as_deref().unwrap_or_default());
    let account = state.repository.login_account(&email, &network).await?;
    let limits = limits(&state.settings.login_limits, &email, &network, account.as_ref());
    let attempt = state.repository.begin_login(&limits, state.settings.login_limits.window).await?;
    let stored = account.as_ref().and_then(|account| Some((account.id, account.password.as_ref()?)));
    match (state.passwords.verify(stored, password).await, account) {
        (Ok(verified), account) => {
            state.repository.login_succeeded(attempt, verified.user(), &network).await?;
            Ok((account.map(|account| account.email).unwrap_or_default(), verified))
        }
        (Err(AuthenticationError::WrongPassword), account) => {
            if let Some(account) = account {
                record_failure(state, account, origin.clone());
            }
            Err(Refusal::InvalidCredentials.into())
        }
        (Err(error), _) => {
            // The password was never looked at.
            state.repository.forgive(attempt).await?;
            Err(error.into())
        }
    }
}

/// Writes the failure to the audit log, behind the answer's back: waiting for it would tell that there is such an account.
fn record_failure(state: &AppState, account: LoginAccount, origin: Origin) {
    let repository = state.repository.clone();
    tokio::spawn(async move {
        if let Err(error) = repository.login_failed(&account, &origin).await {
            tracing::warn!(%error, "a failed log-in is missing from the audit log");
        }
    });
}

/// What the attempt counts against. Where the account was logged in to before, neither its own limit nor the address's
/// holds, so that nobody can lock somebody else out by failing on purpose, from elsewhere or from behind the same proxy
/// (the idea of OWASP's device cookies, with addresses).
fn limits(limits: &LoginLimits, email: &EmailAddress, network: &str, account: Option<&LoginAccount>) -> Vec<Limit> {
    let key = email.key();
    let mut counted = vec![Limit { bucket: format!("pair {network} {key}"), attempts: limits.per_pair }];
    if account.is_none_or(|account| !account.familiar) {
        counted.push(Limit { bucket: format!("address {network}"), attempts: limits.per_address });
        counted.push(Limit { bucket: format!("account {key}"), attempts: limits.per_account });
    }
    counted
}

/// Who has one IPv6 address has the whole /64 (RFC 6177): it counts as one.
fn network_of(address: &str) -> String {
    match address.parse::<std::net::IpAddr>() {
        Ok(std::net::IpAddr::V6(v6)) => {
            let segments = v6.segments();
            format!("{:x}:{:x}:{:x}:{:x}::/64", segments[0], segments[1], segments[2], segments[3])
        }
        _ => address.to_owned(),
    }
}
