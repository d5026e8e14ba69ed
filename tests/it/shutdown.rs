//! SIGTERM: what runs may end, nothing new begins, and nobody who merely stays connected holds it up.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;

use crate::support::installation::Installation;

const SOON: Duration = Duration::from_secs(10);

fn connect(base_url: &str) -> TcpStream {
    let stream = TcpStream::connect(base_url.strip_prefix("http://").unwrap()).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_upload_may_end() {
    let installation = Installation::new().await;
    let mut service = installation.serve(&[]);
    let password = installation.bootstrapped["password"].as_str().unwrap();
    let body = json!({"email": "root@example.com", "password": password}).to_string();
    let (begin, rest) = body.split_at(10);

    let mut slow = connect(&service.base_url);
    let length = body.len();
    write!(slow, "POST /v1/sessions HTTP/1.1\r\nhost: luna\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{begin}").unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    service.signal(Signal::TERM);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!service.has_ended(), "a request is still running");
    let address = service.base_url.strip_prefix("http://").unwrap();
    assert!(TcpStream::connect(address).is_err(), "nobody new is let in");

    slow.write_all(rest.as_bytes()).unwrap();
    let mut answer = String::new();
    slow.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("\"access_token\""), "{answer}");
    assert!(service.ended(SOON).await.success());

    // The second start finds the session and all else.
    let again = installation.serve(&[]);
    let me = installation.admin(&again).get("/v1/me").await.expect(200);
    assert_eq!(me["email"], "root@example.com");
    again.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn logins_under_load_are_answered() {
    let installation = Installation::new().await;
    let mut service = installation.serve(&[]);
    let body = json!({"email": "root@example.com", "password": installation.bootstrapped["password"]});
    let login = |_| {
        let (caller, body) = (service.anonymous(), body.clone());
        tokio::spawn(async move { caller.post("/v1/sessions", &body).await })
    };
    let logins: Vec<_> = (0..12).map(login).collect();
    while !service.output().contains("\"answered\"") {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    service.signal(Signal::TERM);
    let mut succeeded = 0;
    for login in logins {
        // Each is answered in full: panics otherwise.
        let answer = login.await.unwrap();
        assert!(matches!(answer.status.as_u16(), 200 | 429), "{}", answer.text);
        succeeded += usize::from(answer.status == 200);
    }
    assert!(succeeded > 0);
    assert!(service.ended(SOON).await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_do_not_hold_it_up() {
    let installation = Installation::new().await;
    let mut service = installation.serve(&[]);
    let silent = connect(&service.base_url);
    let mut kept = connect(&service.base_url);
    write!(kept, "GET /healthz HTTP/1.1\r\nhost: luna\r\n\r\n").unwrap();
    let mut first = [0; 12];
    kept.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    let mut half = connect(&service.base_url);
    write!(half, "GET /healthz HTTP/1.1\r\nhos").unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    service.signal(Signal::TERM);
    assert!(service.ended(SOON).await.success());
    drop((silent, kept, half));
}
