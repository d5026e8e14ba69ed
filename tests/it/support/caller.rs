//! Somebody who calls the service.

use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::Value;

/// A caller with a credential, or without.
#[derive(Clone)]
pub struct Caller {
    client: reqwest::Client,
    base_url: String,
    credential: Option<(&'static str, String)>,
    pub email: String,
    pub id: String,
}

impl Caller {
    pub fn anonymous(base_url: &str) -> Self {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { client, base_url: base_url.to_owned(), credential: None, email: String::new(), id: String::new() }
    }

    pub fn with_api_key(base_url: &str, key: &str) -> Self {
        Self { credential: Some(("luna-api-key", key.to_owned())), ..Self::anonymous(base_url) }
    }

    pub fn with_access_token(base_url: &str, token: &str) -> Self {
        Self { credential: Some(("authorization", format!("Bearer {token}"))), ..Self::anonymous(base_url) }
    }

    #[must_use]
    pub fn named(self, email: &str, id: &str) -> Self {
        Self { email: email.to_owned(), id: id.to_owned(), ..self }
    }

    /// The same caller, at another replica.
    #[must_use]
    pub fn at(&self, base_url: &str) -> Self {
        Self { base_url: base_url.to_owned(), ..self.clone() }
    }

    /// The value of the credential's header.
    pub fn authorization(&self) -> String {
        self.credential.as_ref().map(|(_, value)| value.clone()).unwrap_or_default()
    }

    /// A request to be made up further.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.base_url));
        match &self.credential {
            None => request,
            Some((header, value)) => request.header(*header, value),
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        Answer::to(self.request(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        Answer::to(self.request(Method::POST, path).json(body)).await
    }

    pub async fn patch(&self, path: &str, body: &Value) -> Answer {
        Answer::to(self.request(Method::PATCH, path).json(body)).await
    }

    /// Without a body if it is `null`.
    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        let request = self.request(Method::PUT, path);
        Answer::to(if body.is_null() { request } else { request.json(body) }).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        Answer::to(self.request(Method::DELETE, path)).await
    }

    /// A change that is made only if the row has this `ETag`.
    pub async fn if_match(&self, method: Method, path: &str, tag: &str, body: &Value) -> Answer {
        let request = self.request(method, path).header("if-match", tag);
        Answer::to(if body.is_null() { request } else { request.json(body) }).await
    }

    /// The ids of a whole list, page by page; `path` may end in a query.
    pub async fn walk(&self, path: &str, limit: u16) -> Vec<String> {
        let separator = if path.contains('?') { '&' } else { '?' };
        let mut ids = Vec::new();
        let mut next = String::new();
        loop {
            let page = self.get(&format!("{path}{separator}limit={limit}{next}")).await.expect(200);
            let items = page["items"].as_array().unwrap();
            assert!(items.len() <= usize::from(limit), "{page}");
            ids.extend(items.iter().map(|item| item["id"].as_str().unwrap().to_owned()));
            match page["next_cursor"].as_str() {
                Some(cursor) => next = format!("&cursor={cursor}"),
                None => return ids,
            }
        }
    }
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    /// Sends a request.
    pub async fn to(request: RequestBuilder) -> Self {
        let answer = request.send().await.expect("the service answers");
        let (status, headers) = (answer.status(), answer.headers().clone());
        Self { status, headers, text: answer.text().await.expect("the answer is complete") }
    }

    /// The row's `ETag`.
    #[track_caller]
    pub fn tag(&self) -> String {
        self.headers["etag"].to_str().unwrap().to_owned()
    }

    /// The body, `null` if there is none.
    pub fn json(&self) -> Value {
        if self.text.is_empty() { Value::Null } else { serde_json::from_str(&self.text).expect("the answer is JSON") }
    }

    /// The body, if the status is the one expected.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self.json()
    }

    /// Checks that it is a problem document with this status and code, and gives it.
    #[track_caller]
    pub fn expect_problem(&self, status: u16, code: &str) -> Value {
        let problem = self.expect(status);
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(self.headers["content-type"], "application/problem+json");
        problem
    }
}
