//! The text form of links: lower-case base32 after the multibase prefix `b`.
//!
//! <https://atproto.com/specs/data-model#link-and-cid-formats>

use alloc::vec::Vec;

use nacre_cbor::{CID_BYTES, Link};

/// Parses the text of a CID, or returns `None` if a link may not have it.
pub(crate) fn parse(text: &str) -> Option<Link> {
    if text.len() != TEXT_LEN {
        return None;
    }
    let mut bytes = [0; CID_BYTES];
    let mut slots = bytes.iter_mut();
    let (mut buffer, mut bits) = (0_u32, 0_u32);
    for &symbol in text.as_bytes().strip_prefix(b"b")? {
        let value = match symbol {
            b'a'..=b'z' => symbol - b'a',
            b'2'..=b'7' => symbol - b'2' + 26,
            _ => return None,
        };
        buffer = (buffer << 5) | u32::from(value);
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            *slots.next()? = low_byte(buffer >> bits);
            buffer &= (1 << bits) - 1;
        }
    }
    // The two spare bits must be zero, so that a link has only one text form.
    if buffer != 0 {
        return None;
    }
    Link::from_bytes(&bytes)
}

/// Appends the text form of a link.
pub(crate) fn print(link: &Link, out: &mut Vec<u8>) {
    out.push(b'b');
    let (mut buffer, mut bits) = (0_u32, 0_u32);
    for &byte in link.as_bytes() {
        buffer = (buffer << 8) | u32::from(byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            out.push(symbol(buffer >> bits));
        }
        buffer &= (1 << bits) - 1;
    }
    // 288 bits are 57 symbols of five bits and one of three.
    out.push(symbol(buffer << (5 - bits)));
}

fn low_byte(value: u32) -> u8 {
    value.to_le_bytes()[0]
}

fn symbol(value: u32) -> u8 {
    let value = low_byte(value & 31);
    if value < 26 { b'a' + value } else { b'2' + (value - 26) }
}

/// The multibase prefix and 58 symbols.
const TEXT_LEN: usize = 59;
