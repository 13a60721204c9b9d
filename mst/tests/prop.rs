//! The tree against a twin that is made anew from its entries each time.
#![allow(clippy::std_instead_of_alloc, clippy::std_instead_of_core, clippy::unwrap_used)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::ops::Bound;

use cid::Cid;
use nacre_mst::{
    Builder, Changes, Entries as TreeEntries, NodeRef, Tree, TreeError, Visit, Walk, build,
    covering_proof, verify,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, subsequence};
use support::{Blocks, Entries, KEYS, cid_of, record, twin};

/// One thing that happens to a tree.
#[derive(Clone, Debug)]
enum Act {
    Flush,
    Get(String),
    Insert(String, Cid),
    Reload,
    Remove(String),
}

fn key() -> impl Strategy<Value = String> {
    any::<Index>().prop_map(|index| index.get(&KEYS).clone())
}

fn value() -> impl Strategy<Value = Cid> {
    any::<u8>().prop_map(record)
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        2 => Just(Act::Flush),
        2 => key().prop_map(Act::Get),
        6 => (key(), value()).prop_map(|(key, value)| Act::Insert(key, value)),
        2 => Just(Act::Reload),
        5 => key().prop_map(Act::Remove),
    ]
}

fn entries(size: usize) -> impl Strategy<Value = Entries> {
    proptest::collection::btree_map(key(), value(), 0..size)
}

/// Does to a store what a flush says, and checks that it said neither too much nor too little.
fn apply(blocks: &mut Blocks, changes: Changes) {
    for cid in &changes.retired {
        assert!(blocks.remove(cid).is_some(), "a retired block was in the store");
    }
    for (cid, block) in changes.new_blocks {
        assert_eq!(cid, cid_of(&block));
        assert!(blocks.insert(cid, block).is_none(), "a new block was not in the store");
    }
}

fn tree_of(entries: &Entries) -> (Cid, Blocks) {
    let mut blocks = Blocks::new();
    let mut tree = Tree::new();
    for (key, value) in entries {
        tree.insert(&blocks, key, *value).unwrap();
    }
    let changes = tree.flush();
    let root = changes.root;
    apply(&mut blocks, changes);
    (root, blocks)
}

proptest! {
    #[test]
    fn every_history_ends_in_the_tree_of_its_entries(acts in vec(act(), 0..120)) {
        let mut blocks = Blocks::new();
        let mut tree = Tree::new();
        let mut entries = Entries::new();
        for act in acts.into_iter().chain([Act::Flush]) {
            match act {
                Act::Get(key) => {
                    prop_assert_eq!(tree.get(&blocks, &key).unwrap(), entries.get(&key).copied());
                }
                Act::Insert(key, value) => {
                    let previous = tree.insert(&blocks, &key, value).unwrap();
                    prop_assert_eq!(previous, entries.insert(key, value));
                }
                Act::Remove(key) => {
                    prop_assert_eq!(tree.remove(&blocks, &key).unwrap(), entries.remove(&key));
                }
                Act::Flush | Act::Reload => {
                    let changes = tree.flush();
                    let root = changes.root;
                    apply(&mut blocks, changes);
                    let (twin_root, twin_blocks) = twin(&entries);
                    prop_assert_eq!(root, twin_root);
                    prop_assert_eq!(&blocks, &twin_blocks);
                    if matches!(act, Act::Reload) {
                        tree = Tree::load(root).unwrap();
                    }
                }
            }
        }
    }

    #[test]
    fn insert_then_remove_restores_the_root(entries in entries(60), extra in key(), flush: bool) {
        prop_assume!(!entries.contains_key(&extra));
        let (root, mut blocks) = tree_of(&entries);
        let before = blocks.clone();
        let mut tree = Tree::load(root).unwrap();
        tree.insert(&blocks, &extra, record(1)).unwrap();
        if flush {
            apply(&mut blocks, tree.flush());
        }
        tree.remove(&blocks, &extra).unwrap();
        let changes = tree.flush();
        prop_assert_eq!(changes.root, root);
        if !flush {
            prop_assert_eq!((changes.new_blocks.len(), changes.retired.len()), (0, 0));
            return Ok(());
        }
        apply(&mut blocks, changes);
        prop_assert_eq!(blocks, before);
    }

    #[test]
    fn building_from_sorted_entries_gives_the_same_tree(entries in entries(100)) {
        let mut blocks = Blocks::new();
        let root = build(entries.clone(), |cid, block| {
            assert!(blocks.insert(cid, block).is_none(), "each node is written once");
            Ok::<_, Infallible>(())
        });
        prop_assert_eq!((root.unwrap(), blocks), twin(&entries));
    }

    #[test]
    fn new_blocks_come_in_the_order_of_a_walk(entries in entries(60)) {
        let mut tree = Tree::new();
        for (key, value) in &entries {
            tree.insert(&Blocks::new(), key, *value).unwrap();
        }
        let changes = tree.flush();
        let blocks: Blocks = changes.new_blocks.iter().cloned().collect();
        let mut walk = Walk::new(&blocks, changes.root).unwrap();
        let mut seen = Vec::new();
        while let Some(visit) = walk.step() {
            if let Visit::Node { cid, bytes, .. } = visit.unwrap() {
                seen.push((cid, bytes.to_vec()));
            }
        }
        prop_assert_eq!(seen, changes.new_blocks);
    }

    #[test]
    fn a_walk_visits_a_node_then_its_parts_from_left_to_right(entries in entries(60)) {
        let (root, blocks) = twin(&entries);
        let mut walk = Walk::new(&blocks, root).unwrap();
        let mut visited = Vec::new();
        while let Some(visit) = walk.step() {
            visited.push(match visit.unwrap() {
                Visit::Node { cid, .. } => cid.to_string(),
                Visit::Entry { key, value } => format!("{key} {value}"),
            });
        }
        let mut expected = Vec::new();
        visit_twin(&blocks, root, &mut expected);
        prop_assert_eq!(visited, expected);
        let count = u64::try_from(entries.len()).unwrap();
        prop_assert_eq!(verify(&blocks, root).unwrap(), count);
    }

    #[test]
    fn entries_come_in_order_from_any_key(
        entries in entries(80),
        from in key(),
        cut in 0_usize..16,
    ) {
        let (root, blocks) = twin(&entries);
        let from = &from[..cut.min(from.len())];
        let tree = || TreeEntries::new(&blocks, root).unwrap();
        let all = entries.iter().map(|(key, value)| (key.clone(), *value));
        let found: Vec<_> = tree().map(Result::unwrap).collect();
        prop_assert_eq!(found, all.clone().collect::<Vec<_>>());
        let found: Vec<_> = tree().starting_at(from).map(Result::unwrap).collect();
        let range = (Bound::Included(from), Bound::Unbounded);
        let expected = entries.range::<str, _>(range).map(|(key, value)| (key.clone(), *value));
        prop_assert_eq!(found, expected.collect::<Vec<_>>());
        let found: Vec<_> = tree().with_prefix(from).map(Result::unwrap).collect();
        prop_assert_eq!(found, all.filter(|(key, _)| key.starts_with(from)).collect::<Vec<_>>());
    }

    #[test]
    fn a_proof_shows_what_is_there_and_what_is_not(
        entries in entries(80),
        keys in vec(key(), 1..4),
    ) {
        let (root, blocks) = twin(&entries);
        let proof = covering_proof(&blocks, root, &keys).unwrap();
        prop_assert_eq!(proof[0].0, root);
        let proof_blocks: Blocks = proof.iter().cloned().collect();
        prop_assert_eq!(proof_blocks.len(), proof.len(), "each node comes once");
        let tree = Tree::load(root).unwrap();
        for key in &keys {
            prop_assert_eq!(tree.get(&proof_blocks, key).unwrap(), entries.get(key).copied());
        }
    }

    #[test]
    fn with_its_proof_a_batch_is_undone_in_any_order(
        entries in entries(80),
        writes in proptest::collection::btree_map(key(), proptest::option::of(value()), 1..12),
        order in vec(any::<u64>(), 12),
    ) {
        let (before, blocks) = twin(&entries);
        let mut after = entries.clone();
        let mut tree = Tree::load(before).unwrap();
        for (key, value) in &writes {
            match value {
                Some(value) => tree.insert(&blocks, key, *value).unwrap(),
                None => tree.remove(&blocks, key).unwrap(),
            };
            match value {
                Some(value) => after.insert(key.clone(), *value),
                None => after.remove(key),
            };
        }
        let (root, blocks) = twin(&after);
        prop_assert_eq!(tree.flush().root, root);

        let proof = covering_proof(&blocks, root, writes.keys()).unwrap();
        let proof: Blocks = proof.into_iter().collect();
        let mut undone: Vec<_> = writes.keys().zip(order).collect();
        undone.sort_by_key(|(_, order)| *order);
        let mut tree = Tree::load(root).unwrap();
        for (key, _) in undone {
            match entries.get(key) {
                Some(value) => tree.insert(&proof, key, *value).unwrap(),
                None => tree.remove(&proof, key).unwrap(),
            };
        }
        prop_assert_eq!(tree.flush().root, before);
    }

    #[test]
    fn an_operation_that_fails_changes_nothing(
        entries in entries(60),
        held in vec(any::<bool>(), 200),
        acts in vec((key(), proptest::option::of(value())), 1..20),
    ) {
        let (root, blocks) = twin(&entries);
        let mut some: Blocks = blocks.clone();
        let mut held = held.into_iter().cycle();
        some.retain(|_, _| held.next().unwrap());
        let mut tree = Tree::load(root).unwrap();
        let mut expected = entries;
        let mut expected_root = root;
        for (key, value) in acts {
            // Repeated with what it asked for until it goes through.
            loop {
                let done = match value {
                    Some(value) => tree.insert(&some, &key, value),
                    None => tree.remove(&some, &key),
                };
                let Err(TreeError::Missing(cid)) = done else { break };
                prop_assert_eq!(tree.clone().flush().root, expected_root);
                some.insert(cid, blocks[&cid].clone());
            }
            match value {
                Some(value) => expected.insert(key, value),
                None => expected.remove(&key),
            };
            expected_root = twin(&expected).0;
        }
        prop_assert_eq!(tree.flush().root, expected_root);
    }

    #[test]
    fn a_node_is_read_only_in_the_one_form_it_is_written(
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
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..300), plausible: bool) {
        let mut block = if plausible { vec![0xa2, 0x61, b'e'] } else { Vec::new() };
        block.extend(bytes);
        if let Ok(node) = NodeRef::parse(&block) {
            prop_assert_eq!(rewrite(&node), block);
        }
    }

    #[test]
    fn a_tree_with_a_damaged_node_never_passes(
        entries in entries(60),
        which: Index,
        at: Index,
        flip in 1..=255_u8,
        key in key(),
    ) {
        let (root, mut blocks) = twin(&entries);
        let cid = *blocks.keys().nth(which.index(blocks.len())).unwrap();
        let block = blocks.get_mut(&cid).unwrap();
        let at = at.index(block.len());
        block[at] ^= flip;
        prop_assert!(verify(&blocks, root).is_err());
        // What they return is of no interest, only that they do.
        let _ = TreeEntries::new(&blocks, root).unwrap().count();
        let _ = covering_proof(&blocks, root, [&key]);
        let mut tree = Tree::load(root).unwrap();
        let _ = tree.get(&blocks, &key);
        let _ = tree.insert(&blocks, &key, record(0));
        let _ = tree.remove(&blocks, &key);
        let _ = tree.flush();
    }

    #[test]
    fn of_all_entries_only_ascending_ones_are_built(
        keys in subsequence(KEYS.clone(), 2..6),
        swap: Index,
    ) {
        let mut keys: Vec<_> = keys.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
        let at = swap.index(keys.len() - 1);
        keys.swap(at, at + 1);
        let mut builder = Builder::new(|_, _| Ok::<_, Infallible>(()));
        prop_assert!(keys.iter().any(|key| builder.push(key, record(0)).is_err()));
    }
}

fn visit_twin(blocks: &Blocks, cid: Cid, out: &mut Vec<String>) {
    out.push(cid.to_string());
    let node = NodeRef::parse(&blocks[&cid]).unwrap();
    let mut key = Vec::new();
    let _ = node.left().map(|left| visit_twin(blocks, left, out));
    for entry in node.entries() {
        entry.extend_key(&mut key);
        out.push(format!("{} {}", std::str::from_utf8(&key).unwrap(), entry.value()));
        let _ = entry.right().map(|right| visit_twin(blocks, right, out));
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
