//! What was used of a token. Admins and auditors see everyone's use, everyone else their own.

use std::borrow::Cow;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, TimeDelta, Utc};
use deserr::Deserr;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use crate::authorization::action::token_verb::ReadUsage as Verb;
use crate::authorization::action::{personal_tokens, qpu_tokens};
use crate::authorization::{Grant, TokenAction};
use crate::domain::{DailyUsage, Job, Page, QpuTokenId, Refusal, Timestamp, Usage, UserReference};
use crate::http::csv;
use crate::http::input::{Query, Violations};
use crate::http::page::{PageQuery, list_query};
use crate::http::path::Path;
use crate::http::problem::Result;
use crate::http::routing::{Api, route};
use crate::http::state::AppState;
use crate::http::value::Moment;
use crate::repository::UsageFilter;

/// What a report covers if nothing is said, in days.
const DEFAULT_DAYS: TimeDelta = TimeDelta::days(30);

/// What it covers at most.
const MOST_DAYS: TimeDelta = TimeDelta::days(366);

pub fn routes(api: Api) -> Api {
    api.route(route!(get_qpu_token_usage))
        .route(route!(list_qpu_token_jobs))
        .route(route!(get_my_qpu_token_usage))
        .route(route!(list_my_qpu_token_jobs))
}

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserr, ToSchema)]
#[deserr(error = Violations, rename_all = lowercase)]
#[schema(rename_all = "lowercase")]
enum Format {
    Json,
    Csv,
}

/// The query of a report. A macro for the same reason as [`list_query`].
macro_rules! usage_query {
    ($(#[$doc:meta])* struct $name:ident { $($whose:tt)* }) => {
        $(#[$doc])*
        #[derive(Deserr, IntoParams)]
        #[deserr(error = Violations, deny_unknown_fields)]
        #[into_params(parameter_in = Query)]
        struct $name {
            /// Only what was submitted at this time or later; 30 days before `until`, if left out.
            #[deserr(default)]
            #[param(value_type = Option<DateTime<Utc>>)]
            since: Option<Moment>,
            /// Only what was submitted before this time; now, if left out. At most 366 days after `since`.
            #[deserr(default)]
            #[param(value_type = Option<DateTime<Utc>>)]
            until: Option<Moment>,
            $($whose)*
            /// For browsers, which cannot ask with `Accept`.
            #[deserr(default)]
            #[param(value_type = Option<Format>, inline)]
            format: Option<Format>,
        }
    };
}

usage_query! {
    /// Which part of the usage.
    struct UsageQuery {
        /// Only this user's: an id or an e-mail address.
        #[deserr(default)]
        #[param(value_type = Option<String>)]
        user: Option<UserReference>,
    }
}

usage_query! {
    /// Which part of one's own usage.
    struct MyUsageQuery {}
}

impl From<MyUsageQuery> for UsageQuery {
    fn from(MyUsageQuery { since, until, format }: MyUsageQuery) -> Self {
        Self { since, until, user: None, format }
    }
}

impl UsageQuery {
    fn filter(self, now: Timestamp) -> Result<UsageFilter, Refusal> {
        let until = self.until.map_or(now, |moment| moment.0);
        let since = self.since.map_or(until - DEFAULT_DAYS, |moment| moment.0);
        match until - since {
            window if window < TimeDelta::zero() => Err(Refusal::InvalidWindow),
            window if window > MOST_DAYS => Err(Refusal::WindowTooLong),
            _ => Ok(UsageFilter { user: self.user, since, until }),
        }
    }
}

/// What was used of a token.
#[derive(Serialize, ToSchema)]
struct UsageReport {
    /// The token.
    #[schema(value_type = Uuid)]
    token_id: QpuTokenId,
    /// What is counted, in words; `null` if the provider is not known here any more.
    #[schema(required)]
    unit: Option<String>,
    /// Begin of the report.
    since: DateTime<Utc>,
    /// End of the report.
    until: DateTime<Utc>,
    /// Everything together.
    total: Usage,
    /// By day (UTC), and by user. Days and users without jobs are left out.
    items: Vec<DailyUsage>,
}

impl UsageReport {
    /// One line for each item. A field that a spreadsheet would take for a formula starts with an apostrophe.
    fn into_csv(self) -> String {
        let unit = self.unit.unwrap_or_default();
        let mut table = String::new();
        let columns = ["day", "user_id", "user_email", "jobs", "used", "reserved", "unit"];
        csv::record(&mut table, columns.map(Cow::from));
        for DailyUsage { user, day, jobs, used, reserved } in self.items {
            let [jobs, used, reserved] = [jobs, used, reserved].map(|number| Cow::from(number.to_string()));
            let (day, id, email) = (day.to_string().into(), user.id.to_string().into(), user.email.into());
            csv::record(&mut table, [day, id, email, jobs, used, reserved, Cow::from(unit.as_str())]);
        }
        table
    }
}

async fn report<A: TokenAction<Verb>>(
    state: &AppState,
    grant: &Grant<A>,
    token_id: QpuTokenId,
    query: UsageQuery,
    headers: &HeaderMap,
) -> Result<Response> {
    let as_csv = query.format.map_or_else(|| csv::is_preferred(headers), |format| format == Format::Csv);
    let filter = query.filter(state.repository.clock().now())?;
    let usage = state.repository.usage(grant, token_id, &filter).await?;
    let report = UsageReport {
        token_id,
        unit: usage.provider.and_then(|name| state.settings.providers.get(&name)).map(|provider| provider.unit.clone()),
        since: filter.since,
        until: filter.until,
        total: usage.days.iter().map(DailyUsage::usage).fold(Usage::default(), Usage::and),
        items: usage.days,
    };
    let vary = (header::VARY, "accept".to_owned());
    if as_csv {
        let disposition = (header::CONTENT_DISPOSITION, format!("attachment; filename=\"usage-{token_id}.csv\""));
        let content_type = (header::CONTENT_TYPE, csv::TYPE.to_owned());
        return Ok(([content_type, disposition, vary], report.into_csv()).into_response());
    }
    Ok(([vary], Json(report)).into_response())
}

/// See what was used of a QPU token
///
/// Day by day and user by user, in the provider's native unit. Admins and auditors see everyone's use, everyone else their
/// own. With `Accept: text/csv` as a table: `day,user_id,user_email,jobs,used,reserved,unit`.
#[utoipa::path(get, path = "/v1/organizations/{organization}/qpu-tokens/{token}/usage", tag = "usage",
    params(("organization" = Uuid, Path, description = "the id of the organization that owns the token"),
           ("token" = Uuid, Path, description = "the token's id"), UsageQuery),
    responses((status = 200, description = "the usage",
               content((UsageReport = "application/json"), (String = "text/csv")))))]
async fn get_qpu_token_usage(
    grant: Grant<qpu_tokens::ReadUsage>,
    State(state): State<AppState>,
    Path(token): Path<QpuTokenId>,
    Query(query): Query<UsageQuery>,
    headers: HeaderMap,
) -> Result<Response> {
    report(&state, &grant, token, query, &headers).await
}

/// See what was used of an own QPU token
///
/// As for an organization's token.
#[utoipa::path(get, path = "/v1/me/qpu-tokens/{token}/usage", tag = "usage",
    params(("token" = Uuid, Path, description = "the token's id"), MyUsageQuery),
    responses((status = 200, description = "the usage",
               content((UsageReport = "application/json"), (String = "text/csv")))))]
async fn get_my_qpu_token_usage(
    grant: Grant<personal_tokens::ReadUsage>,
    State(state): State<AppState>,
    Path(token): Path<QpuTokenId>,
    Query(query): Query<MyUsageQuery>,
    headers: HeaderMap,
) -> Result<Response> {
    report(&state, &grant, token, query.into(), &headers).await
}

list_query! {
    /// Which entries of the ledger.
    struct JobsQuery {
        /// Only this user's: an id or an e-mail address.
        #[deserr(default)]
        #[param(value_type = Option<String>)]
        user: Option<UserReference>,
    }
}

/// List the jobs of a QPU token
///
/// The ledger itself, newest first: what each job was promised and has used. Admins and auditors see everyone's, everyone
/// else their own.
#[utoipa::path(get, path = "/v1/organizations/{organization}/qpu-tokens/{token}/usage/jobs", tag = "usage",
    params(("organization" = Uuid, Path, description = "the id of the organization that owns the token"),
           ("token" = Uuid, Path, description = "the token's id"), JobsQuery),
    responses((status = 200, description = "a page of jobs", body = Page<Job>)))]
async fn list_qpu_token_jobs(
    grant: Grant<qpu_tokens::ReadUsage>,
    State(state): State<AppState>,
    Path(token): Path<QpuTokenId>,
    Query(query): Query<JobsQuery>,
) -> Result<Json<Page<Job>>> {
    Ok(Json(state.repository.jobs(&grant, token, query.user.as_ref(), query.page()).await?))
}

/// List the jobs of an own QPU token
///
/// The ledger itself, newest first.
#[utoipa::path(get, path = "/v1/me/qpu-tokens/{token}/usage/jobs", tag = "usage",
    params(("token" = Uuid, Path, description = "the token's id"), PageQuery),
    responses((status = 200, description = "a page of jobs", body = Page<Job>)))]
async fn list_my_qpu_token_jobs(
    grant: Grant<personal_tokens::ReadUsage>,
    State(state): State<AppState>,
    Path(token): Path<QpuTokenId>,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<Job>>> {
    Ok(Json(state.repository.jobs(&grant, token, None, query.page()).await?))
}
