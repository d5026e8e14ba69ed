//! Roles: given and taken; authority flows down the tree and nowhere else.

use serde_json::{Value, json};

use crate::support::{App, dwave, paths, person};

#[tokio::test]
async fn giving_and_taking_a_role_twice_is_giving_and_taking_it_once() {
    let app = App::start().await;
    let ada = app.member(&app.root, "ada").await;
    let role = paths::role(&app.root, &ada.id, "auditor");

    let first = app.admin.put(&role, &Value::Null).await;
    assert_eq!(first.expect(200)["roles"], json!(["auditor"]));
    let second = app.admin.put(&role, &Value::Null).await;
    assert_eq!(second.expect(200)["roles"], json!(["auditor"]));
    assert_eq!(first.tag(), second.tag(), "nothing has changed");

    app.admin.delete(&role).await.expect(204);
    app.admin.delete(&role).await.expect(204);
    assert_eq!(app.admin.get(&paths::user(&app.root, &ada.id)).await.expect(200)["roles"], json!([]));

    // By e-mail address just as well; a role that does not exist is not found.
    app.admin.put(&paths::role(&app.root, "ADA@example.com", "auditor"), &Value::Null).await.expect(200);
    app.admin.put(&paths::role(&app.root, &ada.id, "emperor"), &Value::Null).await.expect_problem(404, "not_found");
}

#[tokio::test]
async fn a_role_works_and_stops_working_with_the_next_request() {
    let app = App::start().await;
    let lab = app.organization(&app.root, "Lab").await;
    let ada = app.member(&lab, "ada").await;
    ada.get(&paths::users(&lab)).await.expect_problem(403, "forbidden");
    let role = paths::role(&lab, &ada.id, "admin");
    app.admin.put(&role, &Value::Null).await.expect(200);
    ada.get(&paths::users(&lab)).await.expect(200);
    app.admin.delete(&role).await.expect(204);
    ada.get(&paths::users(&lab)).await.expect_problem(403, "forbidden");
}

#[tokio::test]
async fn authority_flows_down_never_up_and_never_sideways() {
    let app = App::start().await;
    let north = app.organization(&app.root, "North").await;
    let south = app.organization(&app.root, "South").await;
    let lab = app.organization(&north, "Lab").await;
    let nora = app.member_with_role(&north, "nora", "admin").await;

    // Down: everything, without being a member there.
    let below = nora.post("/v1/organizations", &json!({"name": "Cellar", "parent_id": lab})).await.expect(201);
    nora.post(&paths::users(&lab), &person("ida@example.com")).await.expect(201);
    nora.post(&paths::tokens(&lab), &dwave("below")).await.expect(201);
    nora.get(&paths::users(below["id"].as_str().unwrap())).await.expect(200);
    nora.put(&paths::role(&lab, "ida@example.com", "admin"), &Value::Null).await.expect(200);

    // Up: seen, but not managed.
    nora.get(&paths::organization(&app.root)).await.expect(200);
    nora.post(&paths::users(&app.root), &person("eve@example.com")).await.expect_problem(403, "forbidden");
    nora.patch(&paths::organization(&app.root), &json!({"name": "Mine"})).await.expect_problem(403, "forbidden");
    nora.put(&paths::role(&app.root, &nora.id, "admin"), &Value::Null).await.expect_problem(403, "forbidden");

    // Sideways: not even known.
    nora.get(&paths::organization(&south)).await.expect_problem(404, "not_found");
    nora.get(&paths::users(&south)).await.expect_problem(404, "not_found");
    nora.post(&paths::users(&south), &person("eve@example.com")).await.expect_problem(404, "not_found");
    let moved = nora.patch(&paths::organization(&lab), &json!({"parent_id": south})).await;
    moved.expect_problem(404, "not_found");
    // Moving up needs the role at the upper end, too.
    let moved = nora.patch(&paths::organization(&lab), &json!({"parent_id": app.root})).await;
    moved.expect_problem(403, "forbidden");
}

#[tokio::test]
async fn solvers_are_made_by_admins_of_the_root_only() {
    let app = App::start().await;
    let lab = app.organization(&app.root, "Lab").await;
    let lena = app.member_with_role(&lab, "lena", "admin").await;
    let solver = app.member(&lab, "solver").await;
    let role = paths::role(&lab, &solver.id, "solver");

    lena.put(&role, &Value::Null).await.expect_problem(403, "forbidden");
    lena.put(&paths::role(&lab, &lena.id, "solver"), &Value::Null).await.expect_problem(403, "forbidden");
    assert_eq!(app.admin.put(&role, &Value::Null).await.expect(200)["roles"], json!(["solver"]));
    lena.delete(&role).await.expect(204);
}

#[tokio::test]
async fn the_last_active_admin_stays_whatever_is_tried() {
    let app = App::start().await;
    let ada = app.member(&app.root, "ada").await;
    // An invited admin does not count.
    let ida = app.admin.post(&paths::users(&app.root), &person("ida@example.com")).await.expect(201);
    app.admin.put(&paths::role(&app.root, "ida@example.com", "admin"), &Value::Null).await.expect(200);

    let me = paths::user(&app.root, &app.admin.id);
    let revoked = app.admin.delete(&paths::role(&app.root, &app.admin.id, "admin")).await;
    let problem = revoked.expect_problem(409, "last_admin");
    assert!(problem["detail"].as_str().unwrap().contains("Platform"), "{problem}");
    app.admin.delete(&me).await.expect_problem(409, "last_admin");
    app.admin.patch(&me, &json!({"status": "disabled"})).await.expect_problem(409, "last_admin");

    // Neither does a disabled one.
    app.admin.put(&paths::role(&app.root, &ada.id, "admin"), &Value::Null).await.expect(200);
    app.admin.patch(&paths::user(&app.root, &ada.id), &json!({"status": "disabled"})).await.expect(200);
    app.admin.delete(&me).await.expect_problem(409, "last_admin");

    // Once accepted, the other one counts.
    app.accept(&ida, crate::support::PASSWORD).await.expect(200);
    app.admin.delete(&me).await.expect(204);
    app.admin.get("/v1/me").await.expect_problem(401, "unauthenticated");
}

#[tokio::test]
async fn an_auditor_reads_and_changes_nothing() {
    let app = App::start().await;
    let lab = app.organization(&app.root, "Lab").await;
    let ada = app.member_with_role(&app.root, "ada", "auditor").await;

    ada.get(&paths::users(&lab)).await.expect(200);
    ada.get(&paths::events(&lab, "")).await.expect(200);
    ada.post(&paths::users(&lab), &person("eve@example.com")).await.expect_problem(403, "forbidden");
    ada.post(&paths::tokens(&lab), &dwave("hers")).await.expect_problem(403, "forbidden");
    ada.put(&paths::role(&lab, &ada.id, "admin"), &Value::Null).await.expect_problem(403, "forbidden");
}

#[tokio::test]
async fn the_roles_say_what_they_may() {
    let app = App::start().await;
    let ada = app.member(&app.root, "ada").await;
    let roles = ada.get("/v1/roles").await.expect(200);
    let may = |role: &str, permission: &str| {
        let items = roles["items"].as_array().unwrap();
        let described = items.iter().find(|item| item["role"] == role).unwrap();
        described["permissions"].as_array().unwrap().contains(&json!(permission))
    };
    assert!(may("admin", "users:create") && may("auditor", "audit-events:list"));
    assert!(!may("auditor", "users:create") && !may("solver", "users:list"));
}
