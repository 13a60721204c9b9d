//! Either name of an account: <https://atproto.com/specs/lexicon#at-identifier>.

use alloc::string::String;

use crate::did::PREFIX;
use crate::{Did, DidError, Handle, HandleError};

/// A DID or a handle.
#[derive(Clone, Copy)]
pub struct AtIdentifier<S = String>(pub(crate) S);

impl AtIdentifier {
    /// The most bytes that an identifier may have: those of a DID.
    pub const MAX_BYTES: usize = Did::MAX_BYTES;
}

impl<S: AsRef<str>> AtIdentifier<S> {
    /// Returns the DID, if it is one.
    #[must_use]
    pub fn as_did(&self) -> Option<Did<&str>> {
        is_did(self.as_str().as_bytes()).then(|| Did(self.as_str()))
    }

    /// Returns the handle, if it is one.
    #[must_use]
    pub fn as_handle(&self) -> Option<Handle<&str>> {
        (!is_did(self.as_str().as_bytes())).then(|| Handle(self.as_str()))
    }
}

text_type!(AtIdentifier, AtIdentifierError, check);

impl<S> From<Did<S>> for AtIdentifier<S> {
    fn from(did: Did<S>) -> Self {
        Self(did.0)
    }
}

impl<S> From<Handle<S>> for AtIdentifier<S> {
    fn from(handle: Handle<S>) -> Self {
        Self(handle.0)
    }
}

/// Why a text is neither a DID nor a handle.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AtIdentifierError {
    /// The text starts with `did:` but is not a DID.
    #[error(transparent)]
    Did(#[from] DidError),
    /// The text does not start with `did:` and is not a handle.
    #[error(transparent)]
    Handle(#[from] HandleError),
}

fn check(text: &[u8]) -> Result<(), AtIdentifierError> {
    if is_did(text) {
        Did::check(text)?;
    } else {
        Handle::check(text)?;
    }
    Ok(())
}

// A handle has no colon, so the prefix alone decides.
fn is_did(text: &[u8]) -> bool {
    text.starts_with(PREFIX.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_is_exactly_one_of_both() {
        let did = AtIdentifier::parse("did:plc:abc").unwrap();
        assert_eq!(did.as_did(), Some(Did("did:plc:abc")));
        assert!(did.as_handle().is_none());
        let handle = AtIdentifier::parse("alice.test").unwrap();
        assert_eq!(handle.as_handle(), Some(Handle("alice.test")));
        assert!(handle.as_did().is_none());
    }

    #[test]
    fn the_prefix_decides_which_error_it_is() {
        let error = |text| AtIdentifier::parse(text).unwrap_err();
        assert_eq!(error("did:plc:"), AtIdentifierError::Did(DidError::Ending));
        assert_eq!(error("@alice.test"), AtIdentifierError::Handle(HandleError::Character));
    }
}
