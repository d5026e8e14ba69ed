//! Bodies on their way: bounded in time, and in memory where they are read as a whole.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use tokio::time::{Instant, Sleep, sleep_until};

/// Why a body ended early.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A body of either direction.
pub type Body = UnsyncBoxBody<Bytes, BoxError>;

/// Bytes that are there already.
#[must_use]
pub fn full(bytes: impl Into<Bytes>) -> Body {
    http_body_util::Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// Bytes that are there already and take room, which is kept until the other end has taken them.
#[must_use]
pub fn held<K: Send + Unpin + 'static>(bytes: Bytes, room: K) -> Body {
    Pieces { bytes, _room: room }.boxed_unsync()
}

/// Bytes that are there already, of which it is noted when the other end takes more. They are always ready: nothing is idle here.
#[must_use]
pub fn in_pieces(bytes: Bytes, moved: Moved) -> Body {
    Timed::new(Pieces { bytes, _room: () }, Duration::MAX, moved).boxed_unsync()
}

/// Longest piece that is handed on at a time, in bytes.
const PIECE: usize = 64 * 1024;

struct Pieces<K> {
    bytes: Bytes,
    _room: K,
}

impl<K: Unpin> HttpBody for Pieces<K> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let length = self.bytes.len().min(PIECE);
        let piece = self.bytes.split_to(length);
        Poll::Ready((!piece.is_empty()).then(|| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.len() as u64)
    }
}

/// Why a body could not be read as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// Longer than the limit.
    TooLong,
    /// It ended early, or stood still.
    Broken,
    /// Too much of the kind is under way already, of the caller or of all.
    Crowded,
}

/// Reads a body as a whole, up to a limit in bytes.
pub async fn read(mut body: Body, limit: usize) -> Result<Bytes, Unreadable> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > limit {
        return Err(Unreadable::TooLong);
    }
    // What comes in one piece is not copied.
    let mut first = Bytes::new();
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Unreadable::Broken)?.into_data() else { continue };
        if first.len() + bytes.len() + data.len() > limit {
            return Err(Unreadable::TooLong);
        }
        if first.is_empty() && bytes.is_empty() {
            first = data;
            continue;
        }
        if bytes.is_empty() {
            bytes.reserve(announced.min(1024 * 1024).max(first.len() + data.len()));
            bytes.extend_from_slice(&std::mem::take(&mut first));
        }
        bytes.extend_from_slice(&data);
    }
    Ok(if bytes.is_empty() { first } else { bytes.freeze() })
}

/// The body did not come in time.
#[derive(Debug, thiserror::Error)]
#[error("the content took too long")]
pub struct Late;

/// Ends a body in which nothing moves, or that takes too long altogether.
pub struct Timed<B> {
    body: B,
    idle: Duration,
    until: Option<Instant>,
    /// Set while the body is waited for; what is there already needs no clock.
    alarm: Option<Pin<Box<Sleep>>>,
    moved: Moved,
}

/// When a body last moved and whether it broke off, for who waits for an answer to it.
#[derive(Clone)]
pub struct Moved {
    began: Instant,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    milliseconds: AtomicU64,
    broken: AtomicBool,
}

impl Moved {
    /// Now.
    #[must_use]
    pub fn new() -> Self {
        Self { began: Instant::now(), seen: Arc::default() }
    }

    fn note(&self) {
        let passed = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.seen.milliseconds.store(passed, Ordering::Relaxed);
    }

    /// The last time.
    #[must_use]
    pub fn last(&self) -> Instant {
        self.began + Duration::from_millis(self.seen.milliseconds.load(Ordering::Relaxed))
    }

    /// Whether it ended early or stood still, so that whoever took it has half of it.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.seen.broken.load(Ordering::Relaxed)
    }

    fn broke(&self) {
        self.seen.broken.store(true, Ordering::Relaxed);
    }
}

impl Default for Moved {
    fn default() -> Self {
        Self::new()
    }
}

impl<B> Timed<B> {
    /// Nothing may come for as long as `idle`.
    #[must_use]
    pub const fn new(body: B, idle: Duration, moved: Moved) -> Self {
        Self { body, idle, until: None, alarm: None, moved }
    }

    /// Nothing may come after this, either.
    #[must_use]
    pub fn until(self, end: Instant) -> Self {
        Self { until: Some(end), ..self }
    }
}

impl<B> HttpBody for Timed<B>
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            self.alarm = None;
            self.moved.note();
            let is_late = frame.is_some() && self.until.is_some_and(|end| Instant::now() >= end);
            let frame = frame.map(|frame| if is_late { Err(Late.into()) } else { frame.map_err(Into::into) });
            if matches!(frame, Some(Err(_))) {
                self.moved.broke();
            }
            return Poll::Ready(frame);
        }
        let (idle, until) = (self.idle, self.until);
        let alarm = self.alarm.get_or_insert_with(|| {
            let still = Instant::now() + idle;
            Box::pin(sleep_until(until.map_or(still, |end| end.min(still))))
        });
        ready!(alarm.as_mut().poll(context));
        self.moved.broke();
        Poll::Ready(Some(Err(Late.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
