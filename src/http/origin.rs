//! Where a request comes from: the client's address, also behind proxies that the operator trusts, and the request's id.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, HeaderValue};
use ipnet::IpNet;

use super::problem::{Problem, Result};
use super::state::AppState;
use crate::authorization::Origin;

/// The client's address.
#[derive(Debug, Clone, Copy)]
pub struct ClientAddress(pub IpAddr);

/// What the request is called in the log and in the audit log.
#[derive(Debug, Clone)]
pub struct RequestId(pub HeaderValue);

/// Finds out the client's address for everything that comes after.
pub fn find(state: &AppState, request: &mut Request) {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    if let Some(peer) = peer {
        let address = behind_proxies(peer, request.headers(), &state.settings.trusted_proxies);
        request.extensions_mut().insert(ClientAddress(address));
    }
}

/// The audit log's view of a request.
pub fn of(parts: &Parts) -> Origin {
    Origin {
        address: address(&parts.extensions).map(|address| address.to_string()),
        request_id: parts.extensions.get::<RequestId>().and_then(|id| id.0.to_str().ok()).map(ToOwned::to_owned),
    }
}

fn address(extensions: &Extensions) -> Option<IpAddr> {
    extensions.get::<ClientAddress>().map(|address| address.0)
}

/// Extracts [`Origin`] for the routes that are open to everyone.
pub struct From(pub Origin);

impl FromRequestParts<AppState> for From {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self> {
        Ok(Self(of(parts)))
    }
}

/// Walks `X-Forwarded-For` from its end as long as the next hop is a trusted proxy. What stands further left was
/// written by the client and says nothing.
fn behind_proxies(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(&address));
    let values = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
    let hops: Vec<&str> = values.flat_map(|value| value.split(',')).map(str::trim).collect();
    let mut address = peer.to_canonical();
    for hop in hops.iter().rev() {
        if !is_trusted(address) {
            break;
        }
        match hop.parse::<IpAddr>() {
            Ok(next) => address = next.to_canonical(),
            Err(_) => break,
        }
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, forwarded: &str) -> String {
        let headers = HeaderMap::from_iter([("x-forwarded-for".parse().unwrap(), forwarded.parse().unwrap())]);
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        behind_proxies(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn a_stranger_cannot_pretend() {
        assert_eq!(client("192.0.2.1", "203.0.113.9"), "192.0.2.1");
    }

    #[test]
    fn a_trusted_proxy_is_believed_about_its_client_only() {
        assert_eq!(client("10.0.0.1", "203.0.113.9"), "203.0.113.9");
        assert_eq!(client("10.0.0.1", "198.51.100.7, 203.0.113.9"), "203.0.113.9");
        assert_eq!(client("10.0.0.1", "203.0.113.9, 10.0.0.2"), "203.0.113.9");
        assert_eq!(client("10.0.0.1", "nonsense"), "10.0.0.1");
    }
}
