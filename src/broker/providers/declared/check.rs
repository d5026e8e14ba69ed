//! Whether what an operator has declared makes sense, said at the start and not by the first member.

use std::collections::HashSet;

use http::{HeaderName, Method, header};

use super::declaration::{DeclaredEffect, DeclaredKind, DeclaredMethod, OperationDeclaration, UsageDeclaration};
use crate::domain::{JobKind, MOST_USED};

/// A key that is not as it should be: below the provider's table, and what is expected.
#[derive(Debug)]
pub struct Mistake {
    /// Its dotted path.
    pub key: String,
    /// What it must be.
    pub expected: String,
}

impl Mistake {
    pub(super) fn new(key: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { key: key.into(), expected: expected.into() }
    }
}

/// Headers that the broker makes itself.
const FRAMING: [HeaderName; 10] = [
    header::ACCEPT_ENCODING,
    header::CONNECTION,
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::HOST,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// A header that a credential or key can be in.
pub(super) fn header_name(text: &str) -> Option<HeaderName> {
    text.parse().ok().filter(|name| !FRAMING.contains(name))
}

impl From<DeclaredMethod> for Method {
    fn from(method: DeclaredMethod) -> Self {
        match method {
            DeclaredMethod::Get => Self::GET,
            DeclaredMethod::Post => Self::POST,
            DeclaredMethod::Put => Self::PUT,
            DeclaredMethod::Patch => Self::PATCH,
            DeclaredMethod::Delete => Self::DELETE,
        }
    }
}

impl OperationDeclaration {
    /// The names in braces of its path.
    fn captures(&self) -> impl Iterator<Item = &str> {
        self.path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
    }

    /// What of the caller's its path names.
    pub(super) fn own(&self) -> impl Iterator<Item = JobKind> {
        self.captures().filter_map(|name| name.parse().ok())
    }

    /// Whether the broker can ask it what a job (session, upload) of the caller's has used.
    pub(super) fn settles(&self, kind: JobKind) -> bool {
        self.method == DeclaredMethod::Get
            && self.usage.is_some()
            && self.captures().count() == 1
            && self.own().eq([kind])
    }
}

/// Checks operations.
pub(super) fn operations(operations: &[OperationDeclaration]) -> Result<(), Mistake> {
    if operations.is_empty() {
        return Err(Mistake::new("operations", "a list of what is allowed, for there is a base_url and no code"));
    }
    let mut seen = HashSet::new();
    for (index, operation) in operations.iter().enumerate() {
        // People count from one, and see names.
        let expected = |key: &str, what: &str| match key {
            "name" => what.to_owned(),
            _ => format!("{what} (in the operation {})", operation.name),
        };
        let wrong = |key: &str, what: &str| Err(Mistake::new(format!("operations.{index}.{key}"), expected(key, what)));
        let word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_:".contains(&byte);
        if operation.name.is_empty() || operation.name.len() > 64 || !operation.name.bytes().all(word) {
            return wrong("name", "a name such as jobs:submit: up to 64 of a–z, 0–9, colons, - and _");
        }
        if !operation.path.split('/').all(is_segment) {
            return wrong("path", "a path without a slash at its ends, such as v1/jobs/{job}");
        }
        let own: Vec<_> = operation.own().collect();
        if own.iter().collect::<HashSet<_>>().len() < own.len() || own.contains(&JobKind::Lease) {
            return wrong("path", "one with {job}, {session} and {upload} once each, and no {lease}");
        }
        if !seen.insert((Method::from(operation.method), &operation.path)) {
            return wrong("path", "one that no other operation has with this method");
        }
        rights(operation, &own, operations).or_else(|(key, expected)| wrong(key, expected))?;
        let pointers = operation.body_ids.values().chain(&operation.id);
        let listed = operation.list.iter().flat_map(|list| [&list.items, &list.id].into_iter().chain(&list.counts));
        let pointers = pointers.map(|pointer| ("id", pointer)).chain(listed.map(|pointer| ("list", pointer)));
        if let Some((key, _)) = { pointers }.find(|(_, pointer)| !is_pointer(pointer)) {
            return wrong(key, "made of JSON pointers, such as /id");
        }
        if let Some(usage) = &operation.usage {
            if own.len() != 1 || !operation.body_ids.is_empty() || !operation.query_ids.is_empty() {
                return wrong(
                    "usage",
                    "with an operation whose path names one {job}, {session} or {upload}, and nothing else does",
                );
            }
            self::usage(usage).or_else(|expected| wrong("usage", expected))?;
        }
    }
    Ok(())
}

type Wrong = (&'static str, &'static str);

/// What an operation does fits what it names.
fn rights(operation: &OperationDeclaration, own: &[JobKind], all: &[OperationDeclaration]) -> Result<(), Wrong> {
    let names_something = !own.is_empty() || !operation.body_ids.is_empty();
    // A GET is given up when its client hangs up; what would come of it could not be booked.
    if operation.effect != DeclaredEffect::Read && operation.method == DeclaredMethod::Get {
        return Err(("method", "another one than GET, for it does something"));
    }
    match operation.effect {
        DeclaredEffect::Submit => {
            let kind = JobKind::from(operation.makes);
            if operation.id.is_none() {
                return Err(("id", "the JSON pointer to the id of what was submitted, such as /id"));
            }
            if operation.amount.is_some_and(|amount| !(0..=MOST_USED).contains(&amount)) {
                return Err(("amount", "a number from 0 to 1000000000000000"));
            }
            if operation.amount.is_none() && !all.iter().any(|other| other.settles(kind)) {
                let expected =
                    "there, or else an operation GET whose path names nothing but what was made, with `usage`";
                return Err(("amount", expected));
            }
        }
        DeclaredEffect::Cancel | DeclaredEffect::Delete if !names_something => {
            return Err(("effect", "read or submit, or there must be a {job}, {session} or {upload}, or body_ids"));
        }
        _ if operation.id.is_some() || operation.amount.is_some() || operation.makes != DeclaredKind::default() => {
            return Err(("effect", "submit, for it has id, amount or makes"));
        }
        _ => {}
    }
    let reads = operation.effect == DeclaredEffect::Read && operation.method == DeclaredMethod::Get;
    if operation.anonymous && (!reads || names_something || !operation.query_ids.is_empty() || operation.list.is_some())
    {
        return Err(("anonymous", "left out where something of a member's is named, listed or changed"));
    }
    if operation.list.is_some() && operation.effect == DeclaredEffect::Submit {
        return Err(("list", "left out of a submission"));
    }
    Ok(())
}

fn usage(usage: &UsageDeclaration) -> Result<(), &'static str> {
    let UsageDeclaration { value, from, until, status, done, failed, suffix, scale } = usage;
    if ![value, from, until, status].into_iter().flatten().all(|pointer| is_pointer(pointer)) {
        return Err("made of JSON pointers, such as /usage/seconds");
    }
    if from.is_some() != until.is_some() || value.is_some() && from.is_some() {
        return Err("`value`, or `from` and `until`, or none of them for what costs nothing");
    }
    if status.is_some() == done.is_empty()
        || status.is_none() && (!failed.is_empty() || value.is_none() && from.is_none())
    {
        return Err("given a `status` and the states in which it is `done`, together");
    }
    if !(scale.is_finite() && *scale > 0.0) {
        return Err("given a `scale` above 0");
    }
    if !suffix.is_empty() && value.is_none() {
        return Err("without a `suffix` where there is no `value`");
    }
    Ok(())
}

fn is_pointer(text: &str) -> bool {
    text.is_empty() || text.starts_with('/')
}

/// A segment of a path: plain, or one name in braces.
fn is_segment(segment: &str) -> bool {
    let Some(name) = segment.strip_prefix('{') else {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:@!$&'()*+,;=".contains(&byte);
        return !matches!(segment, "" | "." | "..") && segment.bytes().all(plain);
    };
    let word = |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    name.strip_suffix('}').is_some_and(word)
}
