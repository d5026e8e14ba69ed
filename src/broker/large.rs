//! Bodies that are read as a whole take room, so few large ones are read at the same time: of all callers, and still fewer of
//! one, who could be slow on purpose.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::body::{Body, Unreadable};
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

/// The room for large bodies.
pub struct Large {
    all: Arc<Semaphore>,
    each: Shares,
    /// How long one may take to arrive.
    patience: Duration,
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
    _own: OwnedSemaphorePermit,
    _common: OwnedSemaphorePermit,
}

impl Large {
    /// Nothing is there yet.
    #[must_use]
    pub fn new(patience: Duration) -> Self {
        Self { all: Arc::new(Semaphore::new(AT_ONCE)), each: Shares::new(OF_ONE), patience }
    }

    /// Waits for room, which the caller may have a share of.
    pub async fn room(&self, caller: UserId) -> Result<Room, Unreadable> {
        let own = self.each.turn(caller).await.map_err(|_| Unreadable::Broken)?;
        let common = Arc::clone(&self.all).acquire_owned().await.map_err(|_| Unreadable::Broken)?;
        Ok(Room { _own: own, _common: common })
    }

    /// Reads a body as a whole. One that turns out to be large waits for room where it is, and then has its time.
    pub async fn read(&self, caller: UserId, mut body: Body) -> Result<Held, Unreadable> {
        let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
        if announced > LONGEST {
            return Err(Unreadable::TooLong);
        }
        let mut bytes = BytesMut::with_capacity(announced.min(LARGE));
        let mut room = None;
        let mut deadline = Instant::now() + self.patience;
        while let Some(frame) = timeout_at(deadline, body.frame()).await.map_err(|_| Unreadable::Broken)? {
            let Ok(data) = frame.map_err(|_| Unreadable::Broken)?.into_data() else { continue };
            if bytes.len() + data.len() > LONGEST {
                return Err(Unreadable::TooLong);
            }
            if bytes.len() + data.len() > LARGE && room.is_none() {
                room = Some(self.room(caller).await?);
                deadline = Instant::now() + self.patience;
            }
            bytes.extend_from_slice(&data);
        }
        Ok(Held { bytes: bytes.freeze(), room })
    }
}
