//! What can go wrong with the private cluster, in words for the person who started it.

use std::io;
use std::path::PathBuf;

/// Why the private cluster could not be started or stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClusterError {
    /// No PostgreSQL server programs were found.
    #[error(
        "PostgreSQL's server programs were not found. Install version 15 or newer:\n\
         \x20 Debian, Ubuntu:  sudo apt install postgresql\n\
         \x20 Fedora:          sudo dnf install postgresql-server\n\
         \x20 macOS:           brew install postgresql@17\n\
         or bring your own database: set DATABASE_URL and run `luna-organizations serve`."
    )]
    NoBinaries,
    /// All PostgreSQL installations are older than what the service needs.
    #[error(
        "only PostgreSQL {found} is installed; version 15 or newer is needed \
         (or set DATABASE_URL and run `luna-organizations serve`)"
    )]
    TooOld {
        /// The newest major version found.
        found: u32,
    },
    /// The cluster was made by a major version that is not installed; PostgreSQL's files differ between them.
    #[error(
        "the data in {} belongs to PostgreSQL {cluster}, but only {found} is installed: install PostgreSQL {cluster}, \
         or move the data over with pg_upgrade", directory.display()
    )]
    OtherVersion {
        /// The cluster's data directory.
        directory: PathBuf,
        /// The cluster's major version.
        cluster: u32,
        /// The major versions found.
        found: String,
    },
    /// A second service on the same directory.
    #[error("another luna-organizations (process {holder}) uses {}; stop it, or use another --data-dir", directory.display())]
    InUse {
        /// The directory of the cluster.
        directory: PathBuf,
        /// The other service's process id, as it wrote it down.
        holder: String,
    },
    /// The place of the data is taken by something that is not a cluster.
    #[error("{} exists, but is not a PostgreSQL cluster; move it away, or use another --data-dir", .0.display())]
    NotACluster(PathBuf),
    /// The cluster belongs to somebody else.
    #[error("{} belongs to user id {owner}; start as that user or as root, or use another --data-dir", data.display())]
    Foreign {
        /// The cluster's data directory.
        data: PathBuf,
        /// Its owner.
        owner: u32,
    },
    /// Started by root, and the cluster belongs to root, which PostgreSQL refuses.
    #[error(
        "{0} belongs to root, but PostgreSQL refuses to run as root: `chown -R postgres {0}` (or another ordinary user)"
    )]
    OwnedByRoot(String),
    /// Started by root, and there is no ordinary user to run PostgreSQL as.
    #[error(
        "PostgreSQL refuses to run as root, and there is neither a user `postgres` nor `nobody`; create one, or start as an ordinary user"
    )]
    NoAccount,
    /// The user id has no name, which PostgreSQL needs.
    #[error(
        "user id {0} has no name in the system's user database, and PostgreSQL needs one; add it to /etc/passwd, or start as another user"
    )]
    NoName(u32),
    /// Started by root, and the ordinary user cannot get to the data.
    #[error(
        "PostgreSQL runs as `{account}`, which cannot reach {}: make its parent directories searchable (chmod a+x), \
         use another --data-dir, or start as an ordinary user", data.display()
    )]
    Unreachable {
        /// The cluster's data directory.
        data: PathBuf,
        /// The user that PostgreSQL runs as.
        account: String,
    },
    /// No short private path could be made for a socket whose own path is too long.
    #[error("the path {} is too long for a socket, and no short stand-in could be made; use a shorter --data-dir", .0.display())]
    LongPath(PathBuf),
    /// A file or directory could not be used.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// What was tried, as a verb.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A program could not be run.
    #[error("cannot run {program}: {source}")]
    Program {
        /// The program.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// Making the cluster failed.
    #[error("{program} could not make the cluster:\n{said}")]
    Initialization {
        /// The program that failed.
        program: &'static str,
        /// What it said.
        said: String,
    },
    /// The server ended during its start.
    #[error("PostgreSQL does not start (more in {}):\n{said}", log.display())]
    Start {
        /// The last lines of the log.
        said: String,
        /// The log file.
        log: PathBuf,
    },
    /// The server answers, but not as it should.
    #[error("PostgreSQL does not let the service in: {0}")]
    Refused(String),
    /// The server took too long to start.
    #[error("PostgreSQL was not ready after {seconds} seconds; see {}", log.display())]
    Slow {
        /// How long it was given.
        seconds: u64,
        /// The log file.
        log: PathBuf,
    },
    /// The server did not end.
    #[error("PostgreSQL (process {pid}) does not stop; see {}", log.display())]
    Stop {
        /// The server's process id.
        pid: i32,
        /// The log file.
        log: PathBuf,
    },
}

impl ClusterError {
    /// For `map_err`: wraps an I/O error with what was tried, and where.
    pub(super) fn file(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }

    /// For `map_err`: wraps the error of a program that could not be run.
    pub(super) fn program(program: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let program = program.into();
        move |source| Self::Program { program, source }
    }
}
