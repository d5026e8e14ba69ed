//! Uses of tokens through the broker. The provider knows the credential by then, and repeats it wherever it can: in heads and
//! bodies, in the names of jobs, in errors, and in what is hardly HTTP.

use data_encoding::BASE64;
use serde_json::json;

use super::flows::{Flows, url};
use super::{ROTATED, TEMPORARY, TOKEN};
use crate::hostile::renderings::gzip;
use crate::support::Caller;
use crate::support::upstream::{Reply, Seen, Upstream};
use crate::support::wire::{Wire, ask};

/// What the provider does with a request.
const MANNERS: [&str; 9] =
    ["decent", "coded", "named", "refused", "absent", "failing", "elsewhere", "broken", "garbled"];

/// D-Wave's operations: answers that are streamed, read as a whole and looked through as a list.
const DWAVE: [(&str, &str, &str); 6] = [
    ("POST", "problems/", "[{}]"),
    ("GET", "problems/mine/", ""),
    ("GET", "problems/mine/answer/data", ""),
    ("GET", "problems/", ""),
    ("GET", "solvers/remote/", ""),
    ("DELETE", "problems/mine/", ""),
];

/// IBM's, among them one whose answer is watched.
const IBM: [(&str, &str, &str); 5] = [
    ("POST", "api/v1/jobs", r#"{"program_id": "sampler", "backend": "b", "params": {}}"#),
    ("GET", "api/v1/jobs/mine", ""),
    ("GET", "api/v1/jobs/mine/metrics", ""),
    ("GET", "api/v1/jobs", ""),
    ("GET", "api/v1/backends", ""),
];

/// With D-Wave there, and IBM with its IAM.
pub fn environment(provider: &Upstream) -> [(&'static str, String); 3] {
    [
        ("LUNA_ORGANIZATIONS_PROVIDERS__DWAVE__BASE_URL", format!("{}/sapi/v2", provider.url())),
        ("LUNA_ORGANIZATIONS_PROVIDERS__IBM__BASE_URL", provider.url()),
        ("LUNA_ORGANIZATIONS_PROVIDERS__IBM__IAM_URL", provider.url()),
    ]
}

fn answer(seen: &Seen, manner: &str) -> Reply {
    if seen.target == "/identity/token" {
        let form: Vec<(String, String)> = serde_urlencoded::from_bytes(&seen.body).unwrap();
        let key = &form.iter().find(|(name, _)| name == "apikey").unwrap().1;
        return if key == TOKEN {
            Reply::json(200, &json!({"access_token": TEMPORARY, "expires_in": 3600}))
        } else {
            Reply::json(400, &json!({"errorCode": "BXNIM0415E", "errorMessage": format!("no such key: {key}")}))
        };
    }
    let secret = [seen.header("x-auth-token"), seen.header("authorization")].concat();
    let secret = secret.trim_start_matches("Bearer ");
    let id = if manner == "named" { secret } else { "mine" };
    let basic = BASE64.encode(format!("user:{secret}").as_bytes());
    let one = json!({"id": id, "echo": secret, "basic": basic, "jobs": [{"id": id, "echo": secret}], "count": 1});
    let is_list = seen.path().ends_with("/problems/");
    let body = if is_list { json!([one]).to_string() } else { one.to_string() };
    let headers = format!("content-type: application/json\r\netag: {secret}\r\ncontent-disposition: a; b={secret}\r\n");
    match manner {
        "coded" => Reply::with(200, &format!("{headers}content-encoding: gzip\r\n"), gzip(body.as_bytes())),
        "refused" => Reply::with(401, &headers, body),
        "absent" => Reply::with(404, &headers, body),
        "failing" => Reply::with(500, &headers, body),
        "elsewhere" => Reply::with(307, &format!("{headers}location: http://127.0.0.1:1/{basic}\r\n"), body),
        "broken" => Reply::raw(format!("HTTP/1.1 200 OK\r\n{headers}content-length: 100000\r\n\r\n{body}")).close(),
        "garbled" => Reply::raw(format!("{secret}\r\n{secret}: {secret}\r\n\r\n{body}")).close(),
        _ => Reply::with(200, &headers, body),
    }
}

impl Flows<'_> {
    /// A member uses a token of each kind, whatever the provider does; and one that the provider does not take.
    pub async fn uses(&mut self, key: &Caller, tokens: &str) {
        let key = key.authorization();
        for (name, place, credential, operations) in [
            ("dwave", "x-auth-token: ", TOKEN, DWAVE.as_slice()),
            ("ibm", "authorization: Bearer ", TOKEN, &IBM),
            ("ibm", "authorization: Bearer ", ROTATED, &IBM[..1]),
        ] {
            let token = self.token_to_use(tokens, name, credential).await;
            let is_taken = credential == TOKEN;
            let goes_along = if name == "ibm" { format!("Bearer {TEMPORARY}") } else { credential.to_owned() };
            for manner in MANNERS {
                self.provider.take();
                self.provider.script(move |seen| answer(seen, manner));
                for (method, path, body) in operations {
                    let target = format!("/v1/qpu/{token}/{path}");
                    let answer = self.use_token(method, &target, &format!("{place}{key}\r\n"), body).await;
                    assert!(!is_taken || manner != "decent" || answer.status() == 200, "{method} {target}: {answer:?}");
                }
                let seen = self.provider.take();
                let used = seen.iter().filter(|seen| seen.text().contains(&goes_along)).count();
                assert!(if is_taken { used >= operations.len() } else { used == 0 }, "{manner}: {seen:?}");
            }
            // The mistake that is near: the provider's own credential in the place of the key.
            for (headers, query) in
                [(format!("{place}{credential}\r\n"), String::new()), (String::new(), url(&[("token", credential)]))]
            {
                let target = format!("/v1/qpu/{token}/{}?{query}", operations[0].1);
                let answer = self.use_token("GET", &target, &headers, "").await;
                assert!((400..500).contains(&answer.status()), "{target}: {answer:?}");
            }
        }
    }

    async fn use_token(&mut self, method: &str, target: &str, headers: &str, body: &str) -> Wire {
        let answer = ask(self.base_url, method, target, headers, body.as_bytes()).await;
        assert!(answer.status() >= 200, "{method} {target}: {answer:?}");
        self.recorder.keep(&format!("the answer to {method} {target}"), &answer.text());
        answer
    }

    async fn token_to_use(&mut self, tokens: &str, provider: &str, credential: &str) -> String {
        let admin = self.admin.clone();
        let name = format!("used {provider} {} {}", if credential == TOKEN { "well" } else { "in vain" }, self.run);
        let new = json!({"name": name, "provider": provider, "credential": {"token": credential}});
        let made = self.call(&admin, reqwest::Method::POST, tokens, new).await.expect(201);
        made["id"].as_str().unwrap().to_owned()
    }
}
