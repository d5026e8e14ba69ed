//! Accounts: what belongs to a person and not to an organization.

use sqlx::types::Json;

use super::change::{Change, Precondition, Target};
use super::{Repository, Result};
use crate::authentication::PasswordHash;
use crate::authorization::action::account::{ChangePassword, Read, Update};
use crate::authorization::{Authenticator, Grant};
use crate::domain::{
    Account, AccountMembership, MembershipStatus, OrganizationId, OrganizationSummary, PersonName, Refusal, Role,
    SessionId, TokenOwner, UserId, UserStatus,
};

pub(super) const NO_USER: Refusal = Refusal::NotFound("user");
const CLOSED: Refusal = Refusal::Unauthenticated("the account has been closed or disabled");

/// What people can change of their own account.
#[derive(Debug, Default)]
pub struct AccountChange {
    /// A new given name.
    pub given_name: Option<PersonName>,
    /// A new family name.
    pub family_name: Option<PersonName>,
    /// A new home organization, one of the own.
    pub home_organization: Option<OrganizationId>,
}

impl Repository {
    /// The caller's account. To an API key that is bound to an organization it tells of no other.
    pub async fn account(&self, grant: &Grant<Read>) -> Result<Account> {
        let mut account = account(&self.pool, grant.user()).await?;
        if let Some(only) = grant.authenticator().and_then(Authenticator::bound_to) {
            account.memberships.retain(|membership| membership.organization_id == only);
            account.home_organization_id = Some(only);
        }
        Ok(account)
    }

    /// Changes the caller's account.
    pub async fn update_account(
        &self,
        grant: &Grant<Update>,
        wanted: &AccountChange,
        precondition: Precondition,
    ) -> Result<Account> {
        let mut change = self.change(grant).await?;
        let user = grant.user();
        let before = sqlx::query!(
            "SELECT version FROM users WHERE id = $1 AND status = 'active' FOR NO KEY UPDATE",
            user.uuid()
        )
        .fetch_optional(&mut *change)
        .await?
        .ok_or(CLOSED)?;
        precondition.check(before.version)?;
        if let Some(home) = wanted.home_organization {
            let member = sqlx::query_scalar!(
                r#"SELECT EXISTS (SELECT 1 FROM memberships
                                   WHERE organization_id = $1 AND user_id = $2 AND status = 'active') AS "exists!""#,
                home.uuid(),
                user.uuid(),
            );
            if !member.fetch_one(&mut *change).await? {
                return Err(Refusal::NotAMember.into());
            }
        }
        let now = change.now;
        sqlx::query!(
            "UPDATE users
                SET given_name = coalesce($2, given_name), family_name = coalesce($3, family_name),
                    home_organization_id = coalesce($4, home_organization_id), version = version + 1, updated_at = $5
              WHERE id = $1",
            user.uuid(),
            wanted.given_name.as_ref().map(PersonName::as_str),
            wanted.family_name.as_ref().map(PersonName::as_str),
            wanted.home_organization.map(OrganizationId::uuid),
            now,
        )
        .execute(&mut *change)
        .await?;
        let account = account(&mut *change, user).await?;
        let (before, after) = (grant.home(), account.home_organization_id);
        let target = |organization| {
            let target = Target::new(organization, "user", user.uuid());
            if before == after { target } else { target.with("home", after.map(|home| home.to_string())) }
        };
        if before != after {
            change.record(&target(before)).await?;
        }
        change.commit(target(after)).await?;
        Ok(account)
    }

    /// Sets a new password and ends all sessions but `keep`.
    pub async fn change_password(
        &self,
        grant: &Grant<ChangePassword>,
        password: &PasswordHash,
        keep: Option<SessionId>,
    ) -> Result<()> {
        let mut change = self.change(grant).await?;
        let user = grant.user();
        let now = change.now;
        let home = sqlx::query_scalar!(
            r#"UPDATE users SET password_hash = $2, version = version + 1, updated_at = $3
                WHERE id = $1 AND status = 'active'
            RETURNING home_organization_id AS "home: OrganizationId""#,
            user.uuid(),
            password.as_str(),
            now,
        )
        .fetch_optional(&mut *change)
        .await?
        .ok_or(CLOSED)?;
        sqlx::query!(
            "DELETE FROM sessions WHERE user_id = $1 AND id IS DISTINCT FROM $2",
            user.uuid(),
            keep.map(SessionId::uuid)
        )
        .execute(&mut *change)
        .await?;
        change.commit(Target::new(home, "user", user.uuid())).await
    }
}

async fn account(connection: impl sqlx::PgExecutor<'_>, user: UserId) -> Result<Account> {
    let rows = sqlx::query!(
        r#"SELECT u.email, u.given_name, u.family_name, u.status AS "status: UserStatus",
                  u.home_organization_id AS "home: OrganizationId", u.created_at, u.version,
                  m.organization_id AS "organization_id?: OrganizationId", o.name AS "name?",
                  m.status AS "membership_status?: MembershipStatus", m.joined_at AS "joined_at?",
                  ARRAY (SELECT r.role FROM role_assignments r
                          WHERE r.organization_id = m.organization_id AND r.user_id = m.user_id
                          ORDER BY r.role) AS "roles!: Vec<Role>",
                  (SELECT jsonb_agg(jsonb_build_object('id', a.id, 'name', a.name) ORDER BY cardinality(a.path))
                     FROM organizations a WHERE a.id = ANY (o.path)) AS "path: Json<Vec<OrganizationSummary>>"
             FROM users u
             LEFT JOIN memberships m ON m.user_id = u.id
             LEFT JOIN organizations o ON o.id = m.organization_id
            WHERE u.id = $1
            ORDER BY m.created_at, m.organization_id"#,
        user.uuid()
    )
    .fetch_all(connection)
    .await?;
    let mut account = None;
    for row in rows {
        let account = account.get_or_insert(Account {
            id: user,
            email: row.email,
            given_name: row.given_name,
            family_name: row.family_name,
            status: row.status,
            home_organization_id: row.home,
            memberships: Vec::new(),
            created_at: row.created_at,
            version: row.version,
        });
        if let (Some(organization_id), Some(name), Some(status)) =
            (row.organization_id, row.name, row.membership_status)
        {
            // Above an organization that one is only invited to, nothing is shown.
            let path = row.path.map(|Json(path)| path).unwrap_or_default();
            let path = match status {
                MembershipStatus::Active => path,
                MembershipStatus::Invited => Vec::new(),
            };
            let (roles, joined_at) = (row.roles, row.joined_at);
            account.memberships.push(AccountMembership { organization_id, name, path, status, roles, joined_at });
        }
    }
    Ok(account.ok_or(NO_USER)?)
}

/// Makes sure that the account is not being closed at this moment: what it were given now would be there still when it
/// is opened anew, for somebody else. Holds it until the change ends. To be called before anything is locked.
pub(super) async fn still_active(change: &mut Change, user: UserId) -> Result<()> {
    sqlx::query!("SELECT id FROM users WHERE id = $1 AND status = 'active' FOR SHARE", user.uuid())
        .fetch_optional(&mut **change)
        .await?
        .ok_or(CLOSED)?;
    Ok(())
}

/// What follows for an account, which the caller has locked, from having left an organization: limits on tokens that it
/// cannot use any more go, and its home moves; and without any active membership its sessions and keys end and its
/// personal tokens are destroyed, data keys and all.
pub(super) async fn settle_after_leaving(change: &mut Change, user: UserId, was_active: bool) -> Result<()> {
    let home = sqlx::query_scalar!("SELECT home_organization_id FROM users WHERE id = $1", user.uuid())
        .fetch_one(&mut **change)
        .await?;
    // Somebody who lives elsewhere and was only invited here does not notice.
    if home.is_some() && !was_active {
        return Ok(());
    }
    forget_answers(change, user).await?;
    sqlx::query!(
        "DELETE FROM quotas q USING qpu_tokens t
          WHERE t.id = q.qpu_token_id AND q.user_id = $1
            AND NOT EXISTS (SELECT 1 FROM memberships m JOIN organizations o ON o.id = m.organization_id
                             WHERE m.user_id = $1 AND t.organization_id = ANY (o.path))",
        user.uuid(),
    )
    .execute(&mut **change)
    .await?;
    let now = change.now;
    let left = sqlx::query!(
        r#"UPDATE users u
              SET home_organization_id = coalesce(
                      (SELECT organization_id FROM memberships
                        WHERE user_id = u.id AND organization_id = u.home_organization_id AND status = 'active'),
                      (SELECT organization_id FROM memberships
                        WHERE user_id = u.id AND status = 'active' ORDER BY joined_at, organization_id LIMIT 1)),
                  version = version + 1, updated_at = $2
            WHERE u.id = $1
        RETURNING home_organization_id AS "home: OrganizationId",
                  EXISTS (SELECT 1 FROM memberships WHERE user_id = u.id) AS "invited!""#,
        user.uuid(),
        now,
    )
    .fetch_one(&mut **change)
    .await?;
    if left.home.is_some() {
        return Ok(());
    }
    let status = if left.invited { UserStatus::Invited } else { UserStatus::Disabled };
    sqlx::query!("UPDATE users SET status = $2, password_hash = NULL WHERE id = $1", user.uuid(), status.as_str(),)
        .execute(&mut **change)
        .await?;
    super::turns::take_turns(change, TokenOwner::User(user), None).await?;
    sqlx::query!("DELETE FROM qpu_tokens WHERE user_id = $1", user.uuid()).execute(&mut **change).await?;
    sqlx::query!("DELETE FROM familiar_addresses WHERE user_id = $1", user.uuid()).execute(&mut **change).await?;
    end_credentials(change, user).await
}

/// Ends all sessions and keys of an account, and the leases that no solver has redeemed yet.
pub(super) async fn end_credentials(change: &mut Change, user: UserId) -> Result<()> {
    sqlx::query!("DELETE FROM sessions WHERE user_id = $1", user.uuid()).execute(&mut **change).await?;
    sqlx::query!("DELETE FROM api_keys WHERE user_id = $1", user.uuid()).execute(&mut **change).await?;
    sqlx::query!("DELETE FROM leases WHERE user_id = $1 AND redeemed_at IS NULL", user.uuid())
        .execute(&mut **change)
        .await?;
    forget_answers(change, user).await
}

/// Idempotent answers are not repeated to somebody who has lost a right since.
pub(super) async fn forget_answers(change: &mut Change, user: UserId) -> Result<()> {
    sqlx::query!("DELETE FROM idempotent_answers WHERE user_id = $1", user.uuid()).execute(&mut **change).await?;
    Ok(())
}
