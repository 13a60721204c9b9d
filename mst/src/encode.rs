//! Encodes nodes.
//!
//! Specification: <https://atproto.com/specs/repository#mst-structure>

use alloc::vec::Vec;

use nacre_cbor::{Digest, Major, write_array, write_bytes, write_digest, write_len, write_null};

use crate::node::{ENTRY_K, LINK_BYTES, MAP_E, field};

/// Writes the start of a node, up to its entries.
pub(crate) fn write_start(out: &mut Vec<u8>, count: usize) {
    out.extend_from_slice(&MAP_E);
    write_array(out, count);
}

/// Writes an entry whose key shares the first `shared` bytes with the key before it in the node.
pub(crate) fn write_entry(
    out: &mut Vec<u8>,
    shared: usize,
    key: &[u8],
    right: Option<Digest>,
    value: Digest,
) {
    let suffix = key.get(shared..).unwrap_or_default();
    // Reserves once for the whole entry.
    out.reserve(suffix.len() + ENTRY_BYTES);
    out.extend_from_slice(&ENTRY_K);
    write_bytes(out, suffix);
    out.extend_from_slice(&field::P);
    write_len(out, Major::Unsigned, shared);
    out.extend_from_slice(&field::T);
    write_link(out, right);
    out.extend_from_slice(&field::V);
    write_link(out, Some(value));
}

/// Adds a right link to the last written entry, which has none.
pub(crate) fn link_right(out: &mut Vec<u8>, right: Digest) {
    let value = *out.last_chunk::<LINK_BYTES>().expect("an entry ends in the link to its record");
    out.truncate(out.len() - LINK_BYTES - field::V.len() - 1);
    write_link(out, Some(right));
    out.extend_from_slice(&field::V);
    out.extend_from_slice(&value);
}

/// Writes the end of a node, after its entries.
pub(crate) fn write_end(out: &mut Vec<u8>, left: Option<Digest>) {
    out.extend_from_slice(&field::L);
    write_link(out, left);
}

#[inline]
pub(crate) fn write_link(out: &mut Vec<u8>, link: Option<Digest>) {
    match link {
        Some(digest) => write_digest(out, &digest),
        None => write_null(out),
    }
}

/// The most bytes of an entry besides the suffix of its key.
const ENTRY_BYTES: usize = 2 * LINK_BYTES + 20;
