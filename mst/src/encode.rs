//! Writes the blocks of nodes.
//!
//! Specification: <https://atproto.com/specs/repository#mst-structure>

use alloc::vec::Vec;

use crate::digest::Digest;
use crate::node::{ARRAY, BYTES, ENTRY_K, LINK, LINK_BYTES, MAP_E, NULL, UINT, field};

/// Writes all of a node before its entries.
pub(crate) fn write_start(out: &mut Vec<u8>, count: usize) {
    out.extend_from_slice(&MAP_E);
    write_head(out, ARRAY, count);
}

/// Writes an entry whose key begins with the first `shared` bytes of the key before it in its node.
pub(crate) fn write_entry(
    out: &mut Vec<u8>,
    shared: usize,
    key: &[u8],
    right: Option<Digest>,
    value: Digest,
) {
    let suffix = key.get(shared..).unwrap_or_default();
    // Once for all of it, so that no part has to be put off until there is more memory.
    out.reserve(suffix.len() + ENTRY_BYTES);
    out.extend_from_slice(&ENTRY_K);
    write_head(out, BYTES, suffix.len());
    out.extend_from_slice(suffix);
    out.extend_from_slice(&field::P);
    write_head(out, UINT, shared);
    out.extend_from_slice(&field::T);
    write_link(out, right);
    out.extend_from_slice(&field::V);
    write_link(out, Some(value));
}

/// Gives the last entry that was written, which has no link to the right, this one.
pub(crate) fn link_right(out: &mut Vec<u8>, right: Digest) {
    let value = *out.last_chunk::<LINK_BYTES>().expect("an entry ends in the link to its record");
    out.truncate(out.len() - LINK_BYTES - field::V.len() - 1);
    write_link(out, Some(right));
    out.extend_from_slice(&field::V);
    out.extend_from_slice(&value);
}

/// Writes all of a node after its entries.
pub(crate) fn write_end(out: &mut Vec<u8>, left: Option<Digest>) {
    out.extend_from_slice(&field::L);
    write_link(out, left);
}

#[inline]
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
#[inline]
fn write_head(out: &mut Vec<u8>, major: u8, value: usize) {
    match u8::try_from(value) {
        Ok(value @ 0..24) => out.push(major | value),
        Ok(value) => out.extend_from_slice(&[major | 24, value]),
        Err(_) => write_long_head(out, major, value),
    }
}

#[cold]
fn write_long_head(out: &mut Vec<u8>, major: u8, value: usize) {
    let value = u16::try_from(value).expect("key lengths and entry counts are below 2^16");
    let [high, low] = value.to_be_bytes();
    out.extend_from_slice(&[major | 25, high, low]);
}

/// The most that an entry takes beside the rest of its key.
const ENTRY_BYTES: usize = 2 * LINK_BYTES + 20;
