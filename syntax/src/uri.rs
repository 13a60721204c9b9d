//! URIs of any scheme, as the `uri` format of lexicons has them:
//! <https://atproto.com/specs/lexicon#uri>.

use alloc::string::String;

use crate::text::{all, split_once};

/// A URI: `https://example.com/path?q#f`, `dns:example.com`.
///
/// The scheme is checked after RFC 3986; the rest only has to be there and be free of white space
/// and control characters, because records in the wild hold unescaped IRIs.
#[derive(Clone, Copy)]
pub struct Uri<S = String>(S);

impl Uri {
    /// The most bytes that a URI may have.
    pub const MAX_BYTES: usize = 8 * 1024;
}

impl<S: AsRef<str>> Uri<S> {
    /// Returns the scheme, in the letter case in which it was written.
    #[must_use]
    pub fn scheme(&self) -> &str {
        self.as_str().split(':').next().unwrap_or_default()
    }
}

text_type!(Uri, UriError, check);

/// Why a text is not a URI.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum UriError {
    /// There is white space or a control character, or it is not UTF-8.
    #[error("a URI has no white space and no control characters")]
    Character,
    /// Nothing follows the scheme.
    #[error("a URI does not end with its scheme")]
    Empty,
    /// The text is longer than [`Uri::MAX_BYTES`].
    #[error("a URI has at most {} bytes", Uri::MAX_BYTES)]
    Length,
    /// The text does not start with a scheme and a colon.
    #[error("a URI starts with a scheme and a colon")]
    Scheme,
}

fn check(text: &[u8]) -> Result<(), UriError> {
    if text.len() > Uri::MAX_BYTES {
        return Err(UriError::Length);
    }
    let (scheme, rest) = split_once(text, b':').ok_or(UriError::Scheme)?;
    let in_scheme = |byte: u8| byte.is_ascii_alphanumeric() | matches!(byte, b'+' | b'-' | b'.');
    if !scheme.first().is_some_and(u8::is_ascii_alphabetic) || !all(scheme, in_scheme) {
        return Err(UriError::Scheme);
    }
    if rest.is_empty() {
        return Err(UriError::Empty);
    }
    if all(rest, |byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    let is_blank = |c: char| c.is_whitespace() || c.is_control();
    match core::str::from_utf8(rest) {
        Ok(rest) if !rest.contains(is_blank) => Ok(()),
        _ => Err(UriError::Character),
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    #[test]
    fn each_broken_rule_has_its_error() {
        for (text, error) in [
            ("", UriError::Scheme),
            ("example.com", UriError::Scheme),
            ("://example.com", UriError::Scheme),
            ("1http://example.com", UriError::Scheme),
            ("ht_tp://example.com", UriError::Scheme),
            ("http:", UriError::Empty),
            ("http://a b", UriError::Character),
            ("http://a\n", UriError::Character),
            ("http://a\u{a0}b", UriError::Character),
            ("http://a\0", UriError::Character),
        ] {
            assert_eq!(Uri::parse(text), Err(error), "{text:?}");
        }
        assert_eq!(Uri::parse("go://b\u{fc}cher").unwrap().scheme(), "go");
    }

    #[test]
    fn the_length_limit_is_inclusive() {
        let longest = format!("http:{}", "a".repeat(Uri::MAX_BYTES - 5));
        assert!(Uri::parse(longest.as_str()).is_ok());
        assert_eq!(Uri::parse(longest + "a"), Err(UriError::Length));
    }
}
