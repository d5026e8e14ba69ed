//! Logging in with a password, for every face that does: throttled, in equal time, without telling who has an account.

use axum::http::HeaderMap;
use axum::http::header::USER_AGENT;

use super::problem::Result;
use super::state::AppState;
use crate::authentication::{AuthenticationError, Password, PasswordHash, PasswordVerified, RefreshToken};
use crate::authorization::action::sessions::Create;
use crate::authorization::{Grant, Origin};
use crate::domain::{EmailAddress, Refusal, SessionId, UserId};
use crate::repository::{Limit, LoginAttempt, NewSession};

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

/// Whose password is tried.
pub struct Claim<'a> {
    /// The account, if there is one.
    pub user: Option<UserId>,
    /// The address that was typed, in its comparable form.
    pub email_key: &'a str,
    /// What the password is compared with; `None` if there is no such account, or none that may log in.
    pub stored: Option<&'a PasswordHash>,
}

/// Logs in and records the session.
pub async fn log_in(
    state: &AppState,
    origin: Origin,
    headers: &HeaderMap,
    email: &EmailAddress,
    password: Password,
) -> Result<Login> {
    let account = state.repository.login_account(email).await?;
    let claim = Claim {
        user: account.as_ref().map(|account| account.id),
        email_key: &email.key(),
        stored: account.as_ref().and_then(|account| account.password.as_ref()),
    };
    let verified = verify(state, &origin, &claim, password).await?;
    let email = account.map(|account| account.email).unwrap_or_default();
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

/// Verifies a password, with the attempt counted against the account and the address.
pub async fn verify(
    state: &AppState,
    origin: &Origin,
    claim: &Claim<'_>,
    password: Password,
) -> Result<PasswordVerified> {
    let address = origin.address.as_deref().unwrap_or_default();
    let attempt = begin(state, claim, address).await?;
    let stored = claim.user.zip(claim.stored);
    match state.passwords.verify(stored, password).await {
        Ok(verified) => {
            state.repository.login_succeeded(attempt, verified.user(), address).await?;
            Ok(verified)
        }
        Err(AuthenticationError::WrongPassword) => Err(Refusal::InvalidCredentials.into()),
        Err(error) => {
            // The password was never looked at.
            state.repository.forgive(attempt).await?;
            Err(error.into())
        }
    }
}

/// Counts the attempt. The account's own limit does not hold where it was logged in to before, so that nobody can lock
/// somebody else out by failing on purpose (the idea of OWASP's device cookies, with addresses).
async fn begin(state: &AppState, claim: &Claim<'_>, address: &str) -> Result<LoginAttempt> {
    let limits = state.settings.login_limits;
    let network = network_of(address);
    let mut counted = vec![
        Limit { bucket: format!("address {network}"), attempts: limits.per_address },
        Limit { bucket: format!("pair {network} {}", claim.email_key), attempts: limits.per_pair },
    ];
    let familiar = match claim.user {
        Some(user) => state.repository.is_familiar(user, address).await?,
        None => false,
    };
    if !familiar {
        counted.push(Limit { bucket: format!("account {}", claim.email_key), attempts: limits.per_account });
    }
    Ok(state.repository.begin_login(&counted, limits.window).await?)
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
