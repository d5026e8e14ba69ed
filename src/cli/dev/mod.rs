//! `luna-organizations dev`: the embedded default, which needs nothing but the PostgreSQL binaries.

pub mod cluster;
mod first_admin;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use self::cluster::Cluster;
use self::first_admin::FirstAdminFile;
use super::configuration::{Configuration, LogFormat};
use super::service::{self, Service};
use super::stop_signal::StopSignal;
use super::{ConfigurationFile, Failure, print};
use crate::vault::LocalKeyRing;

/// `dev …`
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Where everything is kept [default: luna-organizations in the user's data directory]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Where to listen [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    #[command(flatten)]
    file: ConfigurationFile,
}

/// Runs until told to stop.
pub async fn run(arguments: Arguments) -> Result<(), Failure> {
    let directory = match arguments.data_dir {
        Some(directory) => directory,
        None => default_directory()?,
    };
    let mut configuration = Configuration::load_over(defaults(), arguments.file.config.as_deref())?;
    configuration.listen = arguments.listen.unwrap_or(configuration.listen);
    super::logging::start(&configuration)?;
    let mut stop = StopSignal::listen()?;
    make_private(&directory).await?;
    let directory = directory.canonicalize()?;

    let cluster = Cluster::start(&directory.join("postgres")).await?;
    configuration.database_url = Some(cluster.url(cluster::DATABASE));
    configuration.database_password_file = None;
    let served = tokio::select! {
        served = serve(&configuration, &directory, &mut stop) => served,
        () = cluster.supervise() => Ok(()),
    };
    cluster.stop().await?;
    served
}

/// For people at a terminal.
fn defaults() -> Configuration {
    Configuration {
        log_format: LogFormat::Pretty,
        log_filter: "warn,luna_organizations=info".to_owned(),
        metrics_listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        ..Configuration::default()
    }
}

async fn serve(configuration: &Configuration, directory: &Path, stop: &mut StopSignal) -> Result<(), Failure> {
    let service = tokio::select! {
        service = start(configuration, directory) => service?,
        () = stop.heard() => return Ok(()),
    };
    stop.heard().await;
    service.stop().await;
    Ok(())
}

/// Prepares what is missing and serves.
async fn start(configuration: &Configuration, directory: &Path) -> Result<Service, Failure> {
    let mut configuration = configuration.clone();
    let key_ring = directory.join("key-ring.json");
    if configuration.key_ring.is_none() {
        if !key_ring.exists() {
            LocalKeyRing::generate(&key_ring)?;
        }
        configuration.key_ring = Some(key_ring);
    }
    let repository = service::repository(&configuration)?;
    repository.migrate().await?;
    let file = FirstAdminFile::new(directory);
    file.bootstrap(&repository).await?;
    let service = Service::start(&configuration, repository.clone()).await?;
    let base_url = configuration.settings(service.address)?.public_url;
    file.note(&base_url, &repository).await?;
    print(&welcome(&base_url, service.metrics_address, &file.path))?;
    Ok(service)
}

fn welcome(base_url: &str, metrics: SocketAddr, first_admin: &Path) -> String {
    let file = first_admin.display();
    format!(
        "\n  Luna Organizations is running\n\n  \
         API          {base_url}\n  \
         docs         {base_url}/docs\n  \
         metrics      http://{metrics}/metrics\n  \
         credentials  {file}\n\n  \
         Try:\n  \
         KEY=$(sed -n 's/.*\"api_key\": \"\\(.*\\)\".*/\\1/p' '{file}')\n  \
         curl -s {base_url}/v1/me -H \"Luna-API-Key: $KEY\"\n  \
         curl -s {base_url}/v1/organizations -H \"Luna-API-Key: $KEY\"\n  \
         curl -s {base_url}/v1/providers -H \"Luna-API-Key: $KEY\"\n\n  \
         Ctrl-C stops it; the next start finds everything again.\n"
    )
}

/// `XDG_DATA_HOME`, or what stands for it.
fn default_directory() -> Result<PathBuf, Failure> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let data = set("XDG_DATA_HOME").or_else(|| set("HOME").map(|home| home.join(".local/share")));
    Ok(data.ok_or("neither XDG_DATA_HOME nor HOME is set; use --data-dir DIR")?.join("luna-organizations"))
}

async fn make_private(directory: &Path) -> Result<(), Failure> {
    let made = tokio::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).await;
    Ok(made.map_err(|error| format!("cannot make {}: {error}", directory.display()))?)
}
