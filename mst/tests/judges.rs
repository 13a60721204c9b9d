//! The tree against other people's: the same roots, blocks, retired blocks and proofs.
#![allow(clippy::std_instead_of_alloc, clippy::std_instead_of_core, clippy::unwrap_used)]

mod support;

use std::collections::HashMap;

use cid::Cid;
use nacre_mst::{Tree, covering_proof};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use shrike::mst::DetachedTree;
use support::{Blocks, KEYS, record};

fn key() -> impl Strategy<Value = String> {
    any::<Index>().prop_map(|index| index.get(&KEYS).clone())
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
    fn another_implementation_makes_the_same_of_any_history(
        commits in vec(vec((key(), proptest::option::of(any::<u8>())), 1..10), 1..12),
    ) {
        let mut blocks = Blocks::new();
        let mut their_blocks = HashMap::new();
        let mut tree = Tree::new();
        let mut their_tree = DetachedTree::new();
        for writes in commits {
            for (key, value) in &writes {
                let (mine, their) = match value {
                    Some(value) => (
                        tree.insert(&blocks, key, record(*value)).unwrap(),
                        their_tree
                            .insert(&their_blocks, key.clone(), theirs(record(*value)))
                            .unwrap(),
                    ),
                    None => (
                        tree.remove(&blocks, key).unwrap(),
                        their_tree.remove(&their_blocks, key).unwrap(),
                    ),
                };
                prop_assert_eq!(mine, their.map(ours));
            }
            let changes = tree.flush();
            let their_changes = their_tree.flush().unwrap();
            prop_assert_eq!(changes.root, ours(their_changes.root));
            prop_assert_eq!(
                sorted(changes.retired.iter().copied()),
                sorted(their_changes.retired.iter().copied().map(ours)),
            );
            let their_new = their_changes.new_blocks.iter().cloned();
            prop_assert_eq!(
                changes.new_blocks.iter().cloned().collect::<Blocks>(),
                their_new.map(|(cid, block)| (ours(cid), block)).collect::<Blocks>(),
            );
            blocks.extend(changes.new_blocks);
            their_blocks.extend(their_changes.new_blocks);
            let keys = writes.iter().map(|(key, _)| key.as_str());
            let proof = covering_proof(&blocks, changes.root, keys.clone()).unwrap();
            let their_proof = their_tree.covering_proof(&their_blocks, keys).unwrap();
            prop_assert_eq!(
                sorted(proof.into_iter().map(|(cid, _)| cid)),
                sorted(their_proof.into_iter().map(ours)),
            );
        }
    }

    #[test]
    fn another_implementation_undoes_a_batch_with_our_proof(
        present in proptest::collection::btree_map(key(), any::<u8>(), 0..60),
        writes in proptest::collection::btree_map(key(), proptest::option::of(any::<u8>()), 1..12),
        backwards: bool,
    ) {
        let mut blocks = Blocks::new();
        let mut tree = Tree::new();
        for (key, value) in &present {
            tree.insert(&blocks, key, record(*value)).unwrap();
        }
        let changes = tree.flush();
        let before = changes.root;
        blocks.extend(changes.new_blocks);
        for (key, value) in &writes {
            match value {
                Some(value) => tree.insert(&blocks, key, record(*value)).unwrap(),
                None => tree.remove(&blocks, key).unwrap(),
            };
        }
        let changes = tree.flush();
        blocks.extend(changes.new_blocks);
        let proof = covering_proof(&blocks, changes.root, writes.keys()).unwrap();
        let proof = proof.into_iter().map(|(cid, block)| (theirs(cid), block));
        let proof: HashMap<_, _> = proof.collect();
        let mut their_tree = DetachedTree::load(theirs(changes.root));
        let mut keys: Vec<_> = writes.keys().collect();
        if backwards {
            keys.reverse();
        }
        for key in keys {
            match present.get(key) {
                Some(value) => {
                    their_tree.insert(&proof, key.clone(), theirs(record(*value))).unwrap()
                }
                None => their_tree.remove(&proof, key).unwrap(),
            };
        }
        prop_assert_eq!(ours(their_tree.flush().unwrap().root), before);
    }
}
