//! Temporary tokens that credentials are exchanged for, kept until shortly before they expire. One request fetches, the others
//! wait for it. A failure is kept too, for a moment: those who waited share it, instead of failing one after the other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use zeroize::Zeroizing;

use super::denial::Denial;
use crate::domain::QpuTokenId;

/// How long before its end a token is no longer used.
const MARGIN: Duration = Duration::from_mins(1);

/// For how long a failure is not tried again. A replaced credential has a slot of its own, and does not wait for this.
const FAILURE_KEPT: Duration = Duration::from_secs(5);

/// The longest that a token is kept, whatever the provider says.
const LONGEST: Duration = Duration::from_hours(24);

/// A credential that can be exchanged: a token's, in one version.
pub type CredentialVersion = (QpuTokenId, i32);

/// A temporary token. No `Debug`, `Clone` or `Serialize`; zeroed on drop.
pub struct Exchanged {
    credential: CredentialVersion,
    text: Zeroizing<String>,
    good_until: Instant,
}

impl Exchanged {
    /// What a credential was exchanged for. It is good for this long.
    #[must_use]
    pub fn new(credential: CredentialVersion, text: Zeroizing<String>, lifetime: Duration) -> Self {
        Self { credential, text, good_until: Instant::now() + lifetime.min(LONGEST).saturating_sub(MARGIN) }
    }

    /// The token itself.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// What became of the last exchange of a credential.
#[derive(Default)]
pub enum LastExchange {
    /// There was none.
    #[default]
    None,
    /// A token.
    Token(Arc<Exchanged>),
    /// No token, and when to try again.
    Failure(Denial, Instant),
}

impl LastExchange {
    /// A failure that has just happened.
    #[must_use]
    pub fn failed(denial: Denial) -> Self {
        Self::Failure(denial, Instant::now() + FAILURE_KEPT)
    }

    /// What still counts of it.
    ///
    /// # Errors
    /// The failure, if it has just happened.
    pub fn now(&self) -> Result<Option<Arc<Exchanged>>, Denial> {
        let now = Instant::now();
        match self {
            Self::Token(token) if token.good_until > now => Ok(Some(Arc::clone(token))),
            Self::Failure(denial, until) if *until > now => Err(denial.clone()),
            _ => Ok(None),
        }
    }
}

/// Where the token of one credential is, or will be; holding it makes the others wait.
pub type Slot = Arc<tokio::sync::Mutex<LastExchange>>;

/// The tokens that are good now.
#[derive(Default)]
pub struct Exchanges(Mutex<HashMap<CredentialVersion, Slot>>);

impl Exchanges {
    /// The slot of a credential.
    #[must_use]
    pub fn slot(&self, credential: CredentialVersion) -> Slot {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // What has expired goes when there is something new: a slot that somebody waits for is not among it.
        if !slots.contains_key(&credential) {
            slots.retain(|_, slot| {
                Arc::strong_count(slot) > 1 || slot.try_lock().is_ok_and(|last| !matches!(last.now(), Ok(None)))
            });
        }
        Arc::clone(slots.entry(credential).or_default())
    }

    /// Forgets a token that the provider does not take any more, unless there is another one by now.
    pub fn forget(&self, refused: &Arc<Exchanged>) {
        let slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Ok(mut last)) = slots.get(&refused.credential).map(|slot| slot.try_lock())
            && matches!(&*last, LastExchange::Token(token) if Arc::ptr_eq(token, refused))
        {
            *last = LastExchange::None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(credential: CredentialVersion, lifetime: Duration) -> Arc<Exchanged> {
        Arc::new(Exchanged::new(credential, Zeroizing::new("t".to_owned()), lifetime))
    }

    #[tokio::test(start_paused = true)]
    async fn tokens_end_early_and_failures_soon() {
        let credential = (QpuTokenId::new(), 1);
        let last = LastExchange::Token(token(credential, Duration::from_secs(100)));
        assert!(last.now().is_ok_and(|token| token.is_some()));
        tokio::time::advance(Duration::from_secs(41)).await;
        assert!(last.now().is_ok_and(|token| token.is_none()), "a minute before its end");
        let endless = token(credential, Duration::MAX);
        assert!(endless.good_until <= Instant::now() + LONGEST, "whatever the provider says");
        let failed = LastExchange::failed(Denial::internal());
        assert!(failed.now().is_err());
        tokio::time::advance(FAILURE_KEPT).await;
        assert!(failed.now().is_ok_and(|token| token.is_none()));
    }

    #[tokio::test]
    async fn only_the_refused_token_is_forgotten() {
        let (exchanges, credential) = (Exchanges::default(), (QpuTokenId::new(), 1));
        let [old, new] = [(); 2].map(|()| token(credential, Duration::from_hours(1)));
        *exchanges.slot(credential).lock().await = LastExchange::Token(Arc::clone(&new));
        exchanges.forget(&old);
        assert!(exchanges.slot(credential).lock().await.now().is_ok_and(|token| token.is_some()));
        exchanges.forget(&new);
        assert!(exchanges.slot(credential).lock().await.now().is_ok_and(|token| token.is_none()));
    }
}
