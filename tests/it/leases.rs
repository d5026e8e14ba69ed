//! Leases: a member makes one, a solver gets the credential for it, once, and says what was used.

use chrono::{DateTime, TimeDelta, Utc};
use luna_organizations::cli::Configuration;
use luna_organizations::repository::Due;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, App, Caller, each, paths};

const SECRET: &str = "DEV-lease-4711 \"quoted\" \\ e";
const REDEEM: &str = "/v1/leases/redeem";

/// A lab below the root, with a member; a token of the root's; and a solver.
struct World {
    app: App,
    lab: String,
    token: String,
    leases: String,
    ada: Caller,
    solver: Caller,
}

impl World {
    async fn new() -> Self {
        let app = App::start().await;
        let lab = app.organization(&app.root, "Lab").await;
        let token = app.token(&app.root, "one", SECRET).await;
        let ada = app.member(&lab, "ada").await;
        let solver = app.member_with_role(&app.root, "solver", "solver").await;
        let leases = paths::leases(&app.root, &token);
        Self { app, lab, token, leases, ada, solver }
    }

    async fn make(&self, maker: &Caller) -> Value {
        maker.post(&self.leases, &json!({})).await.expect(201)
    }

    async fn redeem(&self, lease: &Value) -> Answer {
        self.solver.post(REDEEM, &json!({"lease": lease["lease"]})).await
    }

    async fn report(&self, lease: &Value, used: i64) -> Answer {
        let path = format!("/v1/leases/{}/usage", lease["id"].as_str().unwrap());
        self.solver.post(&path, &json!({"used": used})).await
    }

    /// What of the organization's limit is used and promised.
    async fn figures(&self) -> (i64, i64) {
        let quota = self.app.admin.get(&paths::quota(&self.app.root, &self.token)).await.expect(200);
        (quota["quota_used"].as_i64().unwrap(), quota["reserved"].as_i64().unwrap())
    }

    async fn limit(&self, quota: i64) {
        self.app.admin.put(&paths::quota(&self.app.root, &self.token), &json!({"quota": quota})).await.expect(200);
    }
}

fn estimate() -> i64 {
    let settings = Configuration::default().settings("127.0.0.1:1".parse().unwrap()).unwrap();
    settings.providers.get(&"dwave".parse().unwrap()).unwrap().estimate
}

#[tokio::test]
async fn a_solver_gets_the_credential_once_and_books_what_it_used() {
    let world = World::new().await;
    let app = &world.app;
    world.limit(2 * estimate()).await;
    let now = app.clock.now();
    let made =
        world.ada.post(&world.leases, &json!({"purpose": "a big one", "expires_in_seconds": 60})).await.expect(201);
    assert!(made["lease"].as_str().unwrap().starts_with("luna_lease_"));
    assert_eq!(made["qpu_token_id"], world.token.as_str());
    let expires_at: DateTime<Utc> = made["expires_at"].as_str().unwrap().parse().unwrap();
    assert!((expires_at - now - TimeDelta::seconds(60)).abs() < TimeDelta::seconds(5));

    let answer = world.redeem(&made).await;
    assert_eq!(
        (&answer.headers["cache-control"], &answer.headers["content-type"]),
        (&"no-store".parse().unwrap(), &"application/json".parse().unwrap())
    );
    let redeemed = answer.expect(200);
    assert_eq!(redeemed["credential"], json!({"token": SECRET}));
    assert_eq!((&redeemed["lease_id"], &redeemed["qpu_token_id"]), (&made["id"], &json!(world.token)));
    assert_eq!((&redeemed["provider"], &redeemed["secret_version"]), (&json!("dwave"), &json!(1)));
    let due: DateTime<Utc> = redeemed["usage_due_by"].as_str().unwrap().parse().unwrap();
    assert!((due - now - TimeDelta::hours(24)).abs() < TimeDelta::seconds(5));
    world.redeem(&made).await.expect_problem(422, "invalid_lease");
    assert_eq!(world.figures().await, (0, estimate()));

    let jobs = format!("{}/jobs", paths::usage(&app.root, &world.token));
    let entry = world.ada.get(&jobs).await.expect(200)["items"][0].clone();
    assert_eq!(
        (&entry["kind"], &entry["state"], &entry["user_id"]),
        (&json!("lease"), &json!("open"), &json!(world.ada.id))
    );

    // Booked once; the same again is no error.
    assert_eq!(world.report(&made, 7).await.expect(200), json!({"lease_id": made["id"], "used": 7}));
    world.report(&made, 7).await.expect(200);
    world.report(&made, 8).await.expect_problem(409, "usage_reported");
    assert_eq!(world.figures().await, (7, 0));
    let usage = world.ada.get(&paths::usage(&app.root, &world.token)).await.expect(200);
    assert_eq!(usage["total"], json!({"jobs": 1, "used": 7, "reserved": 0}));

    let listed = world.ada.get(&world.leases).await.expect(200)["items"][0].clone();
    assert_eq!(
        (&listed["state"], &listed["purpose"], &listed["used"]),
        (&json!("redeemed"), &json!("a big one"), &json!(7))
    );
    assert_eq!(
        (&listed["user"]["id"], &listed["redeemed_by"]["email"]),
        (&json!(world.ada.id), &json!("solver@example.com"))
    );
    let events = app.admin.get(&paths::events(&app.root, "action=leases")).await.expect(200);
    assert_eq!(each(&events, "action"), ["leases:report", "leases:redeem", "leases:redeem", "leases:create"]);
    assert_eq!(each(&events, "outcome"), ["success", "refused", "success", "success"]);
    let (solver, ada) = ("solver@example.com", "ada@example.com");
    assert_eq!(each(&events, "actor_name"), [solver, solver, solver, ada]);
    assert_eq!(events["items"][2]["details"]["user"], world.ada.id.as_str());
    for text in [events.to_string(), listed.to_string()] {
        assert!(!text.contains("DEV-lease") && !text.contains("luna_lease_"), "{text}");
    }
}

#[tokio::test]
async fn neither_of_the_two_gets_it_alone() {
    let world = World::new().await;
    let app = &world.app;
    // The member cannot redeem, the solver who is no member where the token is cannot make one.
    let lease = world.make(&world.ada).await;
    world.ada.post(REDEEM, &json!({"lease": lease["lease"]})).await.expect_problem(403, "forbidden");
    app.admin.post(REDEEM, &json!({"lease": lease["lease"]})).await.expect_problem(403, "forbidden");
    let acme = app.organization(&app.root, "Acme").await;
    let token = app.token(&acme, "acme", SECRET).await;
    world.solver.post(&paths::leases(&acme, &token), &json!({})).await.expect_problem(403, "forbidden");
    // Who is both hands it to somebody else.
    let own = world.make(&world.solver).await;
    world.redeem(&own).await.expect_problem(403, "own_lease");
    let other = app.member_with_role(&app.root, "other", "solver").await;
    other.post(REDEEM, &json!({"lease": own["lease"]})).await.expect(200);
    // A solver counts where the role is held and below: never sideways, never up.
    let of_acme = app.member_with_role(&acme, "below", "solver").await;
    of_acme.post(REDEEM, &json!({"lease": lease["lease"]})).await.expect_problem(403, "forbidden");
    let beside = app.organization(&app.root, "Beside").await;
    let sue = app.member_with_role(&beside, "sue", "solver").await;
    let ben = app.member(&acme, "ben").await;
    let of_ben = ben.post(&paths::leases(&acme, &token), &json!({})).await.expect(201);
    sue.post(REDEEM, &json!({"lease": of_ben["lease"]})).await.expect_problem(404, "not_found");
    of_acme.post(REDEEM, &json!({"lease": of_ben["lease"]})).await.expect(200);
    // Only who redeemed it reports.
    let usage = format!("/v1/leases/{}/usage", of_ben["id"].as_str().unwrap());
    for caller in [&ben, &sue, &world.solver, &app.admin] {
        caller.post(&usage, &json!({"used": 1})).await.expect_problem(404, "not_found");
    }
    // What was refused is remembered.
    let refused = app.admin.get(&paths::events(&app.root, "action=leases:redeem")).await.expect(200);
    let own =
        refused["items"].as_array().unwrap().iter().find(|event| event["details"]["reason"] == "own_lease").unwrap();
    assert_eq!(own["outcome"], "refused");
}

#[tokio::test]
async fn a_lease_is_worth_nothing_once_its_maker_may_not_use_the_token() {
    let world = World::new().await;
    let app = &world.app;
    let (token, quota) = (paths::token(&app.root, &world.token), paths::quota(&app.root, &world.token));
    let lease = world.make(&world.ada).await;
    let now = app.clock.now();
    let past = now - TimeDelta::hours(1);

    app.admin.patch(&token, &json!({"enabled": false})).await.expect(200);
    world.redeem(&lease).await.expect_problem(403, "token_disabled");
    world.ada.post(&world.leases, &json!({})).await.expect_problem(403, "token_disabled");
    app.admin.patch(&token, &json!({"enabled": true, "expires_at": past})).await.expect(200);
    world.redeem(&lease).await.expect_problem(403, "token_expired");
    app.admin.patch(&token, &json!({"expires_at": null, "inherited": false})).await.expect(200);
    world.redeem(&lease).await.expect_problem(422, "invalid_lease");
    world.ada.post(&world.leases, &json!({})).await.expect_problem(404, "not_found");
    app.admin.patch(&token, &json!({"inherited": true})).await.expect(200);
    app.admin.put(&quota, &json!({"quota": i64::MAX, "start": past, "end": past})).await.expect(200);
    world.redeem(&lease).await.expect_problem(403, "quota_not_active");
    // A limit that is full refuses, and does not spend the lease.
    world.limit(estimate() - 1).await;
    world.redeem(&lease).await.expect_problem(403, "quota_exhausted");
    world.limit(estimate()).await;
    world.redeem(&lease).await.expect(200);
    assert_eq!(world.figures().await, (0, estimate()));
    app.admin.delete(&quota).await.expect(204);

    // Disabled, and enabled again: what was made before is gone, as keys and sessions are.
    let lease = world.make(&world.ada).await;
    let user = paths::user(&world.lab, &world.ada.id);
    app.admin.patch(&user, &json!({"status": "disabled"})).await.expect(200);
    world.redeem(&lease).await.expect_problem(422, "invalid_lease");
    app.admin.patch(&user, &json!({"status": "active"})).await.expect(200);
    world.redeem(&lease).await.expect_problem(422, "invalid_lease");
    // Removed from the one organization that gave the right, and a member elsewhere still.
    let beside = app.organization(&app.root, "Beside").await;
    let bob = app.member(&beside, "bob").await;
    let added = app.admin.post(&paths::users(&world.lab), &crate::support::person("bob@example.com")).await.expect(201);
    app.accept(&added, crate::support::PASSWORD).await.expect(200);
    let of_lab = app.token(&world.lab, "of the lab", SECRET).await;
    let lease = bob.post(&paths::leases(&world.lab, &of_lab), &json!({})).await.expect(201);
    app.admin.delete(&paths::user(&world.lab, &bob.id)).await.expect(204);
    world.redeem(&lease).await.expect_problem(422, "invalid_lease");
}

#[tokio::test]
async fn a_solver_who_is_none_any_more_gets_nothing() {
    let world = World::new().await;
    let app = &world.app;
    let lease = world.make(&world.ada).await;
    let role = paths::role(&app.root, &world.solver.id, "solver");
    app.admin.delete(&role).await.expect(204);
    world.redeem(&lease).await.expect_problem(403, "forbidden");
    app.admin.put(&role, &Value::Null).await.expect(200);
    let read = app.key(&world.solver, "read").await;
    read.post(REDEEM, &json!({"lease": lease["lease"]})).await.expect_problem(403, "insufficient_scope");
    app.admin.patch(&paths::user(&app.root, &world.solver.id), &json!({"status": "disabled"})).await.expect(200);
    world.redeem(&lease).await.expect_problem(401, "unauthenticated");
    let other = app.member_with_role(&app.root, "other", "solver").await;
    app.key(&other, "use").await.post(REDEEM, &json!({"lease": lease["lease"]})).await.expect(200);
}

#[tokio::test]
async fn leases_are_short_lived_and_can_be_taken_back() {
    let world = World::new().await;
    let app = &world.app;
    let (expired, mine, theirs) =
        (world.make(&world.ada).await, world.make(&world.ada).await, world.make(&app.admin).await);
    let path = |lease: &Value| format!("{}/{}", world.leases, lease["id"].as_str().unwrap());
    let ida = app.member(&world.lab, "ida").await;
    ida.delete(&path(&mine)).await.expect_problem(404, "not_found");
    world.ada.delete(&path(&theirs)).await.expect_problem(404, "not_found");
    world.ada.delete(&path(&mine)).await.expect(204);
    world.ada.delete(&path(&mine)).await.expect_problem(404, "not_found");
    world.redeem(&mine).await.expect_problem(422, "invalid_lease");
    let other = world.make(&world.ada).await;
    app.admin.delete(&path(&other)).await.expect(204);
    world.redeem(&theirs).await.expect(200);
    app.admin.delete(&path(&theirs)).await.expect_problem(409, "lease_redeemed");

    app.clock.advance(TimeDelta::seconds(301));
    world.redeem(&expired).await.expect_problem(422, "invalid_lease");
    // Each sees their own, an admin all.
    assert_eq!(each(&world.ada.get(&world.leases).await.expect(200), "state"), ["expired"]);
    assert_eq!(app.admin.walk(&world.leases, 1).await.len(), 2);
    assert_eq!(
        each(
            &app.key(&app.log_in("root@example.com", crate::support::PASSWORD).await, "use")
                .await
                .get(&world.leases)
                .await
                .expect(200),
            "state"
        ),
        ["redeemed"]
    );
    app.clock.advance(TimeDelta::days(8));
    app.repository.sweep().await.unwrap();
    assert_eq!(each(&app.admin.get(&world.leases).await.expect(200), "state"), ["redeemed"]);
}

#[tokio::test]
async fn what_nobody_reports_is_booked_as_it_was_reserved() {
    let world = World::new().await;
    let app = &world.app;
    world.limit(estimate()).await;
    let lease = world.make(&world.ada).await;
    world.redeem(&lease).await.expect(200);
    let due = async || {
        app.repository.due_jobs(&Due { provider: None, reachable: &[] }, 10, TimeDelta::seconds(30)).await.unwrap()
    };
    app.clock.advance(TimeDelta::hours(23));
    assert!(due().await.is_empty());
    app.clock.advance(TimeDelta::hours(2));
    let overdue = due().await;
    assert_eq!(overdue.len(), 1);
    app.clock.advance(TimeDelta::hours(2));
    app.broker.settle_due().await;
    assert_eq!(world.figures().await, (estimate(), 0));
    let solver = app.log_in("solver@example.com", crate::support::PASSWORD).await;
    let usage = format!("/v1/leases/{}/usage", lease["id"].as_str().unwrap());
    solver.post(&usage, &json!({"used": 5})).await.expect_problem(409, "usage_overdue");
    assert_eq!(world.figures().await, (estimate(), 0));
    let query = "SELECT details FROM audit_events WHERE action = 'jobs:expire'";
    let details: Vec<Value> = sqlx::query_scalar(query).fetch_all(&app.database).await.unwrap();
    let [details] = details.as_slice() else { panic!("{details:?}") };
    assert_eq!((&details["reason"], &details["booked"]), (&json!("never_reported"), &json!(estimate())));
}

#[tokio::test]
async fn a_providers_job_is_reported_once() {
    let world = World::new().await;
    let (one, two) = (world.make(&world.ada).await, world.make(&world.ada).await);
    let report = async |lease: &Value| {
        let path = format!("/v1/leases/{}/usage", lease["id"].as_str().unwrap());
        world.solver.post(&path, &json!({"used": 5, "job_id": "job-7"})).await
    };
    report(&one).await.expect_problem(404, "not_found");
    for lease in [&one, &two] {
        world.redeem(lease).await.expect(200);
    }
    report(&one).await.expect(200);
    report(&one).await.expect(200);
    report(&two).await.expect_problem(409, "job_reported");
    let jobs = format!("{}/jobs", paths::usage(&world.app.root, &world.token));
    let entries = world.app.admin.get(&jobs).await.expect(200);
    assert_eq!(entries["items"][1]["provider_job_id"], "job-7");
    assert_eq!(
        (&entries["items"][0]["provider_job_id"], &entries["items"][0]["state"]),
        (&Value::Null, &json!("open"))
    );
}

/// The answer with the credential is kept nowhere, and not for a repetition either.
#[tokio::test]
async fn the_answer_of_a_redemption_is_not_kept() {
    let world = World::new().await;
    let app = &world.app;
    let with_key = async |caller: &Caller, path: &str, body: &Value| {
        Answer::to(caller.request(Method::POST, path).header("idempotency-key", "again").json(body)).await
    };
    // Making one can be repeated.
    let made = with_key(&world.ada, &world.leases, &json!({})).await.expect(201);
    assert_eq!(with_key(&world.ada, &world.leases, &json!({})).await.expect(201), made);
    sqlx::query("DELETE FROM idempotent_answers").execute(&app.database).await.unwrap();
    let body = json!({"lease": made["lease"]});
    let refused = with_key(&world.solver, REDEEM, &body).await.expect_problem(422, "invalid_request");
    assert_eq!(refused["errors"][0]["pointer"], "/Idempotency-Key");
    world.redeem(&made).await.expect(200);
    let kept: i64 =
        sqlx::query_scalar("SELECT count(*) FROM idempotent_answers").fetch_one(&app.database).await.unwrap();
    assert_eq!(kept, 0);
}

#[tokio::test]
async fn what_is_redeemed_is_the_newest_version_and_keeps_no_old_one() {
    let world = World::new().await;
    let app = &world.app;
    let (first, second) = (world.make(&world.ada).await, world.make(&world.ada).await);
    world.redeem(&first).await.expect(200);
    let credential = format!("{}/credential", paths::token(&app.root, &world.token));
    app.admin.put(&credential, &json!({"credential": {"token": "next"}})).await.expect(200);
    let versions: Vec<i32> =
        sqlx::query_scalar("SELECT secret_version FROM qpu_token_secrets").fetch_all(&app.database).await.unwrap();
    assert_eq!(versions, [2], "the solver has what it got");
    let redeemed = world.redeem(&second).await.expect(200);
    assert_eq!((&redeemed["credential"]["token"], &redeemed["secret_version"]), (&json!("next"), &json!(2)));
    world.report(&first, 1).await.expect(200);
}

/// Whatever is wrong inside, the lease is not spent for it.
#[tokio::test]
async fn a_credential_that_does_not_open_leaves_the_lease_as_it_was() {
    let world = World::new().await;
    let app = &world.app;
    world.limit(estimate()).await;
    let lease = world.make(&world.ada).await;
    let damage =
        "UPDATE qpu_token_secrets SET ciphertexts[1] = set_byte(ciphertexts[1], 20, get_byte(ciphertexts[1], 20) # 1)";
    sqlx::query(damage).execute(&app.database).await.unwrap();
    world.redeem(&lease).await.expect_problem(500, "internal");
    assert_eq!(world.figures().await, (0, 0));
    sqlx::query(damage).execute(&app.database).await.unwrap();
    world.redeem(&lease).await.expect(200);
}

#[tokio::test]
async fn bad_input_is_told() {
    let world = World::new().await;
    for (body, pointer) in [
        (json!({"expires_in_seconds": 9}), "/expires_in_seconds"),
        (json!({"expires_in_seconds": 3601}), "/expires_in_seconds"),
        (json!({"expires_in_seconds": "60"}), "/expires_in_seconds"),
        (json!({"purpose": ""}), "/purpose"),
        (json!({"purpose": "x".repeat(201)}), "/purpose"),
        (json!({"token": "x"}), "/token"),
    ] {
        let problem = world.ada.post(&world.leases, &body).await.expect_problem(422, "invalid_request");
        assert_eq!(problem["errors"][0]["pointer"], pointer);
    }
    for lease in ["", "luna_lease_x", "luna_invite_x_y"] {
        let refused = world.solver.post(REDEEM, &json!({"lease": lease})).await;
        refused.expect_problem(422, "invalid_lease");
    }
    let lease = world.make(&world.ada).await;
    world.redeem(&lease).await.expect(200);
    world.report(&lease, -1).await.expect_problem(422, "invalid_request");
    world.report(&lease, 1_000_000_000_000_001).await.expect_problem(422, "invalid_request");
    world.report(&lease, 1_000_000_000_000_000).await.expect(200);
    let key = world.app.key(&world.ada, "read").await;
    key.post(&world.leases, &json!({})).await.expect_problem(403, "insufficient_scope");
    world.app.key(&world.ada, "use").await.post(&world.leases, &json!({})).await.expect(201);
}
