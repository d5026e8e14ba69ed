//! Counts of what tokens are used for, written down now and then: a poll costs no write on its way.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;
use uuid::Uuid;

use crate::authorization::action::jobs::Use;
use crate::authorization::{Authenticator, Grant};
use crate::domain::QpuTokenId;
use crate::repository::Repository;

/// Of one key, with one token, let through or refused.
type Bucket = (QpuTokenId, Option<Uuid>, bool);

struct Entry {
    grant: Grant<Use>,
    counts: BTreeMap<Cow<'static, str>, u64>,
}

/// What has been counted since it was last written down.
#[derive(Default)]
pub struct Tally(Mutex<HashMap<Bucket, Entry>>);

impl Tally {
    /// Counts one request.
    pub fn count(&self, grant: Grant<Use>, operation: Cow<'static, str>, refused: bool) {
        let bucket = (grant.token(), grant.authenticator().map(Authenticator::id), refused);
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.entry(bucket).or_insert_with(|| Entry { grant, counts: BTreeMap::new() });
        *entry.counts.entry(operation).or_default() += 1;
    }

    /// Writes down what was counted, one event for each key and token. What cannot be written is counted again.
    pub async fn flush(&self, repository: &Repository) {
        let entries = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        for (bucket, entry) in entries {
            let counts = entry.counts.iter().map(|(name, count)| (name.to_string(), Value::from(*count))).collect();
            if let Err(error) = repository.note_uses(&entry.grant, Value::Object(counts), bucket.2).await {
                tracing::warn!(%error, "uses of a token could not be written down yet");
                let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                let again =
                    waiting.entry(bucket).or_insert_with(|| Entry { grant: entry.grant, counts: BTreeMap::new() });
                for (name, count) in entry.counts {
                    *again.counts.entry(name).or_default() += count;
                }
            }
        }
    }
}
