//! The redemption of leases: the one answer of this service that has a credential in it, for a solver, once.

use chrono::{DateTime, Utc};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::Broker;
use crate::authentication::LeaseDigest;
use crate::authorization::Grant;
use crate::authorization::action::leases::Redeem;
use crate::domain::{LeaseId, ProviderName, QpuTokenId};
use crate::repository::{Redemption, Result};
use crate::vault::{OpenedCredential, OpeningProof, VaultError};

/// Room for all members but the credential.
const FRAME: usize = 512;

/// What a solver gets for a lease.
#[derive(Serialize, ToSchema)]
pub struct RedeemedLease<'a> {
    /// The lease; to report what was used.
    #[schema(value_type = Uuid)]
    lease_id: LeaseId,
    /// The token.
    #[schema(value_type = Uuid)]
    qpu_token_id: QpuTokenId,
    /// The hardware provider.
    #[schema(value_type = String)]
    provider: &'a ProviderName,
    /// Which version of the token's credential this is.
    secret_version: i32,
    /// The provider's credential, field by field. It comes this once: whoever loses it needs a new lease.
    #[schema(value_type = BTreeMap<String, String>)]
    credential: Fields<'a>,
    /// When what was promised to the job is booked, if nothing is reported.
    usage_due_by: DateTime<Utc>,
}

/// Read where it lies, and not copied.
struct Fields<'a>(&'a OpenedCredential);

impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in self.0.fields() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl Broker {
    /// Redeems a lease: the bytes of the answer, which are zeroed when it has been sent.
    ///
    /// # Errors
    /// See [`crate::repository::Repository::redeem_lease`].
    pub async fn redeem(
        &self,
        grant: &Grant<Redeem>,
        digest: &LeaseDigest,
        estimate: impl Fn(&ProviderName) -> i64 + Send + Sync,
    ) -> Result<Zeroizing<Vec<u8>>> {
        let open = |redemption: Redemption| async move {
            let Redemption { binding, sealed, .. } = &redemption;
            let proof = OpeningProof::for_use_of_a_token();
            self.repository.vault().open(binding, sealed, &proof, |opened| write(&redemption, opened)).await?
        };
        self.repository.redeem_lease(grant, digest, estimate, open).await
    }
}

/// The answer, in memory that has its full size at once: what grows leaves copies behind.
fn write(redemption: &Redemption, opened: &OpenedCredential) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    // In JSON a byte takes six at most.
    let size = opened.fields().map(|(name, value)| 6 * (name.len() + value.len()) + 8).sum::<usize>() + FRAME;
    let mut bytes = Zeroizing::new(Vec::with_capacity(size));
    let answer = RedeemedLease {
        lease_id: redemption.id,
        qpu_token_id: redemption.binding.token,
        provider: &redemption.binding.provider,
        secret_version: redemption.binding.secret_version,
        credential: Fields(opened),
        usage_due_by: redemption.usage_due_by,
    };
    serde_json::to_writer(&mut *bytes, &answer).map_err(|_| VaultError::DoesNotOpen)?;
    Ok(bytes)
}
