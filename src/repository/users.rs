//! The directory of one organization: everything here is looked up by (organization, user).

use chrono::TimeDelta;
use uuid::Uuid;

use super::accounts::NO_USER;
use super::change::{Change, Precondition, Target};
use super::{Repository, Result};
use crate::authentication::InvitationDigest;
use crate::authorization::Grant;
use crate::authorization::action::users::{Create, Delete, List, Read, Update};
use crate::domain::{
    EmailAddress, Invitation, InvitationId, OrganizationId, Page, PageRequest, PersonName, Refusal, Role, User, UserId,
    UserReference, UserStatus,
};

/// Somebody to be added.
#[derive(Debug)]
pub struct NewUser {
    /// The account's address; a new account if there is none.
    pub email: EmailAddress,
    /// Given name.
    pub given_name: PersonName,
    /// Family name.
    pub family_name: PersonName,
}

/// What can be changed of a user.
#[derive(Debug, Default)]
pub struct UserChange {
    /// A new given name.
    pub given_name: Option<PersonName>,
    /// A new family name.
    pub family_name: Option<PersonName>,
    /// `active` or `disabled`.
    pub status: Option<UserStatus>,
}

/// Which users to list.
#[derive(Debug, Default)]
pub struct UserFilter {
    /// Only those in this state.
    pub status: Option<UserStatus>,
    /// Only those who hold this role here.
    pub role: Option<Role>,
}

impl Repository {
    /// The organization's users, in the order in which their accounts were made.
    pub async fn users(&self, grant: &Grant<List>, filter: &UserFilter, page: PageRequest) -> Result<Page<User>> {
        let users = sqlx::query_as!(
            User,
            r#"SELECT id AS "id!", email AS "email!", given_name AS "given_name!", family_name AS "family_name!",
                      status AS "status!: UserStatus", roles AS "roles!: Vec<Role>",
                      organization_id AS "organization_id!", created_at AS "created_at!", joined_at,
                      version AS "version!"
                 FROM directory
                WHERE organization_id = $1 AND id > $2
                  AND ($3::text IS NULL OR status = $3) AND ($4::text IS NULL OR $4 = ANY (roles))
                ORDER BY id LIMIT $5"#,
            grant.organization().uuid(),
            page.after_or_start(),
            filter.status.map(UserStatus::as_str),
            filter.role.map(Role::as_str),
            page.fetch(),
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(Page::new(users, page, |user| user.id.uuid()))
    }

    /// One user of the organization.
    pub async fn user(&self, grant: &Grant<Read>, user: &UserReference) -> Result<User> {
        find(&self.pool, grant.organization(), user).await
    }

    /// Adds a user, who is invited until the invitation is accepted. An account that exists keeps its name and password.
    pub async fn add_user(
        &self,
        grant: &Grant<Create>,
        new: &NewUser,
        digest: &InvitationDigest,
        lifetime: TimeDelta,
    ) -> Result<(User, Invitation)> {
        let organization = grant.organization();
        let mut change = self.change(grant).await?;
        let id = account_for(&mut change, new).await?;
        let now = change.now;
        sqlx::query!(
            "INSERT INTO memberships (organization_id, user_id, status, created_at) VALUES ($1, $2, 'invited', $3)",
            organization.uuid(),
            id.uuid(),
            now,
        )
        .execute(&mut *change)
        .await?;
        let invitation = InvitationId::new();
        sqlx::query!(
            "INSERT INTO invitations (id, organization_id, user_id, token_digest, given_name, family_name, created_at,
                                      expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            invitation.uuid(),
            organization.uuid(),
            id.uuid(),
            digest.as_bytes(),
            new.given_name.as_str(),
            new.family_name.as_str(),
            now,
            now + lifetime,
        )
        .execute(&mut *change)
        .await?;
        let user = find(&mut *change, organization, &UserReference::Id(id)).await?;
        let email = user.email.clone();
        let invitation = Invitation { id: invitation, user_id: id, email, created_at: now, expires_at: now + lifetime };
        let target = Target::new(organization, "user", id.uuid()).with("email", new.email.as_str());
        change.commit(target).await?;
        Ok((user, invitation))
    }

    /// Changes a user's name or status. Before the invitation is accepted only the name that it shows; afterwards the
    /// account, which belongs to the admins of its home organization and of those above it.
    pub async fn update_user(
        &self,
        grant: &Grant<Update>,
        user: &UserReference,
        wanted: &UserChange,
        precondition: Precondition,
    ) -> Result<User> {
        let organization = grant.organization();
        let mut change = self.change(grant).await?;
        let before = find_for_update(&mut change, organization, user).await?;
        precondition.check(before.version)?;
        if before.status == UserStatus::Invited {
            rename_invitee(&mut change, organization, before.id, wanted).await?;
        } else {
            update_account(&mut change, organization, before.id, wanted).await?;
        }
        let after = find(&mut *change, organization, &UserReference::Id(before.id)).await?;
        let mut target = Target::new(organization, "user", before.id.uuid());
        if let Some(status) = wanted.status {
            target = target.with("status", status.as_str());
        }
        change.commit(target).await?;
        Ok(after)
    }

    /// Removes a user from the organization; from the last one, and the account is closed.
    pub async fn remove_user(
        &self,
        grant: &Grant<Delete>,
        user: &UserReference,
        precondition: Precondition,
    ) -> Result<()> {
        let organization = grant.organization();
        let mut change = self.change(grant).await?;
        let user = find_for_update(&mut change, organization, user).await?;
        precondition.check(user.version)?;
        sqlx::query!(
            "DELETE FROM memberships WHERE organization_id = $1 AND user_id = $2",
            organization.uuid(),
            user.id.uuid()
        )
        .execute(&mut *change)
        .await?;
        sqlx::query!(
            "DELETE FROM api_keys WHERE organization_id = $1 AND user_id = $2",
            organization.uuid(),
            user.id.uuid()
        )
        .execute(&mut *change)
        .await?;
        super::accounts::settle_after_leaving(&mut change, user.id, user.status != UserStatus::Invited).await?;
        change.commit(Target::new(organization, "user", user.id.uuid()).with("email", user.email)).await
    }
}

/// One row of the directory.
pub(super) async fn find<'c>(
    connection: impl sqlx::PgExecutor<'c>,
    organization: OrganizationId,
    user: &UserReference,
) -> Result<User> {
    let user = sqlx::query_as!(
        User,
        r#"SELECT id AS "id!", email AS "email!", given_name AS "given_name!", family_name AS "family_name!",
                  status AS "status!: UserStatus", roles AS "roles!: Vec<Role>",
                  organization_id AS "organization_id!", created_at AS "created_at!", joined_at, version AS "version!"
             FROM directory WHERE organization_id = $1 AND (id = $2 OR email_key = $3)"#,
        organization.uuid(),
        user.id().map(UserId::uuid),
        user.email_key(),
    )
    .fetch_optional(connection)
    .await?;
    Ok(user.ok_or(NO_USER)?)
}

/// As [`find`], with the account locked: whatever else is done to this user waits. Not so strongly that a mere reference
/// to the account waits too; accounts are never deleted.
pub(super) async fn find_for_update(
    change: &mut Change,
    organization: OrganizationId,
    user: &UserReference,
) -> Result<User> {
    sqlx::query!(
        "SELECT u.id FROM users u JOIN memberships m ON m.user_id = u.id AND m.organization_id = $1
          WHERE u.id = $2 OR u.email_key = $3 FOR NO KEY UPDATE OF u",
        organization.uuid(),
        user.id().map(UserId::uuid),
        user.email_key(),
    )
    .fetch_optional(&mut **change)
    .await?
    .ok_or(NO_USER)?;
    find(&mut **change, organization, user).await
}

/// The account of this address, locked; a new one if there is none, and a closed one is opened anew.
async fn account_for(change: &mut Change, new: &NewUser) -> Result<UserId> {
    let now = change.now;
    let id: Uuid = sqlx::query_scalar!(
        "INSERT INTO users (id, email, email_key, given_name, family_name, status, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, 'invited', $6, $6)
         ON CONFLICT (email_key) DO UPDATE SET email_key = excluded.email_key
         RETURNING id",
        UserId::new().uuid(),
        new.email.as_str(),
        new.email.key(),
        new.given_name.as_str(),
        new.family_name.as_str(),
        now,
    )
    .fetch_one(&mut **change)
    .await?;
    // Closed by its last removal, and not disabled by the admins that it has: nothing but the address is left of it.
    sqlx::query!(
        "UPDATE users SET status = 'invited', password_hash = NULL
          WHERE id = $1 AND status = 'disabled' AND NOT EXISTS (SELECT 1 FROM memberships WHERE user_id = $1)",
        id
    )
    .execute(&mut **change)
    .await?;
    Ok(id.into())
}

async fn rename_invitee(
    change: &mut Change,
    organization: OrganizationId,
    user: UserId,
    wanted: &UserChange,
) -> Result<()> {
    if wanted.status.is_some_and(|status| status != UserStatus::Invited) {
        return Err(Refusal::NotAccepted.into());
    }
    sqlx::query!(
        "WITH renamed AS (
             UPDATE invitations SET given_name = coalesce($3, given_name), family_name = coalesce($4, family_name)
              WHERE organization_id = $1 AND user_id = $2)
         UPDATE memberships SET version = version + 1 WHERE organization_id = $1 AND user_id = $2",
        organization.uuid(),
        user.uuid(),
        wanted.given_name.as_ref().map(PersonName::as_str),
        wanted.family_name.as_ref().map(PersonName::as_str),
    )
    .execute(&mut **change)
    .await?;
    Ok(())
}

/// The account is in this organization's hands if its home is here or below and it holds no role elsewhere: an admin
/// below must not be able to disable one above.
async fn update_account(
    change: &mut Change,
    organization: OrganizationId,
    user: UserId,
    wanted: &UserChange,
) -> Result<()> {
    if wanted.status == Some(UserStatus::Invited) {
        return Err(Refusal::NotAccepted.into());
    }
    let now = change.now;
    let updated = sqlx::query!(
        "UPDATE users u
            SET given_name = coalesce($3, given_name), family_name = coalesce($4, family_name),
                status = coalesce($5, status), version = u.version + 1, updated_at = $6
          WHERE u.id = $2
            AND EXISTS (SELECT 1 FROM organizations h WHERE h.id = u.home_organization_id AND $1 = ANY (h.path))
            AND NOT EXISTS (SELECT 1 FROM role_assignments r
                              JOIN memberships m USING (organization_id, user_id)
                              JOIN organizations o ON o.id = r.organization_id
                             WHERE r.user_id = u.id AND m.status = 'active' AND $1 <> ALL (o.path))",
        organization.uuid(),
        user.uuid(),
        wanted.given_name.as_ref().map(PersonName::as_str),
        wanted.family_name.as_ref().map(PersonName::as_str),
        wanted.status.map(UserStatus::as_str),
        now,
    )
    .execute(&mut **change)
    .await?;
    if updated.rows_affected() == 0 {
        return Err(Refusal::NotHomeOrganization.into());
    }
    if wanted.status == Some(UserStatus::Disabled) {
        super::accounts::end_credentials(change, user).await?;
    }
    Ok(())
}
