//! How single values are read from JSON: the domain's types by their `FromStr`, secrets without leaving a copy behind.

use std::collections::BTreeMap;
use std::str::FromStr;

use chrono::{DateTime, Datelike, Utc};
use deserr::{Deserr, IntoValue, Map, Value, ValuePointerRef};

use super::input::Violations;
use crate::authentication::Password;
use crate::domain::{
    EmailAddress, FieldName, InvitationId, KeyName, KeyScope, OrganizationId, OrganizationName, PersonName,
    ProviderName, QpuTokenId, Role, Timestamp, TokenName, UserId, UserStatus,
};
use crate::vault::{Credential, Secret};

fn text<V: IntoValue>(value: Value<V>, location: ValuePointerRef) -> Result<String, Violations> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err(Violations::one(location, "must be a string")),
    }
}

macro_rules! parsed {
    ($($type:ty => $expected:expr;)*) => {$(
        impl Deserr<Violations> for $type {
            fn deserialize_from_value<V: IntoValue>(value: Value<V>, location: ValuePointerRef) -> Result<Self, Violations> {
                let text = text(value, location)?;
                let explain: fn(<$type as FromStr>::Err) -> String = $expected;
                text.parse().map_err(|error| Violations::one(location, explain(error)))
            }
        }
    )*};
}

parsed! {
    EmailAddress => |error| error.to_string();
    FieldName => |error| error.to_string();
    KeyName => |error| error.to_string();
    KeyScope => |error| error.to_string();
    OrganizationName => |error| error.to_string();
    PersonName => |error| error.to_string();
    ProviderName => |error| error.to_string();
    Role => |error| error.to_string();
    TokenName => |error| error.to_string();
    UserStatus => |error| error.to_string();
    OrganizationId => |_| "must be a UUID".to_owned();
    InvitationId => |_| "must be a UUID".to_owned();
    QpuTokenId => |_| "must be a UUID".to_owned();
    UserId => |_| "must be a UUID".to_owned();
    Flag => |_| "must be true or false".to_owned();
    Moment => |_| "must be an RFC 3339 date and time in the years 2000 to 9999".to_owned();
}

/// `true` or `false` in a query.
#[derive(Debug, Clone, Copy)]
pub struct Flag(pub bool);

impl FromStr for Flag {
    type Err = std::str::ParseBoolError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// A point in time that the database and every client can hold.
#[derive(Debug, Clone, Copy)]
pub struct Moment(pub Timestamp);

impl FromStr for Moment {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let moment = DateTime::parse_from_rfc3339(text).map_err(drop)?.with_timezone(&Utc);
        if (2000..=9999).contains(&moment.year()) { Ok(Self(moment)) } else { Err(()) }
    }
}

/// A member of a `PATCH`: not there, `null`, or a value.
#[derive(Debug, Clone, Copy, Default)]
pub enum Change<T> {
    /// Not there.
    #[default]
    Keep,
    /// `null`.
    Clear,
    /// A value.
    Set(T),
}

impl<T: Deserr<Violations>> Deserr<Violations> for Change<T> {
    fn deserialize_from_value<V: IntoValue>(value: Value<V>, location: ValuePointerRef) -> Result<Self, Violations> {
        match value {
            Value::Null => Ok(Self::Clear),
            value => T::deserialize_from_value(value, location).map(Self::Set),
        }
    }
}

/// A member that may be left out but not be `null`.
#[derive(Debug, Clone, Copy)]
pub struct Optional<T>(pub Option<T>);

impl<T> Default for Optional<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Deserr<Violations>> Deserr<Violations> for Optional<T> {
    fn deserialize_from_value<V: IntoValue>(value: Value<V>, location: ValuePointerRef) -> Result<Self, Violations> {
        match value {
            Value::Null => Err(Violations::one(location, "must not be null; leave it out instead")),
            value => T::deserialize_from_value(value, location).map(|value| Self(Some(value))),
        }
    }
}

/// A password somebody chooses.
pub struct NewPassword(pub Password);

impl Deserr<Violations> for NewPassword {
    fn deserialize_from_value<V: IntoValue>(value: Value<V>, location: ValuePointerRef) -> Result<Self, Violations> {
        let password = Password::new(text(value, location)?);
        password.map(Self).map_err(|error| Violations::one(location, error.to_string()))
    }
}

/// A password somebody claims to know: any text, so that the answer never tells whether it could have been one.
pub struct ClaimedPassword(pub Password);

impl Deserr<Violations> for ClaimedPassword {
    fn deserialize_from_value<V: IntoValue>(value: Value<V>, location: ValuePointerRef) -> Result<Self, Violations> {
        text(value, location).map(|text| Self(Password::claimed(text)))
    }
}

/// A text that is a secret or proves something, read elsewhere.
pub struct Opaque(pub String);

impl Deserr<Violations> for Opaque {
    fn deserialize_from_value<V: IntoValue>(value: Value<V>, location: ValuePointerRef) -> Result<Self, Violations> {
        text(value, location).map(Self)
    }
}

/// A hardware credential.
pub struct CredentialFields(pub Credential);

impl Deserr<Violations> for CredentialFields {
    fn deserialize_from_value<V: IntoValue>(value: Value<V>, location: ValuePointerRef) -> Result<Self, Violations> {
        let Value::Map(map) = value else { return Err(Violations::one(location, "must be an object")) };
        let mut fields = BTreeMap::new();
        for (name, value) in map.into_iter() {
            let member = location.push_key(&name);
            let field = name.parse::<FieldName>().map_err(|error| Violations::one(member, error.to_string()))?;
            let value = match value.into_value() {
                Value::String(text) => Secret::from(text),
                _ => return Err(Violations::one(member, "must be a string")),
            };
            fields.insert(field, value);
        }
        Credential::new(fields).map(Self).map_err(|error| Violations::one(location, error.to_string()))
    }
}
