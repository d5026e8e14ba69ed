//! API keys: only their digests are kept.

use super::change::{Change, Target};
use super::{Repository, Result};
use crate::authentication::ApiKeyDigest;
use crate::authorization::Grant;
use crate::authorization::action::api_keys::{Create, Delete, List};
use crate::authorization::action::organizations::Read;
use crate::domain::{
    ApiKeyId, ApiKeySummary, KeyName, KeyScope, OrganizationId, Page, PageRequest, Refusal, Timestamp, UserId,
};

/// A key to be recorded.
pub struct NewApiKey {
    /// Its id, which is part of the key.
    pub id: ApiKeyId,
    /// Its digest.
    pub digest: ApiKeyDigest,
    /// What its owner calls it.
    pub name: KeyName,
    /// What it is good for at most.
    pub scope: KeyScope,
    /// The organization that it is bound to: one that its owner may see.
    pub organization: Option<Grant<Read>>,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
}

impl Repository {
    /// The caller's keys.
    pub async fn api_keys(&self, grant: &Grant<List>, page: PageRequest) -> Result<Page<ApiKeySummary>> {
        let keys = sqlx::query_as!(
            ApiKeySummary,
            r#"SELECT id, name, scope AS "scope: KeyScope", organization_id AS "organization_id: OrganizationId",
                      created_at, expires_at, last_used_at
                 FROM api_keys WHERE user_id = $1 AND id > $2 ORDER BY id LIMIT $3"#,
            grant.user().uuid(),
            page.after_or_start(),
            page.fetch(),
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(Page::new(keys, page, |key| key.id.uuid()))
    }

    /// Records a key of the caller.
    pub async fn create_api_key(&self, grant: &Grant<Create>, new: &NewApiKey) -> Result<ApiKeySummary> {
        let mut change = self.change(grant).await?;
        super::accounts::still_active(&mut change, grant.user()).await?;
        let key = insert(&mut change, grant.user(), new).await?;
        let bound_to = new.organization.as_ref().map(Grant::organization);
        let target = |organization| {
            let target = Target::new(organization, "api-key", new.id.uuid()).with("scope", new.scope.as_str());
            target.with("name", new.name.as_str())
        };
        if bound_to.is_some() && bound_to != grant.home() {
            change.record(&target(bound_to)).await?;
        }
        change.commit(target(grant.home())).await?;
        Ok(key)
    }

    /// Ends one of the caller's keys.
    pub async fn delete_api_key(&self, grant: &Grant<Delete>, id: ApiKeyId) -> Result<()> {
        let mut change = self.change(grant).await?;
        let deleted =
            sqlx::query!("DELETE FROM api_keys WHERE id = $1 AND user_id = $2", id.uuid(), grant.user().uuid())
                .execute(&mut *change)
                .await?;
        if deleted.rows_affected() == 0 {
            return Err(Refusal::NotFound("API key").into());
        }
        change.commit(Target::new(grant.home(), "api-key", id.uuid())).await
    }
}

pub(super) async fn insert(change: &mut Change, user: UserId, new: &NewApiKey) -> Result<ApiKeySummary> {
    let now = change.now;
    let key = sqlx::query_as!(
        ApiKeySummary,
        r#"INSERT INTO api_keys (id, user_id, organization_id, name, scope, digest, created_at, expires_at)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        RETURNING id, name, scope AS "scope: KeyScope", organization_id AS "organization_id: OrganizationId",
                  created_at, expires_at, last_used_at"#,
        new.id.uuid(),
        user.uuid(),
        new.organization.as_ref().map(|bound| bound.organization().uuid()),
        new.name.as_str(),
        new.scope.as_str(),
        new.digest.as_bytes(),
        now,
        new.expires_at,
    );
    Ok(key.fetch_one(&mut **change).await?)
}
