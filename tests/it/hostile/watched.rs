//! Answers that are read on their way for what they tell of usage: Fujitsu's results, short ones, which go on in one piece, and
//! long ones, which go on as they come; read by GET, and by DELETE, which books them before the client has the end.

use luna_organizations::broker::Patience;
use serde_json::{Value, json};

use super::encodings::{CODINGS, undecodable};
use super::renderings::{all, expect_clean, gzip};
use crate::support::lab::{Lab, SECRET, configuration};
use crate::support::notebook::{at, ledger};
use crate::support::upstream::{Reply, Step, Upstream, chunk};
use crate::support::wire::{Wire, ask};

const METHODS: [&str; 2] = ["GET", "DELETE"];

/// Answers from this length on, in bytes, go on as they come.
const LONG: usize = 64 * 1024;

/// What a result says that it took.
const MILLISECONDS: i64 = 7;

async fn lab() -> Lab {
    let upstream = Upstream::start(|_| Reply::silence()).await;
    let patience: Patience = configuration(&upstream).broker.patience;
    let mut configuration = at("fujitsu", &upstream.url());
    configuration.broker.patience = patience;
    Lab::of("fujitsu", "x-api-key: ", configuration, upstream).await
}

async fn submit(lab: &Lab, job: &str) {
    lab.upstream.always(Reply::json(200, &json!({"job_id": job})));
    let answer = lab.ask("POST", "da/v4/async/qubo/solve", "{}").await;
    assert_eq!(answer.status(), 200, "{answer:?}");
}

async fn result(lab: &Lab, method: &str, job: &str) -> Wire {
    // Somebody who would also take what comes behind an answer.
    let headers = format!("{}te: trailers\r\n", lab.headers(&lab.key));
    let path = lab.path(&format!("da/v4/async/jobs/result/{job}"));
    ask(&lab.app.base_url, method, &path, &headers, b"").await
}

async fn booked(lab: &Lab, job: &str) -> Option<i64> {
    ledger(&lab.app).await[job]
}

/// A result that is there, with something in it and of at least this length.
fn done(echo: &str, length: usize) -> Value {
    let timing = json!({"solve_time": MILLISECONDS.to_string()});
    json!({"echo": echo, "padding": " ".repeat(length), "qubo_solution": {"timing": timing}, "status": "Done"})
}

#[tokio::test(flavor = "multi_thread")]
async fn every_rendering_is_removed_and_the_rest_is_booked() {
    let lab = lab().await;
    for (number, (how, rendering)) in all().into_iter().enumerate() {
        let (job, echo) = (format!("job-{number}"), format!("[[{rendering}]] and more"));
        submit(&lab, &job).await;
        let running = |length| json!({"status": "Running", "padding": " ".repeat(length), "echo": echo}).to_string();
        let texts = [0, LONG].map(|length| [format!("{}{echo}", " ".repeat(length)), running(length)]);
        for (text, method) in texts.iter().flatten().flat_map(|text| METHODS.map(|method| (text, method))) {
            lab.upstream.always(Reply::with(200, "content-type: application/json\r\n", text));
            let answer = result(&lab, method, &job).await;
            expect_clean(&lab, &how, &rendering, &answer);
            assert!(answer.status() == 200 && answer.complete, "{how}: {answer:?}");
            let rest = answer.text();
            assert!(rest.contains("[[") && rest.contains("]] and more"), "the rest is there: {how}: {rest}");
        }
        assert_eq!(booked(&lab, &job).await, None, "{how}");
        lab.upstream.always(Reply::json(200, &done(&echo, number % 2 * LONG)));
        let answer = result(&lab, METHODS[number / 2 % 2], &job).await;
        expect_clean(&lab, &how, &rendering, &answer);
        assert_eq!(booked(&lab, &job).await, Some(MILLISECONDS), "{how}: {answer:?}");
    }
}

/// The pieces that are passed on are one behind those that are read.
#[tokio::test(flavor = "multi_thread")]
async fn chunks_of_any_size_hide_nothing() {
    let lab = lab().await;
    submit(&lab, "mine").await;
    let renderings = all();
    for (how, rendering) in &renderings {
        for (size, method) in [(1, "GET"), (7, "DELETE")] {
            lab.upstream.always(Reply::chunked("", format!("[[{rendering}]]").as_bytes(), size));
            let answer = result(&lab, method, "mine").await;
            expect_clean(&lab, how, rendering, &answer);
            assert!(answer.complete && answer.text().contains("]]"), "{how}: {answer:?}");
        }
    }
    let (how, rendering) = &renderings[0];
    for size in 2..SECRET.len() + 2 {
        lab.upstream.always(Reply::chunked("", rendering.as_bytes(), size));
        expect_clean(&lab, how, rendering, &result(&lab, METHODS[size % 2], "mine").await);
    }
    // A long one, cut within the credential.
    for front in 0..=SECRET.len() {
        let text = format!("{}{SECRET}{}", " ".repeat(LONG - front), " ".repeat(LONG));
        lab.upstream.always(Reply::chunked("", text.as_bytes(), LONG));
        let answer = result(&lab, METHODS[front % 2], "mine").await;
        expect_clean(&lab, "cut", SECRET, &answer);
        assert!(answer.complete && answer.body.len() > 2 * LONG - SECRET.len(), "{}", answer.head);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn codings_hide_nothing() {
    let lab = lab().await;
    for (number, (name, encode)) in CODINGS.into_iter().enumerate() {
        let (job, headers) = (format!("job-{number}"), format!("content-encoding: {name}\r\n"));
        submit(&lab, &job).await;
        for (how, rendering) in all().iter().step_by(5) {
            let text = format!("[[{rendering}]] and more");
            let body = encode(text.as_bytes());
            for (reply, method) in [
                (Reply::with(200, &headers, &body), "GET"),
                (Reply::chunked(&headers, &body, 5), "GET"),
                (Reply::with(200, &headers, &body), "DELETE"),
                (Reply::chunked(&headers, &body, 5), "DELETE"),
            ] {
                lab.upstream.always(reply);
                let answer = result(&lab, method, &job).await;
                assert!(answer.status() == 200 && answer.complete, "{how} in {name}: {answer:?}");
                assert!(answer.text().contains("]] and more"), "it is decoded: {how} in {name}: {answer:?}");
                assert_eq!(answer.header("content-encoding"), "", "{answer:?}");
                expect_clean(&lab, &format!("{how} in {name}"), rendering, &answer);
            }
        }
        assert_eq!(booked(&lab, &job).await, None, "{name}");
        let body = encode(done(SECRET, number % 2 * LONG).to_string().as_bytes());
        lab.upstream.always(Reply::with(200, &headers, &body));
        expect_clean(&lab, name, SECRET, &result(&lab, "DELETE", &job).await);
        assert_eq!(booked(&lab, &job).await, Some(MILLISECONDS), "what it says is read: {name}");
    }
}

/// What cannot be decoded is neither passed on nor booked.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_decoded_does_not_go_through() {
    let lab = lab().await;
    submit(&lab, "mine").await;
    for (how, coding, body) in undecodable(done(SECRET, 0).to_string().as_bytes()) {
        lab.upstream.always(Reply::with(200, &format!("content-encoding: {coding}\r\n"), body));
        for (method, status) in [("GET", 502), ("DELETE", 424)] {
            let answer = result(&lab, method, "mine").await;
            expect_clean(&lab, how, SECRET, &answer);
            assert!(answer.status() == status || !answer.complete, "{how}: nobody takes it for whole: {answer:?}");
        }
        assert_eq!(booked(&lab, "mine").await, None, "{how}");
    }
}

/// A result that would be whole, in an answer that is not: it does not end well for the client, and nothing is booked.
#[tokio::test(flavor = "multi_thread")]
async fn half_an_answer_is_not_taken_for_a_whole_one() {
    let lab = lab().await;
    submit(&lab, "mine").await;
    for length in [0, LONG] {
        let text = done(SECRET, length).to_string();
        let head = |length: usize| format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{text}");
        let chunks = [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", &*chunk(text.as_bytes())].concat();
        let coded = gzip(text.as_bytes());
        let coding = format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", coded.len());
        let replies = [
            Reply::raw(head(text.len() + 1)).close(),
            Reply::raw(head(text.len() + 1)).then(Step::Reset),
            Reply::raw(head(text.len() + LONG)).close(),
            Reply::raw(head(usize::MAX)).close(),
            Reply::raw(head(text.len() + 1)).then(Step::Wait(std::time::Duration::from_secs(5))),
            Reply::raw(chunks.clone()).close(),
            Reply::raw(chunks.clone()).then(Step::Reset),
            Reply::raw(chunks.clone()).then_send(format!("xyz\r\n{SECRET}")).close(),
            Reply::raw(chunks.clone()).then_send(format!("-1\r\n{SECRET}")).close(),
            Reply::raw(chunks.clone()).then_send("0\r\n").close(),
            Reply::raw(chunks).then_send(format!("0\r\nx-token: {SECRET}")).close(),
            Reply::raw([coding.as_bytes(), &coded[..coded.len() - 4]].concat()).close(),
        ];
        for (number, reply) in replies.into_iter().enumerate() {
            lab.upstream.always(reply);
            for (method, status) in [("GET", 502), ("DELETE", 424)] {
                let answer = result(&lab, method, "mine").await;
                expect_clean(&lab, "half", SECRET, &answer);
                assert!(answer.status() == status || !answer.complete, "{number}: {method}: {answer:?}");
                assert_eq!(booked(&lab, "mine").await, None, "{number}: {method}");
            }
        }
        // Too short a length cuts what is told, and the rest is in nobody's answer.
        lab.upstream.always(Reply::raw(head(text.len() - 1)));
        for method in METHODS {
            let answer = result(&lab, method, "mine").await;
            expect_clean(&lab, "cut", SECRET, &answer);
            assert!(answer.complete && answer.text().ends_with(r#""status":"Done""#), "{answer:?}");
            assert_eq!(booked(&lab, "mine").await, None);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn trailers_stay_behind() {
    let lab = lab().await;
    submit(&lab, "mine").await;
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-token, etag\r\n\r\n";
    for (number, (how, rendering)) in all().into_iter().enumerate() {
        let text = format!("{}[]", " ".repeat(number % 2 * LONG));
        let end = format!("0\r\nx-token: {rendering}\r\netag: {rendering}\r\n\r\n");
        lab.upstream.always(Reply::raw(head).then_send(chunk(text.as_bytes())).then_send(end));
        for method in METHODS {
            let answer = result(&lab, method, "mine").await;
            assert!(answer.complete && answer.body == text.as_bytes(), "{how}: {answer:?}");
            expect_clean(&lab, &how, &rendering, &answer);
        }
    }
}
