//! One private PostgreSQL for the whole test run, with a database per test.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use luna_organizations::cli::dev::cluster::{Cluster, DATABASE};
use luna_organizations::domain::Clock;
use luna_organizations::repository::Repository;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, Executor, PgConnection};
use tokio::sync::{Mutex, OnceCell};

use super::app::vault;

/// The cluster, with a migrated database that each test's own is copied from.
pub struct TestCluster {
    cluster: Cluster,
}

static CLUSTER: OnceCell<TestCluster> = OnceCell::const_new();
static DATABASES: AtomicU32 = AtomicU32::new(0);
/// Copies are made one at a time: a template must have no other user.
static COPYING: Mutex<()> = Mutex::const_new(());

impl TestCluster {
    /// Starts it with the first test that needs it.
    pub async fn get() -> &'static Self {
        CLUSTER.get_or_init(Self::start).await
    }

    async fn start() -> Self {
        let directory = std::env::temp_dir().join(format!("luna-organizations-tests-{}", std::process::id()));
        let cluster = Cluster::start(&directory).await.expect("PostgreSQL's binaries are installed");
        stop_after_this_process(&directory);
        make_haste(&cluster).await;
        let template = Repository::connect(&cluster.url(DATABASE), 2, Clock::default(), vault()).unwrap();
        template.migrate().await.unwrap();
        template.close().await;
        Self { cluster }
    }

    /// The URL of a new, migrated database.
    pub async fn database(&self) -> String {
        self.copy_of(DATABASE).await
    }

    /// The URL of a new database with nothing in it.
    pub async fn empty_database(&self) -> String {
        self.copy_of("template1").await
    }

    async fn copy_of(&self, template: &str) -> String {
        let name = format!("test_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
        let _alone = COPYING.lock().await;
        let mut connection = PgConnection::connect(&self.cluster.url("postgres")).await.unwrap();
        let copy = format!("CREATE DATABASE {name} TEMPLATE {template}");
        connection.execute(sqlx::AssertSqlSafe(copy)).await.unwrap();
        connection.close().await.unwrap();
        self.cluster.url(&name)
    }
}

/// Nobody needs these databases after a power cut, so nothing waits for the disk.
async fn make_haste(cluster: &Cluster) {
    let options: PgConnectOptions = cluster.url("postgres").parse().unwrap();
    let mut superuser = PgConnection::connect_with(&options.username("postgres")).await.unwrap();
    for setting in ["fsync", "full_page_writes", "synchronous_commit"] {
        superuser.execute(sqlx::AssertSqlSafe(format!("ALTER SYSTEM SET {setting} = off"))).await.unwrap();
    }
    superuser.execute("SELECT pg_reload_conf()").await.unwrap();
    superuser.close().await.unwrap();
}

/// Nothing in a test binary runs last. A shell waits for the end of this process, however it comes (its standard input
/// closes), stops the server and removes its files.
#[expect(clippy::zombie_processes, reason = "the shell outlives this process")]
fn stop_after_this_process(directory: &Path) {
    let pid_file: PathBuf = directory.join("data/postmaster.pid");
    let pid = std::fs::read_to_string(pid_file).unwrap().lines().next().unwrap().to_owned();
    let script = r#"read -r _; kill -INT "$1"; while kill -0 "$1" 2>/dev/null; do sleep 0.1; done; rm -rf "$2""#;
    let mut shell = Command::new("sh")
        .args(["-c", script, "sh", &pid])
        .arg(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = shell.stdin.take().unwrap();
    input.flush().unwrap();
    // Kept open until this process ends.
    std::mem::forget(input);
}
