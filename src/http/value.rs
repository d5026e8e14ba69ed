//! How single values are read from JSON: the domain's types by their `FromStr`, secrets without leaving a copy behind.

use std::collections::BTreeMap;
use std::str::FromStr;

use chrono::{DateTime, Datelike, TimeDelta, Timelike, Utc};
use deserr::{Deserr, IntoValue, Map, Value, ValuePointerRef};

use super::input::Violations;
use crate::authentication::{NewPassword, Password};
use crate::domain::{
    EmailAddress, FieldName, InvitationId, KeyName, KeyScope, MOST_USED, OrganizationId, OrganizationName, PersonName,
    ProviderJobName, ProviderName, Purpose, QpuTokenId, Role, Timestamp, TokenName, UserId, UserReference, UserStatus,
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
    ActionName => |()| "must be an action such as qpu-tokens:create, or a noun such as qpu-tokens".to_owned();
    AnyId => |_| "must be a UUID".to_owned();
    QueryFlag => |_| "must be true or false".to_owned();
    EmailAddress => |error| error.to_string();
    FieldName => |error| error.to_string();
    KeyName => |error| error.to_string();
    KeyScope => |error| error.to_string();
    OrganizationName => |error| error.to_string();
    PersonName => |error| error.to_string();
    ProviderJobName => |error| error.to_string();
    ProviderName => |error| error.to_string();
    Role => |error| error.to_string();
    TokenName => |error| error.to_string();
    UserReference => |_| "must be a user's id or e-mail address".to_owned();
    UserStatus => |error| error.to_string();
    OrganizationId => |_| "must be a UUID".to_owned();
    InvitationId => |_| "must be a UUID".to_owned();
    Purpose => |error| error.to_string();
    QpuTokenId => |_| "must be a UUID".to_owned();
    UserId => |_| "must be a UUID".to_owned();
    Moment => |()| "must be an RFC 3339 date and time in the years 2000 to 9999".to_owned();
}

/// `true` or `false`.
#[derive(Debug, Clone, Copy)]
pub struct Flag(pub bool);

impl Deserr<Violations> for Flag {
    fn deserialize_from_value<V: IntoValue>(value: Value<V>, location: ValuePointerRef) -> Result<Self, Violations> {
        match value {
            Value::Boolean(flag) => Ok(Self(flag)),
            _ => Err(Violations::one(location, "must be true or false")),
        }
    }
}

/// `true` or `false` in a query.
#[derive(Debug, Clone, Copy)]
pub struct QueryFlag(pub bool);

impl FromStr for QueryFlag {
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
        let leap_second = moment.nanosecond() >= 1_000_000_000;
        if (2000..=9999).contains(&moment.year()) && !leap_second { Ok(Self(moment)) } else { Err(()) }
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

impl From<Change<Moment>> for Option<Option<Timestamp>> {
    fn from(change: Change<Moment>) -> Self {
        match change {
            Change::Keep => None,
            Change::Clear => Some(None),
            Change::Set(moment) => Some(Some(moment.0)),
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

impl Deserr<Violations> for NewPassword {
    fn deserialize_from_value<V: IntoValue>(value: Value<V>, location: ValuePointerRef) -> Result<Self, Violations> {
        Self::new(text(value, location)?).map_err(|error| Violations::one(location, error.to_string()))
    }
}

/// A password that somebody claims to know may be any text: the answer must not tell whether it could have been one.
impl Deserr<Violations> for Password {
    fn deserialize_from_value<V: IntoValue>(value: Value<V>, location: ValuePointerRef) -> Result<Self, Violations> {
        text(value, location).map(Self::new)
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
            // A name that is none may well be the secret, where somebody has mixed the two up: it is not repeated.
            let field = name.parse::<FieldName>();
            let field = field.map_err(|error| Violations::one(location, format!("has a field whose name {error}")))?;
            let value = match value.into_value() {
                Value::String(text) => Secret::from(text),
                _ => return Err(Violations::one(member, "must be a string")),
            };
            fields.insert(field, value);
        }
        Credential::new(fields).map(Self).map_err(|error| Violations::one(location, error.to_string()))
    }
}

/// A quantity in a provider's native unit: 0 to 2⁶³−1.
#[derive(Debug, Clone, Copy)]
pub struct Amount(pub i64);

impl Deserr<Violations> for Amount {
    fn deserialize_from_value<V: IntoValue>(value: Value<V>, location: ValuePointerRef) -> Result<Self, Violations> {
        let amount = match value {
            Value::Integer(amount) => i64::try_from(amount).ok(),
            _ => None,
        };
        amount
            .map(Self)
            .ok_or_else(|| Violations::one(location, "must be a whole number from 0 to 9223372036854775807"))
    }
}

/// What a solver says was used: 0 to 10¹⁵ of a provider's native unit, so that sums stay numbers.
#[derive(Debug, Clone, Copy)]
pub struct ReportedAmount(pub i64);

impl Deserr<Violations> for ReportedAmount {
    fn deserialize_from_value<V: IntoValue>(value: Value<V>, location: ValuePointerRef) -> Result<Self, Violations> {
        match Amount::deserialize_from_value(value, location) {
            Ok(Amount(amount @ 0..=MOST_USED)) => Ok(Self(amount)),
            _ => Err(Violations::one(location, "must be a whole number from 0 to 1000000000000000")),
        }
    }
}

/// How long a lease can be redeemed: 10 to 3600 seconds, 300 by default.
#[derive(Debug, Clone, Copy)]
pub struct LeaseSeconds(pub TimeDelta);

impl Default for LeaseSeconds {
    fn default() -> Self {
        Self(TimeDelta::seconds(300))
    }
}

impl Deserr<Violations> for LeaseSeconds {
    fn deserialize_from_value<V: IntoValue>(value: Value<V>, location: ValuePointerRef) -> Result<Self, Violations> {
        match Amount::deserialize_from_value(value, location) {
            Ok(Amount(seconds @ 10..=3600)) => Ok(Self(TimeDelta::seconds(seconds))),
            _ => Err(Violations::one(location, "must be a whole number from 10 to 3600")),
        }
    }
}

/// An action of the audit log, or a noun.
#[derive(Debug, Clone)]
pub struct ActionName(pub String);

impl FromStr for ActionName {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let word =
            |word: &str| (1..=40).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
        let good = match text.split_once(':') {
            None => word(text),
            Some((noun, verb)) => word(noun) && word(verb),
        };
        if good { Ok(Self(text.to_owned())) } else { Err(()) }
    }
}

/// The id of any kind of thing.
#[derive(Debug, Clone, Copy)]
pub struct AnyId(pub uuid::Uuid);

impl FromStr for AnyId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}
