//! AT-URIs in the form that lexicons allow: <https://atproto.com/specs/at-uri-scheme>.

use alloc::format;
use alloc::string::String;

use crate::text::split_once;
use crate::{
    AtIdentifier, AtIdentifierError, Did, Nsid, NsidError, RecordKey, RecordKeyError, RepoPath,
};

/// An AT-URI: `at://did:plc:ewvi7nxzyoun6zhxrhs64oiz/app.bsky.feed.post/3jzfcijpj2z2a`.
///
/// This is the restricted form: an account, then perhaps a collection, then perhaps a record key;
/// no query, no fragment, no slash at the end.
#[derive(Clone, Copy)]
pub struct AtUri<S = String>(S);

impl AtUri {
    /// The most bytes that an AT-URI may have.
    pub const MAX_BYTES: usize = 8 * 1024;

    /// Names a record of an account.
    #[must_use]
    pub fn from_parts<D, C, K>(did: &Did<D>, collection: &Nsid<C>, rkey: &RecordKey<K>) -> Self
    where
        D: AsRef<str>,
        C: AsRef<str>,
        K: AsRef<str>,
    {
        Self(format!("{SCHEME}{did}/{collection}/{rkey}"))
    }

    /// Names the record at a path of an account's repository.
    #[must_use]
    pub fn from_path<D, P>(did: &Did<D>, path: &RepoPath<P>) -> Self
    where
        D: AsRef<str>,
        P: AsRef<str>,
    {
        Self(format!("{SCHEME}{did}/{path}"))
    }
}

impl<S: AsRef<str>> AtUri<S> {
    /// Returns the account.
    #[must_use]
    pub fn authority(&self) -> AtIdentifier<&str> {
        AtIdentifier(self.parts().authority)
    }

    /// Returns the collection, if there is one.
    #[must_use]
    pub fn collection(&self) -> Option<Nsid<&str>> {
        self.parts().collection.map(Nsid)
    }

    /// Returns the record key, if there is one.
    #[must_use]
    pub fn rkey(&self) -> Option<RecordKey<&str>> {
        self.parts().rkey.map(RecordKey)
    }

    fn parts(&self) -> Parts<'_> {
        split(self.as_str()).expect("parse() found the scheme")
    }
}

text_type!(AtUri, AtUriError, check);

/// Why a text is not an AT-URI.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AtUriError {
    /// The account is neither a DID nor a handle.
    #[error("in the authority: {0}")]
    Authority(#[from] AtIdentifierError),
    /// The first segment of the path is not an NSID; it may be empty.
    #[error("in the collection: {0}")]
    Collection(#[from] NsidError),
    /// The text is longer than [`AtUri::MAX_BYTES`].
    #[error("an AT-URI has at most {} bytes", AtUri::MAX_BYTES)]
    Length,
    /// The rest of the path is not a record key; it may be empty or hold a slash.
    #[error("in the record key: {0}")]
    RecordKey(#[from] RecordKeyError),
    /// The text does not start with `at://`.
    #[error("an AT-URI starts with at://")]
    Scheme,
}

struct Parts<'a> {
    authority: &'a str,
    collection: Option<&'a str>,
    rkey: Option<&'a str>,
}

const SCHEME: &str = "at://";

fn check(text: &[u8]) -> Result<(), AtUriError> {
    if text.len() > AtUri::MAX_BYTES {
        return Err(AtUriError::Length);
    }
    let parts = text.strip_prefix(SCHEME.as_bytes()).ok_or(AtUriError::Scheme)?;
    let Some((authority, path)) = split_once(parts, b'/') else {
        return Ok(AtIdentifier::check(parts)?);
    };
    AtIdentifier::check(authority)?;
    let Some((collection, rkey)) = split_once(path, b'/') else {
        return Ok(Nsid::check(path)?);
    };
    Nsid::check(collection)?;
    RecordKey::check(rkey)?;
    Ok(())
}

// What follows the second slash goes to the record key whole, and no record key holds a slash, a
// question mark or a hash: deeper paths, queries and fragments need no rule of their own.
fn split(text: &str) -> Option<Parts<'_>> {
    let mut segments = text.strip_prefix(SCHEME)?.splitn(3, '/');
    Some(Parts { authority: segments.next()?, collection: segments.next(), rkey: segments.next() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_broken_rule_has_its_error() {
        let handle = |error| AtUriError::Authority(AtIdentifierError::Handle(error));
        for (text, error) in [
            ("did:plc:abc", AtUriError::Scheme),
            ("AT://did:plc:abc", AtUriError::Scheme),
            ("#at://did:plc:abc", AtUriError::Scheme),
            ("at://", handle(crate::HandleError::LabelLength)),
            ("at://did:plc:abc/", AtUriError::Collection(NsidError::Segments)),
            ("at://did:plc:abc/a.b.c/", AtUriError::RecordKey(RecordKeyError::Length)),
            ("at://did:plc:abc/a.b.c/d/e", AtUriError::RecordKey(RecordKeyError::Character)),
            ("at://did:plc:abc/a.b.c/d?e", AtUriError::RecordKey(RecordKeyError::Character)),
            ("at://did:plc:abc/a.b.c#d", AtUriError::Collection(NsidError::Name)),
        ] {
            assert_eq!(AtUri::parse(text), Err(error), "{text:?}");
        }
        let long = format!("at://{}", "a".repeat(AtUri::MAX_BYTES - 5));
        assert_eq!(AtUri::parse(long.as_str()), Err(handle(crate::HandleError::Length)));
        assert_eq!(AtUri::parse(long + "a"), Err(AtUriError::Length));
    }

    #[test]
    fn parts_that_are_missing_are_none() {
        let account = AtUri::parse("at://alice.test").unwrap();
        assert_eq!(account.authority(), "alice.test");
        assert_eq!((account.collection(), account.rkey()), (None, None));
        let collection = AtUri::parse("at://alice.test/a.b.c").unwrap();
        assert_eq!(collection.collection(), Some(Nsid("a.b.c")));
        assert_eq!(collection.rkey(), None);
    }

    #[test]
    fn a_uri_of_parts_has_those_parts() {
        let did = Did::parse("did:plc:abc").unwrap();
        let path = RepoPath::parse("a.b.c/self").unwrap();
        let uri = AtUri::from_parts(&did, &path.collection(), &path.rkey());
        assert_eq!(uri, "at://did:plc:abc/a.b.c/self");
        assert_eq!(uri.rkey(), Some(path.rkey()));
        assert_eq!(AtUri::from_path(&did, &path), uri);
    }
}
