//! Misplaced nodes.

use std::borrow::Cow;
use std::cell::Cell;
use std::convert::Infallible;

use cid::Cid;
use nacre_mst::{BlockSource, NodeError, Tree, TreeError, Verified, key_height};

use crate::support::{Blocks, KEYS, node, put, record};
use crate::{Keys, assert_named, key_between, operations};

#[test]
fn nodes_on_the_wrong_level_are_rejected() {
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
fn keys_out_of_order_across_nodes_are_rejected() {
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
fn cycles_and_depth_bombs_end_at_level_0() {
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
        for (way, run) in operations() {
            source.1.set(0);
            let error = run(&source, Tree::load(root).unwrap(), key).unwrap_err();
            // `verify` hashes blocks and rejects the first one.
            let expected = match way {
                "verify" => matches!(error, TreeError::Hash(cid) if cid == fake),
                _ => matches!(error, TreeError::Node(_, NodeError::Level)),
            };
            assert!(expected, "{way}: {name}: {error}");
            assert!(source.1.get() <= levels, "{way}: {name}: {} blocks read", source.1.get());
        }
    }
    // A root that contains itself.
    let root = record(78);
    let block = node(None, &[(&keys.low, v, Some(root))]);
    let source = Liar(Blocks::from([(root, block)]), Cell::new(0));
    for (way, run) in operations() {
        source.1.set(0);
        let error = run(&source, Tree::load(root).unwrap(), &keys.between(0)).unwrap_err();
        let expected = match way {
            "verify" => error == TreeError::Hash(root),
            _ => error == TreeError::Node(root, NodeError::Height),
        };
        assert!(expected, "{way}: {error}");
        assert!(source.1.get() <= 3, "{way}: {} blocks read", source.1.get());
    }
    // Without height checks, the bounds and level 0 end it.
    for (way, run) in operations() {
        source.1.set(0);
        let result = run(&Verified(&source), Tree::load(root).unwrap(), &keys.between(0));
        assert!(result.is_err(), "{way}");
        assert!(source.1.get() <= 3, "{way}: {} blocks read", source.1.get());
    }
}

#[test]
fn shared_subtree_is_not_read_once_per_slot() {
    // Without bounds it would be read once per path: 15 to the seventh.
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
    for (way, run) in operations() {
        source.1.set(0);
        let result = run(&source, tree, last);
        assert!(matches!(result, Err(TreeError::Node(_, NodeError::Order))), "{way}: {result:?}");
        assert!(source.1.get() < 100, "{way}: {} blocks read", source.1.get());
    }
}

/// Asserts that every operation reports this error for the tree.
fn check(name: &str, key: &str, expected: NodeError, make: &dyn Fn(&mut Blocks) -> Cid) {
    let mut blocks = Blocks::new();
    let root = make(&mut blocks);
    assert_named(name, &blocks, root, key, &expected);
}

fn leaf(blocks: &mut Blocks, key: &str) -> Cid {
    put(blocks, &node(None, &[(key, record(0), None)]))
}

fn over(blocks: &mut Blocks, child: Cid) -> Cid {
    put(blocks, &node(Some(child), &[]))
}

/// A store of unhashed blocks that counts its reads.
struct Liar(Blocks, Cell<usize>);

impl BlockSource for Liar {
    type Error = Infallible;

    fn block(&self, cid: &Cid) -> Result<Option<Cow<'_, [u8]>>, Infallible> {
        self.1.set(self.1.get() + 1);
        self.0.block(cid)
    }
}
