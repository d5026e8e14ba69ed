//! Argon2id on a bounded pool.
//!
//! A hash takes about 22 ms of one core and 19 MiB. With as many hashes at once as there are cores a login storm leaves
//! other requests alone; who cannot be served soon is told so instead of queueing.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use argon2::password_hash::phc;
use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::random::random;
use super::{AuthenticationError, NewPassword, Password, PasswordHash};
use crate::domain::UserId;

/// OWASP Password Storage Cheat Sheet: 19 MiB, 2 passes, 1 lane; Argon2 is RFC 9106.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// How many may wait for a core, per core, and how long: eight hashes take less.
const QUEUE_PER_CORE: usize = 8;
const PATIENCE: Duration = Duration::from_millis(250);

/// Proof that somebody knew this user's password a moment ago. Only [`PasswordHasher::verify`] makes one.
pub struct PasswordVerified {
    user: UserId,
}

impl PasswordVerified {
    /// Whose password it was.
    #[must_use]
    pub const fn user(&self) -> UserId {
        self.user
    }
}

/// Hashes and verifies passwords. One for the whole process: its bound is the point. Cheap to clone.
#[derive(Clone)]
pub struct PasswordHasher {
    cores: Arc<Semaphore>,
    queue: Arc<Semaphore>,
    /// What an unknown account's password is compared with.
    nobody: PasswordHash,
}

impl PasswordHasher {
    /// As many hashes at once as there are cores. Computes one hash itself, so it takes some 20 ms.
    pub fn new() -> Result<Self, AuthenticationError> {
        Self::with_permits(available_parallelism().unwrap_or(NonZeroUsize::MIN))
    }

    /// This many hashes at once (1024 at most); up to eight times as many more wait for at most 250 ms.
    pub fn with_permits(permits: NonZeroUsize) -> Result<Self, AuthenticationError> {
        let permits = permits.get().min(1024);
        Ok(Self {
            cores: Arc::new(Semaphore::new(permits)),
            queue: Arc::new(Semaphore::new(permits * (1 + QUEUE_PER_CORE))),
            nobody: hash(random::<32>()?.as_slice())?,
        })
    }

    /// Hashes a password to be stored. [`AuthenticationError::Busy`] if the pool is full.
    pub async fn hash(&self, password: NewPassword) -> Result<PasswordHash, AuthenticationError> {
        self.run(move || hash(password.as_bytes())).await
    }

    /// Compares a password with what is stored for a user. `None`, an unknown e-mail address, costs the same and is
    /// [`AuthenticationError::WrongPassword`] too. [`AuthenticationError::Busy`] if the pool is full.
    pub async fn verify(
        &self,
        stored: Option<(UserId, &PasswordHash)>,
        presented: Password,
    ) -> Result<PasswordVerified, AuthenticationError> {
        let user = stored.map(|(user, _)| user);
        let expected = stored.map_or(&self.nobody, |(_, hash)| hash).clone();
        let matches = self.run(move || verify(&expected, &presented)).await?;
        match user {
            Some(user) if matches => Ok(PasswordVerified { user }),
            _ => Err(AuthenticationError::WrongPassword),
        }
    }

    /// Runs work on a core of its own. The permits go along, so that a caller who hangs up does not make room for
    /// another hash while the first still runs.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, AuthenticationError> + Send + 'static,
    ) -> Result<T, AuthenticationError> {
        let place = Arc::clone(&self.queue).try_acquire_owned().map_err(|_| AuthenticationError::Busy)?;
        let Ok(Ok(core)) = timeout(PATIENCE, Arc::clone(&self.cores).acquire_owned()).await else {
            return Err(AuthenticationError::Busy);
        };
        let work = move || {
            let result = work();
            drop((core, place));
            result
        };
        spawn_blocking(work).await.map_err(|_| AuthenticationError::Failed)?
    }
}

fn argon2() -> Result<Argon2<'static>, AuthenticationError> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|_| AuthenticationError::Failed)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn hash(password: &[u8]) -> Result<PasswordHash, AuthenticationError> {
    let hash = argon2()?.hash_password(password).map_err(|_| AuthenticationError::Failed)?;
    PasswordHash::parse(&hash.to_string())
}

fn verify(stored: &PasswordHash, presented: &Password) -> Result<bool, AuthenticationError> {
    let stored = phc::PasswordHash::new(stored.as_str()).map_err(|_| AuthenticationError::StoredHash)?;
    match argon2()?.verify_password(presented.as_bytes(), &stored) {
        Ok(()) => Ok(true),
        Err(argon2::password_hash::Error::PasswordInvalid) => Ok(false),
        Err(_) => Err(AuthenticationError::Failed),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn one_core() -> PasswordHasher {
        PasswordHasher::with_permits(NonZeroUsize::MIN).unwrap()
    }

    fn typed(text: &str) -> Password {
        Password::new(text.to_owned())
    }

    #[tokio::test]
    async fn the_right_password_is_proven_and_the_wrong_one_is_not() {
        let (hasher, user) = (one_core(), UserId::new());
        let set = NewPassword::new("correct horse b\u{e4}ttery".to_owned()).unwrap();
        let hash = hasher.hash(set).await.unwrap();
        assert!(hash.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        let stored = PasswordHash::parse(hash.as_str()).unwrap();
        let proof = hasher.verify(Some((user, &stored)), typed("correct horse ba\u{308}ttery")).await.unwrap();
        assert_eq!(proof.user(), user);
        for wrong in ["correct horse battery", "", "\0", &"x".repeat(100_000)] {
            let error = hasher.verify(Some((user, &stored)), typed(wrong)).await.err().unwrap();
            assert_eq!(error, AuthenticationError::WrongPassword);
        }
    }

    #[tokio::test]
    async fn an_unknown_account_costs_the_same() {
        let (hasher, user) = (one_core(), UserId::new());
        let stored = hasher.hash(NewPassword::new("correct horse battery".to_owned()).unwrap()).await.unwrap();
        let (mut known, mut unknown) = (Duration::MAX, Duration::MAX);
        // The shortest times that were ever taken come close to each other in the end, also on a busy machine.
        let alike = |known: Duration, unknown: Duration| known < unknown * 2 && unknown < known * 2;
        for round in 0..100 {
            if round >= 5 && alike(known, unknown) {
                break;
            }
            let start = Instant::now();
            assert!(hasher.verify(Some((user, &stored)), typed("wrong")).await.is_err());
            known = known.min(start.elapsed());
            let start = Instant::now();
            let error = hasher.verify(None, typed("wrong")).await.err().unwrap();
            unknown = unknown.min(start.elapsed());
            assert_eq!(error, AuthenticationError::WrongPassword);
        }
        assert!(alike(known, unknown), "known {known:?}, unknown {unknown:?}");
    }

    #[tokio::test]
    async fn a_full_pool_says_busy_and_recovers() {
        let hasher = one_core();
        let held = Arc::clone(&hasher.cores).acquire_owned().await.unwrap();
        let start = Instant::now();
        assert_eq!(hasher.verify(None, typed("x")).await.err(), Some(AuthenticationError::Busy));
        assert!(start.elapsed() >= PATIENCE);

        let places = Arc::clone(&hasher.queue).acquire_many_owned(9).await.unwrap();
        let start = Instant::now();
        assert_eq!(hasher.verify(None, typed("x")).await.err(), Some(AuthenticationError::Busy));
        assert!(start.elapsed() < PATIENCE, "a full queue answers at once");

        drop((held, places));
        assert_eq!(hasher.verify(None, typed("x")).await.err(), Some(AuthenticationError::WrongPassword));
        assert_eq!((hasher.cores.available_permits(), hasher.queue.available_permits()), (1, 9));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_caller_who_hangs_up_frees_nothing_early() {
        let hasher = one_core();
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let work = hasher.clone();
        let caller = tokio::spawn(async move { work.run(move || Ok(wait.recv())).await.map(drop) });
        while hasher.cores.available_permits() == 1 {
            tokio::task::yield_now().await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        caller.abort();
        assert!(caller.await.unwrap_err().is_cancelled());
        assert_eq!(hasher.cores.available_permits(), 0, "the work still runs");
        go.send(()).unwrap();
        let _freed = timeout(Duration::from_secs(5), hasher.cores.acquire()).await.unwrap().unwrap();
    }
}
