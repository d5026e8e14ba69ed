//! Who may do what: every operation of `openapi.yaml`, tried by every kind of caller.
//!
//! The outcome are the tables in `snapshots/authorization*.snap`, which are meant to be read. A route that is new, gone or
//! guarded otherwise changes them. Whoever means that change looks at each cell, with the rules in
//! `src/authorization/action.rs` at hand, and then lets the test write it: `INSTA_UPDATE=always cargo test authorization`.

mod luna_sdk;
pub mod operation;
mod request;
mod table;
mod world;

use reqwest::Method;

use self::operation::Operation;
use self::request::{About, Request};
use self::table::Table;
use self::world::{Kind, World};
use crate::support::{Answer, App, Caller};

/// Open to everyone, and why.
const PUBLIC: [&str; 7] = [
    // They verify our access tokens.
    "GET /.well-known/jwks.json",
    // They watch over the process, and learn nothing else.
    "GET /healthz",
    "GET /readyz",
    // The token of the link is the right.
    "POST /v1/invitations/accept",
    // Here one gets what is asked for elsewhere.
    "POST /v1/sessions",
    "POST /v1/sessions/refresh",
    "POST /accessToken",
];

#[tokio::test]
async fn every_operation_answers_every_kind_of_caller_as_the_table_says() {
    let world = World::new().await;
    let mut table = Table::new(&world.callers);
    for operation in Operation::all() {
        for about in About::rows(&operation) {
            let mut statuses = Vec::new();
            for kind in &world.callers {
                let request = request::request(&world, kind, &operation, about).await;
                statuses.push(cell(kind, &operation, request).await);
            }
            table.row(&operation, &statuses, about.remark());
        }
    }
    read("authorization", &table.into_text());
}

#[tokio::test]
async fn the_luna_sdk_wire_answers_every_kind_of_caller_as_its_table_says() {
    let world = World::new().await;
    let mut table = Table::new(&world.callers);
    for operation in Operation::of_luna_sdk().iter().filter(|operation| !operation.path.starts_with("/luna-")) {
        for about in About::rows(operation) {
            let mut statuses = Vec::new();
            for kind in &world.callers {
                let request = luna_sdk::request(&world, kind, operation, about).await;
                statuses.push(cell(kind, operation, request).await);
            }
            table.row(operation, &statuses, about.remark());
        }
    }
    read("authorization_of_luna_sdk", &table.into_text());
}

/// The generations with a key find the same routes, guarded the same, in three places. The table has one of them.
#[test]
fn the_luna_sdk_wire_is_the_same_in_all_its_places() {
    let below = |mount: &str| -> Vec<(Method, String, String)> {
        let all = Operation::of_luna_sdk().into_iter();
        let of_place = |operation: Operation| {
            let rest = operation.path.strip_prefix(mount)?.to_owned();
            Some((operation.method, rest, operation.permission))
        };
        all.filter_map(of_place).collect()
    };
    let plain = below("/api/v1/");
    assert!(plain.len() > 15, "{plain:?}");
    assert_eq!(below("/luna-solve/api/v1/"), plain);
    assert_eq!(below("/luna-q/api/v1/"), plain);
    assert_eq!(below("/luna-").len(), 2 * plain.len());
}

/// The status that the caller gets.
async fn cell(kind: &Kind, operation: &Operation, request: Request) -> String {
    let answer = request.sent_by(&kind.caller).await;
    let (status, who) = (answer.status.as_u16(), kind.heading.join(" "));
    // Anything else means that the request was not as good as it should be, and the cell would say nothing.
    assert!(matches!(status, 200..=204 | 401 | 403 | 404), "{operation} by {who}: {status} {}", answer.text);
    status.to_string()
}

/// Compares a table with the one that people have read.
fn read(name: &str, table: &str) {
    insta::with_settings!({prepend_module_to_snapshot => false, omit_expression => true}, {
        insta::assert_snapshot!(name, table);
    });
}

fn everything() -> Vec<Operation> {
    Operation::all().into_iter().chain(Operation::of_luna_sdk()).collect()
}

#[test]
fn no_more_than_these_operations_are_open_to_everyone() {
    let public: Vec<String> =
        everything().iter().filter(|operation| operation.is_public()).map(ToString::to_string).collect();
    assert_eq!(public, PUBLIC);
}

#[tokio::test]
async fn whoever_presents_no_working_credential_is_told_how_to() {
    let app = App::start().await;
    let wrong = [
        app.anonymous(),
        Caller::with_access_token(&app.base_url, "nonsense"),
        Caller::with_api_key(&app.base_url, "luna_nonsense"),
    ];
    for operation in everything().iter().filter(|operation| !operation.is_public()) {
        // The path names nothing, in words that no id is written in: that is not for a stranger to learn.
        let path = operation.path.replace(['{', '}'], "");
        for caller in &wrong {
            let answer = Answer::to(caller.request(operation.method.clone(), &path)).await;
            // In the words of whom the address is for; the status and this header are everybody's.
            assert_eq!(answer.status.as_u16(), 401, "{operation}: {}", answer.text);
            assert!(answer.headers.contains_key("www-authenticate"), "{operation}");
        }
    }
}
