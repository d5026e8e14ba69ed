//! What is made of a request's path and query.

use http::{HeaderMap, HeaderValue, header};

use super::*;

const ARN: &str = "arn%3Aaws%3Abraket%3Aus-east-1%3A123456789012%3Aquantum-task%2F7f";

fn asked(method: &Method, service: &str, path: &str, query: Option<&str>) -> Option<Operation> {
    let mut headers = HeaderMap::new();
    let signed = format!("AWS4-HMAC-SHA256 Credential=ANY/20261122/us-west-2/{service}/aws4_request, Signature=0");
    headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&signed).unwrap());
    Braket::new(&Addresses::new()).operation(&Head { method, path, query, headers: &headers })
}

#[test]
fn arns_are_decoded_once_and_encoded_again() {
    for mount in ["braket/", ""] {
        let path = format!("{mount}quantum-task/{ARN}");
        let operation = asked(&Method::GET, "braket", &path, Some("additionalAttributeNames=QueueInfo")).unwrap();
        assert_eq!(operation.target, format!("quantum-task/{ARN}?additionalAttributeNames=QueueInfo"));
        let task = JobReference::job("arn:aws:braket:us-east-1:123456789012:quantum-task/7f");
        assert!(operation.jobs.contains(&task));
        assert_eq!(operation.place, "", "it is where the ledger says");
    }
    for other in [
        "quantum-task/arn:aws:braket:us-east-1:123456789012:quantum-task/7f".to_owned(),
        format!("quantum-task/{ARN}%2F..%2F8"),
        format!("quantum-task/{ARN}/tags"),
        format!("quantum-task/{}", ARN.replace('%', "%25")),
        "quantum-task/7f".to_owned(),
        "device/..".to_owned(),
        "device/arn%3Aaws%3As3%3A%3A%3Ax".to_owned(),
    ] {
        assert!(asked(&Method::GET, "braket", &other, None).is_none(), "{other}");
    }
}

#[test]
fn keys_do_not_climb() {
    let read = |path: &str| asked(&Method::GET, "s3", path, None);
    let operation = read("s3/bucket/luna/T/U/7f/a%20b%2Bc/results.json").unwrap();
    assert_eq!(operation.target, "luna/T/U/7f/a%20b%2Bc/results.json");
    assert_eq!(operation.jobs, [JobReference::upload("7f")].into());
    for hostile in [
        "../8e/results.json",
        "%2e%2e/8e/results.json",
        "%2E%2E%2F8e/results.json",
        "%252e%252e/8e/results.json",
        "./results.json",
        "/results.json",
        "..%5c8e",
        "a\\..\\b",
        "results.json/",
        "x%00",
        "x%0d%0ay",
        "x%3Facl",
        "x%23",
        "%ff",
    ] {
        let path = format!("s3/bucket/luna/T/U/7f/{hostile}");
        assert!(read(&path).is_none(), "{path}");
    }
    // No bucket has a slash in its name: it is compared as a whole.
    assert_eq!(read("s3/bucket%2Fluna/key").unwrap().capture("bucket"), Some("bucket/luna"));
    assert!(asked(&Method::GET, "s3", "s3/bucket/luna/T/U/7f/x", Some("response-content-type=x")).is_none());
}
