//! Names, additions and limits: of several that want the same, one gets it.

use serde_json::{Value, json};

use super::{Request, Twins, one_wins, race, rounds};
use crate::support::{PASSWORD, dwave, paths, person};

/// The same request from four tasks at two replicas.
async fn four(twins: &Twins, request: Request) -> Vec<crate::support::Answer> {
    race((0..4).map(|number| (twins.at(&twins.app.admin, number), request.clone())).collect()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_name_is_given_once() {
    let twins = Twins::start().await;
    let root = &twins.app.root;
    let ada = twins.app.member(root, "ada").await;
    for round in 0..rounds() {
        let organization = json!({"name": format!("Lab {round}"), "parent_id": root});
        let answers = four(&twins, Request::Post("/v1/organizations".to_owned(), organization)).await;
        one_wins(&answers, 201, 409, "organization_name_taken");

        let token = dwave(&format!("Token {round}"));
        let answers = four(&twins, Request::Post(paths::tokens(root), token.clone())).await;
        one_wins(&answers, 201, 409, "token_name_taken");

        let own = Request::Post("/v1/me/qpu-tokens".to_owned(), token);
        let answers = race(vec![(ada.clone(), own.clone()), (ada.at(&twins.other), own)]).await;
        one_wins(&answers, 201, 409, "token_name_taken");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_person_is_added_once_and_has_one_account() {
    let twins = Twins::start().await;
    let app = &twins.app;
    let (north, south) = (app.organization(&app.root, "North").await, app.organization(&app.root, "South").await);
    for round in 0..rounds() {
        let lower = person(&format!("ada{round}@example.com"));
        let upper = person(&format!("ADA{round}@EXAMPLE.com"));
        let answers = race(vec![
            (app.admin.clone(), Request::Post(paths::users(&north), lower.clone())),
            (app.admin.at(&twins.other), Request::Post(paths::users(&north), upper.clone())),
            (app.admin.clone(), Request::Post(paths::users(&south), upper)),
            (app.admin.at(&twins.other), Request::Post(paths::users(&south), lower)),
        ])
        .await;
        one_wins(&answers[..2], 201, 409, "already_member");
        one_wins(&answers[2..], 201, 409, "already_member");
        let key = format!("ada{round}@example.com");
        let accounts = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM users WHERE email_key = $1").bind(key);
        assert_eq!(accounts.fetch_one(&app.database).await.unwrap(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn putting_a_limit_or_a_role_together_is_putting_it() {
    let twins = Twins::start().await;
    let app = &twins.app;
    let ada = app.member(&app.root, "ada").await;
    for round in 0..rounds() {
        let token = app.token(&app.root, &format!("Token {round}"), "secret").await;
        for path in [paths::quota(&app.root, &token), paths::user_quota(&app.root, &token, &ada.id)] {
            let answers = four(&twins, Request::Put(path, json!({"quota": 1}))).await;
            assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
        }
        let role = paths::role(&app.root, &ada.id, "auditor");
        let answers = four(&twins, Request::Put(role.clone(), Value::Null)).await;
        assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
        let answers = four(&twins, Request::Delete(role)).await;
        assert!(answers.iter().all(|answer| answer.status == 204), "{answers:?}");
        // What limits a token goes while another limit is set.
        let answers = race(vec![
            (app.admin.clone(), Request::Delete(paths::token(&app.root, &token))),
            (app.admin.at(&twins.other), Request::Put(paths::quota(&app.root, &token), json!({"quota": 2}))),
        ])
        .await;
        answers[0].expect(204);
        assert!([200, 404].contains(&answers[1].status.as_u16()), "{answers:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rotations_follow_each_other_and_leave_one_version() {
    let twins = Twins::start().await;
    let app = &twins.app;
    let token = app.token(&app.root, "one", "secret").await;
    let credential = format!("{}/credential", paths::token(&app.root, &token));
    for _ in 0..rounds() {
        let rotate = Request::Put(credential.clone(), json!({"credential": {"token": "next"}}));
        let answers = four(&twins, rotate).await;
        assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
    }
    let versions: Vec<i32> =
        sqlx::query_scalar("SELECT secret_version FROM qpu_token_secrets").fetch_all(&app.database).await.unwrap();
    assert_eq!(versions, [1 + 4 * i32::try_from(rounds()).unwrap()]);
    app.repository.stored_secrets_open().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_invitation_is_accepted_once() {
    let twins = Twins::start().await;
    let app = &twins.app;
    for round in 0..rounds() {
        let added =
            app.admin.post(&paths::users(&app.root), &person(&format!("ada{round}@example.com"))).await.expect(201);
        let accept = |number: usize| {
            let body = json!({"token": added["invitation"]["token"], "password": format!("{PASSWORD} {number}")});
            (twins.at(&app.anonymous(), number), Request::Post("/v1/invitations/accept".to_owned(), body))
        };
        let answers = race((0..4).map(accept).collect()).await;
        let won: Vec<usize> = (0..4).filter(|number| answers[*number].status == 200).collect();
        assert_eq!(won.len(), 1, "{answers:?}");
        for (_, lost) in answers.iter().enumerate().filter(|(number, _)| *number != won[0]) {
            // An account that is active since then asks for its own password: what the others sent is not it.
            assert!([401, 422, 429].contains(&lost.status.as_u16()), "{answers:?}");
        }
        app.log_in(&format!("ada{round}@example.com"), &format!("{PASSWORD} {}", won[0])).await;
    }
}
