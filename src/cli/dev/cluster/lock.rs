//! One service at a time: an advisory lock that the kernel frees with its holder, so that a `kill -9` leaves none.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::ClusterError;
use super::layout::Layout;

/// The right to use a cluster's directory, for as long as it lives.
pub(super) struct Lock(File);

impl Drop for Lock {
    /// Closing would do, if it were not for a child that is between `fork` and `exec`: it shares the open file for a moment.
    fn drop(&mut self) {
        let _ = flock(&self.0, FlockOperation::Unlock);
    }
}

impl Lock {
    pub(super) fn take(layout: &Layout) -> Result<Self, ClusterError> {
        let failed = |source| ClusterError::File { action: "lock", path: layout.lock.clone(), source };
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(&layout.lock)
            .map_err(failed)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                let mut holder = String::new();
                // The id is only a help for the reader; the lock itself is what counts.
                let _ = file.read_to_string(&mut holder);
                let holder = match holder.trim() {
                    "" => "unknown".to_owned(),
                    known => known.to_owned(),
                };
                return Err(ClusterError::InUse { directory: layout.directory.clone(), holder });
            }
            Err(other) => return Err(failed(other.into())),
        }
        file.set_len(0).map_err(failed)?;
        writeln!(file, "{}", std::process::id()).map_err(failed)?;
        Ok(Self(file))
    }
}
