//! A provider that a test makes up: answers by a function, and remembers what it was asked.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, Method, Response};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A request as it came in.
#[derive(Clone)]
pub struct Seen {
    pub method: Method,
    /// Path and query.
    pub target: String,
    pub headers: HeaderMap,
    pub body: String,
}

impl Seen {
    pub fn is(&self, method: &str, target: &str) -> bool {
        self.method == method && self.target == target
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

/// A running provider.
pub struct Upstream {
    pub url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    server: JoinHandle<()>,
}

impl Upstream {
    /// Answers with the status and JSON that `answer` gives (`null`: no content), each after a moment.
    pub async fn start(answer: impl Fn(&Seen) -> (u16, Value) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let (log, answer) = (Arc::clone(&seen), Arc::new(answer));
        let serve = move |request: Request| {
            let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
            async move {
                let (parts, body) = request.into_parts();
                let body = to_bytes(body, usize::MAX).await.unwrap();
                let body = String::from_utf8_lossy(&body).into_owned();
                let request =
                    Seen { method: parts.method, target: parts.uri.to_string(), headers: parts.headers, body };
                let (status, value) = answer(&request);
                log.lock().unwrap().push(request);
                tokio::time::sleep(Duration::from_millis(20)).await;
                let response = Response::builder().status(status).header("content-type", "application/json");
                let body = if value.is_null() { Body::empty() } else { Body::from(value.to_string()) };
                response.body(body).unwrap()
            }
        };
        let router = axum::Router::new().fallback(serve);
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, seen, server }
    }

    /// What has come in so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// How many requests of a kind have come in.
    pub fn count(&self, method: &str, target: &str) -> usize {
        self.seen().iter().filter(|request| request.is(method, target)).count()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.server.abort();
    }
}
