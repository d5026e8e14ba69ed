//! The tree: created, renamed, moved, deleted.

use serde_json::{Value, json};

use crate::support::{App, PASSWORD, dwave, each, paths, person};

#[tokio::test]
async fn the_tree_grows_moves_and_shrinks() {
    let app = App::start().await;
    let north = app.organization(&app.root, "North").await;
    let south = app.organization(&app.root, "South").await;
    let lab = app.organization(&north, "Lab").await;

    let moved = app.admin.patch(&format!("/v1/organizations/{lab}"), &json!({"parent_id": south})).await.expect(200);
    assert_eq!(moved["path"], json!([app.root, south, lab]));

    let problem = app.admin.delete(&format!("/v1/organizations/{south}")).await.expect_problem(409, "has_children");
    assert!(problem["detail"].as_str().unwrap().contains("Lab"), "{problem}");

    app.admin.delete(&format!("/v1/organizations/{lab}")).await.expect(204);
    app.admin.delete(&format!("/v1/organizations/{south}")).await.expect(204);
    app.admin.get(&format!("/v1/organizations/{south}")).await.expect_problem(404, "not_found");
}

#[tokio::test]
async fn names_are_unique_among_siblings_only() {
    let app = App::start().await;
    let (north, south) = (app.organization(&app.root, "North").await, app.organization(&app.root, "South").await);
    let taken = async |answer: crate::support::Answer| answer.expect_problem(409, "organization_name_taken");
    let lab = app.organization(&north, "Lab").await;
    taken(app.admin.post("/v1/organizations", &json!({"name": " Lab ", "parent_id": north})).await).await;
    let other = app.organization(&south, "Lab").await;
    taken(app.admin.patch(&paths::organization(&other), &json!({"parent_id": north})).await).await;
    taken(app.admin.patch(&paths::organization(&south), &json!({"name": "North"})).await).await;
    // Under another name it may come.
    let change = json!({"parent_id": north, "name": "Second lab"});
    let moved = app.admin.patch(&paths::organization(&other), &change).await.expect(200);
    assert_eq!((&moved["name"], &moved["parent_id"]), (&json!("Second lab"), &json!(north)));
    app.admin.patch(&paths::organization(&lab), &json!({"name": "Lab"})).await.expect(200);
}

#[tokio::test]
async fn a_move_takes_everything_below_along_and_never_below_itself() {
    let app = App::start().await;
    let north = app.organization(&app.root, "North").await;
    let lab = app.organization(&north, "Lab").await;
    let cellar = app.organization(&lab, "Cellar").await;
    let south = app.organization(&app.root, "South").await;
    let nora = app.member_with_role(&north, "nora", "admin").await;
    let sue = app.member_with_role(&south, "sue", "admin").await;

    for below in [&cellar, &lab] {
        let answer = app.admin.patch(&paths::organization(&lab), &json!({"parent_id": below})).await;
        answer.expect_problem(409, "tree_cycle");
    }
    nora.get(&paths::users(&cellar)).await.expect(200);
    sue.get(&paths::users(&cellar)).await.expect_problem(404, "not_found");
    app.admin.patch(&paths::organization(&lab), &json!({"parent_id": south})).await.expect(200);
    // Authority has moved with the tree.
    nora.get(&paths::users(&cellar)).await.expect_problem(404, "not_found");
    sue.get(&paths::users(&cellar)).await.expect(200);
    let seen = app.admin.get(&paths::organization(&cellar)).await.expect(200);
    assert_eq!(seen["path"], json!([app.root, south, lab, cellar]));
}

#[tokio::test]
async fn the_tree_is_eight_levels_deep() {
    let app = App::start().await;
    let mut chain = vec![app.root.clone()];
    while chain.len() < 8 {
        let below = app.organization(chain.last().unwrap(), "Below").await;
        chain.push(below);
    }
    let ninth = json!({"name": "Too deep", "parent_id": chain[7]});
    app.admin.post("/v1/organizations", &ninth).await.expect_problem(409, "tree_too_deep");

    // Nor by moving something that has others below it.
    let wide = app.organization(&app.root, "Wide").await;
    let leaf = app.organization(&wide, "Leaf").await;
    let into = async |parent: &str| app.admin.patch(&paths::organization(&wide), &json!({"parent_id": parent})).await;
    into(&chain[6]).await.expect_problem(409, "tree_too_deep");
    assert_eq!(app.admin.get(&paths::organization(&leaf)).await.expect(200)["path"], json!([app.root, wide, leaf]));
    into(&chain[5]).await.expect(200);
}

#[tokio::test]
async fn the_root_stays_where_it_is() {
    let app = App::start().await;
    let north = app.organization(&app.root, "North").await;
    let root = paths::organization(&app.root);
    app.admin.delete(&root).await.expect_problem(409, "root_is_fixed");
    app.admin.patch(&root, &json!({"parent_id": north})).await.expect_problem(409, "root_is_fixed");
    assert_eq!(app.admin.patch(&root, &json!({"name": "Planqc"})).await.expect(200)["name"], "Planqc");
    app.admin.patch(&root, &json!({"parent_id": null})).await.expect_problem(422, "invalid_request");
}

#[tokio::test]
async fn everyone_sees_the_own_branch() {
    let app = App::start().await;
    let (north, south) = (app.organization(&app.root, "North").await, app.organization(&app.root, "South").await);
    let lab = app.organization(&north, "Lab").await;
    let list = async |caller: &crate::support::Caller, query: &str| {
        let page = caller.get(&format!("/v1/organizations?{query}")).await.expect(200);
        each(&page, "id").into_iter().map(ToOwned::to_owned).collect::<Vec<_>>()
    };
    let (member, admin) = (app.member(&north, "ada").await, app.member_with_role(&north, "nora", "admin").await);
    assert_eq!(list(&member, "").await, [&app.root, &north].map(ToOwned::to_owned));
    assert_eq!(list(&admin, "").await, [&app.root, &north, &lab].map(ToOwned::to_owned));
    assert_eq!(list(&app.admin, "").await.len(), 4);
    assert_eq!(list(&app.admin, &format!("parent_id={}", app.root)).await, [&north, &south].map(ToOwned::to_owned));
}

#[tokio::test]
async fn deleting_an_organization_closes_the_accounts_that_were_only_there() {
    let app = App::start().await;
    let (north, south) = (app.organization(&app.root, "North").await, app.organization(&app.root, "South").await);
    let only = app.member(&north, "only").await;
    only.post("/v1/me/qpu-tokens", &dwave("mine")).await.expect(201);
    let both = app.member(&north, "both").await;
    let added = app.admin.post(&paths::users(&south), &person("both@example.com")).await.expect(201);
    app.accept(&added, PASSWORD).await.expect(200);
    let invited = app.admin.post(&paths::users(&north), &person("ida@example.com")).await.expect(201);
    app.token(&north, "north", "secret").await;

    app.admin.delete(&paths::organization(&north)).await.expect(204);
    only.get("/v1/me").await.expect_problem(401, "unauthenticated");
    let log_in = json!({"email": "only@example.com", "password": PASSWORD});
    app.anonymous().post("/v1/sessions", &log_in).await.expect_problem(401, "invalid_credentials");
    assert_eq!(both.get("/v1/me").await.expect(200)["home_organization_id"], south);
    app.accept(&invited, PASSWORD).await.expect_problem(422, "invalid_invitation");
    for table in ["qpu_tokens", "qpu_token_secrets"] {
        let count = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
        let left: i64 = sqlx::query_scalar(count).fetch_one(&app.database).await.unwrap();
        assert_eq!(left, 0, "{table}");
    }
    // The address is free to be added somewhere else.
    let again = app.admin.post(&paths::users(&south), &person("only@example.com")).await.expect(201);
    app.accept(&again, "quite another password").await.expect(200);
}

#[tokio::test]
async fn whoever_creates_an_organization_is_its_first_admin() {
    let app = App::start().await;
    let north = app.organization(&app.root, "North").await;
    let nora = app.member_with_role(&north, "nora", "admin").await;
    let lab = nora.post("/v1/organizations", &json!({"name": "Lab", "parent_id": north})).await.expect(201);
    let users = nora.get(&paths::users(lab["id"].as_str().unwrap())).await.expect(200);
    assert_eq!(each(&users, "email"), ["nora@example.com"]);
    assert_eq!(users["items"][0]["roles"], json!(["admin"]));
    let me: Value = nora.get("/v1/me").await.expect(200);
    assert_eq!(me["home_organization_id"], north, "home stays the first one");
}
