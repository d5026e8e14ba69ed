//! Invitations: from the link to the membership, once.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::support::{App, PASSWORD, each, paths, person};

async fn invite(app: &App, email: &str) -> Value {
    app.admin.post(&paths::users(&app.root), &person(email)).await.expect(201)
}

fn resend(app: &App, added: &Value) -> String {
    format!("{}/{}/resend", paths::invitations(&app.root), added["invitation"]["id"].as_str().unwrap())
}

#[tokio::test]
async fn a_link_is_shown_once_and_works_once() {
    let app = App::start().await;
    let added = invite(&app, "ida@example.com").await;
    let token = added["invitation"]["token"].as_str().unwrap();
    let link = added["invitation"]["link"].as_str().unwrap();
    assert_eq!(link, format!("http://luna.example.com/accept-invitation#token={token}"));

    let listed = app.admin.get(&paths::invitations(&app.root)).await.expect(200);
    assert_eq!(each(&listed, "email"), ["ida@example.com"]);
    assert!(!listed.to_string().contains(token), "the list shows no token");

    app.accept(&added, PASSWORD).await.expect(200);
    app.accept(&added, PASSWORD).await.expect_problem(422, "invalid_invitation");
    let listed = app.admin.get(&paths::invitations(&app.root)).await.expect(200);
    assert_eq!(listed["items"], json!([]));
}

#[tokio::test]
async fn an_unfit_password_is_refused_and_the_link_stays_good() {
    let app = App::start().await;
    let added = invite(&app, "ida@example.com").await;
    for password in ["short", ""] {
        let problem = app.accept(&added, password).await.expect_problem(422, "invalid_request");
        assert_eq!(problem["errors"][0]["pointer"], "/password");
    }
    app.accept(&added, PASSWORD).await.expect(200);
}

#[tokio::test]
async fn an_expired_invitation_is_dead_until_it_is_sent_anew() {
    let app = App::start().await;
    let added = invite(&app, "ida@example.com").await;
    app.clock.advance(TimeDelta::days(7) + TimeDelta::minutes(1));
    app.accept(&added, PASSWORD).await.expect_problem(422, "invalid_invitation");
    let sent = app.admin.post(&resend(&app, &added), &Value::Null).await.expect(200);
    app.accept(&json!({"invitation": sent}), PASSWORD).await.expect(200);
}

#[tokio::test]
async fn sending_anew_kills_the_old_link() {
    let app = App::start().await;
    let added = invite(&app, "ida@example.com").await;
    let sent = app.admin.post(&resend(&app, &added), &Value::Null).await.expect(200);
    assert_eq!(sent["id"], added["invitation"]["id"]);
    app.accept(&added, PASSWORD).await.expect_problem(422, "invalid_invitation");
    app.accept(&json!({"invitation": sent}), PASSWORD).await.expect(200);
    app.admin.post(&resend(&app, &added), &Value::Null).await.expect_problem(404, "not_found");
}

#[tokio::test]
async fn a_withdrawn_invitation_leaves_nothing_behind() {
    let app = App::start().await;
    let added = invite(&app, "ida@example.com").await;
    let path = format!("{}/{}", paths::invitations(&app.root), added["invitation"]["id"].as_str().unwrap());
    app.admin.delete(&path).await.expect(204);
    app.admin.delete(&path).await.expect_problem(404, "not_found");
    app.accept(&added, PASSWORD).await.expect_problem(422, "invalid_invitation");
    app.admin.get(&paths::user(&app.root, "ida@example.com")).await.expect_problem(404, "not_found");
    let again = invite(&app, "ida@example.com").await;
    app.accept(&again, PASSWORD).await.expect(200);
}

#[tokio::test]
async fn removing_an_invited_user_kills_the_link() {
    let app = App::start().await;
    let added = invite(&app, "ida@example.com").await;
    app.admin.delete(&paths::user(&app.root, "ida@example.com")).await.expect(204);
    app.accept(&added, PASSWORD).await.expect_problem(422, "invalid_invitation");
}

#[tokio::test]
async fn whoever_has_an_account_accepts_with_its_own_password() {
    let app = App::start().await;
    let (north, south) = (app.organization(&app.root, "North").await, app.organization(&app.root, "South").await);
    let ada = app.member(&north, "ada").await;
    let added = app.admin.post(&paths::users(&south), &person("ada@example.com")).await.expect(201);

    // Until then the membership gives nothing, and shows nothing of what is above it.
    ada.get(&paths::organization(&south)).await.expect_problem(404, "not_found");
    let me = ada.get("/v1/me").await.expect(200);
    assert_eq!((&me["memberships"][1]["status"], &me["memberships"][1]["path"]), (&json!("invited"), &json!([])));

    // Whoever adds somebody holds the link, and must not be able to take the account over with it.
    app.accept(&added, "the inviter's choice").await.expect_problem(401, "invalid_credentials");
    let accepted = app.accept(&added, PASSWORD).await.expect(200);
    assert_eq!(accepted["given_name"], "ada", "the account keeps its name");
    ada.get(&paths::organization(&south)).await.expect(200);
}

#[tokio::test]
async fn invitations_are_found_in_their_organization_only() {
    let app = App::start().await;
    let lab = app.organization(&app.root, "Lab").await;
    let added = invite(&app, "ida@example.com").await;
    let id = added["invitation"]["id"].as_str().unwrap();
    let elsewhere = format!("{}/{id}", paths::invitations(&lab));
    app.admin.delete(&elsewhere).await.expect_problem(404, "not_found");
    app.admin.post(&format!("{elsewhere}/resend"), &Value::Null).await.expect_problem(404, "not_found");
    app.anonymous()
        .post("/v1/invitations/accept", &json!({"token": "nonsense", "password": PASSWORD}))
        .await
        .expect_problem(422, "invalid_invitation");
    app.accept(&added, PASSWORD).await.expect(200);
}
