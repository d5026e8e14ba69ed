//! What only so many requests of one caller may do at the same time; the others wait for their turn.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore, TryAcquireError};

use crate::domain::UserId;

/// Each caller's share.
pub struct Shares {
    at_once: usize,
    each: Mutex<HashMap<UserId, Weak<Semaphore>>>,
}

impl Shares {
    /// Nobody has taken any yet.
    #[must_use]
    pub fn new(at_once: usize) -> Self {
        Self { at_once, each: Mutex::default() }
    }

    /// Waits for the caller's turn, which lasts as long as what is given is kept.
    pub async fn turn(&self, caller: UserId) -> Result<OwnedSemaphorePermit, AcquireError> {
        self.share(caller).acquire_owned().await
    }

    /// The same for who does not wait.
    pub fn turn_at_once(&self, caller: UserId) -> Result<OwnedSemaphorePermit, TryAcquireError> {
        self.share(caller).try_acquire_owned()
    }

    fn share(&self, caller: UserId) -> Arc<Semaphore> {
        let mut each = self.each.lock().unwrap_or_else(PoisonError::into_inner);
        each.retain(|_, share| share.strong_count() > 0);
        let known = each.get(&caller).and_then(Weak::upgrade);
        known.unwrap_or_else(|| {
            let share = Arc::new(Semaphore::new(self.at_once));
            each.insert(caller, Arc::downgrade(&share));
            share
        })
    }
}
