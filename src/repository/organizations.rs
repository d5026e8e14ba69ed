//! The tree.

use super::change::{Precondition, Target};
use super::{NewApiKey, Repository, Result};
use crate::authentication::PasswordHash;
use crate::authorization::Grant;
use crate::authorization::action::organizations::{
    Adopt, Bootstrap as MayBootstrap, Create, Delete, List, Read, Release, Update,
};
use crate::domain::{
    EmailAddress, Organization, OrganizationId, OrganizationName, Page, PageRequest, PersonName, Refusal, TokenOwner,
    UserId,
};

/// The advisory lock of the trigger `place_organization`: held by whoever changes the tree's shape.
const TREE_LOCK: i64 = 7_232_091_001;

const NO_ORGANIZATION: Refusal = Refusal::NotFound("organization");

/// What can be changed of an organization.
#[derive(Default)]
pub struct OrganizationChange {
    /// A new name.
    pub name: Option<OrganizationName>,
    /// A new parent: the right to take it out of the old one, and the right to put it into the new one.
    pub parent: Option<(Grant<Release>, Grant<Adopt>)>,
}

/// The first organization and its first admin.
pub struct Bootstrap {
    /// Name of the tree's root.
    pub organization: OrganizationName,
    /// The admin's log-in name.
    pub email: EmailAddress,
    /// The admin's given name.
    pub given_name: PersonName,
    /// The admin's family name.
    pub family_name: PersonName,
    /// The admin's password, hashed.
    pub password: PasswordHash,
    /// The admin's first API key.
    pub api_key: NewApiKey,
}

impl Repository {
    /// The organizations that the caller may see: the own ones, those above them, and those below a held role.
    pub async fn organizations(
        &self,
        grant: &Grant<List>,
        parent: Option<OrganizationId>,
        page: PageRequest,
    ) -> Result<Page<Organization>> {
        let only = grant.authenticator().and_then(crate::authorization::Authenticator::bound_to);
        let rows = sqlx::query_as!(
            Organization,
            r#"SELECT o.id, o.name, o.parent_id AS "parent_id: OrganizationId", o.path, o.created_at, o.updated_at, o.version
                 FROM organizations o
                WHERE o.id > $2 AND ($3::uuid IS NULL OR o.id = $3) AND ($4::uuid IS NULL OR o.parent_id = $4)
                  AND EXISTS (
                      SELECT 1
                        FROM memberships m
                        JOIN organizations mo ON mo.id = m.organization_id
                       WHERE m.user_id = $1 AND m.status = 'active'
                         AND (o.id = ANY (mo.path)
                              OR (m.organization_id = ANY (o.path)
                                  AND EXISTS (SELECT 1 FROM role_assignments r
                                               WHERE r.user_id = m.user_id AND r.organization_id = m.organization_id))))
                ORDER BY o.id LIMIT $5"#,
            grant.user().uuid(),
            page.after_or_start(),
            only.map(OrganizationId::uuid),
            parent.map(OrganizationId::uuid),
            page.fetch(),
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(Page::new(rows, page, |organization| organization.id.uuid()))
    }

    /// The organization.
    pub async fn organization(&self, grant: &Grant<Read>) -> Result<Organization> {
        let organization = sqlx::query_as!(
            Organization,
            r#"SELECT id, name, parent_id AS "parent_id: OrganizationId", path, created_at, updated_at, version
                 FROM organizations WHERE id = $1"#,
            grant.organization().uuid(),
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(organization.ok_or(NO_ORGANIZATION)?)
    }

    /// Creates an organization below the grant's. Its creator becomes its first member and admin.
    pub async fn create_organization(&self, grant: &Grant<Create>, name: &OrganizationName) -> Result<Organization> {
        let creator = grant.caller().ok_or(Refusal::Forbidden("a login"))?;
        let parent = grant.organization();
        let mut change = self.change(grant).await?;
        super::accounts::still_active(&mut change, creator).await?;
        let organization = insert(&mut change, Some(parent), name).await?;
        let now = change.now;
        join_as_admin(&mut change, organization.id, creator, now).await?;
        let target = Target::new(parent, "organization", organization.id.uuid()).with("name", name.as_str());
        change.commit(target).await?;
        Ok(organization)
    }

    /// Renames, moves, or both.
    pub async fn update_organization(
        &self,
        grant: &Grant<Update>,
        wanted: OrganizationChange,
        precondition: Precondition,
    ) -> Result<Organization> {
        let id = grant.organization();
        let mut change = self.change(grant).await?;
        if wanted.parent.is_some() {
            // Before the row. Left to the trigger it would come after it, and two moves that each hold their own row
            // would wait for each other: one for this lock, one for the row.
            sqlx::query!("SELECT pg_advisory_xact_lock($1)", TREE_LOCK).execute(&mut *change).await?;
        }
        let before = sqlx::query!(
            r#"SELECT version, parent_id AS "parent_id: OrganizationId" FROM organizations WHERE id = $1 FOR UPDATE"#,
            id.uuid()
        )
        .fetch_optional(&mut *change)
        .await?
        .ok_or(NO_ORGANIZATION)?;
        precondition.check(before.version)?;
        let parent = match &wanted.parent {
            None => before.parent_id,
            // Somebody else has moved it since the old parent was asked.
            Some((from, _)) if Some(from.organization()) != before.parent_id => {
                return Err(Refusal::PreconditionFailed.into());
            }
            Some((_, to)) => Some(to.organization()),
        };
        if parent != before.parent_id {
            // With the new name at once: the old one may be taken there.
            sqlx::query!(
                "UPDATE organizations SET parent_id = $2, name = coalesce($3, name) WHERE id = $1",
                id.uuid(),
                parent.map(OrganizationId::uuid),
                wanted.name.as_ref().map(OrganizationName::as_str),
            )
            .execute(&mut *change)
            .await?;
        }
        let now = change.now;
        let organization = sqlx::query_as!(
            Organization,
            r#"UPDATE organizations SET name = coalesce($2, name), version = version + 1, updated_at = $3
                WHERE id = $1
            RETURNING id, name, parent_id AS "parent_id: OrganizationId", path, created_at, updated_at, version"#,
            id.uuid(),
            wanted.name.as_ref().map(OrganizationName::as_str),
            now,
        )
        .fetch_one(&mut *change)
        .await?;
        let mut target = Target::new(id, "organization", id.uuid());
        if let Some(name) = &wanted.name {
            target = target.with("name", name.as_str());
        }
        if let Some((from, to)) = &wanted.parent {
            let (from, to) = (from.organization().to_string(), to.organization().to_string());
            target = target.with("moved_from", from).with("moved_to", to);
        }
        change.commit(target).await?;
        Ok(organization)
    }

    /// Deletes an organization without children, its memberships, and its tokens with their data keys.
    pub async fn delete_organization(&self, grant: &Grant<Delete>, precondition: Precondition) -> Result<()> {
        let id = grant.organization();
        // People are locked before organizations, everywhere. Whoever joins between the two is not among the locked, so
        // both are let go and taken again.
        let (mut change, members, row) = loop {
            let mut change = self.change(grant).await?;
            let members = lock_members(&mut change, id).await?;
            let row = sqlx::query!(
                r#"SELECT version, name, parent_id AS "parent_id: OrganizationId" FROM organizations WHERE id = $1 FOR UPDATE"#,
                id.uuid()
            )
            .fetch_optional(&mut *change)
            .await?
            .ok_or(NO_ORGANIZATION)?;
            let locked: Vec<_> = members.iter().map(|(user, _)| user.uuid()).collect();
            // A statement of its own: it sees who has joined while the organization was waited for.
            let more = sqlx::query_scalar!(
                r#"SELECT EXISTS (SELECT 1 FROM memberships
                                   WHERE organization_id = $1 AND user_id <> ALL ($2)) AS "more!""#,
                id.uuid(),
                &locked,
            );
            if !more.fetch_one(&mut *change).await? {
                break (change, members, row);
            }
        };
        precondition.check(row.version)?;
        let parent = row.parent_id.ok_or(Refusal::RootIsFixed)?;
        // The lock above keeps new children out: theirs is a foreign key to the locked row.
        let children =
            sqlx::query_scalar!("SELECT name FROM organizations WHERE parent_id = $1 ORDER BY name", id.uuid())
                .fetch_all(&mut *change)
                .await?;
        if !children.is_empty() {
            return Err(Refusal::HasChildren(children.join(", ")).into());
        }
        super::turns::take_turns(&mut change, TokenOwner::Organization(id), None).await?;
        sqlx::query!("DELETE FROM organizations WHERE id = $1", id.uuid()).execute(&mut *change).await?;
        for (user, was_active) in members {
            super::accounts::settle_after_leaving(&mut change, user, was_active).await?;
        }
        let target = Target::new(parent, "organization", id.uuid()).with("name", row.name);
        change.commit(target).await
    }

    /// Creates the root of the tree and its first admin, once.
    pub async fn bootstrap(&self, grant: &Grant<MayBootstrap>, first: &Bootstrap) -> Result<(Organization, UserId)> {
        let mut change = self.change(grant).await?;
        let now = change.now;
        let organization = insert(&mut change, None, &first.organization).await?;
        let user = UserId::new();
        sqlx::query!(
            "INSERT INTO users (id, email, email_key, given_name, family_name, status, password_hash,
                                home_organization_id, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, 'active', $6, $7, $8, $8)",
            user.uuid(),
            first.email.as_str(),
            first.email.key(),
            first.given_name.as_str(),
            first.family_name.as_str(),
            first.password.as_str(),
            organization.id.uuid(),
            now,
        )
        .execute(&mut *change)
        .await?;
        join_as_admin(&mut change, organization.id, user, now).await?;
        super::api_keys::insert(&mut change, user, &first.api_key).await?;
        let target = Target::new(organization.id, "organization", organization.id.uuid())
            .with("name", first.organization.as_str())
            .with("admin", user.to_string());
        change.commit(target).await?;
        Ok((organization, user))
    }

    /// The root of the tree, once bootstrap has been done.
    pub async fn root(&self) -> Result<Option<OrganizationId>> {
        let root =
            sqlx::query_scalar!(r#"SELECT id AS "id: OrganizationId" FROM organizations WHERE parent_id IS NULL"#);
        Ok(root.fetch_optional(&self.pool).await?)
    }
}

/// Locks everyone in the organization, in the order of ids, and says who that is and whether an active member.
async fn lock_members(change: &mut super::change::Change, id: OrganizationId) -> Result<Vec<(UserId, bool)>> {
    let members = sqlx::query!(
        r#"SELECT u.id AS "id: UserId", m.status = 'active' AS "active!" FROM users u JOIN memberships m ON m.user_id = u.id
            WHERE m.organization_id = $1 ORDER BY u.id FOR NO KEY UPDATE OF u"#,
        id.uuid()
    )
    .fetch_all(&mut **change)
    .await?;
    Ok(members.into_iter().map(|member| (member.id, member.active)).collect())
}

async fn insert(
    change: &mut super::change::Change,
    parent: Option<OrganizationId>,
    name: &OrganizationName,
) -> Result<Organization> {
    let now = change.now;
    let organization = sqlx::query_as!(
        Organization,
        r#"INSERT INTO organizations (id, parent_id, name, path, created_at, updated_at)
           VALUES ($1, $2, $3, '{}', $4, $4)
        RETURNING id, name, parent_id AS "parent_id: OrganizationId", path, created_at, updated_at, version"#,
        OrganizationId::new().uuid(),
        parent.map(OrganizationId::uuid),
        name.as_str(),
        now,
    );
    Ok(organization.fetch_one(&mut **change).await?)
}

async fn join_as_admin(
    change: &mut super::change::Change,
    organization: OrganizationId,
    user: UserId,
    now: crate::domain::Timestamp,
) -> Result<()> {
    sqlx::query!(
        "WITH joined AS (
             INSERT INTO memberships (organization_id, user_id, status, created_at, joined_at)
             VALUES ($1, $2, 'active', $3, $3) RETURNING organization_id, user_id)
         INSERT INTO role_assignments (organization_id, user_id, role, assigned_at)
         SELECT organization_id, user_id, 'admin', $3 FROM joined",
        organization.uuid(),
        user.uuid(),
        now,
    )
    .execute(&mut **change)
    .await?;
    Ok(())
}
