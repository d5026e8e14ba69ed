//! Answers that are too much: too long, too deep, too many values, too well compressed.

use serde_json::json;

use super::renderings::gzip;
use crate::support::lab::{Lab, expect_error};
use crate::support::upstream::{Reply, Step};

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
