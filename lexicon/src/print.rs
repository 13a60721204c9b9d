//! Prints DAG-CBOR as JSON, with `$link` and `$bytes` for links and bytes.
//!
//! <https://atproto.com/specs/data-model#json>

use alloc::{string::String, vec::Vec};

use crate::{
    DataError, base64,
    decode::{Event, walk},
    link,
};

/// Prints DAG-CBOR as JSON without white space, with keys in the order of the encoding.
///
/// # Errors
///
/// Those of [`check`](crate::check).
///
/// # Panics
///
/// Never: the output consists of checked text and ASCII.
pub fn to_json(cbor: &[u8]) -> Result<String, DataError> {
    let mut out = Vec::with_capacity(cbor.len() + cbor.len() / 2);
    // Whether a value or key at this place follows another one.
    let mut follows = false;
    walk(cbor, |event: Event<'_, &[u8]>| {
        if follows && !matches!(event, Event::ArrayEnd | Event::MapEnd(..)) {
            out.push(b',');
        }
        follows = !matches!(event, Event::Array | Event::Key(_) | Event::Map);
        print(event, &mut out);
    })?;
    Ok(String::from_utf8(out).expect("checked text and ASCII are UTF-8"))
}

fn print(event: Event<'_, &[u8]>, out: &mut Vec<u8>) {
    match event {
        Event::Array => out.push(b'['),
        Event::ArrayEnd => out.push(b']'),
        Event::Bool(true) => out.extend_from_slice(b"true"),
        Event::Bool(false) => out.extend_from_slice(b"false"),
        Event::Bytes(bytes) => {
            out.extend_from_slice(br#"{"$bytes":""#);
            base64::encode(bytes, out);
            out.extend_from_slice(br#""}"#);
        }
        Event::Integer(value) => integer(value, out),
        Event::Key(key) => {
            string(key, out);
            out.push(b':');
        }
        Event::Link(link) => {
            out.extend_from_slice(br#"{"$link":""#);
            link::print(&link, out);
            out.extend_from_slice(br#""}"#);
        }
        Event::Map => out.push(b'{'),
        Event::MapEnd(..) => out.push(b'}'),
        Event::Null => out.extend_from_slice(b"null"),
        Event::Text(text) => string(text, out),
    }
}

/// Prints an integer, faster than `core::fmt` does.
#[inline]
fn integer(value: i64, out: &mut Vec<u8>) {
    if value < 0 {
        out.push(b'-');
    }
    digits(value.unsigned_abs(), out);
}

/// Prints a number in decimal.
pub(crate) fn digits(value: u64, out: &mut Vec<u8>) {
    let mut digits = [b'0'; 20];
    let (mut left, mut start) = (value, digits.len());
    for (index, digit) in digits.iter_mut().enumerate().rev() {
        *digit += (left % 10).to_le_bytes()[0];
        (left, start) = (left / 10, index);
        if left == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(start..).unwrap_or_default());
}

/// Prints UTF-8 as a JSON string.
#[inline]
pub(crate) fn string(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = text;
    while let Some((plain, special, after)) = split_special(rest) {
        out.extend_from_slice(plain);
        escape(special, out);
        rest = after;
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// Splits at the first byte that JSON strings must escape.
#[inline]
fn split_special(text: &[u8]) -> Option<(&[u8], u8, &[u8])> {
    let at = crate::json::plain_len(text);
    let (plain, rest) = text.split_at_checked(at)?;
    let (&special, rest) = rest.split_first()?;
    Some((plain, special, rest))
}

#[cold]
fn escape(special: u8, out: &mut Vec<u8>) {
    match special {
        b'"' => out.extend_from_slice(b"\\\""),
        b'\\' => out.extend_from_slice(b"\\\\"),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        8 => out.extend_from_slice(b"\\b"),
        12 => out.extend_from_slice(b"\\f"),
        other => out.extend_from_slice(alloc::format!("\\u{other:04x}").as_bytes()),
    }
}
