//! What the targets share: input taken apart, keys, nodes, and another reader of DAG-CBOR.
#![allow(dead_code, reason = "each target is a program of its own and uses a part")]

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::LazyLock;

use cid::Cid;
use cid::multihash::Multihash;
use ipld_core::ipld::Ipld;
use nacre_mst::{Tree, build, key_height};
use serde_ipld_dagcbor::DecodeError;
use sha2::{Digest, Sha256};

pub type Blocks = BTreeMap<Cid, Vec<u8>>;
pub type Entries = BTreeMap<String, Cid>;

/// Some keys of each height, up to fourteen, so that trees of a few keys are high and full of gaps.
pub static KEYS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut by_height = [const { Vec::new() }; 8];
    for number in 0..40_000_u32 {
        let key = format!("org.example.c{}/{:08x}", number % 3, number.wrapping_mul(0x9e37_79b1));
        let height = usize::try_from(key_height(key.as_bytes())).unwrap().min(7);
        if by_height[height].len() < 14 {
            by_height[height].push(key);
        }
    }
    by_height.concat()
});

/// The bytes of one run, taken from the front. At the end there are zeros.
pub struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    pub fn byte(&mut self) -> u8 {
        let Some((byte, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *byte
    }

    pub fn number(&mut self) -> usize {
        usize::from(u16::from_be_bytes([self.byte(), self.byte()]))
    }

    pub fn key(&mut self) -> &'static str {
        &KEYS[usize::from(self.byte()) % KEYS.len()]
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

pub fn cid_of(block: &[u8]) -> Cid {
    Cid::new_v1(0x71, Multihash::wrap(0x12, &Sha256::digest(block)).unwrap())
}

/// Returns one of 256 records.
pub fn record(number: u8) -> Cid {
    cid_of(&[number])
}

/// Returns the tree of these entries, made from the left to the right, and its blocks in
/// post-order.
pub fn built(entries: &Entries) -> (Tree, Vec<(Cid, Vec<u8>)>) {
    let mut blocks = Vec::new();
    let entries = entries.iter().map(|(key, value)| (key, *value));
    let tree = build(entries, |cid, block| {
        blocks.push((cid, block.to_vec()));
        Ok::<_, Infallible>(())
    });
    (tree.unwrap(), blocks)
}

/// Returns the block of a node, right or wrong. `slack` is by how much the prefixes are too short.
pub fn node(left: Option<Cid>, entries: &[(&str, Cid, Option<Cid>)], slack: usize) -> Vec<u8> {
    let mut last = "";
    let mut list = Vec::new();
    for (key, value, right) in entries {
        let prefix = key.bytes().zip(last.bytes()).take_while(|(a, b)| a == b).count();
        let prefix = prefix.saturating_sub(slack);
        list.push(map([
            ("k", Ipld::Bytes(key.as_bytes()[prefix..].to_vec())),
            ("p", Ipld::Integer(i128::try_from(prefix).unwrap())),
            ("t", link(*right)),
            ("v", Ipld::Link(*value)),
        ]));
        last = key;
    }
    let node = map([("e", Ipld::List(list)), ("l", link(left))]);
    serde_ipld_dagcbor::to_vec(&node).unwrap()
}

/// Reads flags, the number of entries, and the subtrees and entries in turn: 0 for no subtree, else
/// the number of a node; a key; a record.
pub fn read_node(input: &mut Input<'_>, list: &[(Cid, Vec<u8>)]) -> Vec<u8> {
    let subtree = |input: &mut Input<'_>| {
        let number = usize::from(input.byte()).checked_sub(1)?;
        Some(list.get(number).map_or_else(|| record(0), |(cid, _)| *cid))
    };
    let flags = input.byte();
    let count = input.byte() % 32;
    let left = subtree(input);
    let entry = |input: &mut Input<'_>| (input.key(), record(input.byte()), subtree(input));
    let mut entries: Vec<_> = (0..count).map(|_| entry(input)).collect();
    if flags & 1 == 0 {
        entries.sort_unstable();
        entries.dedup_by_key(|(key, ..)| *key);
    }
    node(left, &entries, usize::from(flags >> 6))
}

/// Fails unless another codec reads these bytes and writes them again as they are, or finds them
/// too deep.
pub fn assert_canonical(bytes: &[u8]) {
    match serde_ipld_dagcbor::from_slice::<Ipld>(bytes) {
        Ok(value) => assert_eq!(serde_ipld_dagcbor::to_vec(&value).unwrap(), bytes),
        Err(DecodeError::DepthOverflow { .. }) => {}
        Err(error) => panic!("another codec does not read it: {error}"),
    }
}

/// Returns what another parser makes of JSON, or `None` if it finds it too deep. It allows for 127
/// levels, of which a link or bytes take one more than in DAG-CBOR.
pub fn parse_json(text: &str) -> Option<serde_json::Value> {
    match serde_json::from_str(text) {
        Ok(value) => Some(value),
        Err(error) if error.to_string().starts_with("recursion limit") => None,
        Err(error) => panic!("another parser does not read it: {error}"),
    }
}

fn map<const N: usize>(fields: [(&str, Ipld); N]) -> Ipld {
    Ipld::Map(fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

fn link(cid: Option<Cid>) -> Ipld {
    cid.map_or(Ipld::Null, Ipld::Link)
}
