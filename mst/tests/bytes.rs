//! Untrusted bytes: only the canonical form of a node is read, and damaged trees are rejected.
#![allow(clippy::std_instead_of_alloc, clippy::std_instead_of_core, clippy::unwrap_used)]

mod support;

use std::collections::BTreeMap;

use cid::Cid;
use nacre_mst::{
    Entries as TreeEntries, NodeRef, ReverseEntries, Tree, covering_proof, diff, verify,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use support::{entries, key, record, twin, value};

proptest! {
    #[test]
    fn nodes_are_read_only_in_canonical_form(
        entries in entries(12),
        at: Index,
        byte: u8,
        cut in proptest::option::of(any::<Index>()),
    ) {
        let (root, blocks) = twin(&entries);
        let mut block = blocks[&root].clone();
        let at = at.index(block.len());
        block[at] = byte;
        block.truncate(cut.map_or(block.len(), |cut| cut.index(block.len())));
        if let Ok(node) = NodeRef::parse(&block) {
            prop_assert_eq!(rewrite(&node), block);
        }
    }

    #[test]
    fn arbitrary_bytes_do_not_panic(bytes in vec(any::<u8>(), 0..300), plausible: bool) {
        let mut block = if plausible { vec![0xa2, 0x61, b'e'] } else { Vec::new() };
        block.extend(bytes);
        if let Ok(node) = NodeRef::parse(&block) {
            prop_assert_eq!(rewrite(&node), block);
        }
    }

    #[test]
    fn tree_with_a_damaged_node_is_rejected(
        entries in proptest::collection::btree_map(key(), value(), 1..60),
        which: Index,
        at: Index,
        flip in 1..=255_u8,
        key in key(),
    ) {
        let (root, mut blocks) = twin(&entries);
        let sound = blocks.clone();
        let cid = *blocks.keys().nth(which.index(blocks.len())).unwrap();
        let block = blocks.get_mut(&cid).unwrap();
        let at = at.index(block.len());
        block[at] ^= flip;
        let tree = Tree::load(root).unwrap();
        prop_assert!(verify(&blocks, tree).is_err());
        // The results do not matter, only that nothing panics.
        let _ = TreeEntries::new(&blocks, tree).count();
        let _ = ReverseEntries::new(&blocks, tree).count();
        let _ = covering_proof(&blocks, root, [&key]);
        let _ = tree.needs(&blocks, [&key]);
        let _ = tree.get(&blocks, &key);
        let _ = tree.insert(&blocks, &key, record(0));
        let _ = tree.remove(&blocks, &key);
        let _ = diff((&blocks, tree), (&sound, tree)).count();
        let _ = diff((&blocks, tree), (&sound, Tree::EMPTY)).count();
    }
}

fn rewrite(node: &NodeRef<'_>) -> Vec<u8> {
    let mut key = Vec::new();
    let mut list: Vec<(String, Cid, Option<Cid>)> = Vec::new();
    for entry in node.entries() {
        entry.extend_key(&mut key);
        list.push((String::from_utf8(key.clone()).unwrap(), entry.value(), entry.right()));
    }
    assert_eq!(list.len(), node.len());
    let keys: BTreeMap<_, _> = list.iter().map(|(key, ..)| (key, ())).collect();
    assert_eq!(keys.len(), list.len());
    let list: Vec<_> =
        list.iter().map(|(key, value, right)| (key.as_str(), *value, *right)).collect();
    support::node(node.left(), &list)
}
