//! Writes the blocks of nodes.
//!
//! Specification: <https://atproto.com/specs/repository#mst-structure>

use alloc::vec::Vec;

use crate::digest::Digest;
use crate::key::common_prefix;
use crate::node::{ARRAY, BYTES, ENTRY_K, LINK, MAP_E, NULL, UINT, field};

/// Writes all of a node before its entries.
pub(crate) fn write_start(out: &mut Vec<u8>, count: usize) {
    out.extend_from_slice(&MAP_E);
    write_head(out, ARRAY, count);
}

/// Writes the first part of an entry that follows the one with `last_key` in its node, or with no
/// bytes the first. [`write_links`] ends it.
pub(crate) fn write_key(out: &mut Vec<u8>, last_key: &[u8], key: &[u8]) {
    let prefix = common_prefix(last_key, key);
    let suffix = key.get(prefix..).unwrap_or_default();
    out.extend_from_slice(&ENTRY_K);
    write_head(out, BYTES, suffix.len());
    out.extend_from_slice(suffix);
    out.extend_from_slice(&field::P);
    write_head(out, UINT, prefix);
    out.extend_from_slice(&field::T);
}

/// Writes the second part of an entry.
pub(crate) fn write_links(out: &mut Vec<u8>, right: Option<Digest>, value: Digest) {
    write_link(out, right);
    out.extend_from_slice(&field::V);
    write_link(out, Some(value));
}

/// Writes all of a node after its entries.
pub(crate) fn write_end(out: &mut Vec<u8>, left: Option<Digest>) {
    out.extend_from_slice(&field::L);
    write_link(out, left);
}

pub(crate) fn write_link(out: &mut Vec<u8>, link: Option<Digest>) {
    match link {
        Some(digest) => {
            out.extend_from_slice(&LINK);
            out.extend_from_slice(&digest.0);
        }
        None => out.push(NULL),
    }
}

/// Writes a CBOR head in its shortest form. Lengths in a node fit 16 bits, by its limits.
fn write_head(out: &mut Vec<u8>, major: u8, value: usize) {
    let value = u16::try_from(value).expect("key lengths and entry counts are below 2^16");
    let [high, low] = value.to_be_bytes();
    match (high, low) {
        (0, 0..=23) => out.push(major | low),
        (0, _) => out.extend_from_slice(&[major | 24, low]),
        _ => out.extend_from_slice(&[major | 25, high, low]),
    }
}
