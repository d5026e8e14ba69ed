//! Who PostgreSQL runs as: we ourselves, or, since it refuses root, an ordinary user when we are root.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::process::geteuid;
use tokio::process::Command;

use super::ClusterError;

/// Users to run as when root starts a new cluster: PostgreSQL's own first.
const ORDINARY: [&str; 2] = ["postgres", "nobody"];

/// The operating-system user that owns the cluster and runs its server.
pub(super) struct Account {
    pub(super) name: String,
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// Whether that is somebody else than we are.
    pub(super) switched: bool,
}

impl Account {
    /// The owner of `data` if it exists, else who should own it.
    pub(super) async fn choose(data: &Path) -> Result<Self, ClusterError> {
        let own = geteuid();
        if !own.is_root() {
            if let Some(error) = foreign(data) {
                return Err(error);
            }
            let uid = own.as_raw();
            let name = id(&["-un"]).await?.ok_or(ClusterError::NoName(uid))?;
            return Ok(Self { name, uid, gid: rustix::process::getegid().as_raw(), switched: false });
        }
        if let Ok(owner) = fs::metadata(data) {
            if owner.uid() == 0 {
                return Err(ClusterError::OwnedByRoot(data.display().to_string()));
            }
            let (uid, gid) = (owner.uid(), owner.gid());
            let name = id(&["-un", &uid.to_string()]).await?.ok_or(ClusterError::NoName(uid))?;
            return Ok(Self { name, uid, gid, switched: true });
        }
        for name in ORDINARY {
            let (uid, gid) = (number(&["-u", name]).await?, number(&["-g", name]).await?);
            if let (Some(uid), Some(gid)) = (uid.filter(|uid| *uid != 0), gid) {
                return Ok(Self { name: name.to_owned(), uid, gid, switched: true });
            }
        }
        Err(ClusterError::NoAccount)
    }
}

/// The error for data that exists and belongs neither to us nor, when we are root, to anybody we may become.
pub(super) fn foreign(data: &Path) -> Option<ClusterError> {
    let owner = fs::metadata(data).ok()?.uid();
    let own = geteuid();
    (!own.is_root() && owner != own.as_raw()).then(|| ClusterError::Foreign { data: data.to_owned(), owner })
}

async fn number(arguments: &[&str]) -> Result<Option<u32>, ClusterError> {
    Ok(id(arguments).await?.and_then(|text| text.parse().ok()))
}

/// Asks `id`, which knows every user database that the system does (`/etc/passwd` is only one of them).
async fn id(arguments: &[&str]) -> Result<Option<String>, ClusterError> {
    let answer = Command::new("id").args(arguments).output().await.map_err(ClusterError::program("id"))?;
    let text = String::from_utf8_lossy(&answer.stdout).trim().to_owned();
    Ok((answer.status.success() && !text.is_empty()).then_some(text))
}
