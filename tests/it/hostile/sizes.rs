//! Answers that are too much: too long, too deep, too many values, too well compressed.

use std::time::Duration;

use luna_organizations::broker::Patience;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::renderings::gzip;
use crate::support::lab::{Lab, configuration, expect_error};
use crate::support::upstream::{Reply, Step, Upstream};

const MEGABYTE: u64 = 1024 * 1024;

fn ok(length: u64) -> Reply {
    Reply::raw(format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n"))
}

async fn lab() -> Lab {
    let lab = Lab::start(|_| Reply::json(200, &json!([{"id": "mine"}]))).await;
    assert_eq!(lab.submit(&lab.key).await, "mine");
    lab
}

/// 100 MB: passed on where answers are passed on, an error where they are looked into.
#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_megabytes() {
    let lab = lab().await;
    let length = 100 * MEGABYTE;
    lab.upstream.always(ok(length).then(Step::Fill(length)));
    expect_error(&lab.ask("GET", "problems/mine/", "").await, 502, "provider_not_understood");
    expect_error(&lab.ask("POST", "problems/", "[{}]").await, 424, "provider_not_understood");
    let without_end = Reply::raw("HTTP/1.1 200 OK\r\n\r\n").then(Step::Fill(length)).close();
    lab.upstream.always(without_end);
    expect_error(&lab.ask("GET", "problems/mine/", "").await, 502, "provider_not_understood");
    lab.expect_nothing_reserved().await;
}

/// A megabyte that becomes a gigabyte.
#[tokio::test(flavor = "multi_thread")]
async fn bombs_do_not_go_off() {
    let lab = lab().await;
    let bomb = gzip(&vec![b' '; 100 * 1024 * 1024]);
    assert!(bomb.len() < 200_000);
    lab.upstream.always(Reply::with(200, "content-encoding: gzip\r\n", &bomb));
    expect_error(&lab.ask("GET", "problems/mine/", "").await, 502, "provider_not_understood");
    expect_error(&lab.ask("POST", "problems/", "[{}]").await, 424, "provider_not_understood");
    // The same from a member.
    let headers = format!("x-auth-token: {}\r\ncontent-encoding: gzip\r\n", lab.key);
    let answer = crate::support::wire::ask(&lab.app.base_url, "POST", &lab.path("problems/"), &headers, &bomb).await;
    expect_error(&answer, 400, "invalid_request");
}

/// Few bytes, many values: each takes many times its text.
#[tokio::test(flavor = "multi_thread")]
async fn too_many_values_are_not_read() {
    let lab = lab().await;
    let values = format!("[{}0]", "0,".repeat(3_000_000));
    let deep = "[".repeat(1_000_000);
    for body in [values, deep] {
        lab.upstream.always(Reply::with(200, "content-type: application/json\r\n", &body));
        let answer = lab.ask("GET", "problems/", "").await;
        expect_error(&answer, 502, "provider_not_understood");
        let before = lab.upstream.seen().len();
        expect_error(&lab.ask("POST", "problems/", &body).await, 400, "invalid_request");
        assert_eq!(lab.upstream.seen().len(), before, "nothing was sent");
    }
}

/// What is too large for everybody to hold at once is held until its reader has it: who does not read waits for oneself.
#[tokio::test(flavor = "multi_thread")]
async fn slow_readers_hold_their_own_room_only() {
    let upstream = Upstream::start(|_| Reply::json(200, &json!([{"id": "mine"}]))).await;
    let mut configuration = configuration(&upstream);
    // 32 MB take their time where much else runs.
    configuration.broker.patience = Patience { room: Duration::from_mins(5), ..Patience::default() };
    let lab = Lab::with(configuration, upstream).await;
    assert_eq!(lab.submit(&lab.key).await, "mine");
    let (_, bobs_key) = lab.somebody(&lab.app.root, "bob").await;
    // More than the system's buffers take.
    let list = json!([{"id": "mine", "padding": "x".repeat(32 * 1024 * 1024)}, {"id": "bobs"}]);
    lab.upstream.always(Reply::json(200, &list));
    let ask = async |key: &str| {
        let mut stream = TcpStream::connect(lab.app.base_url.strip_prefix("http://").unwrap()).await.unwrap();
        let path = lab.path("problems/");
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nx-auth-token: {key}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    };
    let mut start = [0; 12];
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut stream = ask(&lab.key).await;
        stream.read_exact(&mut start).await.unwrap();
        assert_eq!(&start, b"HTTP/1.1 200");
        held.push(stream);
    }
    let mut third = ask(&lab.key).await;
    let early = timeout(Duration::from_secs(3), third.read_exact(&mut start)).await;
    assert!(early.is_err(), "two are held already: {}", String::from_utf8_lossy(&start));
    // Somebody else is not held up.
    let bobs = timeout(Duration::from_mins(2), lab.ask_with(&bobs_key, "GET", "problems/", "")).await.unwrap();
    assert_eq!((bobs.status(), bobs.json()), (200, json!([])));
    let mut rest = Vec::new();
    timeout(Duration::from_mins(2), held.pop().unwrap().read_to_end(&mut rest)).await.expect("it comes").unwrap();
    assert!(rest.len() > 32 * 1024 * 1024);
    timeout(Duration::from_mins(2), third.read_exact(&mut start)).await.expect("its turn has come").unwrap();
    assert_eq!(&start, b"HTTP/1.1 200");
}
