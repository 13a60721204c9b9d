//! Trees from strangers: whatever is wrong in one, each way in that comes upon it calls it by its
//! name, and none reads on for long.
#![allow(clippy::std_instead_of_alloc, clippy::std_instead_of_core, clippy::unwrap_used)]

mod support;

use std::borrow::Cow;
use std::cell::Cell;
use std::convert::Infallible;

use cid::Cid;
use cid::multihash::Multihash;
use nacre_mst::{
    BlockSource, Edit, Entries, KeyError, MAX_KEY_BYTES, MAX_NODE_BYTES, MAX_NODE_ENTRIES,
    NodeError, NodeRef, ReverseEntries, Steps, Tree, TreeError, Verified, Walk, covering_proof,
    diff, key_height, verify,
};
use support::{Blocks, KEYS, cid_of, entry, node, put, raw_node, record, twin};

/// A way into a tree, with a key of height 0 on whose path the trouble lies.
type Way<S> = fn(&S, Tree, &str) -> Result<(), TreeError<<S as BlockSource>::Error>>;

/// The ways in that come upon everything that a tree has on the path of a key.
fn ways<S: BlockSource>() -> Vec<(&'static str, Way<S>)> {
    vec![
        ("apply", |source, tree, key| {
            // Below everything, at the key, and above everything.
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
            // A key so high that it cuts through all of the tree, where `key` is.
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
                if !step.map_err(|(cid, error)| TreeError::Node(cid, error))? {
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

/// Returns a key right after another one, of height 4 or more.
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

/// The keys of a root of level 2 and those that the trouble is made of.
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

/// Asserts that all ways in call the trouble by this name.
fn assert_named(name: &str, blocks: &Blocks, root: Cid, key: &str, expected: &NodeError) {
    let tree = Tree::load(root).unwrap();
    assert_eq!(key_height(key.as_bytes()), 0);
    for (way, run) in ways() {
        match run(blocks, tree, key) {
            Err(TreeError::Node(cid, error)) => {
                assert_eq!(error, *expected, "{way}: {name}");
                assert!(blocks.contains_key(&cid), "{way}: {name}");
            }
            other => panic!("{way}: {name}: {other:?}"),
        }
    }
    // Who calls such a tree verified waives the heights, but for walks, and no other rule.
    for (way, run) in ways() {
        let result = run(&Verified(blocks), tree, key);
        let walks = ["entries", "steps", "verify", "walk"].contains(&way);
        if walks || *expected != NodeError::Height {
            let is_named = matches!(result, Err(TreeError::Node(_, error)) if error == *expected);
            assert!(is_named, "{way}: {name}: {result:?}");
        }
    }
}

/// Asserts that all ways in call the block by this name, as the root and below one.
fn assert_block_named(name: &str, block: &[u8], expected: NodeError) {
    assert_eq!(NodeRef::parse(block).unwrap_err(), expected, "{name}");
    let keys = Keys::new();
    let mut blocks = Blocks::new();
    let root = put(&mut blocks, block);
    assert_named(name, &blocks, root, &keys.between(0), &expected);
    let root = keys.root_over(&mut blocks, root);
    assert_named(name, &blocks, root, &keys.between(0), &expected);
}

#[test]
fn what_is_not_the_one_encoding_of_a_node_is_named_by_where_it_is_not() {
    let good = raw_node(None, vec![entry(0, b"a.b.c1/1", record(0), None)]);
    // Where its parts are.
    let (count, first, key) = (3, 4, 7);
    let prefix = key + 1 + 8 + 2;
    let value = prefix + 1 + 2 + 1 + 2;
    let tail = value + 41;
    let (left, end) = (tail + 2, good.len());
    assert_eq!([good[key], good[prefix], good[value], good[left]], [0x48, 0, 0xd8, 0xf6]);
    let link = |head: &[u8]| [head, &[7; 32]].concat();
    let identity = link(&[0xd8, 0x2a, 0x58, 0x25, 0, 1, 0x71, 0, 32]);
    let version_0 = link(&[0xd8, 0x2a, 0x58, 0x23, 0, 0x12, 32]);
    let huge = |head: u8| [[head].as_slice(), &[255; 8]].concat();
    // What is put in the place of so many bytes, and where that is found.
    for (name, at, removed, put, found) in [
        ("nothing", 0, end, &[][..], 0),
        ("an array", 0, end, &[0x80], 0),
        ("a map that never ends", 0, 1, &[0xbf], 0),
        ("a map of one", 0, 1, &[0xa1], 0),
        ("a map of three", 0, 1, &[0xa3], 0),
        ("a longer count of fields", 0, 1, &[0xb8, 2], 0),
        ("the other field first", 0, end, b"\xa2al\xf6ae\x80", 0),
        ("one field twice", tail + 1, 1, b"e", tail),
        ("a count in two bytes", count, 1, &[0x98, 1], count),
        ("a count in three bytes", count, 1, &[0x99, 0, 1], count),
        ("a count of 2^32", count, 1, &[0x9a, 255, 255, 255, 255], count),
        ("a count of 2^64", count, 1, &huge(0x9b), count),
        ("more than was counted", count, 1, &[0x80], first),
        ("fewer than were counted", count, 1, &[0x82], tail),
        ("entries that never end", count, 1, &[0x9f], count),
        ("null for an entry", first, tail - first, &[0xf6], first),
        ("an entry of five", first, 1, &[0xa5], first),
        ("a key of text", key, 1, &[0x68], key),
        ("a longer length of a key", key, 1, &[0x58, 8], key),
        ("a key of 65,535", key, 1, &[0x59, 255, 255], key + 3),
        ("a key of 2^64", key, 1, &huge(0x5b), key),
        ("a prefix in two bytes", prefix, 1, &[0x18, 0], prefix),
        ("a prefix below zero", prefix, 1, &[0x20], prefix),
        ("a record of null", value, 41, &[0xf6], value),
        ("a record by identity", value, 41, &identity, value),
        ("a record of version 0", value, 41, &version_0, value),
        ("a raw record", value + 6, 1, &[0x55], value),
        ("another multibase", value + 4, 1, &[1], value),
        ("a subtree by identity", left, 1, &identity, left),
        ("a subtree of version 0", left, 1, &version_0, left),
        ("a subtree undefined", left, 1, &[0xf7], left),
        ("a byte too few", left, 1, &[], left),
        ("a byte behind", end, 0, &[0], end),
        ("itself behind", end, 0, &good, end),
    ] {
        let block = [&good[..at], put, &good[at + removed..]].concat();
        assert_block_named(name, &block, NodeError::Cbor(found));
    }
    let too_many = [&good[..count], &[0x99, 255, 255], &good[first..]].concat();
    assert_block_named("a count of 65,535", &too_many, NodeError::Count);
    for block in [[0xa2].repeat(MAX_NODE_BYTES + 1), [&*good, &[0; MAX_NODE_BYTES]].concat()] {
        assert_block_named("a block too large", &block, NodeError::Size);
    }
}

#[test]
fn what_is_wrong_with_a_key_is_named() {
    let longest = format!("a/{}", "0".repeat(MAX_KEY_BYTES - 2)).into_bytes();
    let too_long = [&*longest, b"0"].concat();
    for (name, entries, expected) in [
        ("a prefix of nothing", vec![(1, &b"a/b"[..])], NodeError::Prefix),
        ("a prefix too long", vec![(0, b"a/b"), (4, b"c")], NodeError::Prefix),
        ("a prefix too short", vec![(0, b"a/b1"), (2, b"b2")], NodeError::Prefix),
        ("a key twice", vec![(0, b"a/b"), (3, b"")], NodeError::Order),
        ("keys descending", vec![(0, b"a/c"), (2, b"b")], NodeError::Order),
        ("a key cut short", vec![(0, b"a/bc"), (3, b"")], NodeError::Order),
        ("an empty key", vec![(0, b"")], KeyError::Parts.into()),
        ("no slash", vec![(0, b"ab")], KeyError::Parts.into()),
        ("nothing before the slash", vec![(0, b"/b")], KeyError::Parts.into()),
        ("nothing behind the slash", vec![(0, b"a/")], KeyError::Parts.into()),
        ("three parts", vec![(0, b"a/b"), (3, b"/c")], KeyError::Parts.into()),
        ("a zero byte", vec![(0, b"a/b\0")], KeyError::Byte(3).into()),
        ("not UTF-8", vec![(0, b"a/\xff")], KeyError::Byte(2).into()),
        ("too long", vec![(0, &*too_long)], KeyError::Length.into()),
        ("too long as a whole", vec![(0, b"a/0"), (3, &*longest)], KeyError::Length.into()),
    ] {
        let entries = entries.into_iter().map(|(p, suffix)| entry(p, suffix, record(0), None));
        assert_block_named(name, &raw_node(None, entries.collect()), expected);
    }
}

fn leaf(blocks: &mut Blocks, key: &str) -> Cid {
    put(blocks, &node(None, &[(key, record(0), None)]))
}

fn over(blocks: &mut Blocks, child: Cid) -> Cid {
    put(blocks, &node(Some(child), &[]))
}

/// Asserts that all ways in call the trouble in a tree by this name.
fn check(name: &str, key: &str, expected: NodeError, make: &dyn Fn(&mut Blocks) -> Cid) {
    let mut blocks = Blocks::new();
    let root = make(&mut blocks);
    assert_named(name, &blocks, root, key, &expected);
}

#[test]
fn a_node_on_the_wrong_level_is_named() {
    let v = record(0);
    let keys = Keys::new();
    let low = &keys.low;
    let inside = keys.between(0);
    check("a level left out", &inside, NodeError::Height, &|blocks| {
        let level_0 = leaf(blocks, &inside);
        keys.root_over(blocks, level_0)
    });
    check("a level too many", &inside, NodeError::Height, &|blocks| {
        let level_1 = leaf(blocks, &keys.between(1));
        let between = over(blocks, level_1);
        keys.root_over(blocks, between)
    });
    check("two heights in one node", &inside, NodeError::Height, &|blocks| {
        let mut entries = [(keys.between(0), v, None), (keys.between(1), v, None)];
        entries.sort();
        let entries = entries.each_ref().map(|(key, value, right)| (&**key, *value, *right));
        let mixed = put(blocks, &node(None, &entries));
        keys.root_over(blocks, mixed)
    });
    check("two heights in the root", &inside, NodeError::Height, &|blocks| {
        put(blocks, &node(None, &[(low, v, None), (&keys.between(1), v, None)]))
    });
    check("the key above once more", &inside, NodeError::Height, &|blocks| {
        let again = leaf(blocks, low);
        keys.root_over(blocks, again)
    });
    check("an empty node", &inside, NodeError::Empty, &|blocks| {
        let empty = put(blocks, &node(None, &[]));
        keys.root_over(blocks, empty)
    });
    check("an empty node at the bottom", &inside, NodeError::Empty, &|blocks| {
        let empty = put(blocks, &node(None, &[]));
        let between = over(blocks, empty);
        keys.root_over(blocks, between)
    });
    check("a root without entries", &inside, NodeError::Untrimmed, &|blocks| {
        let level_1 = leaf(blocks, &keys.between(1));
        over(blocks, level_1)
    });
    check("a subtree below level 0", &inside, NodeError::Level, &|blocks| {
        let level_0 = leaf(blocks, &inside);
        let bottom = put(blocks, &node(Some(level_0), &[(&inside, v, None)]));
        let between = over(blocks, bottom);
        keys.root_over(blocks, between)
    });
    check("nothing but links, and too many", &inside, NodeError::Level, &|blocks| {
        let bottom = leaf(blocks, &inside);
        let bottom = [(); 100].iter().fold(bottom, |child, ()| over(blocks, child));
        keys.root_over(blocks, bottom)
    });
}

#[test]
fn keys_that_do_not_ascend_from_node_to_node_are_named() {
    let v = record(0);
    let keys = Keys::new();
    let Keys { low, high } = &keys;
    let beyond = key_between(high, "b", 0);
    let below = key_between("a", low, 0);
    check("keys beyond the one above", &beyond, NodeError::Order, &|blocks| {
        let level_1 = leaf(blocks, &keys.between(1));
        put(blocks, &node(None, &[(high, v, Some(level_1))]))
    });
    check("keys before the one above", &below, NodeError::Order, &|blocks| {
        let level_1 = leaf(blocks, &keys.between(1));
        put(blocks, &node(Some(level_1), &[(low, v, None)]))
    });
    check("far below, keys beyond", &beyond, NodeError::Order, &|blocks| {
        let level_0 = leaf(blocks, &keys.between(0));
        let level_1 = over(blocks, level_0);
        put(blocks, &node(None, &[(high, v, Some(level_1))]))
    });
    check("one subtree twice", &below, NodeError::Order, &|blocks| {
        let level_1 = leaf(blocks, &keys.between(1));
        put(blocks, &node(Some(level_1), &[(low, v, Some(level_1))]))
    });
}

#[test]
fn a_block_that_is_not_there_is_missing_for_all_ways_in_but_one() {
    let keys = Keys::new();
    let mut blocks = Blocks::new();
    let root = keys.root_over(&mut blocks, record(9));
    for (root, gone) in [(root, record(9)), (record(8), record(8))] {
        let tree = Tree::load(root).unwrap();
        for (way, run) in ways() {
            let expected = if way == "needs" { Ok(()) } else { Err(TreeError::Missing(gone)) };
            assert_eq!(run(&blocks, tree, &keys.between(0)), expected, "{way}");
        }
        assert_eq!(tree.needs(&blocks, [keys.between(0)]), Ok(vec![gone]));
    }
}

#[test]
fn a_source_that_fails_is_told_of_by_all_ways_in() {
    #[derive(Debug, Eq, PartialEq)]
    struct Broken;
    struct Source;
    impl BlockSource for Source {
        type Error = Broken;

        fn block(&self, _: &Cid) -> Result<Option<Cow<'_, [u8]>>, Broken> {
            Err(Broken)
        }
    }
    for (way, run) in ways() {
        let tree = Tree::load(record(0)).unwrap();
        assert_eq!(run(&Source, tree, &KEYS[0]), Err(TreeError::Source(Broken)), "{way}");
    }
}

/// A store that never hashed what it took in, and counts how often it is asked.
struct Liar(Blocks, Cell<usize>);

impl BlockSource for Liar {
    type Error = Infallible;

    fn block(&self, cid: &Cid) -> Result<Option<Cow<'_, [u8]>>, Infallible> {
        self.1.set(self.1.get() + 1);
        self.0.block(cid)
    }
}

#[test]
fn cycles_and_depth_bombs_end_at_the_bottom() {
    let (v, fake) = (record(0), record(77));
    let keys = Keys::new();
    let highest = KEYS.iter().max_by_key(|key| key_height(key.as_bytes())).unwrap();
    let levels = usize::try_from(key_height(highest.as_bytes())).unwrap() + 1;
    let near = KEYS.iter().rfind(|key| *key > highest && key_height(key.as_bytes()) == 0).unwrap();
    let nothing_but = |link| node(Some(link), &[]);
    for (name, children, key) in [
        ("a node that is its own child", vec![(fake, nothing_but(fake))], near),
        (
            "two nodes that are each other's",
            vec![(fake, nothing_but(v)), (v, nothing_but(fake))],
            near,
        ),
    ] {
        let mut blocks: Blocks = children.into_iter().collect();
        let root = put(&mut blocks, &node(None, &[(highest, v, Some(fake))]));
        let source = Liar(blocks, Cell::new(0));
        for (way, run) in ways() {
            source.1.set(0);
            let error = run(&source, Tree::load(root).unwrap(), key).unwrap_err();
            // The one way in that hashes sees at once what kind of store this is.
            let expected = match way {
                "verify" => matches!(error, TreeError::Hash(cid) if cid == fake),
                _ => matches!(error, TreeError::Node(_, NodeError::Level)),
            };
            assert!(expected, "{way}: {name}: {error}");
            assert!(source.1.get() <= levels, "{way}: {name}: {} blocks read", source.1.get());
        }
    }
    // A root that has itself below.
    let root = record(78);
    let block = node(None, &[(&keys.low, v, Some(root))]);
    let source = Liar(Blocks::from([(root, block)]), Cell::new(0));
    for (way, run) in ways() {
        source.1.set(0);
        let error = run(&source, Tree::load(root).unwrap(), &keys.between(0)).unwrap_err();
        let expected = match way {
            "verify" => error == TreeError::Hash(root),
            _ => error == TreeError::Node(root, NodeError::Height),
        };
        assert!(expected, "{way}: {error}");
        assert!(source.1.get() <= 3, "{way}: {} blocks read", source.1.get());
    }
    // Without their heights, it is the bounds and the bottom that end it.
    for (way, run) in ways() {
        source.1.set(0);
        let result = run(&Verified(&source), Tree::load(root).unwrap(), &keys.between(0));
        assert!(result.is_err(), "{way}");
        assert!(source.1.get() <= 3, "{way}: {} blocks read", source.1.get());
    }
}

#[test]
fn a_subtree_in_every_slot_is_not_read_as_often() {
    // Without bounds it would be read as often as there are ways down: 15 to the seventh.
    let mut wide: Vec<Vec<String>> = vec![Vec::new(); 7];
    for key in KEYS.iter() {
        let height = usize::try_from(key_height(key.as_bytes())).unwrap();
        if let Some(like) = wide.get_mut(height) {
            like.push(key.clone());
            like.sort_unstable();
        }
    }
    let mut blocks = Blocks::new();
    let mut below = None;
    for like in &wide {
        let entries: Vec<_> = like.iter().map(|key| (&**key, record(0), below)).collect();
        below = Some(put(&mut blocks, &node(below, &entries)));
    }
    let tree = Tree::load(below.unwrap()).unwrap();
    let source = Liar(blocks, Cell::new(0));
    let last = wide[0].last().unwrap();
    for (way, run) in ways() {
        source.1.set(0);
        let result = run(&source, tree, last);
        assert!(matches!(result, Err(TreeError::Node(_, NodeError::Order))), "{way}: {result:?}");
        assert!(source.1.get() < 100, "{way}: {} blocks read", source.1.get());
    }
}

#[test]
fn a_hash_is_checked_by_verify_wherever_the_block_is() {
    let (root, blocks) = twin(&KEYS.iter().map(|key| (key.clone(), record(0))).collect());
    let tree = Tree::load(root).unwrap();
    let mut tried = 0;
    for (cid, block) in &blocks {
        let mut mixed = blocks.clone();
        // The same keys with other records: right in every way but this.
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
fn roots_and_records_of_other_kinds_are_refused_before_anything_is_read() {
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

#[test]
fn a_node_of_exactly_so_many_entries_is_read_by_all_ways_in() {
    let keys: Vec<String> = (0..)
        .map(|n| format!("a/{n:0width$}", width = MAX_KEY_BYTES - 24))
        .filter(|key| key_height(key.as_bytes()) == 0)
        .take(MAX_NODE_ENTRIES + 1)
        .collect();
    let list_of = |keys: &[String]| {
        let entries: Vec<_> = keys.iter().map(|key| (&**key, record(0), None)).collect();
        node(None, &entries)
    };
    let mut blocks = Blocks::new();
    let root = put(&mut blocks, &list_of(&keys[..MAX_NODE_ENTRIES]));
    let too_many = put(&mut blocks, &list_of(&keys));
    for (way, run) in ways() {
        let key = &keys[MAX_NODE_ENTRIES / 2];
        // Two of its edits would add a key to it.
        let expected = match way {
            "apply" if key_height(b"z/0") == 0 => Err(TreeError::Full),
            _ => Ok(()),
        };
        if way != "insert above" {
            assert_eq!(run(&blocks, Tree::load(root).unwrap(), key), expected, "{way}");
        }
        let error = Err(TreeError::Node(too_many, NodeError::Count));
        assert_eq!(run(&blocks, Tree::load(too_many).unwrap(), key), error, "{way}");
    }
}
