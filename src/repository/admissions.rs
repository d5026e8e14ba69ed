//! Who may use a token right now: one statement from the key to the sealed credential, never cached.

use std::collections::HashSet;
use std::sync::Arc;

use super::admission_queue::{AdmissionQueue, Question};
use super::columns::sealed_credential;
use super::{Repository, Result};
use crate::authentication::{ApiKeyDigest, UseKey};
use crate::authorization::action::jobs::Use;
use crate::authorization::{Authenticator, Grant, OfToken, Origin, Reach, Standing, decide_use};
use crate::domain::{JobKind, JobReference, OrganizationId, ProviderName, QpuTokenId, Refusal, TokenOwner, UserId};
use crate::vault::{Binding, SealedCredential, VaultError};

/// Somebody who may use a token, and the credential that goes with the request, still sealed.
pub struct Admission {
    /// The proof.
    pub grant: Grant<Use>,
    /// What the credential is bound to, with the version of the secret: that of the jobs that the request names, or the newest.
    pub binding: Binding,
    /// The credential.
    pub sealed: SealedCredential,
    /// Where the first of the named jobs is.
    pub place: Option<String>,
}

/// Whether there can be such a job. PostgreSQL knows no text with NUL, and would refuse a whole statement for it; and what is longer than
/// any job's name takes long to compare. Both with all other questions that are in the statement.
fn may_exist(job: &JobReference) -> bool {
    job.id.len() <= JobReference::LONGEST_ID && !job.id.contains('\0')
}

impl Repository {
    fn admissions(&self) -> &AdmissionQueue {
        self.admissions.get_or_init(|| AdmissionQueue::start((*self.options).clone(), self.clock.clone()))
    }

    /// The provider of a token. It never changes, so it may be remembered; it tells nothing about who may use the token.
    pub async fn provider_of(&self, token: QpuTokenId) -> Result<Option<ProviderName>> {
        let name = self
            .again_if_disconnected(|| {
                sqlx::query_scalar!("SELECT provider FROM qpu_tokens WHERE id = $1", token.uuid())
                    .fetch_optional(&self.pool)
            })
            .await?;
        Ok(name.and_then(|name| name.parse().ok()))
    }

    /// Lets the holder of a key use a token, for a request that names these jobs, and is about nothing else if it is `of_own`. A job
    /// that is not the caller's to see is not found; an admin of the organization that its user was a member of, or of one above,
    /// sees it.
    ///
    /// # Errors
    /// [`Refusal::Unauthenticated`] if the key does not work (any more); then what [`decide_use`] says, and
    /// [`Refusal::NotFound`] for a job.
    pub async fn admit(
        &self,
        key: &UseKey,
        token: QpuTokenId,
        jobs: &HashSet<JobReference>,
        of_own: bool,
        origin: &Origin,
    ) -> Result<Admission> {
        let refused = || Refusal::Unauthenticated("the API key is unknown, ended or expired");
        let now = self.now();
        let question =
            Question { key: key.id(), token, jobs: jobs.iter().filter(|job| may_exist(job)).cloned().collect() };
        let row = self.admissions().ask(question).await?.ok_or_else(refused)?;
        if !key.matches(&ApiKeyDigest::try_from(row.digest.as_slice())?, token) {
            return Err(refused().into());
        }
        let (Some(id), Some(provider)) = (row.token, row.provider) else {
            return Err(Refusal::NotFound("QPU token").into());
        };
        let owner = match (row.owner_organization, row.owner_user) {
            (Some(organization), _) => TokenOwner::Organization(organization),
            (None, Some(user)) => TokenOwner::User(user),
            (None, None) => return Err(VaultError::DoesNotOpen.into()),
        };
        let standing = Standing {
            user: row.user_id,
            email: row.email,
            home: row.home,
            authenticator: Authenticator::ApiKey { id: row.key_id, scope: row.scope, bound_to: row.bound_to },
            relation: None,
        };
        let reach = Reach {
            token: OfToken { token: id, owner, member_of: row.member_of },
            user: row.member_of.is_some() || owner == TokenOwner::User(row.user_id) && row.bound_to.is_none(),
            admin: row.looks_after,
            enabled: row.enabled.unwrap_or_default(),
            expires_at: row.token_expires_at,
            outside_window: row.outside_window,
        };
        let grant = decide_use(&reach, Arc::new(standing), origin.clone(), now, of_own)?;
        if usize::try_from(row.seen_jobs) != Ok(jobs.len()) {
            return Err(Refusal::NotFound("job").into());
        }
        let (Some(secret_version), Some(format), Some(kek_id), Some(wrapped_data_key), Some(names), Some(ciphertexts)) =
            (row.secret_version, row.format, row.kek_id, row.wrapped_data_key, row.field_names, row.ciphertexts)
        else {
            return Err(VaultError::DoesNotOpen.into());
        };
        let provider = provider.parse().map_err(|_| VaultError::DoesNotOpen)?;
        Ok(Admission {
            grant,
            binding: Binding { owner, token: id, secret_version, provider },
            sealed: sealed_credential(format, kek_id, wrapped_data_key, names, ciphertexts),
            place: row.place,
        })
    }

    /// How many jobs with this token the caller may see at the provider. All that somebody submitted as a member of one organization are
    /// seen, or none of them.
    pub async fn count_visible_jobs(&self, grant: &Grant<Use>) -> Result<usize> {
        let count = sqlx::query_scalar!(
            r#"SELECT coalesce(sum(count) FILTER (WHERE sees_job($2, $3, user_id, organization_id)), 0)::bigint AS "count!"
                 FROM (SELECT user_id, organization_id, count(*) FROM jobs
                        WHERE qpu_token_id = $1 AND kind = 'job' AND provider_job_id IS NOT NULL
                        GROUP BY user_id, organization_id) submitted"#,
            grant.token().uuid(),
            grant.caller().map(UserId::uuid),
            grant.authenticator().and_then(Authenticator::bound_to).map(OrganizationId::uuid),
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(usize::try_from(count).unwrap_or_default())
    }

    /// Which of these jobs the caller may see.
    pub async fn visible_jobs(&self, grant: &Grant<Use>, jobs: &[JobReference]) -> Result<HashSet<JobReference>> {
        let jobs = jobs.iter().filter(|job| may_exist(job));
        let (kinds, ids): (Vec<_>, Vec<_>) = jobs.map(|job| (job.kind.as_str(), job.id.as_str())).unzip();
        let rows = sqlx::query!(
            r#"SELECT j.kind AS "kind: JobKind", j.provider_job_id AS "id!"
                 FROM jobs j JOIN unnest($2::text[], $3::text[]) AS named (kind, id)
                   ON j.kind = named.kind AND j.provider_job_id = named.id
                WHERE j.qpu_token_id = $1 AND sees_job($4, $5, j.user_id, j.organization_id)"#,
            grant.token().uuid(),
            &kinds as _,
            &ids as _,
            grant.caller().map(UserId::uuid),
            grant.authenticator().and_then(Authenticator::bound_to).map(OrganizationId::uuid),
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(|row| JobReference { kind: row.kind, id: row.id }).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_a_name_is_not_asked_about() {
        let may = |id: String| may_exist(&JobReference { kind: JobKind::Job, id });
        assert!(may("a".repeat(JobReference::LONGEST_ID)) && may("äöü".to_owned()));
        assert!(!may("a".repeat(JobReference::LONGEST_ID + 1)) && !may("a\0b".to_owned()));
    }
}
