//! What of IBM's interfaces can be reached. Left out, among others: `/users/me`, `/accounts`, `/workloads` and `/tags` (all users
//! of the account), `/instances` except for one bit, and all of IAM but the exchange that the broker answers.

use http::Method;

use super::answers;
use crate::broker::head::Head;
use crate::broker::rule::{AllowList, Operation, Pages, Rule};
use crate::domain::JobKind;

/// Clients append their paths to what the member has set. `experimental` is a word that makes the client take a URL as it is.
const MOUNTS: &[(&str, &str)] = &[
    ("experimental/api/v1", "api"),
    ("api/v1", "api"),
    ("experimental/iam", "iam"),
    ("iam", "iam"),
    ("experimental/search", "search"),
    ("search", "search"),
    ("experimental/catalog/api/v1", "catalog"),
    ("globalcatalog/api/v1", "catalog"),
    ("catalog/api/v1", "catalog"),
    ("experimental/catalog", "catalog"),
    ("globalcatalog", "catalog"),
    ("catalog", "catalog"),
    ("experimental", "iam"),
    ("", "iam"),
    ("", "search"),
    ("", "api"),
];

/// Without their inputs, which can be long.
const PAGES: Pages = Pages { limit: "limit", offset: "offset", most: 200, set: &[("exclude_params", "true")] };

pub(super) fn allowed() -> AllowList {
    let api = |method, path, name| Rule::new(method, "api", path, name);
    let get = |path, name| api(Method::GET, path, name);
    AllowList::new(
        MOUNTS,
        vec![
            Rule::new(Method::POST, "iam", "identity/token", "iam:token").here().with_key_in_body(),
            Rule::new(Method::POST, "search", "v3/resources/search", "instances:search")
                .reads_request()
                .changes_answer(),
            Rule::new(Method::GET, "catalog", "{plan}", "plans:read").changes_answer(),
            get("backends", "backends:list"),
            get("backends/{backend}/configuration", "backends:read"),
            get("backends/{backend}/properties", "backends:read"),
            get("backends/{backend}/status", "backends:read"),
            get("backends/{backend}/defaults", "backends:read"),
            get("instances/usage", "instances:usage").changes_answer(),
            api(Method::POST, "jobs", "jobs:submit").submits(JobKind::Job),
            get("jobs", "jobs:list").lists("/jobs", "/id", &["/count"]).in_pages(PAGES),
            get("jobs/{job}", "jobs:read").changes_answer(),
            api(Method::DELETE, "jobs/{job}", "jobs:delete").destroys(),
            get("jobs/{job}/results", "jobs:results"),
            get("jobs/{job}/interim_results", "jobs:results"),
            get("jobs/{job}/logs", "jobs:logs"),
            get("jobs/{job}/metrics", "jobs:metrics").meters(answers::JOB_TELLS),
            api(Method::POST, "jobs/{job}/cancel", "jobs:cancel").cancels(),
            api(Method::PUT, "jobs/{job}/tags", "jobs:tag").reads_request(),
            api(Method::POST, "sessions", "sessions:create").submits(JobKind::Session),
            get("sessions/{session}", "sessions:read").changes_answer(),
            api(Method::PATCH, "sessions/{session}", "sessions:close").reads_request().cancels().changes_answer(),
            api(Method::DELETE, "sessions/{session}/close", "sessions:cancel").cancels(),
        ],
    )
}

/// Whether all parameters of a request's query are known: one that is not could name another instance, user or account.
pub(super) fn knows_parameters(operation: &Operation, head: &Head<'_>) -> bool {
    let known: &[&str] = match &*operation.rule.name {
        "instances:search" => &["limit", "timeout"],
        "backends:list" => &["include_mocks", "fields"],
        "backends:read" => &["calibration_id", "updated_before"],
        "jobs:list" => &[
            "limit",
            "offset",
            "pending",
            "program",
            "backend",
            "created_after",
            "created_before",
            "sort",
            "tags",
            "session_id",
            "exclude_params",
            "include_mocks",
        ],
        "jobs:read" => &["exclude_params"],
        _ => &[],
    };
    head.parameters().all(|(name, _)| known.contains(&&*name))
}
