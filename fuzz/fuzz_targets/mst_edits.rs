//! Any history of edits ends in the tree of its entries, is told in full, and can be undone.
//!
//! The input is a list of batches: a byte for their length, then for each edit a key and a record,
//! where record 0 means that there shall be none.
#![no_main]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use cid::Cid;
use libfuzzer_sys::fuzz_target;
use nacre_mst::{Changes, Difference, Edit, Overlay, Tree, TreeError, covering_proof, diff};
use support::{Blocks, Entries, Input, built, record};

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input(bytes);
    let mut tree = Tree::EMPTY;
    let mut blocks = Blocks::new();
    let mut entries = Entries::new();
    for _ in 0..MAX_BATCHES {
        if input.is_empty() {
            break;
        }
        let batch = read_batch(&mut input);
        let before = entries.clone();
        let edits: Vec<_> = batch.iter().map(|(key, value)| Edit { key, value: *value }).collect();
        let changes = tree.apply(&blocks, &edits).unwrap();
        for ((key, value), found) in batch.iter().zip(&changes.previous) {
            let previous = match value {
                Some(value) => entries.insert((*key).to_owned(), *value),
                None => entries.remove(*key),
            };
            assert_eq!(*found, previous);
        }
        check_differences(&blocks, tree, &changes, &before, &entries);
        store(&mut blocks, &changes);
        check_tree(&blocks, changes.tree, &entries);
        check_proof(&blocks, (tree, changes.tree), &batch, &before, input.number());
        tree = changes.tree;
    }
});

type Batch = BTreeMap<&'static str, Option<Cid>>;

fn read_batch(input: &mut Input<'_>) -> Batch {
    let count = input.byte() % 16;
    let edit = |input: &mut Input<'_>| {
        let (key, value) = (input.key(), input.byte());
        (key, (value != 0).then(|| record(value)))
    };
    (0..count).map(|_| edit(input)).collect()
}

fn store(blocks: &mut Blocks, changes: &Changes) {
    for cid in changes.retired() {
        let stored = blocks.remove(&cid).is_some();
        assert!(stored || cid == Tree::EMPTY.root(), "a retired block was in the store");
    }
    for (cid, block) in changes.new_blocks() {
        assert!(blocks.insert(cid, block.to_vec()).is_none(), "a new block was not in the store");
    }
}

fn check_tree(blocks: &Blocks, tree: Tree, entries: &Entries) {
    let (expected, expected_blocks) = built(entries);
    assert_eq!(tree, expected);
    let mut expected: Blocks = expected_blocks.into_iter().collect();
    if blocks.is_empty() {
        // The empty tree before there was another is not stored.
        expected.remove(&Tree::EMPTY.root());
    }
    assert_eq!(*blocks, expected);
}

fn check_differences(
    blocks: &Blocks,
    before: Tree,
    changes: &Changes,
    old: &Entries,
    new: &Entries,
) {
    let after = Overlay::new(changes, blocks);
    let found = diff((blocks, before), (&after, changes.tree)).map(Result::unwrap);
    let keys: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    let all = keys.into_iter().map(|key| Difference {
        key: key.clone(),
        before: old.get(key).copied(),
        after: new.get(key).copied(),
    });
    let expected: Vec<_> = all.filter(|it| it.before != it.after).collect();
    assert_eq!(found.collect::<Vec<_>>(), expected);
}

/// With its proof alone a batch is undone and done again; with a block less it is, or says which
/// one is missing.
fn check_proof(
    blocks: &Blocks,
    (before, after): (Tree, Tree),
    batch: &Batch,
    old: &Entries,
    which: usize,
) {
    let proof = covering_proof(blocks, after.root(), batch.keys()).unwrap();
    let mut proof: Blocks = proof.into_iter().map(|(cid, block)| (cid, block.into())).collect();
    assert!(proof.contains_key(&after.root()));
    assert_eq!(after.needs(&proof, batch.keys()), Ok(Vec::new()));
    let undo = batch.keys().map(|key| Edit { key, value: old.get(*key).copied() });
    let undo: Vec<_> = undo.collect();
    let undone = after.apply(&proof, &undo).unwrap();
    assert_eq!(undone.tree, before);
    let again: Vec<_> = batch.iter().map(|(key, value)| Edit { key, value: *value }).collect();
    assert_eq!(before.apply(&Overlay::new(&undone, &proof), &again).unwrap().tree, after);

    let gone = *proof.keys().nth(which % proof.len()).unwrap();
    proof.remove(&gone);
    match after.apply(&proof, &undo) {
        Ok(changes) => assert_eq!(changes.tree, before),
        Err(error) => assert_eq!(error, TreeError::Missing(gone)),
    }
}

const MAX_BATCHES: usize = 12;
