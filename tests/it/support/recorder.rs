//! Somebody who keeps every answer, to be searched for secrets.

use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use super::secret::Secret;
use super::{Answer, Caller};

/// All answers, and all secrets that are known so far.
#[derive(Default)]
pub struct Recorder {
    pub secrets: Vec<Secret>,
    answers: Vec<(String, String)>,
}

impl Recorder {
    /// Adds a secret that the test has chosen, or that somebody was told elsewhere.
    pub fn watch(&mut self, name: &str, text: &str) {
        self.secrets.push(Secret::new(name, text));
    }

    /// Sends a request and keeps the answer: status, headers and body.
    pub async fn send(&mut self, request: RequestBuilder) -> Answer {
        let (client, request) = request.build_split();
        let request = request.unwrap();
        let what = format!("the answer to {} {}", request.method(), request.url());
        let answer = Answer::to(RequestBuilder::from_parts(client, request)).await;
        self.keep(&what, &format!("{} {:?}\n{}", answer.status, answer.headers, answer.text));
        answer
    }

    /// Keeps an answer that came another way.
    pub fn keep(&mut self, what: &str, text: &str) {
        self.answers.push((what.to_owned(), text.to_owned()));
    }

    pub async fn call(&mut self, caller: &Caller, method: Method, path: &str, body: Value) -> Answer {
        let request = caller.request(method, path);
        self.send(if body.is_null() { request } else { request.json(&body) }).await
    }

    /// The last answer has just issued this secret: the one appearance that is allowed, and exactly there.
    pub fn issued(&mut self, name: &str, secret: &Value) -> String {
        let text = secret.as_str().unwrap().to_owned();
        let (_, last) = self.answers.last_mut().unwrap();
        assert!(last.contains(&text));
        *last = last.replace(&text, "<issued>");
        self.watch(name, &text);
        text
    }

    /// The last answer hands over this secret, in JSON: the one that may, and exactly once.
    pub fn handed_over(&mut self, secret: &str) {
        let rendering = serde_json::to_string(secret).unwrap();
        let (_, last) = self.answers.last_mut().unwrap();
        assert_eq!(last.matches(&rendering).count(), 1);
        *last = last.replace(&rendering, "<handed over>");
    }

    /// No secret is in any answer. Forgets the answers.
    pub fn expect_clean_answers(&mut self) -> usize {
        for (what, text) in &self.answers {
            self.expect_clean(what, text);
        }
        std::mem::take(&mut self.answers).len()
    }

    /// No secret is in this text.
    pub fn expect_clean(&self, place: &str, text: &str) {
        for secret in &self.secrets {
            secret.expect_absent(place, text);
        }
    }
}
