//! Random bytes from the operating system.

use rand::TryRng as _;
use rand::rngs::SysRng;
use zeroize::Zeroizing;

use super::AuthenticationError;

/// `N` bytes that nobody can guess; zeroed on drop.
pub(super) fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>, AuthenticationError> {
    let mut bytes = Zeroizing::new([0; N]);
    SysRng.try_fill_bytes(bytes.as_mut_slice()).map_err(|_| AuthenticationError::NoRandomness)?;
    Ok(bytes)
}
