//! Sessions raced: a refresh token is spent once, and ending a session ends it.

use serde_json::{Value, json};

use super::{Request, Twins, race, rounds};
use crate::support::{App, Caller, PASSWORD};

async fn log_in(app: &App) -> Value {
    let body = json!({"email": "root@example.com", "password": PASSWORD});
    app.anonymous().post("/v1/sessions", &body).await.expect(200)
}

fn refresh(tokens: &Value) -> Request {
    Request::Post("/v1/sessions/refresh".to_owned(), json!({"refresh_token": tokens["refresh_token"]}))
}

#[tokio::test(flavor = "multi_thread")]
async fn one_refresh_token_used_by_several_gives_nobody_a_session_that_lasts() {
    let twins = Twins::start().await;
    let app = &twins.app;
    for _ in 0..rounds() {
        let tokens = log_in(app).await;
        let answers = race((0..4).map(|number| (twins.at(&app.anonymous(), number), refresh(&tokens))).collect()).await;
        let won: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
        assert_eq!(won.len(), 1, "{answers:?}");
        // The second use says that it was stolen: the one that got through is out with the next step.
        let next = won[0].json();
        let again = refresh(&next).send(&app.anonymous()).await;
        again.expect_problem(401, "unauthenticated");
        let access = Caller::with_access_token(&twins.other, next["access_token"].as_str().unwrap());
        access.get("/v1/me").await.expect_problem(401, "unauthenticated");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_refreshed_while_it_is_ended() {
    let twins = Twins::start().await;
    let app = &twins.app;
    for round in 0..rounds() * 2 {
        let tokens = log_in(app).await;
        let caller = Caller::with_access_token(&app.base_url, tokens["access_token"].as_str().unwrap());
        let end = if round % 2 == 0 {
            Request::Delete("/v1/sessions/current".to_owned())
        } else {
            // From another session, which ends this one.
            let body = json!({"current_password": PASSWORD, "new_password": PASSWORD});
            Request::Put("/v1/me/password".to_owned(), body)
        };
        let ends_it = if round % 2 == 0 { caller } else { app.log_in("root@example.com", PASSWORD).await };
        let answers = race(vec![
            (app.anonymous(), refresh(&tokens)),
            (ends_it, end),
            (app.anonymous().at(&twins.other), refresh(&tokens)),
        ])
        .await;
        assert!([204, 401, 404].contains(&answers[1].status.as_u16()), "{answers:?}");
        for answer in [&answers[0], &answers[2]] {
            if answer.status == 200 {
                let next = refresh(&answer.json()).send(&app.anonymous()).await;
                next.expect_problem(401, "unauthenticated");
            }
        }
    }
}
