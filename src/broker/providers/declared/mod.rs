//! Providers that an operator declares in the configuration, without code: where they are, where the key goes, what is allowed,
//! what a refusal looks like, and where answers tell what was used.

mod check;
mod declaration;
mod template;
mod usage;

use std::borrow::Cow;
use std::collections::BTreeSet;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Response, StatusCode};
use serde_json::Value;

use super::{in_just_this_way, keys, raw_denial};
use crate::authentication::UseKey;
use crate::broker::adapter::{Adapter, Caller, Learned, Outgoing, Secrets};
use crate::broker::content::Content;
use crate::broker::denial::Denial;
use crate::broker::head::Head;
use crate::broker::rule::{AllowList, Effect, Estimate, List, Operation, Passage, Rule};
use crate::domain::{Created, JobReference};
use template::{ErrorTemplate, HeaderTemplate};

pub use check::Mistake;
use declaration::UsageDeclaration;
pub use declaration::{Declaration, OperationDeclaration};

/// A declared provider.
pub struct Declared {
    base: String,
    key_header: HeaderName,
    /// What stands in front of the key.
    scheme: Option<String>,
    headers: Vec<(HeaderName, HeaderTemplate)>,
    error: ErrorTemplate,
    operations: Vec<OperationDeclaration>,
    allowed: AllowList,
}

impl Declared {
    /// As it was declared.
    ///
    /// # Errors
    /// The first key that is not as it should be.
    pub fn new(declaration: Declaration<'_>) -> Result<Self, Mistake> {
        let (key_header, scheme) = match declaration.key_header.split_once(':') {
            Some((name, scheme)) => (name, Some(scheme.trim())),
            None => (declaration.key_header, None),
        };
        let key_header =
            check::header_name(key_header.trim()).filter(|_| scheme.is_none_or(|scheme| !scheme.is_empty()));
        let expected = "the header of the client's token, such as X-Auth-Token or Authorization: Bearer";
        let key_header = key_header.ok_or_else(|| Mistake::new("key_header", expected))?;
        let mut headers = Vec::new();
        for (name, text) in declaration.headers {
            let wrong = |expected: String| Mistake::new(format!("headers.{name}"), expected);
            let parsed =
                check::header_name(name).ok_or_else(|| wrong("named as a header of the provider's own".to_owned()))?;
            headers.push((parsed, HeaderTemplate::parse(text, declaration.fields).map_err(wrong)?));
        }
        if !headers.iter().any(|(_, template)| template.has_fields()) {
            return Err(Mistake::new(
                "headers",
                "a table with a header for the credential, such as { X-Auth-Token = \"{token}\" }",
            ));
        }
        let error = ErrorTemplate::parse(declaration.error.unwrap_or(ErrorTemplate::DEFAULT));
        let expected = "JSON once {status}, \"{code}\" and \"{message}\" are filled in";
        let error = error.ok_or_else(|| Mistake::new("error", expected))?;
        check::operations(declaration.operations)?;
        let allowed = AllowList::new(&[("", "api")], declaration.operations.iter().map(rule).collect());
        Ok(Self {
            base: declaration.base_url.trim_end_matches('/').to_owned(),
            key_header,
            scheme: scheme.map(ToOwned::to_owned),
            headers,
            error,
            operations: declaration.operations.to_vec(),
            allowed,
        })
    }

    /// What was declared for a rule.
    fn declared(&self, rule: &Rule) -> Option<&OperationDeclaration> {
        let is_it = |operation: &&OperationDeclaration| {
            *operation.path == *rule.path && Method::from(operation.method) == rule.method
        };
        self.operations.iter().find(is_it)
    }
}

fn rule(operation: &OperationDeclaration) -> Rule {
    use declaration::DeclaredEffect::{Cancel, Delete, Read, Submit};
    let rule = Rule::new(operation.method.into(), "api", operation.path.clone(), operation.name.clone());
    let rule = match operation.effect {
        Read => rule,
        Submit => rule.submits(operation.makes.into()),
        Cancel => rule.cancels(),
        Delete => rule.destroys(),
    };
    let list = operation.list.as_ref().map(|list| List {
        items: list.items.clone().into(),
        id: list.id.clone().into(),
        kind: list.kind.into(),
        counts: list.counts.iter().cloned().map(Into::into).collect(),
        pages: None,
    });
    let method = Method::from(operation.method);
    let has_body = [Method::POST, Method::PUT, Method::PATCH].contains(&method);
    let request =
        if operation.body_ids.is_empty() { has_body.then_some(Passage::Stream) } else { Some(Passage::Whole) };
    let answer = match (&operation.usage, rule.effect) {
        _ if list.is_some() => Passage::Whole,
        // It has the id of what was made, too.
        (_, Effect::Submit(_)) | (None, _) => rule.answer,
        (Some(_), _) => Passage::Watch,
    };
    let tells = operation.usage.iter().flat_map(UsageDeclaration::pointers).map(|pointer| pointer.clone().into());
    Rule { request, answer, tells: tells.collect(), list, anonymous: operation.anonymous, ..rule }
}

impl Adapter for Declared {
    fn key(&self, head: &Head<'_>) -> Option<Result<UseKey, Denial>> {
        let presented = head.header(&self.key_header).and_then(|value| match &self.scheme {
            None => Some(value),
            Some(scheme) => {
                let (given, key) = value.trim_ascii().split_once(' ')?;
                given.eq_ignore_ascii_case(scheme).then_some(key)
            }
        });
        keys::first(head, &[presented])
    }

    fn allowed(&self) -> &AllowList {
        &self.allowed
    }

    fn operation(&self, head: &Head<'_>) -> Option<Operation> {
        let mut operation = self.allowed.operation(head)?;
        let declared = self.declared(&operation.rule)?;
        operation.estimates.extend(declared.amount.map(Estimate::Known));
        for (kind, name) in &declared.query_ids {
            let ids = head.parameters().filter(|(given, _)| given == name);
            operation.jobs.extend(ids.map(|(_, id)| JobReference { kind: (*kind).into(), id: id.into_owned() }));
        }
        Some(operation)
    }

    fn prepare(&self, operation: &mut Operation, _: &Caller, content: &mut Content) -> Result<(), Denial> {
        let Some(declared) = self.declared(&operation.rule) else { return Err(Denial::not_allowed()) };
        let body = content.json()?;
        for (kind, pointer) in &declared.body_ids {
            let ids = ids(&body, pointer)?;
            operation.jobs.extend(ids.into_iter().map(|id| JobReference { kind: (*kind).into(), id }));
        }
        if operation.rule.effect == Effect::Cancel && operation.jobs.is_empty() {
            return Err(Denial::bad_request("the request's content must name what it is about"));
        }
        Ok(())
    }

    fn base(&self, _: &Operation) -> &str {
        &self.base
    }

    fn inject(&self, _: &Operation, outgoing: &mut Outgoing, secrets: &Secrets<'_>) -> Option<()> {
        for (name, template) in &self.headers {
            let mut value = HeaderValue::from_str(&template.fill(secrets.credential)?).ok()?;
            value.set_sensitive(true);
            outgoing.headers.insert(name, value);
        }
        Some(())
    }

    fn learn(&self, operation: &Operation, status: StatusCode, answer: &mut Value) -> Learned {
        let mut learned = Learned { gone: status == StatusCode::NOT_FOUND, ..Learned::default() };
        let Some(declared) = self.declared(&operation.rule).filter(|_| status.is_success()) else { return learned };
        if let (Effect::Submit(kind), Some(pointer)) = (operation.rule.effect, &declared.id) {
            let id = answer.pointer(pointer).and_then(usage::text).map(Cow::into_owned);
            let known = id.clone().zip(declared.amount);
            learned.used = known.map(|(id, amount)| (JobReference { kind, id }, amount)).into_iter().collect();
            learned.created = vec![Created::with(id.as_deref())];
        }
        if let Some(usage) = &declared.usage {
            let used = operation.jobs.iter().next().cloned().zip(usage::used(usage, answer));
            learned.used.extend(used);
        }
        learned
    }

    fn settle(&self, job: &JobReference, place: &str) -> Option<Operation> {
        let declared = self.operations.iter().find(|operation| operation.settles(job.kind))?;
        let target = declared.path.replace(&format!("{{{}}}", job.kind), &job.id);
        let mut operation = Operation::own(rule(declared), target, place);
        operation.jobs.insert(job.clone());
        Some(operation)
    }

    fn deny(&self, _: &Head<'_>, denial: &Denial) -> Response<Bytes> {
        raw_denial(denial, "application/json", self.error.fill(denial))
    }

    fn addresses(&self) -> Vec<(String, String)> {
        vec![(self.base.clone(), String::new())]
    }
}

/// The ids at a JSON pointer, one or several; none if nothing is there. Providers may not care about the case of members'
/// names, so there must not be two that differ in that alone.
fn ids(body: &Value, pointer: &str) -> Result<BTreeSet<String>, Denial> {
    let mut place = body;
    for name in pointer.split('/').skip(1).map(|name| name.replace("~1", "/").replace("~0", "~")) {
        let next = match place {
            Value::Object(members) => {
                in_just_this_way(place, &[&name])?;
                members.get(&name)
            }
            place => name.parse::<usize>().ok().and_then(|index| place.get(index)),
        };
        let Some(next) = next else { return Ok(BTreeSet::new()) };
        place = next;
    }
    let one = |value: &Value| {
        let wrong = || Denial::bad_request(&format!("{pointer} must be an id"));
        usage::text(value).map(Cow::into_owned).ok_or_else(wrong)
    };
    match place {
        Value::Null => Ok(BTreeSet::new()),
        Value::Array(items) => items.iter().map(one).collect(),
        value => Ok(BTreeSet::from([one(value)?])),
    }
}

#[cfg(test)]
mod tests;
