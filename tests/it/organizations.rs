//! The tree: created, renamed, moved, deleted.

use serde_json::json;

use crate::support::App;

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
