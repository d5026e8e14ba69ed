//! How types of other floors stand in columns: ids as `uuid`, words as `text`, a sealed credential in five of them.

use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArgumentBuffer, PgHasArrayType, PgTypeInfo, PgValueRef};
use sqlx::{Decode, Encode, Postgres, Type};
use uuid::Uuid;

use crate::domain::{
    ApiKeyId, AuditEventId, InvitationId, JobId, JobKind, JobState, KeyScope, LeaseId, MembershipStatus,
    OrganizationId, Outcome, QpuTokenId, Role, SessionId, TokenOwner, UserId, UserStatus,
};
use crate::vault::{SealedCredential, SealedField, WrappedKey};

macro_rules! ids {
    ($($id:ty),*) => {$(
        impl Type<Postgres> for $id {
            fn type_info() -> PgTypeInfo {
                <Uuid as Type<Postgres>>::type_info()
            }
        }

        impl<'r> Decode<'r, Postgres> for $id {
            fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
                <Uuid as Decode<Postgres>>::decode(value).map(Self::from)
            }
        }

        impl Encode<'_, Postgres> for $id {
            fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
                <Uuid as Encode<Postgres>>::encode_by_ref(&self.uuid(), buffer)
            }
        }
    )*};
}

macro_rules! words {
    ($($word:ty),*) => {$(
        impl Type<Postgres> for $word {
            fn type_info() -> PgTypeInfo {
                <str as Type<Postgres>>::type_info()
            }
        }

        impl PgHasArrayType for $word {
            fn array_type_info() -> PgTypeInfo {
                <&str as PgHasArrayType>::array_type_info()
            }
        }

        impl<'r> Decode<'r, Postgres> for $word {
            fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
                Ok(<&str as Decode<Postgres>>::decode(value)?.parse()?)
            }
        }
    )*};
}

ids!(ApiKeyId, AuditEventId, InvitationId, JobId, LeaseId, OrganizationId, QpuTokenId, SessionId, UserId);
words!(JobKind, JobState, KeyScope, MembershipStatus, Outcome, Role, UserStatus);

/// The credential that a row of `qpu_token_secrets` has, from its columns; names and ciphertexts are in the same order.
pub(super) fn sealed_credential(
    format: i16,
    kek_id: String,
    wrapped_data_key: Vec<u8>,
    names: Vec<String>,
    ciphertexts: Vec<Vec<u8>>,
) -> SealedCredential {
    let fields = names.into_iter().zip(ciphertexts).map(|(name, ciphertext)| SealedField { name, ciphertext });
    SealedCredential { format, key: WrappedKey { kek_id, wrapped_data_key }, fields: fields.collect() }
}

/// Whose a token is: an organization, or a user. One of the two columns is null.
pub(super) fn owner_columns(owner: TokenOwner) -> (Option<Uuid>, Option<Uuid>) {
    match owner {
        TokenOwner::Organization(id) => (Some(id.uuid()), None),
        TokenOwner::User(id) => (None, Some(id.uuid())),
    }
}
