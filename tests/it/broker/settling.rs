//! Usage is booked exactly once, whichever request brings it, and by the worker where none does.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use luna_organizations::broker::Patience;
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::failures::dripping;
use crate::support::lab::{Lab, SECRET, expect_error};
use crate::support::paths;
use crate::support::sapi::Sapi;
use crate::support::upstream::{Reply, Step, Upstream};
use crate::support::wire::ask;

async fn lab() -> (Lab, Sapi) {
    let sapi = Sapi::default();
    let script = sapi.clone();
    let lab = Lab::start(move |seen| script.answer(seen)).await;
    lab.limit(None, 1_000_000).await;
    (lab, sapi)
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_readers_and_one_booking() {
    let (lab, sapi) = lab().await;
    let id = lab.submit(&lab.key).await;
    sapi.finish(&id, 12.5);
    let places = [lab.app.base_url.clone(), lab.app.replica().await];
    let lab = Arc::new(lab);
    let ways = [
        format!("problems/{id}/"),
        format!("problems/{id}/answer/"),
        format!("problems/{id}/info"),
        format!("problems/?id={id}"),
    ];
    let tasks: Vec<_> = (0..80)
        .map(|number| {
            let (lab, place, way) = (Arc::clone(&lab), places[number % 2].clone(), ways[number / 2 % 4].clone());
            tokio::spawn(async move {
                let headers = format!("x-auth-token: {}\r\n", lab.key);
                assert_eq!(ask(&place, "GET", &lab.path(&way), &headers, b"").await.status(), 200);
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(
        (lab.limits().await, lab.jobs().await),
        (vec![(12_500, 0)], vec![("settled".to_owned(), 100, Some(12_500))])
    );
    // Later figures change nothing, nor does the worker.
    sapi.finish(&id, 99.0);
    lab.ask("GET", &ways[0], "").await;
    lab.app.clock.advance(TimeDelta::hours(2));
    lab.app.broker.settle_due().await;
    assert_eq!(lab.limits().await, [(12_500, 0)]);
}

/// Each of the four ways is enough by itself, and the submission's own answer, too.
#[tokio::test(flavor = "multi_thread")]
async fn every_way_books() {
    let (lab, sapi) = lab().await;
    let mut booked = 0;
    for way in ["", "/answer", "/info"] {
        let id = lab.submit(&lab.key).await;
        sapi.finish(&id, 3.0);
        let _ = lab.ask("GET", &format!("problems/{id}{way}"), "").await;
        booked += 3000;
        assert_eq!(lab.limits().await, [(booked, 0)], "{way}");
    }
    let done = |id: &str| json!([{"id": id, "status": "COMPLETED", "answer": {"timing": {"qpu_access_time": 2.0}}}]);
    lab.upstream.always(Reply::json(200, &done("at-once")));
    lab.ask("POST", "problems/", "[{}]").await;
    assert_eq!(lab.limits().await, [(booked + 2000, 0)]);
    lab.upstream.always(Reply::json(200, &json!([{"id": "listed"}])));
    lab.ask("POST", "problems/", "[{}]").await;
    lab.upstream.always(Reply::json(200, &done("listed")));
    lab.ask("GET", "problems/?id=listed", "").await;
    assert_eq!(lab.limits().await, [(booked + 4000, 0)]);
    // Solved without the QPU, or never: nothing is used.
    for status in ["CANCELLED", "FAILED"] {
        lab.upstream.always(Reply::json(200, &json!([{"id": status}])));
        lab.ask("POST", "problems/", "[{}]").await;
        lab.upstream.always(Reply::json(200, &json!({"id": status, "status": status})));
        lab.ask("GET", &format!("problems/{status}"), "").await;
        assert_eq!(lab.limits().await, [(booked + 4000, 0)], "{status}");
    }
}

/// A list has no timing in it, so it does not tell what something that was ended early has used before.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_does_not_say_that_nothing_was_used() {
    let (lab, _) = lab().await;
    for (number, status) in (1..).zip(["CANCELLED", "FAILED"]) {
        lab.upstream.always(Reply::json(200, &json!([{"id": status}])));
        lab.ask("POST", "problems/", "[{}]").await;
        lab.upstream.always(Reply::json(200, &json!([{"id": status, "status": status}])));
        let listed = lab.ask("GET", &format!("problems/?id={status}"), "").await;
        assert_eq!(listed.json()[0]["status"], status, "{listed:?}");
        assert_eq!(lab.states().await[0], "open", "{status}");
        let told = json!({"id": status, "status": status, "answer": {"timing": {"qpu_access_time": 5.0}}});
        lab.upstream.always(Reply::json(200, &told));
        lab.app.clock.advance(TimeDelta::hours(1));
        lab.app.broker.settle_due().await;
        assert_eq!(lab.limits().await, [(number * 5000, 0)], "{status}");
    }
}

/// What is never read is asked for by the worker, once it is due, with the credential that submitted it.
#[tokio::test(flavor = "multi_thread")]
async fn the_worker_settles_what_nobody_reads() {
    let (lab, sapi) = lab().await;
    let id = lab.submit(&lab.key).await;
    sapi.finish(&id, 4.0);
    let asked = lab.upstream.seen().len();
    lab.app.broker.settle_due().await;
    assert_eq!(lab.upstream.seen().len(), asked, "it is not due");
    lab.app.clock.advance(TimeDelta::seconds(40));
    lab.app.broker.settle_due().await;
    let seen = lab.upstream.last();
    assert_eq!((seen.target.as_str(), seen.header("x-auth-token").as_str()), ("/sapi/v2/problems/problem-1/", SECRET));
    assert_eq!(lab.limits().await, [(4000, 0)]);
    lab.app.clock.advance(TimeDelta::days(1));
    lab.app.broker.settle_due().await;
    assert_eq!(lab.upstream.seen().len(), asked + 1, "it is over");
}

/// Asked about less and less often; what the provider does not know expires after an hour, the rest is booked as it was reserved
/// after a month.
#[tokio::test(flavor = "multi_thread")]
async fn what_never_ends_is_given_up() {
    let (lab, sapi) = lab().await;
    let (forgotten, _) = (lab.submit(&lab.key).await, lab.submit(&lab.key).await);
    sapi.forget(&forgotten);
    let asked = lab.upstream.seen().len();
    for _ in 0..120 {
        lab.app.clock.advance(TimeDelta::seconds(60));
        lab.app.broker.settle_due().await;
    }
    let asked = lab.upstream.seen().len() - asked;
    assert!((10..20).contains(&asked), "{asked} questions about two jobs in two hours");
    assert_eq!(
        (lab.states().await, lab.limits().await),
        (vec!["expired".to_owned(), "open".to_owned()], vec![(0, 100)])
    );
    lab.app.clock.advance(TimeDelta::days(31));
    lab.app.broker.settle_due().await;
    assert_eq!(
        (lab.states().await, lab.limits().await),
        (vec!["expired".to_owned(), "settled".to_owned()], vec![(100, 0)])
    );
    assert_eq!(expired(&lab).await, [("unknown_to_provider".to_owned(), 0), ("given_up".to_owned(), 100)]);
}

/// A provider that does not know a job for a moment makes nothing free, however old the job is.
#[tokio::test(flavor = "multi_thread")]
async fn one_not_found_makes_nothing_free() {
    let (lab, sapi) = lab().await;
    lab.submit(&lab.key).await;
    let unknown = Reply::json(404, &json!({}));
    let asked = async |after: TimeDelta| {
        let before = lab.upstream.seen().len();
        lab.app.clock.advance(after);
        lab.app.broker.settle_due().await;
        assert_eq!(lab.upstream.seen().len(), before + 1);
        lab.states().await
    };
    lab.upstream.always(unknown.clone());
    assert_eq!(asked(TimeDelta::days(2)).await, ["open"]);
    // It knows it again, and the hour begins anew.
    lab.upstream.script(move |seen| sapi.answer(seen));
    assert_eq!(asked(TimeDelta::hours(2)).await, ["open"]);
    lab.upstream.always(unknown);
    assert_eq!(asked(TimeDelta::hours(2)).await, ["open"]);
    // No answer is none.
    lab.upstream.always(Reply::silence());
    assert_eq!(asked(TimeDelta::minutes(30)).await, ["open"]);
    lab.upstream.always(Reply::json(404, &json!({})));
    assert_eq!(asked(TimeDelta::hours(2)).await, ["expired"]);
    assert_eq!((lab.limits().await, expired(&lab).await), (vec![(0, 0)], vec![("unknown_to_provider".to_owned(), 0)]));
}

/// Nobody can be asked what an upload has used: nobody is.
#[tokio::test(flavor = "multi_thread")]
async fn uploads_are_not_asked_about() {
    let (lab, _) = lab().await;
    assert_eq!(lab.ask("POST", "bqm/multipart", "{}").await.status(), 200);
    let asked = lab.upstream.seen().len();
    for _ in 0..40 {
        lab.app.clock.advance(TimeDelta::days(1));
        lab.app.broker.settle_due().await;
    }
    let uploads: Vec<(String, String, i32)> =
        sqlx::query_as("SELECT kind, state, checks FROM jobs").fetch_all(&lab.app.database).await.unwrap();
    assert_eq!(uploads, [("upload".to_owned(), "open".to_owned(), 0)]);
    assert_eq!((lab.upstream.seen().len(), expired(&lab).await.len()), (asked, 0));
}

/// A figure that nobody can have used does not put an end to all counting.
#[tokio::test(flavor = "multi_thread")]
async fn no_figure_is_too_large_to_be_counted() {
    let (lab, sapi) = lab().await;
    let id = lab.submit(&lab.key).await;
    sapi.finish(&id, 8e12);
    assert_eq!(lab.ask("GET", &format!("problems/{id}"), "").await.status(), 200);
    assert_eq!(lab.limits().await, [(1_000_000_000_000_000, 0)]);
    // As it may have been booked before there was a bound.
    sqlx::query("UPDATE quotas SET quota_used = 9223372036854775807").execute(&lab.app.database).await.unwrap();
    expect_error(&lab.ask("POST", "problems/", "[{}]").await, 403, "quota_exhausted");
    sqlx::query("UPDATE quotas SET quota = 9223372036854775807, quota_used = quota_used - 50")
        .execute(&lab.app.database)
        .await
        .unwrap();
    expect_error(&lab.ask("POST", "problems/", "[{}]").await, 403, "quota_exhausted");
}

/// Reason and figure of the events about jobs of which nobody has told what they used.
async fn expired(lab: &Lab) -> Vec<(String, i64)> {
    let events = lab.events().await.into_iter().filter(|event| event.0 == "jobs:expire");
    let told = events
        .map(|(_, _, details)| (details["reason"].as_str().unwrap().to_owned(), details["booked"].as_i64().unwrap()));
    told.collect()
}

/// A credential that does not count any more holds nothing for ever, and makes nothing free.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_asked_for_is_given_up_too() {
    let (lab, _) = lab().await;
    lab.submit(&lab.key).await;
    lab.upstream.always(Reply::json(401, &json!({})));
    lab.app.clock.advance(TimeDelta::days(29));
    lab.app.broker.settle_due().await;
    assert_eq!(lab.limits().await, [(0, 100)]);
    lab.app.clock.advance(TimeDelta::days(2));
    lab.app.broker.settle_due().await;
    assert_eq!((lab.limits().await, expired(&lab).await), (vec![(100, 0)], vec![("given_up".to_owned(), 100)]));
}

/// What was never submitted ran nowhere.
#[tokio::test(flavor = "multi_thread")]
async fn what_never_was_is_not_booked() {
    let (lab, _) = lab().await;
    lab.submit(&lab.key).await;
    sqlx::query("UPDATE jobs SET state = 'reserved', provider_job_id = NULL").execute(&lab.app.database).await.unwrap();
    lab.app.clock.advance(TimeDelta::hours(1));
    lab.app.broker.settle_due().await;
    assert_eq!((lab.limits().await, expired(&lab).await), (vec![(0, 0)], vec![("never_submitted".to_owned(), 0)]));
}

/// Every other job is one of which the provider says nothing at all. That does not hold up the rest.
#[tokio::test(flavor = "multi_thread")]
async fn those_that_hang_hold_up_nobody() {
    let sapi = Sapi::default();
    let (script, gate) = (sapi.clone(), Arc::new(Semaphore::new(0)));
    let held = Arc::clone(&gate);
    let upstream = Upstream::start(move |seen| {
        let answer = script.answer(seen);
        let number =
            seen.target.trim_end_matches('/').rsplit_once("problem-").and_then(|(_, id)| id.parse::<u32>().ok());
        let hangs = seen.method == "GET" && number.is_some_and(|number| number % 2 == 1);
        if hangs { Reply::default().then(Step::Hold(Arc::clone(&held))).followed_by(answer) } else { answer }
    })
    .await;
    let mut configuration = crate::support::lab::configuration(&upstream);
    configuration.broker.patience = Patience::default();
    let lab = Lab::with(configuration, upstream).await;
    for _ in 0..12 {
        let id = lab.submit(&lab.key).await;
        sapi.finish(&id, 1.0);
    }
    lab.app.clock.advance(TimeDelta::hours(1));
    let broker = Arc::clone(&lab.app.broker);
    let settling = tokio::spawn(async move { broker.settle_due().await });
    let count = async |state: &str| lab.states().await.into_iter().filter(|found| found == state).count();
    let others = async {
        while count("settled").await < 6 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(15), others).await.expect("the others are settled");
    assert_eq!(count("open").await, 6);
    gate.add_permits(6);
    settling.await.unwrap();
    assert_eq!(lab.states().await, vec!["settled".to_owned(); 12]);
}

/// Polled, settled and cancelled with the version that submitted it, also after two rotations; new jobs get the newest.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_keeps_its_credential() {
    let (lab, sapi) = lab().await;
    let credential = format!("{}/credential", paths::token(&lab.app.root, &lab.token));
    let mut jobs = vec![(lab.submit(&lab.key).await, SECRET.to_owned())];
    for secret in ["DEV-the-second-credential", "DEV-the-third-credential"] {
        let rotated = lab.app.admin.put(&credential, &json!({"credential": {"token": secret}})).await;
        assert!(rotated.status.is_success(), "{}", rotated.text);
        jobs.push((lab.submit(&lab.key).await, secret.to_owned()));
    }
    for (id, secret) in &jobs {
        lab.ask("GET", &format!("problems/?id={id}"), "").await;
        assert_eq!(lab.upstream.last().header("x-auth-token"), *secret, "{id}");
        for (method, below) in [("GET", ""), ("GET", "/answer"), ("GET", "/info"), ("GET", "/messages"), ("DELETE", "")]
        {
            let answer = lab.ask(method, &format!("problems/{id}{below}"), "").await;
            assert_eq!(lab.upstream.last().header("x-auth-token"), *secret, "{method} {id}{below}");
            assert!(!answer.text().contains(secret.as_str()), "{answer:?}");
        }
        sapi.finish(id, 1.0);
    }
    lab.app.clock.advance(TimeDelta::seconds(100));
    let before = lab.upstream.seen().len();
    lab.app.broker.settle_due().await;
    let mut used: Vec<_> = lab.upstream.seen()[before..].iter().map(|seen| seen.header("x-auth-token")).collect();
    used.sort();
    let mut secrets: Vec<_> = jobs.into_iter().map(|(_, secret)| secret).collect();
    secrets.sort();
    assert_eq!((used, lab.limits().await), (secrets, vec![(3000, 0)]));
    lab.ask("GET", "solvers/remote/", "").await;
    assert_eq!(lab.upstream.last().header("x-auth-token"), "DEV-the-third-credential");
}

/// With its token, a job is gone; the worker does not mind.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_deleted_while_its_job_runs() {
    let (lab, sapi) = lab().await;
    let id = lab.submit(&lab.key).await;
    sapi.finish(&id, 1.0);
    assert!(lab.app.admin.delete(&paths::token(&lab.app.root, &lab.token)).await.status.is_success());
    let asked = lab.upstream.seen().len();
    assert_eq!(lab.ask("GET", &format!("problems/{id}/"), "").await.status(), 404);
    lab.app.clock.advance(TimeDelta::hours(1));
    lab.app.broker.settle_due().await;
    lab.app.broker.flush().await;
    assert_eq!((lab.upstream.seen().len(), lab.states().await.len()), (asked, 0));
}

/// A provider that gives a byte now and then about one job keeps the worker from no other one.
#[tokio::test(flavor = "multi_thread")]
async fn one_slow_answer_holds_up_no_other_job() {
    let (lab, sapi) = lab().await;
    let (slow, other) = (lab.submit(&lab.key).await, lab.submit(&lab.key).await);
    sapi.finish(&other, 4.0);
    let part = format!("problems/{slow}");
    lab.upstream.script(move |seen| {
        let drips = || dripping("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{", " ", 150);
        if seen.target.contains(&part) { drips() } else { sapi.answer(seen) }
    });
    lab.app.clock.advance(TimeDelta::seconds(40));
    let settled = tokio::time::timeout(Duration::from_secs(20), lab.app.broker.settle_due()).await;
    settled.expect("the worker goes on");
    assert_eq!((lab.upstream.count("GET", &slow), lab.upstream.count("GET", &other)), (1, 1));
    assert_eq!(
        (lab.states().await, lab.limits().await),
        (vec!["open".to_owned(), "settled".to_owned()], vec![(4000, 100)])
    );
}
