//! How long the broker waits, and for what.

use std::time::Duration;

/// Bounds in time. An operator has no need to change them; a test cannot wait so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Until a connection to a provider is made.
    pub connection: Duration,
    /// Until an answer's head has come, from when the request was sent. Clients poll for up to half a minute at a time.
    pub answer: Duration,
    /// Until something submitted has come, or has been taken, however slowly. With the time for its answer, less than a reservation
    /// lasts.
    pub submission: Duration,
    /// Both directions: until more of a body comes.
    pub idle: Duration,
    /// Until the database has answered. Longer than a statement may take there.
    pub database: Duration,
    /// Until a body that is read as a whole has come. A problem of 64 MB takes three minutes over a slow line.
    pub whole: Duration,
    /// Until there is room for a large body.
    pub room: Duration,
    /// Until another 64 kB of a request that takes room have come, on average.
    pub pace: Duration,
    /// Until a temporary token has come: all requests with the credential wait for it.
    pub exchange: Duration,
    /// Until the worker has asked about one job: others of its provider wait for it.
    pub job: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connection: Duration::from_secs(10),
            answer: Duration::from_secs(100),
            submission: Duration::from_mins(10),
            idle: Duration::from_mins(1),
            database: Duration::from_secs(15),
            whole: Duration::from_mins(5),
            room: Duration::from_secs(10),
            pace: Duration::from_secs(10),
            exchange: Duration::from_secs(30),
            job: Duration::from_secs(30),
        }
    }
}
