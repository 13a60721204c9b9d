//! A tree from a stranger: every way in ends, none panics, and all agree on what is in it.
//!
//! The input is a list of nodes, each described as [`support::read_node`] reads it. A node links to
//! those before it, whose hashes are right, or to blocks that are missing. If the first byte is
//! odd, blocks are then damaged: bytes changed, blocks put in the place of others, so that there
//! are cycles.
#![no_main]

mod support;

use cid::Cid;
use libfuzzer_sys::fuzz_target;
use nacre_mst::{
    Edit, Entries as TreeEntries, Overlay, ReverseEntries, Tree, TreeError, Verified,
    covering_proof, diff, verify,
};
use support::{Blocks, Entries, Input, KEYS, built, cid_of, read_node, record};

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input(bytes);
    let damaged = input.byte() % 2 == 1;
    let edits = [(); 3].map(|()| (input.key(), input.byte()));
    let damages: Vec<_> = (0..if damaged { input.byte() % 8 } else { 0 })
        .map(|_| (input.byte(), input.byte(), input.number(), input.byte()))
        .collect();
    let mut list: Vec<(Cid, Vec<u8>)> = Vec::new();
    while !input.is_empty() && list.len() < MAX_NODES {
        let block = read_node(&mut input, &list);
        list.push((cid_of(&block), block));
    }
    let Some((root, _)) = list.last().cloned() else { return };
    for damage in damages {
        make_damage(&mut list, damage);
    }
    let tree = Tree::load(root).expect("it is a CID of the right kind");
    let blocks: Blocks = list.into_iter().collect();
    check(&blocks, tree, edits);
});

fn make_damage(list: &mut [(Cid, Vec<u8>)], damage: (u8, u8, usize, u8)) {
    let (kind, which, at, value) = damage;
    let count = list.len();
    let which = usize::from(which) % count;
    match kind % 3 {
        0 => {
            let block = &mut list[which].1;
            let at = at % block.len();
            block[at] = value;
        }
        1 => list[which].1 = list[at % count].1.clone(),
        // Another link: up, down or sideways.
        _ => {
            let digest = list[usize::from(value) % count].0.hash().digest().to_vec();
            let block = &mut list[which].1;
            let links: Vec<_> =
                (0..block.len()).filter(|at| block[*at..].starts_with(&LINK)).collect();
            if let Some(link) = links.get(at % links.len().max(1)) {
                let start = link + LINK.len();
                block[start..start + digest.len()].copy_from_slice(&digest);
            }
        }
    }
}

fn check(blocks: &Blocks, tree: Tree, edits: [(&str, u8); 3]) {
    let forwards: Result<Vec<_>, _> = TreeEntries::new(blocks, tree).collect();
    let backwards: Result<Vec<_>, _> = ReverseEntries::new(blocks, tree).collect();
    let all: Result<Vec<_>, _> = diff((blocks, tree), (blocks, Tree::EMPTY)).collect();
    let verified = verify(blocks, tree);
    let mut keys: Vec<_> = edits.iter().map(|(key, _)| *key).collect();
    keys.sort_unstable();
    keys.dedup();
    let set: Vec<_> = keys.iter().zip(edits).map(|(key, (_, value))| (*key, value)).collect();
    let set: Vec<_> = set
        .iter()
        .map(|(key, value)| Edit { key, value: (*value != 0).then(|| record(*value)) })
        .collect();
    let changes = tree.apply(blocks, &set);
    let proof = covering_proof(blocks, tree.root(), &keys);
    let needs = tree.needs(blocks, &keys);
    // To call it verified is wrong, but no more than that.
    let trusted = Verified(blocks);
    let _ = tree.apply(&trusted, &set);
    let _ = covering_proof(&trusted, tree.root(), &keys);
    let _ = tree.get(&trusted, keys[0]);
    let _ = TreeEntries::new(&trusted, tree).count();
    let _ = diff((&trusted, tree), (&trusted, Tree::EMPTY)).count();
    let Ok(forwards) = forwards else {
        assert!(
            backwards.is_err() && all.is_err() && verified.is_err(),
            "all see that it is wrong"
        );
        if let Ok(changes) = changes {
            let over = Overlay::new(&changes, blocks);
            let _ = TreeEntries::new(&over, changes.tree).count();
        }
        for key in &keys {
            let _ = tree.get(blocks, key);
        }
        return;
    };
    let mut entries: Entries = forwards.iter().cloned().collect();
    assert_eq!(entries.len(), forwards.len());
    let backwards = backwards.expect("backwards it is right too");
    assert!(backwards.iter().rev().eq(&forwards));
    let all = all.expect("the whole tree is the difference from the empty one");
    assert!(all.into_iter().map(|it| (it.key, it.before.unwrap())).eq(forwards));
    for key in KEYS.iter() {
        assert_eq!(tree.get(blocks, key), Ok(entries.get(key).copied()));
    }
    match &verified {
        Ok(count) => {
            assert_eq!(usize::try_from(*count), Ok(entries.len()));
            assert_eq!(tree, built(&entries).0, "what passes is the tree of its entries");
        }
        Err(error) => assert!(matches!(error, TreeError::Hash(_))),
    }
    assert_eq!(needs, Ok(Vec::new()));
    let proof = proof.expect("a right tree proves any key");
    let proof: Blocks = proof.into_iter().map(|(cid, block)| (cid, block.into())).collect();
    for key in keys {
        assert_eq!(tree.get(&proof, key), Ok(entries.get(key).copied()));
    }
    if verified.is_err() {
        // A block that is not what its CID says may come to stand for a new node that is.
        return;
    }
    let changes = changes.expect("a right tree takes any edit");
    for edit in set {
        match edit.value {
            Some(value) => entries.insert(edit.key.to_owned(), value),
            None => entries.remove(edit.key),
        };
    }
    let over = Overlay::new(&changes, blocks);
    assert!(TreeEntries::new(&over, changes.tree).map(Result::unwrap).eq(entries));
}

const MAX_NODES: usize = 64;
/// All of a link but its digest.
const LINK: [u8; 9] = [0xd8, 0x2a, 0x58, 0x25, 0x00, 0x01, 0x71, 0x12, 0x20];
