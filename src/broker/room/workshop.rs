//! What takes long and waits for nothing is done beside the runtime's threads, on which all other requests are: as much at once
//! as there are cores, and one piece of a caller's.

use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread::available_parallelism;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::super::body::Unreadable;
use super::large::Sender;
use super::shares::Shares;
use crate::domain::UserId;

/// How many pieces of work one caller may have there, done and to be done. (D-Wave's client submits in up to 20 threads.)
const PLACES: usize = 32;

/// Where work is done.
pub struct Workshop {
    cores: Arc<Semaphore>,
    each: Shares,
    places: Shares,
}

impl Workshop {
    /// With as many places as there are cores.
    #[must_use]
    pub fn new() -> Self {
        let cores = available_parallelism().map_or(1, NonZeroUsize::get);
        Self { cores: Arc::new(Semaphore::new(cores)), each: Shares::new(1), places: Shares::new(PLACES) }
    }

    /// Does a piece of work in the caller's turn. Once begun it ends, whether somebody waits for it or not, so what it needs
    /// goes along. Clients may send no more than there are places for; what providers send waits.
    pub async fn run<T, W>(&self, caller: UserId, sender: Sender, work: W) -> Result<T, Unreadable>
    where
        T: Send + 'static,
        W: FnOnce() -> T + Send + 'static,
    {
        let place = match sender {
            Sender::Client => Some(self.places.turn_at_once(caller).map_err(|_| Unreadable::Crowded)?),
            Sender::Provider | Sender::Taker => None,
        };
        let own = self.each.turn(caller).await.map_err(|_| Unreadable::Broken)?;
        let core = Arc::clone(&self.cores).acquire_owned().await.map_err(|_| Unreadable::Broken)?;
        let done = spawn_blocking(move || {
            let done = work();
            drop((core, own, place));
            done
        });
        match done.await.map_err(tokio::task::JoinError::try_into_panic) {
            Ok(done) => Ok(done),
            Err(Ok(panic)) => resume_unwind(panic),
            // The service ends.
            Err(Err(_)) => Err(Unreadable::Broken),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[tokio::test]
    async fn one_caller_leaves_room_for_others() {
        let workshop = Arc::new(Workshop { cores: Arc::new(Semaphore::new(2)), ..Workshop::new() });
        let (ada, bob) = (UserId::new(), UserId::new());
        let (begun, mut begins) = tokio::sync::mpsc::unbounded_channel();
        let mut adas = Vec::new();
        for _ in 0..PLACES {
            let (end, ended) = channel::<()>();
            let (workshop, begun) = (Arc::clone(&workshop), begun.clone());
            let work = tokio::spawn(async move {
                let work = move || {
                    begun.send(()).unwrap();
                    ended.recv().unwrap();
                };
                workshop.run(ada, Sender::Client, work).await
            });
            adas.push((end, work));
        }
        begins.recv().await.unwrap();
        while workshop.places.turn_at_once(ada).is_ok() {
            tokio::task::yield_now().await;
        }
        assert_eq!(workshop.run(ada, Sender::Client, || ()).await, Err(Unreadable::Crowded));
        assert_eq!(workshop.run(bob, Sender::Client, || 7).await, Ok(7), "one of the cores is free");
        assert!(begins.try_recv().is_err(), "a caller's pieces are done one after the other");
        for (end, work) in adas {
            end.send(()).unwrap();
            assert_eq!(work.await.unwrap(), Ok(()));
        }
        assert_eq!(workshop.run(ada, Sender::Client, || 8).await, Ok(8));
    }
}
