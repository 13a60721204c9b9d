//! URIs of any scheme, as the `uri` format of lexicons has them:
//! <https://atproto.com/specs/lexicon#uri>.

use alloc::string::String;

use crate::text::{all, split_once};

/// A URI: `https://example.com/path?q#f`, `dns:example.com`.
///
/// The scheme is checked after RFC 3986. The rest, after `//` if that follows the scheme, only has
/// to be there, not begin with `/`, and be free of white space and control characters, because
/// records in the wild hold unescaped IRIs.
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
    /// There is white space, a byte order mark or a control character, or it is not UTF-8.
    #[error("a URI has no white space and no control characters")]
    Character,
    /// Nothing follows the scheme, or the `//` after it.
    #[error("a URI does not end with its scheme")]
    Empty,
    /// The text is longer than [`Uri::MAX_BYTES`].
    #[error("a URI has at most {} bytes", Uri::MAX_BYTES)]
    Length,
    /// The text does not start with a scheme and a colon.
    #[error("a URI starts with a scheme and a colon")]
    Scheme,
    /// A slash stands where the host or path has to begin, as in `https:///x` and `file:/x`.
    #[error("expected a host or path after `:` or `://`, found `/`")]
    Slash,
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
    match rest.strip_prefix(b"//").unwrap_or(rest) {
        [] => return Err(UriError::Empty),
        [b'/', ..] => return Err(UriError::Slash),
        _ => {}
    }
    if all(rest, |byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    // JavaScript counts the byte order mark as white space.
    let is_blank = |c: char| c.is_whitespace() || c.is_control() || c == '\u{feff}';
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
            ("https://", UriError::Empty),
            ("at://", UriError::Empty),
            ("https:///x", UriError::Slash),
            ("https:/x", UriError::Slash),
            ("http:////x", UriError::Slash),
            ("file:/x", UriError::Slash),
            ("file:///etc", UriError::Slash),
            ("x:/y", UriError::Slash),
            ("x:/", UriError::Slash),
            ("http://a b", UriError::Character),
            ("http://a\n", UriError::Character),
            ("http://a\u{a0}b", UriError::Character),
            ("http://a\0", UriError::Character),
        ] {
            assert_eq!(Uri::parse(text), Err(error), "{text:?}");
        }
        assert_eq!(Uri::parse("go://b\u{fc}cher").unwrap().scheme(), "go");
    }

    // The reference implementation takes a scheme of letters, digits and underscores; then a colon
    // and perhaps `//`; then a character that is neither white space nor a slash; then no white
    // space. The interoperability suite also calls schemes with `+`, `-` and `.` valid, as RFC 3986
    // does. The scheme is that of the suite here, and the rest that of the reference.
    #[test]
    fn schemes_follow_the_suite_and_what_follows_them_the_reference() {
        for text in [
            "content-type:text/plain",
            "microsoft.windows.camera:thing",
            "git+ssh://host/path",
            "dns:example.com",
            "go://?query",
            "https://#fragment",
            "https://example.com//x",
            "did:plc:a",
            "x:y",
            "x:é",
        ] {
            assert!(Uri::parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn white_space_of_javascript_is_refused_everywhere() {
        let white = (0x9..=0xd).chain([0x20, 0xa0, 0x1680]).chain(0x2000..=0x200a);
        for code in white.chain([0x2028, 0x2029, 0x202f, 0x205f, 0x3000, 0xfeff]) {
            let space = char::from_u32(code).unwrap();
            for text in [format!("x:{space}a"), format!("x:a{space}b"), format!("https://a{space}")]
            {
                assert_eq!(Uri::parse(text.as_str()), Err(UriError::Character), "{text:?}");
            }
            assert_eq!(Uri::parse(format!("{space}x:a")), Err(UriError::Scheme), "{code:x}");
        }
        // A zero-width space is none.
        assert!(Uri::parse("x:a\u{200b}b").is_ok());
    }

    #[test]
    fn the_length_limit_is_inclusive() {
        let longest = format!("http:{}", "a".repeat(Uri::MAX_BYTES - 5));
        assert!(Uri::parse(longest.as_str()).is_ok());
        assert_eq!(Uri::parse(longest + "a"), Err(UriError::Length));
    }
}
