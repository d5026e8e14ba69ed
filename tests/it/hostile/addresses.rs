//! Addresses that lead elsewhere: in redirects, in headers, in bodies. Nobody follows them, and the member's client stays here.

use serde_json::json;

use crate::support::lab::{Lab, configuration, expect_error};
use crate::support::upstream::{Reply, Upstream};

async fn lab() -> Lab {
    let lab = Lab::start(|_| Reply::json(200, &json!([{"id": "mine"}]))).await;
    assert_eq!(lab.submit(&lab.key).await, "mine");
    lab
}

fn elsewhere(lab: &Lab, trap: &Upstream) -> Vec<String> {
    let here = format!("http://luna.example.com/v1/qpu/{}", lab.token);
    let other = "http://luna.example.com/v1/qpu/0190f5a0-0000-7000-8000-000000000000/problems";
    let mut all: Vec<String> = [
        "http://169.254.169.254/latest/meta-data/iam/",
        "http://[fd00:ec2::254]/",
        "http://127.0.0.1:5432/",
        "http://localhost/",
        "http://[::1]:80/",
        "http://0.0.0.0/",
        "http://2130706433/",
        "https://evil.example.com/",
        "//evil.example.com/x",
        "/\\evil.example.com",
        "\\\\evil.example.com",
        "https:evil.example.com",
        "javascript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "ftp://evil.example.com/",
        " https://evil.example.com",
        "HTTPS://EVIL.EXAMPLE.COM",
        "http://luna.example.com/v1/me/api-keys",
        "http://luna.example.com.evil.example.com/",
        "http://luna.example.com@evil.example.com/",
        "/v1/me",
        other,
    ]
    .map(str::to_owned)
    .to_vec();
    all.push(format!("{}/", trap.url()));
    all.push(format!("{here}.evil.example.com/"));
    all.push(format!("{here}@evil.example.com/"));
    all.push(format!("{here}/../../me"));
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn redirects_are_neither_followed_nor_passed_on() {
    let lab = lab().await;
    let trap = Upstream::start(|_| Reply::json(200, &json!({"trapped": true}))).await;
    for location in elsewhere(&lab, &trap) {
        for status in [301, 302, 303, 307, 308] {
            lab.upstream.always(Reply::with(status, &format!("location: {location}\r\n"), "moved"));
            for (method, path, body) in [
                ("GET", "solvers/remote/", ""),
                ("GET", "problems/mine/", ""),
                ("GET", "problems/", ""),
                ("POST", "problems/", "[{}]"),
                ("DELETE", "problems/mine/", ""),
            ] {
                let asked = lab.upstream.seen().len();
                let answer = lab.ask(method, path, body).await;
                expect_error(&answer, if method == "GET" { 502 } else { 424 }, "provider_redirected");
                assert!(answer.header("location").is_empty(), "{answer:?}");
                assert_eq!(lab.upstream.seen().len(), asked + 1, "{location}");
            }
        }
    }
    assert_eq!(trap.connections(), 0, "nobody goes there");
    lab.expect_nothing_reserved().await;
}

/// The address of what was made is no redirect: where it leads elsewhere it is left out, and the answer counts.
#[tokio::test(flavor = "multi_thread")]
async fn the_address_of_something_new_is_no_redirect() {
    let lab = lab().await;
    let trap = Upstream::start(|_| Reply::silence()).await;
    for (number, location) in elsewhere(&lab, &trap).iter().enumerate() {
        let body = json!([{"id": format!("new-{number}")}]);
        let headers = format!("content-type: application/json\r\nlocation: {location}\r\n");
        lab.upstream.always(Reply::with(201, &headers, body.to_string()));
        let answer = lab.ask("POST", "problems/", "[{}]").await;
        assert_eq!((answer.status(), answer.header("location")), (201, ""), "{answer:?}");
        assert_eq!(answer.json(), body);
    }
    assert!(lab.states().await.iter().all(|state| state == "open"), "{:?}", lab.states().await);
}

/// Two addresses: that of the second is in what follows the first.
#[tokio::test(flavor = "multi_thread")]
async fn all_locations_are_looked_at() {
    let lab = lab().await;
    let headers = "location: problems/mine/\r\nlocation: https://evil.example.com/\r\n";
    lab.upstream.always(Reply::with(302, headers, ""));
    expect_error(&lab.ask("GET", "problems/mine/", "").await, 502, "provider_redirected");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_providers_own_addresses_become_ours() {
    let lab = lab().await;
    let (upstream, here) = (lab.upstream.address, format!("http://luna.example.com/v1/qpu/{}", lab.token));
    let url = format!("http://{upstream}/sapi/v2/problems/mine/answer/data/");
    let headers = format!("location: {url}\r\ncontent-type: application/json\r\n");
    let body = json!({"id": "mine", "answer": {"url": url}}).to_string();
    for body in [body.clone(), body.replace('/', "\\/")] {
        for reply in [Reply::with(302, &headers, &body), Reply::chunked(&headers, body.as_bytes(), 3)] {
            lab.upstream.always(reply);
            let answer = lab.ask("GET", "problems/mine/answer/", "").await;
            let expected = format!("{here}/sapi/v2/problems/mine/answer/data/");
            assert_eq!(answer.header("location"), expected, "{answer:?}");
            assert_eq!(answer.json()["answer"]["url"], *expected, "{answer:?}");
            assert!(!answer.text().contains(&upstream.to_string()), "{answer:?}");
        }
    }
}

/// D-Wave's client sends its token to where an answer's data is; that must be here.
#[tokio::test(flavor = "multi_thread")]
async fn answers_are_nowhere_else() {
    let lab = lab().await;
    let trap = Upstream::start(|_| Reply::silence()).await;
    for url in elsewhere(&lab, &trap) {
        let answer = json!({"format": "binary-ref", "auth_method": "sapi-token", "url": url});
        let body = json!({"id": "mine", "status": "COMPLETED", "answer": answer});
        for body in [body.to_string(), format!("[{body}]")] {
            for reply in [Reply::with(200, "", &body), Reply::chunked("", body.as_bytes(), 11)] {
                lab.upstream.always(reply);
                for (method, path) in [
                    ("GET", "problems/mine/"),
                    ("GET", "problems/mine/answer/"),
                    ("GET", "problems/mine/info"),
                    ("POST", "problems/"),
                ] {
                    let told = lab.ask(method, path, "[{}]").await;
                    let text = told.text().replace("\\\\", "\\");
                    assert!(!text.contains(url.trim()), "{method} {path}: {url}: {told:?}");
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn regions_are_those_that_lead_here() {
    let lab = lab().await;
    let here = format!("{}/sapi/v2/", lab.upstream.url());
    let regions = json!([
        {"code": "na", "name": "Here", "endpoint": here},
        {"code": "eu", "name": "There", "endpoint": "https://eu.evil.example.com/sapi/v2/"},
        {"code": "xx", "name": "Nowhere"},
    ]);
    lab.upstream.always(Reply::json(200, &regions));
    let answer = lab.ask("GET", "metadata/v1/regions/", "").await;
    let expected = format!("http://luna.example.com/v1/qpu/{}/sapi/v2/", lab.token);
    assert_eq!(answer.json(), json!([{"code": "na", "name": "Here", "endpoint": expected}]), "{answer:?}");
    assert_eq!(lab.upstream.last().header("x-auth-token"), "", "the list is public");
    lab.upstream.always(Reply::json(200, &regions[1]));
    assert_eq!(lab.ask("GET", "metadata/v1/regions/eu", "").await.json()["endpoint"], json!(null));
}

/// One provider that is not there does not keep others from being used.
#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_not_there() {
    let upstream = Upstream::start(|_| Reply::silence()).await;
    let mut configuration = configuration(&upstream);
    let dwave = configuration.providers.get_mut("dwave").unwrap();
    // Nobody listens on the port of discarded words.
    dwave.base_url = Some("http://127.0.0.1:9/sapi/v2".to_owned());
    let lab = Lab::with(configuration, upstream).await;
    expect_error(&lab.ask("GET", "solvers/remote/", "").await, 502, "provider_unreachable");
    expect_error(&lab.ask("POST", "problems/", "[{},{}]").await, 424, "provider_unreachable");
    assert_eq!(lab.states().await, ["expired", "expired"]);
}
