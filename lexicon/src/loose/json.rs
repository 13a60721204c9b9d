//! Prints any CBOR as JSON, as far as JSON can express it.
//!
//! # Tricky bits
//!
//! Entries are printed as they come. Only the end of a map shows which entries to drop, but
//! removing them there would move the same text once per enclosing map. The ranges are therefore
//! collected and removed in one pass at the end.

use alloc::{borrow::Cow, format, string::String, vec::Vec};
use core::ops::Range;

use super::{
    link_cid,
    reader::{Event, Key, Scalar, Walk, check_well_formed},
};
use crate::{CborError, base64, print, to_json};

/// Prints a stored record of any CBOR as JSON.
///
/// For a record within the data model, the result is that of [`to_json`]. Otherwise prints as much
/// as JSON can express. Succeeds for every record that [`inspect`](crate::inspect) accepts:
///
/// - a finite float is a number; NaN and the infinities are `null`
/// - an integer is printed with all its digits
/// - `undefined` is omitted from objects, and `null` elsewhere, as are other simple values
/// - a link is `{"$link": …}` if its CID can be parsed, or else `{"$bytes": …}` of its content
/// - any other tag is printed as its content
/// - invalid UTF-8 in text is replaced by U+FFFD
/// - a key that is not text becomes text: a number or simple value as it is printed, a link as its
///   CID, bytes as base64, an array or map as the base64 of its encoding
/// - the last of equal keys is printed
///
/// The outermost value may be of any kind. Nesting may reach
/// [`MAX_LOOSE_DEPTH`](crate::MAX_LOOSE_DEPTH), which exceeds the limit of some JSON parsers.
///
/// # Errors
///
/// [`CborError`] if the bytes are not exactly one CBOR item, or exceed a limit.
///
/// # Panics
///
/// Never: text is made valid UTF-8, and the rest is ASCII.
pub fn to_json_lossy(cbor: &[u8]) -> Result<String, CborError> {
    if let Ok(json) = to_json(cbor) {
        return Ok(json);
    }
    check_well_formed(cbor)?;
    let mut printer = Printer { out: Vec::with_capacity(2 * cbor.len()), ..Printer::default() };
    let mut walk = Walk::new(cbor);
    while let Some(event) = walk.step()? {
        printer.print(event);
    }
    Ok(String::from_utf8(printer.finish()).expect("repaired text and ASCII are UTF-8"))
}

#[derive(Default)]
struct Printer {
    out: Vec<u8>,
    /// Whether the next value or key follows another one.
    follows: bool,
    /// For each open container, the index of its first entry if it is a map.
    containers: Vec<Option<usize>>,
    /// The entries of all open maps, those of the innermost last.
    entries: Vec<Entry>,
    /// The ranges to cut out.
    dropped: Vec<Range<usize>>,
}

/// An entry of a map in the output.
struct Entry {
    start: usize,
    key_end: usize,
    is_undefined: bool,
}

impl Printer {
    fn print(&mut self, event: Event<'_>) {
        let is_end = matches!(event, Event::ArrayEnd | Event::MapEnd);
        if self.follows && !is_end {
            self.out.push(b',');
        }
        self.follows = !matches!(event, Event::Array | Event::Key(_) | Event::Map);
        match event {
            Event::Array => {
                self.out.push(b'[');
                self.containers.push(None);
            }
            Event::ArrayEnd => {
                self.out.push(b']');
                self.containers.pop();
            }
            Event::Key(key) => {
                let start = self.out.len();
                print_key(&key, &mut self.out);
                let key_end = self.out.len();
                self.entries.push(Entry { start, key_end, is_undefined: false });
                self.out.push(b':');
            }
            Event::Link(content) => print_link(&content, &mut self.out),
            Event::Map => {
                self.out.push(b'{');
                self.containers.push(Some(self.entries.len()));
            }
            Event::MapEnd => {
                if let Some(Some(first)) = self.containers.pop() {
                    self.end_map(first);
                }
                self.out.push(b'}');
            }
            Event::Scalar(scalar) => {
                let is_undefined = matches!(scalar, Scalar::Simple(UNDEFINED));
                if let (Some(Some(_)), Some(entry)) =
                    (self.containers.last(), self.entries.last_mut())
                {
                    entry.is_undefined = is_undefined;
                }
                print_scalar(&scalar, &mut self.out);
            }
        }
    }

    /// Collects the entries of a map to drop.
    fn end_map(&mut self, first: usize) {
        let Self { out, entries, dropped, .. } = self;
        let ends = entries.iter().skip(first + 1).map(|next| next.start).chain([out.len()]);
        let mut sorted: Vec<_> = entries.iter().skip(first).zip(ends).collect();
        let key = |entry: &Entry| out.get(entry.start..entry.key_end).unwrap_or_default();
        sorted.sort_by(|(a, _), (b, _)| key(a).cmp(key(b)));
        let mut rest = sorted.into_iter().peekable();
        while let Some((entry, end)) = rest.next() {
            let is_replaced = rest.peek().is_some_and(|(next, _)| key(next) == key(entry));
            if is_replaced || entry.is_undefined {
                dropped.push(entry.start..end);
            }
        }
        entries.truncate(first);
    }

    /// Removes the dropped ranges and returns the rest.
    fn finish(self) -> Vec<u8> {
        let Self { out, mut dropped, .. } = self;
        if dropped.is_empty() {
            return out;
        }
        dropped.sort_unstable_by_key(|range| range.start);
        let mut kept = Vec::with_capacity(out.len());
        let mut at = 0;
        for range in dropped {
            // A range that starts before `at` is inside another one.
            let Some(before) = out.get(at..range.start) else { continue };
            kept.extend_from_slice(before);
            at = range.end;
            // An entry is dropped with the comma after it, the last one with the comma before it.
            if out.get(at) == Some(&b'}') && kept.last() == Some(&b',') {
                kept.pop();
            }
        }
        kept.extend_from_slice(out.get(at..).unwrap_or_default());
        kept
    }
}

fn print_scalar(scalar: &Scalar<'_>, out: &mut Vec<u8>) {
    match scalar {
        Scalar::Bytes(bytes) => print_bytes(bytes, out),
        Scalar::Float(value) if !value.is_finite() => out.extend_from_slice(b"null"),
        Scalar::Float(value) => print_float(*value, out),
        Scalar::Negative(value) => print_negative(*value, out),
        Scalar::Simple(FALSE) => out.extend_from_slice(b"false"),
        Scalar::Simple(TRUE) => out.extend_from_slice(b"true"),
        Scalar::Simple(_) => out.extend_from_slice(b"null"),
        Scalar::Text(text) => print::string(repaired(text).as_bytes(), out),
        Scalar::Unsigned(value) => print::digits(*value, out),
    }
}

fn print_key(key: &Key<'_>, out: &mut Vec<u8>) {
    match key {
        Key::Text(text) => print::string(repaired(text).as_bytes(), out),
        Key::Other(item) => print::string(&key_text(item), out),
    }
}

/// Returns the text for a key of another type.
fn key_text(item: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    match Walk::new(item).step() {
        Ok(Some(Event::Link(content))) => match link_cid(&content) {
            Some(cid) => text.extend_from_slice(format!("{cid}").as_bytes()),
            None => base64::encode(&content, &mut text),
        },
        Ok(Some(Event::Scalar(scalar))) => match scalar {
            Scalar::Bytes(bytes) => base64::encode(&bytes, &mut text),
            Scalar::Simple(UNDEFINED) => text.extend_from_slice(b"undefined"),
            Scalar::Text(tagged) => text.extend_from_slice(repaired(&tagged).as_bytes()),
            scalar => print_scalar(&scalar, &mut text),
        },
        _ => base64::encode(item, &mut text),
    }
    text
}

fn print_link(content: &[u8], out: &mut Vec<u8>) {
    match link_cid(content) {
        Some(cid) => out.extend_from_slice(format!(r#"{{"$link":"{cid}"}}"#).as_bytes()),
        None => print_bytes(content, out),
    }
}

fn print_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"$bytes":""#);
    base64::encode(bytes, out);
    out.extend_from_slice(br#""}"#);
}

/// Prints a finite float in the shortest form that reads back.
fn print_float(value: f64, out: &mut Vec<u8>) {
    let is_short = value == 0.0 || (1e-7..1e21).contains(&value.abs());
    let text = if is_short { format!("{value}") } else { format!("{value:e}") };
    out.extend_from_slice(text.as_bytes());
}

/// Prints -1 minus a number, which may be less than any `i64`.
fn print_negative(value: u64, out: &mut Vec<u8>) {
    match value.checked_add(1) {
        Some(value) => {
            out.push(b'-');
            print::digits(value, out);
        }
        None => out.extend_from_slice(b"-18446744073709551616"),
    }
}

fn repaired(text: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(text)
}

const FALSE: u8 = 20;
const TRUE: u8 = 21;
const UNDEFINED: u8 = 23;
