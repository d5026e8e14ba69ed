//! What is far too long, or no text that anybody types, where tokens are used: leases, usage, access, and what the broker reads.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use luna_organizations::authentication::{Passes, SigningKey};
use luna_organizations::broker::{Denial, Head};
use luna_organizations::cli::Configuration;
use luna_organizations::domain::Clock;
use serde_json::json;

use crate::support::{Answer, App, paths};

/// Texts that nobody types.
fn odd_texts() -> [String; 6] {
    [
        "x".repeat(10_000),
        "9".repeat(10_000),
        "%00".to_owned(),
        "%ff%fe".to_owned(),
        "%".repeat(10_000),
        "é".repeat(3_000),
    ]
}

/// Every one is refused with a short problem, whoever asks for what.
#[tokio::test(flavor = "multi_thread")]
async fn odd_texts_are_refused_where_tokens_are_used() {
    let app = App::start().await;
    let token = app.token(&app.root, "one", "secret").await;
    let solver = app.member_with_role(&app.root, "solver", "solver").await;
    let (leases, usage) = (paths::leases(&app.root, &token), paths::usage(&app.root, &token));
    let access = paths::access(&app.root, &token);
    // A member that is unknown is named, which is the one echo.
    let refused = |answer: &Answer, what: &str, longest: usize| {
        let problem = answer.json();
        assert!(matches!(answer.status.as_u16(), 400 | 404 | 422), "{what:.200}: {:.500}", answer.text);
        assert!(problem["code"].is_string() && answer.text.len() < longest, "{what:.200}: {:.500}", answer.text);
    };
    for odd in odd_texts() {
        for path in [
            format!("{leases}?limit={odd}"),
            format!("{leases}?cursor={odd}"),
            format!("{usage}?since={odd}"),
            format!("{usage}?until={odd}"),
            format!("{usage}?user={odd}"),
            format!("{usage}?user={odd}@example.com"),
            format!("{usage}?format={odd}"),
            format!("{usage}/jobs?cursor={odd}"),
            format!("{usage}/jobs?limit={odd}"),
            format!("{usage}/jobs?user={odd}"),
            format!("{access}?user={odd}"),
            format!("{access}?user={odd}@example.com"),
            paths::access(&app.root, &odd),
            paths::usage(&odd, &token),
            format!("/v1/me/qpu-tokens/{odd}/usage"),
            format!("/v1/qpu/{odd}/problems"),
        ] {
            refused(&app.admin.get(&path).await, &path, 2000);
        }
        refused(&app.admin.get(&format!("{leases}?{odd}=1")).await, "an unknown filter", 2000 + 6 * odd.len());
        refused(&app.admin.delete(&format!("{leases}/{odd}")).await, "a lease's id", 2000);
    }
    let lease = app.admin.post(&leases, &json!({})).await.expect(201);
    let report = format!("/v1/leases/{}/usage", lease["id"].as_str().unwrap());
    solver.post("/v1/leases/redeem", &json!({"lease": lease["lease"]})).await.expect(200);
    let odd_values = [
        json!("x".repeat(10_000)),
        json!("\0"),
        json!("\u{202e}"),
        json!("\u{ffff}"),
        json!("luna_lease_".repeat(900)),
        json!(1e300),
        json!(-0.5),
        json!(u64::MAX),
        json!([[[]]]),
        json!({"": ""}),
        json!(vec![0; 10_000]),
        json!(true),
    ];
    for odd in &odd_values {
        for (path, body) in [
            (leases.as_str(), json!({"purpose": odd})),
            (&leases, json!({"expires_in_seconds": odd})),
            ("/v1/leases/redeem", json!({"lease": odd})),
            (&report, json!({"used": odd})),
            (&report, json!({"used": 1, "job_id": odd})),
        ] {
            let caller = if path == leases { &app.admin } else { &solver };
            refused(&caller.post(path, &body).await, &format!("{path} {body}"), 2000);
        }
    }
    solver.post(&report, &json!({"used": 1, "job_id": "x".repeat(200)})).await.expect(200);
}

/// Whatever a head says, each provider's adapter reads it or not, and what it reads stays what it is.
#[tokio::test]
async fn odd_heads_are_read_by_all_adapters() {
    let mut configuration = Configuration::default();
    let declared = json!({
        "base_url": "https://provider.example.com", "key_header": "Authorization: Bearer",
        "headers": {"X-Token": "{token}"}, "error": "{\"message\": \"{message}\"}",
        "operations": [
            {"name": "jobs:read", "method": "GET", "path": "jobs/{job}"},
            {"name": "jobs:list", "method": "GET", "path": "jobs", "query_ids": {"session": "session"},
             "list": {"items": "/jobs", "id": "/id"}},
        ],
    });
    configuration.providers.insert("declared".to_owned(), serde_json::from_value(declared).unwrap());
    let passes = Passes::new("x", &SigningKey::generate().unwrap(), &[], Clock::default()).unwrap();
    let reachable = configuration.reachable(&Arc::new(passes)).unwrap();
    let long = "x".repeat(10_000);
    let texts = [
        "", "/", "//", "..", "%2e%2e", "%", "%zz", "%ff", ";", "?", "#", "\u{e9}", "Bearer", "Bearer ", "apiKey  ",
        ":", "=", ",",
    ];
    let mut odd: Vec<String> = texts.map(ToOwned::to_owned).to_vec();
    odd.extend([
        long.clone(),
        "/x".repeat(10_000),
        "%25".repeat(3_000),
        "id=x&".repeat(3_000),
        format!("Bearer ey{long}.{long}.{long}"),
    ]);
    odd.extend([
        format!("luna_{long}"),
        "AWS4-HMAC-SHA256 Credential=".to_owned() + &"/".repeat(10_000),
        "{".repeat(10_000),
    ]);
    let headers = [
        "authorization",
        "x-auth-token",
        "x-api-key",
        "x-api-access-key",
        "luna-api-key",
        "service-crn",
        "x-amz-security-token",
        "host",
    ];
    let denial = Denial::new(http::StatusCode::BAD_REQUEST, "invalid_request", long.clone());
    assert!(reachable.len() >= 6);
    let mut known = 0;
    for provider in reachable.values() {
        let rules: Vec<(Method, String)> = (provider.adapter.allowed().rules())
            .map(|(prefix, rule)| {
                (rule.method.clone(), format!("{prefix}/{}", rule.path).trim_start_matches('/').to_owned())
            })
            .collect();
        for text in &odd {
            let mut all = HeaderMap::new();
            for (name, value) in
                headers.iter().filter_map(|name| Some((name, HeaderValue::from_bytes(text.as_bytes()).ok()?)))
            {
                all.insert(HeaderName::from_static(name), value);
            }
            for (method, path) in &rules {
                // In the place of what a rule leaves open, and behind it.
                let filled = path
                    .split('/')
                    .map(|part| if part.starts_with('{') { text } else { part })
                    .collect::<Vec<_>>()
                    .join("/");
                for path in [filled, format!("{path}{text}"), text.clone()] {
                    let head = Head { method, path: &path, query: Some(text), headers: &all };
                    if let Some(operation) = provider.adapter.operation(&head) {
                        known += 1;
                        let place = operation.target.split('?').next().unwrap_or_default();
                        let climbs = place.split('/').any(|part| matches!(part, ".." | "%2e%2e"));
                        assert!(!climbs, "{path:.100} became {place:.100}");
                    }
                    assert!(!matches!(provider.adapter.key(&head), Some(Ok(_))), "{text:.100} is no key");
                    assert!(provider.adapter.deny(&head, &denial).status().is_client_error());
                }
            }
        }
    }
    assert!(known > 100, "some were read: {known}");
}
