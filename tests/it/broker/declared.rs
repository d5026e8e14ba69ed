//! A provider that is only declared: the one of config.example.toml.

use luna_organizations::cli::{Configuration, ProviderConfiguration};
use serde_json::{Value, json};

use crate::support::App;
use crate::support::notebook::{self, Notebook, SECRET, ledger};
use crate::support::paths;
use crate::support::upstream::{Seen, Upstream};

const PLACE: (&str, &str) = ("x-auth-token", "");

/// `[providers.scaleway]` of the example, at another address.
fn configuration(url: &str) -> Configuration {
    let example = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/config.example.toml")).unwrap();
    let settings = example.lines().filter_map(|line| line.strip_prefix('#').filter(|line| !line.starts_with(' ')));
    let file = std::env::temp_dir().join(format!("luna-declared-{}.toml", uuid::Uuid::now_v7()));
    let from_providers = settings.skip_while(|line| *line != "[providers.scaleway]").collect::<Vec<_>>().join("\n");
    std::fs::write(&file, from_providers).unwrap();
    let mut configuration = Configuration::load(Some(&file)).unwrap();
    std::fs::remove_file(file).unwrap();
    let scaleway: &mut ProviderConfiguration = configuration.providers.get_mut("scaleway").unwrap();
    scaleway.base_url = Some(url.to_owned());
    configuration
}

fn answer(seen: &Seen) -> (u16, Value) {
    let body = seen.json();
    let path: Vec<_> = seen.path().split('/').skip(3).collect();
    let job = |id: &str, status: &str| json!({"id": id, "status": status, "job_duration": "2.5s"});
    match (&*seen.method, path.as_slice()) {
        ("POST", ["sessions" | "jobs"]) => (200, json!({"id": body["name"], "url": "https://x/y"})),
        ("GET", ["jobs"]) => {
            (200, json!({"jobs": [job("foreign", "completed"), job("done", "completed")], "total_count": 2}))
        }
        ("GET", ["jobs", "running"]) => (200, job("running", "running")),
        ("GET", ["jobs", id]) => (200, job(id, "completed")),
        _ => (200, json!({"secret": SECRET})),
    }
}

#[tokio::test]
async fn it_is_used_listed_metered_and_kept_apart() {
    let provider = Upstream::start(answer).await;
    let app = App::start_with(configuration(&provider.url())).await;
    let token = notebook::token(&app, "scaleway").await;
    let (ada, bob) = (app.member(&app.root, "ada").await, app.member(&app.root, "bob").await);
    let ada = Notebook::new(&app, &ada, &token, PLACE).await;
    let bob = Notebook::new(&app, &bob, &token, PLACE).await;
    let at = |path: &str| format!("qaas/v1alpha1/{path}");

    for (who, session, jobs) in [(&ada, "session", vec!["done", "running"]), (&bob, "other", vec!["foreign"])] {
        who.send("POST", &at("sessions"), &json!({"name": session})).await.expect(200);
        for job in jobs {
            who.send("POST", &at("jobs"), &json!({"name": job, "session_id": session})).await.expect(200);
        }
    }
    assert!(provider.take().iter().all(|seen| seen.header("x-auth-token") == SECRET));

    // What is somebody else's, wherever it is named.
    ada.send("POST", &at("jobs"), &json!({"name": "x", "session_id": "other"})).await.expect(404);
    ada.send("POST", &at("jobs"), &json!({"name": "x", "session_id": "session", "Session_Id": "other"}))
        .await
        .expect(400);
    ada.get(&at("jobs?session_id=other")).await.expect(404);
    ada.send("POST", &at("sessions/other/terminate"), &json!({})).await.expect(404);
    ada.get(&at("jobs/foreign")).await.expect(404);
    // What is not declared, in the declared shape.
    let refused = ada.get("iam/v1alpha1/api-keys").await.expect(403);
    let message = "this operation is not available through Luna Organizations";
    assert_eq!(refused, json!({"type": "denied", "message": message, "code": "operation_not_allowed"}));
    // A job that is not over cannot be deleted, so that it is not forgotten what it uses.
    assert_eq!(ada.send("DELETE", &at("jobs/running"), &Value::Null).await.status, 409);
    assert_eq!(provider.take_lines(), ["GET /qaas/v1alpha1/jobs/running"]);

    let listed = ada.get(&at("jobs?session_id=session")).await.expect(200);
    assert_eq!((listed["jobs"].as_array().unwrap().len(), &listed["total_count"]), (1, &json!(1)));
    ada.get(&at("jobs/done")).await.expect(200);
    ada.send("DELETE", &at("jobs/done"), &Value::Null).await.expect(200);
    let booked = ledger(&app).await;
    assert_eq!((booked["session"], booked["done"], booked["running"]), (Some(0), Some(2500), None));
    let shown = ada.get(&at("jobs/done/results")).await;
    assert!(shown.status == 200 && !shown.text.contains(SECRET), "{}", shown.text);
}

/// Nothing is known of what a declared cancellation says, so all of it goes on.
#[tokio::test]
async fn a_cancellation_keeps_its_body() {
    let provider = Upstream::start(answer).await;
    let app = App::start_with(configuration(&provider.url())).await;
    let token = notebook::token(&app, "scaleway").await;
    let ada = Notebook::new(&app, &app.member(&app.root, "ada").await, &token, PLACE).await;
    ada.send("POST", "qaas/v1alpha1/sessions", &json!({"name": "mine"})).await.expect(200);
    let said = json!({"reason": "enough"});
    ada.send("POST", "qaas/v1alpha1/sessions/mine/terminate", &said).await.expect(200);
    let seen = provider.take().pop().unwrap();
    assert_eq!((seen.line().as_str(), seen.json()), ("POST /qaas/v1alpha1/sessions/mine/terminate", said));
}

#[tokio::test]
async fn providers_tell_what_is_allowed() {
    let app = App::start_with(configuration("https://api.example.org")).await;
    let listed = app.admin.get("/v1/providers").await.expect(200);
    let of = |name: &str| listed["items"].as_array().unwrap().iter().find(|item| item["name"] == name).unwrap().clone();
    let has = |provider: &Value, operation: Value| provider["operations"].as_array().unwrap().contains(&operation);
    let scaleway = of("scaleway");
    assert_eq!(scaleway["unit"], "milliseconds of job duration");
    assert!(
        has(&scaleway, json!({"name": "jobs:read", "method": "GET", "path": "/qaas/v1alpha1/jobs/{job}"})),
        "{scaleway}"
    );
    assert!(has(&of("ionq"), json!({"name": "jobs:submit", "method": "POST", "path": "/v0.4/jobs"})));
    assert!(has(
        &of("fujitsu"),
        json!({"name": "jobs:take", "method": "DELETE", "path": "/da/v4/async/jobs/result/{job}"})
    ));
    assert_eq!(of("qctrl")["operations"], json!([]));
}

/// What a submission costs is declared: that is reserved, neither more nor less.
#[tokio::test]
async fn a_fixed_amount_is_what_is_reserved() {
    let provider = Upstream::start(answer).await;
    let mut configuration = configuration(&provider.url());
    let scaleway = configuration.providers.get_mut("scaleway").unwrap();
    scaleway.estimate = Some(10_000);
    for operation in &mut scaleway.operations {
        match operation.name.as_str() {
            "sessions:create" => operation.amount = Some(50_000),
            "jobs:submit" => operation.amount = Some(0),
            _ => {}
        }
    }
    let app = App::start_with(configuration).await;
    let token = notebook::token(&app, "scaleway").await;
    app.admin.put(&paths::quota(&app.root, &token), &json!({"quota": 20_000})).await.expect(200);
    let ada = Notebook::new(&app, &app.member(&app.root, "ada").await, &token, PLACE).await;
    let submit =
        async |what: &str, name: &str| ada.send("POST", &format!("qaas/v1alpha1/{what}"), &json!({"name": name})).await;
    assert_eq!(submit("sessions", "dear").await.expect(403)["code"], "quota_exhausted");
    app.admin.put(&paths::quota(&app.root, &token), &json!({"quota": 1})).await.expect(200);
    submit("jobs", "free").await.expect(200);
    assert_eq!(ledger(&app).await["free"], Some(0));
}
