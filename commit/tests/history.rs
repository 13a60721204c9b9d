//! Whole histories of a repository: every commit holds, can be undone by others, and can be
//! refused.
#![allow(clippy::std_instead_of_alloc, clippy::std_instead_of_core, clippy::unwrap_used)]

mod support;

use std::collections::BTreeMap;

use cid::Cid;
use nacre_commit::{
    Action, Commit, CommitDiff, CommitError, Head, InvertError, MAX_WRITES, Op, Write, commit,
    invert,
};
use nacre_mst::{EMPTY_NODE, KeyError, Tree, TreeError};
use nacre_syntax::Did;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::Index;
use support::{Blocks, Entries, KEY, PATHS, did, head, new_nodes, path, proof, record, rev, tree};

fn batch() -> impl Strategy<Value = BTreeMap<String, Option<u8>>> {
    let path = any::<Index>().prop_map(|index| index.get(&PATHS).clone());
    btree_map(path, proptest::option::of(any::<u8>()), 0..12)
}

/// Returns the writes that bring `entries` to what the batch asks for.
fn writes<'a>(batch: &'a BTreeMap<String, Option<u8>>, entries: &Entries) -> Vec<Write<'a>> {
    let write = |(at, value): (&'a String, &Option<u8>)| {
        let path = path(at);
        match (value, entries.contains_key(at)) {
            (Some(value), false) => Some(Write::Create { path, cid: record(*value) }),
            (Some(value), true) => Some(Write::Update { path, cid: record(*value) }),
            (None, true) => Some(Write::Delete { path }),
            (None, false) => None,
        }
    };
    batch.iter().filter_map(write).collect()
}

fn first(blocks: &Blocks, writes: &[Write<'_>]) -> CommitDiff {
    commit(blocks, &did(), None, writes, rev(0), &KEY).unwrap()
}

proptest! {
    #[test]
    fn every_commit_of_a_history_verifies_and_inverts(
        batches in vec(batch(), 1..8),
        order in vec(any::<u64>(), 12),
    ) {
        let mut blocks = Blocks::new();
        let mut entries = Entries::new();
        let mut last: Option<Head> = None;
        for (number, batch) in (0..).zip(&batches) {
            let writes = writes(batch, &entries);
            let before = entries.clone();
            let diff = commit(&blocks, &did(), last.as_ref(), &writes, rev(number), &KEY).unwrap();

            prop_assert_eq!(diff.since, last.as_ref().map(|head| head.rev));
            prop_assert_eq!(diff.prev_data, last.as_ref().map(|head| head.data));
            prop_assert_eq!(&Commit::decode(&diff.bytes).unwrap(), &diff.commit);
            prop_assert_eq!(diff.cid, support::cid_of(&diff.bytes));
            prop_assert_eq!(diff.cid, diff.commit.cid());
            prop_assert_eq!(diff.commit.verify(KEY.verifying_key()), Ok(()));

            for op in &diff.ops {
                let at = op.path.as_str();
                prop_assert_eq!(op.prev, before.get(at).copied());
                match op.cid {
                    Some(cid) => entries.insert(at.to_owned(), cid),
                    None => entries.remove(at),
                };
            }
            prop_assert_eq!(diff.ops.len(), writes.len());
            for cid in diff.retired() {
                prop_assert!(blocks.remove(&cid).is_some());
            }
            for (cid, bytes) in new_nodes(&diff) {
                prop_assert!(blocks.insert(cid, bytes).is_none());
            }
            prop_assert_eq!((diff.commit.data, blocks.clone()), tree(&entries));

            // Others have the proof alone, and undo in an order of their own.
            let proof = proof(&diff);
            let mut ops: Vec<_> = diff.ops.iter().cloned().zip(&order).collect();
            ops.sort_by_key(|(_, order)| *order);
            let ops: Vec<_> = ops.into_iter().map(|(op, _)| op).collect();
            prop_assert!(proof.contains_key(&diff.commit.data));
            prop_assert_eq!(invert(&proof, diff.commit.data, &ops).unwrap(), tree(&before).0);
            last = Some(head(&diff));
        }
    }

    #[test]
    fn false_operations_do_not_invert(batch in batch(), which: Index, what in 0..4) {
        let third = PATHS.iter().step_by(3);
        let start: Entries = third.map(|path| (path.clone(), record(0))).collect();
        let (data, blocks) = tree(&start);
        let last = Head { did: did(), cid: record(9), data, rev: rev(0) };
        let writes = writes(&batch, &start);
        prop_assume!(!writes.is_empty());
        let diff = commit(&blocks, &did(), Some(&last), &writes, rev(1), &KEY).unwrap();
        let proof = proof(&diff);
        let said = diff.ops;
        let mut ops = said.clone();
        let at = which.index(ops.len());
        let op = &mut ops[at];
        let other = Some(support::cid_of(b"another record"));
        match what {
            0 => op.cid = op.cid.and(other),
            1 => op.prev = op.prev.and(other),
            2 => op.action = match op.action {
                Action::Create | Action::Update => Action::Delete,
                Action::Delete => Action::Create,
            },
            _ => drop(ops.remove(at)),
        }
        // Nothing was changed in what is said, or the change left out makes no difference.
        let silent = what == 3 && writes.iter().any(|write| is_silent(write, &start));
        prop_assume!(ops != said && !silent);
        prop_assert_ne!(invert(&proof, diff.commit.data, &ops), Ok(data));
    }
}

/// Whether a write sets a record to what it is.
fn is_silent(write: &Write<'_>, start: &Entries) -> bool {
    matches!(write, Write::Update { path, cid } if start.get(path.as_str()) == Some(cid))
}

#[test]
fn first_commit_may_be_empty() {
    let diff = first(&Blocks::new(), &[]);
    assert_eq!((diff.since, diff.prev_data, diff.ops.len()), (None, None, 0));
    let root = [(Tree::EMPTY.root(), &EMPTY_NODE[..])];
    assert_eq!(diff.new_nodes().collect::<Vec<_>>(), root);
    assert_eq!((diff.retired().count(), diff.proof), (0, Vec::new()));
}

#[test]
fn empty_commit_signs_the_same_tree() {
    let diff = first(&Blocks::new(), &[]);
    let blocks = new_nodes(&diff);
    let again = commit(&blocks, &did(), Some(&head(&diff)), &[], rev(1), &KEY).unwrap();
    assert_eq!(again.commit.data, diff.commit.data);
    assert_ne!(again.cid, diff.cid);
    assert_eq!((again.new_nodes().count(), again.retired().count()), (0, 0));
    assert_eq!(again.proof, [(Tree::EMPTY.root(), EMPTY_NODE.to_vec())]);
}

#[test]
fn contradicting_writes_are_rejected() {
    let (a, b) = (PATHS[0].as_str(), PATHS[20].as_str());
    let diff = first(&Blocks::new(), &[Write::Create { path: path(a), cid: record(0) }]);
    let blocks = new_nodes(&diff);
    let last = head(&diff);
    let try_at = |writes: &[Write<'_>], rev| {
        commit(&blocks, &did(), Some(&last), writes, rev, &KEY).unwrap_err()
    };
    let refused = |writes: &[Write<'_>]| try_at(writes, rev(1));
    let owned = |text| path(text).to_owned();
    let fine = Write::Create { path: path(b), cid: record(0) };

    assert_eq!(
        refused(&[fine, Write::Create { path: path(a), cid: record(1) }]),
        CommitError::AlreadyExists(owned(a)),
    );
    assert_eq!(
        refused(&[Write::Update { path: path(b), cid: record(1) }]),
        CommitError::NotFound(owned(b)),
    );
    assert_eq!(refused(&[Write::Delete { path: path(b) }]), CommitError::NotFound(owned(b)));
    assert_eq!(
        refused(&[fine, Write::Delete { path: path(b) }]),
        CommitError::RepeatedPath(owned(b)),
    );
    assert_eq!(try_at(&[fine], rev(0)), CommitError::RevNotNewer(rev(0)));
    let someone = Did::parse("did:web:example.com".to_owned()).unwrap();
    assert_eq!(
        commit(&blocks, &someone, Some(&last), &[fine], rev(1), &KEY),
        Err(CommitError::ForeignHead(did())),
    );
    assert_eq!(
        commit(&Blocks::new(), &did(), Some(&last), &[fine], rev(1), &KEY),
        Err(CommitError::Tree(TreeError::Missing(last.data))),
    );
    let raw = Cid::new_v1(0x55, *record(0).hash());
    assert!(matches!(
        refused(&[Write::Create { path: path(b), cid: raw }]),
        CommitError::Tree(TreeError::Link(_)),
    ));
}

#[test]
fn number_of_writes_is_limited() {
    let paths: Vec<_> = (0..=MAX_WRITES).map(|n| format!("org.example.c/{n:03}")).collect();
    let writes: Vec<_> =
        paths.iter().map(|at| Write::Create { path: path(at), cid: record(0) }).collect();
    let diff = first(&Blocks::new(), &writes[..MAX_WRITES]);
    assert_eq!(
        commit(&Blocks::new(), &did(), None, &writes, rev(0), &KEY),
        Err(CommitError::TooManyWrites(MAX_WRITES + 1)),
    );
    let proof = proof(&diff);
    let mut ops = diff.ops;
    assert_eq!(invert(&proof, diff.commit.data, &ops), Ok(tree(&Entries::new()).0));
    ops.push(ops[0].clone());
    assert_eq!(
        invert(&proof, diff.commit.data, &ops),
        Err(InvertError::TooManyOps(MAX_WRITES + 1)),
    );
    ops.swap_remove(1);
    assert_eq!(
        invert(&proof, diff.commit.data, &ops),
        Err(InvertError::RepeatedPath(ops[0].path.clone())),
    );
}

#[test]
fn inversion_needs_every_block_of_the_proof_and_every_operation() {
    let diff = first(&Blocks::new(), &[Write::Create { path: path(&PATHS[0]), cid: record(0) }]);
    let data = diff.commit.data;
    assert_eq!(
        invert(&Blocks::new(), data, &diff.ops),
        Err(InvertError::Tree(TreeError::Missing(data))),
    );
    let proof = proof(&diff);
    let op = diff.ops[0].clone();
    let wrong = Err(InvertError::Op(op.path.clone()));
    for op in [
        Op { action: Action::Update, ..op.clone() },
        Op { cid: None, ..op.clone() },
        Op { prev: op.cid, ..op.clone() },
        Op { action: Action::Update, prev: Some(record(1)), cid: Some(record(2)), ..op.clone() },
        Op { action: Action::Delete, prev: Some(record(1)), cid: None, ..op.clone() },
    ] {
        assert_eq!(invert(&proof, data, &[op]), wrong);
    }
    let long = format!("org.example.c/{}", "a".repeat(512));
    assert!(!matches!(
        invert(&proof, data, &[Op { path: path(&long).to_owned(), ..op }]),
        Err(InvertError::Tree(TreeError::Key(KeyError::Length))),
    ));
}
