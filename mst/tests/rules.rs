//! Each rule of a tree, broken by hand, and both sides of each limit.
#![allow(clippy::std_instead_of_alloc, clippy::std_instead_of_core, clippy::unwrap_used)]

mod support;

use std::borrow::Cow;
use std::cell::Cell;
use std::convert::Infallible;

use cid::Cid;
use ipld_core::ipld::Ipld;
use nacre_mst::{
    BlockSource, BuildError, EMPTY_NODE, Edit, KeyError, LinkError, MAX_KEY_BYTES, MAX_NODE_BYTES,
    MAX_NODE_ENTRIES, NodeError, NodeRef, ReverseEntries, Tree, TreeError, build, covering_proof,
    diff, key_height, verify,
};
use support::{Blocks, Entries, KEYS, entry, node, put, raw_node, record, tree_of, twin};

/// Returns the n-th key of a height in a sequence that ascends with n.
fn key(height: u32, number: usize) -> String {
    let keys =
        (0..).map(|n| format!("a/{n:05}")).filter(|key| key_height(key.as_bytes()) == height);
    keys.clone().nth(number).unwrap()
}

fn keys_between(low: &str, high: &str, height: u32) -> String {
    let fits = |key: &&String| {
        low < key.as_str() && key.as_str() < high && key_height(key.as_bytes()) == height
    };
    KEYS.iter().find(fits).unwrap().clone()
}

#[test]
fn misplaced_nodes_are_rejected() {
    let [low, high] = [keys_between("a", "a.b.c0/8", 2), keys_between("a.b.c2/8", "b", 2)];
    let child = |height| keys_between(&low, &high, height);
    let v = record(0);
    let leaf = |blocks: &mut Blocks, key: &str| put(blocks, &node(None, &[(key, v, None)]));
    let check = |name: &str, expected, beside: &str, make: &dyn Fn(&mut Blocks) -> Cid| {
        let mut blocks = Blocks::new();
        let root = make(&mut blocks);
        let tree = Tree::load(root).unwrap();
        let error = verify(&blocks, tree).unwrap_err();
        let TreeError::Node(_, error) = error else { panic!("{name}: {error}") };
        assert_eq!(error, expected, "{name}");
        // An operation whose path passes through the node reports it too.
        assert!(tree.insert(&blocks, beside, v).is_err(), "{name}");
        assert!(covering_proof(&blocks, root, [beside]).is_err(), "{name}");
        let mut all = diff((&blocks, Tree::EMPTY), (&blocks, tree));
        assert!(all.any(|found| found.is_err()), "{name}");
        assert!(ReverseEntries::new(&blocks, tree).any(|found| found.is_err()), "{name}");
    };

    check("wrong height for the level", NodeError::Height, &child(0), &|blocks| {
        let level_0 = leaf(blocks, &child(0));
        put(blocks, &node(None, &[(&low, v, Some(level_0))]))
    });
    check("two heights in one node", NodeError::Height, &child(0), &|blocks| {
        let mixed = put(blocks, &node(None, &[(&low, v, None), (&child(1), v, None)]));
        put(blocks, &node(Some(mixed), &[(&high, v, None)]))
    });
    check("a root of two heights", NodeError::Height, &child(0), &|blocks| {
        put(blocks, &node(None, &[(&low, v, None), (&child(1), v, None)]))
    });
    check("an empty node", NodeError::Empty, &child(0), &|blocks| {
        let empty = put(blocks, &node(None, &[]));
        put(blocks, &node(None, &[(&low, v, Some(empty))]))
    });
    check("a root without entries", NodeError::Untrimmed, &child(0), &|blocks| {
        let level_1 = leaf(blocks, &child(1));
        put(blocks, &node(Some(level_1), &[]))
    });
    check(
        "a subtree on the wrong side",
        NodeError::Order,
        &keys_between(&high, "b", 0),
        &|blocks| {
            let level_1 = leaf(blocks, &child(1));
            put(blocks, &node(None, &[(&high, v, Some(level_1))]))
        },
    );
    check("a subtree that comes twice", NodeError::Order, &keys_between("a", &low, 0), &|blocks| {
        let level_1 = leaf(blocks, &child(1));
        put(blocks, &node(Some(level_1), &[(&low, v, Some(level_1))]))
    });
    check("a subtree below level 0", NodeError::Level, &child(0), &|blocks| {
        let level_0 = leaf(blocks, &child(0));
        let above = put(blocks, &node(Some(level_0), &[(&child(0), v, None)]));
        let level_1 = put(blocks, &node(Some(above), &[]));
        put(blocks, &node(None, &[(&low, v, Some(level_1))]))
    });
}

#[test]
fn nodes_that_break_a_single_rule_are_rejected() {
    let v = record(0);
    let entries = |list: &[(usize, &str)]| {
        raw_node(None, list.iter().map(|(p, k)| entry(*p, k.as_bytes(), v, None)).collect())
    };
    let raw_link = Cid::new_v1(0x55, *v.hash());
    for (name, block, expected) in [
        ("first prefix not 0", entries(&[(1, "a/b")]), NodeError::Prefix),
        ("prefix too long", entries(&[(0, "a/b"), (4, "c")]), NodeError::Prefix),
        ("prefix too short", entries(&[(0, "a/b"), (1, "/c")]), NodeError::Prefix),
        ("descending", entries(&[(0, "a/c"), (2, "b")]), NodeError::Order),
        ("equal", entries(&[(0, "a/b"), (3, "")]), NodeError::Order),
        ("a prefix of the one before", entries(&[(0, "a/bc"), (3, "")]), NodeError::Order),
        ("no slash", entries(&[(0, "ab")]), NodeError::Key(KeyError::Parts)),
        ("empty key", entries(&[(0, "")]), NodeError::Key(KeyError::Parts)),
        ("two slashes", entries(&[(0, "a/b"), (3, "/c")]), NodeError::Key(KeyError::Parts)),
        ("a space", entries(&[(0, "a/b"), (3, " c")]), NodeError::Key(KeyError::Byte(3))),
        (
            "a raw record",
            raw_node(None, vec![entry(0, b"a/b", raw_link, None)]),
            NodeError::Cbor(19),
        ),
        ("not an entry", raw_node(None, vec![Ipld::Null]), NodeError::Cbor(4)),
        ("bytes behind", [entries(&[]), vec![0]].concat(), NodeError::Cbor(7)),
        ("nothing", Vec::new(), NodeError::Cbor(0)),
    ] {
        assert_eq!(NodeRef::parse(&block).unwrap_err(), expected, "{name}");
    }
}

#[test]
fn numbers_must_have_the_shortest_form() {
    let short = raw_node(None, Vec::new());
    assert_eq!(short[..4], [0xa2, 0x61, b'e', 0x80]);
    assert!(NodeRef::parse(&short).unwrap().is_empty());
    for head in [&[0x98, 0][..], &[0x99, 0, 0], &[0x9a, 0, 0, 0, 0], &[0x9f]] {
        let long = [&short[..3], head, &short[4..]].concat();
        assert_eq!(NodeRef::parse(&long).unwrap_err(), NodeError::Cbor(3));
    }
}

#[test]
fn entries_of_a_node_are_limited() {
    let full: Vec<String> = (0..)
        .map(|n| format!("a/{n:05}"))
        .filter(|key| key_height(key.as_bytes()) == 0)
        .take(MAX_NODE_ENTRIES)
        .collect();
    let more = (99_000..)
        .map(|n| format!("a/{n:05}"))
        .find(|key| key_height(key.as_bytes()) == 0)
        .unwrap();
    let list_of = |keys: &[String]| keys.iter().map(|key| (key.clone(), record(0))).collect();
    let (tree, blocks) = tree_of(&list_of(&full));
    assert_eq!(verify(&blocks, tree), Ok(900));
    assert_eq!(tree.insert(&blocks, &more, record(0)), Err(TreeError::Full));
    assert!(tree.insert(&blocks, &full[0], record(1)).is_ok());

    let list =
        |keys: &[String]| keys.iter().map(|key| (key.clone(), record(0))).collect::<Vec<_>>();
    let built = build(list(&full), |_, _| Ok::<_, Infallible>(()));
    assert_eq!(built, Ok(tree));
    let too_many = [full, vec![more]].concat();
    let built = build(list(&too_many), |_, _| Ok::<_, Infallible>(()));
    assert_eq!(built, Err(BuildError::Full));
    let entries: Vec<_> = too_many.iter().map(|key| (key.as_str(), record(0), None)).collect();
    assert_eq!(NodeRef::parse(&node(None, &entries)).unwrap_err(), NodeError::Count);
}

#[test]
fn merging_nodes_beyond_the_entry_limit_fails() {
    let height_0: Vec<String> = (0..)
        .map(|n| format!("a/{n:05}"))
        .filter(|key| key_height(key.as_bytes()) == 0)
        .take(MAX_NODE_ENTRIES + 1)
        .collect();
    let (left, right) = height_0.split_at(500);
    let between =
        (0..).map(|n| format!("{}.{n}", left[499])).find(|key| key_height(key.as_bytes()) == 1);
    let between = between.unwrap();
    for (right, fits) in [(right, false), (&right[1..], true)] {
        let keys = [&between].into_iter().chain(left).chain(right);
        let (tree, blocks) = tree_of(&keys.map(|key| (key.clone(), record(0))).collect());
        match tree.remove(&blocks, &between) {
            Ok(changes) if fits => assert_eq!(changes.previous, [Some(record(0))]),
            result => assert!(!fits && result == Err(TreeError::Full)),
        }
    }
}

#[test]
fn node_size_limit_admits_the_longest_keys() {
    let keys: Vec<String> = (0..)
        .map(|n| format!("a/{n:0width$}", width = MAX_KEY_BYTES - 2))
        .filter(|key| key_height(key.as_bytes()) == 0)
        .take(MAX_NODE_ENTRIES)
        .collect();
    let (tree, blocks) = tree_of(&keys.iter().map(|key| (key.clone(), record(0))).collect());
    let too_long = format!("{}0", keys[0]);
    let error = Err(KeyError::Length.into());
    assert_eq!(tree.insert(&blocks, &too_long, record(0)), error);
    assert!(NodeRef::parse(&blocks[&tree.root()]).is_ok());
    let mut block = vec![0; MAX_NODE_BYTES + 1];
    assert_eq!(NodeRef::parse(&block).unwrap_err(), NodeError::Size);
    block.pop();
    assert_eq!(NodeRef::parse(&block).unwrap_err(), NodeError::Cbor(0));
}

#[test]
fn invalid_keys_and_record_cids_are_rejected() {
    let blocks = Blocks::new();
    let tree = Tree::EMPTY;
    let raw = Cid::new_v1(0x55, *record(0).hash());
    assert_eq!(tree.insert(&blocks, "a/b", raw), Err(LinkError(raw).into()));
    assert_eq!(Tree::load(raw).unwrap_err(), LinkError(raw));
    assert_eq!(covering_proof(&blocks, raw, ["a/b"]), Err(LinkError(raw).into()));
    let error = || TreeError::Key(KeyError::Parts);
    assert_eq!(tree.get(&blocks, "ab"), Err(error()));
    assert_eq!(tree.insert(&blocks, "ab", record(0)), Err(error()));
    assert_eq!(tree.remove(&blocks, "ab"), Err(error()));
    assert_eq!(tree.needs(&blocks, ["ab"]), Err(error()));
}

#[test]
fn edits_must_ascend_strictly() {
    let blocks = Blocks::new();
    let [a, b] = ["a/a", "a/b"].map(|key| Edit::set(key, record(0)));
    assert!(Tree::EMPTY.apply(&blocks, &[a, b]).is_ok());
    assert_eq!(Tree::EMPTY.apply(&blocks, &[b, a]), Err(TreeError::Order));
    assert_eq!(Tree::EMPTY.apply(&blocks, &[a, Edit::remove("a/a")]), Err(TreeError::Order));
}

#[test]
fn empty_batch_reads_nothing() {
    let tree = Tree::load(record(0)).unwrap();
    let changes = tree.apply(&Blocks::new(), &[]).unwrap();
    assert_eq!(changes.tree, tree);
    assert_eq!((changes.new_blocks().len(), changes.retired().len()), (0, 0));
}

#[test]
fn empty_tree_needs_no_stored_node() {
    let empty = Tree::EMPTY;
    assert_eq!(
        empty.root().to_string(),
        "bafyreie5737gdxlw5i64vzichcalba3z2v5n6icifvx5xytvske7mr3hpm",
    );
    let (root, blocks) = twin(&Entries::new());
    assert_eq!((empty.root(), &EMPTY_NODE[..]), (root, &*blocks[&root]));
    let nothing = Blocks::new();
    assert_eq!(verify(&nothing, empty), Ok(0));
    assert_eq!(empty.get(&nothing, "a/b"), Ok(None));
    assert_eq!(empty.needs(&nothing, ["a/b"]), Ok(Vec::new()));
    let proof = covering_proof(&nothing, root, ["a/b"]).unwrap();
    assert_eq!(proof, [(root, Cow::Borrowed(&EMPTY_NODE[..]))]);
    assert_eq!(empty.remove(&nothing, "a/b").unwrap().tree, empty);
    assert_eq!(build(Vec::<(&str, Cid)>::new(), |_, _| Ok::<_, Infallible>(())), Ok(empty));

    let full = empty.insert(&nothing, &key(3, 0), record(0)).unwrap();
    assert_eq!(full.retired().collect::<Vec<_>>(), [root]);
    let full_blocks: Blocks = full.new_blocks().map(|(cid, block)| (cid, block.to_vec())).collect();
    let emptied = full.tree.remove(&full_blocks, &key(3, 0)).unwrap();
    assert_eq!(emptied.tree, empty);
    assert_eq!(emptied.new_blocks().collect::<Vec<_>>(), [(root, &EMPTY_NODE[..])]);
    assert_eq!(emptied.retired().collect::<Vec<_>>(), [full.root()]);
}

#[test]
fn verify_rejects_a_block_that_does_not_match_its_cid() {
    let (root, mut blocks) = twin(&Entries::from([(key(0, 0), record(0))]));
    let tree = Tree::load(root).unwrap();
    let (_, other) = twin(&Entries::from([(key(0, 0), record(1))]));
    blocks.insert(root, other.into_values().next().unwrap());
    assert_eq!(verify(&blocks, tree), Err(TreeError::Hash(root)));
    blocks.clear();
    assert_eq!(verify(&blocks, tree), Err(TreeError::Missing(root)));
}

#[test]
fn setting_the_same_record_changes_nothing() {
    let (root, blocks) = twin(&Entries::from([(key(0, 0), record(0))]));
    let tree = Tree::load(root).unwrap();
    let changes = tree.insert(&blocks, &key(0, 0), record(0)).unwrap();
    assert_eq!((changes.tree, &*changes.previous), (tree, &[Some(record(0))][..]));
    assert_eq!((changes.new_blocks().len(), changes.retired().len()), (0, 0));
}

#[test]
fn proof_of_many_keys_reads_each_node_once() {
    struct Counting(Blocks, Cell<usize>);
    impl BlockSource for Counting {
        type Error = Infallible;

        fn block(&self, cid: &Cid) -> Result<Option<Cow<'_, [u8]>>, Infallible> {
            self.1.set(self.1.get() + 1);
            self.0.block(cid)
        }
    }
    let (root, blocks) = twin(&KEYS.iter().map(|key| (key.clone(), record(0))).collect());
    let source = Counting(blocks, Cell::new(0));
    let proof = covering_proof(&source, root, KEYS.iter()).unwrap();
    assert_eq!((proof.len(), source.1.get()), (source.0.len(), source.0.len()));
}
