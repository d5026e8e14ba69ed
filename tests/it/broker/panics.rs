//! A fault of our own on the way of a request: where something may have been done, a status that nobody repeats.

use std::sync::Arc;

use bytes::Bytes;
use chrono::TimeDelta;
use http::{Response, StatusCode};
use luna_organizations::authentication::{Passes, SigningKey, UseKey};
use luna_organizations::broker::{
    Adapter, AllowList, Broker, Caller, Content, Denial, Head, Learned, Operation, Outgoing, Reachable, Secrets,
};
use luna_organizations::cli::service;
use luna_organizations::http::{self as service_http, AppState, Shared};
use luna_organizations::server::Server;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::support::lab::{Lab, configuration, expect_error};
use crate::support::upstream::Reply;
use crate::support::wire::{Wire, ask};

/// An adapter that fails at one point.
struct Faulty {
    sound: Arc<dyn Adapter>,
    at: Point,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Point {
    BeforeItIsSent,
    InTheAnswer,
}

impl Faulty {
    fn reach(&self, point: Point) {
        assert!(self.at != point, "as a fault of ours would");
    }
}

impl Adapter for Faulty {
    fn key(&self, head: &Head<'_>) -> Option<Result<UseKey, Denial>> {
        self.sound.key(head)
    }

    fn allowed(&self) -> &AllowList {
        self.sound.allowed()
    }

    fn prepare(&self, operation: &mut Operation, caller: &Caller, content: &mut Content) -> Result<(), Denial> {
        self.reach(Point::BeforeItIsSent);
        self.sound.prepare(operation, caller, content)
    }

    fn base(&self, operation: &Operation) -> &str {
        self.sound.base(operation)
    }

    fn inject(&self, operation: &Operation, outgoing: &mut Outgoing, secrets: &Secrets<'_>) -> Option<()> {
        self.sound.inject(operation, outgoing, secrets)
    }

    fn learn(&self, operation: &Operation, status: StatusCode, answer: &mut Value) -> Learned {
        self.reach(Point::InTheAnswer);
        self.sound.learn(operation, status, answer)
    }

    fn deny(&self, head: &Head<'_>, denial: &Denial) -> Response<Bytes> {
        self.sound.deny(head, denial)
    }

    fn addresses(&self) -> Vec<(String, String)> {
        self.sound.addresses()
    }
}

/// The lab's service once more, with this fault in it.
async fn faulty(lab: &Lab, at: Point) -> String {
    let configuration = configuration(&lab.upstream);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let sound = service::state(&configuration, lab.app.repository.clone(), address).await.unwrap();
    let passes = Passes::new("x", &SigningKey::generate().unwrap(), &[], lab.app.clock.clone()).unwrap();
    let mut reachable = configuration.reachable(&Arc::new(passes)).unwrap();
    for provider in reachable.values_mut() {
        let Reachable { adapter, .. } = provider;
        *adapter = Arc::new(Faulty { sound: Arc::clone(adapter), at });
    }
    let patience = configuration.broker.patience;
    let broker = Broker::new(lab.app.repository.clone(), reachable, TimeDelta::seconds(1), patience);
    let state = AppState::new(Shared {
        repository: lab.app.repository.clone(),
        access_tokens: Arc::clone(&sound.access_tokens),
        passwords: Arc::clone(&sound.passwords),
        broker: Arc::new(broker),
        settings: Arc::clone(&sound.settings),
    });
    let mut server = Server::new(configuration.limits(), state.broker.tasks().clone());
    server.serve(listener, service_http::router(state));
    std::mem::forget(server);
    format!("http://{address}")
}

async fn at(lab: &Lab, place: &str, method: &str, below: &str, body: &[u8]) -> Wire {
    ask(place, method, &lab.path(below), &format!("x-auth-token: {}\r\n", lab.key), body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_submits_again_after_a_panic() {
    let lab = Lab::start(|_| Reply::json(200, &json!([{"id": "mine"}]))).await;
    lab.submit(&lab.key).await;
    let place = faulty(&lab, Point::InTheAnswer).await;
    let submitted = at(&lab, &place, "POST", "problems/", b"[{},{}]").await;
    expect_error(&submitted, 424, "internal");
    assert!(submitted.text().contains("is not known"), "{submitted:?}");
    assert_eq!(lab.upstream.count("POST", "problems"), 2, "it was sent");
    lab.expect_nothing_reserved().await;
    lab.upstream.always(Reply::json(200, &json!({"id": "mine", "status": "PENDING"})));
    expect_error(&at(&lab, &place, "GET", "problems/mine/", b"").await, 500, "internal");
    // The next one is served as if nothing had been.
    assert_eq!(at(&lab, &place, "GET", "solvers/remote/", b"").await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_never_sent_is_told_so() {
    let lab = Lab::start(|_| Reply::json(200, &json!([{"id": "mine"}]))).await;
    let place = faulty(&lab, Point::BeforeItIsSent).await;
    let submitted = at(&lab, &place, "POST", "problems/", b"[{}]").await;
    expect_error(&submitted, 500, "internal");
    assert!(!submitted.text().contains("is not known"), "{submitted:?}");
    assert_eq!(lab.upstream.seen().len(), 0);
    assert!(lab.states().await.is_empty());
}
