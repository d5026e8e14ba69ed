//! An answer that is passed on while somebody reads along for what it tells of usage.

use std::mem::take;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame};
use http_body_util::BodyExt;
use tokio::runtime::Handle;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use super::super::body::{Body, BoxError};
use super::extract::Extract;

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What is done with the extract of an answer that has ended well.
pub type Watcher = Box<dyn FnOnce(Extract) -> Work + Send>;

/// A body that is one step behind: its last piece and its end are passed on when what it tells is booked.
pub struct Watched {
    state: State,
    /// The piece that came last.
    last: Option<Frame<Bytes>>,
    /// For how long the rest is read without the client, if it hangs up. Not at all, if there is somebody else to ask.
    to_the_end: Option<Duration>,
    /// Where that is done.
    tasks: TaskTracker,
}

#[derive(Default)]
enum State {
    Reading(Box<Reading>),
    Booking(Work),
    #[default]
    Over,
}

struct Reading {
    body: Body,
    extract: Extract,
    watcher: Watcher,
}

impl Watched {
    /// Reads along with a body.
    #[must_use]
    pub fn new(
        body: Body,
        extract: Extract,
        watcher: Watcher,
        to_the_end: Option<Duration>,
        tasks: TaskTracker,
    ) -> Self {
        Self { state: State::Reading(Box::new(Reading { body, extract, watcher })), last: None, to_the_end, tasks }
    }
}

impl Reading {
    async fn read_to_the_end(mut self) {
        while let Some(frame) = self.body.frame().await {
            let Ok(frame) = frame else { return };
            if let Some(data) = frame.data_ref() {
                self.extract.read(data);
            }
        }
        (self.watcher)(self.extract).await;
    }
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        loop {
            match &mut self.state {
                State::Reading(reading) => match ready!(Pin::new(&mut reading.body).poll_frame(context)) {
                    Some(Ok(frame)) => {
                        if let Some(data) = frame.data_ref() {
                            reading.extract.read(data);
                        }
                        if let Some(before) = self.last.replace(frame) {
                            return Poll::Ready(Some(Ok(before)));
                        }
                    }
                    Some(Err(error)) => {
                        self.state = State::Over;
                        self.last = None;
                        return Poll::Ready(Some(Err(error)));
                    }
                    None => {
                        if let State::Reading(reading) = take(&mut self.state) {
                            self.state = State::Booking((reading.watcher)(reading.extract));
                        }
                    }
                },
                State::Booking(work) => {
                    ready!(work.as_mut().poll(context));
                    self.state = State::Over;
                }
                State::Over => return Poll::Ready(self.last.take().map(Ok)),
            }
        }
    }
}

impl Drop for Watched {
    /// A client that hangs up does not get away with it.
    fn drop(&mut self) {
        let Ok(runtime) = Handle::try_current() else { return };
        match (take(&mut self.state), self.to_the_end) {
            (State::Reading(reading), Some(patience)) => {
                drop(self.tasks.spawn_on(timeout(patience, reading.read_to_the_end()), &runtime));
            }
            (State::Booking(work), _) => drop(self.tasks.spawn_on(work, &runtime)),
            _ => {}
        }
    }
}
