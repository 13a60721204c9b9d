//! The vectors of the protocol's interoperability suite.
#![allow(clippy::std_instead_of_alloc, clippy::std_instead_of_core, clippy::unwrap_used)]

mod support;

use std::collections::BTreeSet;
use std::fs;

use cid::Cid;
use nacre_mst::{Tree, covering_proof, key_height};
use serde_json::Value;
use support::{Blocks, Entries, interop, record, twin};

#[test]
fn keys_have_the_heights_of_the_suite() {
    let Some(folder) = interop("mst") else { return };
    for case in cases(&fs::read_to_string(folder.join("key_heights.json")).unwrap()) {
        let key = text(&case, "key");
        assert_eq!(Value::from(key_height(key.as_bytes())), case["height"], "{key}");
    }
}

#[test]
fn the_example_keys_carry_their_height_and_make_a_valid_tree() {
    let Some(folder) = interop("mst") else { return };
    let list = fs::read_to_string(folder.join("example_keys.txt")).unwrap();
    let mut tree = Tree::new();
    let mut entries = Entries::new();
    for key in list.lines() {
        assert_eq!(key_height(key.as_bytes()).to_string(), key[1..2], "{key}");
        tree.insert(&Blocks::new(), key, record(0)).unwrap();
        entries.insert(key.to_owned(), record(0));
    }
    assert_eq!(entries.len(), 156);
    let changes = tree.flush();
    let (root, blocks) = twin(&entries);
    assert_eq!((changes.root, changes.new_blocks.into_iter().collect()), (root, blocks));
}

/// One step further than the suite asks: the reference's proof is ours, node for node.
#[test]
fn commits_have_the_roots_and_the_proofs_of_the_suite() {
    let Some(folder) = interop("firehose") else { return };
    let list = cases(&fs::read_to_string(folder.join("commit-proof-fixtures.json")).unwrap());
    assert!(!list.is_empty());
    for case in list {
        let comment = text(&case, "comment");
        let value = cid(&case["leafValue"]);
        let mut blocks = Blocks::new();
        let mut tree = Tree::new();
        for key in texts(&case["keys"]) {
            tree.insert(&blocks, &key, value).unwrap();
        }
        let before = tree.flush();
        assert_eq!(before.root, cid(&case["rootBeforeCommit"]), "{comment}");
        blocks.extend(before.new_blocks);

        let (adds, dels) = (texts(&case["adds"]), texts(&case["dels"]));
        for key in &adds {
            assert_eq!(tree.insert(&blocks, key, value).unwrap(), None);
        }
        for key in &dels {
            assert_eq!(tree.remove(&blocks, key).unwrap(), Some(value));
        }
        let after = tree.flush();
        assert_eq!(after.root, cid(&case["rootAfterCommit"]), "{comment}");
        blocks.extend(after.new_blocks);

        let proof = covering_proof(&blocks, after.root, adds.iter().chain(&dels)).unwrap();
        let found: BTreeSet<_> = proof.iter().map(|(cid, _)| *cid).collect();
        let expected: BTreeSet<_> =
            case["blocksInProof"].as_array().unwrap().iter().map(cid).collect();
        assert_eq!(found, expected, "{comment}");

        let proof: Blocks = proof.into_iter().collect();
        let mut tree = Tree::load(after.root).unwrap();
        for key in &dels {
            tree.insert(&proof, key, value).unwrap();
        }
        for key in &adds {
            tree.remove(&proof, key).unwrap();
        }
        assert_eq!(tree.flush().root, before.root, "{comment}");
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
