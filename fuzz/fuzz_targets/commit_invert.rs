//! If undoing operations in a tree, right or wrong, leads to a right one, then doing them again
//! leads back: nobody passes a tree off as made by operations that do not make it.
//!
//! The input: four operations, each a key, the record after and the record before, where record 0
//! is none; then the nodes of the tree, as in `mst_tree`.
#![no_main]

mod support;

use std::collections::BTreeMap;

use cid::Cid;
use libfuzzer_sys::fuzz_target;
use nacre_commit::{Action, Op, invert};
use nacre_mst::{Edit, Overlay, Tree, Verified, verify};
use nacre_syntax::RepoPath;
use support::{Blocks, Input, cid_of, read_node, record};

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input(bytes);
    let value = |input: &mut Input<'_>| Some(input.byte()).filter(|it| *it != 0).map(record);
    let mut ops = BTreeMap::new();
    for _ in 0..4 {
        let path = input.key();
        let (cid, prev) = (value(&mut input), value(&mut input));
        let action = match (prev, cid) {
            (None, None) => continue,
            (None, Some(_)) => Action::Create,
            (Some(_), None) => Action::Delete,
            (Some(_), Some(_)) => Action::Update,
        };
        let path = RepoPath::parse(path.to_owned()).expect("the keys are paths");
        ops.insert(path.clone(), Op { action, path, cid, prev });
    }
    let ops: Vec<_> = ops.into_values().collect();
    let mut list = Vec::new();
    while !input.is_empty() && list.len() < MAX_NODES {
        let block = read_node(&mut input, &list);
        list.push((cid_of(&block), block));
    }
    let Some((after, _)) = list.last() else { return };
    let after = Tree::load(*after).expect("it is a CID of the right kind");
    let blocks: Blocks = list.into_iter().collect();
    let Ok(before) = invert(&blocks, after.root(), &ops) else { return };
    let edits = |value: fn(&Op) -> Option<Cid>| -> Vec<Edit<'_>> {
        ops.iter().map(|op| Edit { key: op.path.as_str(), value: value(op) }).collect()
    };
    let Ok(undone) = after.apply(&Verified(&blocks), &edits(|op| op.prev)) else {
        panic!("what can be inverted can be undone")
    };
    assert_eq!(undone.root(), before);
    let over = Overlay::new(&undone, &blocks);
    if verify(&over, undone.tree).is_err() {
        return;
    }
    let again = undone.tree.apply(&over, &edits(|op| op.cid)).expect("a right tree takes edits");
    assert_eq!(again.tree, after);
    let again = Overlay::new(&again, &over);
    assert!(verify(&again, after).is_ok());
});

const MAX_NODES: usize = 64;
