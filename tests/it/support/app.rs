//! A service of one's own, with its first admin.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use luna_organizations::authorization::Grant;
use luna_organizations::broker;
use luna_organizations::cli::bootstrap::{FirstAdmin, Prepared};
use luna_organizations::cli::{Configuration, service};
use luna_organizations::domain::Clock;
use luna_organizations::http;
use luna_organizations::repository::Repository;
use luna_organizations::server::Server;
use luna_organizations::vault::{LocalKeyRing, Vault};
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::net::TcpListener;

use super::caller::Caller;
use super::cluster::TestCluster;

/// Everybody's password.
pub const PASSWORD: &str = "correct horse battery";

/// A running service with a database of its own.
pub struct App {
    pub base_url: String,
    pub database_url: String,
    /// Moves for this service only.
    pub clock: Clock,
    pub repository: Repository,
    /// The database, for looking behind the service's back.
    pub database: PgPool,
    /// Id of the tree's root.
    pub root: String,
    /// The first admin, with an API key of full scope.
    pub admin: Caller,
    /// What the worker does now and then, tests do when they like.
    pub broker: broker::Shared,
    configuration: Configuration,
    server: Option<Server>,
}

/// A vault under a key ring that all tests share.
pub fn vault() -> Arc<Vault> {
    static VAULT: OnceLock<Arc<Vault>> = OnceLock::new();
    let make = || {
        let file = std::env::temp_dir().join(format!("luna-organizations-tests-{}.keys", std::process::id()));
        let ring = LocalKeyRing::generate(&file).unwrap();
        std::fs::remove_file(file).unwrap();
        Arc::new(Vault::new(Arc::new(ring)))
    };
    Arc::clone(VAULT.get_or_init(make))
}

impl App {
    pub async fn start() -> Self {
        Self::start_with(Configuration::default()).await
    }

    pub async fn start_with(configuration: Configuration) -> Self {
        let database_url = TestCluster::get().await.database().await;
        let clock = Clock::default();
        let repository = Repository::connect(&database_url, 6, clock.clone(), vault()).unwrap();
        let (server, broker, address) = serve(&configuration, &repository).await;
        let base_url = format!("http://{address}");
        let first = FirstAdmin {
            email: "root@example.com".parse().unwrap(),
            given_name: "Rosa".parse().unwrap(),
            family_name: "Root".parse().unwrap(),
            organization: "Platform".parse().unwrap(),
        };
        let prepared = Prepared::new(first, Some(PASSWORD.to_owned().into())).await.unwrap();
        let (organization, user) = repository.bootstrap(&Grant::command_line(), &prepared.new).await.unwrap();
        let admin = Caller::with_api_key(&base_url, &prepared.api_key).named("root@example.com", &user.to_string());
        let database = PgPool::connect(&database_url).await.unwrap();
        let root = organization.id.to_string();
        let server = Some(server);
        Self { base_url, database_url, clock, repository, database, root, admin, broker, configuration, server }
    }

    /// A second replica on the same database, configured alike: another process in all but memory.
    pub async fn replica(&self) -> String {
        self.replica_with(&self.configuration).await
    }

    /// As [`App::replica`], configured otherwise.
    pub async fn replica_with(&self, configuration: &Configuration) -> String {
        self.replica_at(&self.database_url, configuration).await
    }

    /// As [`App::replica_with`], with another way to the database.
    pub async fn replica_at(&self, database_url: &str, configuration: &Configuration) -> String {
        let repository = Repository::connect(database_url, 6, self.clock.clone(), vault()).unwrap();
        let (server, _, address) = serve(configuration, &repository).await;
        std::mem::forget(server);
        format!("http://{address}")
    }

    /// Somebody who presents nothing.
    pub fn anonymous(&self) -> Caller {
        Caller::anonymous(&self.base_url)
    }

    /// A new organization below `parent`; its first admin is the root's.
    pub async fn organization(&self, parent: &str, name: &str) -> String {
        let body = json!({"name": name, "parent_id": parent});
        let answer = self.admin.post("/v1/organizations", &body).await;
        answer.expect(201)["id"].as_str().unwrap().to_owned()
    }

    /// Somebody who was added, has accepted and has logged in.
    pub async fn member(&self, organization: &str, name: &str) -> Caller {
        let email = format!("{name}@example.com");
        let body = json!({"email": email, "given_name": name, "family_name": "Test"});
        let added = self.admin.post(&format!("/v1/organizations/{organization}/users"), &body).await.expect(201);
        self.accept(&added, PASSWORD).await.expect(200);
        self.log_in(&email, PASSWORD).await.named(&email, added["id"].as_str().unwrap())
    }

    /// As [`App::member`], with a role.
    pub async fn member_with_role(&self, organization: &str, name: &str, role: &str) -> Caller {
        let member = self.member(organization, name).await;
        let path = format!("/v1/organizations/{organization}/users/{}/roles/{role}", member.id);
        self.admin.put(&path, &Value::Null).await.expect(200);
        member
    }

    /// An API key of this scope.
    pub async fn key(&self, account: &Caller, scope: &str) -> Caller {
        let made = account.post("/v1/me/api-keys", &json!({"name": scope, "scope": scope})).await.expect(201);
        let key = made["api_key"].as_str().unwrap();
        Caller::with_api_key(&self.base_url, key).named(&account.email, &account.id)
    }

    /// Accepts the invitation in the answer of an addition.
    pub async fn accept(&self, added: &Value, password: &str) -> super::Answer {
        let body = json!({"token": added["invitation"]["token"], "password": password});
        self.anonymous().post("/v1/invitations/accept", &body).await
    }

    /// Logs in with a password.
    pub async fn log_in(&self, email: &str, password: &str) -> Caller {
        let body = json!({"email": email, "password": password});
        let tokens = self.anonymous().post("/v1/sessions", &body).await.expect(200);
        Caller::with_access_token(&self.base_url, tokens["access_token"].as_str().unwrap())
    }

    /// A D-Wave token of the organization; answers its id.
    pub async fn token(&self, organization: &str, name: &str, secret: &str) -> String {
        self.token_for("dwave", organization, name, secret).await
    }

    /// The same for any provider whose credential is one `token`.
    pub async fn token_for(&self, provider: &str, organization: &str, name: &str, secret: &str) -> String {
        let body = json!({"name": name, "provider": provider, "credential": {"token": secret}});
        let answer = self.admin.post(&format!("/v1/organizations/{organization}/qpu-tokens"), &body).await;
        answer.expect(201)["id"].as_str().unwrap().to_owned()
    }

    /// Stops the service; the database stays.
    pub async fn stop(mut self) {
        if let Some(server) = self.server.take() {
            server.stop().await;
        }
    }
}

async fn serve(configuration: &Configuration, repository: &Repository) -> (Server, broker::Shared, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let configuration =
        Configuration { public_url: Some("http://luna.example.com".to_owned()), ..configuration.clone() };
    let state = service::state(&configuration, repository.clone(), address).await.unwrap();
    let mut server = Server::new(configuration.limits(), state.broker.tasks().clone());
    let broker = Arc::clone(&state.broker);
    server.serve(listener, http::router(state));
    (server, broker, address)
}
