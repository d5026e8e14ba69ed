//! Why somebody may use a token, or not; and that it is so.

use std::collections::{BTreeSet, HashSet};

use chrono::TimeDelta;
use luna_organizations::authentication::UseKey;
use luna_organizations::authorization::Origin;
use luna_organizations::cli::Configuration;
use luna_organizations::repository::Error;
use serde_json::{Value, json};

use crate::support::ledger::Job;
use crate::support::{App, Caller, PASSWORD, paths, person};

fn verdict(access: &Value) -> (bool, &str) {
    (access["allowed"].as_bool().unwrap(), access["reason"].as_str().unwrap())
}

#[tokio::test]
async fn members_here_and_below_may_and_are_told_the_way() {
    let app = App::start().await;
    let lab = app.organization(&app.root, "Lab").await;
    let bench = app.organization(&lab, "Bench").await;
    let token = app.token(&app.root, "one", "secret").await;
    let (ada, ben) = (app.member(&app.root, "ada").await, app.member_with_role(&bench, "ben", "auditor").await);
    let path = paths::access(&app.root, &token);

    let own = ada.get(&path).await.expect(200);
    assert_eq!(verdict(&own), (true, "member"));
    assert_eq!(own["user"], json!({"id": ada.id, "email": "ada@example.com"}));
    assert_eq!(own["via"], json!([{"id": app.root, "name": "Platform"}]));
    assert_eq!((&own["roles"], &own["limits"], &own["tightest"]), (&json!([]), &json!([]), &Value::Null));
    assert_eq!(own["token"], json!({"enabled": true, "expires_at": null, "inherited": true}));

    let below = app.admin.get(&format!("{path}?user=ben@example.com")).await.expect(200);
    assert_eq!(verdict(&below), (true, "member_below"));
    let names: Vec<_> = below["via"].as_array().unwrap().iter().map(|step| step["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["Platform", "Lab", "Bench"]);
    assert_eq!(below["roles"], json!([]), "a role counts where it is held and below");
    assert_eq!(app.admin.get(&path).await.expect(200)["roles"], json!(["admin"]));

    // The bench's member in the bench's own words: a key for use may ask, too.
    assert_eq!(verdict(&ben.get(&path).await.expect(200)), (true, "member_below"));
    assert_eq!(verdict(&app.key(&ben, "use").await.get(&path).await.expect(200)), (true, "member_below"));
}

#[tokio::test]
async fn whoever_may_not_is_told_why() {
    let app = App::start().await;
    let acme = app.organization(&app.root, "Acme").await;
    let lab = app.organization(&acme, "Lab").await;
    let token = app.token(&acme, "one", "secret").await;
    let (ada, lea) = (app.member(&acme, "ada").await, app.member(&lab, "lea").await);
    let above = app.member_with_role(&app.root, "above", "admin").await;
    app.admin.post(&paths::users(&acme), &person("ivy@example.com")).await.expect(201);
    let path = paths::access(&acme, &token);
    let ask = async |user: &str| app.admin.get(&format!("{path}?user={user}")).await.expect(200);

    assert_eq!(verdict(&ask("ivy@example.com").await), (false, "invited"));
    let from_above = above.get(&path).await.expect(200);
    assert_eq!(verdict(&from_above), (false, "not_a_member"));
    assert_eq!((&from_above["via"], &from_above["roles"]), (&Value::Null, &json!(["admin"])));

    app.admin.patch(&paths::token(&acme, &token), &json!({"inherited": false})).await.expect(200);
    assert_eq!(verdict(&ask(&lea.id).await), (false, "not_inherited"));
    lea.get(&path).await.expect_problem(404, "not_found");
    app.admin.patch(&paths::token(&acme, &token), &json!({"inherited": true})).await.expect(200);

    app.admin.patch(&paths::user(&lab, &lea.id), &json!({"status": "disabled"})).await.expect(200);
    assert_eq!(verdict(&ask(&lea.id).await), (false, "account_disabled"));

    let token_path = paths::token(&acme, &token);
    app.admin.patch(&token_path, &json!({"enabled": false})).await.expect(200);
    assert_eq!(verdict(&ada.get(&path).await.expect(200)), (false, "token_disabled"));
    let soon = app.clock.now() + TimeDelta::minutes(1);
    app.admin.patch(&token_path, &json!({"enabled": true, "expires_at": soon})).await.expect(200);
    assert_eq!(verdict(&ada.get(&path).await.expect(200)), (true, "member"));
    app.clock.advance(TimeDelta::minutes(2));
    let expired = ada.get(&path).await.expect(200);
    assert_eq!(verdict(&expired), (false, "token_expired"));
    assert_eq!(expired["via"][0]["name"], "Acme", "the way is told all the same");
}

#[tokio::test]
async fn limits_are_told_as_they_decide() {
    let app = App::start().await;
    let token = app.token(&app.root, "one", "secret").await;
    let (ada, ida) = (app.member(&app.root, "ada").await, app.member(&app.root, "ida").await);
    let path = paths::access(&app.root, &token);
    let (now, day) = (app.clock.now(), TimeDelta::days(1));
    let job = |user: &'static str, id: &str, reserved| (user, id.to_owned(), reserved);
    let submit = async |(_, user, reserved): (&str, String, i64)| {
        let organization = Some(app.root.as_str());
        Job { token: &token, secret_version: 1, user: &user, organization, reserved, at: now }
            .reserve(&app.database)
            .await
    };
    app.admin.put(&paths::quota(&app.root, &token), &json!({"quota": 100, "start": now - day})).await.expect(200);
    app.admin
        .put(&paths::user_quota(&app.root, &token, &ada.id), &json!({"quota": 30, "start": now - day}))
        .await
        .expect(200);
    submit(job("ada", &ada.id, 10)).await.unwrap();
    submit(job("ida", &ida.id, 80)).await.unwrap();

    let told = async |caller: &Caller| caller.get(&path).await.expect(200);
    let of_ada = told(&ada).await;
    assert_eq!(verdict(&of_ada), (true, "member"));
    let limits: Vec<_> = of_ada["limits"]
        .as_array()
        .unwrap()
        .iter()
        .map(|limit| {
            (
                limit["subject"].as_str().unwrap(),
                limit["reserved"].as_i64().unwrap(),
                limit["remaining"].as_i64().unwrap(),
            )
        })
        .collect();
    assert_eq!(limits, [("organization", 90, 10), ("user", 10, 20)]);
    assert_eq!(of_ada["tightest"], of_ada["limits"][0]);
    assert_eq!(told(&ida).await["limits"].as_array().unwrap().len(), 1);

    // What is told is so: the last bit of room is given away, and then there is none.
    submit(job("ida", &ida.id, 10)).await.unwrap();
    for (name, caller) in [("ada", &ada), ("ida", &ida)] {
        assert_eq!(verdict(&told(caller).await), (false, "quota_exhausted"));
        assert_eq!(submit(job(name, &caller.id, 0)).await.unwrap_err(), "quota_exhausted");
    }
    // A window that is over stands in the way before a limit that is full.
    let over = json!({"quota": 5, "start": now - day, "end": now - TimeDelta::hours(1)});
    app.admin.put(&paths::user_quota(&app.root, &token, &ada.id), &over).await.expect(200);
    let of_ada = told(&ada).await;
    assert_eq!(verdict(&of_ada), (false, "quota_not_active"));
    assert_eq!(submit(job("ada", &ada.id, 0)).await.unwrap_err(), "quota_not_active");
    app.admin.patch(&paths::token(&app.root, &token), &json!({"enabled": false})).await.expect(200);
    assert_eq!(verdict(&told(&ada).await), (false, "token_disabled"), "the first of several");
}

#[tokio::test]
async fn what_is_usually_reserved_is_told() {
    let mut configuration = Configuration::default();
    configuration.providers.entry("acme".to_owned()).or_default().estimate = Some(70);
    let app = App::start_with(configuration).await;
    let (annealer, other) =
        (app.token(&app.root, "one", "secret").await, app.token_for("acme", &app.root, "two", "secret").await);
    let ada = app.member(&app.root, "ada").await;
    let told = async |token: &str| ada.get(&paths::access(&app.root, token)).await.expect(200);
    assert_eq!(told(&annealer).await["estimate"], 50_000_000);
    assert_eq!(told(&other).await["estimate"], 70);
    // There is some room, but none for a job of which nothing is known: one sees both.
    app.admin.put(&paths::quota(&app.root, &other), &json!({"quota": 69})).await.expect(200);
    let told = told(&other).await;
    assert_eq!((verdict(&told), &told["tightest"]["remaining"]), ((true, "member"), &json!(69)));
    assert_eq!(told["estimate"], 70);
}

#[tokio::test]
async fn others_are_for_admins_to_ask_about() {
    let app = App::start().await;
    let (north, south) = (app.organization(&app.root, "North").await, app.organization(&app.root, "South").await);
    let token = app.token(&north, "one", "secret").await;
    let (ada, sue) = (app.member(&north, "ada").await, app.member(&south, "sue").await);
    let auditor = app.member_with_role(&north, "auditor", "auditor").await;
    let admin = app.member_with_role(&north, "admin", "admin").await;
    let path = paths::access(&north, &token);
    let of_ada = format!("{path}?user={}", ada.id);
    admin.get(&of_ada).await.expect(200);
    ada.get(&format!("{path}?user=ADA@EXAMPLE.COM")).await.expect(200);
    auditor.get(&of_ada).await.expect_problem(403, "forbidden");
    app.key(&admin, "use").await.get(&of_ada).await.expect_problem(403, "forbidden");
    app.key(&admin, "read").await.get(&of_ada).await.expect(200);
    sue.get(&path).await.expect_problem(404, "not_found");
    // Whoever is neither here nor below does not exist here.
    for user in [sue.id.as_str(), "sue@example.com", "nobody@example.com", app.admin.id.as_str()] {
        let answer = admin.get(&format!("{path}?user={user}")).await;
        if user == app.admin.id {
            answer.expect(200)
        } else {
            answer.expect_problem(404, "not_found")
        };
    }
    admin.get(&paths::access(&south, &token)).await.expect_problem(404, "not_found");
}

#[tokio::test]
async fn whom_an_admin_sees_elsewhere_is_no_member_here() {
    let app = App::start().await;
    let (north, south) = (app.organization(&app.root, "North").await, app.organization(&app.root, "South").await);
    let token = app.token(&north, "one", "secret").await;
    let sue = app.member(&south, "sue").await;
    app.admin.post(&paths::users(&south), &person("ivy@example.com")).await.expect(201);
    let north_admin = app.member_with_role(&north, "north", "admin").await;
    let path = paths::access(&north, &token);
    let asked_of = |user: &str| format!("{path}?user={user}");

    for (user, email) in
        [(&*sue.id, "sue@example.com"), ("SUE@example.com", "sue@example.com"), ("ivy@example.com", "ivy@example.com")]
    {
        let told = app.admin.get(&asked_of(user)).await.expect(200);
        assert_eq!(verdict(&told), (false, "not_a_member"), "{user}");
        assert_eq!((&told["user"]["email"], &told["via"], &told["roles"]), (&json!(email), &Value::Null, &json!([])));
        // Whom one does not see is not there, as if there were no such account.
        let nobody = north_admin.get(&asked_of("nobody@example.com")).await;
        let unseen = north_admin.get(&asked_of(user)).await;
        assert_eq!(unseen.expect_problem(404, "not_found"), nobody.expect_problem(404, "not_found"));
    }
    app.admin.get(&asked_of("nobody@example.com")).await.expect_problem(404, "not_found");
    // A key that is bound to the organization sees no other.
    let bound = json!({"name": "bound", "organization_id": north});
    let made = north_admin.post("/v1/me/api-keys", &bound).await.expect(201);
    let bound = Caller::with_api_key(&app.base_url, made["api_key"].as_str().unwrap());

    // As whoever sees the directory there: not as a member, but as an auditor; and not with the bound key.
    let seen = async |caller: &Caller| caller.get(&asked_of(&sue.id)).await.status.as_u16();
    let joined = app.admin.post(&paths::users(&south), &person("north@example.com")).await.expect(201);
    app.accept(&joined, PASSWORD).await.expect(200);
    assert_eq!((seen(&north_admin).await, seen(&bound).await), (404, 404));
    app.admin.put(&paths::role(&south, &north_admin.id, "auditor"), &json!({})).await.expect(200);
    assert_eq!((seen(&north_admin).await, seen(&bound).await), (200, 404));
    // Not with the right to use only, and not without the admin's role here.
    assert_eq!(seen(&app.key(&north_admin, "use").await).await, 403);
    app.admin.put(&paths::role(&south, &sue.id, "admin"), &json!({})).await.expect(200);
    let of_south = app.token(&south, "two", "secret").await;
    north_admin
        .get(&format!("{}?user={}", paths::access(&south, &of_south), sue.id))
        .await
        .expect_problem(403, "forbidden");
}

/// What is told and what the broker does, for people who stand to a token in every way.
#[tokio::test]
async fn it_is_told_as_the_broker_decides() {
    let app = App::start().await;
    let acme = app.organization(&app.root, "Acme").await;
    let lab = app.organization(&acme, "Lab").await;
    let beside = app.organization(&app.root, "Beside").await;
    let token = app.token(&acme, "one", "secret").await;
    let mut keys = Vec::new();
    for (place, name, role) in [
        (&acme, "ada", None),
        (&acme, "adam", Some("admin")),
        (&lab, "lea", None),
        (&lab, "leo", Some("admin")),
        (&beside, "bea", Some("admin")),
        (&app.root, "ron", Some("admin")),
        (&app.root, "sol", Some("solver")),
    ] {
        let person = match role {
            None => app.member(place, name).await,
            Some(role) => app.member_with_role(place, name, role).await,
        };
        let made = person.post("/v1/me/api-keys", &json!({"name": "use", "scope": "use"})).await.expect(201);
        let text = made["api_key"].as_str().unwrap();
        keys.push((Caller::with_api_key(&app.base_url, text), name, UseKey::parse(text).unwrap()));
    }
    let (path, token_path) = (paths::access(&acme, &token), paths::token(&acme, &token));
    let (now, hour) = (app.clock.now(), TimeDelta::hours(1));
    let mut seen = BTreeSet::new();
    for change in [
        json!({"inherited": true}),
        json!({"inherited": false}),
        json!({"inherited": true, "enabled": false}),
        json!({"enabled": true, "expires_at": now - hour}),
        json!({"expires_at": now + hour}),
        json!({"quota": 5, "start": now + hour}),
    ] {
        let answer = match change.get("quota") {
            None => app.admin.patch(&token_path, &change).await,
            Some(_) => app.admin.put(&paths::quota(&acme, &token), &change).await,
        };
        answer.expect(200);
        for (caller, name, key) in &keys {
            let told = caller.get(&path).await;
            let told = if told.status == 200 {
                verdict(&told.json()).1.to_owned()
            } else {
                format!("{}", told.status.as_u16())
            };
            let decided =
                app.repository.admit(key, token.parse().unwrap(), &HashSet::new(), false, &Origin::default()).await;
            let decided = match decided {
                Ok(admission) if admission.grant.is_user() => "allowed",
                Ok(_) => "looks_after",
                Err(Error::Refused(refusal)) => refusal.code(),
                Err(error) => panic!("{error}"),
            };
            seen.insert(format!("{told}: {decided}"));
            let agree = match told.as_str() {
                "member" | "member_below" => decided == "allowed",
                // An admin from above looks after others' jobs; and is told first if the token cannot be used at all.
                "not_a_member" => decided != "allowed",
                "403" | "404" => decided == "not_found",
                reason => decided == reason,
            };
            assert!(agree, "{name} after {change}: told {told}, decided {decided}");
        }
    }
    for pair in [
        "member: allowed",
        "member_below: allowed",
        "not_a_member: looks_after",
        "403: not_found",
        "404: not_found",
        "quota_not_active: quota_not_active",
        "token_disabled: token_disabled",
        "token_expired: token_expired",
    ] {
        assert!(seen.contains(pair), "{pair} in {seen:?}");
    }
}
