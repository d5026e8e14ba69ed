//! Secrets cannot be printed, copied or serialized. If one of these types gains such a trait, this file does not
//! compile: the call then has two candidates and is ambiguous.

use std::fmt::{Debug, Display};

use crate::vault::{Credential, DataKey, LocalKeyRing, OpenedCredential, OpeningProof, Secret};

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
    <Secret as Opaque<_>>::is();
    <Credential as Opaque<_>>::is();
    <OpenedCredential as Opaque<_>>::is();
    <DataKey as Opaque<_>>::is();
    <LocalKeyRing as Opaque<_>>::is();
    <OpeningProof as Opaque<_>>::is();
}
