//! Lists that come in pages, which the broker turns: how long they may be, and what is said when they are longer.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::lab::{Lab, configuration};
use crate::support::notebook;
use crate::support::upstream::{Reply, Upstream};
use crate::support::wire::{Wire, ask};

struct Shelf {
    lab: Lab,
    path: String,
    headers: String,
}

impl Shelf {
    /// IBM with so many jobs of a member's, whose list has this page at this position.
    async fn start(jobs: usize, page: impl Fn(usize) -> Value + Send + Sync + 'static) -> Self {
        let submitted = AtomicUsize::new(0);
        let upstream = Upstream::start(move |seen| match (seen.method.as_str(), seen.path()) {
            (_, "/identity/token") => Reply::json(200, &json!({"access_token": "temporary", "expires_in": 3600})),
            ("POST", _) => Reply::json(200, &json!({"id": submitted.fetch_add(1, Ordering::SeqCst).to_string()})),
            _ => {
                let offset = seen.target.split(['?', '&']).find_map(|pair| pair.strip_prefix("offset="));
                Reply::json(200, &page(offset.unwrap().parse().unwrap()))
            }
        })
        .await;
        let mut configuration = configuration(&upstream);
        // Long pages take their time on a machine that has more to do.
        let minute = Duration::from_mins(1);
        let patience = &mut configuration.broker.patience;
        (patience.answer, patience.whole, patience.idle) = (minute, minute, minute);
        let ibm = configuration.providers.entry("ibm".to_owned()).or_default();
        (ibm.base_url, ibm.iam_url) = (Some(upstream.url()), Some(upstream.url()));
        let lab = Lab::with(configuration, upstream).await;
        let token = notebook::token(&lab.app, "ibm").await;
        let path = format!("/v1/qpu/{token}/api/v1/jobs");
        let headers = format!("authorization: Bearer {}\r\ncontent-type: application/json\r\n", lab.key);
        let job = json!({"program_id": "sampler", "backend": "b", "params": {"pubs": []}}).to_string();
        for _ in 0..jobs {
            assert_eq!(ask(&lab.app.base_url, "POST", &path, &headers, job.as_bytes()).await.status(), 200);
        }
        Self { lab, path, headers }
    }

    async fn list(&self, query: &str) -> Wire {
        ask(&self.lab.app.base_url, "GET", &format!("{}?{query}", self.path), &self.headers, b"").await
    }

    fn pages(&self) -> usize {
        self.lab.upstream.count("GET", "/jobs")
    }
}

/// The end of the broker's patience is not the end of the list.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_is_not_turned_to_its_end_says_so() {
    let others = |offset| json!({"jobs": [{"id": "somebody-elses"}], "count": 1000, "limit": 200, "offset": offset});
    let shelf = Shelf::start(1, others).await;
    let answer = shelf.list("").await;
    assert_eq!((answer.status(), answer.header("luna-error")), (422, "list_too_long"), "{answer:?}");
    assert_eq!(shelf.pages(), 100);
}

/// Of a list that is there as far as it was asked for, it is told that there is more.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_asked_for_is_given_all_the_same() {
    let first = |offset| {
        let id = if offset == 0 { "0" } else { "somebody-elses" };
        json!({"jobs": [{"id": id}], "count": 1000, "limit": 200, "offset": offset})
    };
    let shelf = Shelf::start(2, first).await;
    let answer = shelf.list("limit=1").await;
    assert_eq!((answer.status(), answer.json()["jobs"].clone()), (200, json!([{"id": "0"}])), "{answer:?}");
    assert!(answer.json()["count"].as_u64().unwrap() > 1, "{answer:?}");
}

/// Many pages, none of them too long, that are too long together.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_no_longer_than_an_answer_may_be() {
    let long = "x".repeat(17 * 1024 * 1024);
    let page = move |offset: usize| {
        let jobs = if offset < 5 { json!([{"id": offset.to_string(), "program": &long}]) } else { json!([]) };
        json!({"jobs": jobs, "count": 5, "limit": 200, "offset": offset})
    };
    let shelf = Shelf::start(5, page).await;
    let answer = shelf.list("").await;
    assert_eq!((answer.status(), answer.header("luna-error")), (422, "list_too_long"), "{:.2000}", answer.text());
    assert_eq!(shelf.pages(), 4, "the last ones are not even asked for");
    // A part of it is no longer than that part.
    let answer = shelf.list("limit=2&offset=3").await;
    let ids: Vec<Value> = answer.json()["jobs"].as_array().unwrap().iter().map(|job| job["id"].clone()).collect();
    assert_eq!((answer.status(), ids), (200, vec![json!("3"), json!("4")]), "{}", answer.head);
}

/// Ids are numbers with some providers.
#[tokio::test(flavor = "multi_thread")]
async fn a_number_names_a_job_as_well() {
    let shelf =
        Shelf::start(1, |_| json!({"jobs": [{"id": 0}, {"id": 7}], "count": 2, "limit": 200, "offset": 0})).await;
    let answer = shelf.list("").await;
    assert_eq!((answer.status(), answer.json()["jobs"].clone()), (200, json!([{"id": 0}])), "{answer:?}");
}
