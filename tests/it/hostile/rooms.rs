//! Members who send what is costly, slowly, or in numbers: the room for large requests is everybody's.

use std::time::Duration;

use luna_organizations::broker::Patience;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::renderings::gzip;
use crate::support::lab::{Lab, configuration, expect_error};
use crate::support::upstream::{Reply, Upstream};
use crate::support::wire::{Wire, ask, parse};

async fn lab(patience: impl FnOnce(Patience) -> Patience) -> Lab {
    let upstream = Upstream::start(|_| Reply::json(200, &json!([{"id": "mine"}]))).await;
    let mut configuration = configuration(&upstream);
    // As in life, but for what a test is about: megabytes take their time where much else runs.
    configuration.broker.patience = patience(Patience::default());
    Lab::with(configuration, upstream).await
}

async fn submit(lab: &Lab, key: &str, coding: &str, body: &[u8]) -> Wire {
    let headers = format!("x-auth-token: {key}\r\n{coding}");
    ask(&lab.app.base_url, "POST", &lab.path("problems/"), &headers, body).await
}

const GZIP: &str = "content-encoding: gzip\r\n";

/// Sends somewhat more than takes no room, then hardly anything, until there is an answer.
async fn drip(address: String, path: String, key: String) -> Wire {
    let stream = TcpStream::connect(address.strip_prefix("http://").unwrap()).await.unwrap();
    let (mut answer, mut request) = stream.into_split();
    let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\nx-auth-token: {key}\r\ncontent-length: 3000000\r\n\r\n");
    let drops = async {
        let _ = request.write_all(&[head.as_bytes(), &vec![b' '; 1_100_000]].concat()).await;
        while request.write_all(b" ").await.is_ok() {
            sleep(Duration::from_millis(50)).await;
        }
        std::future::pending::<()>().await;
    };
    // The connection stays open, for what is left of the request.
    let mut first = vec![0; 4096];
    let length = tokio::select! {
        length = answer.read(&mut first) => length.unwrap_or_default(),
        () = drops => 0,
    };
    parse(&first[..length])
}

/// Has four members drip on all the room that there is; their answers will come.
async fn drip_on_all(lab: &Lab) -> Vec<tokio::task::JoinHandle<Wire>> {
    let mut dripping = Vec::new();
    for name in ["bob", "cleo", "dan", "eve"] {
        let (_, key) = lab.somebody(&lab.app.root, name).await;
        dripping
            .extend([(); 2].map(|()| tokio::spawn(drip(lab.app.base_url.clone(), lab.path("problems/"), key.clone()))));
    }
    dripping
}

/// A few kilobytes that would take half a gigabyte.
#[tokio::test(flavor = "multi_thread")]
async fn small_objects_in_numbers() {
    let lab = lab(|patience| patience).await;
    let objects = format!(r#"{{"solver":"s","data":[{}0]}}"#, r#"{"":0},"#.repeat(990_000));
    let coded = gzip(objects.as_bytes());
    assert!(coded.len() < 40_000);
    expect_error(&submit(&lab, &lab.key, GZIP, &coded).await, 400, "invalid_request");
    assert_eq!(lab.upstream.seen().len(), 0);
    // What passed before, and takes no more than it must.
    let numbers = format!("[{{\"data\":[{}0]}}]", "0,".repeat(1_999_000));
    assert_eq!(submit(&lab, &lab.key, GZIP, &gzip(numbers.as_bytes())).await.status(), 200);
    assert_eq!(submit(&lab, &lab.key, "", numbers.as_bytes()).await.status(), 200);
}

/// Each problem is a job and an event.
#[tokio::test(flavor = "multi_thread")]
async fn problems_in_numbers() {
    let lab = lab(|patience| patience).await;
    let problems = |count| json!(vec![json!({}); count]).to_string();
    expect_error(&submit(&lab, &lab.key, "", problems(101).as_bytes()).await, 400, "invalid_request");
    assert_eq!(lab.upstream.seen().len(), 0);
    assert_eq!(submit(&lab, &lab.key, "", problems(100).as_bytes()).await.status(), 200);
}

/// Who has waited for room in vain is told so; what needs none does not wait for any.
#[tokio::test(flavor = "multi_thread")]
async fn there_is_no_room() {
    let (long, room) = (Duration::from_mins(2), Duration::from_millis(300));
    let lab = lab(|patience| Patience { whole: long, pace: long, room, ..patience }).await;
    let dripping = drip_on_all(&lab).await;
    let large = format!("[{}{{}}]", " ".repeat(3_000_000));
    let told = async {
        loop {
            let answer = submit(&lab, &lab.key, "", large.as_bytes()).await;
            if answer.status() != 200 {
                return answer;
            }
        }
    };
    let told = timeout(Duration::from_secs(30), told).await.expect("all room is taken");
    expect_error(&told, 429, "too_many_large_requests");
    let grown = gzip(large.as_bytes());
    expect_error(&submit(&lab, &lab.key, GZIP, &grown).await, 429, "too_many_large_requests");
    assert_eq!(submit(&lab, &lab.key, GZIP, &gzip(b"[{}]")).await.status(), 200);
    assert_eq!(submit(&lab, &lab.key, "", format!("[{}{{}}]", " ".repeat(500_000)).as_bytes()).await.status(), 200);
    for one in dripping {
        assert!(!one.is_finished(), "it holds its room");
        one.abort();
    }
}

/// Who makes no use of room loses it.
#[tokio::test(flavor = "multi_thread")]
async fn who_drips_makes_room() {
    let (long, pace) = (Duration::from_mins(2), Duration::from_millis(500));
    let lab = lab(|patience| Patience { whole: long, pace, ..patience }).await;
    for one in drip_on_all(&lab).await {
        let answer = timeout(Duration::from_secs(30), one).await.expect("it comes to an end").unwrap();
        assert_eq!((answer.status(), answer.header("luna-error")), (400, "incomplete_body"), "{answer:?}");
    }
    let large = format!("[{}{{}}]", " ".repeat(3_000_000));
    assert_eq!(submit(&lab, &lab.key, "", large.as_bytes()).await.status(), 200);
}
