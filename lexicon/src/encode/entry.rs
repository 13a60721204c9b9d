//! Entries of an object that is being encoded, and the order of their keys.

use core::cmp::Ordering;

use crate::json::ScannedText;

/// A key and its value in the output. The key is encoded, so keys compare as bytes.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    /// The start of the key, as a number with the order of keys.
    pub(super) first: u64,
    pub(super) start: usize,
    pub(super) key_end: usize,
    pub(super) end: usize,
}

impl Entry {
    /// Compares keys in DAG-CBOR order: by length, then by bytes.
    #[inline]
    pub(super) fn order(&self, other: &Self, out: &[u8]) -> Ordering {
        // Shorter keys have smaller heads, so encoded keys are in this order.
        let key = |entry: &Self| &out[entry.start..entry.key_end];
        self.first.cmp(&other.first).then_with(|| key(self).cmp(key(other)))
    }
}

/// Returns the length of a key and its first seven bytes, or only the length of a long key.
#[inline]
pub(super) fn first_of(key: ScannedText<'_>) -> u64 {
    let Ok(len @ 0..LONG_KEY) = u8::try_from(key.len) else {
        let len = u64::try_from(key.len).unwrap_or(u64::MAX);
        return u64::from(LONG_KEY) << 56 | len;
    };
    let mut first = match key.ahead.first_chunk() {
        Some(chunk) => u64::from_be_bytes(*chunk),
        None => {
            let mut chunk = [0; 8];
            chunk.iter_mut().zip(key.ahead).for_each(|(to, byte)| *to = *byte);
            u64::from_be_bytes(chunk)
        }
    };
    if len < 7 {
        // Bytes after a short key do not belong to it.
        first &= !(u64::MAX >> (8 * len));
    }
    u64::from(len) << 56 | first >> 8
}

/// The minimum length of a long key.
const LONG_KEY: u8 = 24;
