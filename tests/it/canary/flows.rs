//! Everything that one does with secrets, done well.

use reqwest::Method;
use serde_json::{Value, json};

use super::mistakes::Mistakes;
use super::{ACCESS_KEY_ID, ENCRYPTION_KEY, NEW_PASSWORD, PASSWORD, ROTATED, SECRET_ACCESS_KEY, SESSION_TOKEN, TOKEN};
use crate::support::recorder::Recorder;
use crate::support::upstream::Upstream;
use crate::support::{Answer, Caller};

pub struct Flows<'a> {
    pub recorder: &'a mut Recorder,
    pub base_url: &'a str,
    pub provider: &'a Upstream,
    pub admin: Caller,
    pub root: String,
    /// Makes names differ from those of another run.
    pub run: &'a str,
}

impl Flows<'_> {
    /// `names`: also secrets where a name is looked up, which a database that logs parameters cannot but write down.
    pub async fn run(&mut self, names: bool) {
        let admin = self.admin.clone();
        let anonymous = Caller::anonymous(self.base_url);
        let tokens = format!("/v1/organizations/{}/qpu-tokens", self.root);
        self.tokens(&admin, &tokens).await;

        let invitation = self.member(&anonymous).await;
        let email = format!("{}@example.com", self.run);
        let session = self.login(&anonymous, &email).await;
        let member = Caller::with_access_token(self.base_url, &session);
        self.tokens(&member, "/v1/me/qpu-tokens").await;
        let key = self.api_keys(&member).await;
        self.luna_sdk(&key).await;
        self.lease(&member, &tokens).await;
        self.uses(&key, &tokens).await;
        self.old_luna_sdk(&anonymous, &email).await;

        let mistakes = Mistakes { tokens, email, invitation, session, names };
        mistakes.make(self).await;
        self.change_password(&member).await;
        self.recorder
            .call(&admin, Method::GET, &format!("/v1/organizations/{}/audit-events?limit=200", self.root), Value::Null)
            .await
            .expect(200);
    }

    pub async fn call(&mut self, caller: &Caller, method: Method, path: &str, body: Value) -> Answer {
        self.recorder.call(caller, method, path, body).await
    }

    /// Creates, rotates, lists, renames, deletes; and provokes an error of the database's.
    async fn tokens(&mut self, caller: &Caller, list: &str) {
        let aws = json!({"access_key_id": ACCESS_KEY_ID, "secret_access_key": SECRET_ACCESS_KEY, "session_token": SESSION_TOKEN});
        for (provider, credential, rotated) in
            [("dwave", json!({"token": TOKEN}), json!({"token": ROTATED})), ("aws", aws.clone(), aws)]
        {
            let name = format!("canary {provider} {}", self.run);
            let new = json!({"name": name, "provider": provider, "credential": credential});
            let made = self.call(caller, Method::POST, list, new.clone()).await.expect(201);
            self.call(caller, Method::POST, list, new.clone()).await.expect_problem(409, "token_name_taken");
            let one = format!("{list}/{}", made["id"].as_str().unwrap());
            self.call(caller, Method::PUT, &format!("{one}/credential"), json!({"credential": rotated}))
                .await
                .expect(200);
            let renamed = json!({"name": format!("canary rotated {provider} {}", self.run)});
            self.call(caller, Method::PATCH, &one, renamed).await.expect(200);
            for path in [&one, list, &format!("{list}?provider={provider}")] {
                self.call(caller, Method::GET, path, Value::Null).await.expect(200);
            }
            // One more, to be deleted; asked for twice, as a client does that has lost the answer.
            let new = json!({"name": format!("deleted {name}"), "provider": provider, "credential": credential});
            for _ in 0..2 {
                let again =
                    caller.request(Method::POST, list).header("idempotency-key", name.replace(' ', "-")).json(&new);
                let made = self.recorder.send(again).await.expect(201);
                if made["deleted"].is_null() {
                    self.call(caller, Method::GET, &format!("{list}/{}", made["id"].as_str().unwrap()), Value::Null)
                        .await;
                }
            }
            let found =
                self.call(caller, Method::GET, &format!("{list}?provider={provider}"), Value::Null).await.expect(200);
            for token in found["items"].as_array().unwrap() {
                if token["name"].as_str().unwrap().starts_with("deleted") {
                    self.call(
                        caller,
                        Method::DELETE,
                        &format!("{list}/{}", token["id"].as_str().unwrap()),
                        Value::Null,
                    )
                    .await
                    .expect(204);
                }
            }
        }
    }

    /// Adds a user, sends the invitation anew, and has it accepted. The token that was spent.
    async fn member(&mut self, anonymous: &Caller) -> String {
        let admin = self.admin.clone();
        let users = format!("/v1/organizations/{}/users", self.root);
        let user = json!({"email": format!("{}@example.com", self.run), "given_name": "Ada", "family_name": "Canary"});
        let added = self.call(&admin, Method::POST, &users, user).await.expect(201);
        self.recorder.issued("an invitation", &added["invitation"]["token"]);
        let invitations = format!("/v1/organizations/{}/invitations", self.root);
        let resend = format!("{invitations}/{}/resend", added["invitation"]["id"].as_str().unwrap());
        let sent = self.call(&admin, Method::POST, &resend, Value::Null).await.expect(200);
        let token = self.recorder.issued("an invitation sent anew", &sent["token"]);
        self.call(&admin, Method::GET, &invitations, Value::Null).await.expect(200);
        let accept = json!({"token": token, "password": PASSWORD});
        self.call(anonymous, Method::POST, "/v1/invitations/accept", accept).await.expect(200);
        self.call(&admin, Method::PUT, &format!("{users}/{}/roles/admin", added["id"].as_str().unwrap()), Value::Null)
            .await
            .expect(200);
        token
    }

    /// Logs in and refreshes. The access token.
    async fn login(&mut self, anonymous: &Caller, email: &str) -> String {
        let tokens = self
            .call(anonymous, Method::POST, "/v1/sessions", json!({"email": email, "password": PASSWORD}))
            .await
            .expect(200);
        self.recorder.issued("an access token", &tokens["access_token"]);
        let refresh = self.recorder.issued("a refresh token", &tokens["refresh_token"]);
        let refreshed = self
            .call(anonymous, Method::POST, "/v1/sessions/refresh", json!({"refresh_token": refresh}))
            .await
            .expect(200);
        // The same moment gives the same access token; it is known then.
        let access = refreshed["access_token"].as_str().unwrap().to_owned();
        self.recorder.issued("a second access token", &refreshed["access_token"]);
        self.recorder.issued("a second refresh token", &refreshed["refresh_token"]);
        let caller = Caller::with_access_token(self.base_url, &access);
        self.call(&caller, Method::GET, "/v1/sessions", Value::Null).await.expect(200);

        // In another session: a refresh token that comes a second time ends it.
        let tokens = self
            .call(anonymous, Method::POST, "/v1/sessions", json!({"email": email, "password": PASSWORD}))
            .await
            .expect(200);
        self.recorder.issued("a stolen access token", &tokens["access_token"]);
        let stolen = self.recorder.issued("a stolen refresh token", &tokens["refresh_token"]);
        let tokens = self
            .call(anonymous, Method::POST, "/v1/sessions/refresh", json!({"refresh_token": stolen}))
            .await
            .expect(200);
        self.recorder.issued("the thief's access token", &tokens["access_token"]);
        self.recorder.issued("the thief's refresh token", &tokens["refresh_token"]);
        self.call(anonymous, Method::POST, "/v1/sessions/refresh", json!({"refresh_token": stolen})).await.expect(401);
        access
    }

    /// Makes keys, uses one, ends another. One that works.
    async fn api_keys(&mut self, member: &Caller) -> Caller {
        let path = "/v1/me/api-keys";
        let made = self.call(member, Method::POST, path, json!({"name": "ended"})).await.expect(201);
        self.recorder.issued("an API key that was ended", &made["api_key"]);
        self.call(member, Method::DELETE, &format!("{path}/{}", made["id"].as_str().unwrap()), Value::Null)
            .await
            .expect(204);
        let made = self.call(member, Method::POST, path, json!({"name": "canary"})).await.expect(201);
        let key = self.recorder.issued("an API key", &made["api_key"]);
        self.call(member, Method::GET, path, Value::Null).await.expect(200);
        let caller = Caller::with_api_key(self.base_url, &key);
        self.call(&caller, Method::GET, "/v1/me", Value::Null).await.expect(200);
        let bearer = Caller::with_access_token(self.base_url, &key);
        self.call(&bearer, Method::GET, "/v1/me", Value::Null).await.expect(200);
        caller
    }

    /// A member makes a lease, and a solver gets the credential for it: the one answer that has it. Then in vain.
    async fn lease(&mut self, member: &Caller, tokens: &str) {
        let admin = self.admin.clone();
        let me = self.call(&admin, Method::GET, "/v1/me", Value::Null).await.expect(200);
        let solver = format!("/v1/organizations/{}/users/{}/roles/solver", self.root, me["id"].as_str().unwrap());
        self.call(&admin, Method::PUT, &solver, Value::Null).await.expect(200);
        let named = format!("canary rotated dwave {}", self.run);
        let listed =
            self.call(member, Method::GET, &format!("{tokens}?{}", url(&[("name", &named)])), Value::Null).await;
        let token = listed.expect(200)["items"][0]["id"].as_str().unwrap().to_owned();
        let leases = format!("{tokens}/{token}/leases");
        let made = self.call(member, Method::POST, &leases, json!({"purpose": "canary"})).await.expect(201);
        let lease = self.recorder.issued("a lease", &made["lease"]);

        let redeem = "/v1/leases/redeem";
        for (caller, body) in [
            (member, json!({"lease": lease})),
            (&admin, json!({"lease": [lease]})),
            (&admin, json!({"lease": lease, "token": lease})),
            (&admin, json!({"lease": format!("{lease}x")})),
        ] {
            let refused = self.call(caller, Method::POST, redeem, body).await;
            assert!(refused.status.is_client_error(), "{} {}", refused.status, refused.text);
        }
        let redeemed = self.call(&admin, Method::POST, redeem, json!({"lease": lease})).await.expect(200);
        assert_eq!(redeemed["credential"], json!({"token": ROTATED}));
        self.recorder.handed_over(ROTATED);
        self.call(&admin, Method::POST, redeem, json!({"lease": lease})).await.expect_problem(422, "invalid_lease");
        let usage = format!("/v1/leases/{}/usage", made["id"].as_str().unwrap());
        self.call(&admin, Method::POST, &usage, json!({"used": 5, "job_id": "job-1"})).await;
        for path in [leases, format!("{tokens}/{token}/usage"), format!("{tokens}/{token}/usage/jobs")] {
            self.call(&admin, Method::GET, &path, Value::Null).await.expect(200);
        }
    }

    /// As the SDKs with keys do.
    async fn luna_sdk(&mut self, key: &Caller) {
        for (mount, kind) in [("/luna-solve/api/v1", "private"), ("/luna-q/api/v1", "shared"), ("/api/v1", "private")] {
            let new =
                json!({"name": "sdk canary", "provider": "dwave", "token": TOKEN, "encryption_key": ENCRYPTION_KEY});
            let list = format!("{mount}/qpu-tokens/{kind}");
            self.call(key, Method::POST, &list, new.clone()).await.expect(201);
            let twice = self.call(key, Method::POST, &list, new).await;
            assert_eq!(twice.status, 409, "{}", twice.text);
            self.call(key, Method::GET, &format!("{mount}/qpu-tokens"), Value::Null).await.expect(200);
            self.call(key, Method::GET, &format!("{list}/sdk%20canary"), Value::Null).await.expect(200);
            self.call(key, Method::PATCH, &format!("{list}/sdk%20canary"), json!({"name": "sdk renamed"}))
                .await
                .expect(200);
            let deleted = self.call(key, Method::DELETE, &format!("{list}/sdk%20renamed"), Value::Null).await;
            assert!(deleted.status.is_success(), "{}", deleted.text);
            self.call(key, Method::GET, &format!("{mount}/users/me"), Value::Null).await.expect(200);
            for bad in
                [json!({"name": "x", "token": TOKEN}), json!({"name": [TOKEN], "provider": TOKEN, "token": [TOKEN]})]
            {
                let bad = self.call(key, Method::POST, &list, bad).await;
                assert!(bad.status.is_client_error(), "{} {}", bad.status, bad.text);
            }
        }
    }

    /// As the SDKs with a password do.
    async fn old_luna_sdk(&mut self, anonymous: &Caller, email: &str) {
        for (password, status) in [(PASSWORD, 200), (TOKEN, 401)] {
            let login = anonymous.request(Method::POST, "/accessToken");
            let form: String = url(&[("username", email), ("password", password)]);
            let login = login.header("content-type", "application/x-www-form-urlencoded").body(form);
            let answer = self.recorder.send(login).await;
            assert_eq!(answer.status, status, "{}", answer.text);
            if status == 200 {
                let token = self.recorder.issued("the old SDK's access token", &answer.json()["access_token"]);
                let caller = Caller::with_access_token(self.base_url, &token);
                let new = json!({"name": "old canary", "provider": "dwave", "token": TOKEN, "encryption_key": ENCRYPTION_KEY});
                for kind in ["users", "organization"] {
                    let list = format!("/api/qpu-tokens/{kind}");
                    let made = self.call(&caller, Method::POST, &list, new.clone()).await;
                    assert!(made.status.is_success(), "{}", made.text);
                    let id = made.json()["id"].as_str().unwrap().to_owned();
                    self.call(&caller, Method::GET, &format!("{list}/by_name/old%20canary"), Value::Null)
                        .await
                        .expect(200);
                    self.call(&caller, Method::DELETE, &format!("{list}/{id}"), Value::Null).await;
                }
            }
        }
    }

    async fn change_password(&mut self, member: &Caller) {
        let path = "/v1/me/password";
        let change = |now: &str, next: &str| json!({"current_password": now, "new_password": next});
        self.call(member, Method::PUT, path, change(TOKEN, NEW_PASSWORD)).await.expect(401);
        self.call(member, Method::PUT, path, change(PASSWORD, "short")).await.expect(422);
        self.call(member, Method::PUT, path, change(PASSWORD, NEW_PASSWORD)).await.expect(204);
    }
}

/// A form, or a query.
pub fn url(pairs: &[(&str, &str)]) -> String {
    reqwest::Url::parse_with_params("http://x/", pairs).unwrap().query().unwrap().to_owned()
}
