//! What every test needs: a service of its own, and people in it.

mod app;
mod caller;
pub mod cluster;
pub mod deployment;
pub mod installation;
pub mod lab;
pub mod ledger;
pub mod notebook;
pub mod paths;
pub mod process;
pub mod proxy;
pub mod recorder;
pub mod sapi;
pub mod secret;
pub mod storm;
pub mod upstream;
pub mod wire;

pub use app::{App, PASSWORD, vault};
pub use caller::{Answer, Caller};

use serde_json::{Value, json};

/// Somebody to be added.
pub fn person(email: &str) -> Value {
    json!({"email": email, "given_name": "Petra", "family_name": "Person"})
}

/// A D-Wave token to be stored.
pub fn dwave(name: &str) -> Value {
    json!({"name": name, "provider": "dwave", "credential": {"token": "DEV-0123456789"}})
}

/// One member of each item of a list.
pub fn each<'v>(list: &'v Value, member: &str) -> Vec<&'v str> {
    list["items"].as_array().unwrap().iter().map(|item| item[member].as_str().unwrap()).collect()
}
