//! How compiled schemas lie in memory: words of 32 bits, then the text of all names.
//!
//! *Terminology.* A *node* is what a value may be, at the index of its first word. A *name* is two
//! words, where its text begins and how long it is.
//!
//! Node by node, what follows the first word, whose low byte is the kind and whose rest are flags;
//! the default of a value, if there is one, is in the two words before it:
//!
//! | kind | words |
//! |---|---|
//! | array | node of the items, then the least and the greatest length, if there are |
//! | blob | greatest size, if there is, two words; media types, counted, if there are |
//! | boolean, link, permission set, token, unknown | – |
//! | bytes | least and greatest length, if there are |
//! | integer | least, greatest, constant, if there are, two words each; then values, counted |
//! | method | node of the parameters, then of input and output: node, name of the encoding |
//! | object | number of properties, then for each: name, with two flags above the length; node |
//! | record | node of the object, name of its literal key |
//! | text | limits of the length, and in graphemes; name of the constant; then values, counted |
//! | union | number of variants, then for each: name, node |
//!
//! A node that is not there is 0, a name that is not there is empty.
//!
//! Properties, variants and the index of definitions are in the order of DAG-CBOR's keys, the
//! shorter ones first.

use core::cmp::Ordering;

/// What a catalogue begins with: this, the number of definitions, the number of words.
pub(super) const MAGIC: u32 = u32::from_le_bytes(*b"nlx1");
pub(super) const HEADER_WORDS: usize = 3;

/// A definition in the index, a property of an object, or a variant of a union: name, node.
pub(super) const ROW_WORDS: usize = 3;

pub(super) mod kind {
    pub(crate) const ARRAY: u32 = 1;
    pub(crate) const BLOB: u32 = 2;
    pub(crate) const BOOLEAN: u32 = 3;
    pub(crate) const BYTES: u32 = 4;
    pub(crate) const INTEGER: u32 = 5;
    pub(crate) const LINK: u32 = 6;
    pub(crate) const METHOD: u32 = 7;
    pub(crate) const OBJECT: u32 = 8;
    pub(crate) const PERMISSION_SET: u32 = 9;
    pub(crate) const RECORD: u32 = 10;
    pub(crate) const TEXT: u32 = 11;
    pub(crate) const TOKEN: u32 = 12;
    pub(crate) const UNION: u32 = 13;
    pub(crate) const UNKNOWN: u32 = 14;
}

pub(super) mod flag {
    pub(crate) const MIN: u32 = 1 << 8;
    pub(crate) const MAX: u32 = 1 << 9;
    pub(crate) const CONST: u32 = 1 << 10;
    pub(crate) const ENUM: u32 = 1 << 11;
    pub(crate) const MIN_GRAPHEMES: u32 = 1 << 12;
    pub(crate) const MAX_GRAPHEMES: u32 = 1 << 13;
    /// Of a boolean with a constant or a default, which it is.
    pub(crate) const TRUE: u32 = 1 << 14;
    pub(crate) const CLOSED: u32 = 1 << 15;
    /// Of a boolean, integer or text. A name for text, an integer for an integer.
    pub(crate) const DEFAULT: u32 = 1 << 24;

    /// Of a property, above the length of its name.
    pub(crate) const REQUIRED: u32 = 1 << 30;
    pub(crate) const NULLABLE: u32 = 1 << 31;
    pub(crate) const LENGTH: u32 = REQUIRED - 1;
}

/// Where in a text node's flags its format is: 0 for none, else one more than its place among all.
pub(super) const FORMAT_SHIFT: u32 = 16;
pub(super) const FORMAT_BITS: u32 = 0xff;

/// Where in a record node's flags the kind of its key is.
pub(super) const KEY_SHIFT: u32 = 8;

/// Kinds of record keys.
pub(super) mod key {
    pub(crate) const ANY: u32 = 0;
    pub(crate) const LITERAL: u32 = 1;
    pub(crate) const NSID: u32 = 2;
    pub(crate) const TID: u32 = 3;
}

/// Where in a method node's flags the kind of the method is.
pub(super) const METHOD_SHIFT: u32 = 8;

/// Kinds of methods.
pub(super) mod method {
    pub(crate) const QUERY: u32 = 0;
    pub(crate) const PROCEDURE: u32 = 1;
    pub(crate) const SUBSCRIPTION: u32 = 2;
}

/// Compares two keys as DAG-CBOR orders them.
#[inline]
pub(super) fn order(left: &[u8], right: &[u8]) -> Ordering {
    let lengths = left.len().cmp(&right.len());
    if lengths.is_eq() && !are_alike(left, right) { left.cmp(right) } else { lengths }
}

/// Compares two texts of one length. Two loads that may overlap see all of what is neither shorter
/// than one nor longer than both, which nearly all keys are not.
#[inline]
fn are_alike(left: &[u8], right: &[u8]) -> bool {
    match (left.first_chunk::<8>(), right.first_chunk::<8>()) {
        (Some(first), Some(other)) if left.len() <= 16 => {
            first == other && left.last_chunk::<8>() == right.last_chunk()
        }
        (Some(_), _) => left == right,
        _ => match (left.first_chunk::<4>(), right.first_chunk::<4>()) {
            (Some(first), Some(other)) => {
                first == other && left.last_chunk::<4>() == right.last_chunk()
            }
            _ => left.iter().eq(right),
        },
    }
}
