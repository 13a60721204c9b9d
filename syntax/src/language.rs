//! Language tags, RFC 5646: <https://atproto.com/specs/lexicon#language>.

use alloc::string::String;

use crate::text::split_once;

/// A language tag: `ja`, `pt-BR`, `zh-Hant`.
///
/// Tags are well-formed by RFC 5646, and no variant and no extension appears twice; whether their
/// subtags are registered is not looked up. The language itself has two or three lower-case
/// letters, but for tags of private use (`x-…`) and the irregular ones that RFC 5646 keeps
/// (`i-klingon`); in the other subtags any letter case is accepted and kept.
#[derive(Clone, Copy)]
pub struct Language<S = String>(S);

impl Language {
    /// The most bytes that a language tag may have.
    pub const MAX_BYTES: usize = 128;
}

impl<S: AsRef<str>> Language<S> {
    /// Returns the first subtag: `pt` in `pt-BR`.
    #[must_use]
    pub fn primary(&self) -> &str {
        self.as_str().split('-').next().unwrap_or_default()
    }
}

text_type!(Language, LanguageError, check);

/// Why a text is not a language tag.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LanguageError {
    /// A variant or the letter of an extension appears twice.
    #[error("a variant or an extension of the language tag appears twice")]
    Duplicate,
    /// The text is empty or longer than [`Language::MAX_BYTES`].
    #[error("a language tag has 1 to {} bytes", Language::MAX_BYTES)]
    Length,
    /// The first subtag is not two or three lower-case letters, and the tag is neither of private
    /// use nor irregular.
    #[error("a language tag starts with two or three lower-case letters")]
    Primary,
    /// A subtag is malformed or out of place.
    #[error("a subtag of the language tag is malformed or out of place")]
    Subtag,
}

/// Tags that RFC 5646 keeps although they do not follow its grammar.
const IRREGULAR: [&str; 17] = [
    "en-GB-oed",
    "i-ami",
    "i-bnn",
    "i-default",
    "i-enochian",
    "i-hak",
    "i-klingon",
    "i-lux",
    "i-mingo",
    "i-navajo",
    "i-pwn",
    "i-tao",
    "i-tay",
    "i-tsu",
    "sgn-BE-FR",
    "sgn-BE-NL",
    "sgn-CH-DE",
];

fn check(text: &[u8]) -> Result<(), LanguageError> {
    if text.is_empty() || text.len() > Language::MAX_BYTES {
        return Err(LanguageError::Length);
    }
    let is_irregular = |tag: &&str| text.eq_ignore_ascii_case(tag.as_bytes());
    if text.len() >= MIN_IRREGULAR_BYTES && IRREGULAR.iter().any(is_irregular) {
        return match text.first().is_some_and(u8::is_ascii_lowercase) {
            true => Ok(()),
            false => Err(LanguageError::Primary),
        };
    }
    let mut subtags = Subtags::new(text);
    if subtags.take(is_private_use).is_none() {
        subtags.take(is_primary).ok_or(LanguageError::Primary)?;
        for _ in 0..MAX_EXTENDED_LANGUAGES {
            subtags.take(|subtag| is_alphabetic(subtag, 3, 3));
        }
        subtags.take(|subtag| is_alphabetic(subtag, 4, 4));
        subtags.take(is_region);
        take_variants(&mut subtags)?;
        take_extensions(&mut subtags)?;
        if subtags.next.is_none() {
            return Ok(());
        }
        subtags.take(is_private_use).ok_or(LanguageError::Subtag)?;
    }
    take_some(&mut subtags, |subtag| is_alphanumeric(subtag, 1, 8))?;
    // Private use takes all that is well-formed, up to the end.
    if subtags.next.is_some() { Err(LanguageError::Subtag) } else { Ok(()) }
}

/// Reads the variants; [`Language::MAX_BYTES`] bounds the comparison of each with all before it.
fn take_variants<'a>(subtags: &mut Subtags<'a>) -> Result<(), LanguageError> {
    let variants = subtags.clone();
    let mut count = 0;
    while let Some(variant) = subtags.take(is_variant) {
        let mut earlier = variants.clone();
        for _ in 0..count {
            let subtag = earlier.take(is_variant);
            if subtag.is_some_and(|subtag| subtag.eq_ignore_ascii_case(variant)) {
                return Err(LanguageError::Duplicate);
            }
        }
        count += 1;
    }
    Ok(())
}

fn take_extensions(subtags: &mut Subtags<'_>) -> Result<(), LanguageError> {
    // One bit for each digit and letter that introduced an extension.
    let mut seen = 0_u64;
    while let Some(singleton) = subtags.take(is_singleton) {
        let digit = singleton.first().and_then(|&byte| char::from(byte).to_digit(36));
        let bit = 1 << digit.ok_or(LanguageError::Subtag)?;
        if seen & bit != 0 {
            return Err(LanguageError::Duplicate);
        }
        seen |= bit;
        take_some(subtags, |subtag| is_alphanumeric(subtag, 2, 8))?;
    }
    Ok(())
}

fn take_some(
    subtags: &mut Subtags<'_>,
    accept: impl Fn(&[u8]) -> bool,
) -> Result<(), LanguageError> {
    subtags.take(&accept).ok_or(LanguageError::Subtag)?;
    while subtags.take(&accept).is_some() {}
    Ok(())
}

/// The subtags that are left, with one of look-ahead.
#[derive(Clone)]
struct Subtags<'a> {
    next: Option<&'a [u8]>,
    /// What comes after that and a hyphen.
    rest: Option<&'a [u8]>,
}

impl<'a> Subtags<'a> {
    fn new(text: &'a [u8]) -> Self {
        let mut subtags = Self { next: None, rest: Some(text) };
        subtags.advance();
        subtags
    }

    fn advance(&mut self) {
        (self.next, self.rest) = match self.rest {
            Some(rest) => match split_once(rest, b'-') {
                Some((next, rest)) => (Some(next), Some(rest)),
                None => (Some(rest), None),
            },
            None => (None, None),
        };
    }

    fn take(&mut self, accept: impl Fn(&[u8]) -> bool) -> Option<&'a [u8]> {
        let subtag = self.next.filter(|subtag| accept(subtag))?;
        self.advance();
        Some(subtag)
    }
}

// RFC 5646 also reserves four letters and registers five to eight. No such language exists, and
// the specification of lexicons counts them as errors.
fn is_primary(subtag: &[u8]) -> bool {
    is_alphabetic(subtag, 2, 3) && subtag.iter().all(u8::is_ascii_lowercase)
}

fn is_region(subtag: &[u8]) -> bool {
    is_alphabetic(subtag, 2, 2) || (subtag.len() == 3 && subtag.iter().all(u8::is_ascii_digit))
}

fn is_variant(subtag: &[u8]) -> bool {
    is_alphanumeric(subtag, 5, 8)
        || (is_alphanumeric(subtag, 4, 4) && subtag.first().is_some_and(u8::is_ascii_digit))
}

fn is_singleton(subtag: &[u8]) -> bool {
    is_alphanumeric(subtag, 1, 1) && !is_private_use(subtag)
}

fn is_private_use(subtag: &[u8]) -> bool {
    matches!(subtag, b"x" | b"X")
}

fn is_alphabetic(subtag: &[u8], min: usize, max: usize) -> bool {
    (min..=max).contains(&subtag.len()) && subtag.iter().all(u8::is_ascii_alphabetic)
}

fn is_alphanumeric(subtag: &[u8], min: usize, max: usize) -> bool {
    (min..=max).contains(&subtag.len()) && subtag.iter().all(u8::is_ascii_alphanumeric)
}

const MAX_EXTENDED_LANGUAGES: usize = 3;
const MIN_IRREGULAR_BYTES: usize = 5;

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    #[test]
    fn each_broken_rule_has_its_error() {
        for (text, error) in [
            ("", LanguageError::Length),
            ("j", LanguageError::Primary),
            ("JA", LanguageError::Primary),
            ("jaja", LanguageError::Primary),
            ("I-default", LanguageError::Primary),
            ("ja-", LanguageError::Subtag),
            ("ja--JP", LanguageError::Subtag),
            ("de-419-DE", LanguageError::Subtag),
            ("en-a", LanguageError::Subtag),
            ("en-a-b", LanguageError::Subtag),
            ("en-x", LanguageError::Subtag),
            ("x", LanguageError::Subtag),
            ("x-123456789", LanguageError::Subtag),
            ("en-abcdefghi", LanguageError::Subtag),
            ("zh-aaa-bbb-ccc-ddd", LanguageError::Subtag),
            ("de-1901-1996-1901", LanguageError::Duplicate),
            ("en-a-foo-A-bar", LanguageError::Duplicate),
        ] {
            assert_eq!(Language::parse(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn what_comes_after_x_may_repeat() {
        assert!(Language::parse("de-1901-x-1901-1901-a-a").is_ok());
    }

    #[test]
    fn every_irregular_tag_is_accepted() {
        for tag in IRREGULAR {
            assert!(Language::parse(tag).is_ok(), "{tag}");
        }
        assert_eq!(Language::parse("i-default").unwrap().primary(), "i");
        assert_eq!(Language::parse("i-unknown"), Err(LanguageError::Primary));
    }

    #[test]
    fn the_length_limit_is_inclusive() {
        let longest = format!("en-x{}-abcd", "-a".repeat(59) + "-");
        assert_eq!(Language::parse(longest), Err(LanguageError::Subtag));
        let longest = format!("en-x{}ab", "-a".repeat(60) + "-b");
        assert_eq!(longest.len(), Language::MAX_BYTES);
        assert!(Language::parse(longest.as_str()).is_ok());
        assert_eq!(Language::parse(longest + "a"), Err(LanguageError::Length));
    }
}
