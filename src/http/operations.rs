//! Everything that `openapi.yaml` describes.

use super::routing::Api;
use super::{health, v1};

/// Adds all operations.
pub fn all(api: Api) -> Api {
    v1::routes(health::routes(api))
}
