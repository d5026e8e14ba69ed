//! Invitations: made with the membership, gone when it is accepted or withdrawn.

use chrono::TimeDelta;
use uuid::Uuid;

use super::change::Target;
use super::users::find;
use super::{Repository, Result};
use crate::authentication::{InvitationDigest, PasswordHash, PasswordVerified};
use crate::authorization::Grant;
use crate::authorization::action::invitations::{Accept, Delete, List, Resend};
use crate::domain::{
    Invitation, InvitationId, OrganizationId, Page, PageRequest, Refusal, User, UserId, UserReference, UserStatus,
};

const NO_INVITATION: Refusal = Refusal::NotFound("invitation");

/// Whom an invitation is for.
pub struct Invitee {
    /// The account's address.
    pub email: String,
    /// The account is active already: accepting takes its own password and no new one.
    pub active: bool,
}

/// With what an invitation is accepted.
pub enum Acceptance {
    /// A new account's first password.
    NewPassword(PasswordHash),
    /// An active account proved its own: otherwise whoever adds somebody could set that person's password.
    OwnPassword(PasswordVerified),
}

impl Repository {
    /// The organization's pending invitations.
    pub async fn invitations(&self, grant: &Grant<List>, page: PageRequest) -> Result<Page<Invitation>> {
        let invitations = sqlx::query_as!(
            Invitation,
            "SELECT i.id, i.user_id, u.email, i.created_at, i.expires_at
               FROM invitations i JOIN users u ON u.id = i.user_id
              WHERE i.organization_id = $1 AND i.id > $2 ORDER BY i.id LIMIT $3",
            grant.organization().uuid(),
            page.after_or_start(),
            page.fetch(),
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(Page::new(invitations, page, |invitation| invitation.id.uuid()))
    }

    /// Gives the invitation a new token and a new expiry; the old token stops working.
    pub async fn resend_invitation(
        &self,
        grant: &Grant<Resend>,
        id: InvitationId,
        digest: &InvitationDigest,
        lifetime: TimeDelta,
    ) -> Result<Invitation> {
        let mut change = self.change(grant).await?;
        let now = change.now;
        let invitation = sqlx::query_as!(
            Invitation,
            "UPDATE invitations i SET token_digest = $3, expires_at = $4 FROM users u
              WHERE i.organization_id = $1 AND i.id = $2 AND u.id = i.user_id
          RETURNING i.id, i.user_id, u.email, i.created_at, i.expires_at",
            grant.organization().uuid(),
            id.uuid(),
            digest.as_bytes(),
            now + lifetime,
        )
        .fetch_optional(&mut *change)
        .await?
        .ok_or(NO_INVITATION)?;
        change.commit(Target::new(grant.organization(), "invitation", id.uuid())).await?;
        Ok(invitation)
    }

    /// Withdraws the invitation and the membership that waits for it.
    pub async fn delete_invitation(&self, grant: &Grant<Delete>, id: InvitationId) -> Result<()> {
        let mut change = self.change(grant).await?;
        let user: UserId = sqlx::query_scalar!(
            r#"SELECT u.id AS "id: UserId" FROM invitations i JOIN users u ON u.id = i.user_id
                WHERE i.organization_id = $1 AND i.id = $2 FOR NO KEY UPDATE OF u"#,
            grant.organization().uuid(),
            id.uuid(),
        )
        .fetch_optional(&mut *change)
        .await?
        .ok_or(NO_INVITATION)?;
        // It may have been accepted while the account was waited for.
        let deleted = sqlx::query!(
            "DELETE FROM memberships m USING invitations i
              WHERE i.id = $2 AND m.organization_id = $1 AND i.organization_id = $1 AND i.user_id = m.user_id",
            grant.organization().uuid(),
            id.uuid(),
        )
        .execute(&mut *change)
        .await?;
        if deleted.rows_affected() == 0 {
            return Err(NO_INVITATION.into());
        }
        super::accounts::settle_after_leaving(&mut change, user, false).await?;
        let target = Target::new(grant.organization(), "invitation", id.uuid()).with("user", user.to_string());
        change.commit(target).await
    }

    /// Whom the held token invites, if it is good.
    pub async fn invitee(&self, grant: &Grant<Accept>) -> Result<Invitee> {
        let row = sqlx::query!(
            r#"SELECT u.email, u.status AS "status: UserStatus"
                 FROM invitations i JOIN users u ON u.id = i.user_id
                WHERE i.token_digest = $1 AND i.expires_at > $2"#,
            grant.digest().as_bytes(),
            self.now(),
        )
        .fetch_optional(&self.pool)
        .await?
        .ok_or(Refusal::InvalidInvitation)?;
        match row.status {
            UserStatus::Invited => Ok(Invitee { email: row.email, active: false }),
            UserStatus::Active => Ok(Invitee { email: row.email, active: true }),
            UserStatus::Disabled => Err(Refusal::InvalidInvitation.into()),
        }
    }

    /// Spends the held token: the membership becomes active, and the account if it was not.
    pub async fn accept_invitation(&self, grant: &Grant<Accept>, acceptance: &Acceptance) -> Result<User> {
        let mut change = self.change(grant).await?;
        let now = change.now;
        // The account before the invitation, as everywhere; then the invitation as it is now.
        sqlx::query!(
            "SELECT u.id FROM invitations i JOIN users u ON u.id = i.user_id
              WHERE i.token_digest = $1 FOR NO KEY UPDATE OF u",
            grant.digest().as_bytes(),
        )
        .fetch_optional(&mut *change)
        .await?
        .ok_or(Refusal::InvalidInvitation)?;
        let held = sqlx::query!(
            r#"SELECT i.id, i.organization_id AS "organization: OrganizationId", i.given_name, i.family_name,
                      u.id AS "user: UserId", u.email, u.status AS "status: UserStatus"
                 FROM invitations i JOIN users u ON u.id = i.user_id
                WHERE i.token_digest = $1 AND i.expires_at > $2
                  FOR UPDATE OF i"#,
            grant.digest().as_bytes(),
            now,
        )
        .fetch_optional(&mut *change)
        .await?
        .ok_or(Refusal::InvalidInvitation)?;
        match (acceptance, held.status) {
            (Acceptance::NewPassword(password), UserStatus::Invited) => {
                sqlx::query!(
                    "UPDATE users SET status = 'active', password_hash = $2, given_name = $3, family_name = $4,
                                      version = version + 1, updated_at = $5
                      WHERE id = $1",
                    held.user.uuid(),
                    password.as_str(),
                    held.given_name,
                    held.family_name,
                    now,
                )
                .execute(&mut *change)
                .await?;
            }
            (Acceptance::OwnPassword(verified), UserStatus::Active) if verified.user() == held.user => {}
            _ => return Err(Refusal::InvalidInvitation.into()),
        }
        join(&mut change, held.id, held.organization, held.user).await?;
        let user = find(&mut *change, held.organization, &UserReference::Id(held.user)).await?;
        change.acted_by(held.user, held.email);
        change.commit(Target::new(held.organization, "user", held.user.uuid())).await?;
        Ok(user)
    }
}

async fn join(
    change: &mut super::change::Change,
    invitation: Uuid,
    organization: OrganizationId,
    user: UserId,
) -> Result<()> {
    let now = change.now;
    sqlx::query!("DELETE FROM invitations WHERE id = $1", invitation).execute(&mut **change).await?;
    sqlx::query!(
        "UPDATE memberships SET status = 'active', joined_at = $3, version = version + 1
          WHERE organization_id = $1 AND user_id = $2",
        organization.uuid(),
        user.uuid(),
        now,
    )
    .execute(&mut **change)
    .await?;
    sqlx::query!(
        "UPDATE users SET home_organization_id = coalesce(home_organization_id, $2) WHERE id = $1",
        user.uuid(),
        organization.uuid(),
    )
    .execute(&mut **change)
    .await?;
    Ok(())
}
