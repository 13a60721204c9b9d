//! Base64 of `$bytes`: encoded with the standard alphabet and no padding, decoded leniently.
//!
//! Decoding accepts what other implementations accept: either alphabet, correct padding or none,
//! and non-zero trailing bits.
//!
//! <https://atproto.com/specs/data-model#bytes>

use alloc::vec::Vec;

/// Decodes `text` and appends the bytes. Returns `None` if it is not base64.
pub(crate) fn decode(text: &str, out: &mut Vec<u8>) -> Option<()> {
    let symbols = unpadded(text.as_bytes())?;
    for group in symbols.chunks(4) {
        let mut value = 0_u32;
        for &symbol in group {
            value = (value << 6) | u32::from(sextet(symbol)?);
        }
        let [_, a, b, c] = match group.len() {
            2 => value << 12,
            3 => value << 6,
            4 => value,
            _ => return None,
        }
        .to_be_bytes();
        out.extend_from_slice(&[a, b, c][..group.len() - 1]);
    }
    Some(())
}

/// Returns the number of bytes that [`decode`] returns for text of this length.
pub(crate) fn decoded_len(text: &str) -> Option<usize> {
    let symbols = unpadded(text.as_bytes())?.len();
    (symbols % 4 != 1).then_some(symbols * 3 / 4)
}

/// Appends the base64 of `bytes`.
pub(crate) fn encode(bytes: &[u8], out: &mut Vec<u8>) {
    for group in bytes.chunks(3) {
        let mut padded = [0; 4];
        padded[1..=group.len()].copy_from_slice(group);
        let value = u32::from_be_bytes(padded);
        for shift in [18, 12, 6, 0].into_iter().take(group.len() + 1) {
            out.push(symbol(value >> shift));
        }
    }
}

/// Strips the padding, which must be complete or absent.
fn unpadded(text: &[u8]) -> Option<&[u8]> {
    let symbols = match text {
        [rest @ .., b'=', b'='] | [rest @ .., b'='] => rest,
        rest => rest,
    };
    (symbols.len() == text.len() || text.len().is_multiple_of(4)).then_some(symbols)
}

fn sextet(symbol: u8) -> Option<u8> {
    Some(match symbol {
        b'A'..=b'Z' => symbol - b'A',
        b'a'..=b'z' => symbol - b'a' + 26,
        b'0'..=b'9' => symbol - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    })
}

fn symbol(value: u32) -> u8 {
    let value = (value & 63).to_le_bytes()[0];
    match value {
        0..26 => b'A' + value,
        26..52 => b'a' + (value - 26),
        52..62 => b'0' + (value - 52),
        62 => b'+',
        _ => b'/',
    }
}

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
