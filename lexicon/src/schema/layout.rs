//! The memory layout of compiled schemas: words of 32 bits, then the text of all names.
//!
//! *Terminology.* A *node* describes a type and is identified by the index of its first word. A
//! *name* is two words: the start and the length of its text.
//!
//! The low byte of a node's first word is the kind; the other bits are flags. A default value is
//! stored in the two words before the node. These words follow the first one:
//!
//! | kind | words |
//! |---|---|
//! | array | node of the items; optional minimum and maximum length |
//! | blob | optional maximum size, two words; optional media types, counted |
//! | boolean, link, permission set, token, unknown | – |
//! | bytes | optional minimum and maximum length |
//! | integer | optional minimum, maximum and constant, two words each; optional values, counted |
//! | method | node of the parameters; for input and output: node, name of the encoding |
//! | object | number of properties; for each: name, with two flags above the length; node |
//! | record | node of the object, name of its literal key |
//! | text | optional limits in bytes and in graphemes, name of the constant, values, counted |
//! | union | number of variants; for each: name, node |
//!
//! An absent node is 0, and an absent name is empty.
//!
//! Properties, variants and the index of definitions have the order of DAG-CBOR keys: shorter ones
//! first.

use core::cmp::Ordering;

/// The first word of the header. The number of definitions and the number of words follow.
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
    /// The constant or default of a boolean.
    pub(crate) const TRUE: u32 = 1 << 14;
    pub(crate) const CLOSED: u32 = 1 << 15;
    /// Set for a boolean, integer or text with a default. The default of text is a name.
    pub(crate) const DEFAULT: u32 = 1 << 24;

    /// A flag of a property, above the length of its name.
    pub(crate) const REQUIRED: u32 = 1 << 30;
    pub(crate) const NULLABLE: u32 = 1 << 31;
    pub(crate) const LENGTH: u32 = REQUIRED - 1;
}

/// The position of the format in a text node's flags: 0 for none, or else its index plus one.
pub(super) const FORMAT_SHIFT: u32 = 16;
pub(super) const FORMAT_BITS: u32 = 0xff;

/// The position of the kind of key in a record node's flags.
pub(super) const KEY_SHIFT: u32 = 8;

/// Kinds of record keys.
pub(super) mod key {
    pub(crate) const ANY: u32 = 0;
    pub(crate) const LITERAL: u32 = 1;
    pub(crate) const NSID: u32 = 2;
    pub(crate) const TID: u32 = 3;
}

/// The position of the kind of method in a method node's flags.
pub(super) const METHOD_SHIFT: u32 = 8;

/// Kinds of methods.
pub(super) mod method {
    pub(crate) const QUERY: u32 = 0;
    pub(crate) const PROCEDURE: u32 = 1;
    pub(crate) const SUBSCRIPTION: u32 = 2;
}

/// Compares two keys in DAG-CBOR order.
#[inline]
pub(super) fn order(left: &[u8], right: &[u8]) -> Ordering {
    let lengths = left.len().cmp(&right.len());
    if lengths.is_eq() && !are_alike(left, right) { left.cmp(right) } else { lengths }
}

/// Compares two texts of the same length. Two loads that may overlap cover nearly all keys.
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
