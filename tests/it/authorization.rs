//! Who may do what: every operation of `openapi.yaml`, tried by every kind of caller.
//!
//! The outcome is the table in `snapshots/authorization.snap`, which is meant to be read. A route that is new, gone or
//! guarded otherwise changes it. Whoever means that change looks at each cell, with the rules in
//! `src/authorization/action.rs` at hand, and then lets the test write it: `INSTA_UPDATE=always cargo test authorization`.

mod operation;
mod request;
mod table;
mod world;

use reqwest::Method;

use self::operation::Operation;
use self::request::About;
use self::table::Table;
use self::world::World;
use crate::support::{Answer, App, Caller};

/// Open to everyone, and why.
const PUBLIC: [&str; 6] = [
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
];

#[tokio::test]
async fn every_operation_answers_every_kind_of_caller_as_the_table_says() {
    let world = World::new().await;
    let mut table = Table::new(&world.callers);
    for operation in Operation::all() {
        for about in About::rows(&operation) {
            let mut statuses = Vec::new();
            for kind in &world.callers {
                let wanted = request::request(&world, kind, &operation, about).await;
                let request = kind.caller.request(wanted.method, &wanted.path);
                let answer = Answer::to(if wanted.body.is_null() { request } else { request.json(&wanted.body) }).await;
                let status = answer.status.as_u16();
                let who = kind.heading.join(" ");
                // Anything else means that the request was not as good as it should be, and the cell would say nothing.
                assert!(
                    matches!(status, 200..=204 | 401 | 403 | 404),
                    "{operation} by {who}: {status} {}",
                    answer.text
                );
                statuses.push(status.to_string());
            }
            table.row(&operation, &statuses, about.remark());
        }
    }
    insta::with_settings!({prepend_module_to_snapshot => false, omit_expression => true}, {
        insta::assert_snapshot!("authorization", table.into_text());
    });
}

#[test]
fn no_more_than_these_operations_are_open_to_everyone() {
    let public: Vec<String> =
        Operation::all().iter().filter(|operation| operation.is_public()).map(ToString::to_string).collect();
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
    for operation in Operation::all().iter().filter(|operation| !operation.is_public()) {
        // The path names nothing, in words that no id is written in: that is not for a stranger to learn.
        let path = operation.path.replace(['{', '}'], "");
        for caller in &wrong {
            let answer = Answer::to(caller.request(operation.method.clone(), &path)).await;
            answer.expect_problem(401, "unauthenticated");
            assert!(answer.headers.contains_key("www-authenticate"), "{operation}");
        }
    }
}
