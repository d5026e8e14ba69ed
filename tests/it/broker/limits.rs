//! Limits hold, however many submit at once and wherever; what was promised is taken back.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use serde_json::json;
use uuid::Uuid;

use crate::support::lab::{Lab, SECRET, configuration, expect_error};
use crate::support::sapi::Sapi;
use crate::support::upstream::{Reply, Upstream};
use crate::support::wire::ask;
use crate::support::{Caller, paths};

async fn lab() -> (Lab, Sapi) {
    let sapi = Sapi::default();
    let script = sapi.clone();
    (Lab::start(move |seen| script.answer(seen)).await, sapi)
}

/// Submits 64 times at once, by turns at each of the places and by each of the keys; answers how many got through.
async fn storm(lab: &Arc<Lab>, places: &[String], keys: &[String]) -> usize {
    let tasks: Vec<_> = (0..64)
        .map(|number| {
            let (lab, place, key) =
                (Arc::clone(lab), places[number % places.len()].clone(), keys[number / 2 % keys.len()].clone());
            tokio::spawn(async move {
                let answer =
                    ask(&place, "POST", &lab.path("problems/"), &format!("x-auth-token: {key}\r\n"), b"[{}]").await;
                if answer.status() == 200 {
                    return 1;
                }
                expect_error(&answer, 403, "quota_exhausted");
                0
            })
        })
        .collect();
    let mut through = 0;
    for task in tasks {
        through += task.await.unwrap();
    }
    through
}

/// Each job is promised 100. With room for ten, ten get through: of the organization's limit, of the user's, of both.
#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_at_once_and_room_for_ten() {
    for (organization, user) in
        [(Some(1000), None), (None, Some(1000)), (Some(1000), Some(5000)), (Some(1050), Some(1099))]
    {
        let (lab, _) = lab().await;
        if let Some(quota) = organization {
            lab.limit(None, quota).await;
        }
        if let Some(quota) = user {
            lab.limit(Some(&lab.ada), quota).await;
        }
        let places = [lab.app.base_url.clone(), lab.app.replica().await];
        let lab = Arc::new(lab);
        let key = [lab.key.clone()];
        assert_eq!(storm(&lab, &places, &key).await, 10, "{organization:?} {user:?}");
        assert_eq!(lab.upstream.count("POST", "problems"), 10, "nothing else was sent");
        assert_eq!(
            lab.limits().await,
            vec![(0, 1000); usize::from(organization.is_some()) + usize::from(user.is_some())]
        );
        let events = lab.events().await;
        let of = |outcome: &str| events.iter().filter(|event| event.0 == "jobs:submit" && event.1 == outcome).count();
        // Each replica tells of the first refusal and counts the others.
        assert!(of("success") == 10 && (1..=2).contains(&of("refused")), "{events:?}");
    }
}

/// The organization's limit is shared, the users' are their own.
#[tokio::test(flavor = "multi_thread")]
async fn two_users_and_three_limits() {
    let (lab, _) = lab().await;
    let (bob, bobs_key) = lab.somebody(&lab.app.root, "bob").await;
    lab.limit(None, 1000).await;
    lab.limit(Some(&lab.ada), 300).await;
    lab.limit(Some(&bob), 2000).await;
    let places = [lab.app.base_url.clone(), lab.app.replica().await];
    let lab = Arc::new(lab);
    let keys = [lab.key.clone(), bobs_key];
    assert_eq!(storm(&lab, &places, &keys).await, 10);
    let limits = lab.limits().await;
    assert_eq!((limits[0], limits[1].1 + limits[2].1), ((0, 1000), 1000));
    assert!(limits.iter().any(|limit| limit.1 <= 300), "{limits:?}");
}

/// A batch is promised as a whole or not at all, and what is known of its use takes the place of the promise.
#[tokio::test(flavor = "multi_thread")]
async fn batches_are_all_or_nothing() {
    let (lab, sapi) = lab().await;
    lab.limit(None, 1000).await;
    let refused = lab.ask("POST", "problems/", format!("[{}{{}}]", "{},".repeat(10))).await;
    expect_error(&refused, 403, "quota_exhausted");
    let message = refused.json()["error_msg"].as_str().unwrap().to_owned();
    assert!(message.contains("no room for the 1100 nanoseconds of QPU access time that are reserved"), "{message}");
    assert_eq!((lab.limits().await, lab.upstream.seen().len()), (vec![(0, 0)], 0));
    assert_eq!(lab.ask("POST", "problems/", "[{},{},{}]").await.status(), 200);
    assert_eq!(lab.limits().await, [(0, 300)]);
    sapi.finish("problem-1", 0.25);
    sapi.finish("problem-2", 0.5);
    sapi.finish("problem-3", 0.0004);
    for (id, limit) in [("problem-1", (250, 200)), ("problem-2", (750, 100)), ("problem-3", (750, 0))] {
        assert_eq!(lab.ask("GET", &format!("problems/{id}/"), "").await.status(), 200);
        assert_eq!(lab.limits().await, [limit], "{id}");
    }
    assert_eq!(lab.ask("POST", "problems/", "[{},{}]").await.status(), 200);
    expect_error(&lab.ask("POST", "problems/", "[{}]").await, 403, "quota_exhausted");
}

/// What a job used counts also where it was more than there was room for; then nothing goes until the limit is raised.
#[tokio::test(flavor = "multi_thread")]
async fn more_than_promised_counts_too() {
    let (lab, sapi) = lab().await;
    lab.limit(Some(&lab.ada), 1000).await;
    let id = lab.submit(&lab.key).await;
    sapi.finish(&id, 5.0);
    lab.ask("GET", &format!("problems/{id}/answer"), "").await;
    assert_eq!(lab.limits().await, [(5000, 0)]);
    expect_error(&lab.ask("POST", "problems/", "[{}]").await, 403, "quota_exhausted");
    assert_eq!(lab.ask("GET", &format!("problems/{id}/"), "").await.status(), 200, "the own can be read");
    lab.limit(Some(&lab.ada), 5100).await;
    lab.submit(&lab.key).await;
}

/// Refused where the window of a limit has not begun or has ended; what one has already is still there.
#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_is_not_open() {
    let (lab, _) = lab().await;
    let id = lab.submit(&lab.key).await;
    let now = lab.app.clock.now();
    let window = |from: i64, until: i64| json!({"quota": 1000, "start": now + TimeDelta::days(from), "end": now + TimeDelta::days(until)});
    let path = paths::user_quota(&lab.app.root, &lab.token, &lab.ada.id);
    for (from, until) in [(1, 2), (-2, -1)] {
        assert!(lab.app.admin.put(&path, &window(from, until)).await.status.is_success());
        expect_error(&lab.ask("POST", "problems/", "[{}]").await, 403, "quota_not_active");
        expect_error(&lab.ask("GET", "solvers/remote/", "").await, 403, "quota_not_active");
        for (method, below) in [("GET", ""), ("GET", "/answer"), ("GET", "/info"), ("DELETE", "")] {
            let status = lab.ask(method, &format!("problems/{id}{below}"), "").await.status();
            assert!(matches!(status, 200 | 404), "{method} {below}: {status}");
        }
        assert_eq!(lab.ask("GET", &format!("problems/?id={id}"), "").await.status(), 200);
    }
    assert!(lab.app.admin.put(&path, &window(-1, 1)).await.status.is_success());
    lab.submit(&lab.key).await;
}

/// Each limit's window shuts out whom the limit is for and nobody else, for as long as there is that limit.
#[tokio::test(flavor = "multi_thread")]
async fn windows_of_several_limits() {
    let (lab, _) = lab().await;
    let (bob, bobs_key) = lab.somebody(&lab.app.root, "bob").await;
    let now = lab.app.clock.now();
    let window =
        |from: i64, until: i64| json!({"start": now + TimeDelta::days(from), "end": now + TimeDelta::days(until)});
    let (open, passed, to_come) = (window(-1, 1), window(-2, -1), window(1, 2));
    let root = &lab.app.root;
    let everybodys = paths::quota(root, &lab.token);
    let [adas, bobs] = [&lab.ada, &bob].map(|user| paths::user_quota(root, &lab.token, &user.id));
    for (path, window, who_is_in) in [
        (&bobs, Some(&passed), [true, false]),
        (&adas, Some(&open), [true, false]),
        (&everybodys, Some(&to_come), [false, false]),
        (&everybodys, None, [true, false]),
        (&bobs, Some(&open), [true, true]),
        (&adas, Some(&to_come), [false, true]),
        (&everybodys, Some(&open), [false, true]),
        (&adas, None, [true, true]),
        (&everybodys, Some(&passed), [false, false]),
        (&everybodys, Some(&open), [true, true]),
    ] {
        let answer = match window {
            Some(window) if lab.app.admin.get(path).await.status == 200 => lab.app.admin.patch(path, window).await,
            Some(window) => {
                let mut quota = window.clone();
                quota["quota"] = json!(1000);
                lab.app.admin.put(path, &quota).await
            }
            None => lab.app.admin.delete(path).await,
        };
        assert!(answer.status.is_success(), "{}", answer.text);
        for (key, is_in) in [&lab.key, &bobs_key].into_iter().zip(who_is_in) {
            let answer = lab.ask_with(key, "GET", "solvers/remote/", "").await;
            if is_in {
                assert_eq!(answer.status(), 200, "{path} {window:?}");
            } else {
                expect_error(&answer, 403, "quota_not_active");
            }
        }
    }
}

/// Refused at the provider, nothing is promised any more; twice as many can be tried.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_provider_refuses_is_free() {
    let (lab, _) = lab().await;
    lab.limit(None, 1000).await;
    for status in [400, 401, 403, 409, 422, 429, 500, 503] {
        lab.upstream.always(Reply::json(status, &json!({"error_code": status, "error_msg": "no"})));
        for _ in 0..4 {
            let answer = lab.ask("POST", "problems/", "[{},{},{}]").await;
            assert_eq!(answer.status(), if status == 401 { 403 } else { status }, "{answer:?}");
        }
    }
    assert_eq!(lab.limits().await, [(0, 0)]);
}

/// The limit of one token is none of another's.
#[tokio::test(flavor = "multi_thread")]
async fn tokens_have_limits_of_their_own() {
    let (lab, _) = lab().await;
    lab.limit(None, 100).await;
    let other = lab.app.token(&lab.app.root, "Other", "DEV-the-other-credential").await;
    lab.submit(&lab.key).await;
    expect_error(&lab.ask("POST", "problems/", "[{}]").await, 403, "quota_exhausted");
    let headers = format!("x-auth-token: {}\r\n", lab.key);
    let path = format!("/v1/qpu/{other}/problems/");
    assert_eq!(ask(&lab.app.base_url, "POST", &path, &headers, b"[{}]").await.status(), 200);
}

/// Uploads take no room.
#[tokio::test(flavor = "multi_thread")]
async fn uploads_are_no_jobs() {
    let (lab, _) = lab().await;
    lab.limit(None, 100).await;
    assert_eq!(lab.ask("POST", "bqm/multipart", "{\"size\": 5}").await.status(), 200);
    let (_, bobs_key) = lab.somebody(&lab.app.root, "bob").await;
    let problem = json!([{"data": {"format": "ref", "data": "upload-1"}}]).to_string();
    for strange in [
        json!([{"data": {"format": "REF", "data": "upload-1"}}]),
        json!([{"data": {"format": ["ref"], "data": "upload-1"}}]),
        json!([{"data": {"format": "ref", "data": ["upload-1"]}}]),
        json!([{"data": {"Format": "ref", "data": "upload-1"}}]),
        json!([{"Data": {"format": "ref", "data": "upload-1"}}]),
        json!({"data": {"format": "ref", "Data": "upload-1"}}),
    ] {
        let answer = lab.ask_with(&bobs_key, "POST", "problems/", strange.to_string()).await;
        expect_error(&answer, 400, "invalid_request");
    }
    let part = "bqm/multipart/upload-1/part/1";
    expect_error(&lab.ask_with(&bobs_key, "PUT", part, "12345").await, 404, "not_found");
    expect_error(&lab.ask_with(&bobs_key, "POST", "problems/", &problem).await, 404, "not_found");
    assert_eq!(lab.ask("PUT", part, "12345").await.status(), 200);
    assert_eq!(lab.upstream.last().body, b"12345");
    assert_eq!(lab.ask("POST", "problems/", &problem).await.status(), 200);
    assert_eq!(lab.limits().await, [(0, 100)]);
}

/// An installation whose provider is another one than the token's: the token is there, and cannot be used.
#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_other_providers_are_not_reached() {
    let upstream = Upstream::start(|_| Reply::silence()).await;
    let lab = Lab::with(configuration(&upstream), upstream).await;
    let made = json!({"name": "Q", "provider": "qctrl", "credential": {"token": "a-credential-of-q-ctrl"}});
    let made = lab.app.admin.post(&paths::tokens(&lab.app.root), &made).await.expect(201);
    let caller = Caller::with_api_key(&lab.app.base_url, &lab.key);
    let answer = caller.get(&format!("/v1/qpu/{}/x", made["id"].as_str().unwrap())).await;
    answer.expect_problem(404, "not_found");
}

/// What the provider takes and does not name, or names so that nobody can ask for it, may run: it counts.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_without_a_name_counts() {
    let lab = Lab::start(|_| Reply::silence()).await;
    lab.limit(None, 10_000).await;
    let text = |text: &str| Reply::with(200, "content-type: application/json\r\n", text);
    let replies =
        [text("[{}]"), text(r#"[{"id": 5}]"#), text(r#"[{"id": "a b/c"}]"#), text("[]"), text("{}"), text("")];
    let count = i64::try_from(replies.len()).unwrap();
    for reply in replies {
        lab.upstream.always(reply);
        let answer = lab.ask("POST", "problems/", "[{}]").await;
        expect_error(&answer, 424, "submission_not_named");
    }
    assert_eq!(lab.limits().await, [(count * 100, 0)]);
    // What some other one is called hides nothing; and what is refused is refused.
    lab.upstream.always(text(r#"[{"id": "mine"}, {"error_code": 400, "error_msg": "no"}, {}]"#));
    assert_eq!(lab.ask("POST", "problems/", "[{},{},{}]").await.status(), 200);
    assert_eq!(lab.limits().await, [(count * 100 + 100, 100)]);
    let reasons: Vec<_> = lab.events().await.into_iter().map(|(.., details)| details["reason"].clone()).collect();
    assert_eq!(i64::try_from(reasons.iter().filter(|reason| *reason == "unnamed").count()).unwrap(), count + 1);
}

/// Whoever counts shares the token, and whoever changes it has it alone: in the order in which they came. Submissions in numbers do not
/// keep an admin from switching the token off.
#[tokio::test(flavor = "multi_thread")]
async fn an_admin_is_not_passed_by() {
    let (lab, _) = lab().await;
    let lab = Arc::new(lab);
    let token = paths::token(&lab.app.root, &lab.token);
    let mut counting = lab.app.database.begin().await.unwrap();
    let id: Uuid = lab.token.parse().unwrap();
    sqlx::query("SELECT share_token($1)").bind(id).execute(&mut *counting).await.unwrap();
    // Beside who counts, others count.
    lab.submit(&lab.key).await;
    let waiting = async |count: i64| {
        let query =
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        for _ in 0..100 {
            if sqlx::query_scalar::<_, i64>(query).fetch_one(&lab.app.database).await.unwrap() == count {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{count} should wait");
    };
    let switching_off = async {
        let answer = lab.app.admin.patch(&token, &json!({"enabled": false})).await;
        answer.expect(200)
    };
    let submitting = async {
        waiting(1).await;
        lab.ask("POST", "problems/", "[{}]").await.status()
    };
    let letting_go = async {
        waiting(2).await;
        counting.rollback().await.unwrap();
    };
    let (off, submitted, ()) = tokio::join!(switching_off, submitting, letting_go);
    // It had been let in by then.
    assert_eq!((&off["enabled"], submitted), (&json!(false), 200));
    expect_error(&lab.ask("POST", "problems/", "[{}]").await, 403, "token_disabled");
}

/// What one member has to write down waits for the member's turn, and not in all connections to the database.
#[tokio::test(flavor = "multi_thread")]
async fn one_member_leaves_connections_to_others() {
    let (lab, _) = lab().await;
    let lab = Arc::new(lab);
    let other = lab.app.token(&lab.app.root, "Other", SECRET).await;
    let (bob, bobs_key) = lab.somebody(&lab.app.root, "bob").await;
    let mut changing = lab.app.database.begin().await.unwrap();
    let id: Uuid = lab.token.parse().unwrap();
    sqlx::query("SELECT take_turn($1)").bind(id).execute(&mut *changing).await.unwrap();
    let submissions: Vec<_> = (0..30)
        .map(|_| {
            let lab = Arc::clone(&lab);
            tokio::spawn(async move { lab.ask("POST", "problems/", "[{}]").await.status() })
        })
        .collect();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let path = format!("/v1/qpu/{other}/problems/");
    let answer = ask(&lab.app.base_url, "POST", &path, &lab.headers(&bobs_key), b"[{}]").await;
    assert_eq!(answer.status(), 200, "{answer:?}");
    bob.get("/v1/me").await.expect(200);
    changing.rollback().await.unwrap();
    for submission in submissions {
        assert_eq!(submission.await.unwrap(), 200);
    }
}
