//! What an operator sets up for `serve`: a key ring, a migrated database, a first admin.

use std::process::Output;

use serde_json::Value;

use super::Caller;
use super::cluster::TestCluster;
use super::process::{Process, Scratch, run};

/// Everything that `serve` needs, made with the program's own commands.
pub struct Installation {
    pub scratch: Scratch,
    pub database_url: String,
    /// The key ring's path.
    pub key_ring: String,
    /// What `bootstrap` printed.
    pub bootstrapped: Value,
}

impl Installation {
    /// On a database of its own in the cluster that the tests share.
    pub async fn new() -> Self {
        Self::on(Scratch::new(), TestCluster::get().await.database().await)
    }

    /// As [`Installation::new`], before `bootstrap`.
    pub async fn new_without_admin() -> Self {
        Self::migrated(Scratch::new(), TestCluster::get().await.database().await)
    }

    pub fn on(scratch: Scratch, database_url: String) -> Self {
        let mut installation = Self::migrated(scratch, database_url);
        let printed = succeeds(&installation.run(&bootstrap("root@example.com")));
        installation.bootstrapped = serde_json::from_str(&printed).unwrap();
        installation
    }

    fn migrated(scratch: Scratch, database_url: String) -> Self {
        let key_ring = scratch.path("key-ring.json").to_str().unwrap().to_owned();
        succeeds(&run(&["keys", "generate", &key_ring], &[]));
        let installation = Self { scratch, database_url, key_ring, bootstrapped: Value::Null };
        succeeds(&installation.run(&["migrate"]));
        installation
    }

    pub fn environment(&self) -> [(&str, &str); 2] {
        [("DATABASE_URL", &self.database_url), ("LUNA_ORGANIZATIONS_KEY_RING", &self.key_ring)]
    }

    /// Runs a command that ends by itself.
    pub fn run(&self, arguments: &[&str]) -> Output {
        run(arguments, &self.environment())
    }

    /// Starts `serve`, with more in its environment.
    pub fn serve(&self, environment: &[(&str, &str)]) -> Process {
        Process::serve(&self.scratch, &[self.environment().as_slice(), environment].concat())
    }

    /// The first admin, by API key.
    pub fn admin(&self, process: &Process) -> Caller {
        Caller::with_api_key(&process.base_url, self.bootstrapped["api_key"].as_str().unwrap())
    }

    /// The root organization's id.
    pub fn root(&self) -> &str {
        self.bootstrapped["organization"]["id"].as_str().unwrap()
    }
}

/// The arguments of `bootstrap`.
pub fn bootstrap(email: &str) -> [&str; 9] {
    ["bootstrap", "--email", email, "--given-name", "Rosa", "--family-name", "Root", "--organization", "Platform"]
}

/// What a command printed, if it went well.
#[track_caller]
pub fn succeeds(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The one line that a command said on its standard error, if it went wrong.
#[track_caller]
pub fn fails(output: &Output) -> String {
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.starts_with("luna-organizations: ") && said.trim_end().lines().count() == 1, "not one line: {said}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "nothing is printed where nothing was done");
    said
}
