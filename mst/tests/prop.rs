//! Comparison with a naive tree that is rebuilt from its entries each time.
#![allow(clippy::std_instead_of_alloc, clippy::std_instead_of_core, clippy::unwrap_used)]

mod support;

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::convert::Infallible;

use cid::Cid;
use nacre_mst::{
    BlockSource, Blocks as MemoryBlocks, Changes, Difference, Edit, Overlay, Tree, TreeError,
    Visit, Walk, covering_proof, diff, verify,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use support::{
    Blocks, Entries, Writes, edits, entries, key, record, store, tree_of, twin, value, write,
    writes,
};

proptest! {
    #[test]
    fn edits_give_the_same_tree_as_a_rebuild(
        history in vec(prop_oneof![writes(2), writes(2), writes(6), writes(30)], 1..40),
    ) {
        let mut blocks = Blocks::new();
        let mut tree = Tree::EMPTY;
        let mut entries = Entries::new();
        for writes in history {
            let changes = tree.apply(&blocks, &edits(&writes)).unwrap();
            prop_assert_eq!(&changes.previous, &write(&mut entries, &writes));
            store(&mut blocks, &changes);
            tree = changes.tree;
            let (twin_root, mut twin_blocks) = twin(&entries);
            prop_assert_eq!(tree.root(), twin_root);
            // The root of the empty tree is not stored before the first write.
            blocks.remove(&Tree::EMPTY.root());
            twin_blocks.remove(&Tree::EMPTY.root());
            prop_assert_eq!(&blocks, &twin_blocks);
            for key in writes.keys() {
                prop_assert_eq!(tree.get(&blocks, key).unwrap(), entries.get(key).copied());
            }
        }
    }

    #[test]
    fn edits_read_only_affected_nodes_and_each_once(
        entries in entries(80),
        writes in prop_oneof![writes(2), writes(12), writes(60)],
    ) {
        let (tree, blocks) = tree_of(&entries);
        let source = Asked { blocks, cids: RefCell::default() };
        let changes = tree.apply(&source, &edits(&writes)).unwrap();
        let mut asked = source.cids.into_inner();
        let count = asked.len();
        asked.sort_unstable();
        asked.dedup();
        prop_assert_eq!(asked.len(), count);
        // Every retired node was read. A node that was read but stays is at an edge.
        let retired: BTreeSet<_> = changes.retired().collect();
        prop_assert!(tree == Tree::EMPTY || retired.iter().all(|cid| asked.contains(cid)));
    }

    #[test]
    fn insert_then_remove_restores_the_tree(mut entries in entries(60), extra in key()) {
        entries.remove(&extra);
        let (tree, blocks) = tree_of(&entries);
        let inserted = tree.insert(&blocks, &extra, record(1)).unwrap();
        prop_assert_eq!(&inserted.previous, &[None]);
        let over = Overlay::new(&inserted, &blocks);
        let removed = inserted.tree.remove(&over, &extra).unwrap();
        prop_assert_eq!(&removed.previous, &[Some(record(1))]);
        prop_assert_eq!(removed.tree, tree);
        let sorted = |cids: Vec<Cid>| cids.into_iter().collect::<BTreeSet<_>>();
        let new = |changes: &Changes| sorted(changes.new_blocks().map(|(cid, _)| cid).collect());
        let retired = |changes: &Changes| sorted(changes.retired().collect());
        prop_assert_eq!(new(&inserted), retired(&removed));
        prop_assert_eq!(retired(&inserted), new(&removed));
    }

    #[test]
    fn store_that_applies_changes_holds_the_new_tree(
        entries in entries(60),
        history in vec(writes(8), 1..8),
    ) {
        let (root, twin_blocks) = twin(&entries);
        let mut blocks = MemoryBlocks::new();
        for (cid, block) in &twin_blocks {
            blocks.insert(*cid, block).unwrap();
        }
        let mut tree = Tree::load(root).unwrap();
        let mut entries = entries;
        for writes in history {
            let changes = tree.apply(&blocks, &edits(&writes)).unwrap();
            blocks.apply(&changes);
            tree = changes.tree;
            write(&mut entries, &writes);
            prop_assert_eq!(verify(&blocks, tree), Ok(u64::try_from(entries.len()).unwrap()));
            let (root, twin_blocks) = twin(&entries);
            prop_assert_eq!((tree.root(), blocks.len()), (root, twin_blocks.len()));
        }
    }

    #[test]
    fn diff_matches_a_comparison_of_entries(
        entries in entries(80),
        writes in writes(20),
        other in prop_oneof![Just(None), entries(80).prop_map(Some)],
    ) {
        let mut after = entries.clone();
        write(&mut after, &writes);
        let after = other.unwrap_or(after);
        let (tree, blocks) = tree_of(&entries);
        let (after_tree, after_blocks) = tree_of(&after);
        let differences: Vec<_> =
            diff((&blocks, tree), (&after_blocks, after_tree)).map(Result::unwrap).collect();
        let keys: BTreeSet<_> = entries.keys().chain(after.keys()).collect();
        let expected: Vec<_> = keys
            .into_iter()
            .map(|key| Difference {
                key: key.clone(),
                before: entries.get(key).copied(),
                after: after.get(key).copied(),
            })
            .filter(|difference| difference.before != difference.after)
            .collect();
        prop_assert_eq!(&differences, &expected);

        let edits: Vec<_> = differences
            .iter()
            .map(|difference| Edit { key: &difference.key, value: difference.after })
            .collect();
        prop_assert_eq!(tree.apply(&blocks, &edits).unwrap().tree, after_tree);
    }

    #[test]
    fn diff_does_not_read_shared_subtrees(
        entries in entries(80),
        key in key(),
    ) {
        let (tree, blocks) = tree_of(&entries);
        let changes = tree.insert(&blocks, &key, record(7)).unwrap();
        let (mut old, mut new) = (blocks.clone(), blocks.clone());
        store(&mut new, &changes);
        let shared: Vec<_> = blocks.keys().filter(|cid| new.contains_key(cid)).copied().collect();
        let mut read = 0;
        for cid in shared {
            let (held, held_new) = (old.remove(&cid), new.remove(&cid));
            let result: Result<Vec<_>, _> = diff((&old, tree), (&new, changes.tree)).collect();
            read += usize::from(result.is_err());
            old.insert(cid, held.unwrap());
            new.insert(cid, held_new.unwrap());
        }
        // Usually none. One edge if a high entry lands beside a lower subtree.
        prop_assert!(read <= 12, "{} read", read);
    }

    #[test]
    fn new_blocks_are_in_preorder(entries in entries(60), writes in writes(12)) {
        let (before, mut blocks) = tree_of(&entries);
        let changes = before.apply(&blocks, &edits(&writes)).unwrap();
        let new: BTreeSet<_> = changes.new_blocks().map(|(cid, _)| cid).collect();
        store(&mut blocks, &changes);
        let mut walk = Walk::new(&blocks, changes.tree);
        let mut seen = Vec::new();
        while let Some(visit) = walk.step() {
            if let Visit::Node { cid, .. } = visit.unwrap()
                && new.contains(&cid)
            {
                seen.push(cid);
            }
        }
        prop_assert_eq!(seen, changes.new_blocks().map(|(cid, _)| cid).collect::<Vec<_>>());
    }

    #[test]
    fn proof_shows_present_and_absent_keys(
        entries in entries(80),
        keys in vec(key(), 1..4),
    ) {
        let (root, blocks) = twin(&entries);
        let proof = covering_proof(&blocks, root, &keys).unwrap();
        prop_assert_eq!(proof[0].0, root);
        let proof_blocks: Blocks =
            proof.iter().map(|(cid, block)| (*cid, block.to_vec())).collect();
        prop_assert_eq!(proof_blocks.len(), proof.len(), "each node comes once");
        let tree = Tree::load(root).unwrap();
        for key in &keys {
            prop_assert_eq!(tree.get(&proof_blocks, key).unwrap(), entries.get(key).copied());
        }
    }

    #[test]
    fn proof_suffices_to_invert_a_batch_in_any_order(
        entries in entries(80),
        writes in writes(12),
        order in vec(any::<u64>(), 12),
    ) {
        let (before, _) = tree_of(&entries);
        let mut after = entries.clone();
        write(&mut after, &writes);
        let (root, blocks) = twin(&after);
        let proof = covering_proof(&blocks, root, writes.keys()).unwrap();
        let proof: Blocks = proof.into_iter().map(|(cid, block)| (cid, block.into())).collect();
        let tree = Tree::load(root).unwrap();
        prop_assert_eq!(tree.needs(&proof, writes.keys()), Ok(Vec::new()));

        let undo: Writes =
            writes.keys().map(|key| (key.clone(), entries.get(key).copied())).collect();
        prop_assert_eq!(tree.apply(&proof, &edits(&undo)).unwrap().tree, before);

        let mut one_by_one: Vec<_> = undo.iter().zip(order).collect();
        one_by_one.sort_by_key(|(_, order)| *order);
        let mut proof = proof;
        let mut tree = tree;
        for ((key, value), _) in one_by_one {
            let changes = tree.apply(&proof, &[Edit { key, value: *value }]).unwrap();
            store(&mut proof, &changes);
            tree = changes.tree;
        }
        prop_assert_eq!(tree, before);
    }

    #[test]
    fn operation_without_a_block_of_its_proof_succeeds_or_names_the_missing_block(
        entries in proptest::collection::btree_map(key(), value(), 1..80),
        key: Index,
        which: Index,
    ) {
        let key = key.get(&entries.keys().collect::<Vec<_>>()).to_string();
        let (root, blocks) = twin(&entries);
        let proof = covering_proof(&blocks, root, [&key]).unwrap();
        let mut some: Blocks =
            proof.iter().map(|(cid, block)| (*cid, block.to_vec())).collect();
        let (gone, _) = proof[which.index(proof.len())];
        some.remove(&gone);
        let tree = Tree::load(root).unwrap();
        match tree.remove(&some, &key) {
            Err(error) => prop_assert_eq!(error, TreeError::Missing(gone)),
            Ok(changes) => prop_assert_eq!(changes, tree.remove(&blocks, &key).unwrap()),
        }
    }

    #[test]
    fn missing_blocks_can_be_supplied_one_at_a_time(
        entries in entries(60),
        held in vec(any::<bool>(), 200),
        writes in writes(12),
    ) {
        let (root, blocks) = twin(&entries);
        let mut some: Blocks = blocks.clone();
        let mut held = held.into_iter().cycle();
        some.retain(|_, _| held.next().unwrap());
        let mut asked = some.clone();
        let tree = Tree::load(root).unwrap();
        let expected = tree.apply(&blocks, &edits(&writes)).unwrap();
        // One block at a time, as each is reported missing.
        let changes = loop {
            match tree.apply(&some, &edits(&writes)) {
                Err(TreeError::Missing(cid)) => some.insert(cid, blocks[&cid].clone()),
                other => break other.unwrap(),
            };
        };
        prop_assert_eq!(&changes, &expected);
        // All blocks that `needs` reports, round by round.
        let mut rounds = 0;
        loop {
            let needed = tree.needs(&asked, writes.keys()).unwrap();
            if needed.is_empty() {
                break;
            }
            rounds += 1;
            asked.extend(needed.into_iter().map(|cid| (cid, blocks[&cid].clone())));
        }
        prop_assert!(rounds <= 12);
        prop_assert_eq!(&tree.apply(&asked, &edits(&writes)).unwrap(), &expected);
    }

}

/// A store that records which blocks were read.
struct Asked {
    blocks: Blocks,
    cids: RefCell<Vec<Cid>>,
}

impl BlockSource for Asked {
    type Error = Infallible;

    fn block(&self, cid: &Cid) -> Result<Option<Cow<'_, [u8]>>, Infallible> {
        self.cids.borrow_mut().push(*cid);
        self.blocks.block(cid)
    }
}
