//! Allow-lists: what of a provider's API can be reached. What no rule names is refused.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use http::Method;
use serde_json::Value;

use super::head::{Head, segment};
use crate::domain::{JobKind, JobReference};

/// What a request does to what the ledger knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    Read,
    /// Makes something that the caller owns from then on.
    Submit(JobKind),
    /// Cancels or deletes what it names.
    Cancel,
    /// Is answered by the broker itself, with [`super::Adapter::answer_here`]; nothing is sent to the provider.
    Here,
}

/// What is known of the usage of something that is to be made, in the provider's native unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Estimate {
    /// Nothing.
    Unknown,
    /// This much at most: the provider lets it use no more.
    Known(i64),
    /// This much, says the client. It may say too little.
    Claimed(i64),
}

impl Estimate {
    /// What to reserve, if `usual` is what is reserved where nothing is known.
    #[must_use]
    pub fn amount(self, usual: i64) -> i64 {
        match self {
            Self::Unknown => usual,
            Self::Known(amount) => amount,
            Self::Claimed(amount) => amount.max(usual),
        }
    }
}

/// How a body goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passage {
    /// As it comes, of any length.
    Stream,
    /// As it comes, of any length; what it tells of usage is read on the way, and booked before the client has the end.
    Watch,
    /// Read as a whole before it goes on, and refused if it is too long.
    Whole,
}

/// A list in an answer, of which the caller gets to see the own part.
#[derive(Debug, Clone)]
pub struct List {
    /// JSON pointer to the array.
    pub items: Cow<'static, str>,
    /// JSON pointer to the provider's id in each item.
    pub id: Cow<'static, str>,
    /// What the items are.
    pub kind: JobKind,
    /// JSON pointers to numbers of items, which are set to what is left.
    pub counts: Vec<Cow<'static, str>>,
    /// How it comes in pages that are counted by position.
    pub pages: Option<Pages>,
}

impl List {
    /// What an item is.
    #[must_use]
    pub fn reference(&self, item: &Value) -> Option<JobReference> {
        let id = match item.pointer(&self.id)? {
            Value::String(id) => id.clone(),
            Value::Number(id) => id.to_string(),
            _ => return None,
        };
        Some(JobReference { kind: self.kind, id })
    }
}

/// How a list is asked for page by page. Positions in it count what the caller may see, so the broker turns the provider's pages
/// by itself.
#[derive(Debug, Clone, Copy)]
pub struct Pages {
    /// The query's parameter for the number of items, and the answer's member that repeats it.
    pub limit: &'static str,
    /// The same for the number of items to be skipped.
    pub offset: &'static str,
    /// Most items that the provider gives at once.
    pub most: usize,
    /// Parameters that are set whatever the client says.
    pub set: &'static [(&'static str, &'static str)],
}

/// One allowed operation.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is an exception of its own, and any of them may be together")]
pub struct Rule {
    /// What it is called in the audit log and in `GET /v1/providers`.
    pub name: Cow<'static, str>,
    /// The method.
    pub method: Method,
    /// The path below the upstream's base, with names in braces for what may stand there. `{job}`, `{upload}` and `{session}`
    /// are ids that must be the caller's.
    pub path: Cow<'static, str>,
    /// Which of the provider's addresses it goes to.
    pub upstream: Cow<'static, str>,
    /// What it does.
    pub effect: Effect,
    /// How the request's body goes through; `None` if it has none. One that comes all the same stays here: a provider that does not
    /// expect it may take it for the next request on the connection.
    pub request: Option<Passage>,
    /// How the answer's body goes through.
    pub answer: Passage,
    /// JSON pointers to all that tells of usage in the answer: what of it is read where it may be long.
    pub tells: Vec<Cow<'static, str>>,
    /// The list that the answer is.
    pub list: Option<List>,
    /// Whether what it names is gone afterwards, with what the provider knows of its usage.
    pub destroys: bool,
    /// Whether a request without any key may do it. It is sent without a credential.
    pub anonymous: bool,
    /// Whether a part of the answer can be asked for. Only where the provider has no occasion to repeat the credential: half of it
    /// would pass.
    pub in_parts: bool,
    /// Whether the member's key is in the request's body, for [`super::Adapter::key_in`].
    pub key_in_body: bool,
}

impl Rule {
    /// Reading something that is no job of anybody's.
    #[must_use]
    pub fn new(
        method: Method,
        upstream: impl Into<Cow<'static, str>>,
        path: impl Into<Cow<'static, str>>,
        name: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            name: name.into(),
            method,
            path: path.into(),
            upstream: upstream.into(),
            effect: Effect::Read,
            request: None,
            answer: Passage::Stream,
            tells: Vec::new(),
            list: None,
            destroys: false,
            anonymous: false,
            in_parts: false,
            key_in_body: false,
        }
    }

    /// It makes something; request and answer are read to learn what.
    #[must_use]
    pub fn submits(self, kind: JobKind) -> Self {
        Self { effect: Effect::Submit(kind), request: Some(Passage::Whole), answer: Passage::Whole, ..self }
    }

    /// It cancels or deletes.
    #[must_use]
    pub fn cancels(self) -> Self {
        Self { effect: Effect::Cancel, ..self }
    }

    /// It deletes, for good: what is not over yet cannot be deleted, and what is over is booked before.
    #[must_use]
    pub fn destroys(self) -> Self {
        Self { effect: Effect::Cancel, destroys: true, ..self }
    }

    /// The broker answers it.
    #[must_use]
    pub fn here(self) -> Self {
        Self { effect: Effect::Here, request: Some(Passage::Whole), ..self }
    }

    /// The request's body must be read, because it names jobs or must be changed.
    #[must_use]
    pub fn reads_request(self) -> Self {
        Self { request: Some(Passage::Whole), ..self }
    }

    /// The request has a body, of which nothing needs to be known.
    #[must_use]
    pub fn passes_request(self) -> Self {
        Self { request: Some(Passage::Stream), ..self }
    }

    /// The answer may tell what jobs have used, at these JSON pointers. Nothing else of it is read.
    #[must_use]
    pub fn meters(self, tells: &[&'static str]) -> Self {
        Self { answer: Passage::Watch, tells: tells.iter().copied().map(Cow::Borrowed).collect(), ..self }
    }

    /// Whether the provider tells what a job has used with this and then forgets the job: nobody can ask a second time.
    #[must_use]
    pub fn tells_once(&self) -> bool {
        self.answer == Passage::Watch && !self.method.is_safe()
    }

    /// The answer must be changed before it goes on.
    #[must_use]
    pub fn changes_answer(self) -> Self {
        Self { answer: Passage::Whole, ..self }
    }

    /// The answer is a list of jobs: an array at the JSON pointer `items`, each with its id at the JSON pointer `id`.
    #[must_use]
    pub fn lists(
        self,
        items: impl Into<Cow<'static, str>>,
        id: impl Into<Cow<'static, str>>,
        counts: &'static [&'static str],
    ) -> Self {
        let counts = counts.iter().copied().map(Cow::Borrowed).collect();
        let list = List { items: items.into(), id: id.into(), kind: JobKind::Job, counts, pages: None };
        Self { answer: Passage::Whole, list: Some(list), ..self }
    }

    /// The list is one of these, and not of jobs.
    #[must_use]
    pub fn of(self, kind: JobKind) -> Self {
        Self { list: self.list.map(|list| List { kind, ..list }), ..self }
    }

    /// The list comes in pages.
    #[must_use]
    pub fn in_pages(self, pages: Pages) -> Self {
        Self { list: self.list.map(|list| List { pages: Some(pages), ..list }), ..self }
    }

    /// The member's key is in the request's body.
    #[must_use]
    pub fn with_key_in_body(self) -> Self {
        Self { key_in_body: true, ..self }
    }

    /// A part of the answer can be asked for.
    #[must_use]
    pub fn can_be_had_in_parts(self) -> Self {
        Self { in_parts: true, ..self }
    }

    /// A request without any key may do it.
    #[must_use]
    pub fn anonymously(self) -> Self {
        Self { anonymous: true, ..self }
    }

    /// What the path names, if it is this rule's.
    fn captures(&self, path: &str) -> Option<Vec<(String, String)>> {
        let path = path.strip_suffix('/').unwrap_or(path);
        let mut captures = Vec::new();
        let mut given = path.split('/');
        for wanted in self.path.split('/') {
            let raw = given.next()?;
            match wanted.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
                Some(name) => captures.push((name.to_owned(), segment(raw)?)),
                None if raw == wanted => {}
                None => return None,
            }
        }
        given.next().is_none().then_some(captures)
    }
}

/// A request that a rule allows.
#[derive(Clone)]
pub struct Operation {
    /// The rule.
    pub rule: Arc<Rule>,
    /// Where it goes below the upstream's base: path and query, raw.
    pub target: String,
    /// What the path names besides ids, decoded.
    pub captures: Vec<(String, String)>,
    /// What it is about and must be the caller's.
    pub jobs: HashSet<JobReference>,
    /// What the adapter needs to find again what is made, such as a region.
    pub place: String,
    /// One for each thing that is to be made.
    pub estimates: Vec<Estimate>,
    /// The token's address as the client sees it, without a slash at the end; empty for what the broker does by itself.
    pub address: String,
}

impl Operation {
    /// An operation that the broker does by itself, for nobody in particular.
    #[must_use]
    pub fn own(rule: Rule, target: String, place: &str) -> Self {
        Self {
            rule: Arc::new(rule),
            target,
            captures: Vec::new(),
            jobs: HashSet::new(),
            place: place.to_owned(),
            estimates: Vec::new(),
            address: String::new(),
        }
    }

    /// What the path says at this name.
    #[must_use]
    pub fn capture(&self, name: &str) -> Option<&str> {
        self.captures.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The jobs that it names.
    pub fn job_ids(&self) -> impl Iterator<Item = &str> {
        self.jobs.iter().filter(|job| job.kind == JobKind::Job).map(|job| job.id.as_str())
    }
}

/// An allow-list, with the prefixes that a client may have put in front of its paths.
pub struct AllowList {
    mounts: &'static [(&'static str, &'static str)],
    rules: Vec<Arc<Rule>>,
}

impl AllowList {
    /// `mounts` are prefixes and the upstreams that they lead to, the longest first; an empty prefix leads to what none of the others
    /// does.
    #[must_use]
    pub fn new(mounts: &'static [(&'static str, &'static str)], rules: Vec<Rule>) -> Self {
        Self { mounts, rules: rules.into_iter().map(Arc::new).collect() }
    }

    /// All rules, with what a client puts in front of their paths, for whoever lists them.
    pub fn rules(&self) -> impl Iterator<Item = (&'static str, &Rule)> {
        let prefix = |rule: &Rule| {
            self.mounts.iter().find(|(_, upstream)| *upstream == rule.upstream).map(|(prefix, _)| *prefix)
        };
        self.rules.iter().map(move |rule| (prefix(rule).unwrap_or_default(), &**rule))
    }

    /// The operation that a request asks for, if it is allowed.
    #[must_use]
    pub fn operation(&self, head: &Head<'_>) -> Option<Operation> {
        self.mounts.iter().find_map(|(prefix, upstream)| {
            let rest = match *prefix {
                "" => head.path,
                prefix => head.path.strip_prefix(prefix)?.strip_prefix('/')?,
            };
            let allowed = self.rules.iter().filter(|rule| rule.upstream == *upstream && rule.method == *head.method);
            allowed.into_iter().find_map(|rule| {
                let captures = rule.captures(rest)?;
                let target = match head.query {
                    Some(query) => format!("{rest}?{query}"),
                    None => rest.to_owned(),
                };
                let (mut jobs, mut others) = (HashSet::new(), Vec::new());
                for (name, value) in captures {
                    match name.parse::<JobKind>() {
                        Ok(kind) => drop(jobs.insert(JobReference { kind, id: value })),
                        Err(_) => others.push((name, value)),
                    }
                }
                let (rule, place, estimates, address) = (Arc::clone(rule), String::new(), Vec::new(), String::new());
                Some(Operation { rule, target, captures: others, jobs, place, estimates, address })
            })
        })
    }
}
