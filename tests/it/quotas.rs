//! Limits on an organization's tokens, for everyone there and for one user.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::support::ledger::{Job, end};
use crate::support::{App, PASSWORD, paths, person};

fn moment(quota: &Value, member: &str) -> DateTime<Utc> {
    quota[member].as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_limit_is_set_changed_and_lifted() {
    let app = App::start().await;
    let token = app.token(&app.root, "one", "secret").await;
    let ada = app.member(&app.root, "ada").await;
    for path in [paths::quota(&app.root, &token), paths::user_quota(&app.root, &token, &ada.id)] {
        app.admin.get(&path).await.expect_problem(404, "not_found");
        app.admin.patch(&path, &json!({"quota": 1})).await.expect_problem(404, "not_found");

        let set = app.admin.put(&path, &json!({"quota": 1000})).await.expect(200);
        assert_eq!((&set["quota"], &set["quota_used"]), (&json!(1000), &json!(0)));
        assert_eq!(moment(&set, "end") - moment(&set, "start"), TimeDelta::days(365), "a year, if nothing is said");

        let changed = app.admin.patch(&path, &json!({"quota": 2000})).await.expect(200);
        assert_eq!((&changed["quota"], &changed["start"]), (&json!(2000), &set["start"]));
        let window = json!({"start": "2030-01-01T00:00:00Z", "end": "2030-02-01T00:00:00+01:00"});
        let changed = app.admin.patch(&path, &window).await.expect(200);
        assert_eq!((&changed["quota"], &changed["end"]), (&json!(2000), &json!("2030-01-31T23:00:00Z")));

        let put = app.admin.put(&path, &json!({"quota": 0})).await.expect(200);
        assert_eq!(put["quota"], 0);
        assert_ne!(put["start"], changed["start"], "what is put replaces all");

        app.admin.delete(&path).await.expect(204);
        app.admin.delete(&path).await.expect_problem(404, "not_found");
    }
}

/// What is used is what the jobs used that were submitted inside the window, whenever the limit was set.
#[tokio::test]
async fn a_limit_counts_the_jobs_of_its_window() {
    let app = App::start().await;
    let token = app.token(&app.root, "one", "secret").await;
    let (ada, ida) = (app.member(&app.root, "ada").await, app.member(&app.root, "ida").await);
    let (everyone, adas) = (paths::quota(&app.root, &token), paths::user_quota(&app.root, &token, &ada.id));
    let now = app.clock.now();
    let (organization, at) = (Some(app.root.as_str()), now - TimeDelta::days(40));
    let of_ada = Job { token: &token, secret_version: 1, user: &ada.id, organization, reserved: 100, at: now };
    let of_other = Job { user: &ida.id, ..of_ada.clone() };
    Job { at, ..of_ada.clone() }.run(&app.database, 1000).await;
    of_ada.run(&app.database, 30).await;
    of_other.run(&app.database, 7).await;
    let open = of_ada.submit(&app.database).await;

    // Set afterwards, it knows of what was before.
    let day = TimeDelta::days(1);
    let window = json!({"quota": 1000, "start": now - day, "end": now + day});
    let figures = |quota: &Value| (quota["quota_used"].as_i64().unwrap(), quota["reserved"].as_i64().unwrap());
    let told = async |path: &str| figures(&app.admin.get(path).await.expect(200));
    assert_eq!(figures(&app.admin.put(&everyone, &window).await.expect(200)), (37, 100));
    assert_eq!(figures(&app.admin.put(&adas, &window).await.expect(200)), (30, 100));
    assert!(end(&app.database, open, Some(5), now).await);
    assert!(!end(&app.database, open, Some(5), now).await, "booked once");
    assert_eq!((told(&everyone).await, told(&adas).await), ((42, 0), (35, 0)));

    // Its window moved, it knows of other jobs; lifted and set anew, of the same.
    let wider = app.admin.patch(&adas, &json!({"start": now - TimeDelta::days(50)})).await.expect(200);
    assert_eq!(figures(&wider), (1035, 0));
    let later = app.admin.patch(&everyone, &json!({"start": now + TimeDelta::hours(1)})).await.expect(200);
    assert_eq!(figures(&later), (0, 0));
    app.admin.delete(&adas).await.expect(204);
    assert_eq!(figures(&app.admin.put(&adas, &window).await.expect(200)), (35, 0));

    // Full is full, for whom it limits.
    app.admin.put(&adas, &json!({"quota": 36, "start": now - day})).await.expect(200);
    app.admin.delete(&everyone).await.expect(204);
    assert_eq!(of_ada.reserve(&app.database).await.unwrap_err(), "quota_exhausted");
    of_other.submit(&app.database).await;
    Job { reserved: 1, ..of_ada.clone() }.submit(&app.database).await;
    assert_eq!(told(&adas).await, (35, 1));
}

#[tokio::test]
async fn a_window_does_not_end_before_it_starts() {
    let app = App::start().await;
    let token = app.token(&app.root, "one", "secret").await;
    let path = paths::quota(&app.root, &token);
    let backwards = json!({"quota": 1, "start": "2031-01-01T00:00:00Z", "end": "2030-01-01T00:00:00Z"});
    app.admin.put(&path, &backwards).await.expect_problem(422, "invalid_window");
    app.admin.put(&path, &json!({"quota": 1, "end": "2030-01-01T00:00:00Z"})).await.expect(200);
    let later = json!({"start": "2031-01-01T00:00:00Z"});
    app.admin.patch(&path, &later).await.expect_problem(422, "invalid_window");
}

#[tokio::test]
async fn a_limit_is_a_whole_number_that_fits() {
    let app = App::start().await;
    let token = app.token(&app.root, "one", "secret").await;
    let path = paths::quota(&app.root, &token);
    for quota in [json!(-1), json!(1.5), json!("1"), json!(null), json!(9_223_372_036_854_775_808_u64), json!(1e30)] {
        let problem = app.admin.put(&path, &json!({"quota": quota})).await.expect_problem(422, "invalid_request");
        assert_eq!(problem["errors"][0]["pointer"], "/quota", "{quota}");
    }
    app.admin.put(&path, &json!({"quota": i64::MAX})).await.expect(200);
    // At the end of time a year is shorter: RFC 3339 knows no year 10000.
    let set = app.admin.put(&path, &json!({"quota": 1, "start": "9999-06-01T00:00:00Z"})).await.expect(200);
    assert!(set["end"].as_str().unwrap().starts_with("9999-12-31T"), "{set}");
}

#[tokio::test]
async fn users_read_their_own_limit_and_admins_all() {
    let app = App::start().await;
    let lab = app.organization(&app.root, "Lab").await;
    let token = app.token(&app.root, "shared", "secret").await;
    // A member of an organization below may use an inherited token, so it can be limited too.
    let ada = app.member(&lab, "ada").await;
    let ida = app.member(&app.root, "ida").await;
    let path = paths::user_quota(&app.root, &token, &ada.id);
    app.admin.put(&path, &json!({"quota": 5})).await.expect(200);

    assert_eq!(ada.get(&path).await.expect(200)["quota"], 5);
    ada.get(&paths::user_quota(&app.root, &token, "ada@example.com")).await.expect(200);
    ida.get(&path).await.expect_problem(403, "forbidden");
    ada.put(&path, &json!({"quota": 500})).await.expect_problem(403, "forbidden");
    ada.get(&paths::quota(&app.root, &token)).await.expect_problem(403, "forbidden");
    // Auditors read all limits, and a key for use its user's own.
    let auditor = app.member_with_role(&app.root, "auditor", "auditor").await;
    assert_eq!(auditor.get(&path).await.expect(200)["quota"], 5);
    auditor.get(&paths::quota(&app.root, &token)).await.expect_problem(404, "not_found");
    auditor.put(&path, &json!({"quota": 500})).await.expect_problem(403, "forbidden");
    assert_eq!(app.key(&ada, "use").await.get(&path).await.expect(200)["quota"], 5);
    app.key(&auditor, "use").await.get(&path).await.expect_problem(403, "insufficient_scope");

    // A token that is not inherited any more does not exist for those below, limit or not.
    app.admin.patch(&paths::token(&app.root, &token), &json!({"inherited": false})).await.expect(200);
    ada.get(&path).await.expect_problem(404, "not_found");
}

#[tokio::test]
async fn only_members_and_only_the_own_tokens_are_limited() {
    let app = App::start().await;
    let (north, south) = (app.organization(&app.root, "North").await, app.organization(&app.root, "South").await);
    let token = app.token(&north, "north", "secret").await;
    let sue = app.member(&south, "sue").await;
    let limit = json!({"quota": 1});
    for user in [sue.id.as_str(), "sue@example.com", "nobody@example.com"] {
        let answer = app.admin.put(&paths::user_quota(&north, &token, user), &limit).await;
        answer.expect_problem(404, "not_found");
    }
    app.admin.put(&paths::quota(&south, &token), &limit).await.expect_problem(404, "not_found");
    app.admin.get(&paths::quota(&app.root, &token)).await.expect_problem(404, "not_found");
}

#[tokio::test]
async fn limits_go_with_the_token_and_stay_as_long_as_the_user_can_use_it() {
    let app = App::start().await;
    let lab = app.organization(&app.root, "Lab").await;
    let token = app.token(&app.root, "shared", "secret").await;
    let ada = app.member(&app.root, "ada").await;
    let added = app.admin.post(&paths::users(&lab), &person("ada@example.com")).await.expect(201);
    app.accept(&added, PASSWORD).await.expect(200);
    let path = paths::user_quota(&app.root, &token, &ada.id);
    app.admin.put(&path, &json!({"quota": 5})).await.expect(200);
    let count =
        async || -> i64 { sqlx::query_scalar("SELECT count(*) FROM quotas").fetch_one(&app.database).await.unwrap() };

    // Out of the token's organization, but still in one below that inherits it: leaving must not lift the limit.
    app.admin.delete(&paths::user(&app.root, &ada.id)).await.expect(204);
    assert_eq!(ada.get(&path).await.expect(200)["quota"], 5);
    // Out of both.
    app.admin.delete(&paths::user(&lab, &ada.id)).await.expect(204);
    assert_eq!(count().await, 0, "nobody is left whom it limits");

    app.admin.put(&paths::quota(&app.root, &token), &json!({"quota": 5})).await.expect(200);
    app.admin.delete(&paths::token(&app.root, &token)).await.expect(204);
    assert_eq!(count().await, 0);
}
