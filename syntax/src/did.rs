//! Decentralized identifiers: <https://atproto.com/specs/did>.

use alloc::string::String;

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

fn check(text: &str) -> Result<(), DidError> {
    if text.len() > Did::MAX_BYTES {
        return Err(DidError::Length);
    }
    let rest = text.strip_prefix(PREFIX).ok_or(DidError::Prefix)?;
    let (method, identifier) = rest.split_once(':').ok_or(DidError::Method)?;
    if method.is_empty() || !method.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return Err(DidError::Method);
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._:%-".contains(&byte);
    if !identifier.bytes().all(allowed) {
        return Err(DidError::Character);
    }
    if identifier.is_empty() || identifier.ends_with([':', '%']) {
        return Err(DidError::Ending);
    }
    Ok(())
}
