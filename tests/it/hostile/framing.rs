//! Lies about lengths, and connections that end in the wrong places.

use std::time::Duration;

use serde_json::json;

use super::renderings::expect_clean;
use crate::support::lab::{Lab, SECRET, expect_error};
use crate::support::upstream::{Reply, Step};

async fn lab() -> Lab {
    let lab = Lab::start(|_| Reply::json(200, &json!([{"id": "mine"}]))).await;
    assert_eq!(lab.submit(&lab.key).await, "mine");
    lab
}

/// Streamed answers end visibly too early; answers that are read as a whole are errors.
#[tokio::test(flavor = "multi_thread")]
async fn half_an_answer_is_not_taken_for_a_whole_one() {
    let lab = lab().await;
    let ok = "HTTP/1.1 200 OK\r\n";
    let replies = [
        Reply::raw(format!("{ok}content-length: 100\r\n\r\n[]{SECRET}")).close(),
        Reply::raw(format!("{ok}content-length: 200000\r\n\r\n[]{SECRET}")).close(),
        Reply::raw(format!("{ok}content-length: 100\r\n\r\n[]{SECRET}")).then(Step::Reset),
        Reply::raw(format!("{ok}content-length: 18446744073709551615\r\n\r\n[]{SECRET}")).close(),
        Reply::raw(format!("{ok}transfer-encoding: chunked\r\n\r\n40\r\n[]{SECRET}")).close(),
        Reply::raw(format!("{ok}transfer-encoding: chunked\r\n\r\n2\r\n[]\r\n")).close(),
        Reply::raw(format!("{ok}transfer-encoding: chunked\r\n\r\n2\r\n[]\r\nxyz\r\n{SECRET}")).close(),
        Reply::raw(format!("{ok}transfer-encoding: chunked\r\n\r\n2\r\n[]{SECRET}\r\n0\r\n\r\n")).close(),
        Reply::raw(format!("{ok}transfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n[]{SECRET}")).close(),
        Reply::raw(format!("{ok}transfer-encoding: chunked\r\n\r\n-2\r\n[]{SECRET}")).close(),
    ];
    for (number, reply) in replies.into_iter().enumerate() {
        lab.upstream.always(reply);
        let streamed = lab.ask("GET", "solvers/remote/", "").await;
        let read = lab.ask("GET", "problems/mine/", "").await;
        for answer in [streamed, read] {
            assert!(!answer.complete || answer.status() == 502, "{number}: {answer:?}");
            expect_clean(&lab, "half", SECRET, &answer);
        }
        for (method, path, status) in [("GET", "problems/mine/info", 502), ("POST", "problems/", 424)] {
            let answer = lab.ask(method, path, if method == "POST" { "{}" } else { "" }).await;
            // Some lies show in the head already.
            let code = answer.header("luna-error").to_owned();
            assert!(["provider_broke_off", "provider_not_understood"].contains(&code.as_str()), "{number}: {answer:?}");
            expect_error(&answer, status, &code);
        }
    }
    lab.expect_nothing_reserved().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn contradictions_are_no_answers() {
    let lab = lab().await;
    let ok = "HTTP/1.1 200 OK\r\n";
    for headers in [
        "content-length: 2\r\ncontent-length: 3\r\n",
        "content-length: -1\r\n",
        "content-length: 2, 3\r\n",
        "content-length: +2\r\n",
        "content-length: 99999999999999999999999\r\n",
    ] {
        lab.upstream.always(Reply::raw(format!("{ok}{headers}\r\n[]{SECRET}")).close());
        expect_error(&lab.ask("GET", "solvers/remote/", "").await, 502, "provider_broke_off");
        expect_error(&lab.ask("POST", "problems/", "{}").await, 424, "provider_broke_off");
    }
    // Chunks win over a length, as RFC 9112 has it.
    lab.upstream
        .always(Reply::raw(format!("{ok}content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n")));
    let answer = lab.ask("GET", "solvers/remote/", "").await;
    assert_eq!((answer.status(), &*answer.body), (200, b"[]".as_slice()), "{answer:?}");
}

/// More than was announced goes nowhere: not to the member, and not into the answer to whoever asks next.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_behind_an_answer_is_thrown_away() {
    let lab = lab().await;
    let more = format!("HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{SECRET}      ");
    for pause in [0, 30] {
        lab.upstream.script({
            let more = more.clone();
            move |seen| {
                if !seen.target.contains("first") {
                    return Reply::with(200, "", "[2]");
                }
                Reply::with(200, "", "[1]").then(Step::Wait(Duration::from_millis(pause))).then_send(more.clone())
            }
        });
        for _ in 0..10 {
            let first = lab.ask("GET", "solvers/remote/first", "").await;
            assert_eq!(&*first.body, b"[1]", "{first:?}");
            expect_clean(&lab, "more", SECRET, &first);
            tokio::time::sleep(Duration::from_millis(2 * pause)).await;
            let second = lab.ask("GET", "solvers/remote/second", "").await;
            assert_eq!(&*second.body, b"[2]", "{second:?}");
        }
    }
}

/// An answer that says when it ends by closing is whole; one that is cut is not.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_may_end_with_its_connection() {
    let lab = lab().await;
    for version in ["1.0", "1.1"] {
        lab.upstream.always(Reply::raw(format!("HTTP/{version} 200 OK\r\n\r\n[{{\"id\": \"mine\"}}]")).close());
        for path in ["solvers/remote/", "problems/mine/", "problems/"] {
            let answer = lab.ask("GET", path, "").await;
            assert!(answer.status() == 200 && answer.complete, "{answer:?}");
            assert_eq!(answer.json(), json!([{"id": "mine"}]), "{answer:?}");
        }
        lab.upstream.always(Reply::raw(format!("HTTP/{version} 200 OK\r\n\r\n[{{\"id\":")).then(Step::Reset));
        let answer = lab.ask("GET", "solvers/remote/", "").await;
        assert!(!answer.complete || answer.status() == 502, "{answer:?}");
    }
}

/// Answers that have no body, also if they say that they have one.
#[tokio::test(flavor = "multi_thread")]
async fn answers_without_a_body() {
    let lab = lab().await;
    let headers = "content-encoding: gzip\r\netag: \"1\"\r\n";
    for (status, length) in [(204, ""), (304, ""), (304, "content-length: 500\r\n"), (205, "content-length: 0\r\n")] {
        lab.upstream.always(Reply::raw(format!("HTTP/1.1 {status} No\r\n{headers}{length}\r\n")));
        for path in ["solvers/remote/", "problems/mine/", "problems/mine/info"] {
            let answer = lab.ask("GET", path, "").await;
            assert_eq!((answer.status(), &*answer.body), (status, b"".as_slice()), "{answer:?}");
            assert!(!answer.head.contains("content-length: 500"), "{answer:?}");
        }
        // What has no body names nothing that was made.
        let answer = lab.ask("POST", "problems/", "{}").await;
        assert_eq!(answer.status(), if status < 300 { 424 } else { status }, "{answer:?}");
    }
    lab.upstream.always(Reply::with(200, "", ""));
    expect_error(&lab.ask("GET", "problems/", "").await, 502, "provider_not_understood");
    assert_eq!(lab.states().await, ["expired", "expired", "open", "settled", "settled"]);
}

/// A connection that the provider has closed in the meantime is not the member's business, and nothing is sent twice.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_twice() {
    let lab = lab().await;
    for _ in 0..10 {
        lab.upstream.always(Reply::json(200, &json!([])).close());
        assert_eq!(lab.ask("GET", "solvers/remote/", "").await.status(), 200);
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert_eq!(lab.ask("GET", "solvers/remote/", "").await.status(), 200);
    }
    // The connection is kept, and dies when it is used again: who knows what was done?
    lab.upstream.always(Reply::json(200, &json!([{"id": "other"}])));
    assert_eq!(lab.ask("GET", "solvers/remote/", "").await.status(), 200);
    let (before, submitted) = (lab.upstream.connections(), lab.upstream.count("POST", "problems"));
    lab.upstream.always(Reply::raw("").then(Step::Reset));
    expect_error(&lab.ask("POST", "problems/", "{}").await, 424, "provider_broke_off");
    assert_eq!(lab.upstream.connections(), before, "the kept connection was used");
    assert_eq!(lab.upstream.count("POST", "problems"), submitted + 1);
}
