//! Where the cluster's things lie, and the plain questions about them.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::ClusterError;

/// A log beyond this many bytes is set aside when the server starts.
const LOG_LIMIT: u64 = 16 * 1024 * 1024;
/// At most this many bytes of the log go into an error's text.
const LOG_EXCERPT: u64 = 4096;

/// Absolute paths of everything in the cluster's directory.
pub(super) struct Layout {
    pub(super) directory: PathBuf,
    pub(super) data: PathBuf,
    pub(super) log: PathBuf,
    pub(super) lock: PathBuf,
}

impl Layout {
    /// The layout of `directory`, which is made (mode 0700) if it is not there.
    pub(super) fn create(directory: &Path) -> Result<Self, ClusterError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(ClusterError::file("create", directory))?;
        let directory = fs::canonicalize(directory).map_err(ClusterError::file("find", directory))?;
        Ok(Self {
            data: directory.join("data"),
            log: directory.join("postgresql.log"),
            lock: directory.join("lock"),
            directory,
        })
    }

    /// The major version of the cluster; `None` where there is no cluster yet.
    pub(super) fn version(&self) -> Result<Option<u32>, ClusterError> {
        let path = self.data.join("PG_VERSION");
        match fs::read_to_string(&path) {
            Ok(text) => match text.trim().parse() {
                Ok(major) => Ok(Some(major)),
                Err(_) => Err(ClusterError::NotACluster(self.data.clone())),
            },
            Err(missing) if missing.kind() == io::ErrorKind::NotFound => match fs::symlink_metadata(&self.data) {
                Ok(_) => Err(ClusterError::NotACluster(self.data.clone())),
                Err(_) => Ok(None),
            },
            Err(other) => {
                let foreign = super::account::foreign(&self.data);
                Err(foreign.unwrap_or(ClusterError::File { action: "read", path, source: other }))
            }
        }
    }

    /// The process id in PostgreSQL's own lock file, whether or not that process lives.
    pub(super) fn recorded_pid(&self) -> Option<i32> {
        let text = fs::read_to_string(self.pid_file()).ok()?;
        text.lines().next()?.trim().parse().ok().filter(|pid| *pid > 1)
    }

    pub(super) fn pid_file(&self) -> PathBuf {
        self.data.join("postmaster.pid")
    }

    /// Opens the log for a server to append to; a long one becomes `postgresql.log.1` first.
    pub(super) fn open_log(&self) -> Result<File, ClusterError> {
        if self.log_length() > LOG_LIMIT {
            fs::rename(&self.log, self.directory.join("postgresql.log.1"))
                .map_err(ClusterError::file("set aside", &self.log))?;
        }
        OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(&self.log)
            .map_err(ClusterError::file("open", &self.log))
    }

    pub(super) fn log_length(&self) -> u64 {
        fs::metadata(&self.log).map_or(0, |log| log.len())
    }

    /// What the log gained after `mark` (its length then); the end of it, if that is much.
    pub(super) fn log_since(&self, mark: u64) -> String {
        let read = || -> io::Result<Vec<u8>> {
            let mut log = File::open(&self.log)?;
            let end = log.metadata()?.len();
            let from = if mark > end { 0 } else { mark };
            log.seek(SeekFrom::Start(from.max(end.saturating_sub(LOG_EXCERPT))))?;
            let mut bytes = Vec::new();
            log.take(LOG_EXCERPT).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        read().map(|bytes| String::from_utf8_lossy(&bytes).trim_end().to_owned()).unwrap_or_default()
    }
}
