//! An organization's place in the tree is not its own admin's to change.

use serde_json::json;

use super::everything;
use crate::support::App;

#[tokio::test]
async fn a_childs_admin_cannot_move_it_out_of_its_parent() {
    let app = App::start().await;
    let north = app.organization(&app.root, "North").await;
    let lab = app.organization(&north, "Lab").await;
    let south = app.organization(&app.root, "South").await;
    let admin = app.member_with_role(&lab, "lab-admin", "admin").await;

    let before = everything(&app.database).await;
    let path = format!("/v1/organizations/{lab}");
    for parent in [&app.root, &north, &south, &lab] {
        admin.patch(&path, &json!({"parent_id": parent})).await.expect_problem(403, "forbidden");
    }
    assert_eq!(before, everything(&app.database).await, "something was changed");
    admin.patch(&path, &json!({"name": "Laboratory"})).await.expect(200);
}

#[tokio::test]
async fn moving_needs_an_admin_at_both_ends() {
    let app = App::start().await;
    let (north, south) = (app.organization(&app.root, "North").await, app.organization(&app.root, "South").await);
    let lab = app.organization(&north, "Lab").await;
    let giver = app.member_with_role(&north, "giver", "admin").await;
    let taker = app.member_with_role(&south, "taker", "admin").await;

    let before = everything(&app.database).await;
    let (path, wanted) = (format!("/v1/organizations/{lab}"), json!({"parent_id": south}));
    // The one does not know where to, the other not what.
    giver.patch(&path, &wanted).await.expect_problem(404, "not_found");
    taker.patch(&path, &wanted).await.expect_problem(404, "not_found");
    // Knowing both is not enough.
    let member = app.member(&south, "member").await;
    let body = json!({"email": member.email, "given_name": "M", "family_name": "M"});
    let unchanged = everything(&app.database).await;
    assert_ne!(before, unchanged);
    let added = app.admin.post(&format!("/v1/organizations/{north}/users"), &body).await.expect(201);
    app.accept(&added, crate::support::PASSWORD).await.expect(200);
    let role = format!("/v1/organizations/{north}/users/{}/roles/admin", member.id);
    app.admin.put(&role, &serde_json::Value::Null).await.expect(200);
    member.patch(&path, &wanted).await.expect_problem(403, "forbidden");
    assert_eq!(app.admin.get(&path).await.expect(200)["parent_id"], json!(north));
}
