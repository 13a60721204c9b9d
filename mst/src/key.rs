//! Keys of the tree: their syntax and their heights.
//!
//! Specification: <https://atproto.com/specs/repository#mst-structure>

/// The longest key, in bytes. The longest repo path has 830: an NSID of 317, a slash and a record
/// key of 512.
pub const MAX_KEY_BYTES: usize = 1024;

/// The highest level of a node. Finding a key above it takes 2^130 hashes.
pub const MAX_LEVEL: u32 = 64;

/// Why a key is invalid.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The byte at this index is not allowed in a repo path.
    #[error("byte {0} of the key is not allowed")]
    Byte(usize),
    /// The height is above [`MAX_LEVEL`].
    #[error("key height exceeds 64")]
    Height,
    /// The key is longer than [`MAX_KEY_BYTES`].
    #[error("key exceeds 1024 bytes")]
    Length,
    /// The key is not a collection, a slash and a record key.
    #[error("key is not a collection, a slash and a record key")]
    Parts,
}

/// Returns the height of a key: half the number of leading zero bits of its SHA-256, rounded down.
///
/// Accepts any bytes, not only valid keys.
#[must_use]
pub fn key_height(key: &[u8]) -> u32 {
    digest_height(&nacre_sha256::digest(key))
}

/// Checks a key and returns the level of the node that holds it.
pub(crate) fn key_level(key: &[u8]) -> Result<u32, KeyError> {
    check_key(key)?;
    check_height(key_height(key))
}

/// Returns a level, or a difference of levels, as an index.
pub(crate) fn level_index(level: u32) -> usize {
    usize::try_from(level).expect("levels are at most 64")
}

/// Checks the length, the characters and the slash, but not the syntax of NSID and record key.
pub(crate) fn check_key(key: &[u8]) -> Result<(), KeyError> {
    check_suffix(0, 0, key).map(|_| ())
}

/// Checks the key that consists of the first `prefix_len` bytes of a checked key, whose slash is at
/// `slash`, and `suffix`. Returns the position of its slash.
pub(crate) fn check_suffix(
    slash: usize,
    prefix_len: usize,
    suffix: &[u8],
) -> Result<usize, KeyError> {
    let length = prefix_len + suffix.len();
    if length > MAX_KEY_BYTES {
        return Err(KeyError::Length);
    }
    // One sum counts slashes in its low bits and forbidden bytes in its high bits.
    let found = suffix.iter().fold(0, |sum, &byte| sum + COST[usize::from(byte)]);
    if found >= REFUSED {
        let at = suffix.iter().position(|&byte| COST[usize::from(byte)] == REFUSED);
        return Err(KeyError::Byte(prefix_len + at.unwrap_or_default()));
    }
    let slash = match (slash < prefix_len, found) {
        (true, 0) => slash,
        (false, SLASH) => {
            let at = suffix.iter().position(|&byte| byte == b'/');
            prefix_len + at.unwrap_or_default()
        }
        _ => return Err(KeyError::Parts),
    };
    if slash == 0 || slash + 1 == length { Err(KeyError::Parts) } else { Ok(slash) }
}

/// Returns the length of the common prefix of two keys.
pub(crate) fn common_prefix(left: &[u8], right: &[u8]) -> usize {
    let mut shared = 0;
    for (left, right) in left.as_chunks().0.iter().zip(right.as_chunks().0) {
        let differ = u64::from_le_bytes(*left) ^ u64::from_le_bytes(*right);
        if differ != 0 {
            let bytes = usize::try_from(differ.trailing_zeros() / u8::BITS);
            return shared + bytes.expect("a word has eight bytes");
        }
        shared += size_of::<u64>();
    }
    let rest = left[shared..].iter().zip(&right[shared..]);
    shared + rest.take_while(|(left, right)| left == right).count()
}

fn check_height(height: u32) -> Result<u32, KeyError> {
    if height > MAX_LEVEL { Err(KeyError::Height) } else { Ok(height) }
}

pub(crate) fn digest_height(digest: &[u8; 32]) -> u32 {
    let mut bits = 0;
    for byte in digest {
        bits += byte.leading_zeros();
        if *byte != 0 {
            break;
        }
    }
    bits / 2
}

/// The amount that a byte of a key adds to the sum in [`check_suffix`].
const COST: [u32; 256] = {
    let mut cost = [REFUSED; 256];
    let mut byte = 0_u8;
    let mut at = 0;
    while at < 128 {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b':' | b'~' | b'-') {
            cost[at] = 0;
        } else if byte == b'/' {
            cost[at] = SLASH;
        }
        byte += 1;
        at += 1;
    }
    cost
};
const SLASH: u32 = 1;
/// More than the number of slashes in the longest suffix.
const REFUSED: u32 = 0x1_0000;

#[cfg(test)]
mod tests {
    extern crate std;

    use alloc::format;
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn height_is_half_the_leading_zero_bits() {
        let mut digest = [0; 32];
        assert_eq!(digest_height(&digest), 128);
        digest[31] = 1;
        assert_eq!(digest_height(&digest), 127);
        digest[1] = 0b0001_0000;
        assert_eq!(digest_height(&digest), 5);
        digest[0] = 0x80;
        assert_eq!(digest_height(&digest), 0);
    }

    #[test]
    fn height_limit_is_inclusive() {
        assert_eq!(check_height(MAX_LEVEL), Ok(MAX_LEVEL));
        assert_eq!(check_height(MAX_LEVEL + 1), Err(KeyError::Height));
    }

    #[test]
    fn length_limit_is_inclusive() {
        let longest = format!("a/{}", "b".repeat(MAX_KEY_BYTES - 2));
        assert_eq!(check_key(longest.as_bytes()), Ok(()));
        assert_eq!(check_key(format!("{longest}b").as_bytes()), Err(KeyError::Length));
    }

    #[test]
    fn keys_have_two_parts_of_allowed_characters() {
        for key in ["a/b", "app.bsky.feed.post/3jqfcqzm3fo2j", "A0/374913", "a/self:~_-.", "a/.."] {
            assert_eq!(check_key(key.as_bytes()), Ok(()), "{key}");
        }
        for key in ["", "/", "a", "a/", "/a", "a/b/c", "a//b", "a/b/"] {
            assert_eq!(check_key(key.as_bytes()), Err(KeyError::Parts), "{key}");
        }
        for (key, at) in [("a/ b", 2), ("é/b", 0), ("a/b\0", 3), ("a/b@", 3), ("a/%20", 2)] {
            assert_eq!(check_key(key.as_bytes()), Err(KeyError::Byte(at)), "{key}");
        }
    }

    #[test]
    fn common_prefixes_match_the_interoperability_suite() {
        let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/interop");
        let suite = std::env::var_os("NACRE_INTEROP").map_or_else(beside, PathBuf::from);
        let Ok(json) = std::fs::read_to_string(suite.join("mst/common_prefix.json")) else {
            assert!(std::env::var_os("CI").is_none(), "the suite is absent");
            return;
        };
        let cases: serde_json::Value = serde_json::from_str(&json).unwrap();
        for case in cases.as_array().unwrap() {
            let [left, right] =
                ["left", "right"].map(|side| case[side].as_str().unwrap().as_bytes());
            assert_eq!(serde_json::Value::from(common_prefix(left, right)), case["len"], "{case}");
        }
    }
}
