//! A whole repository passes when it is right, and only then.
#![allow(clippy::std_instead_of_alloc, clippy::std_instead_of_core, clippy::unwrap_used)]

mod support;

use cid::Cid;
use nacre_car::{CarError, Writer};
use nacre_commit::{Commit, RepoError, UnsignedCommit, verify_blocks, verify_repo};
use nacre_crypto::{Curve, SigningKey, VerifyError};
use nacre_mst::{Tree, TreeError, Visit, Walk};
use nacre_syntax::Did;
use proptest::prelude::*;
use proptest::sample::Index;
use support::{Blocks, Entries, KEY, PATHS, cid_of, did, record, rev, tree};

/// Returns a repository with a record under each of these keys: its commit and all its blocks.
fn repo(keys: &[&str]) -> (Cid, Blocks) {
    let mut entries = Entries::new();
    let mut records = Blocks::new();
    for (number, key) in (0..).zip(keys) {
        entries.insert((*key).to_owned(), record(number));
        records.insert(record(number), vec![number]);
    }
    let (data, mut blocks) = tree(&entries);
    blocks.append(&mut records);
    let commit = UnsignedCommit { did: did(), data, rev: rev(0) }.sign(&KEY);
    blocks.insert(commit.cid(), commit.encode());
    (commit.cid(), blocks)
}

/// Returns the blocks as a CAR, in the order of the export of a server or in that of their CIDs.
fn car(root: Cid, blocks: &Blocks, in_order: bool) -> Vec<u8> {
    let mut writer = Writer::new(&root);
    let mut rest = blocks.clone();
    if in_order && let Some(Ok(commit)) = blocks.get(&root).map(|block| Commit::decode(block)) {
        let mut write = |cid: Cid| rest.remove(&cid).map(|block| writer.block(&cid, &block));
        write(root);
        let mut walk = Walk::new(blocks, Tree::load(commit.data).unwrap());
        while let Some(Ok(visit)) = walk.step() {
            match visit {
                Visit::Entry { value, .. } => write(value),
                Visit::Node { cid, .. } => write(cid),
            };
        }
    }
    for (cid, block) in &rest {
        writer.block(cid, block);
    }
    writer.finish()
}

#[test]
fn records_come_in_order_with_their_blocks() {
    let keys: Vec<_> = PATHS.iter().map(String::as_str).collect();
    let (root, blocks) = repo(&keys);
    for in_order in [true, false] {
        let car = car(root, &blocks, in_order);
        let mut records = verify_repo(&car, &did(), Some(KEY.verifying_key())).unwrap();
        assert_eq!(records.commit().cid(), root);
        let mut found = Vec::new();
        while let Some(record) = records.next_record().unwrap() {
            assert_eq!(record.bytes, blocks[&record.cid]);
            found.push(record.path.as_str().to_owned());
        }
        assert!(found.is_sorted());
        assert_eq!(found.len(), keys.len());
        assert_eq!(records.finish().unwrap().records, u64::try_from(keys.len()).unwrap());
    }
}

#[test]
fn error_ends_the_records_for_good() {
    let (root, mut blocks) = repo(&[&PATHS[0], &PATHS[1]]);
    for roots in [vec![], vec![root, root]] {
        let count = roots.len();
        let car = Writer::with_roots(&roots).finish();
        let error = verify_repo(&car, &did(), None).unwrap_err();
        assert_eq!(error, RepoError::Roots(count));
    }
    blocks.remove(&record(0));
    let car = car(root, &blocks, true);
    let mut records = verify_repo(&car, &did(), None).unwrap();
    let error = loop {
        match records.next_record() {
            Ok(record) => assert!(record.is_some()),
            Err(error) => break error,
        }
    };
    assert_eq!(error, RepoError::Tree(TreeError::Missing(record(0))));
    assert_eq!(records.next_record(), Err(error.clone()));
    assert_eq!(records.finish(), Err(error));
}

#[test]
fn complete_repository_verifies_with_and_without_a_key() {
    let keys: Vec<_> = PATHS.iter().map(String::as_str).collect();
    let (root, mut blocks) = repo(&keys);
    blocks.insert(cid_of(b"not referred to"), b"not referred to".to_vec());
    for key in [Some(KEY.verifying_key()), None] {
        let verified = verify_blocks(&blocks, root, &did(), key).unwrap();
        assert_eq!(verified.records, u64::try_from(keys.len()).unwrap());
        assert_eq!((verified.cid, verified.commit.rev), (root, rev(0)));
    }
}

#[test]
fn each_fault_has_its_error() {
    let (root, blocks) = repo(&[&PATHS[0]]);
    let other_key = SigningKey::from_bytes(Curve::K256, &[8; 32]).unwrap();
    assert_eq!(
        verify_blocks(&blocks, root, &did(), Some(other_key.verifying_key())),
        Err(RepoError::Signature(VerifyError::Mismatch)),
    );
    let someone = Did::parse("did:web:example.com").unwrap();
    assert_eq!(verify_blocks(&blocks, root, &someone, None), Err(RepoError::Did(did())));
    assert!(matches!(verify_blocks(&blocks, record(0), &did(), None), Err(RepoError::Commit(_)),));
    // A key that a tree takes, but that is no path.
    let (root, blocks) = repo(&["example/a"]);
    assert!(matches!(
        verify_blocks(&blocks, root, &did(), None),
        Err(RepoError::Path(cid, _)) if cid == record(0),
    ));
}

proptest! {
    #[test]
    fn missing_or_changed_block_is_rejected(
        count in 1_usize..PATHS.len(),
        which: Index,
        at: Index,
        flip in 0..=255_u8,
    ) {
        let keys: Vec<_> = PATHS.iter().take(count).map(String::as_str).collect();
        let (root, mut blocks) = repo(&keys);
        let cid = *blocks.keys().nth(which.index(blocks.len())).unwrap();
        let block = blocks.get_mut(&cid).unwrap();
        let at = at.index(block.len());
        block[at] ^= flip;
        let expected = if flip == 0 {
            blocks.remove(&cid);
            TreeError::Missing(cid)
        } else {
            TreeError::Hash(cid)
        };
        for in_order in [true, false] {
            let car = car(root, &blocks, in_order);
            let read = verify_repo(&car, &did(), Some(KEY.verifying_key()));
            let error = read.and_then(nacre_commit::Records::finish).unwrap_err();
            let expected = if flip == 0 {
                TreeError::Missing(cid)
            } else {
                TreeError::Source(CarError::Hash(cid))
            };
            prop_assert_eq!(error, RepoError::Tree(expected));
        }
        let found = verify_blocks(&blocks, root, &did(), Some(KEY.verifying_key()));
        // A changed node may break a rule before it is hashed.
        let is_node =
            matches!(found, Err(RepoError::Tree(TreeError::Node(node, _))) if node == cid);
        prop_assert!(found == Err(RepoError::Tree(expected)) || (flip != 0 && is_node));
    }
}
