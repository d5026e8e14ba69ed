//! How many connections a listener has, and for how long a client may take nothing of its answer.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use luna_organizations::server::{Limits, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_util::task::TaskTracker;

const SOON: Duration = Duration::from_secs(20);
const UNTAKEN: Duration = Duration::from_millis(500);
const MEGABYTE: usize = 1024 * 1024;

/// More than the system's buffers hold.
const LENGTH: usize = 64 * MEGABYTE;

/// Tells when it is dropped.
struct Told(mpsc::UnboundedSender<()>);

impl Drop for Told {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

/// `/long` is an answer of which it is told when it is gone; `/waits` begins late and pauses; `/breaks` breaks off at once.
async fn serve(connections: usize) -> (Server, String, mpsc::UnboundedReceiver<()>) {
    let (sender, gone) = mpsc::unbounded_channel();
    let long = move || {
        let told = Told(sender.clone());
        let pieces = stream::iter(0..LENGTH / MEGABYTE).map(move |_| {
            let _ = &told;
            Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; MEGABYTE]))
        });
        async { Body::from_stream(pieces) }
    };
    let waits = || async {
        sleep(UNTAKEN * 3).await;
        Body::from_stream(stream::iter(0..3).then(|_| async {
            sleep(UNTAKEN * 2).await;
            Ok::<_, std::io::Error>("piece ")
        }))
    };
    let breaks = || async {
        let broken = Err(std::io::Error::other("it breaks off"));
        Body::from_stream(stream::iter([Ok("said before"), broken]))
    };
    let router = Router::new()
        .route("/long", get(long))
        .route("/waits", get(waits))
        .route("/breaks", get(breaks))
        .route("/", get("here"));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut server = Server::new(Limits { connections, untaken: UNTAKEN }, TaskTracker::new());
    server.serve(listener, router);
    (server, address, gone)
}

async fn ask(address: &str, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: luna\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// The whole answer, as long as it comes within a while.
async fn read(mut stream: TcpStream) -> String {
    let mut answer = String::new();
    timeout(SOON, stream.read_to_string(&mut answer)).await.expect("an answer in time").unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_nothing_is_cut_off() {
    let (_server, address, mut gone) = serve(10).await;
    let stream = ask(&address, "/long").await;
    timeout(SOON, gone.recv()).await.expect("the answer is given up").unwrap();
    // What was on its way may still come; the end does not.
    let mut all = Vec::new();
    let mut stream = stream;
    let _ = timeout(SOON, stream.read_to_end(&mut all)).await.expect("the connection has ended");
    assert!(all.len() < LENGTH && !all.ends_with(b"0\r\n\r\n"), "{}", all.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_slow_or_has_nothing_to_take_is_not() {
    let (_server, address, _gone) = serve(10).await;
    let waiting = tokio::spawn(read(ask(&address, "/waits").await));
    let mut slow = ask(&address, "/long").await;
    let (mut piece, mut taken) = (vec![0; 4 * MEGABYTE], 0);
    loop {
        sleep(UNTAKEN / 5).await;
        let mut room = piece.as_mut_slice();
        while !room.is_empty() {
            let length = timeout(SOON, slow.read(room)).await.expect("it goes on").unwrap();
            if length == 0 {
                break;
            }
            taken += length;
            room = &mut room[length..];
        }
        if !room.is_empty() {
            break;
        }
    }
    assert!(taken > LENGTH, "all of it, though it took several times the limit: {taken}");
    let waited = waiting.await.unwrap();
    assert_eq!((waited.matches("piece ").count(), waited.ends_with("0\r\n\r\n")), (3, true), "{waited}");
}

#[tokio::test(flavor = "multi_thread")]
async fn there_are_no_more_connections_than_there_may_be() {
    let (server, address, _gone) = serve(2).await;
    let first = TcpStream::connect(&address).await.unwrap();
    let second = TcpStream::connect(&address).await.unwrap();
    let mut third = ask(&address, "/").await;
    let mut answer = [0; 12];
    let early = timeout(Duration::from_millis(500), third.read(&mut answer)).await;
    assert!(early.is_err(), "there are two already");
    drop(first);
    timeout(SOON, third.read_exact(&mut answer)).await.expect("its turn has come").unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    // One is waiting, one is there: neither holds up the end.
    let _waiting = (second, ask(&address, "/").await, ask(&address, "/").await);
    timeout(SOON, server.stop()).await.expect("it ends");
}

/// What was said before an answer breaks off is heard, however soon it does; and that it breaks off, too.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_breaks_off_at_once_has_begun() {
    let (_server, address, _) = serve(10).await;
    let mut stream = ask(&address, "/breaks").await;
    let mut answer = String::new();
    let _ = timeout(SOON, stream.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.contains("said before"), "{answer:?}");
    assert!(!answer.ends_with("0\r\n\r\n"), "{answer:?}");
}
