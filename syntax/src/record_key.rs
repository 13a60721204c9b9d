//! Record keys, the last part of a record's path: <https://atproto.com/specs/record-key>.

use alloc::string::{String, ToString};

use crate::Tid;
use crate::text::all;

/// A record key: `3jzfcijpj2z2a`, `self`.
///
/// One to 512 ASCII letters, digits and `.` `_` `:` `~` `-`, but not `.` or `..`. Case counts. What
/// more a collection asks of its keys, such as to be a TID, is in its schema.
#[derive(Clone, Copy)]
pub struct RecordKey<S = String>(pub(crate) S);

impl RecordKey {
    /// The most bytes that a record key may have.
    pub const MAX_BYTES: usize = 512;
}

text_type!(RecordKey, RecordKeyError, check);

impl From<Tid> for RecordKey {
    fn from(tid: Tid) -> Self {
        Self(tid.to_string())
    }
}

/// Why a text is not a record key.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordKeyError {
    /// The text holds a character that no record key may hold.
    #[error("a record key consists of letters, digits and . _ : ~ -")]
    Character,
    /// The text is `.` or `..`, which would be a step through a path.
    #[error("a record key is neither . nor ..")]
    Dots,
    /// The text is empty or longer than [`RecordKey::MAX_BYTES`].
    #[error("a record key has 1 to {} bytes", RecordKey::MAX_BYTES)]
    Length,
}

fn check(text: &[u8]) -> Result<(), RecordKeyError> {
    if text.is_empty() || text.len() > RecordKey::MAX_BYTES {
        return Err(RecordKeyError::Length);
    }
    if matches!(text, b"." | b"..") {
        return Err(RecordKeyError::Dots);
    }
    let allowed =
        |byte: u8| byte.is_ascii_alphanumeric() | matches!(byte, b'.' | b'_' | b':' | b'~' | b'-');
    if !all(text, allowed) {
        return Err(RecordKeyError::Character);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_broken_rule_has_its_error() {
        for (text, error) in [
            ("", RecordKeyError::Length),
            (".", RecordKeyError::Dots),
            ("..", RecordKeyError::Dots),
            ("#extra", RecordKeyError::Character),
            ("a/b", RecordKeyError::Character),
            ("\u{e9}", RecordKeyError::Character),
        ] {
            assert_eq!(RecordKey::parse(text), Err(error), "{text:?}");
        }
        assert!(RecordKey::parse("...").is_ok());
    }

    #[test]
    fn the_length_limit_is_inclusive() {
        let longest = "a".repeat(RecordKey::MAX_BYTES);
        assert!(RecordKey::parse(longest.as_str()).is_ok());
        assert_eq!(RecordKey::parse(longest + "a"), Err(RecordKeyError::Length));
    }

    #[test]
    fn a_tid_is_a_record_key() {
        let tid = Tid::parse("3jzfcijpj2z2a").unwrap();
        assert_eq!(RecordKey::from(tid), "3jzfcijpj2z2a");
    }
}
