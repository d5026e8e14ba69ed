//! Logins and their rotating refresh tokens.

use chrono::TimeDelta;

use super::change::{Change, Target};
use super::{Repository, Result};
use crate::authentication::RefreshDigest;
use crate::authorization::action::sessions::{Create, Delete, List, Refresh};
use crate::authorization::{Authenticator, Grant};
use crate::domain::{OrganizationId, Page, PageRequest, Refusal, Session, SessionId, UserId};

const ENDED: Refusal = Refusal::Unauthenticated("the refresh token is unknown, used or expired");

/// A login to be recorded.
pub struct NewSession<'a> {
    /// Digest of the first refresh token.
    pub refresh: &'a RefreshDigest,
    /// Address of the client.
    pub address: &'a str,
    /// What the client's program calls itself.
    pub user_agent: Option<&'a str>,
    /// How long until a new log-in is needed.
    pub lifetime: TimeDelta,
}

/// A session that goes on.
pub struct Refreshed {
    /// Whose.
    pub user: UserId,
    /// Which.
    pub session: SessionId,
}

impl Repository {
    /// Records a login.
    pub async fn create_session(&self, grant: &Grant<Create>, new: &NewSession<'_>) -> Result<SessionId> {
        let user = grant.account();
        let mut change = self.change(grant).await?;
        let (id, now) = (SessionId::new(), change.now);
        // An account that was disabled while its password was being verified gets no session.
        let home = sqlx::query_scalar!(
            r#"SELECT home_organization_id AS "home: OrganizationId" FROM users
                WHERE id = $1 AND status = 'active' FOR SHARE"#,
            user.uuid()
        )
        .fetch_optional(&mut *change)
        .await?
        .ok_or(Refusal::InvalidCredentials)?;
        sqlx::query!(
            "INSERT INTO sessions (id, user_id, address, user_agent, created_at, last_used_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $5, $6)",
            id.uuid(),
            user.uuid(),
            new.address,
            new.user_agent,
            now,
            now + new.lifetime,
        )
        .execute(&mut *change)
        .await?;
        insert_refresh_token(&mut change, id, new.refresh).await?;
        sqlx::query!("DELETE FROM sessions WHERE user_id = $1 AND expires_at <= $2", user.uuid(), now)
            .execute(&mut *change)
            .await?;
        change.commit(Target::new(home, "session", id.uuid())).await?;
        Ok(id)
    }

    /// Spends a refresh token for the next one. One that was spent before has been stolen from somebody: the session
    /// ends, and whoever holds the other copy is out too.
    pub async fn refresh_session(&self, grant: &Grant<Refresh>, next: &RefreshDigest) -> Result<Refreshed> {
        let mut change = self.change(grant).await?;
        let now = change.now;
        // The session before its token: in the order in which ending a session takes them.
        let held = sqlx::query!(
            r#"SELECT s.id AS "session: SessionId", t.used_at, u.id AS "user: UserId", u.email,
                      u.home_organization_id AS "home: OrganizationId"
                 FROM refresh_tokens t
                 JOIN sessions s ON s.id = t.session_id AND s.expires_at > $2
                 JOIN users u ON u.id = s.user_id AND u.status = 'active'
                WHERE t.digest = $1 FOR UPDATE OF s, t"#,
            grant.digest().as_bytes(),
            now,
        )
        .fetch_optional(&mut *change)
        .await?
        .ok_or(ENDED)?;
        change.acted_by(held.user, held.email);
        let target = Target::new(held.home, "session", held.session.uuid());
        if held.used_at.is_some() {
            sqlx::query!("DELETE FROM sessions WHERE id = $1", held.session.uuid()).execute(&mut *change).await?;
            change.commit_refusal(target.with("reason", "refresh token used twice")).await?;
            return Err(ENDED.into());
        }
        sqlx::query!("UPDATE refresh_tokens SET used_at = $2 WHERE digest = $1", grant.digest().as_bytes(), now)
            .execute(&mut *change)
            .await?;
        insert_refresh_token(&mut change, held.session, next).await?;
        sqlx::query!("UPDATE sessions SET last_used_at = $2 WHERE id = $1", held.session.uuid(), now)
            .execute(&mut *change)
            .await?;
        change.commit(target).await?;
        Ok(Refreshed { user: held.user, session: held.session })
    }

    /// The caller's logins.
    pub async fn sessions(&self, grant: &Grant<List>, page: PageRequest) -> Result<Page<Session>> {
        let sessions = sqlx::query_as!(
            Session,
            r#"SELECT id, address, user_agent, created_at, last_used_at, expires_at, id = $2 AS "current!"
                 FROM sessions WHERE user_id = $1 AND expires_at > $3 AND id > $4 ORDER BY id LIMIT $5"#,
            grant.user().uuid(),
            session_of(grant.authenticator()).unwrap_or_default().uuid(),
            self.now(),
            page.after_or_start(),
            page.fetch(),
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(Page::new(sessions, page, |session| session.id.uuid()))
    }

    /// Ends one of the caller's logins; `None` is the one that asks.
    pub async fn delete_session(&self, grant: &Grant<Delete>, id: Option<SessionId>) -> Result<()> {
        let no_session = Refusal::NotFound("session");
        let id = id.or_else(|| session_of(grant.authenticator())).ok_or_else(|| no_session.clone())?;
        let mut change = self.change(grant).await?;
        let deleted =
            sqlx::query!("DELETE FROM sessions WHERE id = $1 AND user_id = $2", id.uuid(), grant.user().uuid())
                .execute(&mut *change)
                .await?;
        if deleted.rows_affected() == 0 {
            return Err(no_session.into());
        }
        let home = grant.home();
        change.commit(Target::new(home, "session", id.uuid())).await
    }
}

/// The session that a caller is signed in with.
fn session_of(authenticator: Option<&Authenticator>) -> Option<SessionId> {
    match authenticator {
        Some(Authenticator::Session(id)) => Some(*id),
        Some(Authenticator::ApiKey { .. }) | None => None,
    }
}

async fn insert_refresh_token(change: &mut Change, session: SessionId, digest: &RefreshDigest) -> Result<()> {
    let now = change.now;
    sqlx::query!(
        "INSERT INTO refresh_tokens (digest, session_id, created_at) VALUES ($1, $2, $3)",
        digest.as_bytes(),
        session.uuid(),
        now
    )
    .execute(&mut **change)
    .await?;
    Ok(())
}
