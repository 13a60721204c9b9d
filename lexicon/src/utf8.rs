//! A UTF-8 validator for readers that do not need the text.
//!
//! # Tricky bits
//!
//! Blocks of ASCII are skipped whole. Elsewhere a branchless automaton takes one byte a step: its
//! state is a shift, and the row of a byte holds the next state at each shift.
//!
//! <https://www.unicode.org/versions/Unicode17.0.0/core-spec/chapter-3/#G27506>, table 3-7

/// Returns whether bytes are UTF-8.
///
/// Faster than [`core::str::from_utf8`] for mixed scripts and for short text.
#[inline]
pub(crate) fn is_utf8(bytes: &[u8]) -> bool {
    is_short_ascii(bytes) || is_long_utf8(bytes)
}

/// Returns whether these are at most 32 bytes of ASCII.
#[inline]
fn is_short_ascii(bytes: &[u8]) -> bool {
    // Two loads that may overlap cover a text of one to two words.
    let ends = if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        if bytes.len() > 2 * BLOCK {
            return false;
        }
        u128::from_ne_bytes(*first) | u128::from_ne_bytes(*last)
    } else if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        u128::from(u64::from_ne_bytes(*first) | u64::from_ne_bytes(*last))
    } else if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        u128::from(u32::from_ne_bytes(*first) | u32::from_ne_bytes(*last))
    } else if let [first, .., last] = bytes {
        // At most three bytes.
        u128::from(*first | *last | bytes[1])
    } else {
        bytes.first().copied().map_or(0, u128::from)
    };
    ends & NOT_ASCII == 0
}

fn is_long_utf8(bytes: &[u8]) -> bool {
    let mut state = ACCEPT;
    let (blocks, tail) = bytes.as_chunks::<BLOCK>();
    for block in blocks {
        if state & STATE != ACCEPT || u128::from_ne_bytes(*block) & NOT_ASCII != 0 {
            state = advance(state, block);
        }
    }
    advance(state, tail) & STATE == ACCEPT
}

#[inline]
fn advance(mut state: u64, bytes: &[u8]) -> u64 {
    for &byte in bytes {
        state = ROWS[usize::from(byte)] >> (state & STATE);
    }
    state
}

const BLOCK: usize = 16;

const NOT_ASCII: u128 = u128::from_ne_bytes([0x80; BLOCK]);

/// The bits of a state. The bits above are the rest of a row.
const STATE: u64 = 63;

const ACCEPT: u64 = 0;
const REJECT: u64 = 6;
/// This many bytes of 80..=BF must follow.
const ONE: u64 = 12;
const TWO: u64 = 18;
const THREE: u64 = 24;
/// After a lead byte that restricts the second byte.
const AFTER_E0: u64 = 30;
const AFTER_ED: u64 = 36;
const AFTER_F0: u64 = 42;
const AFTER_F4: u64 = 48;

const STATES: [u64; 9] = [ACCEPT, REJECT, ONE, TWO, THREE, AFTER_E0, AFTER_ED, AFTER_F0, AFTER_F4];

const ROWS: [u64; 256] = {
    let mut rows = [0; 256];
    let mut byte = 0_u8;
    let mut slots: &mut [u64] = &mut rows;
    while let [row, rest @ ..] = slots {
        let mut index = 0;
        while index < STATES.len() {
            *row |= next(STATES[index], byte) << STATES[index];
            index += 1;
        }
        slots = rest;
        byte = byte.wrapping_add(1);
    }
    rows
};

const fn next(state: u64, byte: u8) -> u64 {
    match (state, byte) {
        (ACCEPT, 0x00..=0x7f) | (ONE, 0x80..=0xbf) => ACCEPT,
        (ACCEPT, 0xc2..=0xdf) => ONE,
        (ACCEPT, 0xe0) => AFTER_E0,
        (ACCEPT, 0xe1..=0xec | 0xee..=0xef) => TWO,
        (ACCEPT, 0xed) => AFTER_ED,
        (ACCEPT, 0xf0) => AFTER_F0,
        (ACCEPT, 0xf1..=0xf3) => THREE,
        (ACCEPT, 0xf4) => AFTER_F4,
        (TWO, 0x80..=0xbf) | (AFTER_E0, 0xa0..=0xbf) | (AFTER_ED, 0x80..=0x9f) => ONE,
        (THREE, 0x80..=0xbf) | (AFTER_F0, 0x90..=0xbf) | (AFTER_F4, 0x80..=0x8f) => TWO,
        _ => REJECT,
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use proptest::{collection::vec, prelude::*};

    use super::is_utf8;

    fn check(bytes: &[u8]) {
        assert_eq!(is_utf8(bytes), core::str::from_utf8(bytes).is_ok(), "{bytes:x?}");
    }

    /// The first and last byte of each class in the table.
    const BYTES: [u8; 28] = [
        0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec,
        0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xf7, 0xf8, 0xfb, 0xfe, 0xff,
    ];

    #[test]
    fn short_sequences_agree_with_core() {
        check(&[]);
        for a in 0..=255 {
            check(&[a]);
            for b in 0..=255 {
                check(&[a, b]);
                check(&[a, b, 0x80]);
            }
        }
        for a in BYTES {
            for b in BYTES {
                for c in BYTES {
                    for d in BYTES {
                        check(&[a, b, c, d]);
                    }
                }
            }
        }
    }

    #[test]
    fn every_byte_counts_at_every_length() {
        for len in 0..100 {
            let ascii = alloc::vec![b'a'; len];
            check(&ascii);
            for at in 0..len {
                for byte in BYTES {
                    let mut text = ascii.clone();
                    text[at] = byte;
                    check(&text);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn mixed_text_agrees_with_core(
            text in "([a-z ]{0,20}[é☎😀\u{7ff}\u{800}\u{ffff}\u{10000}\u{10ffff}]{0,9}){0,4}",
            changes in vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
            start in 0_usize..4,
            cut in 0_usize..4,
        ) {
            let mut bytes: Vec<u8> = text.into_bytes();
            for (at, byte) in changes {
                if !bytes.is_empty() {
                    let at = at.index(bytes.len());
                    bytes[at] = byte;
                }
            }
            check(&bytes);
            check(&bytes[start.min(bytes.len())..]);
            check(&bytes[..bytes.len().saturating_sub(cut)]);
        }
    }
}
