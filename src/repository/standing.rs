//! Who is asking and what that user is in the organization: one statement, with every request, never cached.

use chrono::TimeDelta;
use uuid::Uuid;

use super::error::is_lost;
use super::{Repository, Result};
use crate::authentication::{AccessClaims, ApiKeyDigest, Presented};
use crate::authorization::{Authenticator, Relation, Standing};
use crate::domain::{ApiKeyId, KeyScope, OrganizationId, Refusal, Role, Timestamp, UserId};

/// Which organization a request is about.
#[derive(Debug, Clone, Copy)]
pub enum Asked {
    /// None.
    Nothing,
    /// The one that it names.
    Organization(OrganizationId),
    /// The caller's home organization, or the one that the API key is bound to.
    Home,
}

impl Asked {
    fn organization(self) -> Option<Uuid> {
        match self {
            Self::Organization(id) => Some(id.uuid()),
            Self::Nothing | Self::Home => None,
        }
    }

    fn is_home(self) -> bool {
        matches!(self, Self::Home)
    }
}

/// How stale an API key's time of last use may get before it is worth a write.
const LAST_USE_RESOLUTION: TimeDelta = TimeDelta::minutes(10);

/// What both kinds of credential find.
struct Found {
    user_id: UserId,
    email: String,
    home: Option<OrganizationId>,
    organization_id: Option<OrganizationId>,
    member: Option<bool>,
    below: Option<bool>,
    roles: Option<Vec<Role>>,
    admin_of_root: Option<bool>,
}

impl Found {
    fn standing(self, authenticator: Authenticator) -> Standing {
        let relation = self.organization_id.map(|organization| Relation {
            organization,
            member: self.member.unwrap_or_default(),
            below: self.below.unwrap_or_default(),
            roles: self.roles.unwrap_or_default(),
            // A bound key has what its owner is in one organization, not what its owner is elsewhere.
            admin_of_root: authenticator.bound_to().is_none() && self.admin_of_root.unwrap_or_default(),
        });
        let in_bounds = |relation: &Relation| authenticator.bound_to().is_none_or(|only| only == relation.organization);
        let relation = relation.filter(in_bounds);
        Standing { user: self.user_id, email: self.email, home: self.home, authenticator, relation }
    }
}

impl Repository {
    /// The standing of whoever presents the credential.
    ///
    /// # Errors
    /// [`Refusal::Unauthenticated`] if the credential does not work (any more).
    pub async fn standing(&self, presented: &Presented, asked: Asked) -> Result<Standing> {
        match presented {
            Presented::AccessToken(claims) => self.standing_of_session(claims, asked).await,
            Presented::ApiKey { id, digest } => self.standing_of_key(*id, digest, asked).await,
        }
    }

    async fn standing_of_session(&self, claims: &AccessClaims, asked: Asked) -> Result<Standing> {
        let found = self
            .again_if_disconnected(|| {
                sqlx::query_as!(
                    Found,
                    r#"SELECT u.id AS user_id, u.email, u.home_organization_id AS "home: OrganizationId",
                              s.organization_id AS "organization_id: OrganizationId", s.member, s.below,
                              s.roles AS "roles: Vec<Role>", s.admin_of_root
                         FROM sessions x
                         JOIN users u ON u.id = x.user_id AND u.status = 'active'
                         LEFT JOIN LATERAL standing(u.id, CASE WHEN $4 THEN u.home_organization_id ELSE $3 END) s ON true
                        WHERE x.id = $1 AND x.user_id = $2 AND x.expires_at > $5"#,
                    claims.session().uuid(),
                    claims.user().uuid(),
                    asked.organization(),
                    asked.is_home(),
                    self.now(),
                )
                .fetch_optional(&self.pool)
                })
            .await?
            .ok_or(Refusal::Unauthenticated("the session has ended"))?;
        Ok(found.standing(Authenticator::Session(claims.session())))
    }

    async fn standing_of_key(&self, id: ApiKeyId, digest: &ApiKeyDigest, asked: Asked) -> Result<Standing> {
        let refused = Refusal::Unauthenticated("the API key is unknown, ended or expired");
        let now = self.now();
        let row = self
            .again_if_disconnected(|| {
                sqlx::query!(
                    r#"SELECT u.id AS user_id, u.email, u.home_organization_id AS "home: OrganizationId",
                              s.organization_id AS "organization_id: OrganizationId", s.member, s.below,
                              s.roles AS "roles: Vec<Role>", s.admin_of_root,
                              k.digest, k.scope AS "scope: KeyScope", k.organization_id AS "bound_to: OrganizationId",
                              k.last_used_at
                         FROM api_keys k
                         JOIN users u ON u.id = k.user_id AND u.status = 'active'
                         LEFT JOIN LATERAL standing(
                             u.id, CASE WHEN $3 THEN coalesce(k.organization_id, u.home_organization_id) ELSE $2 END
                         ) s ON true
                        WHERE k.id = $1 AND (k.expires_at IS NULL OR k.expires_at > $4)"#,
                    id.uuid(),
                    asked.organization(),
                    asked.is_home(),
                    now,
                )
                .fetch_optional(&self.pool)
            })
            .await?
            .ok_or_else(|| refused.clone())?;
        if !digest.matches(&ApiKeyDigest::try_from(row.digest.as_slice())?) {
            return Err(refused.into());
        }
        if row.last_used_at.is_none_or(|last| now - last > LAST_USE_RESOLUTION) {
            self.note_use(id, now).await?;
        }
        let found = Found {
            user_id: row.user_id.into(),
            email: row.email,
            home: row.home,
            organization_id: row.organization_id,
            member: row.member,
            below: row.below,
            roles: row.roles,
            admin_of_root: row.admin_of_root,
        };
        Ok(found.standing(Authenticator::ApiKey { id, scope: row.scope, bound_to: row.bound_to }))
    }

    async fn note_use(&self, id: ApiKeyId, now: Timestamp) -> Result<()> {
        sqlx::query!("UPDATE api_keys SET last_used_at = $2 WHERE id = $1", id.uuid(), now).execute(&self.pool).await?;
        Ok(())
    }

    /// Reads again if the pool handed out connections that had died; see [`Repository::begin`].
    pub(super) async fn again_if_disconnected<T, F>(&self, read: impl Fn() -> F) -> Result<T>
    where
        F: Future<Output = sqlx::Result<T>>,
    {
        let mut tries = self.pool.size();
        loop {
            match read().await {
                Err(error) if tries > 0 && is_lost(&error) => tries -= 1,
                outcome => return Ok(outcome?),
            }
        }
    }
}
