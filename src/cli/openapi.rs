//! `luna-organizations openapi`: the document that the service serves and that the repository holds as `openapi.yaml`.

use super::{Failure, print};
use crate::http;

pub fn run() -> Result<(), Failure> {
    let yaml = http::document().to_yaml()?;
    Ok(print(yaml.trim_end())?)
}
