//! The audit log.

use axum::Json;
use axum::extract::State;

use crate::authorization::Grant;
use crate::authorization::action::audit_events::List;
use crate::domain::{AuditEvent, OrganizationId, Page, UserId};
use crate::http::input::Query;
use crate::http::page::list_query;
use crate::http::problem::Result;
use crate::http::routing::{Api, route};
use crate::http::state::AppState;
use crate::http::value::{ActionName, AnyId, Moment};
use crate::repository::AuditFilter;

pub fn routes(api: Api) -> Api {
    api.route(route!(list_audit_events))
}

list_query! {
    /// Which events.
    struct ListQuery {
        /// What happened in this one instead, which was below: also after it was deleted.
        #[deserr(default)]
        #[param(value_type = Option<Uuid>)]
        organization: Option<OrganizationId>,
        /// Only what this user did.
        #[deserr(default)]
        #[param(value_type = Option<Uuid>)]
        actor: Option<UserId>,
        /// Only this action, such as `qpu-tokens:create`, or everything done to a noun: `qpu-tokens`.
        #[deserr(default)]
        #[param(value_type = Option<String>, pattern = "^[a-z-]{1,40}(:[a-z-]{1,40})?$")]
        action: Option<ActionName>,
        /// Only what was done to the thing of this id.
        #[deserr(default)]
        #[param(value_type = Option<Uuid>)]
        target: Option<AnyId>,
        /// Only what happened at this time or later.
        #[deserr(default)]
        #[param(value_type = Option<DateTime<Utc>>)]
        since: Option<Moment>,
        /// Only what happened before this time.
        #[deserr(default)]
        #[param(value_type = Option<DateTime<Utc>>)]
        until: Option<Moment>,
    }
}

/// Read the audit log
///
/// Who did what to what, when, from where, with which outcome; newest first.
#[utoipa::path(get, path = "/v1/organizations/{organization}/audit-events", tag = "audit-events",
    params(("organization" = Uuid, Path, description = "the organization's id"), ListQuery),
    responses((status = 200, description = "a page of events", body = Page<AuditEvent>)))]
async fn list_audit_events(
    grant: Grant<List>,
    State(state): State<AppState>,
    Query(query): Query<ListQuery>,
) -> Result<Json<Page<AuditEvent>>> {
    let page = query.page();
    let filter = AuditFilter {
        organization: query.organization,
        actor: query.actor,
        action: query.action.map(|action| action.0),
        target: query.target.map(|target| target.0),
        since: query.since.map(|moment| moment.0),
        until: query.until.map(|moment| moment.0),
    };
    Ok(Json(state.repository.audit_events(&grant, &filter, page).await?))
}
