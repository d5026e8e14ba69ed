//! The providers, a file or a folder each. Their addresses come from the operator.

mod braket;
mod declared;
mod dwave;
mod fujitsu;
mod ibm;
mod ionq;
pub(super) mod keys;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

use super::denial::Denial;

pub use braket::Braket;
pub use declared::{Declaration, Declared, Mistake, OperationDeclaration};
pub use dwave::Dwave;
pub use fujitsu::Fujitsu;
pub use ibm::Ibm;
pub use ionq::Ionq;

/// Addresses of a provider that an operator has set; the provider's own stand in for the others.
pub type Addresses = std::collections::BTreeMap<&'static str, String>;

/// A denial in JSON. The code goes along in a header, for whoever reads more than the message.
pub(super) fn json_denial(denial: &Denial, body: &Value) -> Response<Bytes> {
    raw_denial(denial, "application/json", body.to_string())
}

/// A denial in any form.
pub(super) fn raw_denial(denial: &Denial, content_type: &'static str, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    *response.status_mut() = denial.status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert("luna-error", HeaderValue::from_static(denial.code));
    response
}

/// A denial where no provider is known: a problem document with the members that providers' clients look for.
pub(super) fn deny_at_large(denial: &Denial) -> Response<Bytes> {
    let (status, title) = (denial.status.as_u16(), title(denial.status));
    let message = &denial.message;
    raw_denial(
        denial,
        "application/problem+json",
        json!({
            "type": "about:blank", "title": title, "status": status, "code": denial.code, "detail": message,
            "error_code": status, "error_msg": message, "statusCode": status, "error": title, "message": message,
            "errors": [{"code": status, "message": message}],
        })
        .to_string(),
    )
}

/// Refuses an object that has one of these members in another spelling: there are readers that do not mind, and would see what was
/// not looked at here.
fn in_just_this_way(value: &Value, names: &[&str]) -> Result<(), Denial> {
    let is_meant = |known: &str, name: &str| known != name && loosely(known).eq(loosely(name));
    let members = value.as_object();
    let strange =
        members.and_then(|members| names.iter().find(|name| members.keys().any(|known| is_meant(known, name))));
    strange.map_or(Ok(()), |name| Err(Denial::bad_request(&format!("{name:?} must be written in just this way"))))
}

/// A name as the most tolerant reader sees it: in either case, with `_`, with `-` or in camel case, and with the two characters
/// beyond ASCII that are letters of it in another case (ſ and the Kelvin sign).
fn loosely(name: &str) -> impl Iterator<Item = char> {
    name.chars().filter(|character| !matches!(character, '_' | '-')).map(|character| match character {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        character => character.to_ascii_lowercase(),
    })
}

/// A status in words.
pub(super) fn title(status: StatusCode) -> &'static str {
    status.canonical_reason().unwrap_or("Error")
}

/// An address without a slash at the end; one without a path gets the provider's own.
pub(super) fn base(addresses: &Addresses, key: &str, default: &str, path: &str) -> String {
    let given = addresses.get(key).map_or(default, String::as_str).trim_end_matches('/');
    let has_path = given.split_once("://").is_some_and(|(_, rest)| rest.contains('/'));
    if has_path { given.to_owned() } else { format!("{given}{path}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_spellings_are_refused() {
        let check = |name: &str| in_just_this_way(&json!({name: "x"}), &["session_id", "token"]);
        for same in ["session_id", "token", "session", "id", "session_ids", "sessiön_id", "_", "", "K"] {
            assert!(check(same).is_ok(), "{same:?}");
        }
        for strange in [
            "Session_ID",
            "sessionId",
            "SessionID",
            "sessionid",
            "session-id",
            "session__id",
            "_session_id_",
            "\u{17f}ession_id",
            "se\u{17f}\u{17f}ionId",
            "TOKEN",
            "to\u{212a}en",
            "t-oken",
        ] {
            assert!(check(strange).is_err(), "{strange:?}");
        }
        let both = json!({"session_id": "own", "sessionId": "other"});
        assert!(in_just_this_way(&both, &["session_id"]).is_err());
    }
}
