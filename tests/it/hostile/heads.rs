//! The credential in all that is not a body: status line, headers, cookies, informational answers, trailers.

use std::fmt::Write as _;

use serde_json::json;

use super::renderings::{all, expect_clean};
use crate::support::lab::{Lab, SECRET, expect_error};
use crate::support::upstream::{Reply, chunk};

/// What a member may get to see of an answer's head; the service's own headers last.
const KNOWN: [&str; 20] = [
    "accept-ranges",
    "cache-control",
    "content-disposition",
    "content-language",
    "content-range",
    "content-type",
    "etag",
    "expires",
    "last-modified",
    "location",
    "retry-after",
    "connection",
    "content-length",
    "content-security-policy",
    "date",
    "referrer-policy",
    "transfer-encoding",
    "x-content-type-options",
    "x-frame-options",
    "x-request-id",
];

async fn lab() -> Lab {
    let lab = Lab::start(|_| Reply::json(200, &json!([{"id": "mine"}]))).await;
    assert_eq!(lab.submit(&lab.key).await, "mine");
    lab
}

#[tokio::test(flavor = "multi_thread")]
async fn every_rendering_is_removed_from_every_header() {
    let lab = lab().await;
    for (how, rendering) in all() {
        let mut headers = String::new();
        for name in KNOWN.iter().take(11).filter(|name| **name != "location") {
            write!(headers, "{name}: a {rendering} z\r\n").unwrap();
        }
        write!(headers, "location: problems/{rendering}\r\nset-cookie: session={rendering}\r\n").unwrap();
        write!(headers, "x-auth-token: {rendering}\r\nwww-authenticate: {rendering}\r\nlink: <{rendering}>\r\n")
            .unwrap();
        write!(headers, "server: {rendering}\r\nx-{}: 1\r\n", data_encoding::HEXLOWER.encode(SECRET.as_bytes()))
            .unwrap();
        for status in [200, 201, 404, 429, 503] {
            lab.upstream.always(Reply::with(status, &headers, "{}"));
            let answer = lab.ask("GET", "problems/mine/", "").await;
            assert_eq!(answer.status(), status, "{how}: {answer:?}");
            expect_clean(&lab, &how, &rendering, &answer);
            for (name, _) in answer.head.lines().filter_map(|line| line.split_once(':')) {
                assert!(KNOWN.contains(&name.to_ascii_lowercase().as_str()), "{name} in {answer:?}");
            }
        }
    }
    let answer = lab.ask("GET", "problems/mine/", "").await;
    assert!(answer.header("content-disposition").ends_with(" z"), "what is harmless stays: {answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_line_says_what_the_status_means() {
    let lab = lab().await;
    for (how, rendering) in all() {
        lab.upstream.always(Reply::raw(format!("HTTP/1.1 200 {rendering}\r\ncontent-length: 2\r\n\r\n{{}}")));
        let answer = lab.ask("GET", "problems/mine/", "").await;
        assert!(answer.head.starts_with("HTTP/1.1 200 OK\r\n"), "{answer:?}");
        expect_clean(&lab, &how, &rendering, &answer);
    }
}

/// What comes before the answer, and what comes behind it.
#[tokio::test(flavor = "multi_thread")]
async fn informational_answers_and_trailers_stay_behind() {
    const MINE: &[u8] = br#"{"id":"mine"}"#;
    let lab = lab().await;
    let good = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
    let hints = format!("HTTP/1.1 103 {SECRET}\r\nlink: <{SECRET}>\r\nset-cookie: {SECRET}\r\n\r\n{good}");
    let many = format!("{}{good}", format!("HTTP/1.1 102 Processing\r\nx-token: {SECRET}\r\n\r\n").repeat(20));
    let continued = format!("HTTP/1.1 100 Continue\r\nx-token: {SECRET}\r\n\r\n{good}");
    for early in [hints, many, continued] {
        lab.upstream.always(Reply::raw(early));
        let answer = lab.ask("GET", "problems/mine/", "").await;
        assert_eq!((answer.status(), &*answer.body), (200, b"{}".as_slice()), "{answer:?}");
        assert_eq!(answer.head.matches("HTTP/1.1").count(), 1, "{answer:?}");
        expect_clean(&lab, "informational", SECRET, &answer);
    }
    for (how, rendering) in all() {
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-token, etag\r\n\r\n";
        let end = format!("0\r\nx-token: {rendering}\r\netag: {rendering}\r\n\r\n");
        lab.upstream.always(Reply::raw(head).then_send(chunk(MINE)).then_send(end));
        for (method, path, body) in
            [("GET", "problems/mine/", ""), ("GET", "problems/mine/info", ""), ("POST", "problems/", "{}")]
        {
            let answer = lab.ask(method, path, body).await;
            assert_eq!(&*answer.body, MINE, "{how}: {answer:?}");
            expect_clean(&lab, &how, &rendering, &answer);
        }
    }
}

/// Nobody has asked to switch protocols, and answers without a meaning are none.
#[tokio::test(flavor = "multi_thread")]
async fn answers_that_are_none_are_refused() {
    let lab = lab().await;
    let length = "content-length: 0\r\n\r\n";
    let replies = [
        format!("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n{SECRET}"),
        format!("HTTP/1.1 099 Low\r\n{length}"),
        format!("HTTP/1.1 1000 High\r\n{length}"),
        format!("HTTP/1.1 OK\r\n{length}"),
        format!("HTTP/2 200\r\n{length}"),
        format!("HTTP/1.1 200 OK\r\n{SECRET}\r\n{length}"),
        format!("HTTP/1.1 200 OK\r\nx-a: b\r\n folded: {SECRET}\0\r\n{length}"),
        format!("HTTP/1.1 200 OK\r\nbad name: {SECRET}\r\n{length}"),
        format!("{SECRET}\r\n\r\n"),
        "SSH-2.0-OpenSSH_9.9\r\n".to_owned(),
        "\0\0\0\0\r\n\r\n".to_owned(),
        "{}\r\n\r\n".to_owned(),
    ];
    for reply in replies {
        lab.upstream.always(Reply::raw(reply.clone()).close());
        let answer = lab.ask("GET", "problems/mine/", "").await;
        expect_clean(&lab, "malformed", SECRET, &answer);
        expect_error(&answer, 502, "provider_broke_off");
        let answer = lab.ask("POST", "problems/", "{}").await;
        expect_clean(&lab, "malformed", SECRET, &answer);
        expect_error(&answer, 424, "provider_broke_off");
    }
    lab.expect_nothing_reserved().await;
}

/// Statuses that HTTP does not know are passed on; whoever gets them knows their hundreds.
#[tokio::test(flavor = "multi_thread")]
async fn strange_statuses_go_through() {
    let lab = lab().await;
    for status in [203, 226, 299, 306, 418, 451, 499, 511, 599, 600, 999] {
        lab.upstream.always(Reply::with(status, "", "{}"));
        let answer = lab.ask("GET", "problems/mine/", "").await;
        assert_eq!(answer.status(), status, "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_that_are_too_large_are_refused() {
    let lab = lab().await;
    let long = format!("x-long: {}\r\n", "x".repeat(300_000));
    let many = (0..5000).map(|number| format!("x-{number}: {SECRET}\r\n")).collect::<Vec<_>>().concat();
    let endless = Reply::raw("HTTP/1.1 200 OK\r\nx-endless: ");
    for reply in [
        Reply::with(200, &long, "{}"),
        Reply::with(200, &many, "{}"),
        endless.then(crate::support::upstream::Step::Fill(50_000_000)).close(),
    ] {
        lab.upstream.always(reply);
        expect_error(&lab.ask("GET", "problems/mine/", "").await, 502, "provider_broke_off");
        expect_error(&lab.ask("POST", "problems/", "{}").await, 424, "provider_broke_off");
    }
}

/// Answers for one member are no answers for others, whatever the provider says.
#[tokio::test(flavor = "multi_thread")]
async fn no_cache_keeps_answers_for_others() {
    let lab = lab().await;
    for told in
        ["public, max-age=60", "Public", "max-age=60", "s-maxage=600, max-age=60", "no-transform", "PUBLIC,S-MaxAge=9"]
    {
        lab.upstream.always(Reply::with(200, &format!("cache-control: {told}\r\n"), "{}"));
        let answer = lab.ask("GET", "solvers/remote/", "").await;
        let directives: Vec<_> = answer.header("cache-control").split(',').map(str::trim).collect();
        assert!(directives.contains(&"private"), "{told}: {answer:?}");
        assert!(!directives.iter().any(|word| *word == "public" || word.starts_with("s-maxage")), "{told}: {answer:?}");
        assert_eq!(told.contains("max-age=60"), directives.contains(&"max-age=60"), "{told}: {answer:?}");
    }
    lab.upstream.always(Reply::with(200, "expires: Thu, 01 Jan 2099 00:00:00 GMT\r\n", "{}"));
    assert_eq!(lab.ask("GET", "solvers/remote/", "").await.header("cache-control"), "no-store");
}
