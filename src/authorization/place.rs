//! What actions are done in: an organization, the own account, or what somebody has proved to reach.

use super::standing::Standing;
use crate::authentication::{InvitationDigest, RefreshDigest};
use crate::domain::{OrganizationId, QpuTokenId, TokenOwner, UserId};

/// What an action is done in.
pub trait Place: Sized + Send + Sync + 'static {
    /// The place of somebody who is signed in; `None` if there is no such place.
    fn of(standing: &Standing) -> Option<Self>;
}

/// In an organization that the caller may know.
#[derive(Debug, Clone, Copy)]
pub struct InOrganization(pub(super) OrganizationId);

impl Place for InOrganization {
    fn of(standing: &Standing) -> Option<Self> {
        let relation = standing.relation.as_ref()?;
        relation.visible().then_some(Self(relation.organization))
    }
}

/// In the caller's own account.
#[derive(Debug, Clone, Copy)]
pub struct Own(pub(super) UserId);

impl Place for Own {
    fn of(standing: &Standing) -> Option<Self> {
        Some(Self(standing.user))
    }
}

/// In the account whose password has just been verified.
#[derive(Debug, Clone, Copy)]
pub struct Verified(pub(super) UserId);

/// What the holder of a one-time token may reach: whatever the token's digest finds.
pub struct Holder<Digest>(pub(super) Digest);

/// At the server's console.
#[derive(Debug, Clone, Copy)]
pub struct Console(pub(super) ());

/// With one token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OfToken {
    /// The token.
    pub token: QpuTokenId,
    /// Whose it is.
    pub owner: TokenOwner,
    /// Whose member the user is when using it; `None` for a personal token, and for admins who only look after it.
    pub member_of: Option<OrganizationId>,
}

macro_rules! closed_to_the_signed_in {
    ($($place:ty),*) => {$(
        impl Place for $place {
            fn of(_: &Standing) -> Option<Self> {
                None
            }
        }
    )*};
}

closed_to_the_signed_in!(Verified, Holder<RefreshDigest>, Holder<InvitationDigest>, Console, OfToken);

/// Where tokens can be: an organization's, or one's own.
pub trait TokenPlace: Place {
    /// Who owns the tokens there.
    fn owner(&self) -> TokenOwner;
}

impl TokenPlace for InOrganization {
    fn owner(&self) -> TokenOwner {
        TokenOwner::Organization(self.0)
    }
}

impl TokenPlace for Own {
    fn owner(&self) -> TokenOwner {
        TokenOwner::User(self.0)
    }
}
