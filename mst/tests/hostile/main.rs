//! Untrusted trees: every operation that reaches an error reports it, and reads only a bounded
//! number of blocks.
#![allow(clippy::std_instead_of_alloc, clippy::std_instead_of_core, clippy::unwrap_used)]

mod blocks;
mod places;
#[path = "../support/mod.rs"]
mod support;

use std::borrow::Cow;
use std::convert::Infallible;

use cid::Cid;
use cid::multihash::Multihash;
use nacre_mst::{
    BlockSource, Edit, Entries, NodeError, NodeRef, ReverseEntries, Steps, Tree, TreeError,
    Verified, Walk, covering_proof, diff, key_height, verify,
};
use support::{Blocks, KEYS, cid_of, node, put, record, twin};

/// An operation on a tree, with a key of height 0 on whose path the error lies.
type Operation<S> = fn(&S, Tree, &str) -> Result<(), TreeError<<S as BlockSource>::Error>>;

/// The operations that read all nodes on the path of a key.
fn operations<S: BlockSource>() -> Vec<(&'static str, Operation<S>)> {
    vec![
        ("apply", |source, tree, key| {
            // Before all keys, at the key, and after all keys.
            let edits = [
                Edit::remove("a.a/0"),
                Edit { key, value: Some(record(1)) },
                Edit::set("z/0", record(2)),
            ];
            tree.apply(source, &edits).map(drop)
        }),
        ("diff, as the first", |source, tree, _| {
            diff((source, tree), (source, Tree::EMPTY)).try_for_each(|found| found.map(drop))
        }),
        ("diff, as the second", |source, tree, _| {
            diff((source, Tree::EMPTY), (source, tree)).try_for_each(|found| found.map(drop))
        }),
        ("entries", |source, tree, _| {
            Entries::new(source, tree).try_for_each(|found| found.map(drop))
        }),
        ("entries from the end", |source, tree, _| {
            ReverseEntries::new(source, tree).try_for_each(|found| found.map(drop))
        }),
        ("get", |source, tree, key| tree.get(source, key).map(drop)),
        ("insert", |source, tree, key| tree.insert(source, key, record(1)).map(drop)),
        ("insert above", |source, tree, key| {
            // A key so high that it splits the whole tree at `key`.
            let high = high_key_beside(key);
            tree.insert(source, &high, record(1)).map(drop)
        }),
        ("needs", |source, tree, key| tree.needs(source, [key]).map(drop)),
        ("proof", |source, tree, key| covering_proof(source, tree.root(), [key]).map(drop)),
        ("remove", |source, tree, key| tree.remove(source, key).map(drop)),
        ("steps", |source, tree, _| {
            let mut steps = Steps::new(tree);
            loop {
                let step = if let Some(cid) = steps.wanted() {
                    let block = source.block(&cid).map_err(TreeError::Source)?;
                    steps.enter(block.ok_or(TreeError::Missing(cid))?).map(|()| true)
                } else {
                    steps.next_entry().map(|entry| entry.is_some())
                };
                if !step? {
                    return Ok(());
                }
            }
        }),
        ("verify", |source, tree, _| verify(source, tree).map(drop)),
        ("walk", |source, tree, _| {
            let mut walk = Walk::new(source, tree);
            while let Some(visit) = walk.step() {
                visit?;
            }
            Ok(())
        }),
    ]
}

/// Returns a key directly after another one, with a height of at least 4.
fn high_key_beside(key: &str) -> String {
    let keys = (0..).map(|number| format!("{key}.{number}"));
    keys.into_iter().find(|key| key_height(key.as_bytes()) >= 4).unwrap()
}

fn key_between(low: &str, high: &str, height: u32) -> String {
    let fits = |key: &&String| {
        low < key.as_str() && key.as_str() < high && key_height(key.as_bytes()) == height
    };
    KEYS.iter().find(fits).unwrap().clone()
}

/// The keys of a root of level 2, and the keys between them.
struct Keys {
    low: String,
    high: String,
}

impl Keys {
    fn new() -> Self {
        Self { low: key_between("a", "a.b.c0/8", 2), high: key_between("a.b.c2/8", "b", 2) }
    }

    fn between(&self, height: u32) -> String {
        key_between(&self.low, &self.high, height)
    }

    /// Returns a tree of level 2 with this subtree between its two keys.
    fn root_over(&self, blocks: &mut Blocks, child: Cid) -> Cid {
        let entries = [(&*self.low, record(0), Some(child)), (&*self.high, record(0), None)];
        put(blocks, &node(None, &entries))
    }
}

/// Asserts that every operation reports this error.
fn assert_named(name: &str, blocks: &Blocks, root: Cid, key: &str, expected: &NodeError) {
    let tree = Tree::load(root).unwrap();
    assert_eq!(key_height(key.as_bytes()), 0);
    for (way, run) in operations() {
        match run(blocks, tree, key) {
            Err(TreeError::Node(cid, error)) => {
                assert_eq!(error, *expected, "{way}: {name}");
                assert!(blocks.contains_key(&cid), "{way}: {name}");
            }
            other => panic!("{way}: {name}: {other:?}"),
        }
    }
    // `Verified` only waives the check of heights, and not in walks.
    for (way, run) in operations() {
        let result = run(&Verified(blocks), tree, key);
        let walks = ["entries", "steps", "verify", "walk"].contains(&way);
        if walks || *expected != NodeError::Height {
            let is_named = matches!(result, Err(TreeError::Node(_, error)) if error == *expected);
            assert!(is_named, "{way}: {name}: {result:?}");
        }
    }
}

#[test]
fn missing_block_is_reported_by_every_operation() {
    let keys = Keys::new();
    let mut blocks = Blocks::new();
    let root = keys.root_over(&mut blocks, record(9));
    for (root, gone) in [(root, record(9)), (record(8), record(8))] {
        let tree = Tree::load(root).unwrap();
        for (way, run) in operations() {
            let expected = if way == "needs" { Ok(()) } else { Err(TreeError::Missing(gone)) };
            assert_eq!(run(&blocks, tree, &keys.between(0)), expected, "{way}");
        }
        assert_eq!(tree.needs(&blocks, [keys.between(0)]), Ok(vec![gone]));
    }
}

#[test]
fn failing_source_is_reported_by_every_operation() {
    #[derive(Debug, Eq, PartialEq)]
    struct Broken;
    struct Source;
    impl BlockSource for Source {
        type Error = Broken;

        fn block(&self, _: &Cid) -> Result<Option<Cow<'_, [u8]>>, Broken> {
            Err(Broken)
        }
    }
    for (way, run) in operations() {
        let tree = Tree::load(record(0)).unwrap();
        assert_eq!(run(&Source, tree, &KEYS[0]), Err(TreeError::Source(Broken)), "{way}");
    }
}

#[test]
fn verify_checks_the_hash_of_every_block() {
    let (root, blocks) = twin(&KEYS.iter().map(|key| (key.clone(), record(0))).collect());
    let tree = Tree::load(root).unwrap();
    let mut tried = 0;
    for (cid, block) in &blocks {
        let mut mixed = blocks.clone();
        // The same keys with other records: valid except for the hash.
        let other = with_other_records(block);
        if cid_of(&other) == *cid {
            continue;
        }
        tried += 1;
        mixed.insert(*cid, other);
        assert_eq!(verify(&mixed, tree), Err(TreeError::Hash(*cid)));
    }
    assert!(tried > 30);
}

fn with_other_records(block: &[u8]) -> Vec<u8> {
    let found = NodeRef::parse(block).unwrap();
    let mut key = Vec::new();
    let mut list = Vec::new();
    for entry in found.entries() {
        entry.extend_key(&mut key);
        list.push((String::from_utf8(key.clone()).unwrap(), record(1), entry.right()));
    }
    let list: Vec<_> = list.iter().map(|(key, value, right)| (&**key, *value, *right)).collect();
    node(found.left(), &list)
}

#[test]
fn invalid_root_and_record_cids_are_rejected_before_any_read() {
    let good = record(0);
    let hash = *good.hash();
    let identity = Multihash::wrap(0, hash.digest()).unwrap();
    let short = Multihash::wrap(0x12, &hash.digest()[..31]).unwrap();
    let blocks = Blocks::new();
    for cid in [
        Cid::new_v0(hash).unwrap(),
        Cid::new_v1(0x55, hash),
        Cid::new_v1(0x71, identity),
        Cid::new_v1(0x71, short),
    ] {
        let is_refused = |error| assert!(matches!(error, TreeError::Link(link) if link.0 == cid));
        assert_eq!(Tree::load(cid).unwrap_err().0, cid);
        is_refused(covering_proof(&blocks, cid, ["a/b"]).unwrap_err());
        is_refused(Tree::EMPTY.insert(&blocks, "a/b", cid).unwrap_err());
        let built = nacre_mst::build([("a/b", cid)], |_, _| Ok::<_, Infallible>(()));
        assert!(matches!(built, Err(nacre_mst::BuildError::Link(link)) if link.0 == cid));
    }
}
