//! Texts that people type. A value of one of these types has been checked: length, and no character that cannot be seen
//! or that turns the text around it (Unicode categories Cc, Cf, Co, Cn, Zl, Zp; joiners are letters in some scripts).

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

/// Why a text was refused; the message may be shown to the one who typed it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidText(pub(super) String);

fn is_hidden(character: char) -> bool {
    const JOINERS: [char; 2] = ['\u{200c}', '\u{200d}'];
    matches!(
        character.general_category(),
        GeneralCategory::Control
            | GeneralCategory::Format
            | GeneralCategory::PrivateUse
            | GeneralCategory::Unassigned
            | GeneralCategory::LineSeparator
            | GeneralCategory::ParagraphSeparator
    ) && !JOINERS.contains(&character)
}

/// NFC form without surrounding white space, `1..=longest` characters.
fn visible_text(text: &str, longest: usize) -> Result<String, InvalidText> {
    // NFC can only be longer than its source by a small factor, so this bounds the work on hostile input.
    if text.len() > longest * 16 {
        return Err(InvalidText(format!("must be at most {longest} characters long")));
    }
    let text: String = text.trim().nfc().collect();
    match text.chars().count() {
        0 => Err(InvalidText("must not be empty".to_owned())),
        length if length > longest => Err(InvalidText(format!("must be at most {longest} characters long"))),
        _ if text.chars().any(is_hidden) => {
            Err(InvalidText("must not contain control, formatting or unassigned characters".to_owned()))
        }
        _ => Ok(text),
    }
}

/// A lower-case word of ASCII letters, digits, `_` and `-` that starts with a letter.
fn word(text: &str, longest: usize) -> Result<String, InvalidText> {
    let mut characters = text.chars();
    let starts_well = characters.next().is_some_and(|first| first.is_ascii_lowercase());
    let goes_on_well = characters.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-');
    if starts_well && goes_on_well && text.len() <= longest {
        Ok(text.to_owned())
    } else {
        Err(InvalidText(format!("must be a lower-case word of letters, digits, _ and -, at most {longest} long")))
    }
}

macro_rules! text {
    ($($(#[$doc:meta])* $name:ident = $check:ident($longest:literal);)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Longest accepted text, in Unicode scalar values.
            pub const LONGEST: usize = $longest;

            /// The text itself.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidText;

            fn from_str(text: &str) -> Result<Self, InvalidText> {
                $check(text, Self::LONGEST).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

text! {
    /// An organization's name; unique among its siblings.
    OrganizationName = visible_text(200);
    /// A person's given or family name.
    PersonName = visible_text(200);
    /// A QPU token's name; unique per owner.
    TokenName = visible_text(200);
    /// What the owner calls an API key.
    KeyName = visible_text(200);
    /// What a lease is for.
    Purpose = visible_text(200);
    /// A provider's own name for a job.
    ProviderJobName = visible_text(200);
    /// A hardware provider: `dwave`, `ibm`, … or one that the operator has configured.
    ProviderName = word(32);
    /// A field of a provider's credential: `token`, `secret_access_key`, …
    FieldName = word(64);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_trimmed_and_composed() {
        let name: OrganizationName = " Gru\u{308}ne Wiese ".parse().unwrap();
        assert_eq!(name.as_str(), "Gr\u{fc}ne Wiese");
    }

    #[test]
    fn hidden_characters_are_refused() {
        for text in ["", "   ", "a\0b", "a\nb", "\u{202e}abc", "a\u{200b}b", "a\u{2028}b", "\u{e000}", "\u{feff}a"] {
            assert!(text.parse::<OrganizationName>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn length_is_counted_in_characters() {
        assert!("é".repeat(200).parse::<TokenName>().is_ok());
        assert!("é".repeat(201).parse::<TokenName>().is_err());
    }

    #[test]
    fn a_provider_is_a_word() {
        assert!("alice-bob".parse::<ProviderName>().is_ok());
        for text in ["", "D-Wave", "1qb", "ibm quantum", "ibm\0"] {
            assert!(text.parse::<ProviderName>().is_err(), "{text:?}");
        }
    }
}
