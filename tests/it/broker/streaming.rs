//! Streams in both directions through the program itself: hundreds of megabytes in bounded memory, and polls that take their time.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::hostile::renderings::zlib;
use crate::support::deployment::Deployment;
use crate::support::installation::Installation;
use crate::support::upstream::{Reply, Step, Upstream};
use crate::support::wire::{ask, parse};

const LENGTH: u64 = 300 * 1024 * 1024;

/// Most memory that the service may ever have taken, in kilobytes.
const MEMORY: u64 = 200 * 1024;

async fn connect(place: &str) -> TcpStream {
    TcpStream::connect(place.strip_prefix("http://").unwrap()).await.unwrap()
}

/// Uploads so much, in chunks or with a length; answers the status.
async fn upload(place: &str, path: &str, headers: &str, chunked: bool) -> u16 {
    let mut stream = connect(place).await;
    let length = if chunked { "transfer-encoding: chunked".to_owned() } else { format!("content-length: {LENGTH}") };
    let head = format!("PUT {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}{length}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let block = vec![b'x'; 1024 * 1024];
    for _ in 0..LENGTH / block.len() as u64 {
        if chunked {
            stream.write_all(b"100000\r\n").await.unwrap();
        }
        stream.write_all(&block).await.unwrap();
        if chunked {
            stream.write_all(b"\r\n").await.unwrap();
        }
    }
    if chunked {
        stream.write_all(b"0\r\n\r\n").await.unwrap();
    }
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    parse(&bytes).status()
}

/// Downloads; answers how many bytes came.
async fn download(place: &str, path: &str, headers: &str) -> u64 {
    let mut stream = connect(place).await;
    let head = format!("GET {path} HTTP/1.0\r\nhost: x\r\n{headers}\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut buffer = vec![0; 256 * 1024];
    let mut length = 0;
    loop {
        match stream.read(&mut buffer).await.unwrap() {
            0 => return length,
            read => length += read as u64,
        }
    }
}

/// A long poll of 36 s, and meanwhile uploads and answers of 300 MB, one after the other and a large submission.
#[tokio::test(flavor = "multi_thread")]
async fn hundreds_of_megabytes_and_a_long_poll() {
    let upstream = Upstream::start(|seen| match seen.target.as_str() {
        target if target.contains("timeout=36") => Reply::default()
            .then(Step::Wait(Duration::from_secs(36)))
            .then_send("HTTP/1.1 200 OK\r\ncontent-length: 16\r\n\r\n[{\"id\": \"mine\"}]"),
        target if target.contains("answer/data") => {
            Reply::raw(format!("HTTP/1.1 200 OK\r\ncontent-length: {LENGTH}\r\n\r\n")).then(Step::Fill(LENGTH))
        }
        target if target.contains("multipart") => Reply::json(200, &json!({"id": "upload-1"})),
        _ => Reply::json(200, &json!([{"id": "mine"}])),
    })
    .await;
    let installation = Installation::new().await;
    let service = Deployment::of_dwave(&installation, &upstream).await;
    let (place, headers) = (service.process.base_url.clone(), service.headers.clone());
    let path = |below: &str| service.path(below);

    // As the client's low-level interface does: chunked and deflated.
    let body = zlib(format!("[{}{{}}]", " ".repeat(5_000_000)).as_bytes());
    let chunks = body.chunks(1000).map(crate::support::upstream::chunk).collect::<Vec<_>>().concat();
    let coded = format!("{headers}content-encoding: deflate\r\ntransfer-encoding: chunked\r\nconnection: close\r\n");
    let request = format!("POST {} HTTP/1.1\r\nhost: x\r\n{coded}\r\n", path("problems/"));
    let bytes = crate::support::wire::exchange(&place, &[request.as_bytes(), &chunks, b"0\r\n\r\n"].concat()).await;
    assert_eq!(parse(&bytes).json(), json!([{"id": "mine"}]));
    let seen = upstream.last();
    assert_eq!((seen.header("content-encoding").as_str(), &seen.body), ("deflate", &body), "it goes on as it came");
    assert_eq!(service.ask("POST", "bqm/multipart", "{}").await.status(), 200);

    let poll = tokio::spawn({
        let (place, path, headers) = (place.clone(), path("problems/?id=mine&timeout=36"), headers.clone());
        async move {
            let started = Instant::now();
            let answer = ask(&place, "GET", &path, &headers, b"").await;
            assert_eq!((answer.status(), answer.json()), (200, json!([{"id": "mine"}])), "{answer:?}");
            assert!(started.elapsed() > Duration::from_secs(35));
        }
    });
    for chunked in [false, true] {
        assert_eq!(upload(&place, &path("bqm/multipart/upload-1/part/1"), &headers, chunked).await, 200);
        let seen = upstream.last();
        assert_eq!((seen.length, seen.header("transfer-encoding").is_empty()), (LENGTH, !chunked));
    }
    let came = download(&place, &path("problems/mine/answer/data"), &headers).await;
    assert!((LENGTH..LENGTH + 2000).contains(&came), "{came}");
    let memory = service.process.peak_memory();
    assert!(memory < MEMORY, "{memory} kB");
    poll.await.unwrap();
    service.process.stop().await;
}
