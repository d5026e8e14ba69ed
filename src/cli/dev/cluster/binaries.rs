//! Finding PostgreSQL's server programs, which few systems put on the `PATH`.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use tokio::process::Command;

use super::ClusterError;

/// The oldest major version that the service supports.
const OLDEST: u32 = 15;

/// Where versions are installed side by side: `<parent>/<prefix><version>/<rest>`.
const VERSIONED: [(&str, &str, &str); 7] = [
    ("/usr/lib/postgresql", "", "bin"),                          // Debian, Ubuntu
    ("/usr", "pgsql-", "bin"),                                   // PostgreSQL's own packages for Fedora and RHEL
    ("/usr/libexec", "postgresql", ""),                          // Alpine
    ("/opt/homebrew/opt", "postgresql@", "bin"),                 // Homebrew on Apple silicon
    ("/usr/local/opt", "postgresql@", "bin"),                    // Homebrew on Intel
    ("/home/linuxbrew/.linuxbrew/opt", "postgresql@", "bin"),    // Homebrew on Linux
    ("/Applications/Postgres.app/Contents/Versions", "", "bin"), // Postgres.app
];

/// Where a single version is installed.
const SINGLE: [&str; 3] = ["/usr/bin", "/usr/local/bin", "/usr/local/pgsql/bin"]; // Fedora, ports, from source

/// A directory with `initdb` and `postgres`.
#[derive(Debug)]
pub(super) struct Binaries {
    pub(super) directory: PathBuf,
    pub(super) version: u32,
}

impl Binaries {
    /// The programs for a cluster of the major version `needed`, or the first usable ones for a new cluster.
    pub(super) async fn find(needed: Option<(&Path, u32)>) -> Result<Self, ClusterError> {
        let mut candidates: Vec<PathBuf> =
            env::var_os("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default();
        candidates.extend(configured().await);
        candidates.extend(VERSIONED.iter().flat_map(|(parent, prefix, rest)| versions(parent, prefix, rest)));
        candidates.extend(SINGLE.map(PathBuf::from));
        Self::among(candidates, needed).await
    }

    async fn among(candidates: Vec<PathBuf>, needed: Option<(&Path, u32)>) -> Result<Self, ClusterError> {
        let mut seen = BTreeSet::new();
        let mut found = BTreeSet::new();
        for directory in candidates {
            if !directory.is_absolute() || !seen.insert(directory.clone()) || !directory.join("initdb").is_file() {
                continue;
            }
            let Some(version) = version(&directory.join("postgres")).await else { continue };
            found.insert(version);
            if version >= OLDEST && needed.is_none_or(|(_, needed)| needed == version) {
                return Ok(Self { directory, version });
            }
        }
        let Some(newest) = found.last().copied() else { return Err(ClusterError::NoBinaries) };
        Err(match needed {
            Some((data, cluster)) if cluster >= OLDEST => ClusterError::OtherVersion {
                directory: data.to_owned(),
                cluster,
                found: found.iter().map(u32::to_string).collect::<Vec<_>>().join(", "),
            },
            Some((_, cluster)) => ClusterError::TooOld { found: cluster },
            None => ClusterError::TooOld { found: newest },
        })
    }

    pub(super) fn initdb(&self) -> PathBuf {
        self.directory.join("initdb")
    }

    pub(super) fn postgres(&self) -> PathBuf {
        self.directory.join("postgres")
    }
}

/// What `pg_config` says, if it is there.
async fn configured() -> Option<PathBuf> {
    let answer = Command::new("pg_config").arg("--bindir").output().await.ok()?;
    let text = String::from_utf8(answer.stdout).ok()?;
    (answer.status.success() && !text.trim().is_empty()).then(|| PathBuf::from(text.trim()))
}

/// The versions installed side by side below `parent`, newest first.
fn versions(parent: &str, prefix: &str, rest: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(parent) else { return Vec::new() };
    let mut versions: Vec<u32> =
        entries.flatten().filter_map(|entry| entry.file_name().to_str()?.strip_prefix(prefix)?.parse().ok()).collect();
    versions.sort_unstable_by(|a, b| b.cmp(a));
    versions.iter().map(|version| Path::new(parent).join(format!("{prefix}{version}")).join(rest)).collect()
}

/// The major version of a `postgres` program; `None` if it is none, or does not run here.
async fn version(postgres: &Path) -> Option<u32> {
    let answer = Command::new(postgres).arg("--version").output().await.ok()?;
    parse_version(std::str::from_utf8(&answer.stdout).ok()?)
}

/// Reads `postgres (PostgreSQL) 15.18 (Debian …)`, also `17beta1` and `18devel`.
fn parse_version(text: &str) -> Option<u32> {
    let number = text.split("(PostgreSQL) ").nth(1)?;
    let end = number.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(number.len());
    number[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn reads_every_form_of_version() {
        assert_eq!(parse_version("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"), Some(15));
        assert_eq!(parse_version("postgres (PostgreSQL) 18beta1\n"), Some(18));
        assert_eq!(parse_version("postgres (PostgreSQL) 9.6.24\n"), Some(9));
        assert_eq!(parse_version("something else 15\n"), None);
    }

    /// A directory of programs that say they are the given version.
    fn pretend(root: &Path, version: u32) -> PathBuf {
        let directory = root.join(version.to_string());
        fs::create_dir_all(&directory).unwrap();
        for program in ["initdb", "postgres"] {
            let path = directory.join(program);
            fs::write(&path, format!("#!/bin/sh\necho 'postgres (PostgreSQL) {version}.1'\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        directory
    }

    #[tokio::test]
    async fn picks_the_version_that_fits_and_says_so_when_none_does() {
        let root = env::temp_dir().join(format!("luna-binaries-{}", uuid::Uuid::now_v7()));
        let (old, first, second) = (pretend(&root, 14), pretend(&root, 17), pretend(&root, 16));
        let all = || vec![root.join("absent"), old.clone(), first.clone(), second.clone()];
        let data = Path::new("/data");

        assert_eq!(Binaries::among(all(), None).await.unwrap().directory, first);
        assert_eq!(Binaries::among(all(), Some((data, 16))).await.unwrap().directory, second);
        let error = Binaries::among(all(), Some((data, 15))).await.unwrap_err().to_string();
        assert!(error.contains("PostgreSQL 15") && error.contains("14, 16, 17"), "{error}");
        let error = Binaries::among(vec![old.clone()], None).await.unwrap_err();
        assert!(matches!(error, ClusterError::TooOld { found: 14 }), "{error}");
        let error = Binaries::among(Vec::new(), None).await.unwrap_err().to_string();
        for hint in ["apt install postgresql", "dnf install", "brew install", "DATABASE_URL", "serve"] {
            assert!(error.contains(hint), "{hint}: {error}");
        }
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn lists_the_newest_version_first() {
        let root = env::temp_dir().join(format!("luna-versions-{}", uuid::Uuid::now_v7()));
        for name in ["postgresql@9", "postgresql@16", "postgresql@15", "postgresql@old", "other"] {
            fs::create_dir_all(root.join(name)).unwrap();
        }
        let found = versions(root.to_str().unwrap(), "postgresql@", "bin");
        let names = ["postgresql@16/bin", "postgresql@15/bin", "postgresql@9/bin"];
        assert_eq!(found, names.map(|name| root.join(name)));
        fs::remove_dir_all(root).unwrap();
    }
}
