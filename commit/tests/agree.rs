//! A repository is right in a CAR exactly if it is right in a store.
#![allow(clippy::std_instead_of_alloc, clippy::std_instead_of_core, clippy::unwrap_used)]

mod support;

use cid::Cid;
use nacre_car::Writer;
use nacre_commit::{UnsignedCommit, VerifiedRepo, verify_blocks, verify_repo};
use nacre_mst::Tree;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use support::{Blocks, Entries, KEY, PATHS, did, record, rev, tree};

/// Returns the commit and all blocks of the repository with these entries.
fn repo(entries: &Entries) -> (Cid, Blocks) {
    let (data, mut blocks) = tree(entries);
    let commit = UnsignedCommit { did: did(), data, rev: rev(0) }.sign(&KEY);
    blocks.insert(commit.cid(), commit.encode());
    blocks.extend((0..4).map(|number| (record(number), vec![number])));
    (commit.cid(), blocks)
}

/// Verifies blocks in both ways, which must agree.
fn verify(root: Cid, blocks: &Blocks) -> Result<VerifiedRepo, String> {
    let mut car = Writer::new(&root);
    for (cid, block) in blocks {
        car.block(cid, block);
    }
    let key = Some(KEY.verifying_key());
    let in_car = verify_repo(&car.finish(), &did(), key).and_then(|records| records.finish());
    let in_store = verify_blocks(blocks, root, &did(), key);
    let in_car = in_car.map_err(|error| error.to_string());
    assert_eq!(in_car, in_store.map_err(|error| error.to_string()));
    in_car
}

proptest! {
    #[test]
    fn missing_block_has_the_same_effect_on_both_verifiers(
        entries in vec((any::<Index>(), 0..4_u8), 0..40),
        gone: Index,
    ) {
        let entry = |(path, number): (Index, u8)| (path.get(&PATHS).clone(), record(number));
        let entries: Entries = entries.into_iter().map(entry).collect();
        let (root, mut blocks) = repo(&entries);
        let count = u64::try_from(entries.len()).unwrap();
        prop_assert_eq!(verify(root, &blocks).unwrap().records, count);
        let gone = *blocks.keys().nth(gone.index(blocks.len())).unwrap();
        blocks.remove(&gone);
        let unused = (0..4).any(|number| record(number) == gone)
            && entries.values().all(|cid| *cid != gone);
        let known = gone == Tree::EMPTY.root();
        prop_assert_eq!(verify(root, &blocks).is_ok(), unused || known);
    }
}

#[test]
fn empty_tree_may_be_omitted() {
    let (root, mut blocks) = repo(&Entries::new());
    assert_eq!(verify(root, &blocks).map(|repo| repo.records), Ok(0));
    assert!(blocks.remove(&Tree::EMPTY.root()).is_some());
    assert_eq!(verify(root, &blocks).map(|repo| repo.records), Ok(0));
}
