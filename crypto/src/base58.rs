//! base58btc for public keys, after the draft
//! <https://datatracker.ietf.org/doc/html/draft-msporny-base58>.
//!
//! A number in base 58 needs quadratic time to convert, so lengths are limited.

use alloc::string::String;

/// The most bytes that are decoded: an uncompressed point.
pub(crate) const MAX_BYTES: usize = 65;

/// The most characters that are read: 65 bytes need 89 digits.
const MAX_CHARACTERS: usize = 89;

/// Decodes `text` into `buffer` and returns the bytes, or `None` if it is not base58 or too long.
pub(crate) fn decode<'a>(text: &str, buffer: &'a mut [u8; MAX_BYTES]) -> Option<&'a [u8]> {
    if text.len() > MAX_CHARACTERS {
        return None;
    }
    let len = bs58::decode(text).onto(&mut buffer[..]).ok()?;
    buffer.get(..len)
}

/// Appends `bytes`, at most [`MAX_BYTES`], to `text`.
pub(crate) fn encode(bytes: &[u8], text: &mut String) {
    text.push_str(&bs58::encode(bytes).into_string());
}

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
