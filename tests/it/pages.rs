//! Lists in pages: whole, in order, without repetition, also while somebody adds to them.

use std::collections::HashSet;

use serde_json::json;

use crate::support::{App, Caller, dwave, paths, person};

/// Page by page in twos and ones as at once.
async fn check(caller: &Caller, path: &str, length: usize) {
    let whole = caller.walk(path, 200).await;
    assert_eq!(whole.len(), length, "{path}: {whole:?}");
    assert_eq!(caller.walk(path, 1).await, whole, "{path} one by one");
    assert_eq!(caller.walk(path, 2).await, whole, "{path} two by two");
}

#[tokio::test]
async fn every_list_can_be_walked() {
    let app = App::start().await;
    let lab = app.organization(&app.root, "Lab").await;
    let ada = app.member_with_role(&lab, "ada", "admin").await;
    for number in 0..5 {
        app.organization(&app.root, &format!("Organization {number}")).await;
        app.admin.post(&paths::users(&lab), &person(&format!("u{number}@example.com"))).await.expect(201);
        app.token(&lab, &format!("Token {number}"), "secret").await;
        app.token(&app.root, &format!("Inherited {number}"), "secret").await;
        ada.post("/v1/me/qpu-tokens", &dwave(&format!("Mine {number}"))).await.expect(201);
        ada.post("/v1/me/api-keys", &json!({"name": format!("Key {number}")})).await.expect(201);
        app.log_in("ada@example.com", crate::support::PASSWORD).await;
    }
    check(&app.admin, "/v1/organizations", 7).await;
    check(&app.admin, &format!("/v1/organizations?parent_id={}", app.root), 6).await;
    check(&app.admin, &paths::users(&lab), 7).await;
    check(&app.admin, &format!("{}?status=invited", paths::users(&lab)), 5).await;
    check(&app.admin, &paths::invitations(&lab), 5).await;
    check(&app.admin, &paths::tokens(&lab), 5).await;
    check(&app.admin, &format!("{}?inherited=true", paths::tokens(&lab)), 10).await;
    check(&ada, "/v1/me/qpu-tokens", 5).await;
    check(&ada, "/v1/me/api-keys", 5).await;
    check(&ada, "/v1/sessions", 6).await;
    check(&app.admin, &paths::events(&lab, "action=users:create"), 6).await;
}

#[tokio::test]
async fn the_audit_log_is_walked_from_its_newest_event() {
    let app = App::start().await;
    for number in 0..4 {
        app.token(&app.root, &format!("Token {number}"), "secret").await;
    }
    let path = paths::events(&app.root, "action=qpu-tokens");
    let newest_first = app.admin.walk(&path, 1).await;
    assert!(newest_first.is_sorted_by(|newer, older| newer > older));
    // What happens meanwhile comes before the first page and moves nothing.
    let page = app.admin.get(&format!("{path}&limit=2")).await.expect(200);
    app.token(&app.root, "Meanwhile", "secret").await;
    let cursor = page["next_cursor"].as_str().unwrap();
    let rest = app.admin.get(&format!("{path}&limit=200&cursor={cursor}")).await.expect(200);
    assert_eq!(crate::support::each(&rest, "id"), newest_first[2..]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_during_additions_misses_and_repeats_nothing() {
    let app = App::start().await;
    for number in 0..20 {
        app.token(&app.root, &format!("Before {number}"), "secret").await;
    }
    let path = paths::tokens(&app.root);
    let before: HashSet<String> = app.admin.walk(&path, 200).await.into_iter().collect();
    let adding = {
        let (admin, path) = (app.admin.clone(), path.clone());
        tokio::spawn(async move {
            for number in 0..40 {
                admin.post(&path, &dwave(&format!("Meanwhile {number}"))).await.expect(201);
            }
        })
    };
    while !adding.is_finished() {
        let seen = app.admin.walk(&path, 3).await;
        let unique: HashSet<String> = seen.iter().cloned().collect();
        assert_eq!(unique.len(), seen.len(), "nothing twice");
        assert!(before.is_subset(&unique), "nothing missed");
    }
    adding.await.unwrap();
    assert_eq!(app.admin.walk(&path, 7).await.len(), 60);
}

#[tokio::test]
async fn a_limit_or_cursor_that_makes_no_sense_is_refused() {
    let app = App::start().await;
    let path = paths::tokens(&app.root);
    for wrong in ["limit=0", "limit=201", "limit=-1", "limit=ten", "limit=99999999999999", "cursor=x", "cursor="] {
        let problem = app.admin.get(&format!("{path}?{wrong}")).await.expect_problem(422, "invalid_request");
        let name = wrong.split('=').next().unwrap();
        assert_eq!(problem["errors"][0]["pointer"], format!("/{name}"));
    }
    app.admin.get(&format!("{path}?offset=3")).await.expect_problem(422, "invalid_request");
}
