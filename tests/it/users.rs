//! People in an organization: added, seen, disabled, removed, added again.

use serde_json::{Value, json};

use crate::support::{App, Caller, PASSWORD, dwave, each, paths, person};

#[tokio::test]
async fn whoever_is_added_is_invited_and_becomes_active_by_accepting() {
    let app = App::start().await;
    let lab = app.organization(&app.root, "Lab").await;

    let answer = app.admin.post(&paths::users(&lab), &person("Ada@Example.com")).await;
    let added = answer.expect(201);
    let id = added["id"].as_str().unwrap();
    assert_eq!(answer.headers["location"], paths::user(&lab, id));
    assert_eq!(added["status"], "invited");
    assert_eq!(added["organization_id"], lab);
    assert_eq!(added["joined_at"], Value::Null);
    assert_eq!(added["roles"], json!([]));

    let accepted = app.accept(&added, PASSWORD).await.expect(200);
    assert_eq!(accepted["status"], "active");
    assert!(accepted["joined_at"].is_string(), "{accepted}");

    // By e-mail address, in any case, and by id: the same user.
    let seen = app.admin.get(&paths::user(&lab, "ada@EXAMPLE.com")).await.expect(200);
    assert_eq!(seen, app.admin.get(&paths::user(&lab, id)).await.expect(200));
    assert_eq!(seen["email"], "Ada@Example.com");
}

#[tokio::test]
async fn one_address_is_one_account_in_whatever_case() {
    let app = App::start().await;
    app.admin.post(&paths::users(&app.root), &person("ada@example.com")).await.expect(201);
    let again = app.admin.post(&paths::users(&app.root), &person("ADA@example.com")).await;
    again.expect_problem(409, "already_member");
}

#[tokio::test]
async fn the_directory_is_not_for_plain_members() {
    let app = App::start().await;
    let lab = app.organization(&app.root, "Lab").await;
    let other = app.organization(&app.root, "Other").await;
    let ada = app.member(&lab, "ada").await;

    ada.get(&paths::users(&lab)).await.expect_problem(403, "forbidden");
    ada.get(&paths::user(&lab, "root@example.com")).await.expect_problem(403, "forbidden");
    assert_eq!(ada.get(&paths::user(&lab, &ada.id)).await.expect(200)["email"], "ada@example.com");
    ada.get(&paths::users(&other)).await.expect_problem(404, "not_found");
}

#[tokio::test]
async fn the_directory_is_filtered_by_status_and_role() {
    let app = App::start().await;
    let lab = app.organization(&app.root, "Lab").await;
    app.member_with_role(&lab, "ada", "auditor").await;
    app.admin.post(&paths::users(&lab), &person("ida@example.com")).await.expect(201);

    let list = async |query: &str| app.admin.get(&format!("{}?{query}", paths::users(&lab))).await.expect(200);
    assert_eq!(each(&list("").await, "email"), ["root@example.com", "ada@example.com", "ida@example.com"]);
    assert_eq!(each(&list("status=invited").await, "email"), ["ida@example.com"]);
    assert_eq!(each(&list("role=auditor").await, "email"), ["ada@example.com"]);
    assert_eq!(each(&list("role=auditor&status=invited").await, "email"), [""; 0]);
}

/// Everything that a member has, before it is taken away.
async fn settled(app: &App, organization: &str, name: &str) -> (Caller, Caller) {
    let member = app.member(organization, name).await;
    let key = member.post("/v1/me/api-keys", &json!({"name": "notebook"})).await.expect(201);
    member.post("/v1/me/qpu-tokens", &dwave("mine")).await.expect(201);
    let key = Caller::with_api_key(&app.base_url, key["api_key"].as_str().unwrap());
    key.get("/v1/me").await.expect(200);
    (member, key)
}

async fn secrets(app: &App) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM qpu_token_secrets").fetch_one(&app.database).await.unwrap()
}

#[tokio::test]
async fn removed_from_the_last_organization_the_account_is_closed_and_later_opened_anew() {
    let app = App::start().await;
    let (ada, key) = settled(&app, &app.root, "ada").await;
    assert_eq!(secrets(&app).await, 1);

    app.admin.delete(&paths::user(&app.root, &ada.id)).await.expect(204);
    for gone in [&ada, &key] {
        gone.get("/v1/me").await.expect_problem(401, "unauthenticated");
    }
    let log_in = json!({"email": "ada@example.com", "password": PASSWORD});
    app.anonymous().post("/v1/sessions", &log_in).await.expect_problem(401, "invalid_credentials");
    app.admin.get(&paths::user(&app.root, &ada.id)).await.expect_problem(404, "not_found");
    assert_eq!(secrets(&app).await, 0, "the data keys of the personal tokens are destroyed");

    let added = app.admin.post(&paths::users(&app.root), &person("ada@example.com")).await.expect(201);
    assert_eq!(added["status"], "invited");
    app.anonymous().post("/v1/sessions", &log_in).await.expect_problem(401, "invalid_credentials");
    app.accept(&added, "another good password").await.expect(200);
    app.anonymous().post("/v1/sessions", &log_in).await.expect_problem(401, "invalid_credentials");
    let again = app.log_in("ada@example.com", "another good password").await;
    assert_eq!(again.get("/v1/me/qpu-tokens").await.expect(200)["items"], json!([]));
    assert_eq!(again.get("/v1/me/api-keys").await.expect(200)["items"], json!([]));
    for gone in [&ada, &key] {
        gone.get("/v1/me").await.expect_problem(401, "unauthenticated");
    }
}

#[tokio::test]
async fn removed_from_one_of_two_organizations_the_home_moves_and_the_rest_stays() {
    let app = App::start().await;
    let (north, south) = (app.organization(&app.root, "North").await, app.organization(&app.root, "South").await);
    let (ada, key) = settled(&app, &north, "ada").await;
    let bound = json!({"name": "bound", "organization_id": north});
    let bound = ada.post("/v1/me/api-keys", &bound).await.expect(201);
    let bound = Caller::with_api_key(&app.base_url, bound["api_key"].as_str().unwrap());
    let added = app.admin.post(&paths::users(&south), &person("ada@example.com")).await.expect(201);
    app.accept(&added, PASSWORD).await.expect(200);
    assert_eq!(ada.get("/v1/me").await.expect(200)["home_organization_id"], north);

    app.admin.delete(&paths::user(&north, &ada.id)).await.expect(204);
    let me = ada.get("/v1/me").await.expect(200);
    assert_eq!(me["home_organization_id"], south);
    assert_eq!(me["memberships"].as_array().unwrap().len(), 1);
    key.get(&paths::organization(&south)).await.expect(200);
    ada.get(&paths::organization(&north)).await.expect_problem(404, "not_found");
    bound.get("/v1/me").await.expect_problem(401, "unauthenticated");
    assert_eq!(secrets(&app).await, 1, "the personal token stays");
}

#[tokio::test]
async fn disabled_means_out_at_once_and_enabled_means_in_again() {
    let app = App::start().await;
    let (ada, key) = settled(&app, &app.root, "ada").await;
    let path = paths::user(&app.root, &ada.id);

    let disabled = app.admin.patch(&path, &json!({"status": "disabled"})).await.expect(200);
    assert_eq!(disabled["status"], "disabled");
    for out in [&ada, &key] {
        out.get("/v1/me").await.expect_problem(401, "unauthenticated");
    }
    let log_in = json!({"email": "ada@example.com", "password": PASSWORD});
    app.anonymous().post("/v1/sessions", &log_in).await.expect_problem(401, "invalid_credentials");

    app.admin.patch(&path, &json!({"status": "active"})).await.expect(200);
    ada.get("/v1/me").await.expect_problem(401, "unauthenticated");
    key.get("/v1/me").await.expect_problem(401, "unauthenticated");
    let ada = app.log_in("ada@example.com", PASSWORD).await;
    assert_eq!(each(&ada.get("/v1/me/qpu-tokens").await.expect(200), "name"), ["mine"]);
}

#[tokio::test]
async fn an_account_belongs_to_the_admins_of_its_home() {
    let app = App::start().await;
    let (north, south) = (app.organization(&app.root, "North").await, app.organization(&app.root, "South").await);
    let ada = app.member(&north, "ada").await;
    let sue = app.member_with_role(&south, "sue", "admin").await;
    let added = sue.post(&paths::users(&south), &person("ada@example.com")).await.expect(201);
    assert_eq!(added["given_name"], "Petra", "what the account is called is not the inviter's to learn");
    app.accept(&added, PASSWORD).await.expect(200);

    let path = paths::user(&south, &ada.id);
    for change in [json!({"status": "disabled"}), json!({"given_name": "Eve"})] {
        sue.patch(&path, &change).await.expect_problem(403, "not_home_organization");
    }
    let renamed = app.admin.patch(&paths::user(&north, &ada.id), &json!({"given_name": "Adele"})).await.expect(200);
    assert_eq!(renamed["given_name"], "Adele");

    // Not even in an admin's own organization, if the user is somebody further up.
    let added = sue.post(&paths::users(&south), &person("root@example.com")).await;
    added.expect_problem(409, "already_member");
    sue.patch(&paths::user(&south, &app.admin.id), &json!({"status": "disabled"}))
        .await
        .expect_problem(403, "not_home_organization");
}

#[tokio::test]
async fn before_accepting_a_user_can_be_renamed_but_not_made_active() {
    let app = App::start().await;
    let added = app.admin.post(&paths::users(&app.root), &person("ida@example.com")).await.expect(201);
    let path = paths::user(&app.root, added["id"].as_str().unwrap());
    let renamed = app.admin.patch(&path, &json!({"family_name": "Inviter"})).await.expect(200);
    assert_eq!((&renamed["family_name"], &renamed["status"]), (&json!("Inviter"), &json!("invited")));
    app.admin.patch(&path, &json!({"status": "active"})).await.expect_problem(409, "not_accepted");
    assert_eq!(app.accept(&added, PASSWORD).await.expect(200)["family_name"], "Inviter");
    app.admin.patch(&path, &json!({"status": "invited"})).await.expect_problem(409, "not_accepted");
}
