//! Who holds which role where.

use super::change::{Precondition, Target};
use super::users::{find, find_for_update};
use super::{Repository, Result};
use crate::authorization::Grant;
use crate::authorization::action::roles::{Assign, Revoke};
use crate::domain::{Refusal, Role, User, UserReference};

impl Repository {
    /// Gives a role; no change if the user holds it already.
    pub async fn assign_role(
        &self,
        grant: &Grant<Assign>,
        user: &UserReference,
        role: Role,
        precondition: Precondition,
    ) -> Result<User> {
        if role == Role::Solver && !grant.is_admin_of_root() {
            return Err(Refusal::Forbidden("the admin role in the root organization").into());
        }
        let organization = grant.organization();
        let mut change = self.change(grant).await?;
        let before = find_for_update(&mut change, organization, user).await?;
        precondition.check(before.version)?;
        let now = change.now;
        sqlx::query!(
            "WITH assigned AS (
                 INSERT INTO role_assignments (organization_id, user_id, role, assigned_at) VALUES ($1, $2, $3, $4)
                 ON CONFLICT DO NOTHING RETURNING user_id)
             UPDATE memberships SET version = version + 1
              WHERE organization_id = $1 AND user_id = (SELECT user_id FROM assigned)",
            organization.uuid(),
            before.id.uuid(),
            role.as_str(),
            now,
        )
        .execute(&mut *change)
        .await?;
        let after = find(&mut *change, organization, &UserReference::Id(before.id)).await?;
        change.commit(Target::new(organization, "user", after.id.uuid()).with("role", role.as_str())).await?;
        Ok(after)
    }

    /// Takes a role; no change if the user does not hold it.
    pub async fn revoke_role(
        &self,
        grant: &Grant<Revoke>,
        user: &UserReference,
        role: Role,
        precondition: Precondition,
    ) -> Result<()> {
        let organization = grant.organization();
        let mut change = self.change(grant).await?;
        let user = find_for_update(&mut change, organization, user).await?;
        precondition.check(user.version)?;
        sqlx::query!(
            "WITH revoked AS (
                 DELETE FROM role_assignments WHERE organization_id = $1 AND user_id = $2 AND role = $3
                 RETURNING user_id)
             UPDATE memberships SET version = version + 1
              WHERE organization_id = $1 AND user_id = (SELECT user_id FROM revoked)",
            organization.uuid(),
            user.id.uuid(),
            role.as_str(),
        )
        .execute(&mut *change)
        .await?;
        // An answer that was given to an admin is not repeated to somebody who is none any more.
        super::accounts::forget_answers(&mut change, user.id).await?;
        change.commit(Target::new(organization, "user", user.id.uuid()).with("role", role.as_str())).await
    }
}
