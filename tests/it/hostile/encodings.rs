//! The credential in bodies: in every rendering, over the borders of chunks, in every content coding.

use std::sync::Arc;

use serde_json::json;

use super::renderings::{all, brotli, deflate, expect_clean, gzip, zlib, zstd};
use crate::support::lab::{Lab, SECRET};
use crate::support::upstream::{Reply, Step, chunk};

/// Operations whose answers are streamed, or read as a whole. Those that are watched are in `watched.rs`: D-Wave has none.
const OPERATIONS: [(&str, &str, &str); 4] = [
    ("GET", "solvers/remote/", ""),
    ("GET", "problems/mine/", ""),
    ("GET", "problems/mine/info", ""),
    ("POST", "problems/", "[{}]"),
];

async fn lab() -> Lab {
    let lab = Lab::start(|_| Reply::json(200, &json!([{"id": "mine"}]))).await;
    assert_eq!(lab.submit(&lab.key).await, "mine");
    lab
}

#[tokio::test(flavor = "multi_thread")]
async fn every_rendering_is_removed() {
    let lab = lab().await;
    for (how, rendering) in all() {
        let echo = format!("[[{rendering}]] and more");
        for (method, path, body) in OPERATIONS {
            lab.upstream.always(Reply::with(200, "content-type: text/plain\r\n", echo.clone()));
            let answer = lab.ask(method, path, body).await;
            expect_clean(&lab, &how, &rendering, &answer);
            if path != "solvers/remote/" {
                // What must be looked into does not pass unread; as JSON, it does.
                assert_eq!(answer.status(), if method == "POST" { 424 } else { 502 }, "{how}: {answer:?}");
                lab.upstream.always(Reply::json(200, &json!({"id": "mine", "echo": echo})));
            }
            let answer = lab.ask(method, path, body).await;
            assert_eq!(answer.status(), 200, "{how}: {answer:?}");
            let text = answer.text();
            assert!(text.contains("[[") && text.contains("]] and more"), "the rest is there: {how}: {text}");
            expect_clean(&lab, &how, &rendering, &answer);
        }
    }
}

/// Chunks of one byte, each in a packet of its own if the system likes, and of every size up to the credential's.
#[tokio::test(flavor = "multi_thread")]
async fn chunks_of_any_size_hide_nothing() {
    let lab = lab().await;
    let renderings = all();
    for (how, rendering) in &renderings {
        let body = format!("[[{rendering}]]");
        for size in [1, 7] {
            lab.upstream.always(Reply::chunked("", body.as_bytes(), size));
            let answer = lab.ask("GET", "solvers/remote/", "").await;
            expect_clean(&lab, how, rendering, &answer);
            assert!(answer.complete && answer.text().contains("]]"), "{how}: {answer:?}");
        }
    }
    let (how, rendering) = &renderings[0];
    for size in 2..SECRET.len() + 2 {
        lab.upstream.always(Reply::chunked("", rendering.as_bytes(), size));
        expect_clean(&lab, how, rendering, &lab.ask("GET", "problems/mine/", "").await);
    }
}

/// What is not announced to come in chunks may still come in pieces, with pauses in between.
#[tokio::test(flavor = "multi_thread")]
async fn pauses_hide_nothing() {
    let lab = lab().await;
    let (front, back) = SECRET.split_at(17);
    let length = SECRET.len();
    let pause = || Step::Wait(std::time::Duration::from_millis(60));
    let pieces = Reply::raw(format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{front}"));
    let chunks = Reply::raw("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").then_send(chunk(front.as_bytes()));
    let chunks = chunks.then(pause()).then_send(chunk(back.as_bytes())).then_send("0\r\n\r\n");
    let until_close = Reply::raw(format!("HTTP/1.1 200 OK\r\n\r\n{front}")).then(pause()).then_send(back).close();
    for reply in [pieces.then(pause()).then_send(back), chunks, until_close] {
        lab.upstream.always(reply);
        let answer = lab.ask("GET", "solvers/remote/", "").await;
        assert!(answer.complete && answer.status() == 200, "{answer:?}");
        expect_clean(&lab, "in pieces", SECRET, &answer);
        assert!(!answer.text().contains(front) && !answer.text().contains(back), "{answer:?}");
    }
}

pub type Encoder = fn(&[u8]) -> Vec<u8>;

/// What a `content-encoding` says, and what encodes so.
pub const CODINGS: [(&str, Encoder); 9] = [
    ("gzip", gzip),
    ("x-gzip", gzip),
    ("GZIP", gzip),
    ("deflate", zlib),
    ("deflate", deflate),
    ("br", brotli),
    ("zstd", zstd),
    ("gzip, br", |bytes| brotli(&gzip(bytes))),
    ("identity, gzip ,identity", gzip),
];

/// What is wrong, what the `content-encoding` says, and the body, in which a text would be found that must not.
pub fn undecodable(text: &[u8]) -> [(&'static str, &'static str, Vec<u8>); 8] {
    let compressed = gzip(text);
    let mut corrupt = compressed.clone();
    corrupt[20] ^= 0xff;
    [
        ("unknown", "compress", text.to_vec()),
        ("made up", "luna", text.to_vec()),
        ("not a word", "\u{e9}", text.to_vec()),
        ("many", "gzip,gzip,gzip,gzip,gzip", compressed.clone()),
        ("lies", "gzip", text.to_vec()),
        ("cut", "gzip", compressed[..compressed.len() - 9].to_vec()),
        ("corrupt", "gzip", corrupt),
        ("more behind", "deflate", [zlib(b"good"), text.to_vec()].concat()),
    ]
}

/// The upstream is asked for no coding; one that uses one all the same does not hide anything in it.
#[tokio::test(flavor = "multi_thread")]
async fn codings_hide_nothing() {
    let lab = lab().await;
    for (how, rendering) in all().iter().step_by(3) {
        for (name, encode) in CODINGS {
            let body = encode(format!("[[{rendering}]] and more").as_bytes());
            for reply in [
                Reply::with(200, &format!("content-encoding: {name}\r\n"), &body),
                Reply::chunked(&format!("content-encoding: {name}\r\n"), &body, 5),
            ] {
                lab.upstream.always(reply);
                let answer = lab.ask("GET", "solvers/remote/", "").await;
                assert_eq!(answer.status(), 200, "{how} in {name}: {answer:?}");
                assert!(answer.text().contains("]] and more"), "it is decoded: {how} in {name}: {answer:?}");
                assert_eq!(answer.header("content-encoding"), "", "{answer:?}");
                expect_clean(&lab, &format!("{how} in {name}"), rendering, &answer);
            }
        }
    }
    assert_eq!(lab.upstream.last().header("accept-encoding"), "identity");
}

/// Codings in two headers are one list.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_codings_may_be_in_two_headers() {
    let lab = lab().await;
    let body = brotli(&gzip(SECRET.as_bytes()));
    lab.upstream.always(Reply::with(200, "content-encoding: gzip\r\ncontent-encoding: br\r\n", &body));
    let answer = lab.ask("GET", "solvers/remote/", "").await;
    assert_eq!(answer.status(), 200);
    expect_clean(&lab, "gzip and br", SECRET, &answer);
}

/// What cannot be decoded is not passed on, whether it says so in its head or turns out so in its middle.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_decoded_does_not_go_through() {
    let lab = lab().await;
    for (how, coding, body) in undecodable(SECRET.as_bytes()) {
        lab.upstream.always(Reply::with(200, &format!("content-encoding: {coding}\r\n"), body));
        for (method, path, request) in OPERATIONS {
            let answer = lab.ask(method, path, request).await;
            expect_clean(&lab, how, SECRET, &answer);
            let refused = answer.status() == if method == "POST" { 424 } else { 502 };
            assert!(refused || !answer.complete, "{how}: nobody takes it for whole: {answer:?}");
            let wholes = ["POST problems/", "GET problems/mine/info"];
            assert!(refused || !wholes.contains(&format!("{method} {path}").as_str()), "{how}: {answer:?}");
        }
    }
    lab.expect_nothing_reserved().await;
}

/// A credential in a file that was compressed before cannot be taken out; the answer ends there.
#[tokio::test(flavor = "multi_thread")]
async fn compressed_files_are_looked_into() {
    let lab = lab().await;
    let clean = vec![b'x'; 100_000];
    let mut told: Vec<u8> = (0..100_000_u32).map(|number| u8::try_from(number * 7919 % 251).unwrap()).collect();
    told.extend_from_slice(SECRET.as_bytes());
    for encode in [gzip as Encoder, zstd] {
        lab.upstream.always(Reply::with(200, "content-type: application/octet-stream\r\n", encode(&clean)));
        let answer = lab.ask("GET", "problems/mine/answer/data", "").await;
        assert!(answer.status() == 200 && answer.complete && answer.body == encode(&clean), "{answer:?}");
        lab.upstream.always(Reply::with(200, "content-type: application/octet-stream\r\n", encode(&told)));
        let answer = lab.ask("GET", "problems/mine/answer/data", "").await;
        assert!(!answer.complete || answer.status() == 502, "{answer:?}");
    }
}

/// Many at once, all of them different: what one answer knows does not get into another.
#[tokio::test(flavor = "multi_thread")]
async fn answers_at_once_do_not_mix() {
    let lab = Arc::new(lab().await);
    lab.upstream.script(|seen| Reply::chunked("", format!("{}\n{SECRET}", seen.target).as_bytes(), 3));
    let asked = (0..40).map(|number| {
        let lab = Arc::clone(&lab);
        tokio::spawn(async move {
            let path = format!("solvers/remote/solver-{number}");
            let answer = lab.ask("GET", &path, "").await;
            assert!(answer.text().contains(&format!("{path}\n")), "{answer:?}");
            expect_clean(&lab, "at once", SECRET, &answer);
        })
    });
    for task in asked.collect::<Vec<_>>() {
        task.await.unwrap();
    }
}
