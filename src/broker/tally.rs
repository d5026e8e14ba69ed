//! Counts of what tokens are used for, written down now and then: a poll costs no write on its way.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use uuid::Uuid;

use super::ledger::Ledger;
use crate::authorization::action::jobs::{Submit, Use};
use crate::authorization::{Authenticator, Grant};
use crate::domain::QpuTokenId;
use crate::repository::Repository;

/// Of one key, with one token, let through or refused.
type Bucket = (QpuTokenId, Option<Uuid>, bool);

struct Entry {
    grant: Arc<Grant<Use>>,
    counts: BTreeMap<Cow<'static, str>, u64>,
}

/// With one token, by one key, for one reason.
type Reason = (QpuTokenId, Option<Uuid>, &'static str);

/// What has been counted since it was last written down.
#[derive(Default)]
pub struct Tally {
    counted: Mutex<HashMap<Bucket, Entry>>,
    /// The refusals that were events of their own.
    told: Mutex<HashSet<Reason>>,
    flushing: tokio::sync::Mutex<()>,
}

/// A request that is counted when it is over, however it ends: clients hang up, too.
pub struct Counted<'a> {
    /// Where.
    pub tally: &'a Tally,
    /// For whom.
    pub grant: Arc<Grant<Use>>,
    /// As what.
    pub operation: Cow<'static, str>,
    /// Whether it was refused.
    pub refused: bool,
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.tally.count(Arc::clone(&self.grant), std::mem::take(&mut self.operation), self.refused);
    }
}

/// What is being written down. What is left of it is counted again.
struct Waiting<'a> {
    tally: &'a Tally,
    entries: HashMap<Bucket, Entry>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut counted = self.tally.counted();
        for (bucket, Entry { grant, counts }) in self.entries.drain() {
            let again = counted.entry(bucket).or_insert_with(|| Entry { grant, counts: BTreeMap::new() });
            for (name, count) in counts {
                *again.counts.entry(name).or_default() += count;
            }
        }
    }
}

impl Tally {
    /// Whether a refused submission is an event of its own: the first of its kind since counts were last written down. A key
    /// that goes on all the same would fill the database otherwise; what it does then is counted.
    pub fn is_to_be_told(&self, grant: &Grant<Submit>, code: &'static str) -> bool {
        self.told().insert(reason(grant, code))
    }

    /// It could not be told; the next one is.
    pub fn was_not_told(&self, grant: &Grant<Submit>, code: &'static str) {
        self.told().remove(&reason(grant, code));
    }

    /// Counts one request.
    pub fn count(&self, grant: impl Into<Arc<Grant<Use>>>, operation: Cow<'static, str>, refused: bool) {
        let grant = grant.into();
        let bucket = (grant.token(), grant.authenticator().map(Authenticator::id), refused);
        let mut entries = self.counted();
        let entry = entries.entry(bucket).or_insert_with(|| Entry { grant, counts: BTreeMap::new() });
        *entry.counts.entry(operation).or_default() += 1;
    }

    /// Writes down what was counted, one event for each key and token. What cannot be written, or is not because this is given up, is
    /// counted again: rather twice, if the database does not say what has become of it, than not at all.
    pub async fn flush(&self, repository: &Repository, ledger: &Ledger) {
        // Who comes after somebody who has given up finds what was left.
        let _turn = self.flushing.lock().await;
        let mut waiting = Waiting { tally: self, entries: std::mem::take(&mut *self.counted()) };
        self.told().clear();
        let buckets: Vec<_> = waiting.entries.keys().copied().collect();
        for bucket in buckets {
            let Some(entry) = waiting.entries.get(&bucket) else { continue };
            let counts = entry.counts.iter().map(|(name, count)| (name.to_string(), Value::from(*count))).collect();
            if ledger.in_time(repository.note_uses(&entry.grant, Value::Object(counts), bucket.2)).await.is_some() {
                waiting.entries.remove(&bucket);
            }
        }
    }

    fn counted(&self) -> MutexGuard<'_, HashMap<Bucket, Entry>> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn told(&self) -> MutexGuard<'_, HashSet<Reason>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn reason(grant: &Grant<Submit>, code: &'static str) -> Reason {
    (grant.token(), grant.authenticator().map(Authenticator::id), code)
}
