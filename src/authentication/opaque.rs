//! Secrets cannot be printed, copied or serialized. If one of these types gains such a trait, this file does not
//! compile: the call then has two candidates and is ambiguous.

use std::fmt::{Debug, Display};

use super::{ApiKey, InvitationToken, NewPassword, Password, PasswordVerified, RefreshToken, SigningKey};

trait Opaque<Candidate> {
    fn is() {}
}
impl<T: ?Sized> Opaque<()> for T {}
impl<T: ?Sized + Debug> Opaque<u8> for T {}
impl<T: ?Sized + Display> Opaque<u16> for T {}
impl<T: Clone> Opaque<u32> for T {}
impl<T: ?Sized + serde::Serialize> Opaque<u64> for T {}

#[test]
fn secrets_are_opaque() {
    <ApiKey as Opaque<_>>::is();
    <InvitationToken as Opaque<_>>::is();
    <RefreshToken as Opaque<_>>::is();
    <Password as Opaque<_>>::is();
    <NewPassword as Opaque<_>>::is();
    <PasswordVerified as Opaque<_>>::is();
    <SigningKey as Opaque<_>>::is();
}
