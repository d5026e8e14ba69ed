//! A private, durable PostgreSQL cluster that one service owns.
//!
//! [`Cluster::start`] makes it in a directory on first use, starts it, or adopts it when it still runs because the
//! service was killed; [`Cluster::supervise`] restarts it when PostgreSQL dies; [`Cluster::stop`] ends it. The
//! directory holds:
//!
//! ```text
//! lock             held by the one service that uses the directory; the kernel frees it, whatever kills the service
//! data/            PostgreSQL's data and its only socket, mode 0700; `data.new-*` is one that was never finished
//! postgresql.log   what the server says
//! ```
//!
//! Who gets in: the server has no network address. Its socket lies in `data/`, and behind it PostgreSQL asks the kernel
//! who is calling (`peer`) and lets in the account that runs the cluster, and root. There is no password to keep.

mod account;
mod binaries;
mod command;
mod error;
mod initialization;
mod layout;
mod lock;
mod postmaster;
mod probe;
mod process;
mod socket;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};
use tracing::{error, info, warn};

pub use self::error::ClusterError;

use self::account::Account;
use self::binaries::Binaries;
use self::layout::Layout;
use self::lock::Lock;
use self::postmaster::Postmaster;
use self::probe::Answer;
use self::socket::SocketDirectory;

/// The database that a fresh cluster already holds.
pub const DATABASE: &str = "luna_organizations";

/// The role that [`Cluster::url`] names: no superuser, but it owns [`DATABASE`] and may create further databases.
pub const ROLE: &str = "luna";

/// How long a start may take; replaying the log after a crash is the slow part.
const START_LIMIT: Duration = Duration::from_mins(5);
const POLL: Duration = Duration::from_millis(40);
/// Pauses between restarts of a server that keeps dying.
const PAUSE_MIN: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// A server that lived this long was healthy, so the next restart need not wait.
const HEALTHY: Duration = Duration::from_mins(1);

/// A running cluster, and the right to use its directory.
///
/// Dropping it leaves the server running; the next [`Cluster::start`] in that directory adopts it.
pub struct Cluster {
    layout: Layout,
    binaries: Binaries,
    account: Account,
    socket: SocketDirectory,
    postmaster: Mutex<Option<Postmaster>>,
    _lock: Lock,
}

impl Cluster {
    /// Starts the cluster in `directory`, which is created on first use, or adopts the one that still runs there.
    ///
    /// # Errors
    /// Another service uses the directory, PostgreSQL is missing or of the wrong version, or it does not start.
    /// The error's text is meant for the person who ran the command.
    pub async fn start(directory: &Path) -> Result<Self, ClusterError> {
        let layout = Layout::create(directory)?;
        let lock = Lock::take(&layout)?;
        let binaries = Binaries::find(layout.version()?.map(|version| (layout.data.as_path(), version))).await?;
        let account = Account::choose(&layout.data).await?;
        if layout.version()?.is_none() {
            info!(directory = %layout.directory.display(), "creating a PostgreSQL cluster");
            initialization::run(&layout, &binaries, &account).await?;
        }
        let socket = SocketDirectory::reachable(&layout.data)?;
        let cluster = Self { layout, binaries, account, socket, postmaster: Mutex::new(None), _lock: lock };

        let mut postmaster = cluster.postmaster.lock().await;
        if let Err(failure) = cluster.bring_up(&mut postmaster).await {
            if let Some(Err(also)) = cluster.end(postmaster.take()).await {
                warn!(error = %also, "PostgreSQL neither started nor stopped");
            }
            return Err(failure);
        }
        drop(postmaster);
        Ok(cluster)
    }

    /// The connection URL of `database` for the role [`ROLE`], over the cluster's socket.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        self.socket.url(ROLE, database)
    }

    /// Watches the server and starts it again whenever it ends, with growing pauses if it keeps ending. Never returns:
    /// run it beside the service, and drop it before [`Cluster::stop`].
    pub async fn supervise(&self) {
        let mut postmaster = self.postmaster.lock().await;
        let mut pause = PAUSE_MIN;
        loop {
            let since = Instant::now();
            if let Some(running) = postmaster.as_mut() {
                running.ended(&self.layout, &self.account).await;
                warn!("PostgreSQL ended by itself; starting it again");
                *postmaster = None;
            }
            if since.elapsed() >= HEALTHY {
                pause = PAUSE_MIN;
            } else {
                sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
            match self.bring_up(&mut postmaster).await {
                Ok(()) => info!("PostgreSQL is back"),
                Err(failure) => error!(error = %failure, "PostgreSQL does not start; trying again"),
            }
        }
    }

    /// Shuts the server down ("fast": open transactions are rolled back) and waits until it is gone.
    ///
    /// # Errors
    /// The server does not end, even when told to quit at once.
    pub async fn stop(self) -> Result<(), ClusterError> {
        let known = self.postmaster.lock().await.take();
        if let Some(ended) = self.end(known).await {
            ended?;
            info!("PostgreSQL has stopped");
        }
        self.socket.remove();
        Ok(())
    }

    async fn end(&self, known: Option<Postmaster>) -> Option<Result<(), ClusterError>> {
        let mut postmaster = known.or_else(|| Postmaster::running(&self.layout, &self.account))?;
        Some(postmaster.stop(&self.layout, &self.account).await)
    }

    /// Returns once the server accepts connections: one that is there, or a new one. The slot is filled as soon as
    /// there is a process, so that a caller who gives up can still stop it.
    async fn bring_up(&self, slot: &mut Option<Postmaster>) -> Result<(), ClusterError> {
        let deadline = Instant::now() + START_LIMIT;
        let mut mark = self.layout.log_length();
        let mut told = false;
        while Instant::now() < deadline {
            if slot.as_mut().is_some_and(|it| !it.is_running(&self.layout, &self.account)) {
                *slot = None;
                let said = self.layout.log_since(mark);
                if !postmaster::is_passing(&said) && !said.is_empty() {
                    return Err(ClusterError::Start { said, log: self.layout.log.clone() });
                }
                if std::mem::replace(&mut told, true) {
                    process::end_orphans(&self.layout.data);
                } else {
                    warn!("what is left of the last PostgreSQL is still ending; waiting for it");
                }
                sleep(PAUSE_MIN).await;
            }
            match probe::ask(self.socket.file(), ROLE, DATABASE).await? {
                Answer::Ready if slot.is_some() => return Ok(()),
                Answer::Ready => {
                    *slot = Postmaster::running(&self.layout, &self.account);
                    if slot.is_some() {
                        info!("adopted the PostgreSQL that was still running");
                        return Ok(());
                    }
                }
                Answer::Silent if slot.is_none() && Postmaster::running(&self.layout, &self.account).is_none() => {
                    postmaster::clear_stale_pid_file(&self.layout)?;
                    mark = self.layout.log_length();
                    *slot = Some(Postmaster::spawn(&self.layout, &self.binaries, &self.account).await?);
                }
                Answer::Silent | Answer::Starting => {}
            }
            sleep(POLL).await;
        }
        Err(ClusterError::Slow { seconds: START_LIMIT.as_secs(), log: self.layout.log.clone() })
    }
}
