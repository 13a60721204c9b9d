//! Namespaced identifiers, the names of schemas: <https://atproto.com/specs/nsid>.

use alloc::string::String;

use crate::label::{self, LabelFault, MAX_LABEL_BYTES};
use crate::text::{all, rsplit_once};

/// An NSID: `app.bsky.feed.post`, a domain name in reverse order and a name.
#[derive(Clone, Copy)]
pub struct Nsid<S = String>(pub(crate) S);

impl Nsid {
    /// The most bytes that an NSID may have: those of a domain name, a dot and a name.
    ///
    /// Only the sum is limited. The authority may be longer than a domain name if the name leaves
    /// room for it, as the interoperability suite of the protocol has it.
    pub const MAX_BYTES: usize = 253 + 1 + MAX_LABEL_BYTES;
}

impl<S: AsRef<str>> Nsid<S> {
    /// Iterates over the labels of the authority as written: `app`, `bsky`, `feed`.
    ///
    /// Reversed they are the domain name that decides over the NSID.
    pub fn authority(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.parts().0.split('.')
    }

    /// Returns the last segment: `post`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.parts().1
    }

    fn parts(&self) -> (&str, &str) {
        self.as_str().rsplit_once('.').expect("parse() found three segments")
    }
}

text_type!(Nsid, NsidError, check);

/// Why a text is not an NSID.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NsidError {
    /// A segment of the authority holds something other than ASCII letters, digits and hyphens.
    #[error("the authority of an NSID consists of letters, digits, hyphens and dots")]
    Character,
    /// A segment of the authority starts or ends with a hyphen.
    #[error("no segment of an NSID starts or ends with a hyphen")]
    Hyphen,
    /// The text is longer than [`Nsid::MAX_BYTES`].
    #[error("an NSID has at most {} bytes", Nsid::MAX_BYTES)]
    Length,
    /// The name is not a letter followed by up to 62 letters and digits.
    #[error("the name of an NSID is a letter, then at most 62 letters and digits")]
    Name,
    /// A segment of the authority is empty or longer than 63 bytes.
    #[error("a segment of an NSID has 1 to 63 characters")]
    SegmentLength,
    /// There are fewer than three segments.
    #[error("an NSID has at least three segments")]
    Segments,
    /// The first segment does not start with a letter.
    #[error("the first segment of an NSID starts with a letter")]
    TopLevel,
}

impl From<LabelFault> for NsidError {
    fn from(fault: LabelFault) -> Self {
        match fault {
            LabelFault::Character => Self::Character,
            LabelFault::Hyphen => Self::Hyphen,
            LabelFault::Length => Self::SegmentLength,
        }
    }
}

fn check(text: &[u8]) -> Result<(), NsidError> {
    if text.len() > Nsid::MAX_BYTES {
        return Err(NsidError::Length);
    }
    let (authority, name) = rsplit_once(text, b'.').ok_or(NsidError::Segments)?;
    if !authority.contains(&b'.') {
        return Err(NsidError::Segments);
    }
    for segment in authority.split(|&byte| byte == b'.') {
        label::check(segment)?;
    }
    if !label::starts_with_letter(authority) {
        return Err(NsidError::TopLevel);
    }
    if !is_name(name) {
        return Err(NsidError::Name);
    }
    Ok(())
}

// Unlike the segments of the authority, a name has no hyphens: it becomes a name in code.
fn is_name(text: &[u8]) -> bool {
    text.len() <= MAX_LABEL_BYTES
        && label::starts_with_letter(text)
        && all(text, |byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn each_broken_rule_has_its_error() {
        for (text, error) in [
            ("", NsidError::Segments),
            ("com.example", NsidError::Segments),
            ("com..name", NsidError::SegmentLength),
            ("com.ex_ample.name", NsidError::Character),
            ("com.-example.name", NsidError::Hyphen),
            ("0com.example.name", NsidError::TopLevel),
            ("com.example.", NsidError::Name),
            ("com.example.na-me", NsidError::Name),
            ("com.example.2name", NsidError::Name),
        ] {
            assert_eq!(Nsid::parse(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn the_length_limits_are_inclusive() {
        let label = "a".repeat(63);
        let authority = format!("{label}.{label}.{label}.{}", "a".repeat(61));
        let longest = format!("{authority}.{label}");
        assert_eq!(longest.len(), Nsid::MAX_BYTES);
        assert!(Nsid::parse(longest.as_str()).is_ok());
        assert_eq!(Nsid::parse(longest + "a"), Err(NsidError::Length));
        assert_eq!(Nsid::parse(format!("com.{label}a.b")), Err(NsidError::SegmentLength));
        assert_eq!(Nsid::parse(format!("com.b.{label}a")), Err(NsidError::Name));
    }

    #[test]
    fn authority_and_name_are_split_at_the_last_dot() {
        let nsid = Nsid::parse("app.bsky.feed.post").unwrap();
        assert_eq!(nsid.authority().collect::<Vec<_>>(), ["app", "bsky", "feed"]);
        assert_eq!(nsid.name(), "post");
    }
}
