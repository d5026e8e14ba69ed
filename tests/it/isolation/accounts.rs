//! An account is its owner's, and its home organization's. Who adds it elsewhere gets no hold on it.

use serde_json::{Value, json};

use crate::support::{App, Caller, PASSWORD};

struct Guest {
    app: App,
    /// Admin of the organization that the account is added to.
    sly: Caller,
    /// The account: its home is elsewhere, its name is "vera Test".
    vera: Caller,
    /// Where the account shows in sly's organization.
    path: String,
    added: Value,
}

/// Sly adds an account that exists, under a name that he made up.
async fn guest() -> Guest {
    let app = App::start().await;
    let (home, other) = (app.organization(&app.root, "Home").await, app.organization(&app.root, "Other").await);
    let vera = app.member(&home, "vera").await;
    let sly = app.member_with_role(&other, "sly", "admin").await;
    let body = json!({"email": "VERA@example.com", "given_name": "Some", "family_name": "Body"});
    let added = sly.post(&format!("/v1/organizations/{other}/users"), &body).await.expect(201);
    let path = format!("/v1/organizations/{other}/users/{}", vera.id);
    Guest { app, sly, vera, path, added }
}

#[tokio::test]
async fn adding_an_account_tells_nothing_of_it() {
    let Guest { app, sly, path, added, .. } = guest().await;
    let listed = sly.get(path.rsplit_once('/').unwrap().0).await.expect(200);
    let listed = listed["items"].as_array().unwrap().iter().find(|user| user["id"] == added["id"]).unwrap().clone();
    for seen in [added.clone(), sly.get(&path).await.expect(200), listed] {
        assert_eq!(seen["given_name"], "Some");
        assert_eq!(seen["family_name"], "Body");
        assert_eq!(seen["status"], "invited");
        assert_eq!(seen["roles"], json!([]));
        assert_eq!(seen["joined_at"], Value::Null);
    }
    // As of an address that nobody has.
    let body = json!({"email": "nobody@example.com", "given_name": "Some", "family_name": "Body"});
    let unknown = sly.post(path.rsplit_once('/').unwrap().0, &body).await.expect(201);
    let members = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(members(&added), members(&unknown));
    app.stop().await;
}

#[tokio::test]
async fn the_inviter_cannot_set_the_accounts_password() {
    let Guest { app, sly, vera, path, added } = guest().await;
    app.accept(&added, "sly's own long password").await.expect_problem(401, "invalid_credentials");
    assert_eq!(sly.get(&path).await.expect(200)["status"], "invited");
    let credentials = json!({"email": vera.email, "password": "sly's own long password"});
    app.anonymous().post("/v1/sessions", &credentials).await.expect_problem(401, "invalid_credentials");
    app.log_in(&vera.email, PASSWORD).await;
    vera.get("/v1/me").await.expect(200);
    // The owner can accept, with the password that the account has.
    app.accept(&added, PASSWORD).await.expect(200);
    assert_eq!(sly.get(&path).await.expect(200)["status"], "active");
}

#[tokio::test]
async fn the_inviter_can_neither_rename_nor_disable_the_account() {
    let Guest { app, sly, vera, path, added } = guest().await;
    // Before it accepts, a new name is that of the invitation.
    let renamed = sly.patch(&path, &json!({"given_name": "Silly"})).await.expect(200);
    assert_eq!(renamed["given_name"], "Silly");
    sly.patch(&path, &json!({"status": "disabled"})).await.expect_problem(409, "not_accepted");
    assert_eq!(vera.get("/v1/me").await.expect(200)["given_name"], "vera");

    app.accept(&added, PASSWORD).await.expect(200);
    for wanted in [json!({"given_name": "Silly"}), json!({"family_name": "Silly"}), json!({"status": "disabled"})] {
        sly.patch(&path, &wanted).await.expect_problem(403, "not_home_organization");
    }
    let account = vera.get("/v1/me").await.expect(200);
    assert_eq!((&account["given_name"], &account["family_name"]), (&json!("vera"), &json!("Test")));

    // What the inviter can do is to take the membership away; the account goes on.
    sly.delete(&path).await.expect(204);
    let account = vera.get("/v1/me").await.expect(200);
    assert_eq!(account["status"], "active");
    assert_eq!(account["memberships"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn an_account_that_its_home_has_disabled_is_not_opened_elsewhere() {
    let Guest { app, vera, added, .. } = guest().await;
    let home = vera.get("/v1/me").await.expect(200)["home_organization_id"].as_str().unwrap().to_owned();
    let path = format!("/v1/organizations/{home}/users/{}", vera.id);
    app.admin.patch(&path, &json!({"status": "disabled"})).await.expect(200);
    for password in [PASSWORD, "sly's own long password"] {
        app.accept(&added, password).await.expect_problem(422, "invalid_invitation");
    }
    let credentials = json!({"email": vera.email, "password": PASSWORD});
    app.anonymous().post("/v1/sessions", &credentials).await.expect_problem(401, "invalid_credentials");
}

#[tokio::test]
async fn an_admin_below_does_not_disable_one_above() {
    let app = App::start().await;
    let above = app.organization(&app.root, "Above").await;
    let below = app.organization(&above, "Below").await;
    let upper = app.member_with_role(&below, "upper", "admin").await;
    let lower = app.member_with_role(&below, "lower", "admin").await;
    // At home below, and since promoted above.
    let body = json!({"email": upper.email, "given_name": "U", "family_name": "U"});
    let users = format!("/v1/organizations/{above}/users");
    let added = app.admin.post(&users, &body).await.expect(201);
    app.accept(&added, PASSWORD).await.expect(200);
    app.admin.put(&format!("{users}/{}/roles/admin", upper.id), &Value::Null).await.expect(200);

    let path = format!("/v1/organizations/{below}/users/{}", upper.id);
    lower.patch(&path, &json!({"status": "disabled"})).await.expect_problem(403, "not_home_organization");
    upper.get("/v1/me").await.expect(200);
}
