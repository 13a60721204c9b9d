//! Memory use for untrusted trees is bounded by the size of their blocks, not by what they claim.
#![allow(clippy::std_instead_of_alloc, clippy::std_instead_of_core, clippy::unwrap_used)]

mod support;

use cid::Cid;
use nacre_mst::{
    Edit, Entries, MAX_KEY_BYTES, MAX_NODE_BYTES, MAX_NODE_ENTRIES, NodeRef, ReverseEntries, Tree,
    covering_proof, diff, key_height, verify,
};
use peak_alloc::PeakAlloc;
use support::{Blocks, node, put, record};

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// The limit for the keys of a node in the README.
const KEY_BYTES_A_BLOCK_BYTE: usize = 19;

/// The table entry of a key, whose entry in the block has at least 51 bytes.
const TABLE_BYTES_A_BLOCK_BYTE: usize = 1;

/// The factor for a growing buffer: up to twice the needed size, plus its old half while it moves.
const GROWTH: usize = 3;

/// The memory of an operation on the smallest tree.
const START: usize = 64 * 1024;

const MULTIPLE: usize = GROWTH * (KEY_BYTES_A_BLOCK_BYTE + TABLE_BYTES_A_BLOCK_BYTE);

/// A single test, because parallel tests would be counted too.
#[test]
fn memory_is_bounded_by_the_blocks_that_are_read() {
    bytes_that_are_no_node();
    let keys = keys_of_heights([MAX_NODE_ENTRIES, 60, 20, 5]);
    let leaf = node(None, &entries(&keys[0], &[]));
    assert!(leaf.len() * 17 < MAX_NODE_ENTRIES * MAX_KEY_BYTES, "it is small for its keys");
    let mut blocks = Blocks::new();
    let root = put(&mut blocks, &leaf);
    a_tree(&blocks, root, &keys[0]);
    a_tree_of_levels(&keys);
}

/// Returns keys of each height that have the maximum length and differ only at their ends.
fn keys_of_heights<const N: usize>(counts: [usize; N]) -> [Vec<String>; N] {
    let mut keys = counts.map(|_| Vec::new());
    for number in 0.. {
        let key = format!("a/{number:0width$}", width = MAX_KEY_BYTES - 2);
        let height = usize::try_from(key_height(key.as_bytes())).unwrap();
        if let (Some(list), Some(count)) = (keys.get_mut(height), counts.get(height))
            && list.len() < *count
        {
            list.push(key);
        }
        if keys.iter().zip(counts).all(|(list, count)| list.len() == count) {
            break;
        }
    }
    keys
}

/// Returns entries with these keys and right subtrees.
fn entries<'k>(keys: &'k [String], right: &[Option<Cid>]) -> Vec<(&'k str, Cid, Option<Cid>)> {
    let right = right.iter().copied().chain(std::iter::repeat(None));
    keys.iter().zip(right).map(|(key, right)| (&**key, record(0), right)).collect()
}

/// A tree of all levels with maximally compressed nodes.
fn a_tree_of_levels(keys: &[Vec<String>]) {
    let list = keys.concat().into_iter().map(|key| (key, record(0))).collect();
    let (root, blocks) = support::twin(&list);
    assert!(NodeRef::parse(&blocks[&root]).unwrap().len() > 1);
    a_tree(&blocks, root, &keys.concat());
}

/// Runs every operation on a tree.
fn a_tree(blocks: &Blocks, root: Cid, keys: &[String]) {
    let total: usize = blocks.values().map(Vec::len).sum();
    let limit = MULTIPLE * total + START;
    let tree = Tree::load(root).unwrap();
    let mut keys: Vec<_> = keys.iter().map(String::as_str).collect();
    keys.sort_unstable();
    let own: usize = keys.iter().map(|key| key.len()).sum();
    let middle = keys[keys.len() / 2];
    let count = keys.len();
    let entries = u64::try_from(count).unwrap();

    within("get", limit, || assert_eq!(tree.get(blocks, middle), Ok(Some(record(0)))));
    within("insert", limit, || drop(tree.insert(blocks, middle, record(1)).unwrap()));
    within("remove", limit, || drop(tree.remove(blocks, middle).unwrap()));
    within("one proof", limit, || drop(covering_proof(blocks, root, [middle]).unwrap()));
    within("verify", limit, || assert_eq!(verify(blocks, tree), Ok(entries)));
    within("entries", limit, || assert_eq!(Entries::new(blocks, tree).count(), count));
    within("entries from the end", limit, || {
        assert_eq!(ReverseEntries::new(blocks, tree).count(), count)
    });
    within("diff", limit, || {
        assert_eq!(diff((blocks, tree), (blocks, Tree::EMPTY)).count(), count)
    });
    within("diff with itself changed", 2 * limit, || {
        let changes = tree.insert(blocks, middle, record(1)).unwrap();
        let over = nacre_mst::Overlay::new(&changes, blocks);
        assert_eq!(diff((blocks, tree), (&over, changes.tree)).count(), 1);
    });
    // Operations on many keys hold a second copy of the keys.
    let limit = limit + GROWTH * own;
    within("proof", limit, || drop(covering_proof(blocks, root, &keys).unwrap()));
    within("needs", limit, || drop(tree.needs(blocks, &keys).unwrap()));
    let edits: Vec<_> = keys.iter().map(|key| Edit::set(key, record(1))).collect();
    within("apply", limit, || drop(tree.apply(blocks, &edits).unwrap()));
}

/// Blocks that claim to be large, and large blocks that are not nodes.
fn bytes_that_are_no_node() {
    let mut state = 1_u32;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_be_bytes()[0]
    };
    let claims = [
        &[0xa2, 0x61, b'e', 0x99, 0x03, 0x84][..],
        &[0xa2, 0x61, b'e', 0x99, 0xff, 0xff],
        &[0xa2, 0x61, b'e', 0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        &[0xa2, 0x61, b'e', 0x81, 0xa4, 0x61, b'k', 0x59, 0xff, 0xff],
        &[0xa2, 0x61, b'e', 0x81, 0xa4, 0x61, b'k', 0x5a, 0xff, 0xff, 0xff, 0xff],
    ];
    for claim in claims {
        for more in [0, 100, 10_000, MAX_NODE_BYTES - claim.len(), MAX_NODE_BYTES] {
            let mut block = claim.to_vec();
            block.extend((0..more).map(|_| random()));
            let limit = MULTIPLE * block.len().min(4096);
            within("bytes", limit, || assert!(NodeRef::parse(&block).is_err()));
            let mut blocks = Blocks::new();
            let root = put(&mut blocks, &block);
            let tree = Tree::load(root).unwrap();
            within("bytes as a tree", START, || assert!(verify(&blocks, tree).is_err()));
        }
    }
}

fn within(name: &str, limit: usize, work: impl FnOnce()) {
    let before = HEAP.current_usage();
    HEAP.reset_peak_usage();
    work();
    let peak = HEAP.peak_usage().saturating_sub(before);
    println!("{name}: {peak} of at most {limit} bytes");
    assert!(peak <= limit, "{name}: {peak} bytes, and the limit is {limit}");
}
