//! Why somebody may use a token, or not: the same facts and the same decisions as where it is used, told instead of made.

use sqlx::PgConnection;
use sqlx::types::Json;

use super::{Repository, Result};
use crate::authorization::action::qpu_tokens::ReadAccess;
use crate::authorization::{Authenticator, Grant, OfToken, Reach, usable};
use crate::domain::{
    Access, AccessLimit, AccessReason, AccessToToken, LimitSubject, OrganizationId, OrganizationSummary, ProviderName,
    QpuTokenId, Quota, Refusal, Role, Timestamp, TokenOwner, UserId, UserReference, UserStatus, UserSummary,
};

impl Repository {
    /// Why a user may use a token of the grant's organization, or not; the caller, if none is named. Whoever is not admin
    /// asks about themselves. `estimate` is what is reserved for a job of unknown size.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] for a user who is neither in the organization nor below, nor anywhere else where the caller sees who
    /// is there.
    pub async fn access(
        &self,
        grant: &Grant<ReadAccess>,
        token: QpuTokenId,
        user: Option<&UserReference>,
        estimate: impl Fn(&ProviderName) -> i64 + Send,
    ) -> Result<Access> {
        let may_ask = is_about_caller(grant, user) || grant.is_admin() && grant.oversees();
        if !may_ask {
            return Err(Refusal::Forbidden("the admin role in this organization or above it").into());
        }
        let now = self.now();
        let mut connection = self.pool.acquire().await?;
        let (access_to, provider) = asked_token(&mut connection, grant, token).await?;
        let person = asked_person(&mut connection, grant, token, access_to.inherited, user, now).await?;
        let limits = limits(&mut connection, token, person.id).await?;
        let reason = reason(&person, token, grant.organization(), &access_to, now);
        Ok(Access {
            allowed: reason.allows(),
            reason,
            user: UserSummary { id: person.id, email: person.email },
            via: person.via.map(|Json(via)| via),
            roles: person.roles.unwrap_or_default(),
            token: access_to,
            estimate: estimate(&provider),
            tightest: limits.iter().min_by_key(|limit| limit.room(now)).cloned(),
            limits,
        })
    }
}

/// The user who is asked about, and what speaks for and against.
struct Person {
    id: UserId,
    email: String,
    status: UserStatus,
    /// Through which membership the user reaches the token.
    member_of: Option<OrganizationId>,
    admin: bool,
    /// The code of the limit that is in the way.
    in_the_way: Option<String>,
    roles: Option<Vec<Role>>,
    /// A member of an organization below.
    below: bool,
    /// Invited here or below.
    invited: bool,
    /// From the token's organization down to that of the membership.
    via: Option<Json<Vec<OrganizationSummary>>>,
}

fn is_about_caller(grant: &Grant<ReadAccess>, user: Option<&UserReference>) -> bool {
    user.is_none_or(|user| grant.is_by(user))
}

async fn asked_token(
    connection: &mut PgConnection,
    grant: &Grant<ReadAccess>,
    token: QpuTokenId,
) -> Result<(AccessToToken, ProviderName)> {
    let found = sqlx::query!(
        "SELECT inherited, enabled, expires_at, provider FROM qpu_tokens
          WHERE id = $1 AND organization_id = $2 AND (inherited OR NOT $3)",
        token.uuid(),
        grant.organization().uuid(),
        grant.sees_inherited_only(),
    );
    let found = found.fetch_optional(connection).await?.ok_or(Refusal::NotFound("QPU token"))?;
    let access_to = AccessToToken { inherited: found.inherited, enabled: found.enabled, expires_at: found.expires_at };
    Ok((access_to, found.provider.parse().map_err(|_| Refusal::UnknownProvider)?))
}

async fn asked_person(
    connection: &mut PgConnection,
    grant: &Grant<ReadAccess>,
    token: QpuTokenId,
    inherited: bool,
    user: Option<&UserReference>,
    now: Timestamp,
) -> Result<Person> {
    // Of oneself one knows that one is there, as an admin from above.
    let own = is_about_caller(grant, user);
    let caller = grant.caller().filter(|_| own);
    // Whoever sees another organization's directory knows who is there. A key that is bound sees no other organization.
    let unbound = grant.authenticator().is_some_and(|authenticator| authenticator.bound_to().is_none());
    let everywhere = grant.caller().filter(|_| unbound);
    let bound_to = grant.authenticator().filter(|_| own).and_then(Authenticator::bound_to);
    let found = sqlx::query_as!(
        Person,
        r#"SELECT u.id AS "id: UserId", u.email, u.status AS "status: UserStatus",
                  r.member_of AS "member_of: OrganizationId", r.admin AS "admin!",
                  limit_in_the_way($1, u.id, 0, $7) AS in_the_way,
                  (SELECT roles FROM standing(u.id, $2)) AS "roles: Vec<Role>",
                  coalesce(bool_or(m.status = 'active'), false) AS "below!",
                  coalesce(bool_or(m.status = 'invited'), false) AS "invited!",
                  (SELECT jsonb_agg(jsonb_build_object('id', a.id, 'name', a.name) ORDER BY cardinality(a.path))
                     FROM organizations of JOIN organizations a ON a.id = ANY (of.path)
                    WHERE of.id = r.member_of AND $2 = ANY (a.path)) AS "via: Json<Vec<OrganizationSummary>>"
             FROM users u
            CROSS JOIN LATERAL reach(u.id, $2, $3, $6) r
             LEFT JOIN (memberships m JOIN organizations o ON o.id = m.organization_id AND $2 = ANY (o.path))
                    ON m.user_id = u.id
            WHERE CASE WHEN $8::uuid IS NULL THEN u.id = $4 OR u.email_key = $5 ELSE u.id = $8 END
            GROUP BY u.id, r.member_of, r.admin
           HAVING count(m.user_id) > 0 OR u.id = $8
               OR EXISTS (SELECT FROM memberships e CROSS JOIN LATERAL standing($9, e.organization_id) s
                           WHERE e.user_id = u.id AND s.roles && ARRAY['admin', 'auditor'])"#,
        token.uuid(),
        grant.organization().uuid(),
        inherited,
        user.and_then(UserReference::id).map(UserId::uuid),
        user.and_then(UserReference::email_key),
        bound_to.map(OrganizationId::uuid),
        now,
        caller.map(UserId::uuid),
        everywhere.map(UserId::uuid),
    );
    Ok(found.fetch_optional(connection).await?.ok_or(super::accounts::NO_USER)?)
}

/// The limits that apply to a user, the organization's first.
async fn limits(connection: &mut PgConnection, token: QpuTokenId, user: UserId) -> Result<Vec<AccessLimit>> {
    let rows = sqlx::query!(
        r#"SELECT user_id IS NULL AS "everyone!", quota, starts_at, ends_at, quota_used, reserved, version
             FROM quotas WHERE qpu_token_id = $1 AND (user_id IS NULL OR user_id = $2) ORDER BY user_id NULLS FIRST"#,
        token.uuid(),
        user.uuid(),
    );
    let limits = rows.fetch_all(connection).await?.into_iter().map(|row| {
        let (start, end, quota_used, reserved) = (row.starts_at, row.ends_at, row.quota_used, row.reserved);
        let quota = Quota { quota: row.quota, start, end, quota_used, reserved, version: row.version };
        AccessLimit::new(if row.everyone { LimitSubject::Organization } else { LimitSubject::User }, &quota)
    });
    Ok(limits.collect())
}

fn reason(
    person: &Person,
    token: QpuTokenId,
    owner: OrganizationId,
    access_to: &AccessToToken,
    now: Timestamp,
) -> AccessReason {
    let in_the_way = person.in_the_way.as_deref().map(super::jobs::refusal);
    let reach = Reach {
        token: OfToken { token, owner: TokenOwner::Organization(owner), member_of: person.member_of },
        user: person.member_of.is_some(),
        admin: person.admin,
        enabled: access_to.enabled,
        expires_at: access_to.expires_at,
        outside_window: in_the_way == Some(Refusal::QuotaNotActive),
    };
    match (person.status, person.member_of) {
        (UserStatus::Disabled, _) => AccessReason::AccountDisabled,
        (_, None) if person.below => AccessReason::NotInherited,
        (_, None) if person.invited => AccessReason::Invited,
        (_, None) => AccessReason::NotAMember,
        (_, Some(member_of)) => match (usable(&reach, now), in_the_way) {
            (Err(refusal), _) | (Ok(()), Some(refusal)) => refusal.into(),
            (Ok(()), None) if member_of == owner => AccessReason::Member,
            (Ok(()), None) => AccessReason::MemberBelow,
        },
    }
}
