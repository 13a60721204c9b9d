//! Prints DAG-CBOR as JSON, with `$link` and `$bytes` for what JSON has no words for.
//!
//! <https://atproto.com/specs/data-model#json>

use alloc::string::String;
use core::fmt::Write as _;

use crate::{
    DataError, base64,
    decode::{Event, walk},
};

/// Prints DAG-CBOR as JSON without white space, keys in the order of the bytes.
///
/// # Errors
///
/// Those of [`check`](crate::check): bytes that it refuses are not printed.
pub fn to_json(cbor: &[u8]) -> Result<String, DataError> {
    let mut out = String::with_capacity(cbor.len() + cbor.len() / 2);
    // Whether a value or key at this place follows another one.
    let mut follows = false;
    walk(cbor, |event| {
        if follows && !matches!(event, Event::ArrayEnd | Event::MapEnd(..)) {
            out.push(',');
        }
        follows = !matches!(event, Event::Array | Event::Key(_) | Event::Map);
        print(event, &mut out);
    })?;
    Ok(out)
}

fn print(event: Event<'_, &str>, out: &mut String) {
    match event {
        Event::Array => out.push('['),
        Event::ArrayEnd => out.push(']'),
        Event::Bool(true) => out.push_str("true"),
        Event::Bool(false) => out.push_str("false"),
        Event::Bytes(bytes) => {
            out.push_str(r#"{"$bytes":""#);
            base64::encode(bytes, out);
            out.push_str(r#""}"#);
        }
        Event::Integer(value) => integer(value, out),
        Event::Key(key) => {
            string(key, out);
            out.push(':');
        }
        Event::Link(link) => {
            out.push_str(r#"{"$link":""#);
            link.print(out);
            out.push_str(r#""}"#);
        }
        Event::Map => out.push('{'),
        Event::MapEnd(..) => out.push('}'),
        Event::Null => out.push_str("null"),
        Event::Text(text) => string(text, out),
    }
}

/// Prints an integer, without what the general way to print things takes.
fn integer(value: i64, out: &mut String) {
    let mut digits = [b'0'; 20];
    let (mut left, mut start) = (value.unsigned_abs(), digits.len());
    for (index, digit) in digits.iter_mut().enumerate().rev() {
        *digit += (left % 10).to_le_bytes()[0];
        (left, start) = (left / 10, index);
        if left == 0 {
            break;
        }
    }
    if value < 0 {
        out.push('-');
    }
    let digits = digits.get(start..).and_then(|digits| core::str::from_utf8(digits).ok());
    out.push_str(digits.unwrap_or_default());
}

fn string(text: &str, out: &mut String) {
    out.push('"');
    let mut rest = text;
    while let Some((plain, special, after)) = split_special(rest) {
        out.push_str(plain);
        escape(special, out);
        rest = after;
    }
    out.push_str(rest);
    out.push('"');
}

/// Splits at the first character that JSON strings must escape.
fn split_special(text: &str) -> Option<(&str, char, &str)> {
    let at = crate::json::plain_len(text.as_bytes());
    let (plain, rest) = text.split_at_checked(at)?;
    let mut rest = rest.chars();
    let special = rest.next()?;
    Some((plain, special, rest.as_str()))
}

fn escape(special: char, out: &mut String) {
    match special {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\u{8}' => out.push_str("\\b"),
        '\u{c}' => out.push_str("\\f"),
        other => write!(out, "\\u{:04x}", u32::from(other)).expect("a String takes all text"),
    }
}
