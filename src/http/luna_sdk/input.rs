//! Bodies as the SDK sends them. JSON without a content type, since versions before 1.2 name none; members that are not
//! known here are passed over, since each version sends a few of its own.

use axum::extract::{FromRequest, Request};
use deserr::{Deserr, IntoValue, Value, ValuePointerRef};

use crate::domain::Timestamp;
use crate::http::input::{Violations, bytes, parse, read_json, read_pairs};
use crate::http::problem::{Problem, Result};
use crate::http::state::AppState;
use crate::http::value::Moment;

/// A JSON body of whatever content type.
pub struct Body<T>(pub T);

impl<T: Deserr<Violations>> FromRequest<AppState> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &AppState) -> Result<Self> {
        read_json(&bytes(request).await?).and_then(parse).map(Self)
    }
}

/// A body of `application/x-www-form-urlencoded`.
pub struct Form<T>(pub T);

impl<T: Deserr<Violations>> FromRequest<AppState> for Form<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &AppState) -> Result<Self> {
        read_pairs(&bytes(request).await?).and_then(parse).map(Self)
    }
}

/// A point in time. Versions before 1.0 send one without a zone as it was typed; it is UTC then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Time(pub Timestamp);

impl Deserr<Violations> for Time {
    fn deserialize_from_value<V: IntoValue>(value: Value<V>, location: ValuePointerRef) -> Result<Self, Violations> {
        let moment = match &value {
            Value::String(text) => text.parse().or_else(|()| format!("{text}Z").parse()),
            _ => Err(()),
        };
        let moment = moment.map(|Moment(moment)| Self(moment));
        moment.map_err(|()| Violations::one(location, "must be an ISO 8601 date and time in the years 2000 to 9999"))
    }
}

/// A number in a query, from `LEAST` to `MOST`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count<const LEAST: u32, const MOST: u32>(u32);

impl<const LEAST: u32, const MOST: u32> Count<LEAST, MOST> {
    /// What was asked for, or the default.
    pub fn or(asked: Option<Self>, default: u32) -> i64 {
        asked.map_or(default, |count| count.0).into()
    }
}

impl<const LEAST: u32, const MOST: u32> Deserr<Violations> for Count<LEAST, MOST> {
    fn deserialize_from_value<V: IntoValue>(value: Value<V>, location: ValuePointerRef) -> Result<Self, Violations> {
        let number = match &value {
            Value::String(text) => text.parse().ok().filter(|number| (LEAST..=MOST).contains(number)),
            _ => None,
        };
        number.map(Self).ok_or_else(|| Violations::one(location, format!("must be a number from {LEAST} to {MOST}")))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_time_without_a_zone_is_utc() {
        let time = |text: &str| parse::<Time>(json!(text)).map(|time| time.0.to_rfc3339()).ok();
        for text in ["2031-05-01T08:30:00", "2031-05-01T08:30:00Z", "2031-05-01T10:30:00+02:00"] {
            assert_eq!(time(text).as_deref(), Some("2031-05-01T08:30:00+00:00"), "{text}");
        }
        for text in ["", "Z", "2031-05-01", "tomorrow", "1999-01-01T00:00:00", "2031-05-01T08:30:00ZZ"] {
            assert_eq!(time(text), None, "{text}");
        }
    }

    #[test]
    fn a_count_is_in_bounds() {
        let count = |text: &str| parse::<Count<1, 1000>>(json!(text)).is_ok();
        assert!(count("1") && count("1000"));
        for text in ["0", "1001", "-1", "1.5", "", "ten", "99999999999999999999"] {
            assert!(!count(text), "{text}");
        }
    }
}
