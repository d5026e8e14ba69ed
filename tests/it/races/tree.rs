//! Invariant 2: one root, no cycles, a bounded depth; nothing hangs below what is gone.

use serde_json::{Value, json};

use super::{Request, Twins, one_wins, race, rounds};
use crate::support::{App, Caller, paths};

fn move_to(organization: &str, parent: &str) -> Request {
    Request::Patch(paths::organization(organization), json!({"parent_id": parent}))
}

fn create(parent: &str, name: &str) -> Request {
    Request::Post("/v1/organizations".to_owned(), json!({"name": name, "parent_id": parent}))
}

fn delete(organization: &str) -> Request {
    Request::Delete(paths::organization(organization))
}

/// Organizations whose stored path is not what following their parents gives.
async fn misplaced(app: &App) -> i64 {
    let count = "WITH RECURSIVE tree AS (
                     SELECT id, ARRAY[id] AS path FROM organizations WHERE parent_id IS NULL
                      UNION ALL
                     SELECT o.id, t.path || o.id FROM organizations o JOIN tree t ON t.id = o.parent_id)
                 SELECT count(*) FROM organizations o LEFT JOIN tree t ON t.id = o.id
                  WHERE o.path IS DISTINCT FROM t.path OR cardinality(t.path) > 8";
    sqlx::query_scalar(count).fetch_one(&app.database).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_moves_that_together_would_make_a_circle() {
    let twins = Twins::start().await;
    let app = &twins.app;
    for round in 0..rounds() {
        let a = app.organization(&app.root, &format!("A {round}")).await;
        let b = app.organization(&app.root, &format!("B {round}")).await;
        let (below_a, below_b) = (app.organization(&a, "Below").await, app.organization(&b, "Below").await);
        let answers =
            race(vec![(app.admin.clone(), move_to(&a, &below_b)), (app.admin.at(&twins.other), move_to(&b, &below_a))])
                .await;
        one_wins(&answers, 200, 409, "tree_cycle");
        assert_eq!(misplaced(app).await, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_moves_in_a_ring_and_a_rename_of_each() {
    let twins = Twins::start().await;
    let app = &twins.app;
    for round in 0..rounds() {
        let mut ring = Vec::new();
        for name in ["A", "B", "C"] {
            ring.push(app.organization(&app.root, &format!("{name} {round}")).await);
        }
        let mut contenders: Vec<(Caller, Request)> = Vec::new();
        for number in 0..3 {
            contenders.push((twins.at(&app.admin, number), move_to(&ring[number], &ring[(number + 1) % 3])));
            let rename = json!({"name": format!("Renamed {number} {round}")});
            let rename = Request::Patch(paths::organization(&ring[number]), rename);
            contenders.push((twins.at(&app.admin, number + 1), rename));
        }
        let answers = race(contenders).await;
        let moved: Vec<_> = answers.iter().step_by(2).collect();
        assert_eq!(moved.iter().filter(|answer| answer.status == 200).count(), 2, "{answers:?}");
        moved.iter().find(|answer| answer.status != 200).unwrap().expect_problem(409, "tree_cycle");
        answers.iter().skip(1).step_by(2).for_each(|answer| drop(answer.expect(200)));
        assert_eq!(misplaced(app).await, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_is_created_while_its_parent_is_deleted() {
    let twins = Twins::start().await;
    let app = &twins.app;
    for round in 0..rounds() {
        let parent = app.organization(&app.root, &format!("Parent {round}")).await;
        let answers =
            race(vec![(app.admin.clone(), create(&parent, "Child")), (app.admin.at(&twins.other), delete(&parent))])
                .await;
        if answers[0].status == 201 {
            answers[1].expect_problem(409, "has_children");
        } else {
            answers[0].expect_problem(404, "not_found");
            answers[1].expect(204);
        }
        assert_eq!(misplaced(app).await, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn something_is_moved_below_what_is_deleted() {
    let twins = Twins::start().await;
    let app = &twins.app;
    for round in 0..rounds() {
        let parent = app.organization(&app.root, &format!("Parent {round}")).await;
        let child = app.organization(&app.root, &format!("Child {round}")).await;
        let answers =
            race(vec![(app.admin.clone(), move_to(&child, &parent)), (app.admin.at(&twins.other), delete(&parent))])
                .await;
        if answers[0].status == 200 {
            answers[1].expect_problem(409, "has_children");
        } else {
            answers[0].expect_problem(404, "not_found");
            answers[1].expect(204);
        }
        assert_eq!(misplaced(app).await, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tree_grows_at_its_foot_while_it_sinks() {
    let twins = Twins::start().await;
    let app = &twins.app;
    for round in 0..rounds() {
        // A chain of three hangs below the root; five more levels are free. Moved below `deep` its last link is the
        // eighth, and may have no child: either it gets one or it is moved.
        let top = app.organization(&app.root, &format!("Top {round}")).await;
        let middle = app.organization(&top, "Middle").await;
        let foot = app.organization(&middle, "Foot").await;
        let mut deep = app.root.clone();
        for level in 0..4 {
            deep = app.organization(&deep, &format!("Deep {round} {level}")).await;
        }
        let answers =
            race(vec![(app.admin.clone(), create(&foot, "Child")), (app.admin.at(&twins.other), move_to(&top, &deep))])
                .await;
        let done = answers.iter().filter(|answer| answer.status.is_success()).count();
        assert_eq!(done, 1, "{answers:?}");
        answers.iter().find(|answer| !answer.status.is_success()).unwrap().expect_problem(409, "tree_too_deep");
        assert_eq!(misplaced(app).await, 0);
    }
}

/// Everything that can be put into an organization, while it goes: put in before, or not found. Nothing is left.
#[tokio::test(flavor = "multi_thread")]
async fn an_organization_is_filled_while_it_is_deleted() {
    let twins = Twins::start().await;
    let app = &twins.app;
    let login = app.log_in("root@example.com", crate::support::PASSWORD).await;
    for round in 0..rounds() {
        let lab = app.organization(&app.root, &format!("Lab {round}")).await;
        let ada = app.member_with_role(&lab, &format!("ada{round}"), "admin").await;
        let ida = crate::support::person(&format!("ida{round}@example.com"));
        let invited = app.admin.post(&paths::users(&lab), &ida).await.expect(201);
        let token = app.token(&lab, "one", "secret").await;
        let accept = json!({"token": invited["invitation"]["token"], "password": crate::support::PASSWORD});
        let bound = json!({"name": format!("bound {round}"), "organization_id": lab});
        let new = crate::support::person(&format!("new{round}@example.com"));
        let answers = race(vec![
            (app.admin.at(&twins.other), delete(&lab)),
            (app.admin.clone(), Request::Post(paths::tokens(&lab), crate::support::dwave("two"))),
            (app.admin.clone(), Request::Post(paths::users(&lab), new)),
            (app.anonymous(), Request::Post("/v1/invitations/accept".to_owned(), accept)),
            (login.clone(), Request::Post("/v1/me/api-keys".to_owned(), bound)),
            (app.admin.clone(), Request::Put(paths::quota(&lab, &token), json!({"quota": 1}))),
            (app.admin.clone(), Request::Put(paths::user_quota(&lab, &token, &ada.id), json!({"quota": 1}))),
            (app.admin.clone(), Request::Delete(paths::user(&lab, &ada.id))),
            (ada.clone(), Request::Patch("/v1/me".to_owned(), json!({"home_organization_id": lab}))),
            (app.admin.at(&twins.other), Request::Put(paths::role(&lab, &ada.id, "auditor"), Value::Null)),
        ])
        .await;
        answers[0].expect(204);
        app.admin.get(&paths::organization(&lab)).await.expect_problem(404, "not_found");
        let members = "SELECT count(*) FROM users u
                        WHERE status = 'active' AND NOT EXISTS (SELECT 1 FROM memberships m WHERE m.user_id = u.id)";
        let homeless: i64 = sqlx::query_scalar(members).fetch_one(&app.database).await.unwrap();
        assert_eq!(homeless, 0, "an active account is in an organization: {answers:?}");
    }
}
