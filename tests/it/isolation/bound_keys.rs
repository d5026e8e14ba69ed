//! An API key that is bound to an organization knows no other, whatever its owner may do.

use serde_json::{Value, json};

use crate::support::{App, Caller, PASSWORD};

/// A key of full scope that the account has bound to the organization.
async fn bound(app: &App, account: &Caller, organization: &str) -> Caller {
    let wanted = json!({"name": "bound", "organization_id": organization});
    let made = account.post("/v1/me/api-keys", &wanted).await.expect(201);
    Caller::with_api_key(&app.base_url, made["api_key"].as_str().unwrap())
}

fn ids(list: &Value) -> Vec<&str> {
    list["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_bound_key_sees_its_organization_only() {
    let app = App::start().await;
    let north = app.organization(&app.root, "North").await;
    let lab = app.organization(&north, "Lab").await;
    let south = app.organization(&app.root, "South").await;
    let admin = app.log_in(&app.admin.email, PASSWORD).await;
    let key = bound(&app, &admin, &north).await;

    assert_eq!(ids(&key.get("/v1/organizations").await.expect(200)), [north.as_str()]);
    assert!(ids(&key.get(&format!("/v1/organizations?parent_id={north}")).await.expect(200)).is_empty());
    key.get(&format!("/v1/organizations/{north}")).await.expect(200);
    for other in [&app.root, &lab, &south] {
        key.get(&format!("/v1/organizations/{other}")).await.expect_problem(404, "not_found");
        key.get(&format!("/v1/organizations/{other}/users")).await.expect_problem(404, "not_found");
        let new = json!({"name": "New", "parent_id": other});
        key.post("/v1/organizations", &new).await.expect_problem(404, "not_found");
    }
    // It moves nothing out of its bounds, and takes nothing in.
    for (organization, parent) in [(&north, &south), (&lab, &south), (&south, &north)] {
        let path = format!("/v1/organizations/{organization}");
        key.patch(&path, &json!({"parent_id": parent})).await.expect_problem(404, "not_found");
    }
}

#[tokio::test]
async fn a_bound_key_does_not_tell_where_else_its_owner_is() {
    let app = App::start().await;
    let (north, south) = (app.organization(&app.root, "North").await, app.organization(&app.root, "South").await);
    let vera = app.member(&north, "vera").await;
    let body = json!({"email": vera.email, "given_name": "V", "family_name": "V"});
    let added = app.admin.post(&format!("/v1/organizations/{south}/users"), &body).await.expect(201);
    app.accept(&added, PASSWORD).await.expect(200);

    let key = bound(&app, &vera, &south).await;
    let account = key.get("/v1/me").await;
    assert!(!account.text.contains(&north) && !account.text.contains("North"), "{}", account.text);
    let account = account.expect(200);
    assert_eq!(account["memberships"][0]["organization_id"], json!(south));
    // The organization that is meant where none is named.
    assert_eq!(account["home_organization_id"], json!(south));
    assert_eq!(vera.get("/v1/me").await.expect(200)["memberships"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn nobody_binds_a_key_to_an_organization_out_of_sight() {
    let app = App::start().await;
    let (north, south) = (app.organization(&app.root, "North").await, app.organization(&app.root, "South").await);
    let vera = app.member(&north, "vera").await;
    let wanted = json!({"name": "bound", "organization_id": south});
    vera.post("/v1/me/api-keys", &wanted).await.expect_problem(404, "not_found");
}
