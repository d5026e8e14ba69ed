//! What there is to be called: what `openapi.yaml` says, and the Luna SDK wire.

use std::fmt;

use luna_organizations::http::routing::Address;
use luna_organizations::http::{document, luna_sdk_addresses};
use reqwest::Method;
use serde_json::Value;

/// An operation of the document, or of the Luna SDK wire.
#[derive(Debug, Clone)]
pub struct Operation {
    pub method: Method,
    pub path: String,
    /// Its `x-permission`.
    pub permission: String,
    pub has_body: bool,
}

const METHODS: [Method; 5] = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

impl Operation {
    /// All there are, by path.
    pub fn all() -> Vec<Self> {
        let document = serde_json::to_value(document()).unwrap();
        let mut found = Vec::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for method in METHODS {
                if let Some(operation) = item.get(method.as_str().to_lowercase()) {
                    found.push(Self::read(method, path, operation));
                }
            }
        }
        assert!(!found.is_empty());
        found
    }

    /// All that the Luna SDKs call, which the document does not have.
    pub fn of_luna_sdk() -> Vec<Self> {
        let read = |address: Address| {
            let has_body = address.method != Method::GET && address.method != Method::DELETE;
            let permission = address.permission.unwrap_or("public").to_owned();
            Self { method: address.method, path: address.path, permission, has_body }
        };
        let mut found: Vec<Self> = luna_sdk_addresses().into_iter().map(read).collect();
        let order = |operation: &Self| METHODS.iter().position(|method| *method == operation.method);
        found.sort_by_key(|operation| (operation.path.clone(), order(operation)));
        found
    }

    fn read(method: Method, path: &str, operation: &Value) -> Self {
        let permission = operation["x-permission"].as_str().expect("each operation has an x-permission").to_owned();
        Self { method, path: path.to_owned(), permission, has_body: operation.get("requestBody").is_some() }
    }

    /// Whether everyone may.
    pub fn is_public(&self) -> bool {
        self.permission == "public"
    }

    /// The names of what its path names.
    pub fn parameters(&self) -> Vec<String> {
        let name = |segment: &str| Some(segment.strip_prefix('{')?.strip_suffix('}')?.to_owned());
        self.path.split('/').filter_map(name).collect()
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.method, self.path)
    }
}
