//! The own account: names, home organization, password.

use serde_json::json;

use crate::support::{App, PASSWORD, paths, person};

const NEXT_PASSWORD: &str = "an even better password";

#[tokio::test]
async fn an_account_shows_its_memberships_with_roles_and_path() {
    let app = App::start().await;
    let lab = app.organization(&app.root, "Lab").await;
    let ada = app.member_with_role(&lab, "ada", "auditor").await;
    let me = ada.get("/v1/me").await.expect(200);
    assert_eq!((&me["status"], &me["home_organization_id"]), (&json!("active"), &json!(lab)));
    let membership = &me["memberships"][0];
    assert_eq!((&membership["roles"], &membership["status"]), (&json!(["auditor"]), &json!("active")));
    assert_eq!(membership["path"], json!([{"id": app.root, "name": "Platform"}, {"id": lab, "name": "Lab"}]));
}

#[tokio::test]
async fn people_name_themselves_and_choose_their_home() {
    let app = App::start().await;
    let (north, south) = (app.organization(&app.root, "North").await, app.organization(&app.root, "South").await);
    let ada = app.member(&north, "ada").await;
    let added = app.admin.post(&paths::users(&south), &person("ada@example.com")).await.expect(201);

    let home = json!({"home_organization_id": south});
    ada.patch("/v1/me", &home).await.expect_problem(409, "not_a_member");
    app.accept(&added, PASSWORD).await.expect(200);
    let me = ada.patch("/v1/me", &home).await.expect(200);
    assert_eq!((&me["home_organization_id"], &me["given_name"]), (&json!(south), &json!("ada")));

    let me = ada.patch("/v1/me", &json!({"given_name": "Ada", "family_name": "Lovelace"})).await.expect(200);
    assert_eq!((&me["given_name"], &me["family_name"]), (&json!("Ada"), &json!("Lovelace")));
    let seen = app.admin.get(&paths::user(&north, &ada.id)).await.expect(200);
    assert_eq!(seen["family_name"], "Lovelace");
}

#[tokio::test]
async fn a_new_password_ends_all_other_sessions() {
    let app = App::start().await;
    let ada = app.member(&app.root, "ada").await;
    let elsewhere = app.log_in("ada@example.com", PASSWORD).await;

    let change = json!({"current_password": PASSWORD, "new_password": NEXT_PASSWORD});
    ada.put("/v1/me/password", &change).await.expect(204);
    ada.get("/v1/me").await.expect(200);
    elsewhere.get("/v1/me").await.expect_problem(401, "unauthenticated");

    let old = json!({"email": "ada@example.com", "password": PASSWORD});
    app.anonymous().post("/v1/sessions", &old).await.expect_problem(401, "invalid_credentials");
    app.log_in("ada@example.com", NEXT_PASSWORD).await;
}

#[tokio::test]
async fn a_new_password_needs_the_present_one_and_a_login() {
    let app = App::start().await;
    let ada = app.member(&app.root, "ada").await;
    let wrong = json!({"current_password": "not mine at all", "new_password": NEXT_PASSWORD});
    ada.put("/v1/me/password", &wrong).await.expect_problem(401, "invalid_credentials");
    let short = json!({"current_password": PASSWORD, "new_password": "short"});
    let problem = ada.put("/v1/me/password", &short).await.expect_problem(422, "invalid_request");
    assert_eq!(problem["errors"][0]["pointer"], "/new_password");
    let with_a_key = json!({"current_password": PASSWORD, "new_password": NEXT_PASSWORD});
    app.admin.put("/v1/me/password", &with_a_key).await.expect_problem(403, "session_required");
    app.log_in("ada@example.com", PASSWORD).await;
}
