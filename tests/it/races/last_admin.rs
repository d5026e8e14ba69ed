//! Invariant 1: an organization never loses its last active admin.

use serde_json::{Value, json};

use super::{Request, Twins, one_wins, race, rounds};
use crate::support::{App, paths};

/// Active admins of an organization, as the database knows them.
async fn admins(app: &App, organization: &str) -> i64 {
    let count = "SELECT count(*) FROM role_assignments r
                   JOIN memberships m USING (organization_id, user_id) JOIN users u ON u.id = r.user_id
                  WHERE r.organization_id = $1::uuid AND r.role = 'admin' AND m.status = 'active' AND u.status = 'active'";
    sqlx::query_scalar(count).bind(organization).fetch_one(&app.database).await.unwrap()
}

/// Races two ways to take an admin away, one against each of the last two.
async fn last_two(take: [fn(&str, &str) -> Request; 2]) {
    let twins = Twins::start().await;
    let app = &twins.app;
    for round in 0..rounds() {
        let lab = app.organization(&app.root, &format!("Lab {round}")).await;
        let mut others = Vec::new();
        for name in ["a", "b"] {
            // Home is the lab, so that its admins may disable them.
            others.push(app.member_with_role(&lab, &format!("{name}{round}"), "admin").await);
        }
        app.admin.delete(&paths::user(&lab, &app.admin.id)).await.expect(204);
        assert_eq!(admins(app, &lab).await, 2);

        let contenders = (0..2).map(|number| (twins.at(&app.admin, number), take[number](&lab, &others[number].id)));
        let answers = race(contenders.collect()).await;
        let done: usize = answers.iter().filter(|answer| answer.status.is_success()).count();
        assert_eq!(done, 1, "{answers:?}");
        answers.iter().find(|answer| !answer.status.is_success()).unwrap().expect_problem(409, "last_admin");
        assert_eq!(admins(app, &lab).await, 1);
    }
}

fn revoke(organization: &str, user: &str) -> Request {
    Request::Delete(paths::role(organization, user, "admin"))
}

fn remove(organization: &str, user: &str) -> Request {
    Request::Delete(paths::user(organization, user))
}

fn disable(organization: &str, user: &str) -> Request {
    Request::Patch(paths::user(organization, user), json!({"status": "disabled"}))
}

#[tokio::test(flavor = "multi_thread")]
async fn revoking_both() {
    last_two([revoke, revoke]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn removing_both() {
    last_two([remove, remove]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn disabling_both() {
    last_two([disable, disable]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn revoking_one_and_disabling_the_other() {
    last_two([revoke, disable]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn removing_one_and_disabling_the_other() {
    last_two([remove, disable]).await;
}

/// Two organizations with the same two admins, each disabled by one request: the locks are taken in one order.
#[tokio::test(flavor = "multi_thread")]
async fn admins_of_several_organizations_leave_without_a_deadlock() {
    let twins = Twins::start().await;
    let app = &twins.app;
    for round in 0..rounds() {
        let north = app.organization(&app.root, &format!("North {round}")).await;
        let lab = app.organization(&north, "Lab").await;
        let (a, b) = (app.member(&north, &format!("a{round}")).await, app.member(&north, &format!("b{round}")).await);
        for member in [&a, &b] {
            let added = app.admin.post(&paths::users(&lab), &crate::support::person(&member.email)).await.expect(201);
            app.accept(&added, crate::support::PASSWORD).await.expect(200);
            for organization in [&north, &lab] {
                app.admin.put(&paths::role(organization, &member.id, "admin"), &Value::Null).await.expect(200);
            }
        }
        let answers = race(vec![
            (app.admin.clone(), disable(&north, &a.id)),
            (app.admin.at(&twins.other), disable(&north, &b.id)),
            (app.admin.clone(), remove(&lab, &a.id)),
            (app.admin.at(&twins.other), revoke(&lab, &b.id)),
            (app.admin.clone(), remove(&north, &app.admin.id)),
            (app.admin.at(&twins.other), remove(&lab, &app.admin.id)),
        ])
        .await;
        assert!(answers.iter().any(|answer| answer.status.is_success()));
        for organization in [&north, &lab] {
            assert!(admins(app, organization).await >= 1);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn several_bootstraps_make_one_root() {
    use luna_organizations::authorization::Grant;
    use luna_organizations::cli::bootstrap::{FirstAdmin, Prepared};

    let twins = Twins::start().await;
    // Back to an empty installation.
    for statement in
        ["ALTER TABLE audit_events DISABLE TRIGGER USER", "TRUNCATE organizations, users, audit_events CASCADE"]
    {
        sqlx::query(statement).execute(&twins.app.database).await.unwrap();
    }
    let mut running = Vec::new();
    for number in 0..6 {
        let first = FirstAdmin {
            email: format!("root{number}@example.com").parse().unwrap(),
            given_name: "Rosa".parse().unwrap(),
            family_name: "Root".parse().unwrap(),
            organization: format!("Platform {number}").parse().unwrap(),
        };
        let prepared = Prepared::new(first, None).await.unwrap();
        let repository = twins.app.repository.clone();
        running.push(tokio::spawn(async move {
            repository
                .bootstrap(&Grant::command_line(), &prepared.new)
                .await
                .map(drop)
                .map_err(|error| error.to_string())
        }));
    }
    let mut outcomes = Vec::new();
    for run in running {
        outcomes.push(run.await.unwrap());
    }
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1, "{outcomes:?}");
    let refused = Err("there is a root organization already".to_owned());
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == refused).count(), 5, "{outcomes:?}");
    let users: i64 = sqlx::query_scalar("SELECT count(*) FROM users").fetch_one(&twins.app.database).await.unwrap();
    assert_eq!(users, 1, "nothing is left of the others");
}

/// A role, once revoked, is worth nothing at the other replica either; so with keys, sessions and memberships.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_away_is_gone_at_once_at_the_other_replica() {
    let twins = Twins::start().await;
    let app = &twins.app;
    for round in 0..4 {
        let lab = app.organization(&app.root, &format!("Lab {round}")).await;
        let ada = app.member_with_role(&lab, &format!("ada{round}"), "admin").await;
        let there = ada.at(&twins.other);
        let key = ada.post("/v1/me/api-keys", &json!({"name": "k"})).await.expect(201);
        let key_there = crate::support::Caller::with_api_key(&twins.other, key["api_key"].as_str().unwrap());

        there.get(&paths::users(&lab)).await.expect(200);
        app.admin.delete(&paths::role(&lab, &ada.id, "admin")).await.expect(204);
        there.get(&paths::users(&lab)).await.expect_problem(403, "forbidden");

        key_there.get("/v1/me").await.expect(200);
        ada.delete(&format!("/v1/me/api-keys/{}", key["id"].as_str().unwrap())).await.expect(204);
        key_there.get("/v1/me").await.expect_problem(401, "unauthenticated");

        let second = app.log_in(&ada.email, crate::support::PASSWORD).await.at(&twins.other);
        second.get("/v1/me").await.expect(200);
        ada.delete("/v1/sessions/current").await.expect(204);
        there.get("/v1/me").await.expect_problem(401, "unauthenticated");
        second.get(&paths::organization(&lab)).await.expect(200);
        app.admin.delete(&paths::user(&lab, &ada.id)).await.expect(204);
        second.get("/v1/me").await.expect_problem(401, "unauthenticated");
    }
}

/// Of two who want to be the last to leave, the organization's own creator included, one stays.
#[tokio::test(flavor = "multi_thread")]
async fn everybody_leaves_at_once() {
    let twins = Twins::start().await;
    let app = &twins.app;
    for round in 0..rounds() {
        let lab = app.organization(&app.root, &format!("Lab {round}")).await;
        let mut people = vec![app.admin.clone()];
        for name in ["a", "b"] {
            people.push(app.member_with_role(&lab, &format!("{name}{round}"), "admin").await);
        }
        let contenders = people.iter().enumerate();
        let contenders = contenders.map(|(number, who)| (twins.at(&app.admin, number), remove(&lab, &who.id)));
        let answers = race(contenders.collect()).await;
        assert_eq!(answers.iter().filter(|answer| answer.status == 204).count(), 2, "{answers:?}");
        let losers: Vec<_> = answers.into_iter().filter(|answer| answer.status != 204).collect();
        losers[0].expect_problem(409, "last_admin");
        assert_eq!(admins(app, &lab).await, 1);
    }
}

/// Again by one request only: the same admin role revoked twice.
#[tokio::test(flavor = "multi_thread")]
async fn the_same_removal_twice() {
    let twins = Twins::start().await;
    let app = &twins.app;
    for round in 0..rounds() {
        let ada = app.member(&app.root, &format!("ada{round}")).await;
        let remove = remove(&app.root, &ada.id);
        let answers = race(vec![(app.admin.clone(), remove.clone()), (app.admin.at(&twins.other), remove)]).await;
        one_wins(&answers, 204, 404, "not_found");
    }
}
