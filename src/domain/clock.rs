//! The one place that asks what time it is. Everything else is told, so that a test can move time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};

/// A moment; RFC 3339 UTC on the wire, microseconds in the database.
pub type Timestamp = DateTime<Utc>;

/// The system's clock, shifted by what a test asks for.
#[derive(Clone, Default)]
pub struct Clock {
    shift_seconds: Arc<AtomicI64>,
}

impl Clock {
    /// The present moment.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn now(&self) -> Timestamp {
        Utc::now() + TimeDelta::seconds(self.shift_seconds.load(Ordering::Relaxed))
    }

    /// Moves this clock and all its clones forward. For tests of expiry.
    pub fn advance(&self, by: TimeDelta) {
        self.shift_seconds.fetch_add(by.num_seconds(), Ordering::Relaxed);
    }
}
