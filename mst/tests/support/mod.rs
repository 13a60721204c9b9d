//! Test support: keys of every height, records, and a naive reference tree.
#![allow(dead_code, missing_docs, unreachable_pub)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::LazyLock;

use cid::Cid;
use cid::multihash::Multihash;
use ipld_core::ipld::Ipld;
use nacre_mst::{Changes, Edit, Tree, key_height};
use proptest::prelude::*;
use proptest::sample::Index;
use sha2::{Digest, Sha256};

pub type Blocks = BTreeMap<Cid, Vec<u8>>;
pub type Entries = BTreeMap<String, Cid>;
/// Records to set or remove.
pub type Writes = BTreeMap<String, Option<Cid>>;

/// Some keys of each height up to 7, so that trees of a few keys are high and sparse.
pub static KEYS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut by_height = [const { Vec::new() }; 8];
    for number in 0..40_000_u32 {
        // Scattered, so that keys of similar height are not neighbours.
        let key = format!("a.b.c{}/{:08x}", number % 3, number.wrapping_mul(0x9e37_79b1));
        let height = usize::try_from(key_height(key.as_bytes())).unwrap().min(7);
        if by_height[height].len() < 14 {
            by_height[height].push(key);
        }
    }
    by_height.concat()
});

pub fn cid_of(block: &[u8]) -> Cid {
    Cid::new_v1(0x71, Multihash::wrap(0x12, &Sha256::digest(block)).unwrap())
}

pub fn record(number: u8) -> Cid {
    cid_of(&[number])
}

pub fn key() -> impl Strategy<Value = String> {
    any::<Index>().prop_map(|index| index.get(&KEYS).clone())
}

pub fn value() -> impl Strategy<Value = Cid> {
    any::<u8>().prop_map(record)
}

pub fn entries(size: usize) -> impl Strategy<Value = Entries> {
    proptest::collection::btree_map(key(), value(), 0..size)
}

pub fn writes(size: usize) -> impl Strategy<Value = Writes> {
    proptest::collection::btree_map(key(), proptest::option::of(value()), 1..size)
}

/// Builds the root and blocks of the tree of these entries, directly by the definition.
pub fn twin(entries: &Entries) -> (Cid, Blocks) {
    let mut blocks = Blocks::new();
    let list: Vec<TwinEntry<'_>> = entries
        .iter()
        .map(|(key, value)| (key.as_str(), *value, key_height(key.as_bytes())))
        .collect();
    let level = list.iter().map(|(.., height)| *height).max().unwrap_or(0);
    let root = twin_node(&list, level, &mut blocks);
    (root, blocks)
}

/// Builds the tree of these entries by edits of the empty tree.
pub fn tree_of(entries: &Entries) -> (Tree, Blocks) {
    let writes: Writes = entries.iter().map(|(key, value)| (key.clone(), Some(*value))).collect();
    let mut blocks = Blocks::new();
    let changes = Tree::EMPTY.apply(&blocks, &edits(&writes)).unwrap();
    store(&mut blocks, &changes);
    (changes.tree, blocks)
}

pub fn edits(writes: &Writes) -> Vec<Edit<'_>> {
    writes.iter().map(|(key, value)| Edit { key, value: *value }).collect()
}

/// Applies writes to entries and returns the previous records.
pub fn write(entries: &mut Entries, writes: &Writes) -> Vec<Option<Cid>> {
    let write = |(key, value): (&String, &Option<Cid>)| match value {
        Some(value) => entries.insert(key.clone(), *value),
        None => entries.remove(key),
    };
    writes.iter().map(write).collect()
}

/// Applies changes to a store and checks that they are complete and minimal.
pub fn store(blocks: &mut Blocks, changes: &Changes) {
    for cid in changes.retired() {
        let stored = blocks.remove(&cid).is_some();
        assert!(stored || cid == Tree::EMPTY.root(), "a retired block was in the store");
    }
    for (cid, block) in changes.new_blocks() {
        assert_eq!(cid, cid_of(block));
        assert!(blocks.insert(cid, block.to_vec()).is_none(), "a new block was not in the store");
    }
}

type TwinEntry<'a> = (&'a str, Cid, u32);

fn twin_node(entries: &[TwinEntry<'_>], level: u32, blocks: &mut Blocks) -> Cid {
    let mut parts = entries.split(|(.., height)| *height == level);
    let mut subtree =
        |part: &[TwinEntry<'_>]| (!part.is_empty()).then(|| twin_node(part, level - 1, blocks));
    let left = subtree(parts.next().unwrap());
    let own = entries.iter().filter(|(.., height)| *height == level).zip(parts);
    let own: Vec<_> = own.map(|((key, value, _), part)| (*key, *value, subtree(part))).collect();
    put(blocks, &node(left, &own))
}

/// Encodes a node with correct compression and arbitrary, perhaps invalid, content.
pub fn node(left: Option<Cid>, entries: &[(&str, Cid, Option<Cid>)]) -> Vec<u8> {
    let mut last = "";
    let mut list = Vec::new();
    for (key, value, right) in entries {
        let prefix = key.bytes().zip(last.bytes()).take_while(|(a, b)| a == b).count();
        list.push(entry(prefix, &key.as_bytes()[prefix..], *value, *right));
        last = key;
    }
    raw_node(left, list)
}

pub fn entry(prefix: usize, suffix: &[u8], value: Cid, right: Option<Cid>) -> Ipld {
    map([
        ("k", Ipld::Bytes(suffix.to_vec())),
        ("p", Ipld::Integer(i128::try_from(prefix).unwrap())),
        ("t", link(right)),
        ("v", Ipld::Link(value)),
    ])
}

pub fn raw_node(left: Option<Cid>, entries: Vec<Ipld>) -> Vec<u8> {
    serde_ipld_dagcbor::to_vec(&map([("e", Ipld::List(entries)), ("l", link(left))])).unwrap()
}

pub fn put(blocks: &mut Blocks, block: &[u8]) -> Cid {
    let cid = cid_of(block);
    blocks.insert(cid, block.to_vec());
    cid
}

/// Returns a folder of the interoperability suite, or `None` if it is absent outside of CI.
pub fn interop(folder: &str) -> Option<PathBuf> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/interop");
    let root = std::env::var_os("NACRE_INTEROP").map_or_else(beside, PathBuf::from);
    let path = root.join(folder);
    if path.is_dir() {
        return Some(path);
    }
    assert!(std::env::var_os("CI").is_none(), "{} is absent", path.display());
    println!("{} is absent", path.display());
    None
}

fn map<const N: usize>(fields: [(&str, Ipld); N]) -> Ipld {
    Ipld::Map(fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

fn link(cid: Option<Cid>) -> Ipld {
    cid.map_or(Ipld::Null, Ipld::Link)
}
