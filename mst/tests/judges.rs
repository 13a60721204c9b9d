//! Comparison with another implementation: roots, blocks, retired blocks and proofs.
#![allow(clippy::std_instead_of_alloc, clippy::std_instead_of_core, clippy::unwrap_used)]

mod support;

use std::collections::HashMap;

use cid::Cid;
use nacre_mst::{Changes, Difference, Tree, covering_proof, diff};
use proptest::collection::vec;
use proptest::prelude::*;
use shrike::mst::{DetachedTree, MemBlockStore};
use support::{Blocks, Entries, edits, entries, store, tree_of, write, writes};

fn their_tree(entries: &Entries) -> shrike::mst::Tree {
    let mut tree = shrike::mst::Tree::new(Box::new(MemBlockStore::new()));
    for (key, value) in entries {
        tree.insert(key.clone(), theirs(*value)).unwrap();
    }
    tree
}

fn blocks_of(changes: &Changes) -> Blocks {
    changes.new_blocks().map(|(cid, block)| (cid, block.to_vec())).collect()
}

fn theirs(cid: Cid) -> shrike::cbor::Cid {
    shrike::cbor::Cid::from_bytes(&cid.to_bytes()).unwrap()
}

fn ours(cid: shrike::cbor::Cid) -> Cid {
    Cid::try_from(cid.to_bytes().as_slice()).unwrap()
}

fn sorted(cids: impl IntoIterator<Item = Cid>) -> Vec<Cid> {
    let mut cids: Vec<_> = cids.into_iter().collect();
    cids.sort_unstable();
    cids
}

proptest! {
    #[test]
    fn edits_match_another_implementation(
        commits in vec(writes(10), 1..12),
    ) {
        let mut blocks = Blocks::new();
        let mut their_blocks = HashMap::new();
        let mut tree = Tree::EMPTY;
        let mut their_tree = DetachedTree::new();
        for writes in commits {
            let changes = tree.apply(&blocks, &edits(&writes)).unwrap();
            for ((key, value), mine) in writes.iter().zip(&changes.previous) {
                let their = match value {
                    Some(value) => {
                        their_tree.insert(&their_blocks, key.clone(), theirs(*value)).unwrap()
                    }
                    None => their_tree.remove(&their_blocks, key).unwrap(),
                };
                prop_assert_eq!(*mine, their.map(ours));
            }
            let their_changes = their_tree.flush().unwrap();
            prop_assert_eq!(changes.root(), ours(their_changes.root));
            // We do not store the root of an initially empty tree.
            let stored = |cid: &Cid| *cid != Tree::EMPTY.root();
            prop_assert_eq!(
                sorted(changes.retired().filter(stored)),
                sorted(their_changes.retired.iter().copied().map(ours).filter(stored)),
            );
            let their_new = their_changes.new_blocks.iter().cloned();
            let their_new = their_new.map(|(cid, block)| (ours(cid), block));
            prop_assert_eq!(
                blocks_of(&changes).into_iter().filter(|(cid, _)| stored(cid)).collect::<Blocks>(),
                their_new.filter(|(cid, _)| stored(cid)).collect::<Blocks>(),
            );
            store(&mut blocks, &changes);
            their_blocks.extend(their_changes.new_blocks);
            tree = changes.tree;
            let keys = writes.keys().map(String::as_str);
            let proof = covering_proof(&blocks, tree.root(), keys.clone()).unwrap();
            let their_proof = their_tree.covering_proof(&their_blocks, keys).unwrap();
            prop_assert_eq!(
                sorted(proof.into_iter().map(|(cid, _)| cid)),
                sorted(their_proof.into_iter().map(ours)),
            );
        }
    }

    #[test]
    fn differences_match_another_implementation(
        entries in entries(60),
        writes in writes(20),
    ) {
        let mut after = entries.clone();
        write(&mut after, &writes);
        let (tree, blocks) = tree_of(&entries);
        let (after_tree, after_blocks) = tree_of(&after);
        let found = shrike::mst::diff(&mut their_tree(&entries), &mut their_tree(&after)).unwrap();
        let mut expected: Vec<_> = found
            .added
            .into_iter()
            .map(|(key, new)| (key, None, Some(new)))
            .chain(found.updated.into_iter().map(|(key, old, new)| (key, Some(old), Some(new))))
            .chain(found.removed.into_iter().map(|(key, old)| (key, Some(old), None)))
            .map(|(key, before, after)| Difference {
                key,
                before: before.map(ours),
                after: after.map(ours),
            })
            .collect();
        expected.sort_by(|left, right| left.key.cmp(&right.key));
        let differences = diff((&blocks, tree), (&after_blocks, after_tree));
        prop_assert_eq!(differences.map(Result::unwrap).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn another_implementation_inverts_a_batch_with_our_proof(
        entries in entries(60),
        writes in writes(12),
        backwards: bool,
    ) {
        let (before, mut blocks) = tree_of(&entries);
        let changes = before.apply(&blocks, &edits(&writes)).unwrap();
        store(&mut blocks, &changes);
        let proof = covering_proof(&blocks, changes.root(), writes.keys()).unwrap();
        let proof = proof.into_iter().map(|(cid, block)| (theirs(cid), block.into_owned()));
        let proof: HashMap<_, _> = proof.collect();
        let mut their_tree = DetachedTree::load(theirs(changes.root()));
        let mut keys: Vec<_> = writes.keys().collect();
        if backwards {
            keys.reverse();
        }
        for key in keys {
            match entries.get(key) {
                Some(value) => their_tree.insert(&proof, key.clone(), theirs(*value)).unwrap(),
                None => their_tree.remove(&proof, key).unwrap(),
            };
        }
        prop_assert_eq!(ours(their_tree.flush().unwrap().root), before.root());
    }
}
