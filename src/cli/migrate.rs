//! `luna-organizations migrate`.

use super::configuration::Configuration;
use super::{Failure, print, service};

pub async fn run(configuration: Configuration) -> Result<(), Failure> {
    super::logging::start(&configuration)?;
    let repository = service::repository(&configuration)?;
    repository.migrate().await.map_err(service::ServiceError::from)?;
    repository.close().await;
    Ok(print("the schema is up to date")?)
}
