//! Invariant 6: whoever is in no organization any more has nothing any more, in whatever order it came to that.

use serde_json::{Value, json};

use super::{Request, Twins, race, rounds};
use crate::support::{App, PASSWORD, dwave, paths, person};

/// State of an account, and how much is left of it.
async fn rest(app: &App, user: &str) -> (String, i64, i64) {
    let count = "SELECT u.status,
                        (SELECT count(*) FROM memberships WHERE user_id = u.id AND status = 'active'),
                        (SELECT count(*) FROM sessions WHERE user_id = u.id)
                            + (SELECT count(*) FROM api_keys WHERE user_id = u.id)
                            + (SELECT count(*) FROM qpu_tokens WHERE user_id = u.id)
                   FROM users u WHERE u.id = $1::uuid";
    sqlx::query_as(count).bind(user).fetch_one(&app.database).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn removed_from_both_organizations_at_once_the_account_is_closed() {
    let twins = Twins::start().await;
    let app = &twins.app;
    let (north, south) = (app.organization(&app.root, "North").await, app.organization(&app.root, "South").await);
    for round in 0..rounds() {
        let ada = app.member(&north, &format!("ada{round}")).await;
        ada.post("/v1/me/qpu-tokens", &dwave("mine")).await.expect(201);
        let added = app.admin.post(&paths::users(&south), &person(&ada.email)).await.expect(201);
        app.accept(&added, PASSWORD).await.expect(200);
        let answers = race(vec![
            (app.admin.clone(), Request::Delete(paths::user(&north, &ada.id))),
            (app.admin.at(&twins.other), Request::Delete(paths::user(&south, &ada.id))),
            (ada.clone(), Request::Post("/v1/me/qpu-tokens".to_owned(), dwave("late"))),
            (ada.at(&twins.other), Request::Post("/v1/me/api-keys".to_owned(), json!({"name": "late"}))),
            (ada.clone(), Request::Patch("/v1/me".to_owned(), json!({"home_organization_id": south}))),
        ])
        .await;
        answers[0].expect(204);
        answers[1].expect(204);
        assert_eq!(rest(app, &ada.id).await, ("disabled".to_owned(), 0, 0), "{answers:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_is_accepted_while_it_is_taken_back() {
    let twins = Twins::start().await;
    let app = &twins.app;
    for round in 0..rounds() {
        let added =
            app.admin.post(&paths::users(&app.root), &person(&format!("ada{round}@example.com"))).await.expect(201);
        let id = added["id"].as_str().unwrap();
        let invitation = format!("{}/{}", paths::invitations(&app.root), added["invitation"]["id"].as_str().unwrap());
        let accept = json!({"token": added["invitation"]["token"], "password": PASSWORD});
        let take_back = if round % 2 == 0 {
            Request::Delete(paths::user(&app.root, id))
        } else {
            Request::Delete(invitation.clone())
        };
        let answers = race(vec![
            (app.anonymous(), Request::Post("/v1/invitations/accept".to_owned(), accept)),
            (app.admin.at(&twins.other), take_back),
            (app.admin.clone(), Request::Post(format!("{invitation}/resend"), Value::Null)),
        ])
        .await;
        let (status, memberships, _) = rest(app, id).await;
        match (answers[0].status.as_u16(), answers[1].status.as_u16()) {
            // Accepted, then removed; or taken back, then refused.
            (200 | 422, 204) => assert_eq!((status.as_str(), memberships), ("disabled", 0)),
            // Accepted: there is no invitation to be withdrawn any more.
            (200, 404) if round % 2 == 1 => assert_eq!((status.as_str(), memberships), ("active", 1)),
            // Sent anew first: the old link is dead.
            _ => panic!("{answers:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn removed_disabled_and_logged_in_together() {
    let twins = Twins::start().await;
    let app = &twins.app;
    for round in 0..rounds() {
        let ada = app.member(&app.root, &format!("ada{round}")).await;
        let log_in = json!({"email": ada.email, "password": PASSWORD});
        let change = json!({"current_password": PASSWORD, "new_password": "an even better password"});
        let path = paths::user(&app.root, &ada.id);
        let answers = race(vec![
            (app.admin.clone(), Request::Delete(path.clone())),
            (app.admin.at(&twins.other), Request::Patch(path.clone(), json!({"status": "disabled"}))),
            (app.anonymous(), Request::Post("/v1/sessions".to_owned(), log_in)),
            (ada.at(&twins.other), Request::Put("/v1/me/password".to_owned(), change)),
            (ada.clone(), Request::Delete("/v1/sessions/current".to_owned())),
            (app.admin.clone(), Request::Put(paths::role(&app.root, &ada.id, "admin"), Value::Null)),
        ])
        .await;
        answers[0].expect(204);
        assert_eq!(rest(app, &ada.id).await, ("disabled".to_owned(), 0, 0), "{answers:?}");
        let password: Option<String> = sqlx::query_scalar("SELECT password_hash FROM users WHERE id = $1::uuid")
            .bind(&ada.id)
            .fetch_one(&app.database)
            .await
            .unwrap();
        assert_eq!(password, None, "no password is left");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn removed_and_added_again_together() {
    let twins = Twins::start().await;
    let app = &twins.app;
    let lab = app.organization(&app.root, "Lab").await;
    for round in 0..rounds() {
        let ada = app.member(&app.root, &format!("ada{round}")).await;
        let answers = race(vec![
            (app.admin.clone(), Request::Delete(paths::user(&app.root, &ada.id))),
            (app.admin.at(&twins.other), Request::Post(paths::users(&lab), person(&ada.email))),
        ])
        .await;
        answers[0].expect(204);
        let added = answers[1].expect(201);
        // Whichever came first, the old password and the old login are gone, and the link opens the account anew.
        assert_eq!(rest(app, &ada.id).await, ("invited".to_owned(), 0, 0));
        app.accept(&added, "an even better password").await.expect(200);
        app.log_in(&ada.email, "an even better password").await;
    }
}
