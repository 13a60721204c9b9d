//! CIDs as text, as the `cid` format of lexicons has them:
//! <https://atproto.com/specs/lexicon#cid>.

use alloc::string::String;

use crate::text::all;

/// A CID in text form: `bafyreie5737gdxlw5i64vzichcalba3z2v5n6icifvx5xytvske7mr3hpm`.
///
/// Any multibase is accepted and only its alphabet is checked, nothing is decoded: this is the
/// type of strings that *mention* a CID. A link in a repository is a binary CID and far stricter.
#[derive(Clone, Copy)]
pub struct CidString<S = String>(S);

impl CidString {
    /// The fewest bytes that a CID in text form may have.
    pub const MIN_BYTES: usize = 8;

    /// The most bytes that a CID in text form may have.
    pub const MAX_BYTES: usize = 256;
}

text_type!(CidString, CidStringError, check);

/// Why a text is not a CID.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CidStringError {
    /// The first character is not the prefix of a known multibase; version 0 has none.
    #[error("a CID starts with the prefix of a multibase")]
    Base,
    /// A character is outside the alphabet that the prefix promises.
    #[error("a character of the CID is outside the alphabet of its multibase")]
    Character,
    /// The text is shorter than [`CidString::MIN_BYTES`] or longer than [`CidString::MAX_BYTES`].
    #[error("a CID has {} to {} bytes", CidString::MIN_BYTES, CidString::MAX_BYTES)]
    Length,
}

fn check(text: &[u8]) -> Result<(), CidStringError> {
    if !(CidString::MIN_BYTES..=CidString::MAX_BYTES).contains(&text.len()) {
        return Err(CidStringError::Length);
    }
    let Some((&prefix, symbols)) = text.split_first() else { return Err(CidStringError::Base) };
    let in_alphabet = alphabet(prefix).ok_or(CidStringError::Base)?;
    let is_valid = match prefix {
        // Nearly all have this one, of which the compiler knows the alphabet.
        b'b' => all(symbols, |byte| matches!(byte, b'a'..=b'z' | b'2'..=b'7')),
        _ => symbols.iter().all(|&byte| in_alphabet(byte)),
    };
    if is_valid { Ok(()) } else { Err(CidStringError::Character) }
}

// The prefixes of <https://github.com/multiformats/multibase> whose alphabet is ASCII.
fn alphabet(prefix: u8) -> Option<fn(u8) -> bool> {
    Some(match prefix {
        b'0' => |byte| matches!(byte, b'0' | b'1'),
        b'7' => |byte| matches!(byte, b'0'..=b'7'),
        b'9' => |byte| byte.is_ascii_digit(),
        b'f' => |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        b'F' => |byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F'),
        b'b' => |byte| matches!(byte, b'a'..=b'z' | b'2'..=b'7'),
        b'B' => |byte| matches!(byte, b'A'..=b'Z' | b'2'..=b'7'),
        b'c' => |byte| matches!(byte, b'a'..=b'z' | b'2'..=b'7' | b'='),
        b'C' => |byte| matches!(byte, b'A'..=b'Z' | b'2'..=b'7' | b'='),
        b'v' => |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'v'),
        b'V' => |byte| matches!(byte, b'0'..=b'9' | b'A'..=b'V'),
        b't' => |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'v' | b'='),
        b'T' => |byte| matches!(byte, b'0'..=b'9' | b'A'..=b'V' | b'='),
        b'h' => |byte| b"ybndrfg8ejkmcpqxot1uwisza345h769".contains(&byte),
        b'k' => |byte| byte.is_ascii_digit() || byte.is_ascii_lowercase(),
        b'K' => |byte| byte.is_ascii_digit() || byte.is_ascii_uppercase(),
        b'z' | b'Z' => |byte| byte.is_ascii_alphanumeric() && !b"0IOl".contains(&byte),
        b'm' => |byte| byte.is_ascii_alphanumeric() || b"+/".contains(&byte),
        b'M' => |byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte),
        b'u' => |byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte),
        b'U' => |byte| byte.is_ascii_alphanumeric() || b"-_=".contains(&byte),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    #[test]
    fn each_broken_rule_has_its_error() {
        for (text, error) in [
            ("", CidStringError::Length),
            ("QmbWqxBEKC3P8tqsKc98xmWNzrzDtRLMiMPL8wBuTGsMnR", CidStringError::Base),
            ("\u{e9}afyrei", CidStringError::Base),
            ("bafyrei1", CidStringError::Character),
            ("zdj7WWe0", CidStringError::Character),
        ] {
            assert_eq!(CidString::parse(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn the_length_limits_are_inclusive() {
        let text = |length| format!("b{}", "a".repeat(length - 1));
        assert_eq!(CidString::parse(text(CidString::MIN_BYTES - 1)), Err(CidStringError::Length));
        assert!(CidString::parse(text(CidString::MIN_BYTES)).is_ok());
        assert!(CidString::parse(text(CidString::MAX_BYTES)).is_ok());
        assert_eq!(CidString::parse(text(CidString::MAX_BYTES + 1)), Err(CidStringError::Length));
    }

    #[test]
    fn every_alphabet_of_32_or_more_has_its_size() {
        for (prefix, size) in
            [(b'b', 32), (b'h', 32), (b'v', 32), (b'k', 36), (b'z', 58), (b'm', 64), (b'u', 64)]
        {
            let in_alphabet = alphabet(prefix).unwrap();
            assert_eq!((0..=u8::MAX).filter(|&byte| in_alphabet(byte)).count(), size);
        }
    }
}
