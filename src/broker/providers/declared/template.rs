//! Texts with names in braces: the headers that a provider gets, and the body of a refusal.

use std::collections::BTreeSet;

use serde_json::Value;
use zeroize::Zeroizing;

use crate::broker::denial::Denial;
use crate::vault::OpenedCredential;

/// The value of a header, with fields of the credential: `Bearer {token}`.
pub struct HeaderTemplate(Vec<Part>);

enum Part {
    Text(String),
    Field(String),
}

impl HeaderTemplate {
    /// Visible ASCII, spaces, and fields that the credential can have.
    ///
    /// # Errors
    /// What the text must be, if it is something else.
    pub fn parse(text: &str, fields: &[&str]) -> Result<Self, String> {
        const BRACES: &str = "one with a closing brace for each opening one";
        let mut parts = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let (before, field) = match rest.split_once('{') {
                Some((before, after)) => {
                    let (field, after) = after.split_once('}').ok_or(BRACES)?;
                    rest = after;
                    (before, Some(field))
                }
                None => (std::mem::take(&mut rest), None),
            };
            if before.contains('}') {
                return Err(BRACES.to_owned());
            }
            if !before.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
                return Err("made of visible ASCII characters and spaces".to_owned());
            }
            parts.push(Part::Text(before.to_owned()));
            if let Some(field) = field {
                if !fields.contains(&field) {
                    let known: BTreeSet<_> = fields.iter().map(|known| format!("{{{known}}}")).collect();
                    let known = known.into_iter().collect::<Vec<_>>().join(", ");
                    let field = field.escape_debug();
                    return Err(format!("made of text and the credential's fields {known}, and {{{field}}} is none"));
                }
                parts.push(Part::Field(field.to_owned()));
            }
        }
        Ok(Self(parts))
    }

    /// Whether there is something of the credential in it.
    pub fn has_fields(&self) -> bool {
        self.0.iter().any(|part| matches!(part, Part::Field(_)))
    }

    /// The value for this credential; `None` if it lacks a field.
    pub fn fill(&self, credential: &OpenedCredential) -> Option<Zeroizing<String>> {
        let parts = || {
            self.0.iter().map(|part| match part {
                Part::Text(text) => Some(text.as_str()),
                Part::Field(name) => credential.get(name),
            })
        };
        // Long enough from the start: a text that grows leaves copies of itself behind.
        let length = parts().map(|part| part.map(str::len)).sum::<Option<usize>>()?;
        let mut value = Zeroizing::new(String::with_capacity(length));
        parts().flatten().for_each(|part| value.push_str(part));
        Some(value)
    }
}

/// The body of a refusal in JSON: `{status}` stands for the number, `{code}` and `{message}` for text between quotes.
pub struct ErrorTemplate(String);

impl ErrorTemplate {
    /// What a provider's client is given if nothing is declared.
    pub const DEFAULT: &str = r#"{"status":{status},"error":"{code}","code":"{code}","message":"{message}"}"#;

    /// Refuses what is no JSON once it is filled in.
    pub fn parse(text: &str) -> Option<Self> {
        let template = Self(text.to_owned());
        let sample = Denial::bad_request("a \"quoted\" word \\ and\na line");
        serde_json::from_str::<Value>(&template.fill(&sample)).ok()?;
        Some(template)
    }

    /// The body for this denial.
    pub fn fill(&self, denial: &Denial) -> String {
        let inside = |text: &str| {
            let quoted = Value::from(text).to_string();
            quoted[1..quoted.len() - 1].to_owned()
        };
        let values = [
            ("{status}", denial.status.as_u16().to_string()),
            ("{code}", inside(denial.code)),
            ("{message}", inside(&denial.message)),
        ];
        let mut filled = String::with_capacity(self.0.len() + denial.message.len());
        let mut rest = self.0.as_str();
        // One pass: what was put in is not looked at again.
        while let Some(at) = rest.find('{') {
            filled.push_str(&rest[..at]);
            rest = &rest[at..];
            let (name, value) =
                values.iter().find(|(name, _)| rest.starts_with(name)).map_or(("{", "{"), |(n, v)| (*n, v));
            filled.push_str(value);
            rest = &rest[name.len()..];
        }
        filled + rest
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    #[test]
    fn a_header_has_fields_of_the_credential_only() {
        for good in ["{token}", "Bearer {token}", "id={id}, key={token}", "plain"] {
            assert!(HeaderTemplate::parse(good, &["token", "id"]).is_ok(), "{good}");
        }
        for bad in ["{tokens}", "{token", "token}", "{}", "a\r\nb: {token}", "{{token}}", "é"] {
            assert!(HeaderTemplate::parse(bad, &["token", "id"]).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_refusal_stays_json_whatever_it_says() {
        let template =
            ErrorTemplate::parse(r#"{"type":"denied","n":{status},"message":"no: {message} ({code})"}"#).unwrap();
        let denial = Denial::new(StatusCode::FORBIDDEN, "quota", "say \"{code}\"\n\\ {status}");
        let body: Value = serde_json::from_str(&template.fill(&denial)).unwrap();
        assert_eq!(body["n"], 403);
        assert_eq!(body["message"], "no: say \"{code}\"\n\\ {status} (quota)");
        for bad in ["{message}", r#"{"a": {message}}"#, r#"{"a": "{message}""#, ""] {
            assert!(ErrorTemplate::parse(bad).is_none(), "{bad}");
        }
        assert!(ErrorTemplate::parse(ErrorTemplate::DEFAULT).is_some());
    }
}
