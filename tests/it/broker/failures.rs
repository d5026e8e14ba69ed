//! Providers that stall and break off, and clients that do: a clear error, no hint to try again, and nothing left behind.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Semaphore;

use crate::support::lab::{Lab, configuration, expect_error};
use crate::support::notebook;
use crate::support::upstream::{Reply, Step, Upstream};
use crate::support::wire::{ask, parse};

async fn lab() -> Lab {
    let lab = Lab::start(|_| Reply::json(200, &json!([{"id": "mine"}]))).await;
    assert_eq!(lab.submit(&lab.key).await, "mine");
    lab
}

/// A reply that says these bytes one by one, with pauses.
pub(super) fn dripping(start: &str, drip: &str, drops: usize) -> Reply {
    let pair = [Step::Wait(Duration::from_millis(400)), Step::Send(drip.as_bytes().to_vec())];
    pair.iter().cycle().take(drops * 2).cloned().fold(Reply::raw(start), Reply::then)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_stalls() {
    let lab = Arc::new(lab().await);
    let ok = "HTTP/1.1 200 OK\r\n";
    let half = format!("{ok}content-length: 70000\r\n\r\n[");
    let cases = [
        (Reply::silence(), "provider_timed_out", "provider_timed_out"),
        (
            Reply::raw("HTTP/1.1 20").then(Step::Wait(Duration::from_mins(1))),
            "provider_timed_out",
            "provider_timed_out",
        ),
        (dripping(ok, "x: y\r\n", 20), "provider_timed_out", "provider_timed_out"),
        (
            Reply::raw(half.clone()).then(Step::Wait(Duration::from_mins(1))),
            "provider_not_understood",
            "provider_not_understood",
        ),
        (dripping(&half, " ", 20), "provider_not_understood", "provider_not_understood"),
        (Reply::raw("").close(), "provider_broke_off", "provider_broke_off"),
    ];
    for (reply, reading, submitting) in cases {
        lab.upstream.always(reply);
        let started = Instant::now();
        let ask = |method: &'static str, path: &'static str, body: &'static str| {
            let lab = Arc::clone(&lab);
            tokio::spawn(async move { lab.ask(method, path, body).await })
        };
        let (read, submitted, cancelled) = (
            ask("GET", "problems/mine/", ""),
            ask("POST", "problems/", "[{},{}]"),
            ask("DELETE", "problems/mine/", ""),
        );
        let read = read.await.unwrap();
        expect_error(&read, if reading == "provider_timed_out" { 504 } else { 502 }, reading);
        let submitted = submitted.await.unwrap();
        expect_error(&submitted, 424, submitting);
        assert!(submitted.text().contains("is not known"), "whoever submitted must look: {submitted:?}");
        let cancelled = cancelled.await.unwrap();
        assert!(!(500..600).contains(&cancelled.status()), "{cancelled:?}");
        assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    }
    lab.expect_nothing_reserved().await;
}

/// A stream in which nothing comes any more ends, and its client can tell.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_stands_still() {
    let lab = lab().await;
    let stalled =
        Reply::raw("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nabc").then(Step::Wait(Duration::from_mins(1)));
    lab.upstream.always(stalled);
    let answer = lab.ask("GET", "problems/mine/answer/data", "").await;
    assert!(answer.status() == 502 || !answer.complete, "{answer:?}");
    // One that goes on goes on, for longer than anything else may take.
    let mut head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_owned();
    head += "1\r\na\r\n";
    lab.upstream.always(dripping(&head, "1\r\nb\r\n", 10).then_send("0\r\n\r\n"));
    let answer = lab.ask("GET", "problems/mine/answer/data", "").await;
    assert_eq!((answer.status(), answer.complete, &*answer.body), (200, true, b"abbbbbbbbbb".as_slice()));
}

/// An answer that comes before the request is through: it is what counts.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_before_its_time() {
    let lab = lab().await;
    let told = json!({"id": "upload-1"});
    lab.upstream.always(Reply::json(200, &told));
    assert_eq!(lab.ask("POST", "bqm/multipart", "{}").await.json(), told);
    lab.upstream.always(Reply::json(413, &json!({"error_code": 413, "error_msg": "too large"})).close());
    let part = vec![b'x'; 3_000_000];
    for _ in 0..5 {
        let answer = lab.ask("PUT", "bqm/multipart/upload-1/part/1?early", &part).await;
        let told = answer.status() == 413 && answer.json()["error_msg"] == "too large";
        // The connection may break under the hands of whoever still sends.
        assert!(told || answer.header("luna-error") == "provider_broke_off" && answer.status() == 424, "{answer:?}");
    }
    lab.upstream.always(Reply::json(200, &json!([])));
    assert_eq!(lab.ask("GET", "solvers/remote/", "").await.status(), 200);
}

fn head(lab: &Lab, method: &str, below: &str, headers: &str) -> String {
    format!("{method} {} HTTP/1.1\r\nhost: x\r\nx-auth-token: {}\r\n{headers}\r\n", lab.path(below), lab.key)
}

async fn connect(lab: &Lab) -> TcpStream {
    TcpStream::connect(lab.app.base_url.strip_prefix("http://").unwrap()).await.unwrap()
}

/// What was submitted is written down also if nobody waits for the answer any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_hangs_up_while_it_submits() {
    let lab = lab().await;
    let gate = Arc::new(Semaphore::new(0));
    let body = json!([{"id": "orphan"}]).to_string();
    let reply = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    lab.upstream.always(Reply::default().then(Step::Hold(Arc::clone(&gate))).then_send(reply));
    let mut stream = connect(&lab).await;
    stream.set_zero_linger().unwrap();
    let request = head(&lab, "POST", "problems/?orphan", "content-length: 4\r\n") + "[{}]";
    stream.write_all(request.as_bytes()).await.unwrap();
    lab.upstream.reached("orphan").await;
    drop(stream);
    tokio::time::sleep(Duration::from_millis(100)).await;
    gate.add_permits(1);
    for _ in 0..500 {
        if lab.states().await == ["open", "open"] {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    lab.upstream.always(Reply::json(200, &json!({"id": "orphan", "status": "PENDING"})));
    assert_eq!(lab.ask("GET", "problems/orphan/", "").await.status(), 200);
}

/// Half a request is none: nothing is sent, nothing is promised.
#[tokio::test(flavor = "multi_thread")]
async fn half_a_submission_is_none() {
    let lab = lab().await;
    let before = lab.upstream.seen().len();
    for (headers, body) in [
        ("content-length: 100\r\n", "[{}]"),
        ("transfer-encoding: chunked\r\n", "4\r\n[{}]\r\n"),
        ("transfer-encoding: chunked\r\n", "4\r\n[{}]\r\nzz\r\n"),
    ] {
        for end in [true, false] {
            let mut stream = connect(&lab).await;
            let request = head(&lab, "POST", "problems/", headers) + body;
            stream.write_all(request.as_bytes()).await.unwrap();
            if end {
                stream.shutdown().await.unwrap();
            }
            let mut bytes = Vec::new();
            let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut bytes)).await;
            let _ = read.expect("an answer, not a hang");
            let answer = parse(&bytes);
            assert!(bytes.is_empty() || answer.status() == 400, "{headers}: {answer:?}");
        }
    }
    assert_eq!(lab.upstream.seen().len(), before);
    assert_eq!(lab.states().await, ["open"]);
}

/// A client that goes away in the middle of an answer or an upload takes the provider's side along.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_hangs_up_in_a_stream() {
    let lab = lab().await;
    let length = 1_u64 << 40;
    let endless = Reply::raw(format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n")).then(Step::Fill(length));
    lab.upstream.always(endless);
    let mut stream = connect(&lab).await;
    stream.write_all(head(&lab, "GET", "problems/mine/answer/data", "").as_bytes()).await.unwrap();
    let mut buffer = vec![0; 100_000];
    stream.read_exact(&mut buffer).await.unwrap();
    drop(stream);
    lab.upstream.wait("the end of the answer", || lab.upstream.hung_up() == 1).await;

    lab.upstream.always(Reply::json(200, &json!({"id": "upload-1"})));
    lab.ask("POST", "bqm/multipart", "{}").await;
    let mut stream = connect(&lab).await;
    let request = head(&lab, "PUT", "bqm/multipart/upload-1/part/1", "content-length: 10000000\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.write_all(&buffer).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    drop(stream);
    lab.upstream.wait("the end of the upload", || lab.upstream.hung_up() == 2).await;
    assert_eq!(lab.upstream.count("PUT", "part"), 0, "half an upload is none");
}

/// A slow line to the provider: what moves on it is timed, and what does not. Answers its address.
fn slow_line(to: SocketAddr, length: usize) -> SocketAddr {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(64 * 1024).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(8).unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (mut from, mut back) = client.into_split();
            let (mut answer, mut on) = TcpStream::connect(to).await.unwrap().into_split();
            tokio::spawn(async move { tokio::io::copy(&mut answer, &mut back).await });
            tokio::spawn(async move {
                let (mut piece, mut carried) = (vec![0; 256 * 1024], 0);
                while carried < length {
                    let read = from.read(&mut piece).await.unwrap_or(0);
                    if read == 0 || on.write_all(&piece[..read]).await.is_err() {
                        return;
                    }
                    carried += read;
                    tokio::time::sleep(Duration::from_nanos(200 * read as u64)).await;
                }
                std::future::pending::<()>().await;
            });
        }
    });
    address
}

/// What was read as a whole is not there yet when it has been read: the time for an answer counts from its last piece.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_problem_on_a_slow_line() {
    for (length, status) in [(usize::MAX, 200), (5_000_000, 424)] {
        let upstream = Upstream::start(|_| Reply::json(200, &json!([{"id": "mine"}]))).await;
        let mut configuration = configuration(&upstream);
        configuration.broker.patience.answer = Duration::from_secs(2);
        let line = slow_line(upstream.address, length);
        configuration.providers.get_mut("dwave").unwrap().base_url = Some(format!("http://{line}/sapi/v2"));
        let lab = Lab::with(configuration, upstream).await;
        let started = Instant::now();
        let answer = lab.ask("POST", "problems/", format!("[{{}}{}]", " ".repeat(24_000_000))).await;
        assert_eq!(answer.status(), status, "after {:?}: {answer:?}", started.elapsed());
        if status == 424 {
            expect_error(&answer, status, "provider_timed_out");
            assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
        }
    }
}

/// Slow clients of one member keep neither the other members nor that member's small requests from submitting.
#[tokio::test(flavor = "multi_thread")]
async fn slow_clients_stop_nobody() {
    let lab = lab().await;
    let (_, bobs_key) = lab.somebody(&lab.app.root, "bob").await;
    let mut slow = Vec::new();
    for _ in 0..12 {
        let mut stream = connect(&lab).await;
        let request = head(&lab, "POST", "problems/", "content-length: 40000000\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let _ = tokio::time::timeout(Duration::from_millis(200), stream.write_all(&vec![b' '; 2_000_000])).await;
        slow.push(stream);
    }
    let large = format!("[{}{{}}]", " ".repeat(3_000_000));
    let answer =
        tokio::time::timeout(Duration::from_secs(1), lab.ask_with(&bobs_key, "POST", "problems/", &large)).await;
    assert!(answer.is_ok_and(|answer| answer.status() != 400), "Bob waits for Ada's clients");
    assert!(tokio::time::timeout(Duration::from_secs(1), lab.ask("POST", "problems/", "[{}]")).await.is_ok());
}

/// A token of IBM's there, whose temporary tokens come from the same place.
async fn ibm(upstream: Upstream) -> (Lab, String) {
    let mut configuration = configuration(&upstream);
    let ibm = configuration.providers.entry("ibm".to_owned()).or_default();
    (ibm.base_url, ibm.iam_url) = (Some(upstream.url()), Some(upstream.url()));
    let lab = Lab::with(configuration, upstream).await;
    let token = notebook::token(&lab.app, "ibm").await;
    (lab, token)
}

/// A temporary token that comes byte by byte: all who wait for it are told soon, and the same.
#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_that_drips() {
    let upstream = Upstream::start(|_| dripping("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{", " ", 150)).await;
    let (lab, token) = ibm(upstream).await;
    let started = Instant::now();
    let (path, headers) =
        (format!("/v1/qpu/{token}/api/v1/backends"), format!("authorization: Bearer {}\r\n", lab.key));
    let asked = (0..3).map(|_| ask(&lab.app.base_url, "GET", &path, &headers, b""));
    for answer in futures_util::future::join_all(asked).await {
        assert_eq!((answer.status(), answer.header("luna-error")), (504, "provider_timed_out"), "{answer:?}");
    }
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    assert_eq!(lab.upstream.seen().len(), 1, "one exchange, and nothing without one");
    let job = json!({"program_id": "sampler", "backend": "b", "params": {"pubs": []}}).to_string();
    let (path, typed) =
        (format!("/v1/qpu/{token}/api/v1/jobs"), format!("{headers}content-type: application/json\r\n"));
    let submitted = ask(&lab.app.base_url, "POST", &path, &typed, job.as_bytes()).await;
    assert_eq!((submitted.status(), submitted.header("luna-error")), (424, "provider_timed_out"), "{submitted:?}");
    assert!(!submitted.text().contains("is not known"), "nothing was submitted: {submitted:?}");
}

/// Pages of a list without end, each of them quick: the list as a whole has its time, and one member's lists come in turn.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_with_too_many_pages() {
    let token = json!({"access_token": "temporary", "expires_in": 3600}).to_string();
    let page = json!({"jobs": [{"id": "somebody-elses"}], "count": 100_000, "limit": 200, "offset": 0}).to_string();
    let told = |body: &str| format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let upstream = Upstream::start(move |seen| match (seen.method.as_str(), seen.target.as_str()) {
        (_, "/identity/token") => Reply::raw(told(&token)),
        ("POST", _) => Reply::json(200, &json!({"id": "mine"})),
        _ => Reply::default().then(Step::Wait(Duration::from_millis(200))).then_send(told(&page)),
    })
    .await;
    let (lab, token) = ibm(upstream).await;
    let (path, headers) = (format!("/v1/qpu/{token}/api/v1/jobs"), format!("authorization: Bearer {}\r\n", lab.key));
    // Whose jobs are none is told so after one page.
    let none = ask(&lab.app.base_url, "GET", &path, &headers, b"").await;
    assert_eq!(
        (none.status(), none.json()["count"].as_u64(), lab.upstream.count("GET", "/jobs")),
        (200, Some(0), 1),
        "{none:?}"
    );
    let job = json!({"program_id": "sampler", "backend": "b", "params": {"pubs": []}}).to_string();
    let typed = format!("{headers}content-type: application/json\r\n");
    assert_eq!(ask(&lab.app.base_url, "POST", &path, &typed, job.as_bytes()).await.status(), 200);
    let started = Instant::now();
    let asked = (0..8).map(|_| ask(&lab.app.base_url, "GET", &path, &headers, b""));
    for answer in futures_util::future::join_all(asked).await {
        assert_eq!((answer.status(), answer.header("luna-error")), (504, "provider_timed_out"), "{answer:?}");
    }
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    let pages = lab.upstream.count("GET", "/jobs") - 1;
    assert!((2..=10).contains(&pages), "{pages} pages, as many as fit into the time one after the other");
}
