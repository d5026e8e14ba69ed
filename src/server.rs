//! Listeners, and how they end: no new requests, the running ones finish, then everything closes.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How long running requests may take to end once the service stops.
const GRACE: Duration = Duration::from_secs(30);

/// A running server.
pub struct Server {
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<std::io::Result<()>>>,
}

impl Server {
    /// No listeners yet.
    #[must_use]
    pub fn new() -> Self {
        Self { stop: watch::Sender::new(false), tasks: Vec::new() }
    }

    /// Serves the router on this listener.
    pub fn serve(&mut self, listener: TcpListener, router: Router) {
        let mut stop = self.stop.subscribe();
        let stopped = async move {
            // An error says that the server is gone, and so is the reason to go on.
            let _ = stop.wait_for(|stop| *stop).await;
        };
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        self.tasks.push(tokio::spawn(axum::serve(listener, service).with_graceful_shutdown(stopped).into_future()));
    }

    /// Takes no new requests and waits for the running ones, up to half a minute.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        for task in self.tasks {
            let abort = task.abort_handle();
            if tokio::time::timeout(GRACE, task).await.is_err() {
                tracing::warn!("requests were still running after {GRACE:?} and have been ended");
                abort.abort();
            }
        }
    }
}

impl Default for Server {
    fn default() -> Self {
        Self::new()
    }
}
