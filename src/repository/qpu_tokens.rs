//! QPU tokens: metadata in the clear, credentials sealed. Organizations' and personal ones differ by their owner only.

use chrono::TimeDelta;
use serde_json::Value;

use super::change::{Change, Precondition, Target};
use super::columns::{owner_columns, sealed_credential};
use super::turns::take_turns;
use super::{Repository, Result};
use crate::authorization::action::token_verb::{Create, Delete, Read, Rotate, Update};
use crate::authorization::{Grant, TokenAction};
use crate::domain::{
    OrganizationId, Page, PageRequest, ProviderName, Providers, QpuToken, QpuTokenId, Refusal, Timestamp, TokenName,
    TokenOwner, UserId,
};
use crate::vault::{Binding, Credential, SealedCredential, VaultError};

const NO_TOKEN: Refusal = Refusal::NotFound("QPU token");

/// How long the results of a job can be read with the version of the secret that submitted it.
const RESULTS_READ_FOR: TimeDelta = TimeDelta::days(7);

/// A token to be stored.
pub struct NewToken {
    /// Unique per owner.
    pub name: TokenName,
    /// The hardware provider.
    pub provider: ProviderName,
    /// The secret; sealed before it is stored.
    pub credential: Credential,
    /// Whether organizations below may use it.
    pub inherited: bool,
    /// When it stops being usable.
    pub expires_at: Option<Timestamp>,
}

/// What can be changed of a token's metadata.
#[derive(Debug, Default)]
pub struct TokenChange {
    /// A new name.
    pub name: Option<TokenName>,
    /// Whether organizations below may use it.
    pub inherited: Option<bool>,
    /// Whether it can be used at all.
    pub enabled: Option<bool>,
    /// A new expiry; `Some(None)` lifts it.
    pub expires_at: Option<Option<Timestamp>>,
}

/// Which tokens to list.
#[derive(Debug, Default)]
pub struct TokenFilter {
    /// Only this provider's.
    pub provider: Option<ProviderName>,
    /// Only the one of this name.
    pub name: Option<TokenName>,
    /// An organization's list: also what it inherits from those above it.
    pub with_inherited: bool,
}

/// The organization whose audit log tells of the token: its owner, or its owner's home.
fn audited_in<A: TokenAction<V>, V>(grant: &Grant<A>) -> Option<OrganizationId> {
    match grant.token_owner() {
        TokenOwner::Organization(id) => Some(id),
        TokenOwner::User(_) => grant.home(),
    }
}

impl Repository {
    /// Tokens of the grant's place that the caller may see.
    pub async fn tokens<A: TokenAction<Read>>(
        &self,
        grant: &Grant<A>,
        filter: &TokenFilter,
        page: PageRequest,
    ) -> Result<Page<QpuToken>> {
        let tokens = self.select_tokens(grant, filter, page.after_or_start(), page.fetch(), 0).await?;
        Ok(Page::new(tokens, page, |token| token.id.uuid()))
    }

    /// As [`Repository::tokens`], for clients that count instead of remembering where they were.
    pub async fn tokens_by_offset<A: TokenAction<Read>>(
        &self,
        grant: &Grant<A>,
        filter: &TokenFilter,
        limit: i64,
        offset: i64,
    ) -> Result<Vec<QpuToken>> {
        self.select_tokens(grant, filter, uuid::Uuid::nil(), limit, offset).await
    }

    async fn select_tokens<A: TokenAction<Read>>(
        &self,
        grant: &Grant<A>,
        filter: &TokenFilter,
        after: uuid::Uuid,
        limit: i64,
        offset: i64,
    ) -> Result<Vec<QpuToken>> {
        let (organization, user) = owner_columns(grant.token_owner());
        let tokens = sqlx::query_as!(
            QpuToken,
            r#"SELECT t.id, t.name, t.provider, t.organization_id AS "organization_id: OrganizationId", t.inherited,
                      t.enabled, t.expires_at, t.secret_version, t.last_used_at, t.created_at, t.updated_at, t.version
                 FROM qpu_tokens t
                WHERE (t.user_id = $2 OR (t.organization_id = $1 AND (t.inherited OR NOT $3))
                       OR ($4 AND t.inherited
                           AND t.organization_id = ANY (SELECT unnest(path) FROM organizations WHERE id = $1)))
                  AND t.id > $5
                  AND ($6::text IS NULL OR t.provider = $6) AND ($7::text IS NULL OR t.name = $7)
                ORDER BY t.id LIMIT $8 OFFSET $9"#,
            organization,
            user,
            grant.sees_inherited_only(),
            filter.with_inherited,
            after,
            filter.provider.as_ref().map(ProviderName::as_str),
            filter.name.as_ref().map(TokenName::as_str),
            limit,
            offset,
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(tokens)
    }

    /// One token of the grant's place.
    pub async fn token<A: TokenAction<Read>>(&self, grant: &Grant<A>, id: QpuTokenId) -> Result<QpuToken> {
        let (organization, user) = owner_columns(grant.token_owner());
        let token = sqlx::query_as!(
            QpuToken,
            r#"SELECT id, name, provider, organization_id AS "organization_id: OrganizationId", inherited, enabled,
                      expires_at, secret_version, last_used_at, created_at, updated_at, version
                 FROM qpu_tokens
                WHERE id = $3 AND (user_id = $2 OR (organization_id = $1 AND (inherited OR NOT $4)))"#,
            organization,
            user,
            id.uuid(),
            grant.sees_inherited_only(),
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(token.ok_or(NO_TOKEN)?)
    }

    /// The token of this name: the place's own, or else, if wanted, the nearest one that the organization inherits.
    pub async fn token_by_name<A: TokenAction<Read>>(
        &self,
        grant: &Grant<A>,
        name: &TokenName,
        with_inherited: bool,
    ) -> Result<QpuToken> {
        let (organization, user) = owner_columns(grant.token_owner());
        let token = sqlx::query_as!(
            QpuToken,
            r#"SELECT t.id, t.name, t.provider, t.organization_id AS "organization_id: OrganizationId", t.inherited,
                      t.enabled, t.expires_at, t.secret_version, t.last_used_at, t.created_at, t.updated_at, t.version
                 FROM qpu_tokens t LEFT JOIN organizations o ON o.id = t.organization_id
                WHERE t.name = $3
                  AND (t.user_id = $2 OR (t.organization_id = $1 AND (t.inherited OR NOT $4))
                       OR ($5 AND t.inherited
                           AND t.organization_id = ANY (SELECT unnest(path) FROM organizations WHERE id = $1)))
                ORDER BY cardinality(o.path) DESC LIMIT 1"#,
            organization,
            user,
            name.as_str(),
            grant.sees_inherited_only(),
            with_inherited,
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(token.ok_or(NO_TOKEN)?)
    }

    /// Seals and stores a token.
    pub async fn create_token<A: TokenAction<Create>>(&self, grant: &Grant<A>, new: NewToken) -> Result<QpuToken> {
        let owner = grant.token_owner();
        let (organization, user) = owner_columns(owner);
        let id = QpuTokenId::new();
        let binding = Binding { owner, token: id, secret_version: 1, provider: new.provider.clone() };
        let sealed = self.vault.seal(&binding, new.credential).await?;
        let mut change = self.change(grant).await?;
        if let TokenOwner::User(user) = owner {
            super::accounts::still_active(&mut change, user).await?;
        }
        let now = change.now;
        let token = sqlx::query_as!(
            QpuToken,
            r#"INSERT INTO qpu_tokens (id, organization_id, user_id, name, provider, inherited, enabled, expires_at,
                                       secret_version, created_at, updated_at)
               VALUES ($1, $2, $3, $4, $5, $6, true, $7, 1, $8, $8)
            RETURNING id, name, provider, organization_id AS "organization_id: OrganizationId", inherited, enabled,
                      expires_at, secret_version, last_used_at, created_at, updated_at, version"#,
            id.uuid(),
            organization,
            user,
            new.name.as_str(),
            new.provider.as_str(),
            new.inherited,
            new.expires_at,
            now,
        )
        .fetch_one(&mut *change)
        .await?;
        insert_secret(&mut change, id, 1, &sealed).await?;
        let target = Target::new(audited_in(grant), "qpu-token", id.uuid());
        change.commit(target.with("name", new.name.as_str()).with("provider", new.provider.as_str())).await?;
        Ok(token)
    }

    /// Changes a token's metadata.
    pub async fn update_token<A: TokenAction<Update>>(
        &self,
        grant: &Grant<A>,
        id: QpuTokenId,
        wanted: &TokenChange,
        precondition: Precondition,
    ) -> Result<QpuToken> {
        let mut change = self.change(grant).await?;
        lock(&mut change, grant.token_owner(), id, precondition).await?;
        let now = change.now;
        let token = sqlx::query_as!(
            QpuToken,
            r#"UPDATE qpu_tokens
                  SET name = coalesce($2, name), inherited = coalesce($3, inherited), enabled = coalesce($4, enabled),
                      expires_at = CASE WHEN $5 THEN $6 ELSE expires_at END, version = version + 1, updated_at = $7
                WHERE id = $1
            RETURNING id, name, provider, organization_id AS "organization_id: OrganizationId", inherited, enabled,
                      expires_at, secret_version, last_used_at, created_at, updated_at, version"#,
            id.uuid(),
            wanted.name.as_ref().map(TokenName::as_str),
            wanted.inherited,
            wanted.enabled,
            wanted.expires_at.is_some(),
            wanted.expires_at.flatten(),
            now,
        )
        .fetch_one(&mut *change)
        .await?;
        let mut target = Target::new(audited_in(grant), "qpu-token", id.uuid());
        let changed = [
            ("name", wanted.name.as_ref().map(|name| Value::from(name.as_str()))),
            ("inherited", wanted.inherited.map(Value::from)),
            ("enabled", wanted.enabled.map(Value::from)),
            ("expires_at", wanted.expires_at.map(|at| at.map_or(Value::Null, |at| Value::from(at.to_rfc3339())))),
        ];
        for (member, value) in changed {
            if let Some(value) = value {
                target = target.with(member, value);
            }
        }
        change.commit(target).await?;
        Ok(token)
    }

    /// Replaces the credential by a new version. Old versions that no job needs any more are destroyed, data keys and all;
    /// one whose jobs are on their way, or ended lately, stays as long as they need it, for polling, cancelling and reading
    /// results. [`Repository::sweep`] destroys it then. The fields must be the ones of the token's provider.
    pub async fn rotate_token<A: TokenAction<Rotate>>(
        &self,
        grant: &Grant<A>,
        id: QpuTokenId,
        credential: Credential,
        providers: &Providers,
        precondition: Precondition,
    ) -> Result<QpuToken> {
        let mut change = self.change(grant).await?;
        let before = lock(&mut change, grant.token_owner(), id, precondition).await?;
        providers.accept(&before.provider, credential.names())?;
        let secret_version = before.secret_version + 1;
        let binding = Binding { owner: grant.token_owner(), token: id, secret_version, provider: before.provider };
        let sealed = self.vault.seal(&binding, credential).await?;
        insert_secret(&mut change, id, secret_version, &sealed).await?;
        let now = change.now;
        let token = sqlx::query_as!(
            QpuToken,
            r#"UPDATE qpu_tokens SET secret_version = $2, version = version + 1, updated_at = $3 WHERE id = $1
            RETURNING id, name, provider, organization_id AS "organization_id: OrganizationId", inherited, enabled,
                      expires_at, secret_version, last_used_at, created_at, updated_at, version"#,
            id.uuid(),
            secret_version,
            now,
        )
        .fetch_one(&mut *change)
        .await?;
        destroy_unneeded_secrets(&mut change, Some(id), now).await?;
        let target = Target::new(audited_in(grant), "qpu-token", id.uuid());
        change.commit(target.with("secret_version", secret_version)).await?;
        Ok(token)
    }

    /// Deletes a token and destroys its data keys, those that jobs still need too.
    pub async fn delete_token<A: TokenAction<Delete>>(
        &self,
        grant: &Grant<A>,
        id: QpuTokenId,
        precondition: Precondition,
    ) -> Result<()> {
        let mut change = self.change(grant).await?;
        let token = lock(&mut change, grant.token_owner(), id, precondition).await?;
        sqlx::query!("DELETE FROM qpu_tokens WHERE id = $1", id.uuid()).execute(&mut *change).await?;
        let target = Target::new(audited_in(grant), "qpu-token", id.uuid());
        change.commit(target.with("name", token.name)).await
    }

    /// Whether the newest secret under each key-encryption key has a data key that opens. No credential is opened.
    pub async fn stored_secrets_open(&self) -> Result<()> {
        let samples = sqlx::query!(
            r#"SELECT t.id AS "id: QpuTokenId", t.provider,
                      t.organization_id AS "organization_id: OrganizationId", t.user_id AS "user_id: UserId",
                      s.secret_version, s.format, s.kek_id, s.wrapped_data_key, s.field_names, s.ciphertexts
                 FROM (SELECT DISTINCT kek_id FROM qpu_token_secrets) keks
                CROSS JOIN LATERAL (SELECT * FROM qpu_token_secrets newest WHERE newest.kek_id = keks.kek_id
                                     ORDER BY newest.created_at DESC LIMIT 1) s
                 JOIN qpu_tokens t ON t.id = s.qpu_token_id"#
        )
        .fetch_all(&self.pool)
        .await?;
        for row in samples {
            let owner = match (row.organization_id, row.user_id) {
                (Some(organization), _) => TokenOwner::Organization(organization),
                (None, Some(user)) => TokenOwner::User(user),
                // The constraint `one_owner` rules it out; if it happens all the same, the secret is nobody's to open.
                (None, None) => return Err(VaultError::DoesNotOpen.into()),
            };
            let provider = row.provider.parse().map_err(|_| VaultError::DoesNotOpen)?;
            let binding = Binding { owner, token: row.id, secret_version: row.secret_version, provider };
            let sealed =
                sealed_credential(row.format, row.kek_id, row.wrapped_data_key, row.field_names, row.ciphertexts);
            self.vault.verify(&binding, &sealed).await?;
        }
        Ok(())
    }
}

/// What a change needs to know of the token before.
struct Locked {
    name: String,
    provider: ProviderName,
    secret_version: i32,
}

/// Locks the owner's token of this id.
async fn lock(change: &mut Change, owner: TokenOwner, id: QpuTokenId, precondition: Precondition) -> Result<Locked> {
    take_turns(change, owner, Some(id)).await?;
    let (organization, user) = owner_columns(owner);
    let row = sqlx::query!(
        "SELECT name, provider, secret_version, version FROM qpu_tokens
          WHERE id = $3 AND (organization_id = $1 OR user_id = $2) FOR UPDATE",
        organization,
        user,
        id.uuid(),
    )
    .fetch_optional(&mut **change)
    .await?
    .ok_or(NO_TOKEN)?;
    precondition.check(row.version)?;
    let provider = row.provider.parse().map_err(|_| Refusal::UnknownProvider)?;
    Ok(Locked { name: row.name, provider, secret_version: row.secret_version })
}

async fn insert_secret(change: &mut Change, id: QpuTokenId, version: i32, sealed: &SealedCredential) -> Result<()> {
    let now = change.now;
    let names: Vec<String> = sealed.fields.iter().map(|field| field.name.clone()).collect();
    let ciphertexts: Vec<Vec<u8>> = sealed.fields.iter().map(|field| field.ciphertext.clone()).collect();
    sqlx::query!(
        "INSERT INTO qpu_token_secrets (qpu_token_id, secret_version, format, kek_id, wrapped_data_key, field_names,
                                        ciphertexts, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        id.uuid(),
        version,
        sealed.format,
        sealed.key.kek_id,
        sealed.key.wrapped_data_key,
        &names,
        &ciphertexts,
        now,
    )
    .execute(&mut **change)
    .await?;
    Ok(())
}

/// Destroys the replaced secrets of one token, or of all, that no job needs any more: none is open with it, and none ended
/// lately. Uploads never end; they are needed as long as a job that has ended. A lease needs nothing: its solver has what it
/// got.
pub(super) async fn destroy_unneeded_secrets(
    connection: &mut sqlx::PgConnection,
    token: Option<QpuTokenId>,
    now: Timestamp,
) -> Result<u64> {
    let destroyed = sqlx::query!(
        "DELETE FROM qpu_token_secrets s USING qpu_tokens t
          WHERE t.id = s.qpu_token_id AND ($1::uuid IS NULL OR t.id = $1) AND s.secret_version <> t.secret_version
            AND NOT EXISTS (SELECT 1 FROM jobs j
                             WHERE j.qpu_token_id = s.qpu_token_id AND j.secret_version = s.secret_version
                               AND j.kind <> 'lease'
                               AND (j.ended_at > $2 OR (j.ended_at IS NULL AND (j.kind <> 'upload' OR j.created_at > $2))))",
        token.map(QpuTokenId::uuid),
        now - RESULTS_READ_FOR,
    )
    .execute(connection)
    .await?;
    Ok(destroyed.rows_affected())
}
