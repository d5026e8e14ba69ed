//! Tells a random 256-bit key from one that somebody made up.

use std::collections::BTreeSet;

/// A random key has about 30 different bytes; fewer than 12 happen once in 2^74.
const LEAST_DIFFERENT_BYTES: usize = 12;

/// Why this key is weak, or `None`. Catches what people put into key files: zeros, repetitions, counting, typed text.
/// A random key is called weak less than once in 2^44 times, so whoever generates one simply tries again.
pub(super) fn weakness(key: &[u8; 32]) -> Option<&'static str> {
    if (1..=16).any(|period| key.iter().zip(&key[period..]).all(|(a, b)| a == b)) {
        return Some("it repeats a pattern");
    }
    let step = |pair: &[u8]| pair[1].wrapping_sub(pair[0]);
    if key.windows(2).all(|pair| step(pair) == step(key)) {
        return Some("it only counts");
    }
    if key.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ') {
        return Some("it is text, not random bytes");
    }
    if key.iter().collect::<BTreeSet<_>>().len() < LEAST_DIFFERENT_BYTES {
        return Some("it has too few different bytes");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::weakness;

    #[test]
    fn made_up_keys_are_weak() {
        let mut counting = [0; 32];
        let mut halves = [0; 32];
        let mut few = [0; 32];
        for (at, byte) in (0_u8..32).enumerate() {
            counting[at] = byte.wrapping_mul(3).wrapping_add(250);
            halves[at] = (byte % 16).wrapping_mul(37) ^ 0xa5;
            few[at] = byte / 3;
        }
        assert_eq!(weakness(&[0; 32]), Some("it repeats a pattern"));
        assert_eq!(weakness(&[0xff; 32]), Some("it repeats a pattern"));
        assert_eq!(weakness(&halves), Some("it repeats a pattern"));
        assert_eq!(weakness(&counting), Some("it only counts"));
        assert_eq!(weakness(b"correct horse battery staple 123"), Some("it is text, not random bytes"));
        assert_eq!(weakness(&few), Some("it has too few different bytes"));
    }
}
