//! A check service for nginx's `auth_request`, as one would build it with care today: 204 if the API key may use the QPU
//! token, else 401 or 403. Every check is one prepared statement, nothing is cached.
//!
//! `check pool PORT` asks through sqlx's pool; `check pipeline PORT` sends the statements down two connections without
//! waiting for each other's answers, which is the fastest way that needs no batches. `DATABASE_SOCKETS` is the directory
//! of PostgreSQL's socket.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use data_encoding::BASE32_DNSSEC;
use sha2::{Digest, Sha256};
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use subtle::ConstantTimeEq;
use tokio::net::TcpListener;
use tokio_postgres::{Client, NoTls, Statement};
use uuid::Uuid;

/// From the key to the membership, by unique indexes only.
const STATEMENT: &str = "
    SELECT k.digest,
           EXISTS (SELECT FROM memberships m
                    WHERE m.user_id = k.user_id AND m.status = 'active'
                      AND (m.organization_id = t.organization_id
                           OR t.inherited AND t.organization_id = ANY ((SELECT o.path FROM organizations o
                                                                         WHERE o.id = m.organization_id)::uuid[])))
      FROM api_keys k
      JOIN users u ON u.id = k.user_id AND u.status = 'active'
      JOIN qpu_tokens t ON t.id = $2 AND t.enabled AND (t.expires_at IS NULL OR t.expires_at > now())
     WHERE k.id = $1 AND (k.expires_at IS NULL OR k.expires_at > now())";

/// The plan is the same for all parameters, and with few rows reading whole tables would be one.
const SETTINGS: [(&str, &str); 2] = [("plan_cache_mode", "force_generic_plan"), ("enable_seqscan", "off")];

const CONNECTIONS: u32 = 6;
const PIPELINES: usize = 2;

type Failure = Box<dyn Error + Send + Sync>;

#[derive(Clone)]
enum Database {
    Pool(PgPool),
    Pipelines(Arc<Pipelines>),
}

struct Pipelines {
    connections: Vec<(Client, Statement)>,
    next: AtomicUsize,
}

impl Database {
    async fn ask(&self, key: Uuid, token: Uuid) -> Result<Option<(Vec<u8>, bool)>, Failure> {
        match self {
            Self::Pool(pool) => Ok(sqlx::query_as(STATEMENT).bind(key).bind(token).fetch_optional(pool).await?),
            Self::Pipelines(pipelines) => {
                let next = pipelines.next.fetch_add(1, Ordering::Relaxed);
                let (client, statement) = &pipelines.connections[next % pipelines.connections.len()];
                let row = client.query_opt(statement, &[&key, &token]).await?;
                Ok(row.map(|row| (row.get(0), row.get(1))))
            }
        }
    }
}

async fn check(State(database): State<Database>, headers: HeaderMap) -> StatusCode {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let Some((key, digest)) = text("x-auth-token").and_then(read_key) else { return StatusCode::UNAUTHORIZED };
    let Some(token) = text("x-original-uri").and_then(read_token) else { return StatusCode::FORBIDDEN };
    match database.ask(key, token).await {
        Ok(Some((stored, true))) if bool::from(stored.ct_eq(&digest)) => StatusCode::NO_CONTENT,
        Ok(Some((stored, false))) if bool::from(stored.ct_eq(&digest)) => StatusCode::FORBIDDEN,
        Ok(_) => StatusCode::UNAUTHORIZED,
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The id and the digest of `luna_<id>_<secret>_<checksum>`.
fn read_key(text: &str) -> Option<(Uuid, [u8; 32])> {
    let (body, checksum) = text.rsplit_once('_')?;
    if BASE32_DNSSEC.decode(checksum.as_bytes()).ok()? != crc32fast::hash(body.as_bytes()).to_be_bytes() {
        return None;
    }
    let (id, _) = body.strip_prefix("luna_")?.split_once('_')?;
    let id = Uuid::from_slice(&BASE32_DNSSEC.decode(id.as_bytes()).ok()?).ok()?;
    Some((id, Sha256::digest(body).into()))
}

/// The id in `/v1/qpu/<token id>/…`.
fn read_token(uri: &str) -> Option<Uuid> {
    uri.strip_prefix("/v1/qpu/")?.split('/').next()?.parse().ok()
}

async fn pool(sockets: &str) -> Result<Database, Failure> {
    let options: PgConnectOptions =
        format!("postgres://luna@localhost/luna_organizations?host={sockets}&sslmode=disable").parse()?;
    let pool =
        PgPoolOptions::new().max_connections(CONNECTIONS).min_connections(CONNECTIONS).test_before_acquire(false);
    Ok(Database::Pool(pool.connect_with(options.options(SETTINGS)).await?))
}

async fn pipelines(sockets: &str) -> Result<Database, Failure> {
    let settings = SETTINGS.map(|(name, value)| format!("-c {name}={value}")).join(" ");
    let mut options = tokio_postgres::Config::new();
    options.host(sockets).user("luna").dbname("luna_organizations").options(settings);
    let mut connections = Vec::new();
    for _ in 0..PIPELINES {
        let (client, connection) = options.connect(NoTls).await?;
        tokio::spawn(connection);
        let statement = client.prepare(STATEMENT).await?;
        connections.push((client, statement));
    }
    Ok(Database::Pipelines(Arc::new(Pipelines { connections, next: AtomicUsize::new(0) })))
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let usage = "check pool|pipeline PORT, with DATABASE_SOCKETS";
    let sockets = std::env::var("DATABASE_SOCKETS").map_err(|_| usage)?;
    let [way, port] = std::env::args().skip(1).collect::<Vec<_>>().try_into().map_err(|_| usage)?;
    let database = match way.as_str() {
        "pool" => pool(&sockets).await?,
        "pipeline" => pipelines(&sockets).await?,
        _ => return Err(usage.into()),
    };
    let listener = TcpListener::bind(("127.0.0.1", port.parse()?)).await?;
    axum::serve(listener, Router::new().route("/check", get(check)).with_state(database)).await?;
    Ok(())
}
