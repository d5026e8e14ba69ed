//! Answers that are too much: too long, too deep, too many values, too well compressed.

use std::time::Duration;

use luna_organizations::broker::Patience;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::renderings::gzip;
use crate::support::deployment::Deployment;
use crate::support::installation::Installation;
use crate::support::lab::{Lab, SECRET, configuration, expect_error};
use crate::support::upstream::{Reply, Step, Upstream, chunk};
use crate::support::wire::ask;

const MEGABYTE: u64 = 1024 * 1024;

/// Most memory that the service may ever have taken, in kilobytes.
const MEMORY: u64 = 150 * 1024;

fn ok(length: u64) -> Reply {
    Reply::raw(format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n"))
}

async fn lab() -> Lab {
    let lab = Lab::start(|_| Reply::json(200, &json!([{"id": "mine"}]))).await;
    assert_eq!(lab.submit(&lab.key).await, "mine");
    lab
}

/// 100 MB where answers are looked into: an error. What is passed on as it comes is below.
#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_megabytes() {
    let upstream = Upstream::start(|_| Reply::json(200, &json!([{"id": "mine"}]))).await;
    let mut configuration = configuration(&upstream);
    // It is the length that ends them, and not the time, however busy the machine is.
    configuration.broker.patience.whole = Duration::from_mins(2);
    let lab = Lab::with(configuration, upstream).await;
    assert_eq!(lab.submit(&lab.key).await, "mine");
    let length = 100 * MEGABYTE;
    lab.upstream.always(ok(length).then(Step::Fill(length)));
    expect_error(&lab.ask("GET", "problems/mine/", "").await, 502, "provider_not_understood");
    expect_error(&lab.ask("POST", "problems/", "[{}]").await, 424, "submission_not_named");
    let without_end = Reply::raw("HTTP/1.1 200 OK\r\n\r\n").then(Step::Fill(length)).close();
    lab.upstream.always(without_end);
    expect_error(&lab.ask("GET", "problems/mine/", "").await, 502, "provider_not_understood");
    assert_eq!(lab.states().await, ["open", "settled"], "what was taken counts, and nothing stays reserved");
}

/// A hundred chunks with the credential in each, or in what two of them share: cut at each of its bytes, whole, and byte by byte. And
/// what it becomes.
fn a_hundred_chunks() -> (Reply, Vec<u8>) {
    let filler: Vec<u8> = b"zyxwvutsrqponml 9876543210\n".iter().copied().cycle().take(1024 * 1024).collect();
    let mut reply =
        Reply::raw("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n");
    let (mut cleaned, mut back) = (Vec::new(), "");
    for number in 0..100 {
        let (front, rest) = SECRET.split_at(number % (SECRET.len() + 1));
        reply = reply.then_send(chunk(&[back.as_bytes(), &filler, front.as_bytes()].concat()));
        cleaned.extend_from_slice(&filler);
        cleaned.extend_from_slice(b"[removed]");
        back = rest;
        if number % 10 == 0 {
            let bytes = back.bytes().map(|byte| Step::Send(chunk(&[byte])));
            reply = bytes.fold(reply, Reply::then);
            back = "";
        }
    }
    // The last credential ends with the answer.
    if !back.is_empty() {
        reply = reply.then_send(chunk(back.as_bytes()));
    }
    (reply.then_send("0\r\n\r\n"), cleaned)
}

/// What is passed on as it comes, through the program itself: it is held nowhere, the credential is gone from every place, and all
/// else is there.
#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_megabytes_stream_without_the_credential() {
    let (reply, cleaned) = a_hundred_chunks();
    let mine = Reply::json(200, &json!([{"id": "mine"}]));
    let upstream = Upstream::start(move |seen| if seen.method == "POST" { mine.clone() } else { reply.clone() }).await;
    let installation = Installation::new().await;
    let service = Deployment::of_dwave(&installation, &upstream).await;
    assert_eq!(service.ask("POST", "problems/", "[{}]").await.status(), 200);
    let answer = service.ask("GET", "problems/mine/answer/data", "").await;
    assert_eq!((answer.status(), answer.complete), (200, true), "{}", answer.head);
    assert!(answer.body == cleaned, "{} bytes of {}", answer.body.len(), cleaned.len());
    let memory = service.process.peak_memory();
    assert!(cleaned.len() as u64 > 100 * MEGABYTE && memory < MEMORY, "{memory} kB");
    service.process.stop().await;
}

/// A tenth of a megabyte that becomes a hundred.
#[tokio::test(flavor = "multi_thread")]
async fn bombs_do_not_go_off() {
    let lab = lab().await;
    let bomb = gzip(&vec![b' '; 100 * 1024 * 1024]);
    assert!(bomb.len() < 200_000);
    lab.upstream.always(Reply::with(200, "content-encoding: gzip\r\n", &bomb));
    expect_error(&lab.ask("GET", "problems/mine/", "").await, 502, "provider_not_understood");
    expect_error(&lab.ask("POST", "problems/", "[{}]").await, 424, "submission_not_named");
    // The same from a member.
    let headers = format!("x-auth-token: {}\r\ncontent-encoding: gzip\r\n", lab.key);
    let answer = ask(&lab.app.base_url, "POST", &lab.path("problems/"), &headers, &bomb).await;
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
        // What was taken counts: it is our own bounds that hide its id.
        expect_error(&lab.ask("POST", "problems/", "[{}]").await, 424, "submission_not_named");
        let before = lab.upstream.seen().len();
        expect_error(&lab.ask("POST", "problems/", &body).await, 400, "invalid_request");
        assert_eq!(lab.upstream.seen().len(), before, "nothing was sent");
    }
    let jobs = lab.jobs().await;
    assert_eq!(jobs[jobs.len() - 2..], vec![("settled".to_owned(), 100, Some(100)); 2]);
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
