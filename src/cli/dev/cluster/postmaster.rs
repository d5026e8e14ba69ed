//! The server's first process: started by us, or found running.

use std::fs;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use tokio::process::Child;
use tokio::time::{Instant, sleep};
use tracing::{debug, warn};

use super::ClusterError;
use super::account::Account;
use super::binaries::Binaries;
use super::command::ServerCommand;
use super::layout::Layout;
use super::process;

/// Given on the command line, so that they hold whatever the files in the data directory say. The socket's directory is
/// relative to the data directory, so its path is short for the server however long it is for us. Terse, since the
/// details of an error quote values from rows, which have no place in a log.
const SETTINGS: [&str; 6] = [
    "listen_addresses=",
    "port=5432",
    "unix_socket_directories=.",
    "unix_socket_permissions=0700",
    "log_error_verbosity=terse",
    "logging_collector=off",
];

const FAST_LIMIT: Duration = Duration::from_mins(1);
const QUIT_LIMIT: Duration = Duration::from_secs(15);
const POLL: Duration = Duration::from_millis(20);
/// How often an adopted server is looked at; one that we started tells us.
const ADOPTED_POLL: Duration = Duration::from_millis(500);

/// A running postmaster.
pub(super) struct Postmaster {
    pid: Pid,
    /// `None` if it was started by an earlier service.
    child: Option<Child>,
}

impl Postmaster {
    pub(super) async fn spawn(layout: &Layout, binaries: &Binaries, account: &Account) -> Result<Self, ClusterError> {
        let program = binaries.postgres();
        let failed = ClusterError::program(program.display().to_string());
        let log = layout.open_log()?;
        let errors = log.try_clone().map_err(ClusterError::file("open", &layout.log))?;
        let mut server = ServerCommand::new(&program, account, &layout.data, |command, data| {
            command.arg("-D").arg(data).stdout(log).stderr(errors);
            for setting in SETTINGS {
                command.arg("-c").arg(setting);
            }
        })
        .await?;
        let child = server.command.spawn().map_err(failed)?;
        let pid = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let pid =
            pid.ok_or_else(|| ClusterError::Start { said: "it ended at once".into(), log: layout.log.clone() })?;
        debug!(pid = pid.as_raw_nonzero().get(), version = binaries.version, "started PostgreSQL");
        Ok(Self { pid, child: Some(child) })
    }

    /// The postmaster that runs on this data already, if there is one.
    pub(super) fn running(layout: &Layout, account: &Account) -> Option<Self> {
        let pid = layout.recorded_pid().filter(|pid| process::serves(*pid, &layout.data, account))?;
        Some(Self { pid: Pid::from_raw(pid)?, child: None })
    }

    pub(super) fn is_running(&mut self, layout: &Layout, account: &Account) -> bool {
        match &mut self.child {
            Some(child) => matches!(child.try_wait(), Ok(None)),
            None => process::serves(self.pid.as_raw_nonzero().get(), &layout.data, account),
        }
    }

    /// Returns when it has ended. May be dropped and asked again.
    pub(super) async fn ended(&mut self, layout: &Layout, account: &Account) {
        if let Some(child) = &mut self.child
            && let Ok(status) = child.wait().await
        {
            debug!(%status, "PostgreSQL ended");
            return;
        }
        while self.is_running(layout, account) {
            sleep(ADOPTED_POLL).await;
        }
    }

    /// Fast shutdown; if that takes too long, an immediate one, which the next start recovers from.
    pub(super) async fn stop(&mut self, layout: &Layout, account: &Account) -> Result<(), ClusterError> {
        for (signal, limit) in [(Signal::INT, FAST_LIMIT), (Signal::QUIT, QUIT_LIMIT)] {
            if !self.is_running(layout, account) {
                return Ok(());
            }
            if let Err(error) = kill_process(self.pid, signal) {
                warn!(%error, "PostgreSQL could not be told to stop");
            }
            let deadline = Instant::now() + limit;
            while Instant::now() < deadline {
                if !self.is_running(layout, account) {
                    return Ok(());
                }
                sleep(POLL).await;
            }
            warn!(seconds = limit.as_secs(), "PostgreSQL is slow to stop");
        }
        Err(ClusterError::Stop { pid: self.pid.as_raw_nonzero().get(), log: layout.log.clone() })
    }
}

/// Whether a failed start is due to leftovers of a killed server, which end by themselves: its other processes still
/// hold the shared memory, or its process id is not gone yet.
pub(super) fn is_passing(said: &str) -> bool {
    ["is still in use", "lock file \"postmaster.pid\" already exists"].iter().any(|text| said.contains(text))
}

/// Removes PostgreSQL's lock file if its process id lives, but as somebody else (ids are used again after a reboot):
/// PostgreSQL would take that process for itself. One whose process is gone it removes on its own. To be called only
/// when no postmaster runs on the data.
pub(super) fn clear_stale_pid_file(layout: &Layout) -> Result<(), ClusterError> {
    let Some(pid) = layout.recorded_pid().and_then(Pid::from_raw) else { return Ok(()) };
    if test_kill_process(pid).is_err() {
        return Ok(());
    }
    warn!(pid = pid.as_raw_nonzero().get(), "PostgreSQL's lock file names another program's process; removing it");
    fs::remove_file(layout.pid_file()).map_err(ClusterError::file("remove", layout.pid_file()))
}
