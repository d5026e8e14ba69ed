//! Each provider is asked by itself: one that does not answer holds up its own jobs and no others.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use luna_organizations::broker::Patience;
use luna_organizations::cli::{Configuration, ProviderConfiguration, service};
use luna_organizations::worker;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::support::lab::{Lab, configuration};
use crate::support::notebook::{self, Notebook, ledger};
use crate::support::upstream::{Reply, Seen, Upstream};

/// More than the worker takes at a time.
const MANY: usize = 40;

/// Takes problems, and says nothing about them.
fn silent(seen: &Seen) -> Reply {
    let ids = (1..=seen.json().as_array().map_or(1, Vec::len)).map(|number| json!({"id": format!("problem-{number}")}));
    if seen.method == "POST" { Reply::json(200, &ids.collect()) } else { Reply::silence() }
}

/// Jobs are named by who submits them, and have ended.
fn prompt(seen: &Seen) -> (u16, Value) {
    match seen.method.as_str() {
        "POST" => (200, json!({"id": seen.json()["name"], "status": "ready"})),
        _ => (200, json!({"status": "completed", "execution_duration_ms": 1200})),
    }
}

/// D-Wave does not answer, IonQ does. Neither does what nobody is asked about wait for D-Wave.
#[tokio::test(flavor = "multi_thread")]
async fn a_silent_provider_holds_up_no_other() {
    let (dwave, ionq) = (Upstream::start(silent).await, Upstream::start(prompt).await);
    let mut configuration = configuration(&dwave);
    configuration.broker.patience = Patience::default();
    let other = ProviderConfiguration { base_url: Some(ionq.url()), ..ProviderConfiguration::default() };
    configuration.providers.insert("ionq".to_owned(), other);
    let lab = Lab::with(configuration, dwave).await;
    let token = notebook::token(&lab.app, "ionq").await;
    let ada = Notebook::new(&lab.app, &lab.ada, &token, ("authorization", "apiKey ")).await;
    let settled = async |id: &str| {
        let told = async {
            while ledger(&lab.app).await[id] != Some(1200) {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(Duration::from_secs(15), told).await.is_ok()
    };

    assert_eq!(lab.ask("POST", "problems/", json!(vec![json!({}); MANY + 1]).to_string()).await.status(), 200);
    let last = "UPDATE jobs SET state = 'reserved', provider_job_id = NULL, check_at = check_at + interval '1 second'
                 WHERE provider_job_id = $1";
    let last = sqlx::query(last).bind(format!("problem-{}", MANY + 1)).execute(&lab.app.database).await.unwrap();
    assert_eq!(last.rows_affected(), 1);
    ada.send("POST", "v0.4/jobs", &json!({"name": "one"})).await.expect(200);
    lab.app.clock.advance(TimeDelta::hours(1));
    let worker = tokio::spawn(worker::run(lab.app.repository.clone(), Arc::clone(&lab.app.broker)));
    assert!(settled("one").await, "it waits for D-Wave's");
    // Also what comes while D-Wave still keeps the worker waiting.
    ada.send("POST", "v0.4/jobs", &json!({"name": "two"})).await.expect(200);
    lab.app.clock.advance(TimeDelta::hours(1));
    assert!(settled("two").await, "it waits for the next round");
    let states = lab.states().await;
    let count = |state: &str| states.iter().filter(|found| *found == state).count();
    assert_eq!((count("expired"), count("open"), count("settled")), (1, MANY, 2), "{states:?}");
    worker.abort();
}

/// A provider that the operator has taken out cannot be asked: its jobs are given up in the end, and then booked.
#[tokio::test(flavor = "multi_thread")]
async fn jobs_of_a_provider_that_is_gone_are_given_up() {
    let upstream = Upstream::start(silent).await;
    let (key_header, headers) = ("x-token", json!({"x-token": "{token}"}));
    let operations = json!([
        {"name": "jobs:submit", "method": "POST", "path": "jobs", "effect": "submit", "id": "/0/id"},
        {"name": "jobs:read", "method": "GET", "path": "jobs/{job}", "usage": {"value": "/used"}},
    ]);
    let declared = json!({"base_url": upstream.url(), "estimate": 7, "key_header": key_header, "headers": headers,
                          "operations": operations});
    let configuration = notebook::provider("acme", serde_json::from_value(declared).unwrap());
    let app = crate::support::App::start_with(configuration).await;
    let token = notebook::token(&app, "acme").await;
    let ada = app.member(&app.root, "ada").await;
    let ada = Notebook::new(&app, &ada, &token, (key_header, "")).await;
    ada.send("POST", "jobs", &json!({})).await.expect(200);
    let address = "127.0.0.1:0".parse().unwrap();
    let without = service::state(&Configuration::default(), app.repository.clone(), address).await.unwrap();
    app.clock.advance(TimeDelta::hours(1));
    without.broker.settle_due().await;
    assert_eq!(ledger(&app).await["problem-1"], None);
    app.clock.advance(TimeDelta::days(31));
    without.broker.settle_due().await;
    assert_eq!(ledger(&app).await["problem-1"], Some(7));
}
