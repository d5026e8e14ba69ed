//! Which version of the SDK asks, for the one difference that its routes do not tell.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::header::USER_AGENT;
use axum::http::request::Parts;

use crate::http::state::AppState;

/// The SDK's version, if it says so: `LunaSDK/<major>.<minor>.<patch>`.
#[derive(Debug, Clone, Copy)]
pub struct Version(Option<(u32, u32, u32)>);

impl Version {
    /// Whether a list may tell of quotas. Version 1 refuses members that it does not know (1.0.0 does not yet), and it knows
    /// these from 1.2.1 on.
    pub fn knows_quotas_in_lists(self) -> bool {
        !matches!(self.0, Some(version) if ((1, 0, 0)..(1, 2, 1)).contains(&version))
    }

    fn read(user_agent: &str) -> Option<(u32, u32, u32)> {
        let mut numbers = user_agent.strip_prefix("LunaSDK/")?.splitn(3, '.');
        let mut number = || numbers.next()?.parse().ok();
        Some((number()?, number()?, number()?))
    }
}

impl FromRequestParts<AppState> for Version {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, Infallible> {
        let user_agent = parts.headers.get(USER_AGENT).and_then(|value| value.to_str().ok());
        Ok(Self(user_agent.and_then(Self::read)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_versions_that_would_fail_are_spared_the_quotas() {
        let knows = |user_agent: &str| Version(Version::read(user_agent)).knows_quotas_in_lists();
        for version in ["LunaSDK/1.0.0", "LunaSDK/1.0.7", "LunaSDK/1.1.3", "LunaSDK/1.2.0"] {
            assert!(!knows(version), "{version}");
        }
        for version in ["LunaSDK/0.10.1", "LunaSDK/1.2.1", "LunaSDK/2.0.0", "LunaSDK/1.1", "curl/8"] {
            assert!(knows(version), "{version}");
        }
    }
}
