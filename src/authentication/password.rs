//! Passwords: what may be one, and what is stored of it.
//!
//! Rules after NIST SP 800-63B §3.1.1.2: a length, a list of what everybody tries first, any character, no rules of
//! composition, no expiry; Unicode is normalised (NFKC) so that the same password typed on another keyboard is the same.

use argon2::password_hash::phc;
use argon2::{Algorithm, Params};
use data_encoding::BASE32_DNSSEC as BASE32;
use unicode_normalization::UnicodeNormalization as _;
use zeroize::{Zeroize as _, Zeroizing};

use super::AuthenticationError;
use super::random::random;

/// What of 12 characters and more tops the lists of leaked passwords, in lower case.
const COMMON: &[&str] = &[
    "0123456789ab",
    "123456789012",
    "1234567890123",
    "123456789abc",
    "1q2w3e4r5t6y",
    "1qaz2wsx3edc",
    "abcdefghijkl",
    "abcdefghijklm",
    "administrator",
    "changemechangeme",
    "correcthorsebatterystaple",
    "iloveyouiloveyou",
    "letmeinletmein",
    "password1234",
    "password12345",
    "password123456",
    "passwordpassword",
    "q1w2e3r4t5y6",
    "qazwsxedcrfv",
    "qwerty123456",
    "qwertyqwerty",
    "qwertyuiop12",
    "qwertyuiop123",
    "qwertyuiopas",
    "welcome12345",
    "zaq12wsxcde3",
];

/// A password that somebody presents, as it was typed but for normalisation. Zeroed on drop; cannot be read outside
/// this floor.
pub struct Password(Zeroizing<String>);

impl Password {
    /// Longer input is left as it is: it cannot be anybody's password, and normalising it would be work for nothing.
    const MAX_INPUT: usize = NewPassword::MAX_CHARACTERS * 4;

    /// Takes what was typed. Any text will do: whether it is right is for the hash to say.
    #[must_use]
    pub fn new(typed: String) -> Self {
        let typed = Zeroizing::new(typed);
        if typed.len() > Self::MAX_INPUT {
            return Self(typed);
        }
        // Room for the worst growth under NFKC (18 characters for U+FDFA), so that growing leaves no copy behind.
        let mut normalised = Zeroizing::new(String::with_capacity(typed.len() * 18));
        normalised.extend(typed.nfkc());
        Self(normalised)
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// A password that may be set: it keeps the rules.
pub struct NewPassword(Password);

impl NewPassword {
    /// Fewest characters (Unicode scalar values after normalisation).
    pub const MIN_CHARACTERS: usize = 12;
    /// Most characters. Above the 64 that the standard asks for, and low enough to be no work to hash.
    pub const MAX_CHARACTERS: usize = 256;

    /// Checks the rules; [`AuthenticationError::UnfitPassword`] says which is broken, in words for the user.
    pub fn new(typed: String) -> Result<Self, AuthenticationError> {
        let password = Password::new(typed);
        check(&password.0).map_err(AuthenticationError::UnfitPassword)?;
        Ok(Self(password))
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

fn check(password: &str) -> Result<(), &'static str> {
    let characters = password.chars().count();
    if characters < NewPassword::MIN_CHARACTERS {
        return Err("must have at least 12 characters");
    }
    if characters > NewPassword::MAX_CHARACTERS {
        return Err("must have at most 256 characters");
    }
    if password.chars().any(char::is_control) {
        return Err("must not contain control characters");
    }
    let mut lower = Zeroizing::new(String::with_capacity(password.len() * 3));
    lower.extend(password.chars().flat_map(char::to_lowercase));
    let mut different: Vec<char> = lower.chars().collect();
    different.sort_unstable();
    different.dedup();
    let few = different.len() < 5;
    different.zeroize();
    if few || COMMON.contains(&lower.as_str()) {
        return Err("is among the first that anybody would try; choose another");
    }
    Ok(())
}

/// A random password of 128 bits for an account that a machine creates: 26 letters and digits.
pub fn generate_password() -> Result<Zeroizing<String>, AuthenticationError> {
    let bytes = random::<16>()?;
    Ok(Zeroizing::new(BASE32.encode(bytes.as_slice())))
}

/// What is stored of a password: a PHC string, `$argon2id$v=19$m=19456,t=2,p=1$<salt>$<hash>`. No `Debug`: a hash is no
/// matter for a log either.
#[derive(Clone)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Reads a stored hash. [`AuthenticationError::StoredHash`] unless it is Argon2id with at most 64 MiB, 8 passes and 4
    /// lanes: whoever can write to the table must not be able to make a login cost gigabytes.
    pub fn parse(text: &str) -> Result<Self, AuthenticationError> {
        let acceptable = || {
            let hash = phc::PasswordHash::new(text).ok()?;
            let params = Params::try_from(&hash).ok()?;
            let id = hash.algorithm == Algorithm::Argon2id.ident() && hash.version == Some(0x13);
            let bounded = params.m_cost() <= 64 * 1024 && params.t_cost() <= 8 && params.p_cost() <= 4;
            (id && bounded && hash.salt.is_some() && hash.hash.is_some()).then_some(())
        };
        acceptable().ok_or(AuthenticationError::StoredHash)?;
        Ok(Self(text.to_owned()))
    }

    /// The text to store.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(typed: &str) -> String {
        NewPassword::new(typed.to_owned()).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn length_counts_characters_not_bytes() {
        assert!(refusal("elevencharz").contains("at least 12"));
        assert_eq!(refusal("elevencharzs"), "");
        assert!(refusal("äöüßéèêçñøå").contains("at least 12"), "22 bytes, 11 characters");
        assert_eq!(refusal("äöüßéèêçñøåî"), "");
        let long: String = "abcdefgh🦀".chars().cycle().take(256).collect();
        assert_eq!(refusal(&long), "");
        assert!(refusal(&(long + "x")).contains("at most 256"));
        assert!(refusal(&"x".repeat(1_000_000)).contains("at most 256"));
        assert!(refusal(&"\u{fdfa}".repeat(200)).contains("at most 256"), "grows to 18 characters each");
    }

    #[test]
    fn no_rules_of_composition_but_nothing_that_everybody_tries() {
        assert_eq!(refusal("only lower case and spaces"), "");
        assert_eq!(refusal("量子計算機は楽しいですよね"), "");
        for common in ["Passwordpassword", "QWERTYuiop123", "abababababab", "            ", "１２３４５６７８９０１２"]
        {
            assert!(refusal(common).contains("first that anybody"), "{common}");
        }
        assert!(refusal("a password\0with NUL").contains("control"));
    }

    #[test]
    fn the_same_password_from_another_keyboard_is_the_same() {
        let composed = Password::new("Gr\u{fc}ne Wiese \u{fb01}ne".to_owned());
        let decomposed = Password::new("Gru\u{308}ne Wiese fine".to_owned());
        assert_eq!(composed.as_bytes(), decomposed.as_bytes());
    }

    #[test]
    fn a_generated_password_may_be_set() {
        let password = generate_password().unwrap();
        assert_eq!(password.len(), 26);
        assert_eq!(refusal(&password), "");
        assert_ne!(*password, *generate_password().unwrap());
    }

    #[test]
    fn only_bounded_argon2id_is_a_stored_hash() {
        let tail = "$c2FsdHNhbHRzYWx0$MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI";
        let parse = |head: &str| PasswordHash::parse(&format!("{head}{tail}")).is_ok();
        assert!(parse("$argon2id$v=19$m=19456,t=2,p=1"));
        for head in [
            "$argon2i$v=19$m=19456,t=2,p=1",
            "$argon2id$v=16$m=19456,t=2,p=1",
            "$argon2id$m=19456,t=2,p=1",
            "$argon2id$v=19$m=4194304,t=2,p=1",
            "$argon2id$v=19$m=19456,t=4000000,p=1",
            "$argon2id$v=19$m=19456,t=2,p=500",
            "",
        ] {
            assert!(!parse(head), "{head}");
        }
        for text in ["", "!", "$argon2id$v=19$m=19456,t=2,p=1", "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0"] {
            assert!(PasswordHash::parse(text).is_err(), "{text}");
        }
    }
}
