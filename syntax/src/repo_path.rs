//! Paths of records in a repository: <https://atproto.com/specs/repository#repo-paths>.

use alloc::format;
use alloc::string::String;

use crate::text::split_once;
use crate::{Nsid, NsidError, RecordKey, RecordKeyError};

/// A path in a repository: `app.bsky.feed.post/3jzfcijpj2z2a`.
///
/// A collection, which is an [`Nsid`], one slash, and a [`RecordKey`]: at most 830 bytes. Paths are
/// the keys of the tree and sort as bytes, so that collections are not in the order of their names
/// where one begins with another.
#[derive(Clone, Copy)]
pub struct RepoPath<S = String>(S);

impl RepoPath {
    /// The most bytes that a path may have.
    pub const MAX_BYTES: usize = Nsid::MAX_BYTES + 1 + RecordKey::MAX_BYTES;

    /// Joins a collection and a record key.
    #[must_use]
    pub fn from_parts<C, K>(collection: &Nsid<C>, rkey: &RecordKey<K>) -> Self
    where
        C: AsRef<str>,
        K: AsRef<str>,
    {
        Self(format!("{collection}/{rkey}"))
    }
}

impl<S: AsRef<str>> RepoPath<S> {
    /// Parses a path that is likely to be in `collection`, in which case only the record key is
    /// looked at. For those who go through many paths in order.
    ///
    /// # Errors
    ///
    /// [`RepoPathError`] names the first rule broken, in this collection or any other.
    pub fn parse_in<C: AsRef<str>>(collection: &Nsid<C>, text: S) -> Result<Self, RepoPathError> {
        match rkey_in(collection, text.as_ref()) {
            Some(rkey) => RecordKey::parse(rkey).map(drop)?,
            None => check(text.as_ref().as_bytes())?,
        }
        Ok(Self(text))
    }

    /// Returns the collection.
    #[must_use]
    pub fn collection(&self) -> Nsid<&str> {
        Nsid(self.parts().0)
    }

    /// Returns whether the path is in this collection.
    #[must_use]
    pub fn is_in<C: AsRef<str>>(&self, collection: &Nsid<C>) -> bool {
        rkey_in(collection, self.as_str()).is_some()
    }

    /// Returns the record key.
    #[must_use]
    pub fn rkey(&self) -> RecordKey<&str> {
        RecordKey(self.parts().1)
    }

    fn parts(&self) -> (&str, &str) {
        self.as_str().split_once('/').expect("parse() found the slash")
    }
}

text_type!(RepoPath, RepoPathError, check);

/// Why a text is not a path in a repository.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RepoPathError {
    /// What comes before the slash is not an NSID.
    #[error("in the collection: {0}")]
    Collection(#[from] NsidError),
    /// What comes after the slash is not a record key.
    #[error("in the record key: {0}")]
    RecordKey(#[from] RecordKeyError),
    /// There is no slash.
    #[error("a repository path is a collection, a slash and a record key")]
    Slash,
}

/// Returns what comes after the slash, if what comes before it is this collection.
fn rkey_in<'t, C: AsRef<str>>(collection: &Nsid<C>, text: &'t str) -> Option<&'t str> {
    text.strip_prefix(collection.as_str())?.strip_prefix('/')
}

fn check(text: &[u8]) -> Result<(), RepoPathError> {
    let (collection, rkey) = split_once(text, b'/').ok_or(RepoPathError::Slash)?;
    Nsid::check(collection)?;
    RecordKey::check(rkey)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_broken_rule_has_its_error() {
        for (text, error) in [
            ("", RepoPathError::Slash),
            ("app.bsky.feed.post", RepoPathError::Slash),
            ("/self", RepoPathError::Collection(NsidError::Segments)),
            ("app.bsky.feed.post/", RepoPathError::RecordKey(RecordKeyError::Length)),
            ("app.bsky.feed.post/a/b", RepoPathError::RecordKey(RecordKeyError::Character)),
            ("app.bsky.feed.post/..", RepoPathError::RecordKey(RecordKeyError::Dots)),
        ] {
            assert_eq!(RepoPath::parse(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn to_expect_a_collection_changes_no_verdict() {
        let collection = Nsid::parse("app.bsky.feed.post").unwrap();
        for text in [
            "",
            "/self",
            "app.bsky.feed.post",
            "app.bsky.feed.post/",
            "app.bsky.feed.post/3jzfcijpj2z2a",
            "app.bsky.feed.post/a/b",
            "app.bsky.feed.post/..",
            "app.bsky.feed.posts/3jzfcijpj2z2a",
            "app.bsky.feed.postgate/3jzfcijpj2z2a",
            "app.bsky.feed.like/3jzfcijpj2z2a",
            "app.bsky/self",
        ] {
            assert_eq!(RepoPath::parse_in(&collection, text), RepoPath::parse(text), "{text:?}");
        }
    }

    #[test]
    fn joining_the_parts_gives_back_the_path() {
        let path = RepoPath::parse("app.bsky.feed.post/3jzfcijpj2z2a").unwrap();
        assert_eq!(path.collection(), "app.bsky.feed.post");
        assert_eq!(path.rkey(), "3jzfcijpj2z2a");
        assert_eq!(RepoPath::from_parts(&path.collection(), &path.rkey()), path);
    }
}
