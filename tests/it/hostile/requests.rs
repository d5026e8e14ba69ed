//! Members who try to get more than their due: past the allow-list, into the provider's connection, at another token.

use std::fmt::Write as _;

use serde_json::json;

use super::renderings::zlib;
use crate::support::lab::{Lab, SECRET, expect_error};
use crate::support::secret::Secret;
use crate::support::upstream::Reply;
use crate::support::wire::{ask, exchange, parse};

/// What may be in a request to the provider.
const PASSED: [&str; 14] = [
    "accept",
    "accept-encoding",
    "accept-language",
    "content-encoding",
    "content-length",
    "content-md5",
    "content-type",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "transfer-encoding",
    "user-agent",
    "x-auth-token",
];

async fn lab() -> Lab {
    let lab = Lab::start(|_| Reply::json(200, &json!([{"id": "mine"}]))).await;
    assert_eq!(lab.submit(&lab.key).await, "mine");
    lab
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_the_member_reaches_the_provider() {
    let lab = lab().await;
    let key = &lab.key;
    let mut headers = String::new();
    for place in [
        format!("x-auth-token: {key}"),
        format!("authorization: Bearer {key}"),
        format!("luna-api-key: {key}"),
        format!("proxy-authorization: Bearer {key}"),
        format!("cookie: session={key}"),
        format!("x-api-key: {key}"),
        format!("luna-organization: {}", lab.app.root),
    ] {
        write!(headers, "{place}\r\n").unwrap();
    }
    headers += "x-forwarded-for: 203.0.113.7\r\nx-forwarded-host: luna.example.com\r\nx-forwarded-proto: https\r\n";
    headers += "forwarded: for=203.0.113.7\r\nx-real-ip: 203.0.113.7\r\nvia: 1.1 luna\r\nte: trailers\r\norigin: x\r\n";
    headers +=
        "referer: http://luna.example.com/\r\nx-request-id: mine-1\r\nidempotency-key: 7\r\ntraceparent: 00-1\r\n";
    headers += "x-http-method-override: DELETE\r\nx-original-url: /leap/api\r\nupgrade-insecure-requests: 1\r\n";
    headers +=
        "accept: a/b\r\naccept-encoding: gzip\r\nuser-agent: dwave-cloud-client/0.14\r\nif-none-match: \"1\"\r\n";
    let secret = Secret::new("the member's key", key);
    let tail = Secret::new("the key's secret", key.split('_').nth(2).unwrap());
    for (method, path, body) in [
        ("GET", "solvers/remote/?filter=all", ""),
        ("GET", "problems/mine/", ""),
        ("GET", "problems/?id=mine", ""),
        ("POST", "problems/", "[{}]"),
        ("DELETE", "problems/", "[\"mine\"]"),
        ("POST", "bqm/multipart/", "{\"size\": 1}"),
    ] {
        let before = lab.upstream.seen().len();
        ask(&lab.app.base_url, method, &lab.path(path), &headers, body.as_bytes()).await;
        assert_eq!(lab.upstream.seen().len(), before + 1, "{method} {path}");
        let seen = lab.upstream.last();
        for name in seen.header_names() {
            assert!(PASSED.contains(&name.as_str()), "{name}: {seen:?}");
        }
        assert_eq!(seen.header("x-auth-token"), SECRET);
        assert_eq!(seen.header("host"), lab.upstream.address.to_string());
        assert_eq!(seen.header("accept-encoding"), "identity");
        assert_eq!((seen.header("accept"), seen.header("if-none-match")), ("a/b".to_owned(), "\"1\"".to_owned()));
        assert_eq!(seen.target, format!("/sapi/v2/{path}"));
        secret.expect_absent("the request", &seen.text());
        tail.expect_absent("the request", &seen.text());
        assert!(!seen.text().contains("203.0.113.7") && !seen.text().to_lowercase().contains("luna"), "{seen:?}");
    }
}

/// A part of what is looked into cannot be asked for: half of the credential would go unnoticed.
#[tokio::test(flavor = "multi_thread")]
async fn parts_of_an_answer_cannot_be_asked_for() {
    let lab = lab().await;
    let headers = format!("x-auth-token: {}\r\nrange: bytes=10-19\r\nif-range: \"1\"\r\n", lab.key);
    for path in ["problems/mine/info", "problems/mine/", "problems/mine/messages", "problems/mine/answer/data"] {
        ask(&lab.app.base_url, "GET", &lab.path(path), &headers, b"").await;
        let seen = lab.upstream.last();
        assert_eq!((seen.header("range"), seen.header("if-range")), (String::new(), String::new()), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_do_not_lead_out_of_the_list() {
    let lab = lab().await;
    let before = lab.upstream.seen().len();
    for path in [
        "",
        "..",
        "../../me",
        "../leap/api/account/token/oauth/",
        "leap/api/account/token/oauth/?project_id=1",
        "sapi/v2/../leap/api",
        "sapi/v2/../../leap/api",
        "sapi/%2e%2e/leap/api",
        "sapi/v2/leap",
        "metadata/v1/../../leap",
        "problems/..",
        "problems/../../leap",
        "problems/%2e%2e",
        "problems/%2e%2e%2fleap",
        "problems/..%2f..%2fleap",
        "problems/%252e%252e%252fleap",
        "problems/.",
        "problems//mine",
        "/problems/mine",
        "//leap/api",
        "problems/mine//",
        "problems/mine/info/x",
        "problems/mine%00",
        "problems/mine%0d%0aX-Evil:%20yes",
        "problems/mine%3Fx=1",
        "problems/mine%23x",
        "problems/mine%2Finfo",
        "problems/mine%5cinfo",
        "problems/mine;info",
        "problems/mine%20",
        "problems/mine%ff",
        "Problems/mine",
        "problems%2Fmine",
        "problem%73/mine",
        "problems/foreign",
        "problems/?id=foreign",
        "problems/?id=mine,foreign",
        "problems/?id=mine&id=foreign",
        "problems/?%69d=foreign",
        "problems/?id=mine%2Cforeign",
        "problems/?id=mine;id=foreign",
        "solvers/remote/..",
        "solvers/remote/..%2f..%2fleap",
        "solvers/remote/%2e%2e/%2e%2e/leap",
        "solvers/remote/a%0aX-Evil:%20yes",
        "solvers/remote/a%00",
        "solvers/remote/a/b",
        "bqm/multipart/foreign/status",
        "bqm/multipart/../status",
    ] {
        let answer = lab.ask("GET", path, "").await;
        assert!(matches!(answer.status(), 400 | 403 | 404), "{path}: {answer:?}");
        assert_eq!(answer.header("retry-after"), "");
    }
    for (method, path) in [
        ("HEAD", "problems/mine/"),
        ("PUT", "problems/mine/"),
        ("PATCH", "problems/mine/"),
        ("POST", "problems/mine/"),
        ("OPTIONS", "problems/mine/"),
        ("TRACE", "problems/mine/"),
        ("DELETE", "solvers/remote/a"),
        ("PROPFIND", "problems/"),
        ("get", "problems/mine/"),
    ] {
        let answer = lab.ask(method, path, "").await;
        assert!(matches!(answer.status(), 400 | 403 | 404), "{method} {path}: {answer:?}");
    }
    assert_eq!(lab.upstream.seen().len(), before, "{:?}", &lab.upstream.seen()[before..]);
    // What is allowed goes on as it was written.
    for path in
        ["solvers/remote/a%3Ab;c=d@e,f?x=%0d%0aX-Evil:%20yes&y=..%2f", "problems/mine?timeout=30", "sapi/problems/mine"]
    {
        assert_eq!(lab.ask("GET", path, "").await.status(), 200, "{path}");
        let expected = path.strip_prefix("sapi/").unwrap_or(path);
        assert_eq!(lab.upstream.last().target, format!("/sapi/v2/{expected}"));
    }
}

/// Whatever a member's connection says, the provider sees one request for one answer, on paths that are allowed.
#[tokio::test(flavor = "multi_thread")]
async fn no_request_is_smuggled() {
    let lab = lab().await;
    let (path, key) = (lab.path("problems/"), &lab.key);
    let auth = format!("x-auth-token: {key}\r\n");
    let hidden = format!("GET {}leap HTTP/1.1\r\nhost: x\r\n{auth}\r\n", lab.path(""));
    let (length, chunk) = (hidden.len(), format!("{:x}\r\n{hidden}\r\n0\r\n\r\n", hidden.len()));
    let post = |headers: &str, body: &str| format!("POST {path} HTTP/1.1\r\nhost: x\r\n{auth}{headers}\r\n{body}");
    let requests = [
        post("content-length: 4\r\ntransfer-encoding: chunked\r\n", &format!("0\r\n\r\n{hidden}")),
        post(
            "transfer-encoding: chunked\r\ncontent-length: 5\r\n",
            &format!("4\r\n[{{}}\r\n1\r\n]\r\n0\r\n\r\n{hidden}"),
        ),
        post(&format!("content-length: {length}\r\ntransfer-encoding: identity\r\n"), &hidden),
        post(&format!("content-length: 0\r\ncontent-length: {length}\r\n"), &hidden),
        post(&format!("content-length: 0, {length}\r\n"), &hidden),
        post("transfer-encoding: xchunked\r\n", &chunk),
        post("transfer-encoding: chunked, identity\r\n", &chunk),
        post("transfer-encoding : chunked\r\n", &chunk),
        post("transfer-encoding:\u{b}chunked\r\n", &chunk),
        post("x: y\r\n transfer-encoding: chunked\r\n", &chunk),
        post("x: y\ntransfer-encoding: chunked\r\n", &chunk),
        post("x: y\rtransfer-encoding: chunked\r\n", &chunk),
        post("x: y\0\r\n", &hidden),
        post("content-length: +4\r\n", &hidden),
        post("content-length: 0x4\r\n", &hidden),
        post("transfer-encoding: chunked\r\n", &format!("4;{}\r\n[{{}}]\r\n0\r\n\r\n", "x".repeat(100))),
        post("transfer-encoding: chunked\r\n", &format!("-4\r\n[{{}}]\r\n0\r\n\r\n{hidden}")),
        post("transfer-encoding: chunked\r\n", "4\r\n[{}]\r\n0\r\nx-auth-token: other\r\ncontent-length: 3\r\n\r\n"),
        post("host: evil.example.com\r\ncontent-length: 4\r\n", "[{}]"),
        post("connection: upgrade\r\nupgrade: websocket\r\ncontent-length: 4\r\n", "[{}]"),
        post("connection: x-auth-token\r\ncontent-length: 4\r\n", "[{}]"),
        format!("POST http://evil.example.com{path} HTTP/1.1\r\nhost: x\r\n{auth}content-length: 4\r\n\r\n[{{}}]"),
        format!("POST {path} HTTP/1.0\r\n{auth}content-length: 4\r\n\r\n[{{}}]"),
        format!("POST {path}\r\n\r\n"),
        format!("POST {path} HTTP/1.1\r\n{auth}content-length: 4\r\n\r\n[{{}}]"),
        format!("CONNECT evil.example.com:443 HTTP/1.1\r\nhost: x\r\n{auth}\r\n"),
        format!("CONNECT {path} HTTP/1.1\r\nhost: x\r\n{auth}\r\n"),
        format!("OPTIONS * HTTP/1.1\r\nhost: x\r\n{auth}\r\n"),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
    ];
    for request in requests {
        let before = lab.upstream.seen().len();
        let closing =
            format!("GET {} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{auth}\r\n", lab.path("solvers/remote/last"));
        let bytes = exchange(&lab.app.base_url, format!("{request}{closing}").as_bytes()).await;
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("HTTP/1.1 5") && !text.contains("HTTP/1.1 101"), "{request:?}: {text}");
        for seen in &lab.upstream.seen()[before..] {
            let known = ["/sapi/v2/problems/", "/sapi/v2/solvers/remote/last"].contains(&seen.target.as_str());
            assert!(known && seen.header("x-auth-token") == SECRET, "{request:?}: {seen:?}");
            assert_eq!(seen.header("host"), lab.upstream.address.to_string(), "{request:?}");
            assert!(!seen.text().contains("leap"), "{request:?}: {seen:?}");
        }
        assert!(lab.upstream.seen().len() <= before + 2, "{request:?}");
    }
}

/// A body where none belongs would be the next request on a connection to a provider that does not read it there, and the answer to
/// that somebody else's.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_nobody_expects_stays_here() {
    let lab = lab().await;
    let hidden = format!("GET /sapi/v2/leap HTTP/1.1\r\nhost: x\r\nx-auth-token: {SECRET}\r\n\r\n");
    let length = format!("content-length: {}\r\ncontent-encoding: identity\r\n\r\n{hidden}", hidden.len());
    let chunks = format!("transfer-encoding: chunked\r\n\r\n{:x}\r\n{hidden}\r\n0\r\n\r\n", hidden.len());
    for (method, path) in [("GET", "solvers/remote/"), ("GET", "problems/mine/info"), ("DELETE", "problems/mine/")] {
        for body in [&length, &chunks] {
            let before = lab.upstream.seen().len();
            let head = format!(
                "{method} {} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{}",
                lab.path(path),
                lab.headers(&lab.key)
            );
            let answer = parse(&exchange(&lab.app.base_url, format!("{head}{body}").as_bytes()).await);
            assert_eq!(answer.status(), 200, "{method} {path}: {answer:?}");
            assert_eq!(lab.upstream.seen().len(), before + 1, "{method} {path}");
            let seen = lab.upstream.last();
            assert!(seen.body.is_empty() && !seen.text().contains("leap"), "{seen:?}");
            assert_eq!(
                (seen.header("content-encoding"), seen.header("transfer-encoding")),
                (String::new(), String::new())
            );
            assert!(["", "0"].contains(&seen.header("content-length").as_str()), "{seen:?}");
        }
    }
}

/// The broker and the provider read the same: two codings are two, and a body is what its coding says.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_submits_more_than_is_counted() {
    let lab = lab().await;
    let twice = zlib(&zlib(b"[{}, {}, {}]"));
    let once = zlib(b"[{}, {}, {}]");
    let trailing = [zlib(b"[{}]"), zlib(b"[{}, {}]")].concat();
    let key = format!("x-auth-token: {}\r\n", lab.key);
    for (codings, body, jobs) in [
        ("content-encoding: deflate\r\ncontent-encoding: deflate\r\n", &twice, Some(3)),
        ("content-encoding: deflate, deflate\r\n", &twice, Some(3)),
        ("content-encoding: identity\r\ncontent-encoding: deflate\r\n", &once, Some(3)),
        ("content-encoding: deflate\r\n", &once, Some(3)),
        ("content-encoding: deflate\r\n", &twice, None),
        ("content-encoding: deflate\r\n", &trailing, None),
        ("content-encoding: deflate\r\ncontent-encoding: identity, luna\r\n", &once, None),
        ("", &once, None),
        ("content-encoding: \u{e9}\r\n", &once, None),
        ("", &b"[{}, {}".to_vec(), None),
        ("", &b"\xef\xbb\xbf[{}]".to_vec(), None),
        ("", &b"[{}]\n[{}]".to_vec(), None),
    ] {
        let (seen, known) = (lab.upstream.seen().len(), lab.jobs().await.len());
        let headers = format!("{key}{codings}");
        let answer = ask(&lab.app.base_url, "POST", &lab.path("problems/"), &headers, body).await;
        assert_eq!(lab.jobs().await.len() - known, jobs.unwrap_or(0), "{codings}: {answer:?}");
        assert_eq!(lab.upstream.seen().len() - seen, usize::from(jobs.is_some()), "{codings}: {answer:?}");
        if jobs.is_some() {
            let seen = lab.upstream.last();
            let told = codings.lines().filter_map(|line| line.strip_prefix("content-encoding: "));
            assert_eq!(seen.header("content-encoding"), told.collect::<Vec<_>>().join(","));
            assert_eq!(seen.body, *body, "it goes on as it came");
        } else {
            assert_eq!(answer.status(), 400, "{codings}: {answer:?}");
        }
    }
}

/// Two tokens of one provider, used at once over the same connections: each request has its own credential, and each answer is
/// searched for that one.
#[tokio::test(flavor = "multi_thread")]
async fn credentials_do_not_mix() {
    const OTHER: &str = "DEV-the-credential-of-the-other";
    let lab = std::sync::Arc::new(lab().await);
    let other = lab.app.token(&lab.app.root, "Other", OTHER).await;
    // Each answer quotes the credential that came with the request.
    lab.upstream.script(|seen| Reply::with(200, "", format!("[[{}]]", seen.header("x-auth-token"))));
    let asked = (0..60).map(|number| {
        let (lab, other) = (std::sync::Arc::clone(&lab), other.clone());
        tokio::spawn(async move {
            let token = if number % 2 == 0 { &lab.token } else { &other };
            let path = format!("/v1/qpu/{token}/solvers/remote/{}-{number}", number % 2);
            let key = format!("x-auth-token: {}\r\n", lab.key);
            let answer = ask(&lab.app.base_url, "GET", &path, &key, b"").await;
            assert_eq!(answer.status(), 200, "{answer:?}");
            assert_eq!(String::from_utf8_lossy(&answer.body), "[[[removed]]]", "{path}");
        })
    });
    for task in asked.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let seen = lab.upstream.seen();
    let of = |mark: &str| {
        seen.iter()
            .filter(|seen| seen.target.contains(mark))
            .map(|seen| seen.header("x-auth-token"))
            .collect::<Vec<_>>()
    };
    assert_eq!(of("remote/0-"), vec![SECRET; 30]);
    assert_eq!(of("remote/1-"), vec![OTHER; 30]);
    // A job of one token is no job of the other.
    let path = format!("/v1/qpu/{other}/problems/mine/");
    let answer = ask(&lab.app.base_url, "GET", &path, &format!("x-auth-token: {}\r\n", lab.key), b"").await;
    assert_eq!(answer.status(), 404, "{answer:?}");
}

/// The same where the key stands only in a place that another client uses, and where it is no key at all.
#[tokio::test(flavor = "multi_thread")]
async fn only_keys_open_the_door() {
    let lab = lab().await;
    let before = lab.upstream.seen().len();
    let session = lab.ada.authorization();
    let (key, token) = (&lab.key, &lab.token);
    for headers in [
        String::new(),
        format!("cookie: x-auth-token={key}\r\n"),
        format!("authorization: {session}\r\n"),
        format!("x-auth-token: {}\r\n", session.trim_start_matches("Bearer ")),
        format!("x-auth-token: {SECRET}\r\n"),
        format!("x-auth-token: {}\r\n", &key[..key.len() - 1]),
        format!("x-auth-token: {key}x\r\n"),
        format!("x-auth-token: {key}\r\nx-auth-token: {key}\r\n"),
        format!("authorization: Basic {key}\r\n"),
    ] {
        let answer = ask(&lab.app.base_url, "GET", &lab.path("problems/mine/"), &headers, b"").await;
        assert_eq!(answer.status(), 401, "{headers}: {answer:?}");
        assert_eq!(answer.json()["error_code"], 401, "{headers}: {answer:?}");
    }
    for path in
        [format!("/v1/qpu/{token}?x-auth-token={key}"), "/v1/qpu/".to_owned(), "/v1/qpu/x/problems/mine/".to_owned()]
    {
        let answer = parse(
            &exchange(
                &lab.app.base_url,
                format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes(),
            )
            .await,
        );
        assert!(matches!(answer.status(), 401 | 404), "{path}: {answer:?}");
    }
    assert_eq!(lab.upstream.seen().len(), before);
}

/// Lists of ids without end would keep the database busy for everybody; names without end lead to nothing.
#[tokio::test(flavor = "multi_thread")]
async fn ids_are_counted() {
    let lab = lab().await;
    let before = lab.upstream.seen().len();
    let query = |count| format!("problems/?id={}", vec!["mine"; count].join(","));
    let distinct = |count: u32| (0..count).map(|number| format!("{number}")).collect::<Vec<_>>();
    let many = format!("problems/?id={}", distinct(201).join(","));
    expect_error(&lab.ask("GET", &many, "").await, 400, "invalid_request");
    expect_error(&lab.ask("DELETE", "problems/", json!(distinct(1001)).to_string()).await, 400, "invalid_request");
    // As many as are allowed are looked up, and not found.
    let known = format!("problems/?id={}", distinct(200).join(","));
    expect_error(&lab.ask("GET", &known, "").await, 404, "not_found");
    expect_error(&lab.ask("DELETE", "problems/", json!(distinct(1000)).to_string()).await, 404, "not_found");
    let long = format!("problems/{}/", "x".repeat(10_000));
    expect_error(&lab.ask("GET", &long, "").await, 404, "not_found");
    assert_eq!(lab.upstream.seen().len(), before, "the provider was asked nothing");
    // The same id is one.
    assert_eq!(lab.ask("GET", &query(1000), "").await.status(), 200);
}

/// What was read as JSON in UTF-8 must not be read as something else at the other end.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_what_it_was_read_as() {
    let lab = lab().await;
    for (sent, goes_on) in [
        ("application/json", "application/json"),
        ("application/json; charset=utf-8", "application/json; charset=utf-8"),
        (
            "application/vnd.dwave.sapi.problems+json; version=3.0.0",
            "application/vnd.dwave.sapi.problems+json; version=3.0.0",
        ),
        ("application/json; charset=utf-7", "application/json"),
        ("application/json; charset=utf-8; charset=utf-7", "application/json"),
        ("application/x-www-form-urlencoded", "application/json"),
        ("text/plain", "application/json"),
        ("application/json\r\ncontent-type: application/json; charset=utf-7", "application/json"),
    ] {
        let headers = format!("x-auth-token: {}\r\ncontent-type: {sent}\r\n", lab.key);
        ask(&lab.app.base_url, "DELETE", &lab.path("problems/"), &headers, b"[\"mine\"]").await;
        assert_eq!(lab.upstream.last().header("content-type"), goes_on, "{sent}");
    }
}
