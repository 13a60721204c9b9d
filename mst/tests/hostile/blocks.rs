//! Blocks that are not valid nodes.

use nacre_mst::{
    KeyError, MAX_KEY_BYTES, MAX_NODE_BYTES, MAX_NODE_ENTRIES, NodeError, NodeRef, Tree, TreeError,
    key_height,
};

use crate::support::{Blocks, entry, node, put, raw_node, record};
use crate::{Keys, assert_named, operations};

#[test]
fn encoding_errors_name_the_offset() {
    let good = raw_node(None, vec![entry(0, b"a.b.c1/1", record(0), None)]);
    // The offsets of its parts.
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
    // The replacement, the replaced bytes, and the reported offset.
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
fn key_errors_are_named() {
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

#[test]
fn node_at_the_entry_limit_is_read_by_every_operation() {
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
    for (way, run) in operations() {
        let key = &keys[MAX_NODE_ENTRIES / 2];
        // Two of the operations would add a key.
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

/// Asserts that every operation reports this error for the block, as the root and below a root.
fn assert_block_named(name: &str, block: &[u8], expected: NodeError) {
    assert_eq!(NodeRef::parse(block).unwrap_err(), expected, "{name}");
    let keys = Keys::new();
    let mut blocks = Blocks::new();
    let root = put(&mut blocks, block);
    assert_named(name, &blocks, root, &keys.between(0), &expected);
    let root = keys.root_over(&mut blocks, root);
    assert_named(name, &blocks, root, &keys.between(0), &expected);
}
