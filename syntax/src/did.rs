//! Decentralized identifiers: <https://atproto.com/specs/did>.

use alloc::string::String;

use crate::text::{all, split_once};

/// A DID: `did:plc:ewvi7nxzyoun6zhxrhs64oiz`.
///
/// Only the generic syntax is checked; which methods are supported is the caller's business.
#[derive(Clone, Copy)]
pub struct Did<S = String>(pub(crate) S);

impl Did {
    /// The most bytes that a DID may have.
    pub const MAX_BYTES: usize = 2048;
}

impl<S: AsRef<str>> Did<S> {
    /// Returns the method, `plc` in `did:plc:abc`.
    #[must_use]
    pub fn method(&self) -> &str {
        self.parts().0
    }

    /// Returns the method-specific identifier, `abc` in `did:plc:abc`.
    #[must_use]
    pub fn identifier(&self) -> &str {
        self.parts().1
    }

    fn parts(&self) -> (&str, &str) {
        let rest = self.as_str().strip_prefix(PREFIX);
        rest.and_then(|rest| rest.split_once(':')).expect("parse() found the prefix and the method")
    }
}

text_type!(Did, DidError, check);

/// Why a text is not a DID.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DidError {
    /// The identifier holds a character that no DID may hold.
    #[error("a DID identifier consists of letters, digits and . _ : % -")]
    Character,
    /// The identifier is empty, or ends in `:` or `%`.
    #[error("a DID ends in a letter, a digit or one of . _ -")]
    Ending,
    /// The text is longer than [`Did::MAX_BYTES`].
    #[error("a DID has at most {} bytes", Did::MAX_BYTES)]
    Length,
    /// The method is missing, empty, or not all lower-case letters.
    #[error("a DID method consists of lower-case letters")]
    Method,
    /// The text does not start with `did:`.
    #[error("a DID starts with did:")]
    Prefix,
}

pub(crate) const PREFIX: &str = "did:";

fn check(text: &[u8]) -> Result<(), DidError> {
    if text.len() > Did::MAX_BYTES {
        return Err(DidError::Length);
    }
    let rest = text.strip_prefix(PREFIX.as_bytes()).ok_or(DidError::Prefix)?;
    let (method, identifier) = split_once(rest, b':').ok_or(DidError::Method)?;
    if method.is_empty() || !all(method, |byte| byte.is_ascii_lowercase()) {
        return Err(DidError::Method);
    }
    let allowed =
        |byte: u8| byte.is_ascii_alphanumeric() | matches!(byte, b'.' | b'_' | b':' | b'%' | b'-');
    if !all(identifier, allowed) {
        return Err(DidError::Character);
    }
    if matches!(identifier, [] | [.., b':' | b'%']) {
        return Err(DidError::Ending);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_broken_rule_has_its_error() {
        for (text, error) in [
            ("", DidError::Prefix),
            ("DID:plc:a", DidError::Prefix),
            ("did:", DidError::Method),
            ("did:plc", DidError::Method),
            ("did::a", DidError::Method),
            ("did:m1:a", DidError::Method),
            ("did:plc:a/b", DidError::Character),
            ("did:plc:\u{e9}", DidError::Character),
            ("did:plc:", DidError::Ending),
            ("did:plc:a:", DidError::Ending),
            ("did:plc:a%", DidError::Ending),
        ] {
            assert_eq!(Did::parse(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn the_length_limit_is_inclusive() {
        let longest = alloc::format!("did:plc:{}", "a".repeat(Did::MAX_BYTES - 8));
        assert!(Did::parse(longest.as_str()).is_ok());
        assert_eq!(Did::parse(longest + "a"), Err(DidError::Length));
    }

    #[test]
    fn the_parts_are_what_the_colons_separate() {
        let did = Did::parse("did:web:example.com%3A80:x").unwrap();
        assert_eq!((did.method(), did.identifier()), ("web", "example.com%3A80:x"));
    }
}
