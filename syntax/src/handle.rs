//! Handles, the domain names of accounts: <https://atproto.com/specs/handle>.

use alloc::string::String;

use crate::label::{self, LabelFault};
use crate::text::rsplit_once;

/// A handle: `alice.example.com`.
///
/// At most 253 bytes of two or more labels with dots between, each of 1 to 63 ASCII letters, digits
/// and hyphens with no hyphen at either end; the last one starts with a letter.
///
/// Letters of any case are accepted and kept; two handles that differ only in case are not equal
/// until both went through [`to_normalized`](Handle::to_normalized).
#[derive(Clone, Copy)]
pub struct Handle<S = String>(pub(crate) S);

impl Handle {
    /// The most bytes that a handle may have.
    pub const MAX_BYTES: usize = 253;
}

impl<S: AsRef<str>> Handle<S> {
    /// Returns the handle in lower case, the form to store, compare and resolve.
    #[must_use]
    pub fn to_normalized(&self) -> Handle {
        Handle(self.as_str().to_ascii_lowercase())
    }

    /// Reports whether the top-level domain is one that no account may use.
    ///
    /// Such handles are syntactically valid, so that documents that hold one can still be read.
    #[must_use]
    pub fn is_disallowed_tld(&self) -> bool {
        let tld = self.as_str().rsplit('.').next().unwrap_or_default();
        DISALLOWED_TLDS.iter().any(|disallowed| tld.eq_ignore_ascii_case(disallowed))
    }
}

text_type!(Handle, HandleError, check);

/// Why a text is not a handle.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum HandleError {
    /// A label holds something other than ASCII letters, digits and hyphens.
    #[error("a handle consists of letters, digits, hyphens and dots")]
    Character,
    /// A label starts or ends with a hyphen.
    #[error("no label of a handle starts or ends with a hyphen")]
    Hyphen,
    /// A label is empty or longer than 63 bytes.
    #[error("a label of a handle has 1 to 63 characters")]
    LabelLength,
    /// There is only one label.
    #[error("a handle has at least two labels")]
    Labels,
    /// The text is longer than [`Handle::MAX_BYTES`].
    #[error("a handle has at most {} bytes", Handle::MAX_BYTES)]
    Length,
    /// The last label does not start with a letter.
    #[error("the last label of a handle starts with a letter")]
    TopLevel,
}

impl From<LabelFault> for HandleError {
    fn from(fault: LabelFault) -> Self {
        match fault {
            LabelFault::Character => Self::Character,
            LabelFault::Hyphen => Self::Hyphen,
            LabelFault::Length => Self::LabelLength,
        }
    }
}

// `.test` is missing on purpose: the specification leaves it to development.
const DISALLOWED_TLDS: [&str; 8] =
    ["alt", "arpa", "example", "internal", "invalid", "local", "localhost", "onion"];

fn check(text: &[u8]) -> Result<(), HandleError> {
    if text.len() > Handle::MAX_BYTES {
        return Err(HandleError::Length);
    }
    for label in text.split(|&byte| byte == b'.') {
        label::check(label)?;
    }
    let (_, top_level) = rsplit_once(text, b'.').ok_or(HandleError::Labels)?;
    if !label::starts_with_letter(top_level) {
        return Err(HandleError::TopLevel);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    #[test]
    fn each_broken_rule_has_its_error() {
        for (text, error) in [
            ("", HandleError::LabelLength),
            ("a..com", HandleError::LabelLength),
            ("a.com.", HandleError::LabelLength),
            ("com", HandleError::Labels),
            ("a_b.com", HandleError::Character),
            ("b\u{fc}cher.com", HandleError::Character),
            ("-a.com", HandleError::Hyphen),
            ("a.com-", HandleError::Hyphen),
            ("127.0.0.1", HandleError::TopLevel),
        ] {
            assert_eq!(Handle::parse(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn the_length_limits_are_inclusive() {
        let label = "a".repeat(63);
        assert!(Handle::parse(format!("{label}.com")).is_ok());
        assert_eq!(Handle::parse(format!("{label}a.com")), Err(HandleError::LabelLength));
        let longest = format!("{label}.{label}.{label}.{}", "a".repeat(61));
        assert_eq!(longest.len(), Handle::MAX_BYTES);
        assert!(Handle::parse(longest.as_str()).is_ok());
        assert_eq!(Handle::parse(longest + "a"), Err(HandleError::Length));
    }

    #[test]
    fn disallowed_top_levels_are_told_in_any_letter_case() {
        let disallowed = |text| Handle::parse(text).unwrap().is_disallowed_tld();
        assert!(disallowed("laptop.local"));
        assert!(disallowed("SRI-NIC.ARPA"));
        assert!(!disallowed("alice.test"));
        assert!(!disallowed("local.com"));
        assert!(!disallowed("alice.mylocal"));
    }

    #[test]
    fn normalizing_lowers_the_letters() {
        let handle = Handle::parse("Alice.Example.COM").unwrap();
        assert_eq!(handle.to_normalized(), "alice.example.com");
    }
}
