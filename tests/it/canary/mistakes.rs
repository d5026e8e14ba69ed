//! Secrets where they do not belong: in bodies that are refused, in queries, paths and headers.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Method;
use reqwest::header::HeaderValue;
use serde_json::{Value, json};

use super::flows::{Flows, url};
use super::{ACCESS_KEY_ID, NEW_PASSWORD, PASSWORD, SECRET_ACCESS_KEY, TOKEN};
use crate::support::Caller;

pub struct Mistakes {
    /// Where an organization's tokens are made.
    pub tokens: String,
    /// Whose password is [`PASSWORD`].
    pub email: String,
    /// A token that was spent.
    pub invitation: String,
    /// An access token that works.
    pub session: String,
    /// Whether secrets are also put where a name is looked up.
    pub names: bool,
}

impl Mistakes {
    pub async fn make(&self, flows: &mut Flows<'_>) {
        for secret in [TOKEN, SECRET_ACCESS_KEY, PASSWORD] {
            self.bodies(flows, secret).await;
            self.addresses(flows, secret).await;
            self.headers(flows, secret).await;
        }
        self.logins(flows).await;
        garbage(flows);
    }

    async fn bodies(&self, flows: &mut Flows<'_>, secret: &str) {
        let admin = flows.admin.clone();
        let quoted = Value::from(secret).to_string();
        let token = |credential: Value| json!({"name": "mistake", "provider": "dwave", "credential": credential});
        let mut bodies = vec![
            format!(r#"{{"name": "x", "provider": "dwave", "credential": {{"token": {quoted}"#),
            format!(r#"{{"credential": {{"token": {quoted}}}}} and more"#),
            format!(r#"{{"credential": {{"token": {quoted} {quoted}}}}}"#),
            format!(r#"{{"credential": {{"token": {quoted}, "token": 5}}}}"#),
            secret.to_owned(),
            quoted,
        ];
        let wrong = [
            json!({"name": [secret], "provider": {"x": secret}, "credential": secret, "inherited": secret, "expires_at": secret}),
            json!({"name": "x", "provider": secret, "credential": {"token": secret}}),
            json!({"name": "x", "provider": "dwave", "token": secret, "secret": secret, "credential": [secret]}),
            token(json!({"token": [secret]})),
            token(json!({"token": {"deep": secret}})),
            token(json!({"token": secret, "more": secret})),
            token(json!({secret: "token"})),
            token(json!({"token": format!("{secret}\n")})),
            token(json!({"token": format!("{secret}\u{0}")})),
            token(json!({"token": secret.repeat(600)})),
        ];
        bodies.extend(wrong.map(|body| body.to_string()));
        // Larger than any body may be.
        bodies.push(token(json!({"token": secret, "padding": "x".repeat(300 * 1024)})).to_string());
        for (method, path) in [
            (Method::POST, self.tokens.as_str()),
            (Method::POST, "/v1/me/qpu-tokens"),
            (Method::PATCH, "/v1/me"),
            (Method::POST, "/v1/sessions"),
            (Method::POST, "/v1/invitations/accept"),
        ] {
            for body in &bodies {
                let request = admin.request(method.clone(), path).header("content-type", "application/json");
                let answer = flows.recorder.send(request.body(body.clone())).await;
                assert!(answer.status.is_client_error(), "{path} {body}: {} {}", answer.status, answer.text);
            }
        }
        let body = token(json!({"token": secret})).to_string();
        for kind in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/json; charset=\"",
            "multipart/form-data",
            "",
        ] {
            let request = admin.request(Method::POST, &self.tokens).header("content-type", kind).body(body.clone());
            if kind.starts_with("application/json") {
                continue;
            }
            flows.recorder.send(request).await.expect_problem(415, "unsupported_media_type");
        }
    }

    async fn addresses(&self, flows: &mut Flows<'_>, secret: &str) {
        let admin = flows.admin.clone();
        let segment = utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string();
        let organization = format!("/v1/organizations/{}", flows.root);
        let mut paths = vec![
            format!("/{segment}"),
            format!("/v1/{segment}"),
            format!("/v1/organizations/{segment}"),
            format!("{organization}/users/{segment}"),
            format!("{organization}/users/{segment}/roles/{segment}"),
            format!("{}/{segment}", self.tokens),
            format!("{}/{segment}/quota/users/{segment}", self.tokens),
            format!("/v1/me/api-keys/{segment}"),
            format!("/v1/sessions/{segment}"),
        ];
        if self.names {
            paths.push(format!("/api/v1/qpu-tokens/private/{segment}"));
            paths.push(format!("/luna-q/api/v1/qpu-tokens/shared/quota/group/{segment}"));
        }
        for path in paths {
            for method in [Method::GET, Method::DELETE, Method::PATCH] {
                let answer = flows.call(&admin, method, &path, Value::Null).await;
                assert!(answer.status.is_client_error(), "{path}: {} {}", answer.status, answer.text);
            }
        }
        for parameter in ["provider", "token", "limit", "cursor", "inherited", "password"] {
            let path = format!("{}?{}", self.tokens, url(&[(parameter, secret)]));
            flows.call(&admin, Method::GET, &path, Value::Null).await.expect_problem(422, "invalid_request");
            let path = format!("/v1/sessions?{}", url(&[("email", &self.email), (parameter, secret)]));
            flows.call(&admin, Method::GET, &path, Value::Null).await;
        }
    }

    async fn headers(&self, flows: &mut Flows<'_>, secret: &str) {
        let basic = data_encoding::BASE64.encode(format!("{}:{secret}", self.email).as_bytes());
        for value in
            [secret.to_owned(), format!("Bearer {secret}"), format!("Basic {basic}"), format!("Bearer {basic}")]
        {
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            for header in ["authorization", "luna-api-key"] {
                let request = Caller::anonymous(flows.base_url).request(Method::GET, "/v1/me").header(header, &value);
                flows.recorder.send(request).await.expect(401);
            }
            for header in [
                "if-match",
                "idempotency-key",
                "luna-organization",
                "content-type",
                "accept",
                "cookie",
                "x-forwarded-for",
                "forwarded",
            ] {
                let body = json!({"name": "x", "provider": "dwave", "credential": {"token": 5}}).to_string();
                let request = flows.admin.request(Method::POST, &self.tokens).header(header, &value).body(body);
                let answer = flows.recorder.send(request).await;
                assert!(answer.status.is_client_error(), "{header}: {} {}", answer.status, answer.text);
                let request = flows.admin.request(Method::GET, "/api/v1/qpu-tokens").header(header, &value);
                flows.recorder.send(request).await;
            }
        }
    }

    /// Every way in which a login, a refresh, an acceptance and a change of password fail.
    async fn logins(&self, flows: &mut Flows<'_>) {
        let anonymous = Caller::anonymous(flows.base_url);
        let (email, session) = (&self.email, &self.session);
        for (path, body) in [
            ("/v1/sessions", json!({"email": email, "password": NEW_PASSWORD})),
            ("/v1/sessions", json!({"email": "nobody@example.com", "password": PASSWORD})),
            ("/v1/sessions", json!({"email": PASSWORD, "password": email})),
            ("/v1/sessions", json!({"email": email, "password": [PASSWORD]})),
            ("/v1/sessions", json!({"email": email, "password": PASSWORD, "otp": PASSWORD})),
            ("/v1/sessions", json!({"email": email, "password": PASSWORD.repeat(200)})),
            ("/v1/sessions/refresh", json!({"refresh_token": PASSWORD})),
            ("/v1/sessions/refresh", json!({"refresh_token": session})),
            ("/v1/sessions/refresh", json!({"refresh_token": [session]})),
            ("/v1/sessions/refresh", json!({"refresh_token": self.invitation})),
            ("/v1/invitations/accept", json!({"token": self.invitation, "password": PASSWORD})),
            ("/v1/invitations/accept", json!({"token": session, "password": PASSWORD})),
            ("/v1/invitations/accept", json!({"token": [self.invitation], "password": [PASSWORD]})),
        ] {
            let answer = flows.call(&anonymous, Method::POST, path, body).await;
            assert!(answer.status.is_client_error(), "{path}: {} {}", answer.status, answer.text);
        }
        for credential in [&self.invitation, &format!("{session}x"), &format!("luna_{session}")] {
            for caller in [
                Caller::with_access_token(flows.base_url, credential),
                Caller::with_api_key(flows.base_url, credential),
            ] {
                flows.call(&caller, Method::GET, "/v1/me", Value::Null).await.expect(401);
            }
        }
        for address in [
            format!("/v1/me?access_token={session}"),
            format!("/v1/me/{session}"),
            format!("/accept-invitation?token={}", self.invitation),
        ] {
            flows.call(&anonymous, Method::GET, &address, Value::Null).await;
        }
    }
}

/// What is hardly HTTP, or not at all.
fn garbage(flows: &mut Flows<'_>) {
    for text in [
        format!("{ACCESS_KEY_ID} /v1/me HTTP/1.1\r\nhost: luna\r\nconnection: close\r\n\r\n"),
        format!("GET /{SECRET_ACCESS_KEY} HTTP/1.1\r\nhost: luna\r\n\r\n"),
        format!("GET /v1/me HTTP/1.1\r\nhost: luna\r\nauthorization {TOKEN}\r\n\r\n"),
        format!("GET /v1/me HTTP/1.1\r\nhost: luna\r\n{TOKEN}: x\r\n\r\n"),
        format!("{SECRET_ACCESS_KEY}\r\n\r\n"),
        format!(
            "POST /v1/sessions HTTP/1.1\r\nhost: luna\r\ncontent-type: application/json\r\ncontent-length: 900\r\n\r\n{PASSWORD}"
        ),
        format!(
            "POST /v1/sessions HTTP/1.1\r\nhost: luna\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n{PASSWORD}\r\n"
        ),
    ] {
        let mut stream = TcpStream::connect(flows.base_url.strip_prefix("http://").unwrap()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        flows.recorder.keep("the answer to garbage", &String::from_utf8_lossy(&answer));
    }
}
