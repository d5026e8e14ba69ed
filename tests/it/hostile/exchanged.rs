//! The temporary token that a credential is exchanged for, and who gives it: IBM's IAM. It must not reach a member any more than the
//! credential itself; and whatever IAM answers, nothing of the credential goes elsewhere, and the service stays up.

use std::time::Duration;

use luna_organizations::broker::Patience;
use luna_organizations::cli::{Configuration, ProviderConfiguration};
use serde_json::{Value, json};

use super::renderings::{expect_clean, expect_free_of, gzip, of};
use crate::support::lab::{Lab, SECRET};
use crate::support::notebook::provider;
use crate::support::secret::Secret;
use crate::support::upstream::{Reply, Seen, Step, Upstream};
use crate::support::wire::Wire;

/// In the form of a JWT, with all that some encoding writes differently.
const TEMPORARY: &str = r#"eyJ9.5a/d3+c8=1f"b5\70%4d~f2?63&g<91>h8.sIg"#;

/// Where API keys are exchanged.
const IAM: &str = "/identity/token";

/// One operation for each way in which answers go through: streamed, read as a whole, watched, page by page, submitted.
const OPERATIONS: [(&str, &str, &str); 5] = [
    ("GET", "api/v1/backends", ""),
    ("GET", "api/v1/jobs/mine", ""),
    ("GET", "api/v1/jobs/mine/metrics", ""),
    ("GET", "api/v1/jobs", ""),
    ("POST", "api/v1/jobs", r#"{"program_id": "sampler", "backend": "b", "params": {}}"#),
];

fn temporary() -> Reply {
    Reply::json(200, &json!({"access_token": TEMPORARY, "expires_in": 3600, "token_type": "Bearer"}))
}

fn jobs() -> Reply {
    Reply::json(200, &json!({"id": "mine", "jobs": [{"id": "mine"}], "count": 1}))
}

/// What IAM answers, and what the API.
fn answer(upstream: &Upstream, iam: Reply, api: Reply) {
    upstream.script(move |seen| if seen.target == IAM { iam.clone() } else { api.clone() });
}

fn configuration(upstream: &Upstream) -> Configuration {
    let url = Some(upstream.url());
    let ibm = ProviderConfiguration { base_url: url.clone(), iam_url: url, ..ProviderConfiguration::default() };
    let mut configuration = provider("ibm", ibm);
    // An exchange has less time than an answer, as in life.
    let (short, long) = (Duration::from_millis(1500), Duration::from_secs(5));
    configuration.broker.patience = Patience { answer: long, idle: long, exchange: short, ..Patience::default() };
    configuration
}

/// With a job that was submitted.
async fn lab() -> Lab {
    let upstream = Upstream::start(|seen| if seen.target == IAM { temporary() } else { jobs() }).await;
    let lab = Lab::of("ibm", "authorization: Bearer ", configuration(&upstream), upstream).await;
    let (method, path, body) = OPERATIONS[4];
    let answer = lab.ask(method, path, body).await;
    assert_eq!(answer.status(), 200, "{answer:?}");
    assert_eq!(lab.upstream.last().header("authorization"), format!("Bearer {TEMPORARY}"));
    lab
}

/// The requests since the last time that went to the API, and not to IAM.
fn asked(lab: &Lab) -> Vec<Seen> {
    lab.upstream.take().into_iter().filter(|seen| seen.target != IAM).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_rendering_is_removed() {
    let lab = lab().await;
    // The credential itself has gone to IAM only; other tests have it in all its renderings.
    for (text, step) in [(TEMPORARY, 1), (SECRET, 5)] {
        let secret = Secret::new("what must not be told", text);
        for (how, rendering) in of(text).into_iter().step_by(step) {
            let echo = format!("[[{rendering}]] and more");
            let known = json!({"id": "mine", "echo": echo});
            let list = json!({"id": "mine", "echo": echo, "jobs": [known], "count": 1}).to_string();
            for (method, path, body) in OPERATIONS {
                for size in [list.len(), 7] {
                    answer(&lab.upstream, temporary(), Reply::chunked("", list.as_bytes(), size));
                    let told = lab.ask(method, path, body).await;
                    expect_free_of(&secret, &how, &rendering, &told);
                    assert!(told.status() == 200 && told.complete, "{how}: {told:?}");
                    let text = told.text();
                    assert!(text.contains("[[") && text.contains("]] and more"), "the rest is there: {how}: {text}");
                }
            }
            let headers = format!("etag: {rendering}\r\ncontent-disposition: {rendering}\r\nx-token: {rendering}\r\n");
            answer(&lab.upstream, temporary(), Reply::with(404, &headers, format!("no {rendering}")));
            for (method, path, body) in OPERATIONS {
                let told = lab.ask(method, path, body).await;
                expect_free_of(&secret, &how, &rendering, &told);
                assert_eq!(told.status(), 404, "{how}: {told:?}");
            }
        }
    }
    assert_eq!(lab.upstream.count("POST", IAM), 1, "one token was enough");
}

/// Whose credential it is may stand in a refusal, and with it the credential.
#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_not_passed_on() {
    let lab = lab().await;
    let told = format!(r#"{{"errors": [{{"message": "{SECRET} {TEMPORARY} of IBMid-1"}}]}}"#);
    for (method, path, body) in OPERATIONS {
        answer(&lab.upstream, temporary(), Reply::with(401, "", &told));
        let refused = lab.ask(method, path, body).await;
        assert_eq!((refused.status(), refused.header("luna-error")), (403, "credential_refused"), "{refused:?}");
        assert!(!refused.text().contains("IBMid"), "{refused:?}");
        expect_clean(&lab, "refused", SECRET, &refused);
    }
}

/// A token that has not been used yet: what becomes of an exchange is remembered for each.
async fn anew(lab: &mut Lab, number: usize) {
    lab.token = lab.app.token_for("ibm", &lab.app.root, &format!("Token {number}"), SECRET).await;
    lab.upstream.take();
}

/// Asks and submits while IAM answers this, and checks that neither the API is asked nor anything told.
async fn expect_no_token(lab: &mut Lab, number: usize, iam: Reply, code: &str) {
    for (method, path, body) in [OPERATIONS[0], OPERATIONS[4]] {
        anew(lab, 2 * number + usize::from(method == "POST")).await;
        answer(&lab.upstream, iam.clone(), jobs());
        let told: Wire = lab.ask(method, path, body).await;
        assert_eq!(told.header("luna-error"), code, "{number}: {told:?}");
        let expected = match (code, method) {
            ("credential_refused" | "credential_unfit", _) => 403,
            (_, "POST") => 424,
            ("provider_timed_out", _) => 504,
            _ => 502,
        };
        assert_eq!((told.status(), told.complete), (expected, true), "{number}: {told:?}");
        assert!(told.json()["errors"][0]["message"].as_str().is_some_and(|text| !text.is_empty()), "{told:?}");
        expect_clean(lab, "no token", SECRET, &told);
        assert!(!told.text().contains("eyJ"), "{told:?}");
        assert_eq!((told.header("set-cookie"), told.header("location")), ("", ""), "{told:?}");
        let seen = lab.upstream.take();
        assert_eq!(seen.iter().filter(|seen| seen.target == IAM).count(), 1, "{number}: it is asked once");
        assert!(seen.iter().all(|seen| seen.target == IAM), "{number}: nothing is asked without a token: {seen:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn redirects_of_the_exchange_are_not_followed() {
    let mut lab = lab().await;
    let trap = Upstream::start(|_| temporary()).await;
    let token = json!({"access_token": TEMPORARY, "expires_in": 3600}).to_string();
    for (number, status) in [301, 302, 303, 307, 308].into_iter().enumerate() {
        let headers = format!("location: {}/identity/token\r\nset-cookie: k={SECRET}\r\n", trap.url());
        // With a token in its body, too.
        expect_no_token(&mut lab, number, Reply::with(status, &headers, &token), "provider_unreachable").await;
    }
    assert_eq!(trap.connections(), 0, "nobody goes there, with an API key in the hand");
}

#[tokio::test(flavor = "multi_thread")]
async fn cookies_of_the_exchange_are_thrown_away() {
    let mut lab = lab().await;
    anew(&mut lab, 0).await;
    let body = json!({"access_token": TEMPORARY, "expires_in": 3600}).to_string();
    let cookies = format!("set-cookie: session={SECRET}; Path=/\r\nset-cookie: k={TEMPORARY}\r\netag: {TEMPORARY}\r\n");
    answer(&lab.upstream, Reply::with(200, &cookies, body), jobs());
    for (method, path, body) in [OPERATIONS[0], OPERATIONS[4], OPERATIONS[0]] {
        let told = lab.ask(method, path, body).await;
        assert_eq!((told.status(), told.header("set-cookie"), told.header("etag")), (200, "", ""), "{told:?}");
        expect_clean(&lab, "cookies", SECRET, &told);
    }
    assert!(lab.upstream.seen().iter().all(|seen| seen.header("cookie").is_empty()), "{:?}", lab.upstream.seen());
}

/// Too long, in a coding that was not asked for, cut, slow, or no JSON: that is no token.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_proper_answer_is_no_token() {
    let mut lab = lab().await;
    let token = json!({"access_token": TEMPORARY, "expires_in": 3600}).to_string();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
    let megabytes = 100 * 1024 * 1024;
    let bomb = gzip(&vec![b' '; 10 * 1024 * 1024]);
    let coded = |coding: &str, body: &[u8]| Reply::with(200, &format!("content-encoding: {coding}\r\n"), body);
    let replies = [
        Reply::raw(format!("{head}content-length: {megabytes}\r\n\r\n{token}")).then(Step::Fill(megabytes)),
        Reply::raw(format!("{head}\r\n{token}")).then(Step::Fill(megabytes)).close(),
        Reply::raw(format!("{head}transfer-encoding: chunked\r\n\r\n6400000\r\n")).then(Step::Fill(megabytes)),
        coded("gzip", &gzip(token.as_bytes())),
        coded("gzip", &bomb),
        coded("br", b"\xff\xff"),
        Reply::raw(format!("{head}content-length: {}\r\n\r\n{token}", token.len() + 1)).close(),
        Reply::raw(format!("{head}content-length: {}\r\n\r\n{token}", token.len() + 1)).then(Step::Reset),
        Reply::raw(format!("{head}transfer-encoding: chunked\r\n\r\n{:x}\r\n{token}\r\n", token.len())).close(),
        Reply::raw(format!("{head}content-length: 1\r\ncontent-length: 2\r\n\r\n{token}")).close(),
        Reply::raw(format!("{SECRET}\r\n\r\n")).close(),
        Reply::raw("").close(),
        Reply::with(200, "", ""),
        Reply::with(204, "", ""),
        Reply::with(200, "", format!("<html>{SECRET}")),
        Reply::with(200, "", format!("[{token}]")),
        Reply::with(200, "", "[".repeat(60_000)),
        Reply::with(500, "", &token),
        Reply::with(429, "retry-after: 1\r\n", &token),
    ];
    for (number, reply) in replies.into_iter().enumerate() {
        expect_no_token(&mut lab, number, reply, "provider_unreachable").await;
    }
    assert!(lab.upstream.hung_up() >= 6, "what is too long is not read to its end: {}", lab.upstream.hung_up());
    expect_no_token(&mut lab, 100, Reply::silence(), "provider_timed_out").await;
    let drip = Reply::raw(format!("{head}content-length: 1000\r\n\r\n"));
    let drip = (0..100).fold(drip, |drip, _| drip.then(Step::Wait(Duration::from_millis(200))).then_send(" "));
    expect_no_token(&mut lab, 101, drip, "provider_timed_out").await;
    lab.upstream.script(|seen| if seen.target == IAM { temporary() } else { jobs() });
    anew(&mut lab, 1000).await;
    let (method, path, body) = OPERATIONS[4];
    assert_eq!(lab.ask(method, path, body).await.status(), 200, "the service is there");
    let states = lab.states().await;
    assert_eq!(states.iter().filter(|state| *state == "open").count(), 2, "{states:?}");
    assert!(states.iter().all(|state| state == "open" || state == "expired"), "nothing stays reserved: {states:?}");
}

/// IAM's own word for a key that it does not know; and one that repeats the key, or says whose it is.
#[tokio::test(flavor = "multi_thread")]
async fn refusals_of_the_exchange_are_not_passed_on() {
    let mut lab = lab().await;
    for (number, status) in [400, 401, 403, 404].into_iter().enumerate() {
        let told = json!({"errorCode": "BXNIM0415E", "errorMessage": format!("{SECRET} of IBMid-1"), "access_token": TEMPORARY});
        expect_no_token(&mut lab, number, Reply::json(status, &told), "credential_refused").await;
    }
}

/// How long a token is good, and what it is, are IAM's to say; what makes no sense is no token, and nobody falls over it.
#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_make_no_sense_are_none() {
    let mut lab = lab().await;
    let odd =
        [json!(-1), json!(3600.5), json!(1e300), json!("3600"), json!(true), json!([3600]), json!({}), Value::Null];
    for (number, expires_in) in odd.into_iter().enumerate() {
        let told = json!({"access_token": TEMPORARY, "expires_in": expires_in});
        expect_no_token(&mut lab, number, Reply::json(200, &told), "provider_unreachable").await;
    }
    let beyond = format!(r#"{{"access_token": {}, "expires_in": 1{}}}"#, json!(TEMPORARY), "0".repeat(40));
    expect_no_token(&mut lab, 50, Reply::with(200, "", beyond), "provider_unreachable").await;
    for (number, token) in [Value::Null, json!(7), json!([TEMPORARY]), json!({"eyJ": TEMPORARY})].iter().enumerate() {
        let told = json!({"access_token": token, "expires_in": 3600});
        expect_no_token(&mut lab, 100 + number, Reply::json(200, &told), "provider_unreachable").await;
    }
    // What cannot stand in a head splits none.
    for (number, token) in ["eyJ\r\nx-evil: 1", "eyJ\n", "eyJ\0", "eyJ\u{7f}"].into_iter().enumerate() {
        let told = json!({"access_token": token, "expires_in": 3600});
        expect_no_token(&mut lab, 200 + number, Reply::json(200, &told), "credential_unfit").await;
    }
    // It is good for as long as IAM says, and never for ever.
    for (number, (expires_in, exchanges)) in [(0, 2), (59, 2), (3600, 1), (u64::MAX, 1)].into_iter().enumerate() {
        anew(&mut lab, 1000 + number).await;
        let told = json!({"access_token": TEMPORARY, "expires_in": expires_in});
        answer(&lab.upstream, Reply::json(200, &told), jobs());
        for _ in 0..2 {
            assert_eq!(lab.ask("GET", OPERATIONS[0].1, "").await.status(), 200, "{expires_in}");
        }
        assert_eq!(lab.upstream.count("POST", IAM), exchanges, "{expires_in}");
        assert_eq!(asked(&lab).len(), 2, "{expires_in}");
    }
}
