//! Listeners, and how they end: no new requests, the running ones finish, then everything closes.
//!
//! The accept loop is our own because `axum::serve` has no limit on the number of connections and on the time that a request's
//! head may take or its answer may wait to be taken, and at the end waits for connections that have never sent anything.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_io_timeout::TimeoutWriter;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

/// How long running requests may take to end once the service stops.
const GRACE: Duration = Duration::from_secs(30);

/// How long the head of a request may take to arrive, and so how long a connection may be idle. Longer than proxies
/// keep idle connections by default, so that they are the ones to close them.
const HEAD: Duration = Duration::from_secs(75);

/// How long a connection without a running request is kept once the service stops: for a request already on its way.
const FAREWELL: Duration = Duration::from_millis(250);

/// How long to wait for resources when the system has no room for another connection.
const PAUSE: Duration = Duration::from_millis(500);

/// How often it is said that there is no room for more connections.
const SAID_EVERY: Duration = Duration::from_mins(1);

/// What bounds the connections of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most open connections of one listener. Who comes then waits until one of them has ended.
    pub connections: usize,
    /// How long a client may take nothing of an answer that is there for it: the answer takes memory here, and perhaps others'
    /// room.
    pub untaken: Duration,
}

/// A running server.
pub struct Server {
    limits: Limits,
    stop: watch::Sender<bool>,
    listeners: Vec<JoinHandle<()>>,
    /// What goes on also if its client hangs up.
    tasks: TaskTracker,
}

impl Server {
    /// No listeners yet. It ends after these tasks, to which it adds its own.
    #[must_use]
    pub fn new(limits: Limits, tasks: TaskTracker) -> Self {
        Self { limits, stop: watch::Sender::new(false), listeners: Vec::new(), tasks }
    }

    /// Serves the router on this listener.
    pub fn serve(&mut self, listener: TcpListener, router: Router) {
        let accept = accept(listener, router, self.limits, self.tasks.clone(), self.stop.subscribe());
        self.listeners.push(tokio::spawn(accept));
    }

    /// Takes no new requests and waits for the running ones and all that goes on without a client, up to half a minute.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        let end = Instant::now() + GRACE;
        for listener in self.listeners {
            let abort = listener.abort_handle();
            if timeout_at(end, listener).await.is_err() {
                tracing::warn!("requests were still running after {GRACE:?} and have been ended");
                abort.abort();
            }
        }
        self.tasks.close();
        if timeout_at(end, self.tasks.wait()).await.is_err() {
            let tasks = self.tasks.len();
            tracing::warn!(tasks, "what went on without a client was still running after {GRACE:?}, and is left");
        }
    }
}

/// Returns when the server is to stop and all connections have ended.
async fn accept(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    tasks: TaskTracker,
    mut stop: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    let mut said: Option<Instant> = None;
    loop {
        let has_room = connections.len() < limits.connections;
        if !has_room && said.is_none_or(|said| said.elapsed() >= SAID_EVERY) {
            tracing::warn!(connections = connections.len(), "no more connections are accepted until one of them ends");
            said = Some(Instant::now());
        }
        tokio::select! {
            () = stopped(&mut stop) => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if has_room => match accepted {
                Ok((stream, peer)) => {
                    connections.spawn(converse(stream, peer, router.clone(), limits.untaken, tasks.clone(), stop.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    sleep(PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error says that the server is gone, and so is the reason to go on.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// A request, counted until its answer's body is gone.
struct Running(Arc<AtomicUsize>);

impl Running {
    fn begin(requests: &Arc<AtomicUsize>) -> Self {
        requests.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(requests))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The body of an answer, whose request runs until it is gone. What it has said before it breaks off is sent before the connection
/// ends: hyper drops what is not sent yet when a body fails, with the head.
struct Answer {
    body: Body,
    broken: Option<axum::Error>,
    _running: Running,
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Some(error) = self.broken.take() {
            return Poll::Ready(Some(Err(error)));
        }
        match ready!(Pin::new(&mut self.body).poll_frame(context)) {
            Some(Err(error)) => {
                self.broken = Some(error);
                context.waker().wake_by_ref();
                Poll::Pending
            }
            frame => Poll::Ready(frame),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.broken.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Serves one connection to its end. How it ends is the client's business; there is nothing to log.
async fn converse(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    untaken: Duration,
    tasks: TaskTracker,
    mut stop: watch::Receiver<bool>,
) {
    let requests = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&requests);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let (router, tasks, running) = (router.clone(), tasks.clone(), Running::begin(&counted));
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        async move {
            let answer = if request.method().is_safe() {
                router.oneshot(request).await?
            } else {
                // On its own: a client that hangs up does not stop what it has asked for in the middle.
                let answer = tasks.spawn(router.oneshot(request)).await;
                answer.unwrap_or_else(|_| Ok(StatusCode::INTERNAL_SERVER_ERROR.into_response()))?
            };
            Ok::<_, Infallible>(answer.map(|body| Answer { body, broken: None, _running: running }))
        }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD);
    // Its clock runs only while there is something to send and the client takes nothing.
    let mut stream = TimeoutWriter::new(stream);
    stream.set_timeout(Some(untaken));
    let mut connection = pin!(http.serve_connection(TokioIo::new(Box::pin(stream)), service));
    tokio::select! {
        _ = connection.as_mut() => return,
        () = stopped(&mut stop) => connection.as_mut().graceful_shutdown(),
    }
    while timeout(FAREWELL, connection.as_mut()).await.is_err() {
        if requests.load(Ordering::Relaxed) == 0 {
            return;
        }
    }
}
