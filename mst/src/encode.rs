//! Writes the blocks of nodes.
//!
//! Specification: <https://atproto.com/specs/repository#mst-structure>

use alloc::vec::Vec;

use crate::digest::Digest;
use crate::key::common_prefix;
use crate::node::{BYTES, LINK, MAP_E, NULL, UINT, field};

/// Collects the entries of one node and closes them into its block.
#[derive(Debug, Default)]
pub(crate) struct NodeEncoder {
    body: Vec<u8>,
    count: usize,
    last_key: Vec<u8>,
}

impl NodeEncoder {
    /// Appends an entry. Keys must ascend.
    pub(crate) fn push(&mut self, key: &[u8], value: Digest, right: Option<Digest>) {
        let prefix = common_prefix(&self.last_key, key);
        let suffix = &key[prefix..];
        let body = &mut self.body;
        body.push(0xa4);
        body.extend_from_slice(&field::K);
        write_head(body, BYTES, suffix.len());
        body.extend_from_slice(suffix);
        body.extend_from_slice(&field::P);
        write_head(body, UINT, prefix);
        body.extend_from_slice(&field::T);
        write_link(body, right);
        body.extend_from_slice(&field::V);
        write_link(body, Some(value));
        self.count += 1;
        self.last_key.truncate(prefix);
        self.last_key.extend_from_slice(suffix);
    }

    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Returns the block and is empty again.
    pub(crate) fn finish(&mut self, left: Option<Digest>) -> Vec<u8> {
        let mut block = Vec::with_capacity(self.body.len() + 56);
        block.extend_from_slice(&MAP_E);
        write_head(&mut block, crate::node::ARRAY, self.count);
        block.append(&mut self.body);
        block.extend_from_slice(&field::L);
        write_link(&mut block, left);
        self.count = 0;
        self.last_key.clear();
        block
    }
}

fn write_link(out: &mut Vec<u8>, link: Option<Digest>) {
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
