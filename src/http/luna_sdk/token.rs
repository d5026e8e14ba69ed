//! Tokens in the SDK's words.

use std::collections::BTreeMap;

use deserr::{Deserr, IntoValue, Value, ValuePointerRef};
use serde::Serialize;

use crate::domain::{ProviderName, Providers, QpuToken, QpuTokenId, Quota, Timestamp, TokenName};
use crate::http::input::Violations;
use crate::http::problem::Result;
use crate::http::v1;
use crate::http::value::CredentialFields;
use crate::repository::{NewToken, TokenChange, TokenLimit};
use crate::vault::{Credential, Secret};

/// A token to be stored. The `encryption_key` that versions up to 0.0.33 send along is not even read.
#[derive(Deserr)]
#[deserr(error = Violations)]
pub struct CreateToken {
    name: TokenName,
    provider: ProviderName,
    token: SingleToken,
}

impl CreateToken {
    /// The token, if the provider takes a single `token`: the SDK has no other field.
    pub fn accepted_by(self, providers: &Providers, inherited: bool) -> Result<NewToken> {
        v1::new_token(providers, self.name, self.provider, CredentialFields(self.token.0), inherited, None)
    }
}

/// A credential with one field.
struct SingleToken(Credential);

impl Deserr<Violations> for SingleToken {
    fn deserialize_from_value<V: IntoValue>(value: Value<V>, location: ValuePointerRef) -> Result<Self, Violations> {
        let Value::String(text) = value else { return Err(Violations::one(location, "must be a string")) };
        let refused = |error: &dyn std::fmt::Display| Violations::one(location, error.to_string());
        let field = "token".parse().map_err(|error| refused(&error))?;
        Credential::new([(field, Secret::from(text))]).map(Self).map_err(|error| refused(&error))
    }
}

/// A new name.
#[derive(Deserr)]
#[deserr(error = Violations)]
pub struct RenameToken {
    name: TokenName,
}

impl From<RenameToken> for TokenChange {
    fn from(body: RenameToken) -> Self {
        Self { name: Some(body.name), ..Self::default() }
    }
}

/// A token by name. The SDK of version 1 refuses members that it does not know. It also knows `token_type`, but always
/// writes that itself, and 0.0.33 fails on a list that has it.
#[derive(Serialize)]
pub struct NamedToken {
    name: String,
    provider: String,
}

impl From<QpuToken> for NamedToken {
    fn from(token: QpuToken) -> Self {
        Self { name: token.name, provider: token.provider }
    }
}

/// A token in a list, with the limits that the caller may know.
#[derive(Serialize)]
pub struct ListedToken {
    #[serde(flatten)]
    token: NamedToken,
    /// By user. The SDK reads the keys as integers, so a user is the decimal form of the id's 128 bits.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    user_time_quota: BTreeMap<String, TimeQuota>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group_time_quota: Option<TimeQuota>,
}

impl ListedToken {
    /// The token and its limits.
    pub fn new(token: QpuToken, limits: Vec<TokenLimit>) -> Self {
        let (mut user_time_quota, mut group_time_quota) = (BTreeMap::new(), None);
        for TokenLimit { user, quota, .. } in limits {
            match user {
                Some(user) => drop(user_time_quota.insert(user.uuid().as_u128().to_string(), quota.into())),
                None => group_time_quota = Some(quota.into()),
            }
        }
        Self { token: token.into(), user_time_quota, group_time_quota }
    }
}

/// A limit. The SDK of version 1 refuses members that it does not know.
#[derive(Serialize)]
pub struct TimeQuota {
    quota: i64,
    start: Timestamp,
    end: Timestamp,
    quota_used: i64,
}

impl From<Quota> for TimeQuota {
    fn from(Quota { quota, start, end, quota_used, .. }: Quota) -> Self {
        Self { quota, start, end, quota_used }
    }
}

/// A token by id.
#[derive(Serialize)]
pub struct IdentifiedToken {
    id: QpuTokenId,
    name: String,
    provider: String,
}

impl From<QpuToken> for IdentifiedToken {
    fn from(token: QpuToken) -> Self {
        Self { id: token.id, name: token.name, provider: token.provider }
    }
}
