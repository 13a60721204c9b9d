//! base58btc for public keys, after the draft
//! <https://datatracker.ietf.org/doc/html/draft-msporny-base58>.
//!
//! A number in base 58 needs quadratic time to convert, so both directions work on buffers of a
//! small fixed size.

use alloc::string::String;

/// The most bytes that are decoded: an uncompressed point.
pub(crate) const MAX_BYTES: usize = 65;

/// The most characters that are read: 65 bytes need 89 digits.
const MAX_CHARACTERS: usize = 89;

/// Decodes `text` into the end of `buffer` and returns the bytes, or `None` if it is not base58
/// or too long.
pub(crate) fn decode<'a>(text: &str, buffer: &'a mut [u8; MAX_BYTES]) -> Option<&'a [u8]> {
    if text.len() > MAX_CHARACTERS {
        return None;
    }
    buffer.fill(0);
    for character in text.bytes() {
        let digit = ALPHABET.iter().position(|&candidate| candidate == character)?;
        let mut carry = u32::try_from(digit).ok()?;
        for byte in buffer.iter_mut().rev() {
            carry += u32::from(*byte) * 58;
            [*byte, _, _, _] = carry.to_le_bytes();
            carry >>= 8;
        }
        if carry != 0 {
            return None;
        }
    }
    // Each leading zero byte is written as one leading digit zero.
    let zeros = text.bytes().take_while(|&character| character == ALPHABET[0]).count();
    let significant = buffer.iter().skip_while(|&&byte| byte == 0).count();
    let start = MAX_BYTES.checked_sub(zeros + significant)?;
    buffer.get(start..)
}

/// Appends `bytes`, at most [`MAX_BYTES`], to `text`.
pub(crate) fn encode(bytes: &[u8], text: &mut String) {
    let mut digits = [0_u8; MAX_CHARACTERS];
    for &byte in bytes {
        let mut carry = u32::from(byte);
        for digit in digits.iter_mut().rev() {
            carry += u32::from(*digit) * 256;
            [*digit, _, _, _] = (carry % 58).to_le_bytes();
            carry /= 58;
        }
        debug_assert_eq!(carry, 0, "the bytes fit into the digits");
    }
    let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
    let significant = digits.iter().skip_while(|&&digit| digit == 0);
    for &digit in core::iter::repeat_n(&0, zeros).chain(significant) {
        text.push(char::from(ALPHABET[usize::from(digit)]));
    }
}

const ALPHABET: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    fn decoded(text: &str) -> Option<Vec<u8>> {
        decode(text, &mut [0; MAX_BYTES]).map(Into::into)
    }

    #[test]
    fn known_texts_are_the_bytes_of_the_draft() {
        for (bytes, expected) in [
            (b"Hello World!".as_slice(), "2NEpo7TZRRrLZSi2U"),
            (&[0, 0, 0x28, 0x7f, 0xb4, 0xcd], "11233QC4"),
            (&[], ""),
            (&[0], "1"),
        ] {
            let mut text = String::new();
            encode(bytes, &mut text);
            assert_eq!(text, expected);
            assert_eq!(decoded(expected).as_deref(), Some(bytes));
        }
    }

    #[test]
    fn characters_outside_the_alphabet_are_refused() {
        for text in ["0", "O", "I", "l", " ", "2\u{e9}"] {
            assert_eq!(decoded(text), None, "{text:?}");
        }
    }

    #[test]
    fn the_length_limit_is_inclusive() {
        for byte in [0, 0xff] {
            let mut text = String::new();
            encode(&[byte; MAX_BYTES], &mut text);
            assert_eq!(decoded(&text), Some(vec![byte; MAX_BYTES]));
            assert_eq!(decoded(&(text + "1")), None);
        }
        assert_eq!(decoded(&"1".repeat(MAX_CHARACTERS + 1)), None);
    }

    proptest! {
        #[test]
        fn decoding_undoes_encoding(bytes in prop::collection::vec(any::<u8>(), 0..=MAX_BYTES)) {
            let mut text = String::new();
            encode(&bytes, &mut text);
            prop_assert_eq!(decoded(&text), Some(bytes));
        }

        #[test]
        fn a_text_that_decodes_is_the_only_one(text in "[1-9A-HJ-NP-Za-km-z]{0,95}") {
            if let Some(bytes) = decoded(&text) {
                let mut encoded = String::new();
                encode(&bytes, &mut encoded);
                prop_assert_eq!(encoded, text);
            }
        }

        #[test]
        fn arbitrary_text_never_panics(text in any::<String>()) {
            decoded(&text);
        }
    }
}
