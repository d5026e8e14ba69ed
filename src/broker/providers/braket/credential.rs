//! The credential's forms: `access_key_id` and `secret_access_key` with or without `session_token`; or, where there is room for one
//! field only, `token`: `ACCESS_KEY_ID:SECRET_ACCESS_KEY[:SESSION_TOKEN][@RESULTS_BUCKET]`. In both, the field `results_bucket`
//! may say where results go.

use crate::vault::OpenedCredential;

/// Somebody at AWS.
#[derive(Clone, Copy)]
pub(super) struct Account<'a> {
    pub(super) access_key_id: &'a str,
    pub(super) secret_access_key: &'a str,
    pub(super) session_token: Option<&'a str>,
    pub(super) results_bucket: Option<&'a str>,
}

impl<'a> Account<'a> {
    /// `None` if the credential has neither form.
    pub(super) fn of(credential: &'a OpenedCredential) -> Option<Self> {
        let account = match credential.get("token") {
            Some(token) => Self::parse(token)?,
            None => Self {
                access_key_id: credential.get("access_key_id")?,
                secret_access_key: credential.get("secret_access_key")?,
                session_token: credential.get("session_token"),
                results_bucket: None,
            },
        };
        let is_id = |id: &str| (16..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let results_bucket = credential.get("results_bucket").or(account.results_bucket);
        is_id(account.access_key_id).then_some(Self { results_bucket, ..account })
    }

    /// None of the parts has a colon or an `@`: keys are Base64, and so are session tokens.
    fn parse(token: &'a str) -> Option<Self> {
        let (keys, results_bucket) = match token.split_once('@') {
            Some((keys, bucket)) => (keys, Some(bucket)),
            None => (token, None),
        };
        let mut keys = keys.split(':');
        let (access_key_id, secret_access_key, session_token) = (keys.next()?, keys.next()?, keys.next());
        let whole = keys.next().is_none() && !secret_access_key.is_empty() && session_token != Some("");
        whole.then_some(Self { access_key_id, secret_access_key, session_token, results_bucket })
    }
}

/// The secrets in the value of a field.
pub(super) fn secrets<'a>(field: &str, value: &'a str) -> Vec<&'a str> {
    let parts = (field == "token").then(|| Account::parse(value)).flatten().map(|account| {
        [Some(account.access_key_id), Some(account.secret_access_key), account.session_token].into_iter().flatten()
    });
    parts.map_or_else(|| vec![value], |parts| parts.chain([value]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_field_has_room_for_all() {
        let account = Account::parse("AKIAIOSFODNN7EXAMPLE:wJalr/XUt+n=").unwrap();
        assert_eq!((account.access_key_id, account.secret_access_key), ("AKIAIOSFODNN7EXAMPLE", "wJalr/XUt+n="));
        assert_eq!((account.session_token, account.results_bucket), (None, None));
        let account = Account::parse("ASIAIOSFODNN7EXAMPLE:wJalr:IQoJ/b3==@amazon-braket-{region}-results").unwrap();
        assert_eq!(account.session_token, Some("IQoJ/b3=="));
        assert_eq!(account.results_bucket, Some("amazon-braket-{region}-results"));
        for wrong in ["", "AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE:", "A:B:", "A:B:C:D"] {
            assert!(Account::parse(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn each_part_of_it_is_a_secret() {
        assert_eq!(
            secrets("token", "KEY:SECRET:SESSION@bucket"),
            ["KEY", "SECRET", "SESSION", "KEY:SECRET:SESSION@bucket"]
        );
        assert_eq!(secrets("secret_access_key", "a:b"), ["a:b"]);
    }
}
