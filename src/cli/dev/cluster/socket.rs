//! The way to the server's socket: its directory, or a short stand-in where that path is too long.
//!
//! A socket's path has room for about a hundred bytes (`sun_path`; 104 with the final NUL on macOS, 108 on Linux).
//! Beyond that, a private directory with a short path holds a link to the real one.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, symlink};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rustix::process::geteuid;
use sha2::{Digest, Sha256};

use super::ClusterError;

const FILE: &str = ".s.PGSQL.5432";
/// What a URL's path and query need not escape stays readable.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const ESCAPED_IN_QUERY: &AsciiSet = &ESCAPED.remove(b'/');
/// The longest path that works everywhere, in bytes.
const PATH_LIMIT: usize = 103;

/// The directory under which clients find the socket.
pub(super) struct SocketDirectory {
    directory: PathBuf,
    file: PathBuf,
    stand_in: Option<PathBuf>,
}

impl SocketDirectory {
    /// The data directory itself if its path will do, else a stand-in for it.
    pub(super) fn reachable(data: &Path) -> Result<Self, ClusterError> {
        if fits(data) {
            return Ok(Self { directory: data.to_owned(), file: data.join(FILE), stand_in: None });
        }
        let session = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        for parent in session.into_iter().chain(["/run", "/tmp"].map(PathBuf::from)) {
            if let Ok(stand_in) = make_stand_in(&parent, data)
                && fits(&stand_in.join("s"))
            {
                let directory = stand_in.join("s");
                return Ok(Self { file: directory.join(FILE), directory, stand_in: Some(stand_in) });
            }
        }
        Err(ClusterError::LongPath(data.to_owned()))
    }

    /// The socket's file.
    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// A URL that sqlx and libpq both understand. It says all that they would otherwise take from the environment
    /// (`PGPORT`, `PGSSLMODE`).
    pub(super) fn url(&self, role: &str, database: &str) -> String {
        let (role, database) = (utf8_percent_encode(role, ESCAPED), utf8_percent_encode(database, ESCAPED));
        let directory = self.directory.to_string_lossy();
        let directory = utf8_percent_encode(&directory, ESCAPED_IN_QUERY);
        format!("postgres://{role}@localhost:5432/{database}?host={directory}&sslmode=disable")
    }

    /// Removes the stand-in, if there is one. It is made anew when needed, so a failure does not matter.
    pub(super) fn remove(&self) {
        if let Some(stand_in) = &self.stand_in {
            let _ = fs::remove_file(&self.directory);
            let _ = fs::remove_dir(stand_in);
        }
    }
}

/// Whether clients can use this path: short enough, text, and without the comma that libpq takes for a list.
fn fits(directory: &Path) -> bool {
    directory.as_os_str().len() + 1 + FILE.len() <= PATH_LIMIT
        && directory.to_str().is_some_and(|text| !text.contains(','))
}

/// A directory below `parent` that only we can enter, with a link `s` to `data`. The same data gets the same name, so a
/// killed service leaves no second one.
fn make_stand_in(parent: &Path, data: &Path) -> io::Result<PathBuf> {
    let own = geteuid().as_raw();
    let digest = Sha256::digest(data.as_os_str().as_bytes());
    let name = HEXLOWER.encode(&digest[..8]);
    let directory = parent.join(format!("luna-{own}-{name}"));
    match DirBuilder::new().mode(0o700).create(&directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    // In a directory that everybody may write to, somebody else could have been there first.
    let found = fs::symlink_metadata(&directory)?;
    if !found.is_dir() || found.uid() != own || found.mode() & 0o077 != 0 {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    let link = directory.join("s");
    match fs::read_link(&link) {
        Ok(target) if target == data => return Ok(directory),
        Ok(_) => fs::remove_file(&link)?,
        Err(_) => {}
    }
    symlink(data, link)?;
    Ok(directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodes_the_path() {
        let socket = SocketDirectory::reachable(Path::new("/srv/a b&c/ü")).unwrap();
        assert_eq!(
            socket.url("luna", "other_db?"),
            "postgres://luna@localhost:5432/other_db%3F?host=/srv/a%20b%26c/%C3%BC&sslmode=disable"
        );
    }
}
