//! Whose job it is: members do not see each other's, admins see their members', siblings see nothing.

use serde_json::{Value, json};

use crate::support::lab::{Lab, expect_error};
use crate::support::sapi::Sapi;
use crate::support::wire::ask;
use crate::support::{Caller, dwave};

async fn lab() -> Lab {
    let sapi = Sapi::default();
    Lab::start(move |seen| sapi.answer(seen)).await
}

/// Everything that can be done to a job.
const DEEDS: [(&str, &str); 6] =
    [("GET", ""), ("GET", "/answer"), ("GET", "/answer/data"), ("GET", "/info"), ("GET", "/messages"), ("DELETE", "")];

async fn expect_unseen(lab: &Lab, key: &str, id: &str) {
    let before = lab.upstream.seen().len();
    for (method, below) in DEEDS {
        expect_error(&lab.ask_with(key, method, &format!("problems/{id}{below}"), "").await, 404, "not_found");
    }
    for query in [format!("?id={id}"), format!("?id={id}&timeout=30")] {
        expect_error(&lab.ask_with(key, "GET", &format!("problems/{query}"), "").await, 404, "not_found");
    }
    expect_error(&lab.ask_with(key, "DELETE", "problems/", json!([id]).to_string()).await, 404, "not_found");
    assert_eq!(lab.upstream.seen().len(), before, "the provider was not asked");
}

fn ids(listed: &Value) -> Vec<&str> {
    listed.as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn members_do_not_see_each_others_jobs() {
    let lab = lab().await;
    let (_, bobs_key) = lab.somebody(&lab.app.root, "bob").await;
    let (adas, bobs) = (lab.submit(&lab.key).await, lab.submit(&bobs_key).await);
    expect_unseen(&lab, &bobs_key, &adas).await;
    expect_unseen(&lab, &lab.key, &bobs).await;
    expect_unseen(&lab, &lab.key, "nobodys").await;
    for (key, own, other) in [(&lab.key, &adas, &bobs), (&bobs_key, &bobs, &adas)] {
        assert_eq!(ids(&lab.ask_with(key, "GET", "problems/", "").await.json()), [own.as_str()]);
        // One of two that is not the own is enough to see neither.
        let both = format!("problems/?id={own},{other}");
        expect_error(&lab.ask_with(key, "GET", &both, "").await, 404, "not_found");
        let both = json!([own, other]).to_string();
        expect_error(&lab.ask_with(key, "DELETE", "problems/", &both).await, 404, "not_found");
        assert_eq!(lab.ask_with(key, "GET", &format!("problems/{own}"), "").await.json()["status"], "PENDING");
        let cancelled = lab.ask_with(key, "DELETE", "problems/", json!([own]).to_string()).await;
        assert_eq!(cancelled.status(), 200);
    }
}

/// Of the root and its children North and South; Lab is below North. The token is the root's.
#[tokio::test(flavor = "multi_thread")]
async fn admins_see_what_their_members_do() {
    let lab = lab().await;
    let app = &lab.app;
    let north = app.organization(&app.root, "North").await;
    let south = app.organization(&app.root, "South").await;
    let below = app.organization(&north, "Lab").await;
    let lea = lab.somebody(&below, "lea").await.1;
    let admin_of = async |organization: &str, name: &str| {
        let admin = app.member_with_role(organization, name, "admin").await;
        lab.key_of(&admin).await
    };
    let (lab_admin, north_admin) = (admin_of(&below, "labadmin").await, admin_of(&north, "northadmin").await);
    let (south_admin, root_admin) = (admin_of(&south, "southadmin").await, admin_of(&app.root, "rootadmin").await);
    let auditor = app.member_with_role(&app.root, "auditor", "auditor").await;
    let auditor = lab.key_of(&auditor).await;
    let (leas, adas) = (lab.submit(&lea).await, lab.submit(&lab.key).await);
    for (key, sees_leas, sees_adas) in [
        (&lea, true, false),
        (&lab_admin, true, false),
        (&north_admin, true, false),
        (&root_admin, true, true),
        (&south_admin, false, false),
        (&auditor, false, false),
        (&lab.key, false, true),
    ] {
        for (id, sees) in [(&leas, sees_leas), (&adas, sees_adas)] {
            let listed = lab.ask_with(key, "GET", "problems/", "").await.json();
            assert_eq!(ids(&listed).contains(&id.as_str()), sees, "{listed}");
            if sees {
                assert_eq!(lab.ask_with(key, "GET", &format!("problems/{id}/info"), "").await.status(), 200);
            } else {
                expect_unseen(&lab, key, id).await;
            }
        }
    }
    assert_eq!(lab.ask_with(&north_admin, "DELETE", &format!("problems/{leas}"), "").await.status(), 200);
}

/// The token of an organization is used there and below: never beside, never above, and not at all if it is not inherited.
#[tokio::test(flavor = "multi_thread")]
async fn siblings_do_not_know_the_token() {
    let lab = lab().await;
    let app = &lab.app;
    let north = app.organization(&app.root, "North").await;
    let south = app.organization(&app.root, "South").await;
    let below = app.organization(&north, "Lab").await;
    let inherited = app.token(&north, "Inherited", "DEV-the-norths-credential").await;
    let own =
        json!({"name": "Own", "provider": "dwave", "credential": {"token": "DEV-norths-alone"}, "inherited": false});
    let own = app.admin.post(&format!("/v1/organizations/{north}/qpu-tokens"), &own).await.expect(201);
    let own = own["id"].as_str().unwrap().to_owned();
    let (nora, lea) = (lab.somebody(&north, "nora").await.1, lab.somebody(&below, "lea").await.1);
    let sue = lab.somebody(&south, "sue").await.1;
    for (key, sees_inherited, sees_own) in
        [(&nora, true, true), (&lea, true, false), (&sue, false, false), (&lab.key, false, false)]
    {
        for (token, sees) in [(&inherited, sees_inherited), (&own, sees_own)] {
            let headers = format!("x-auth-token: {key}\r\n");
            let path = format!("/v1/qpu/{token}/solvers/remote/");
            let answer = ask(&app.base_url, "GET", &path, &headers, b"").await;
            if sees {
                assert_eq!(answer.status(), 200, "{answer:?}");
            } else {
                expect_error(&answer, 404, "not_found");
            }
            let answer = ask(&app.base_url, "POST", &format!("/v1/qpu/{token}/problems/"), &headers, b"[{}]").await;
            assert_eq!(answer.status(), if sees { 200 } else { 404 }, "{answer:?}");
        }
    }
}

/// An admin above who is no member sees the jobs and submits none.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_only_oversees_submits_nothing() {
    let lab = lab().await;
    let app = &lab.app;
    let north = app.organization(&app.root, "North").await;
    let token = app.token(&north, "North's", "DEV-the-norths-credential").await;
    let nora = lab.somebody(&north, "nora").await.1;
    let root_admin = app.member_with_role(&app.root, "rootadmin", "admin").await;
    let root_admin = lab.key_of(&root_admin).await;
    let path = |below: &str| format!("/v1/qpu/{token}/{below}");
    let headers = |key: &str| format!("x-auth-token: {key}\r\n");
    let made = ask(&app.base_url, "POST", &path("problems/"), &headers(&nora), b"[{}]").await;
    let id = made.json()[0]["id"].as_str().unwrap().to_owned();
    let read = ask(&app.base_url, "GET", &path(&format!("problems/{id}")), &headers(&root_admin), b"").await;
    assert_eq!(read.status(), 200, "{read:?}");
    let before = lab.upstream.seen().len();
    expect_error(
        &ask(&app.base_url, "POST", &path("problems/"), &headers(&root_admin), b"[{}]").await,
        403,
        "forbidden",
    );
    assert_eq!(lab.upstream.seen().len(), before);
}

/// A personal token is its owner's alone: no admin uses it, and no key that is bound to an organization.
#[tokio::test(flavor = "multi_thread")]
async fn personal_tokens_are_personal() {
    let lab = lab().await;
    let app = &lab.app;
    let made = lab.ada.post("/v1/me/qpu-tokens", &dwave("mine")).await.expect(201);
    let token = made["id"].as_str().unwrap();
    let bob = lab.somebody(&app.root, "bob").await.1;
    let bound = bound(&lab, &lab.ada, &app.root).await;
    let admin = app.admin.authorization();
    let path = |below: &str| format!("/v1/qpu/{token}/{below}");
    for (key, status) in [(&lab.key, 200), (&bob, 404), (&admin, 404), (&bound, 404)] {
        let headers = format!("x-auth-token: {key}\r\n");
        let answer = ask(&app.base_url, "POST", &path("problems/"), &headers, b"[{}]").await;
        assert_eq!(answer.status(), status, "{answer:?}");
    }
    assert_eq!(lab.upstream.last().header("x-auth-token"), "DEV-0123456789");
    for (key, status) in [(&lab.key, 200), (&admin, 404), (&bound, 404)] {
        let headers = format!("x-auth-token: {key}\r\n");
        let answer = ask(&app.base_url, "GET", &path("problems/problem-1"), &headers, b"").await;
        assert_eq!(answer.status(), status, "{answer:?}");
    }
}

async fn bound(lab: &Lab, account: &Caller, organization: &str) -> String {
    let wanted = json!({"name": "bound", "scope": "use", "organization_id": organization});
    let made = account.post("/v1/me/api-keys", &wanted).await.expect(201);
    assert_eq!(made["organization_id"], organization, "{made}");
    let _ = lab;
    made["api_key"].as_str().unwrap().to_owned()
}

/// A key that is bound to one of two organizations sees and uses what is that one's.
#[tokio::test(flavor = "multi_thread")]
async fn bound_keys_stay_in_their_organization() {
    let lab = lab().await;
    let app = &lab.app;
    let north = app.organization(&app.root, "North").await;
    let token = app.token(&north, "North's", "DEV-the-norths-credential").await;
    let added = json!({"email": lab.ada.email, "given_name": "Ada", "family_name": "Test"});
    let added = app.admin.post(&format!("/v1/organizations/{north}/users"), &added).await.expect(201);
    app.accept(&added, crate::support::PASSWORD).await.expect(200);
    let (of_root, of_north) = (bound(&lab, &lab.ada, &app.root).await, bound(&lab, &lab.ada, &north).await);
    let asked = async |key: &str, token: &str| {
        let headers = format!("x-auth-token: {key}\r\n");
        let path = format!("/v1/qpu/{token}/solvers/remote/");
        ask(&app.base_url, "GET", &path, &headers, b"").await.status()
    };
    assert_eq!((asked(&lab.key, &token).await, asked(&lab.key, &lab.token).await), (200, 200));
    assert_eq!((asked(&of_north, &token).await, asked(&of_root, &token).await), (200, 404));
    assert_eq!(asked(&of_root, &lab.token).await, 200);
    // The root's token is North's, too, by inheritance; what was submitted with one key is not seen with the other.
    let id = lab.submit(&of_root).await;
    assert_eq!(lab.ask_with(&of_root, "GET", &format!("problems/{id}"), "").await.status(), 200);
    expect_unseen(&lab, &of_north, &id).await;
}
