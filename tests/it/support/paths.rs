//! Where things are.

pub fn organization(organization: &str) -> String {
    format!("/v1/organizations/{organization}")
}

pub fn users(organization: &str) -> String {
    format!("/v1/organizations/{organization}/users")
}

pub fn user(organization: &str, user: &str) -> String {
    format!("/v1/organizations/{organization}/users/{user}")
}

pub fn role(organization: &str, user: &str, role: &str) -> String {
    format!("/v1/organizations/{organization}/users/{user}/roles/{role}")
}

pub fn invitations(organization: &str) -> String {
    format!("/v1/organizations/{organization}/invitations")
}

pub fn tokens(organization: &str) -> String {
    format!("/v1/organizations/{organization}/qpu-tokens")
}

pub fn token(organization: &str, token: &str) -> String {
    format!("/v1/organizations/{organization}/qpu-tokens/{token}")
}

pub fn quota(organization: &str, token: &str) -> String {
    format!("/v1/organizations/{organization}/qpu-tokens/{token}/quota")
}

pub fn user_quota(organization: &str, token: &str, user: &str) -> String {
    format!("/v1/organizations/{organization}/qpu-tokens/{token}/quota/users/{user}")
}

pub fn usage(organization: &str, token: &str) -> String {
    format!("/v1/organizations/{organization}/qpu-tokens/{token}/usage")
}

pub fn access(organization: &str, token: &str) -> String {
    format!("/v1/organizations/{organization}/qpu-tokens/{token}/access")
}

pub fn leases(organization: &str, token: &str) -> String {
    format!("/v1/organizations/{organization}/qpu-tokens/{token}/leases")
}

pub fn events(organization: &str, query: &str) -> String {
    format!("/v1/organizations/{organization}/audit-events?{query}")
}
