//! Base64 of `$bytes`: encoded with the standard alphabet and no padding, decoded leniently.
//!
//! Decoding accepts what other implementations accept: either alphabet, correct padding or none,
//! and non-zero trailing bits.
//!
//! <https://atproto.com/specs/data-model#bytes>

use alloc::vec::Vec;

use data_encoding::Encoding;
use data_encoding_macro::new_encoding;

/// Decodes `text` and appends the bytes. Returns `None` if it is not base64.
pub(crate) fn decode(text: &str, out: &mut Vec<u8>) -> Option<()> {
    let symbols = unpadded(text.as_bytes())?;
    let start = out.len();
    out.resize(start + LENIENT.decode_len(symbols.len()).ok()?, 0);
    LENIENT.decode_mut(symbols, &mut out[start..]).ok().map(drop)
}

/// Returns the number of bytes that [`decode`] returns for text of this length.
pub(crate) fn decoded_len(text: &str) -> Option<usize> {
    LENIENT.decode_len(unpadded(text.as_bytes())?.len()).ok()
}

/// Appends the base64 of `bytes`.
pub(crate) fn encode(bytes: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + LENIENT.encode_len(bytes.len()), 0);
    LENIENT.encode_mut(bytes, &mut out[start..]);
}

/// Strips the padding, which must be complete or absent.
fn unpadded(text: &[u8]) -> Option<&[u8]> {
    let symbols = match text {
        [rest @ .., b'=', b'='] | [rest @ .., b'='] => rest,
        rest => rest,
    };
    (symbols.len() == text.len() || text.len().is_multiple_of(4)).then_some(symbols)
}

const LENIENT: Encoding = new_encoding! {
    symbols: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
    translate_from: "-_",
    translate_to: "+/",
    check_trailing_bits: false,
};

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(text: &str) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        decode(text, &mut out)?;
        assert_eq!(decoded_len(text), Some(out.len()), "{text}");
        Some(out)
    }

    #[test]
    fn every_length_of_tail_round_trips() {
        for (bytes, text) in
            [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg")]
        {
            let mut printed = Vec::new();
            encode(bytes.as_bytes(), &mut printed);
            assert_eq!(printed, text.as_bytes());
            assert_eq!(decoded(text).unwrap(), bytes.as_bytes());
        }
    }

    #[test]
    fn lenient_forms_are_decoded() {
        assert_eq!(decoded("Zg==").unwrap(), b"f");
        assert_eq!(decoded("Zm8=").unwrap(), b"fo");
        assert_eq!(decoded("123").unwrap(), [0xd7, 0x6d]);
        assert_eq!(decoded("-_+/").unwrap(), [0xfb, 0xff, 0xbf]);
    }

    #[test]
    fn other_text_is_rejected() {
        for text in ["a", "AAAAA", "AA=A", "AA=", "AAAA=", "A===", "====", "=", "AA A", "AA\n", "é"]
        {
            assert_eq!(decode(text, &mut Vec::new()), None, "{text}");
        }
    }
}
