//! Appends items to a buffer, with heads in their shortest form.
//!
//! The caller writes as many members as it announced, and keys in canonical order.

use alloc::vec::Vec;

use cid::Cid;

use crate::link::ITEM_START;
use crate::{Digest, FALSE, LINK_START, Link, Major, NULL, TRUE, split_cid};

/// Appends a head.
#[inline(always)]
pub fn write_head(out: &mut Vec<u8>, major: Major, argument: u64) {
    match u8::try_from(argument) {
        Ok(argument @ 0..24) => out.push(major.bits() | argument),
        Ok(argument) => out.extend_from_slice(&[major.bits() | 24, argument]),
        Err(_) => write_long_head(out, major.bits(), argument),
    }
}

/// Appends the head of an item with this length or number of members.
///
/// # Panics
///
/// Never: a length in memory fits into 64 bits.
#[inline(always)]
pub fn write_len(out: &mut Vec<u8>, major: Major, len: usize) {
    write_head(out, major, u64::try_from(len).expect("a length in memory fits into 64 bits"));
}

/// Returns the length of a head with this argument, from 1 to 9.
#[inline]
#[must_use]
pub const fn head_len(argument: u64) -> usize {
    match argument {
        0..24 => 1,
        24..0x100 => 2,
        0x100..0x1_0000 => 3,
        0x1_0000..0x1_0000_0000 => 5,
        _ => 9,
    }
}

/// Appends the head of an array of this many items.
#[inline]
pub fn write_array(out: &mut Vec<u8>, items: usize) {
    write_len(out, Major::Array, items);
}

/// Appends the head of a map of this many entries.
#[inline]
pub fn write_map(out: &mut Vec<u8>, entries: usize) {
    write_len(out, Major::Map, entries);
}

/// Appends a byte string.
#[inline]
pub fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    write_len(out, Major::Bytes, bytes.len());
    out.extend_from_slice(bytes);
}

/// Appends text.
#[inline]
pub fn write_text(out: &mut Vec<u8>, text: &str) {
    write_len(out, Major::Text, text.len());
    out.extend_from_slice(text.as_bytes());
}

/// Appends text that is known at compile time, such as a key. If it is shorter than 24 bytes, the
/// compiler turns head and text into one store.
#[inline(always)]
pub fn write_key(out: &mut Vec<u8>, key: &str) {
    let mut item = [0; 24];
    match (u8::try_from(key.len()), item.get_mut(..=key.len())) {
        (Ok(len), Some([head, rest @ ..])) => {
            *head = Major::Text.bits() | len;
            rest.copy_from_slice(key.as_bytes());
            out.extend_from_slice(&item[..=key.len()]);
        }
        _ => write_text(out, key),
    }
}

/// Appends an integer.
#[inline]
pub fn write_integer(out: &mut Vec<u8>, value: i64) {
    match u64::try_from(value) {
        Ok(value) => write_head(out, Major::Unsigned, value),
        // CBOR counts negative numbers from -1 downwards.
        Err(_) => write_head(out, Major::Negative, value.unsigned_abs() - 1),
    }
}

/// Appends `false` or `true`.
#[inline]
pub fn write_bool(out: &mut Vec<u8>, value: bool) {
    out.push(if value { TRUE } else { FALSE });
}

/// Appends `null`.
#[inline]
pub fn write_null(out: &mut Vec<u8>) {
    out.push(NULL);
}

/// Appends a link.
#[inline]
pub fn write_link(out: &mut Vec<u8>, link: &Link) {
    out.extend_from_slice(&link.to_item());
}

/// Appends a link to a DAG-CBOR block.
#[inline]
pub fn write_digest(out: &mut Vec<u8>, digest: &Digest) {
    out.extend_from_slice(&LINK_START);
    out.extend_from_slice(&digest.0);
}

/// Appends a link to any CID. [`Reader::link`](crate::Reader::link) rejects those that a [`Link`]
/// may not have.
pub fn write_cid(out: &mut Vec<u8>, cid: &Cid) {
    match split_cid(cid) {
        Some((start, digest)) => {
            out.extend_from_slice(&ITEM_START);
            out.extend_from_slice(start);
            out.extend_from_slice(digest);
        }
        None => write_other_cid(out, cid),
    }
}

#[cold]
fn write_other_cid(out: &mut Vec<u8>, cid: &Cid) {
    let cid = cid.to_bytes();
    let [tag @ .., _, _, multibase] = ITEM_START;
    out.extend_from_slice(&tag);
    write_len(out, Major::Bytes, 1 + cid.len());
    out.push(multibase);
    out.extend_from_slice(&cid);
}

/// Appends a head of more than two bytes.
fn write_long_head(out: &mut Vec<u8>, bits: u8, argument: u64) {
    let [.., e, f, g, h] = argument.to_be_bytes();
    match argument {
        0..0x1_0000 => out.extend_from_slice(&[bits | 25, g, h]),
        0x1_0000..0x1_0000_0000 => out.extend_from_slice(&[bits | 26, e, f, g, h]),
        _ => {
            out.push(bits | 27);
            out.extend_from_slice(&argument.to_be_bytes());
        }
    }
}
