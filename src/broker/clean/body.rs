//! A whole body, cleaned while it streams.

use std::collections::VecDeque;
use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::coding::{Decoding, Progress};
use super::error::CleanError;
use super::filter::Filter;
use super::needles::Needles;
use super::probe::Probe;
use super::rewrites::Rewrites;

/// Most steps without a result before others may run: a bomb shall not keep a thread.
const PATIENCE: usize = 32;

/// The body `B` without its content coding and without secrets.
///
/// Headers that speak of the coded body do not hold for this one: `Content-Encoding`, `Content-Length`, `ETag`, digests and
/// ranges. Trailers are dropped. Whatever is wrong ends the body with an error, so that nobody takes a part for the whole;
/// that goes for a compressed file (gzip, zstd) with a secret in it, too, which cannot be removed there.
pub struct CleanBody<B> {
    inner: B,
    decoding: Option<Decoding>,
    probe: Probe,
    /// Decoded, and not yet through the probe.
    suspect: Option<Bytes>,
    filter: Filter,
    ready: VecDeque<Bytes>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Reading,
    /// The inner body has ended.
    Ended,
    /// So has this one, but for what is ready.
    Done,
}

impl<B> CleanBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    /// Wraps a body with the content codings of its header: all of them, joined by commas; empty if there are none. Fails if one
    /// of them cannot be undone; the answer is to be refused then.
    pub fn new(inner: B, codings: &str, needles: Arc<Needles>, rewrites: Arc<Rewrites>) -> Result<Self, CleanError> {
        let decoding = Decoding::new(codings)?;
        let state = if inner.is_end_stream() { State::Done } else { State::Reading };
        Ok(Self {
            inner,
            decoding,
            probe: Probe::new(Arc::clone(&needles)),
            suspect: None,
            filter: Filter::new(needles, rewrites),
            ready: VecDeque::new(),
            state,
        })
    }

    /// One step: the suspect chunk first, then what the decoder holds, then what the inner body has.
    fn advance(&mut self, context: &mut Context<'_>) -> Poll<Result<(), CleanError>> {
        if let Some(chunk) = self.suspect.take() {
            if self.probe.step()? {
                self.suspect = Some(chunk);
            } else {
                self.filter.push(chunk, &mut self.ready);
            }
            return Poll::Ready(self.check());
        }
        if let Some(decoding) = &mut self.decoding {
            match decoding.step()? {
                Progress::Output(chunk) => return Poll::Ready(self.examine(chunk)),
                Progress::Working => return Poll::Ready(Ok(())),
                Progress::Hungry => {}
            }
        }
        if self.state == State::Ended {
            self.decoding.as_ref().map_or(Ok(()), Decoding::finish)?;
            self.probe.finish()?;
            self.filter.finish(&mut self.ready);
            self.state = State::Done;
            return Poll::Ready(self.check());
        }
        match ready!(Pin::new(&mut self.inner).poll_frame(context)) {
            None => self.state = State::Ended,
            Some(Err(error)) => return Poll::Ready(Err(CleanError::Body(error.into()))),
            Some(Ok(frame)) => {
                if let Ok(chunk) = frame.into_data() {
                    match &mut self.decoding {
                        Some(decoding) => decoding.feed(chunk),
                        None => return Poll::Ready(self.examine(chunk)),
                    }
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    fn examine(&mut self, chunk: Bytes) -> Result<(), CleanError> {
        self.probe.feed(&chunk)?;
        self.suspect = Some(chunk);
        Ok(())
    }

    const fn check(&self) -> Result<(), CleanError> {
        if self.filter.is_exhausted() { Err(CleanError::Exhausted) } else { Ok(()) }
    }
}

impl<B> Body for CleanBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Data = Bytes;
    type Error = CleanError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CleanError>>> {
        for _ in 0..PATIENCE {
            if let Some(piece) = self.ready.pop_front() {
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            if self.state == State::Done {
                return Poll::Ready(None);
            }
            if let Err(error) = ready!(self.advance(context)) {
                self.state = State::Done;
                self.ready.clear();
                return Poll::Ready(Some(Err(error)));
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        self.state == State::Done && self.ready.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        if self.is_end_stream() { SizeHint::with_exact(0) } else { SizeHint::default() }
    }
}
