//! The wiring: from a configuration to a running service.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::Failure;
use super::configuration::{Configuration, DATABASE_URL_EXAMPLE};
use crate::authentication::{AccessTokens, Passes, PasswordHasher};
use crate::broker::{self, Broker};
use crate::domain::Clock;
use crate::http::{self, AppState, Shared};
use crate::repository::{self, Repository};
use crate::server::Server;
use crate::vault::{LocalKeyRing, Vault, VaultError};
use crate::worker;

/// Upper bounds of the buckets that request times are counted in, in seconds.
const LATENCY_BUCKETS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0];

/// How often measurements are put into their buckets.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// How long the last words to the database may take: longer than any statement.
const FAREWELL: Duration = Duration::from_secs(15);

/// Access tokens are issued by this service for itself.
const AUDIENCE: &str = "luna-organizations";

/// Why a service does not start.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The database needs `migrate`.
    #[error("the database's schema is not current; run: luna-organizations migrate")]
    OldSchema,
    /// The database does not let us in, or is not there.
    #[error("configuration: DATABASE_URL (database_url in the file) must be the URL of a database that answers: {0}")]
    Database(repository::Error),
    /// The key ring is not the one that was used.
    #[error(
        "configuration: key_ring (LUNA_ORGANIZATIONS_KEY_RING) must be the one that was used so far; \
         what is stored does not open: {0}"
    )]
    WrongKeyRing(VaultError),
    /// Somebody else has the address.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        error: std::io::Error,
    },
}

impl From<repository::Error> for ServiceError {
    fn from(error: repository::Error) -> Self {
        match error {
            repository::Error::Vault(error) => Self::WrongKeyRing(error),
            error => Self::Database(error),
        }
    }
}

/// Refuses a database that cannot be reached or has an old schema.
pub async fn expect_current_schema(repository: &Repository) -> Result<(), ServiceError> {
    if repository.schema_is_current().await? { Ok(()) } else { Err(ServiceError::OldSchema) }
}

/// A running service.
pub struct Service {
    server: Server,
    workers: [JoinHandle<()>; 2],
    repository: Repository,
    broker: broker::Shared,
    /// Where the API listens.
    pub address: SocketAddr,
    /// Where `/metrics` listens.
    pub metrics_address: SocketAddr,
}

/// The repository that a configuration names.
pub fn repository(configuration: &Configuration) -> Result<Repository, Failure> {
    let url = configuration.database()?;
    let key_ring = configuration.key_ring.as_deref();
    let key_ring = key_ring.ok_or_else(|| {
        configuration.wrong("key_ring", "the path of a key ring; make one with: luna-organizations keys generate FILE")
    })?;
    let vault = Arc::new(Vault::new(Arc::new(LocalKeyRing::load(key_ring)?)));
    let connected = Repository::connect(&url, configuration.database_connections, Clock::default(), vault);
    // The URL holds a password, so the driver's own words are not repeated.
    Ok(connected.map_err(|_| configuration.wrong("database_url", DATABASE_URL_EXAMPLE))?)
}

impl Service {
    /// Starts to serve. Refuses a database with an old schema and a key ring that does not open what is stored.
    pub async fn start(configuration: &Configuration, repository: Repository) -> Result<Self, Failure> {
        expect_current_schema(&repository).await?;
        repository.stored_secrets_open().await.map_err(ServiceError::from)?;
        let (listener, address) = listen(configuration.listen).await?;
        let (metrics_listener, metrics_address) = listen(configuration.metrics_listen).await?;
        let state = state(configuration, repository.clone(), address).await?;
        let mut server = Server::new(configuration.limits(), state.broker.tasks().clone());
        for mount in &configuration.broker.mounts {
            if let Some(listen_at) = mount.listen {
                server.serve(listen(listen_at).await?.0, http::mounted(state.clone(), mount.mount()));
            }
        }
        let broker = Arc::clone(&state.broker);
        server.serve(listener, http::router(state));
        let metrics = recorder()?;
        server.serve(metrics_listener, http::metrics_router(metrics.clone()));
        tracing::info!(%address, metrics = %metrics_address, "serving");
        let workers =
            [tokio::spawn(worker::run(repository.clone(), Arc::clone(&broker))), tokio::spawn(upkeep(metrics))];
        Ok(Self { server, workers, repository, broker, address, metrics_address })
    }

    /// Lets running requests end and closes everything. A database that does not answer is waited for, but not for ever.
    pub async fn stop(self) {
        self.server.stop().await;
        self.workers.iter().for_each(JoinHandle::abort);
        let farewell = async {
            self.broker.flush().await;
            self.repository.close().await;
        };
        if timeout(FAREWELL, farewell).await.is_err() {
            tracing::warn!("the database did not say farewell within {FAREWELL:?}, and is left");
        }
    }
}

/// What handlers share; the API is reached at `address`.
pub async fn state(
    configuration: &Configuration,
    repository: Repository,
    address: SocketAddr,
) -> Result<AppState, Failure> {
    let settings = configuration.settings(address)?;
    let keys = repository.signing_keys().await.map_err(ServiceError::from)?;
    let (active, retired) = keys.split_first().ok_or("there is no signing key")?;
    let retired: Vec<_> = retired.iter().map(|key| key.verifying_key().clone()).collect();
    let lifetime = configuration.access_token_seconds;
    let access_tokens = AccessTokens::new(&settings.public_url, AUDIENCE, lifetime, active, &retired)?;
    let passes = Passes::new(&settings.public_url, active, &retired, repository.clock().clone())?;
    let settle_after = TimeDelta::seconds(configuration.broker.settle_after_seconds);
    let patience = configuration.broker.patience;
    let reachable = configuration.reachable(&Arc::new(passes))?;
    let broker = Arc::new(Broker::new(repository.clone(), reachable, settle_after, patience));
    Ok(AppState::new(Shared {
        repository,
        broker,
        access_tokens: Arc::new(access_tokens),
        passwords: Arc::new(PasswordHasher::new()?),
        settings: Arc::new(settings),
    }))
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ServiceError> {
    let failed = |error| ServiceError::Listen { address, error };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

fn recorder() -> Result<PrometheusHandle, Failure> {
    let latency = Matcher::Full("http_request_duration_seconds".to_owned());
    Ok(PrometheusBuilder::new().set_buckets_for_metric(latency, &LATENCY_BUCKETS)?.install_recorder()?)
}

/// Keeps what is measured in bounded memory, also while nobody reads it.
async fn upkeep(metrics: PrometheusHandle) {
    let mut rounds = tokio::time::interval(UPKEEP_EVERY);
    loop {
        rounds.tick().await;
        metrics.run_upkeep();
    }
}
