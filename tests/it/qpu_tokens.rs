//! QPU tokens: stored, described, renamed, rotated, inherited, destroyed. Never read.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use luna_organizations::cli::Configuration;
use serde_json::{Value, json};

use crate::support::ledger::{Job, end};
use crate::support::{App, dwave, each, paths};

const SECRET: &str = "DEV-canary-7f3a90";

/// Every answer that tells of the token, and whether the secret is in one.
#[tokio::test]
async fn no_answer_has_the_secret_in_it() {
    let app = App::start().await;
    let body = json!({"name": "Adv 2", "provider": "dwave", "credential": {"token": SECRET}});
    let mut answers = vec![app.admin.post(&paths::tokens(&app.root), &body).await];
    let made = answers[0].expect(201);
    let id = made["id"].as_str().unwrap();
    assert_eq!(answers[0].headers["location"], paths::token(&app.root, id));
    assert_eq!(
        (&made["inherited"], &made["enabled"], &made["secret_version"]),
        (&json!(true), &json!(true), &json!(1))
    );

    let path = paths::token(&app.root, id);
    answers.push(app.admin.get(&path).await);
    answers.push(app.admin.get(&paths::tokens(&app.root)).await);
    answers.push(app.admin.patch(&path, &json!({"name": "Advantage"})).await);
    let rotated = json!({"credential": {"token": format!("{SECRET}-next")}});
    answers.push(app.admin.put(&format!("{path}/credential"), &rotated).await);
    answers.push(app.admin.get(&paths::events(&app.root, "")).await);
    // Bad input is not repeated either.
    answers
        .push(app.admin.post(&paths::tokens(&app.root), &json!({"credential": {"token": SECRET, "x": SECRET}})).await);
    answers.push(
        app.admin.post(&paths::tokens(&app.root), &json!({"name": "x", "provider": "ibm", "credential": SECRET})).await,
    );
    for answer in &answers {
        assert!(answer.status.as_u16() < 500 && !answer.text.contains(SECRET), "{}", answer.text);
    }
    assert_eq!(answers[3].expect(200)["name"], "Advantage");
    assert_eq!(answers[4].expect(200)["secret_version"], 2);
    // Each tells where its use goes.
    let use_url = format!("http://luna.example.com/v1/qpu/{id}");
    let list = answers[2].expect(200);
    for token in [&made, &answers[1].expect(200), &list["items"][0], &answers[3].expect(200), &answers[4].expect(200)] {
        assert_eq!(token["use_url"], use_url.as_str());
    }
    let mine = app.admin.post("/v1/me/qpu-tokens", &dwave("mine")).await.expect(201);
    let use_url = format!("http://luna.example.com/v1/qpu/{}", mine["id"].as_str().unwrap());
    assert_eq!(mine["use_url"], use_url.as_str());
}

#[tokio::test]
async fn rotation_destroys_the_old_version_and_deletion_all() {
    let app = App::start().await;
    let id = app.token(&app.root, "one", SECRET).await;
    let versions = async || -> Vec<i32> {
        sqlx::query_scalar("SELECT secret_version FROM qpu_token_secrets").fetch_all(&app.database).await.unwrap()
    };
    assert_eq!(versions().await, [1]);
    let credential = format!("{}/credential", paths::token(&app.root, &id));
    app.admin.put(&credential, &json!({"credential": {"token": "next"}})).await.expect(200);
    assert_eq!(versions().await, [2]);
    let wrong = json!({"credential": {"password": "next"}});
    app.admin.put(&credential, &wrong).await.expect_problem(422, "invalid_credential_fields");
    app.admin.delete(&paths::token(&app.root, &id)).await.expect(204);
    assert!(versions().await.is_empty());
    app.admin.get(&paths::token(&app.root, &id)).await.expect_problem(404, "not_found");
}

/// A job is polled, cancelled and read with the version of the secret that submitted it.
#[tokio::test]
async fn a_version_that_was_replaced_stays_as_long_as_its_jobs_need_it() {
    let app = App::start().await;
    let id = app.token(&app.root, "one", SECRET).await;
    let versions = async || -> Vec<i32> {
        let all = "SELECT secret_version FROM qpu_token_secrets ORDER BY secret_version";
        sqlx::query_scalar(all).fetch_all(&app.database).await.unwrap()
    };
    let credential = format!("{}/credential", paths::token(&app.root, &id));
    let rotate = async |to: i32| {
        let rotated = app.admin.put(&credential, &json!({"credential": {"token": "next"}})).await.expect(200);
        assert_eq!(rotated["secret_version"], to);
    };
    let job = |secret_version| {
        let (user, organization, at) = (app.admin.id.as_str(), Some(app.root.as_str()), app.clock.now());
        Job { token: &id, secret_version, user, organization, reserved: 1, at }
    };
    let (open, reserved) = (job(1).submit(&app.database).await, job(1).reserve(&app.database).await.unwrap());
    rotate(2).await;
    assert_eq!(versions().await, [1, 2]);
    rotate(3).await;
    assert_eq!(versions().await, [1, 3], "one without jobs goes at once");
    app.repository.stored_secrets_open().await.unwrap();

    // As long as anything is open, and a week after the last of it ended.
    app.repository.sweep().await.unwrap();
    assert!(end(&app.database, open, Some(1), app.clock.now()).await);
    app.clock.advance(TimeDelta::days(20));
    app.repository.sweep().await.unwrap();
    assert_eq!(versions().await, [1, 3]);
    assert!(end(&app.database, reserved, None, app.clock.now()).await);
    app.clock.advance(TimeDelta::days(6));
    rotate(4).await;
    app.repository.sweep().await.unwrap();
    assert_eq!(versions().await, [1, 4]);
    app.clock.advance(TimeDelta::days(2));
    app.repository.sweep().await.unwrap();
    assert_eq!(versions().await, [4]);

    // With the token goes everything.
    job(4).submit(&app.database).await;
    rotate(5).await;
    assert_eq!(versions().await, [4, 5]);
    app.admin.delete(&paths::token(&app.root, &id)).await.expect(204);
    assert!(versions().await.is_empty());
}

#[tokio::test]
async fn names_are_unique_per_owner() {
    let app = App::start().await;
    let lab = app.organization(&app.root, "Lab").await;
    let ada = app.member(&lab, "ada").await;
    app.admin.post(&paths::tokens(&lab), &dwave("one")).await.expect(201);
    app.admin.post(&paths::tokens(&lab), &dwave("one")).await.expect_problem(409, "token_name_taken");
    // Elsewhere the name is free: another organization, somebody's own.
    app.admin.post(&paths::tokens(&app.root), &dwave("one")).await.expect(201);
    ada.post("/v1/me/qpu-tokens", &dwave("one")).await.expect(201);
    ada.post("/v1/me/qpu-tokens", &dwave("one")).await.expect_problem(409, "token_name_taken");

    let two = app.token(&lab, "two", SECRET).await;
    let taken = app.admin.patch(&paths::token(&lab, &two), &json!({"name": "one"})).await;
    taken.expect_problem(409, "token_name_taken");
    app.admin.patch(&paths::token(&lab, &two), &json!({"name": "two"})).await.expect(200);
}

#[tokio::test]
async fn lists_are_filtered_by_provider_and_name() {
    let app = App::start().await;
    app.token(&app.root, "Grüne Wiese 1", SECRET).await;
    let ibm = json!({"name": "Heron", "provider": "ibm", "credential": {"token": SECRET}});
    app.admin.post(&paths::tokens(&app.root), &ibm).await.expect(201);
    let list = async |query: &str| app.admin.get(&format!("{}?{query}", paths::tokens(&app.root))).await.expect(200);
    assert_eq!(each(&list("").await, "name"), ["Grüne Wiese 1", "Heron"]);
    assert_eq!(each(&list("provider=ibm").await, "name"), ["Heron"]);
    assert_eq!(each(&list("name=Gr%C3%BCne%20Wiese+1").await, "provider"), ["dwave"]);
    assert_eq!(each(&list("name=Heron&provider=dwave").await, "name"), [""; 0]);
}

#[tokio::test]
async fn inherited_tokens_are_seen_below_and_nothing_is_seen_above_or_beside() {
    let app = App::start().await;
    let (north, south) = (app.organization(&app.root, "North").await, app.organization(&app.root, "South").await);
    let ada = app.member(&north, "ada").await;
    let shared = app.token(&app.root, "shared", SECRET).await;
    let body = json!({"name": "closed", "provider": "dwave", "credential": {"token": SECRET}, "inherited": false});
    let closed = app.admin.post(&paths::tokens(&app.root), &body).await.expect(201);
    let closed = closed["id"].as_str().unwrap();
    let own = app.token(&north, "own", SECRET).await;
    let beside = app.token(&south, "beside", SECRET).await;

    let list = async |path: String| each(&ada.get(&path).await.expect(200), "id").join(" ");
    assert_eq!(list(paths::tokens(&north)).await, own);
    assert_eq!(list(format!("{}?inherited=true", paths::tokens(&north))).await, format!("{shared} {own}"));
    assert_eq!(list(paths::tokens(&app.root)).await, shared);
    ada.get(&paths::token(&app.root, closed)).await.expect_problem(404, "not_found");
    ada.get(&paths::token(&south, &beside)).await.expect_problem(404, "not_found");
    // An id from elsewhere is not found, not even by an admin.
    app.admin.get(&paths::token(&north, &beside)).await.expect_problem(404, "not_found");
    ada.patch(&paths::token(&north, &own), &json!({"name": "mine"})).await.expect_problem(403, "forbidden");

    app.admin.patch(&paths::token(&app.root, closed), &json!({"inherited": true})).await.expect(200);
    ada.get(&paths::token(&app.root, closed)).await.expect(200);
}

#[tokio::test]
async fn tokens_are_switched_off_and_expire_and_recover() {
    let app = App::start().await;
    let id = app.token(&app.root, "one", SECRET).await;
    let path = paths::token(&app.root, &id);
    let tomorrow = app.clock.now() + TimeDelta::days(1);
    let changed = app.admin.patch(&path, &json!({"enabled": false, "expires_at": tomorrow})).await.expect(200);
    assert_eq!(changed["enabled"], false);
    assert!(changed["expires_at"].is_string());
    let changed = app.admin.patch(&path, &json!({"enabled": true})).await.expect(200);
    assert!(changed["enabled"] == true && changed["expires_at"].is_string(), "what is left out stays: {changed}");
    let changed = app.admin.patch(&path, &json!({"expires_at": null})).await.expect(200);
    assert_eq!(changed["expires_at"], Value::Null);
    app.admin.patch(&path, &json!({"enabled": null})).await.expect_problem(422, "invalid_request");
    app.admin.patch(&path, &json!({"provider": "ibm"})).await.expect_problem(422, "invalid_request");
}

/// What cannot be found again in an answer is not stored: what is short is everywhere by chance, and what is not ASCII comes back in
/// whichever character set a provider writes.
#[tokio::test]
async fn a_credential_can_be_found_again() {
    let app = App::start().await;
    let id = app.token(&app.root, "one", SECRET).await;
    let credential = format!("{}/credential", paths::token(&app.root, &id));
    for text in [
        "",
        "abc",
        "  abc  ",
        "DEV-é",
        "\u{ff24}\u{ff25}\u{ff36}-123",
        "DEV-123\u{a0}",
        "DEV-123 ",
        "DEV\t123",
        "DEV-\u{7f}123",
    ] {
        let sent = json!({"name": "two", "provider": "dwave", "credential": {"token": text}});
        for path in [paths::tokens(&app.root), "/v1/me/qpu-tokens".to_owned()] {
            let problem = app.admin.post(&path, &sent).await.expect_problem(422, "invalid_request");
            assert_eq!(problem["errors"][0]["pointer"], "/credential", "{text:?}");
        }
        let sent = json!({"credential": {"token": text}});
        app.admin.put(&credential, &sent).await.expect_problem(422, "invalid_request");
        let sent = json!({"name": "two", "provider": "dwave", "token": text});
        app.admin.post("/api/v1/qpu-tokens/shared", &sent).await.expect(422);
    }
    // Each field by itself.
    let aws = json!({"access_key_id": "AKIA-1", "secret_access_key": "abc"});
    let sent = json!({"name": "two", "provider": "aws", "credential": aws});
    let problem = app.admin.post(&paths::tokens(&app.root), &sent).await.expect_problem(422, "invalid_request");
    let told = problem["errors"][0]["detail"].as_str().unwrap();
    assert!(told.contains("4 to 16384") && told.contains("ASCII"), "{told}");
    for text in ["abcd", "a b c", "~!@#$%^&*()_+ |{}:\"<>?"] {
        app.admin.put(&credential, &json!({"credential": {"token": text}})).await.expect(200);
    }
}

#[tokio::test]
async fn a_credential_has_the_fields_of_its_provider() {
    let mut configuration = Configuration::default();
    let form = json!({"credentials": [{"required": ["api_key"], "optional": ["region"]}]});
    configuration.providers = BTreeMap::from([("pasqal".to_owned(), serde_json::from_value(form).unwrap())]);
    let app = App::start_with(configuration).await;
    let store = async |name: &str, provider: &str, credential: Value| {
        let body = json!({"name": name, "provider": provider, "credential": credential});
        app.admin.post(&paths::tokens(&app.root), &body).await
    };
    let aws = json!({"access_key_id": "AKIA-1", "secret_access_key": "secret", "session_token": "session"});
    store("1", "aws", aws).await.expect(201);
    store("2", "aws", json!({"token": "secret"})).await.expect(201);
    store("3", "pasqal", json!({"api_key": "secret"})).await.expect(201);
    for provider in ["ibm", "ionq", "qctrl", "fujitsu"] {
        store(provider, provider, json!({"token": "secret"})).await.expect(201);
    }
    for (provider, credential) in [
        ("aws", json!({"access_key_id": "AKIA-1"})),
        ("aws", json!({"token": "secret", "access_key_id": "AKIA-1", "secret_access_key": "secret"})),
        ("pasqal", json!({"token": "secret"})),
        ("dwave", json!({"token": "secret", "more": "more"})),
    ] {
        store("bad", provider, credential).await.expect_problem(422, "invalid_credential_fields");
    }
    store("bad", "nobody", json!({"token": "secret"})).await.expect_problem(422, "unknown_provider");
    for credential in [json!({}), json!({"token": 1}), json!([])] {
        store("bad", "dwave", credential).await.expect_problem(422, "invalid_request");
    }
}

#[tokio::test]
async fn personal_tokens_are_nobody_elses() {
    let app = App::start().await;
    let ada = app.member(&app.root, "ada").await;
    let ida = app.member(&app.root, "ida").await;
    let made = ada.post("/v1/me/qpu-tokens", &dwave("mine")).await.expect(201);
    assert_eq!((&made["organization_id"], &made["inherited"]), (&Value::Null, &json!(false)));
    let path = format!("/v1/me/qpu-tokens/{}", made["id"].as_str().unwrap());
    ida.get(&path).await.expect_problem(404, "not_found");
    ida.delete(&path).await.expect_problem(404, "not_found");
    app.admin.get(&paths::token(&app.root, made["id"].as_str().unwrap())).await.expect_problem(404, "not_found");
    assert_eq!(ada.patch(&path, &json!({"name": "ours", "enabled": false})).await.expect(200)["name"], "ours");
    let rotated = ada.put(&format!("{path}/credential"), &json!({"credential": {"token": "next"}})).await.expect(200);
    assert_eq!(rotated["secret_version"], 2);
    ada.delete(&path).await.expect(204);
}

#[tokio::test]
async fn a_sealed_credential_that_was_moved_is_noticed() {
    let app = App::start().await;
    app.token(&app.root, "one", SECRET).await;
    app.token(&app.root, "two", SECRET).await;
    app.anonymous().get("/readyz").await.expect(200);
    app.repository.stored_secrets_open().await.unwrap();

    let swap = "UPDATE qpu_token_secrets a
                   SET wrapped_data_key = b.wrapped_data_key, ciphertexts = b.ciphertexts
                  FROM qpu_token_secrets b WHERE b.qpu_token_id <> a.qpu_token_id";
    sqlx::query(swap).execute(&app.database).await.unwrap();
    app.repository.stored_secrets_open().await.unwrap_err();
    // An answer of /readyz is good for a second.
    app.clock.advance(chrono::TimeDelta::seconds(1));
    let found = app.anonymous().get("/readyz").await.expect(503);
    assert_eq!(found, json!({"ready": false, "database": true, "schema": true, "secrets": false}));
}
