//! What was used of a token, by day and user and job by job: everyone's for those who oversee it, one's own for all others.

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::ledger::{Job, end};
use crate::support::{Answer, App, Caller, each, paths, person};

/// A token of the root that is used there and in a lab below.
struct Used {
    app: App,
    token: String,
    usage: String,
    ada: Caller,
    lea: Caller,
    today: DateTime<Utc>,
}

impl Used {
    /// Ada used 10 and 5 today and 3 yesterday, with 100 promised; Lea of the lab used 7 yesterday, and 1000 long ago.
    async fn new() -> Self {
        let app = App::start().await;
        let lab = app.organization(&app.root, "Lab").await;
        let token = app.token(&app.root, "one", "secret").await;
        let (ada, lea) = (app.member(&app.root, "ada").await, app.member(&lab, "lea").await);
        let today = app.clock.now();
        let (root, yesterday) = (Some(app.root.as_str()), today - TimeDelta::days(1));
        let of_ada =
            Job { token: &token, secret_version: 1, user: &ada.id, organization: root, reserved: 100, at: today };
        let of_lea = Job { user: &lea.id, organization: Some(&lab), at: yesterday, ..of_ada.clone() };
        of_ada.run(&app.database, 10).await;
        of_ada.run(&app.database, 5).await;
        of_ada.submit(&app.database).await;
        let nothing = of_ada.submit(&app.database).await;
        assert!(end(&app.database, nothing, None, today).await);
        Job { at: yesterday, ..of_ada.clone() }.run(&app.database, 3).await;
        of_lea.run(&app.database, 7).await;
        Job { at: today - TimeDelta::days(100), ..of_lea }.run(&app.database, 1000).await;
        let usage = paths::usage(&app.root, &token);
        Self { app, token, usage, ada, lea, today }
    }

    fn day(&self, ago: i64) -> String {
        (self.today - TimeDelta::days(ago)).format("%Y-%m-%d").to_string()
    }
}

/// Day, user, jobs, used and reserved of each item.
fn lines(report: &Value) -> Vec<String> {
    let line = |item: &Value| {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        format!(
            "{} {} {}/{}/{}",
            text(&item["day"]),
            text(&item["user"]["email"]),
            item["jobs"],
            item["used"],
            item["reserved"]
        )
    };
    report["items"].as_array().unwrap().iter().map(line).collect()
}

#[tokio::test]
async fn usage_is_told_by_day_and_user() {
    let used = Used::new().await;
    let (today, yesterday) = (used.day(0), used.day(1));
    let report = used.app.admin.get(&used.usage).await.expect(200);
    assert_eq!((&report["token_id"], &report["unit"]), (&json!(used.token), &json!("nanoseconds of QPU access time")));
    let expected = [
        format!("{yesterday} ada@example.com 1/3/0"),
        format!("{yesterday} lea@example.com 1/7/0"),
        format!("{today} ada@example.com 3/15/100"),
    ];
    assert_eq!(lines(&report), expected);
    assert_eq!(report["total"], json!({"jobs": 5, "used": 25, "reserved": 100}));

    let of = async |query: &str| used.app.admin.get(&format!("{}?{query}", used.usage)).await.expect(200);
    assert_eq!(lines(&of("user=lea@example.com").await).len(), 1);
    assert_eq!(lines(&of(&format!("user={}", used.ada.id)).await).len(), 2);
    assert_eq!(lines(&of("user=nobody@example.com").await).len(), 0);
    let since = (used.today - TimeDelta::days(101)).format("%Y-%m-%dT%H:%M:%SZ");
    assert_eq!(of(&format!("since={since}")).await["total"]["used"], 1025);
    assert_eq!(of(&format!("since={since}&until={since}")).await["total"]["used"], 0);
    let until = (used.today - TimeDelta::hours(1)).format("%Y-%m-%dT%H:%M:%SZ");
    assert_eq!(of(&format!("until={until}")).await["total"]["used"], 10);
}

#[tokio::test]
async fn a_report_is_bounded() {
    let used = Used::new().await;
    let ask = async |query: &str| used.app.admin.get(&format!("{}?{query}", used.usage)).await;
    ask("since=2024-01-01T00:00:00Z&until=2025-01-01T00:00:00Z").await.expect(200);
    let long = ask("since=2024-01-01T00:00:00Z&until=2025-01-01T00:00:01Z").await;
    long.expect_problem(422, "window_too_long");
    let backwards = ask("since=2025-01-01T00:00:00Z&until=2024-01-01T00:00:00Z").await;
    backwards.expect_problem(422, "invalid_window");
    for query in ["since=yesterday", "user=nobody", "format=xml", "group_by=day"] {
        ask(query).await.expect_problem(422, "invalid_request");
    }
}

#[tokio::test]
async fn everyone_sees_their_own_and_overseers_all() {
    let used = Used::new().await;
    let app = &used.app;
    let auditor = app.member_with_role(&app.root, "auditor", "auditor").await;
    let beside = app.organization(&app.root, "Beside").await;
    let lab_admin = app.member_with_role(&beside, "beside", "admin").await;
    let jobs = format!("{}/jobs", used.usage);
    let sees = async |caller: &Caller| {
        let total = caller.get(&used.usage).await.expect(200)["total"]["used"].clone();
        (total.as_i64().unwrap(), caller.get(&jobs).await.expect(200)["items"].as_array().unwrap().len())
    };
    assert_eq!(sees(&app.admin).await, (25, 7));
    assert_eq!(sees(&auditor).await, (25, 7));
    assert_eq!(sees(&used.ada).await, (18, 5));
    assert_eq!(sees(&used.lea).await, (7, 2));
    assert_eq!(sees(&lab_admin).await, (0, 0));
    // A key for use is good for its own user's figures, whoever that is.
    assert_eq!(sees(&app.key(&used.ada, "use").await).await, (18, 5));
    assert_eq!(sees(&app.key(&auditor, "use").await).await, (0, 0));
    assert_eq!(sees(&app.key(&auditor, "read").await).await, (25, 7));

    for (path, status) in [(&used.usage, 403), (&jobs, 403)] {
        used.ada.get(&format!("{path}?user=lea@example.com")).await.expect(status);
        used.ada.get(&format!("{path}?user=ADA@example.com")).await.expect(200);
    }
    // Not inherited, the token is not there for those below; an auditor sees it from wherever the role is held.
    app.admin.patch(&paths::token(&app.root, &used.token), &json!({"inherited": false})).await.expect(200);
    used.lea.get(&used.usage).await.expect_problem(404, "not_found");
    used.lea.get(&jobs).await.expect_problem(404, "not_found");
    assert_eq!(sees(&auditor).await, (25, 7));
    let elsewhere = paths::usage(&beside, &used.token);
    app.admin.get(&elsewhere).await.expect_problem(404, "not_found");
}

#[tokio::test]
async fn the_ledger_is_listed_newest_first() {
    let used = Used::new().await;
    let jobs = format!("{}/jobs", used.usage);
    let page = used.app.admin.get(&jobs).await.expect(200);
    let all = each(&page, "id");
    assert!(all.is_sorted_by(|one, next| one > next), "{page}");
    assert_eq!(used.app.admin.walk(&jobs, 3).await, all);
    assert_eq!(used.app.admin.walk(&format!("{jobs}?user={}", used.lea.email), 1).await.len(), 2);
    let (settled, open) = (&page["items"][0], &page["items"][4]);
    assert_eq!(
        (&settled["state"], &settled["used"], &settled["reserved"]),
        (&json!("settled"), &json!(1000), &json!(100))
    );
    assert_eq!((&open["state"], &open["used"], &open["ended_at"]), (&json!("open"), &Value::Null, &Value::Null));
    assert_eq!(
        (&open["kind"], &open["secret_version"], &open["user_id"]),
        (&json!("job"), &json!(1), &json!(used.ada.id))
    );
    assert!(open["provider_job_id"].as_str().unwrap().starts_with("job-"));
    let mut states = each(&page, "state");
    states.sort_unstable();
    assert_eq!(states, ["expired", "open", "settled", "settled", "settled", "settled", "settled"]);
}

#[tokio::test]
async fn a_table_is_safe_to_open() {
    let used = Used::new().await;
    let app = &used.app;
    let added = app.admin.post(&paths::users(&app.root), &person("=1+1@example.com")).await.expect(201);
    app.accept(&added, crate::support::PASSWORD).await.expect(200);
    let (id, organization) = (added["id"].as_str().unwrap(), Some(app.root.as_str()));
    let at = used.today + TimeDelta::milliseconds(1);
    Job { token: &used.token, secret_version: 1, user: id, organization, reserved: 0, at }.run(&app.database, 1).await;
    app.clock.advance(TimeDelta::seconds(5));

    let request = app.admin.request(Method::GET, &used.usage).header("accept", "text/csv");
    let table = Answer::to(request).await;
    assert_eq!(
        (table.status.as_u16(), &table.headers["content-type"]),
        (200, &"text/csv; charset=utf-8".parse().unwrap())
    );
    let rows: Vec<&str> = table.text.split("\r\n").collect();
    assert_eq!(rows[0], "day,user_id,user_email,jobs,used,reserved,unit");
    let (today, unit) = (used.day(0), "nanoseconds of QPU access time");
    assert!(rows.contains(&format!("{today},{},ada@example.com,3,15,100,{unit}", used.ada.id).as_str()), "{rows:?}");
    assert!(rows.contains(&format!("{today},{id},\"'=1+1@example.com\",1,1,0,{unit}").as_str()), "{rows:?}");
    assert_eq!((rows.len(), rows[5]), (6, ""));

    let by_link = app.admin.get(&format!("{}?format=csv", used.usage)).await;
    assert_eq!(by_link.text, table.text);
    assert!(by_link.headers["content-disposition"].to_str().unwrap().starts_with("attachment;"));
    let json = app.admin.request(Method::GET, &format!("{}?format=json", used.usage)).header("accept", "text/csv");
    assert_eq!(Answer::to(json).await.expect(200)["total"]["used"], 26);
}

#[tokio::test]
async fn an_own_token_has_its_usage_too() {
    let app = App::start().await;
    let (ada, ida) = (app.member(&app.root, "ada").await, app.member(&app.root, "ida").await);
    let mine = ada.post("/v1/me/qpu-tokens", &crate::support::dwave("mine")).await.expect(201);
    let token = mine["id"].as_str().unwrap();
    let at = app.clock.now();
    Job { token, secret_version: 1, user: &ada.id, organization: None, reserved: 9, at }.run(&app.database, 4).await;
    app.clock.advance(TimeDelta::seconds(5));
    let usage = format!("/v1/me/qpu-tokens/{token}/usage");
    for caller in [&ada, &app.key(&ada, "use").await] {
        let report = caller.get(&usage).await.expect(200);
        assert_eq!(report["total"], json!({"jobs": 1, "used": 4, "reserved": 0}));
        assert_eq!(caller.get(&format!("{usage}/jobs")).await.expect(200)["items"][0]["used"], 4);
    }
    assert!(ada.get(&format!("{usage}?format=csv")).await.text.contains("ada@example.com,1,4,0,"));
    for (caller, path) in [(&ida, usage.clone()), (&ida, format!("{usage}/jobs"))] {
        caller.get(&path).await.expect_problem(404, "not_found");
    }
    app.admin.get(&paths::usage(&app.root, token)).await.expect_problem(404, "not_found");
}
