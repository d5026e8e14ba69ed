//! Bodies that are read as a whole take room, so few large ones are read at the same time: of all callers, and still fewer of
//! one, who could be slow on purpose. Small ones of one member come in turn, many at a time. The others wait, but not for long, and not many of one caller: what waits takes room, too.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};

use super::super::body::{Body, Unreadable};
use super::super::patience::Patience;
use super::shares::Shares;
use crate::domain::UserId;

/// Longest body that is read as a whole, in bytes.
pub const LONGEST: usize = 64 * 1024 * 1024;

/// Bodies longer than this, in bytes, count as large.
pub const LARGE: usize = 1024 * 1024;

/// How many large bodies are held at the same time; others wait.
const AT_ONCE: usize = 8;

/// How many of them may be one caller's.
const OF_ONE: usize = 2;

/// How many more of that caller's may wait.
const WAITING: usize = 4;

/// How many bodies of one caller, large or not, are read at the same time. The others wait in their connections.
const READ_AT_ONCE: usize = 64;

/// How much of a request must come in the time for it, in bytes.
const PORTION: usize = 64 * 1024;

/// How many portions' time may be saved up by being quick.
const SAVED: u32 = 3;

/// The room for bodies that are read as a whole.
pub struct Large {
    all: Arc<Semaphore>,
    each: Shares,
    /// To hold, or to wait for what can be held.
    places: Shares,
    /// To be read.
    turns: Shares,
    patience: Patience,
}

/// A body, and the room that it takes.
pub struct Held {
    /// The body.
    pub bytes: Bytes,
    /// Kept as long as the body is, and what was made of it.
    pub room: Option<Room>,
}

/// Room for a large body.
pub struct Room {
    _common: OwnedSemaphorePermit,
    _own: OwnedSemaphorePermit,
    _place: Option<OwnedSemaphorePermit>,
}

/// Who sends a body.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// A client. It may not hold room without making use of it.
    Client,
    /// A provider, who may be slow.
    Provider,
    /// A provider who may have taken a job. Which one must be learned, or nobody would count it: this waits longer, and in any
    /// number.
    Taker,
}

impl Large {
    /// Nothing is there yet.
    #[must_use]
    pub fn new(patience: Patience) -> Self {
        let (each, places) = (Shares::new(OF_ONE), Shares::new(OF_ONE + WAITING));
        Self { all: Arc::new(Semaphore::new(AT_ONCE)), each, places, turns: Shares::new(READ_AT_ONCE), patience }
    }

    /// Waits for room, which the caller may have a share of.
    pub async fn room(&self, caller: UserId, sender: Sender) -> Result<Room, Unreadable> {
        self.room_from(self.place(caller, sender)?, caller, sender).await
    }

    fn place(&self, caller: UserId, sender: Sender) -> Result<Option<OwnedSemaphorePermit>, Unreadable> {
        match sender {
            Sender::Client | Sender::Provider => {
                self.places.turn_at_once(caller).map(Some).map_err(|_| Unreadable::Crowded)
            }
            Sender::Taker => Ok(None),
        }
    }

    /// A client may send slowly, and keep what has come here for as long.
    async fn turn(&self, caller: UserId) -> Result<OwnedSemaphorePermit, Unreadable> {
        let turn = timeout(self.patience.room, self.turns.turn(caller)).await.map_err(|_| Unreadable::Crowded)?;
        turn.map_err(|_| Unreadable::Broken)
    }

    async fn room_from(
        &self,
        place: Option<OwnedSemaphorePermit>,
        caller: UserId,
        sender: Sender,
    ) -> Result<Room, Unreadable> {
        let waiting = async {
            let own = self.each.turn(caller).await.map_err(|_| Unreadable::Broken)?;
            let common = Arc::clone(&self.all).acquire_owned().await.map_err(|_| Unreadable::Broken)?;
            Ok(Room { _common: common, _own: own, _place: place })
        };
        let patience = match sender {
            Sender::Client | Sender::Provider => self.patience.room,
            Sender::Taker => self.patience.answer,
        };
        timeout(patience, waiting).await.unwrap_or(Err(Unreadable::Crowded))
    }

    /// Reads a body as a whole. One that turns out to be large waits for room where it is, and then has its time. Who says so
    /// before, and may not even wait, is told at once; but room is only for what has come.
    pub async fn read(&self, caller: UserId, mut body: Body, sender: Sender) -> Result<Held, Unreadable> {
        let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
        if announced > LONGEST {
            return Err(Unreadable::TooLong);
        }
        let mut place = if announced > LARGE { Some(self.place(caller, sender)?) } else { None };
        let _turn = match sender {
            Sender::Client if !body.is_end_stream() => Some(self.turn(caller).await?),
            Sender::Client | Sender::Provider | Sender::Taker => None,
        };
        let mut bytes = BytesMut::with_capacity(announced.min(LARGE));
        let mut room = None;
        let mut deadline = Instant::now() + self.patience.whole;
        let mut time: Option<Pace> = None;
        loop {
            let until = time.as_ref().map_or(deadline, |time| time.until.min(deadline));
            let frame = timeout_at(until, body.frame()).await.map_err(|_| Unreadable::Broken)?;
            let Some(frame) = frame else { break };
            let Ok(data) = frame.map_err(|_| Unreadable::Broken)?.into_data() else { continue };
            if bytes.len() + data.len() > LONGEST {
                return Err(Unreadable::TooLong);
            }
            if bytes.len() + data.len() > LARGE && room.is_none() {
                let place = place.take().map_or_else(|| self.place(caller, sender), Ok)?;
                room = Some(self.room_from(place, caller, sender).await?);
                deadline = Instant::now() + self.patience.whole;
                time = (sender == Sender::Client).then(|| Pace::new(self.patience.pace));
            }
            if let Some(time) = &mut time {
                time.came(data.len());
            }
            bytes.extend_from_slice(&data);
        }
        Ok(Held { bytes: bytes.freeze(), room })
    }
}

/// How long there is time for more of a body, if it comes as quickly as it must.
struct Pace {
    until: Instant,
    each: Duration,
    /// What has come of the next portion.
    came: usize,
}

impl Pace {
    fn new(each: Duration) -> Self {
        Self { until: Instant::now() + each, each, came: 0 }
    }

    fn came(&mut self, length: usize) {
        self.came += length;
        let portions = u32::try_from(self.came / PORTION).unwrap_or(u32::MAX);
        self.came %= PORTION;
        self.until = (self.until + self.each.saturating_mul(portions)).min(Instant::now() + self.each * SAVED);
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::{StreamExt, stream};
    use http_body::Frame;
    use http_body_util::StreamBody;
    use tokio::task::JoinHandle;
    use tokio::time::sleep;

    use super::*;

    /// A large body, then pieces of this length, one in a while.
    fn dripping(piece: usize, every: Duration) -> Body {
        let pieces = stream::unfold(LARGE + 1, move |length| async move {
            if length == piece {
                sleep(every).await;
            }
            Some((Ok::<_, Infallible>(Frame::data(Bytes::from(vec![b' '; length]))), piece))
        });
        BodyExt::boxed_unsync(StreamBody::new(pieces).map_err(|never| match never {}))
    }

    async fn read(piece: usize, every: u64, sender: Sender) -> (Option<Unreadable>, u64) {
        let large = Large::new(Patience::default());
        let (begun, body) = (Instant::now(), dripping(piece, Duration::from_secs(every)));
        let outcome = large.read(UserId::new(), body, sender).await;
        assert_eq!(large.all.available_permits(), AT_ONCE - usize::from(outcome.is_ok()));
        (outcome.err(), begun.elapsed().as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn who_holds_room_makes_use_of_it() {
        let (broken, after) = read(1, 2, Sender::Client).await;
        assert_eq!(broken, Some(Unreadable::Broken));
        assert!((10..=30).contains(&after), "{after} s");
        let whole = Patience::default().whole.as_secs();
        assert_eq!(read(PORTION, 10, Sender::Client).await.1, whole, "slow, but in time");
        assert_eq!(read(1, 2, Sender::Provider).await.1, whole, "a provider may be slow");
        assert_eq!(read(PORTION, 1, Sender::Client).await, (Some(Unreadable::Broken), whole));
        assert_eq!(read(LARGE, 1, Sender::Client).await, (Some(Unreadable::TooLong), 63));
    }

    fn wait_for(large: &Arc<Large>, caller: UserId, sender: Sender) -> JoinHandle<Option<Unreadable>> {
        let large = Arc::clone(large);
        tokio::spawn(async move { large.room(caller, sender).await.err() })
    }

    #[tokio::test(start_paused = true)]
    async fn few_wait_and_not_for_long() {
        let (large, ada) = (Arc::new(Large::new(Patience::default())), UserId::new());
        let held = [large.room(ada, Sender::Client).await, large.room(ada, Sender::Client).await];
        assert!(held.iter().all(Result::is_ok));
        let begun = Instant::now();
        let waiting: Vec<_> = (0..WAITING).map(|_| wait_for(&large, ada, Sender::Provider)).collect();
        tokio::task::yield_now().await;
        assert_eq!(large.room(ada, Sender::Client).await.err(), Some(Unreadable::Crowded), "too many wait");
        let body = dripping(1, Duration::ZERO);
        assert_eq!(large.read(ada, body, Sender::Client).await.err(), Some(Unreadable::Crowded));
        assert!(begun.elapsed() < Duration::from_secs(1));
        assert!(large.room(UserId::new(), Sender::Client).await.is_ok(), "somebody else is not held up");
        for one in waiting {
            assert_eq!(one.await.unwrap(), Some(Unreadable::Crowded));
        }
        assert_eq!(begun.elapsed(), Patience::default().room);
        let taken = wait_for(&large, ada, Sender::Taker);
        sleep(Patience::default().room * 2).await;
        assert!(!taken.is_finished(), "what was taken must be learned");
        drop(held);
        assert!(taken.await.unwrap().is_none());
        assert!(large.room(ada, Sender::Client).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn many_small_bodies_come_in_turn() {
        let (large, ada) = (Arc::new(Large::new(Patience::default())), UserId::new());
        let small = |pieces: usize| {
            let piece = |_| async { Ok::<_, Infallible>(Frame::data(Bytes::from_static(b" "))) };
            let slowly = stream::iter(0..pieces).then(piece).then(|piece| async {
                sleep(Duration::from_secs(1)).await;
                piece
            });
            BodyExt::boxed_unsync(StreamBody::new(slowly).map_err(|never| match never {}))
        };
        let read = |caller: UserId, seconds: usize| {
            let (large, body) = (Arc::clone(&large), small(seconds));
            tokio::spawn(async move { large.read(caller, body, Sender::Client).await.err() })
        };
        let slow: Vec<_> = (0..READ_AT_ONCE).map(|_| read(ada, 200)).collect();
        tokio::task::yield_now().await;
        let begun = Instant::now();
        assert_eq!(read(UserId::new(), 1).await.unwrap(), None, "somebody else is not held up");
        assert!(begun.elapsed() < Duration::from_secs(2));
        assert_eq!(read(ada, 1).await.unwrap(), Some(Unreadable::Crowded));
        for one in slow {
            assert_eq!(one.await.unwrap(), None);
        }
        assert_eq!(read(ada, 1).await.unwrap(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn who_announces_too_much_is_told_before() {
        let (large, ada) = (Large::new(Patience::default()), UserId::new());
        let places: Vec<_> = (0..OF_ONE + WAITING).map(|_| large.place(ada, Sender::Client).unwrap()).collect();
        let announced = crate::broker::full(vec![b' '; LARGE + 1]);
        assert_eq!(large.read(ada, announced, Sender::Client).await.err(), Some(Unreadable::Crowded));
        assert!(large.read(ada, crate::broker::full("{}"), Sender::Client).await.is_ok());
        drop(places);
    }
}
