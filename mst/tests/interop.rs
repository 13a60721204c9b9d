//! The vectors of the protocol's interoperability suite.
#![allow(clippy::std_instead_of_alloc, clippy::std_instead_of_core, clippy::unwrap_used)]

mod support;

use std::collections::BTreeSet;
use std::fs;

use cid::Cid;
use nacre_mst::{covering_proof, key_height};
use serde_json::Value;
use support::{Blocks, Entries, Writes, edits, interop, record, store, tree_of, twin};

#[test]
fn key_heights_match_the_suite() {
    let Some(folder) = interop("mst") else { return };
    for case in cases(&fs::read_to_string(folder.join("key_heights.json")).unwrap()) {
        let key = text(&case, "key");
        assert_eq!(Value::from(key_height(key.as_bytes())), case["height"], "{key}");
    }
}

#[test]
fn example_keys_have_their_heights_and_build_a_valid_tree() {
    let Some(folder) = interop("mst") else { return };
    let list = fs::read_to_string(folder.join("example_keys.txt")).unwrap();
    let mut entries = Entries::new();
    for key in list.lines() {
        assert_eq!(key_height(key.as_bytes()).to_string(), key[1..2], "{key}");
        entries.insert(key.to_owned(), record(0));
    }
    assert_eq!(entries.len(), 156);
    let (tree, blocks) = tree_of(&entries);
    assert_eq!((tree.root(), blocks), twin(&entries));
}

/// Also compares our proof with that of the reference implementation, node by node.
#[test]
fn roots_and_proofs_match_the_suite() {
    let Some(folder) = interop("firehose") else { return };
    let list = cases(&fs::read_to_string(folder.join("commit-proof-fixtures.json")).unwrap());
    assert!(!list.is_empty());
    for case in list {
        let comment = text(&case, "comment");
        let value = cid(&case["leafValue"]);
        let present = texts(&case["keys"]).into_iter().map(|key| (key, value)).collect();
        let (before, mut blocks) = tree_of(&present);
        assert_eq!(before.root(), cid(&case["rootBeforeCommit"]), "{comment}");

        let adds = texts(&case["adds"]).into_iter().map(|key| (key, Some(value)));
        let dels = texts(&case["dels"]).into_iter().map(|key| (key, None));
        let writes: Writes = adds.chain(dels).collect();
        let changes = before.apply(&blocks, &edits(&writes)).unwrap();
        for (value, previous) in writes.values().zip(&changes.previous) {
            assert_eq!(value.is_some(), previous.is_none(), "{comment}");
        }
        let after = changes.tree;
        assert_eq!(after.root(), cid(&case["rootAfterCommit"]), "{comment}");
        store(&mut blocks, &changes);

        let proof = covering_proof(&blocks, after.root(), writes.keys()).unwrap();
        let found: BTreeSet<_> = proof.iter().map(|(cid, _)| *cid).collect();
        let expected: BTreeSet<_> =
            case["blocksInProof"].as_array().unwrap().iter().map(cid).collect();
        assert_eq!(found, expected, "{comment}");

        let proof: Blocks = proof.into_iter().map(|(cid, block)| (cid, block.into())).collect();
        let undo: Writes = writes
            .into_iter()
            .map(|(key, added)| (key, if added.is_some() { None } else { Some(value) }))
            .collect();
        assert_eq!(after.apply(&proof, &edits(&undo)).unwrap().tree, before, "{comment}");
    }
}

fn cases(json: &str) -> Vec<Value> {
    serde_json::from_str(json).unwrap()
}

fn text(case: &Value, name: &str) -> String {
    case[name].as_str().unwrap().to_owned()
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

fn cid(text: &Value) -> Cid {
    text.as_str().unwrap().parse().unwrap()
}
