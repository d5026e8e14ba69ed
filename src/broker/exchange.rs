//! Temporary tokens that credentials are exchanged for, kept until shortly before they expire. One request fetches, the others
//! wait for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use zeroize::Zeroizing;

use crate::domain::QpuTokenId;

/// How long before its end a token is no longer used.
const MARGIN: Duration = Duration::from_mins(1);

/// Which credential it stands for: a token's, in one version.
pub type Of = (QpuTokenId, i32);

/// A temporary token. No `Debug`, `Clone` or `Serialize`; zeroed on drop.
pub struct Exchanged {
    text: Zeroizing<String>,
    good_until: Instant,
}

impl Exchanged {
    /// A token that is good for this long.
    #[must_use]
    pub fn new(text: Zeroizing<String>, lifetime: Duration) -> Self {
        Self { text, good_until: Instant::now() + lifetime.saturating_sub(MARGIN) }
    }

    /// The token itself.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// Where the token of one credential is, or will be; holding it makes the others wait.
pub type Slot = Arc<tokio::sync::Mutex<Option<Arc<Exchanged>>>>;

/// The tokens that are good now.
#[derive(Default)]
pub struct Exchanges(Mutex<HashMap<Of, Slot>>);

impl Exchanges {
    /// The slot of a credential.
    #[must_use]
    pub fn slot(&self, of: Of) -> Slot {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // What has expired goes when there is something new: a slot that somebody waits for is not among it.
        if !slots.contains_key(&of) {
            let now = Instant::now();
            slots.retain(|_, slot| {
                Arc::strong_count(slot) > 1
                    || slot.try_lock().is_ok_and(|token| token.as_ref().is_some_and(|token| token.good_until > now))
            });
        }
        Arc::clone(slots.entry(of).or_default())
    }

    /// Forgets a token that the provider does not take any more.
    pub fn forget(&self, of: Of) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&of);
    }
}

/// The token in a slot, if it is still good.
#[must_use]
pub fn still_good(slot: Option<&Arc<Exchanged>>) -> Option<Arc<Exchanged>> {
    slot.filter(|token| token.good_until > Instant::now()).map(Arc::clone)
}
