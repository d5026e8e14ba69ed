use std::collections::BTreeMap;

use serde_json::json;

use super::*;

fn declared(headers: &Value, operations: Value) -> Result<Declared, Mistake> {
    let headers: BTreeMap<String, String> = serde_json::from_value(headers.clone()).unwrap();
    let operations: Vec<OperationDeclaration> = serde_json::from_value(operations).unwrap();
    Declared::new(Declaration {
        base_url: "https://api.example.org/",
        key_header: "Authorization: Token",
        headers: &headers,
        error: None,
        operations: &operations,
        fields: &["token"],
    })
}

fn mistake(operation: &Value) -> String {
    let read = json!({"name": "jobs:read", "method": "GET", "path": "jobs/{job}", "usage": {"value": "/t"}});
    let made = declared(&json!({"X-Key": "{token}"}), json!([read, operation]));
    made.err().map(|mistake| mistake.key).unwrap_or_default()
}

#[test]
fn a_mistake_is_named() {
    assert_eq!(
        mistake(&json!({"name": "jobs:submit", "method": "POST", "path": "jobs", "effect": "submit", "id": "/id"})),
        ""
    );
    for (key, wrong) in [
        ("name", json!({"name": "Jobs", "method": "GET", "path": "jobs"})),
        ("path", json!({"name": "a", "method": "GET", "path": "/jobs"})),
        ("path", json!({"name": "a", "method": "GET", "path": "jobs/../keys"})),
        ("path", json!({"name": "a", "method": "GET", "path": "jobs/x{job}"})),
        ("path", json!({"name": "a", "method": "GET", "path": "jobs/{job}/{job}"})),
        ("path", json!({"name": "a", "method": "GET", "path": "jobs/{lease}"})),
        ("path", json!({"name": "a", "method": "GET", "path": "jobs/{job}"})),
        ("id", json!({"name": "a", "method": "POST", "path": "jobs", "effect": "submit"})),
        ("id", json!({"name": "a", "method": "POST", "path": "jobs", "effect": "submit", "id": "id"})),
        (
            "amount",
            json!({"name": "a", "method": "POST", "path": "s", "effect": "submit", "id": "/id", "makes": "session"}),
        ),
        ("amount", json!({"name": "a", "method": "POST", "path": "s", "effect": "submit", "id": "/id", "amount": -1})),
        (
            "amount",
            json!({"name": "a", "method": "POST", "path": "s", "effect": "submit", "id": "/id", "amount": 1_000_000_000_000_001_i64}),
        ),
        ("effect", json!({"name": "a", "method": "GET", "path": "jobs", "id": "/id"})),
        ("method", json!({"name": "a", "method": "GET", "path": "jobs/new", "effect": "submit"})),
        ("method", json!({"name": "a", "method": "GET", "path": "jobs/{job}/stop", "effect": "cancel"})),
        ("effect", json!({"name": "a", "method": "DELETE", "path": "jobs", "effect": "delete"})),
        ("anonymous", json!({"name": "a", "method": "GET", "path": "jobs/{job}/log", "anonymous": true})),
        ("list", json!({"name": "a", "method": "GET", "path": "jobs", "list": {"items": "jobs", "id": "/id"}})),
        ("usage", json!({"name": "a", "method": "GET", "path": "jobs", "usage": {"value": "/t"}})),
        ("usage", json!({"name": "a", "method": "GET", "path": "jobs/{job}/x", "usage": {"value": "t"}})),
        (
            "usage",
            json!({"name": "a", "method": "GET", "path": "jobs/{job}/x", "usage": {"value": "/t", "status": "/s"}}),
        ),
        ("usage", json!({"name": "a", "method": "GET", "path": "jobs/{job}/x", "usage": {"value": "/t", "scale": 0}})),
        ("usage", json!({"name": "a", "method": "GET", "path": "jobs/{job}/x", "usage": {"from": "/t"}})),
        ("usage", json!({"name": "a", "method": "GET", "path": "jobs/{job}/x", "usage": {}})),
    ] {
        assert_eq!(mistake(&wrong), format!("operations.1.{key}"), "{wrong}");
    }
    let twice = json!([{"name": "a", "method": "GET", "path": "a"}, {"name": "b:c", "method": "GET", "path": "a"}]);
    let mistake = declared(&json!({"X-Key": "{token}"}), twice).err().unwrap();
    assert!(mistake.expected.ends_with(" (in the operation b:c)"), "{}", mistake.expected);
    let read = json!([{"name": "a", "method": "GET", "path": "a"}]);
    let at = |headers: Value, operations: &Value| declared(&headers, operations.clone()).err().unwrap().key;
    assert_eq!(at(json!({}), &read), "headers");
    assert_eq!(at(json!({"X-Key": "fixed"}), &read), "headers");
    assert_eq!(at(json!({"Host": "{token}"}), &read), "headers.Host");
    assert_eq!(at(json!({"X Key": "{token}"}), &read), "headers.X Key");
    assert_eq!(at(json!({"X-Key": "{secret}"}), &read), "headers.X-Key");
    assert_eq!(at(json!({"X-Key": "{token}"}), &json!([])), "operations");
}

#[test]
fn what_is_wrong_with_a_header_is_said() {
    let read = json!([{"name": "a", "method": "GET", "path": "a"}]);
    let expected = |text: &str| declared(&json!({"X-Key": text}), read.clone()).err().unwrap().expected;
    let unknown = "made of text and the credential's fields {token}, and {tok} is none";
    assert_eq!(expected("{tok}"), unknown);
    assert_eq!(expected("Bearer {token} {tok}"), unknown);
    assert_eq!(expected("{token"), "one with a closing brace for each opening one");
    assert_eq!(expected("token}"), "one with a closing brace for each opening one");
    assert_eq!(expected("Key\u{e9} {token}"), "made of visible ASCII characters and spaces");
}

#[test]
fn an_id_in_a_body_is_found_or_refused() {
    let found = |body: Value| ids(&body, "/of/session_id").map(|ids| ids.into_iter().collect::<Vec<_>>()).ok();
    assert_eq!(found(json!({"of": {"session_id": "s"}})), Some(vec!["s".to_owned()]));
    assert_eq!(found(json!({"of": {"session_id": ["a", 7]}})), Some(vec!["7".to_owned(), "a".to_owned()]));
    assert_eq!(found(json!({"of": {"session_id": null}})), Some(vec![]));
    assert_eq!(found(json!({})), Some(vec![]));
    assert_eq!(found(json!({"of": {"session_id": {"x": 1}}})), None);
    assert_eq!(found(json!({"of": {"session_id": "s", "Session_ID": "t"}})), None);
    assert_eq!(found(json!({"Of": {"session_id": "t"}})), None);
}

#[test]
fn usage_is_asked_where_it_was_declared() {
    let operations = json!([
        {"name": "jobs:log", "method": "GET", "path": "jobs/{job}/log/{part}", "usage": {"value": "/t"}},
        {"name": "jobs:read", "method": "GET", "path": "v1/jobs/{job}", "usage": {"value": "/t"}},
    ]);
    let provider = declared(&json!({"X-Key": "{token}"}), operations).unwrap();
    let operation = provider.settle(&JobReference::job("j-1"), "").unwrap();
    assert_eq!((&*operation.target, provider.base(&operation)), ("v1/jobs/j-1", "https://api.example.org"));
    let learned = provider.learn(&operation, StatusCode::OK, &mut json!({"t": 3}));
    assert_eq!(learned.used, [(JobReference::job("j-1"), 3)]);
    assert!(provider.settle(&JobReference::session("s"), "").is_none());
}
