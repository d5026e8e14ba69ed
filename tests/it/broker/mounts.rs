//! Tokens at the root of an address of their own, for clients that drop the path of theirs.

use std::net::SocketAddr;

use luna_organizations::cli::{Configuration, MountConfiguration, service};
use luna_organizations::http;
use luna_organizations::server::Server;
use reqwest::RequestBuilder;
use serde_json::json;
use tokio::net::TcpListener;

use crate::support::notebook::{self, Notebook, SECRET};
use crate::support::upstream::{Seen, Upstream};
use crate::support::{Answer, App};

const HOST: &str = "ionq.example.org";

struct Lab {
    app: App,
    ionq: Upstream,
    token: String,
    ada: Notebook,
}

async fn lab() -> Lab {
    let ionq = Upstream::start(|seen| (200, json!({"id": "job", "path": seen.target}))).await;
    let app = App::start_with(notebook::at("ionq", &ionq.url())).await;
    let token = notebook::token(&app, "ionq").await;
    let ada = app.member(&app.root, "ada").await;
    let ada = Notebook::new(&app, &ada, &token, ("authorization", "apiKey ")).await;
    Lab { app, ionq, token, ada }
}

impl Lab {
    fn mounted(&self, listen: Option<SocketAddr>, public_url: Option<&str>) -> Configuration {
        let mut configuration = notebook::at("ionq", &self.ionq.url());
        let (token, public_url) = (self.token.parse().unwrap(), public_url.map(ToOwned::to_owned));
        configuration.broker.mounts = vec![MountConfiguration { token, listen, public_url }];
        configuration
    }
}

/// What must hold at a root, however it is found.
async fn is_a_root_and_nothing_else(lab: &Lab, base: &str, through: impl Fn(RequestBuilder) -> RequestBuilder) {
    let ada = lab.ada.at(base);
    let ask = async |method: &str, path: &str| Answer::to(through(ada.request(method, path))).await;
    let submitted = Answer::to(through(ada.request("POST", "v0.4/jobs").json(&json!({})))).await.expect(200);
    assert_eq!(submitted["id"], "job");
    ask("GET", "v0.4/jobs/job").await.expect(200);
    let seen = lab.ionq.take();
    assert_eq!(seen.iter().map(Seen::line).collect::<Vec<_>>(), ["POST /v0.4/jobs", "GET /v0.4/jobs/job"]);
    assert!(seen.iter().all(|seen| seen.header("authorization") == format!("apiKey {SECRET}")));

    // Not the service's own routes, and not another token's.
    for path in [
        "",
        "v1/me",
        "v1/organizations",
        "v1/providers",
        "healthz",
        "readyz",
        "metrics",
        "docs",
        "openapi.yaml",
        ".well-known/jwks.json",
        &format!("v1/qpu/{}/v0.4/jobs/job", lab.token),
        "//v1/me",
        "v0.4/../v1/me",
    ] {
        let refused = ask("GET", path).await.expect(403);
        assert_eq!(refused["statusCode"], 403, "{path}: {refused}");
        let unknown = Answer::to(through(ada.plain("GET", path))).await.expect(401);
        assert_eq!(unknown["statusCode"], 401, "{path}: {unknown}");
    }
    let login = through(ada.plain("POST", "v1/sessions").json(&json!({"email": "root@example.com", "password": "x"})));
    Answer::to(login).await.expect(401);
    assert_eq!(lab.ionq.take_lines(), [""; 0]);
}

#[tokio::test]
async fn a_listener_of_its_own() {
    let lab = lab().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let configuration = lab.mounted(Some(address), None);
    let state = service::state(&configuration, lab.app.repository.clone(), address).await.unwrap();
    let mount = configuration.broker.mounts[0].mount();
    assert_eq!(mount.address, format!("http://{address}"));
    let mut server = Server::new(configuration.limits(), state.broker.tasks().clone());
    server.serve(listener, http::mounted(state, mount));
    let base = format!("http://{address}");
    is_a_root_and_nothing_else(&lab, &base, |request| request).await;
    // Another name changes nothing there.
    is_a_root_and_nothing_else(&lab, &base, |request| request.header("host", "luna.example.com")).await;
    server.stop().await;
}

#[tokio::test]
async fn a_host_name_on_the_listener_of_the_api() {
    let lab = lab().await;
    let replica = lab.app.replica_with(&lab.mounted(None, Some("https://ionq.example.org"))).await;
    is_a_root_and_nothing_else(&lab, &replica, |request| request.header("host", HOST)).await;
    is_a_root_and_nothing_else(&lab, &replica, |request| request.header("host", "IONQ.example.org:443")).await;
    let named = async |host: &str| {
        let request = lab.app.admin.at(&replica).request(reqwest::Method::GET, "/v1/me").header("host", host);
        Answer::to(request).await.status.as_u16()
    };
    // The broker knows the admin's key, and no such operation.
    assert_eq!(named(HOST).await, 403);
    // Only the very name, and only as the request's own: what else looks like it is the API.
    for host in ["luna.example.com", "ionq.example.org.evil.example", "x.ionq.example.org", "ionq.example.org:8080"] {
        assert_eq!(named(host).await, 200, "{host}");
    }
    let forwarded = lab.app.admin.at(&replica).request(reqwest::Method::GET, "/v1/me").header("x-forwarded-host", HOST);
    Answer::to(forwarded).await.expect(200);
    // By its path the token is there as well.
    let by_path = lab.ada.at(&format!("{replica}/v1/qpu/{}", lab.token));
    by_path.send("POST", "v0.4/jobs", &json!({})).await.expect(200);
}
