//! Trees that no writer makes are not made right by operations that can be undone in them.
#![allow(clippy::std_instead_of_alloc, clippy::std_instead_of_core, clippy::unwrap_used)]

mod support;

use std::collections::BTreeMap;

use cid::Cid;
use ipld_core::ipld::Ipld;
use nacre_commit::{Action, Op, invert};
use nacre_mst::{Tree, key_height, verify};
use support::{Blocks, PATHS, cid_of, path, record};

fn put(blocks: &mut Blocks, left: Option<Cid>, entries: &[(&str, Option<Cid>)]) -> Cid {
    let link = |cid: Option<Cid>| cid.map_or(Ipld::Null, Ipld::Link);
    let map = |fields: Vec<(&str, Ipld)>| {
        let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value));
        Ipld::Map(fields.collect::<BTreeMap<_, _>>())
    };
    let mut last = "";
    let mut list = Vec::new();
    for (key, right) in entries {
        let prefix = key.bytes().zip(last.bytes()).take_while(|(a, b)| a == b).count();
        list.push(map(vec![
            ("k", Ipld::Bytes(key.as_bytes()[prefix..].to_vec())),
            ("p", Ipld::Integer(i128::try_from(prefix).unwrap())),
            ("t", link(*right)),
            ("v", Ipld::Link(record(0))),
        ]));
        last = key;
    }
    let node = map(vec![("e", Ipld::List(list)), ("l", link(left))]);
    let block = serde_ipld_dagcbor::to_vec(&node).unwrap();
    let cid = cid_of(&block);
    blocks.insert(cid, block);
    cid
}

/// Returns the paths of a height in their order.
fn paths(height: u32) -> Vec<&'static str> {
    let mut paths: Vec<_> = PATHS.iter().map(String::as_str).collect();
    paths.retain(|path| key_height(path.as_bytes()) == height);
    paths.sort_unstable();
    paths
}

/// Asserts that the tree at `before` is right, that the one at `after` is not, and that the one is
/// not found by undoing the creation of a record in the other.
fn assert_refused(blocks: &Blocks, before: Cid, after: Cid, created: &str) {
    let (path, cid) = (path(created).to_owned(), Some(record(0)));
    assert_op_rejected(blocks, before, after, Op { action: Action::Create, path, cid, prev: None });
}

fn assert_op_rejected(blocks: &Blocks, before: Cid, after: Cid, op: Op) {
    assert!(verify(blocks, Tree::load(before).unwrap()).is_ok());
    assert!(verify(blocks, Tree::load(after).unwrap()).is_err());
    assert_ne!(invert(blocks, after, &[op]), Ok(before));
}

#[test]
fn created_key_on_too_low_a_level_is_rejected() {
    let mut blocks = Blocks::new();
    let (low, high) = (paths(1)[0], *paths(3).last().unwrap());
    assert!(low < high);
    let before = put(&mut blocks, None, &[(low, None)]);
    let after = put(&mut blocks, None, &[(low, None), (high, None)]);
    assert_refused(&blocks, before, after, high);
}

#[test]
fn created_key_beside_misplaced_keys_is_rejected() {
    let mut blocks = Blocks::new();
    let high = paths(3)[0];
    let low = *paths(1).last().unwrap();
    assert!(high < low);
    let before = put(&mut blocks, None, &[(low, None)]);
    let after = put(&mut blocks, None, &[(high, None), (low, None)]);
    assert_refused(&blocks, before, after, high);
}

#[test]
fn missing_level_below_a_created_key_is_rejected() {
    let mut blocks = Blocks::new();
    let high = paths(3)[0];
    let low = *paths(1).last().unwrap();
    let before = put(&mut blocks, None, &[(low, None)]);
    let after = put(&mut blocks, None, &[(high, Some(before))]);
    assert_refused(&blocks, before, after, high);
}

#[test]
fn extra_level_below_a_created_key_is_rejected() {
    let mut blocks = Blocks::new();
    let high = paths(2)[0];
    let low = *paths(1).last().unwrap();
    let before = put(&mut blocks, None, &[(low, None)]);
    let between = put(&mut blocks, Some(before), &[]);
    let after = put(&mut blocks, None, &[(high, Some(between))]);
    assert_refused(&blocks, before, after, high);
}

#[test]
fn keys_on_the_wrong_side_of_a_created_key_are_rejected() {
    let mut blocks = Blocks::new();
    let (lows, highs) = (paths(1), paths(2));
    let (first, last) = (lows[0], lows[lows.len() - 1]);
    let top = *highs.last().unwrap();
    let created = *highs.iter().find(|key| first < **key && **key < top).unwrap();
    let last = *lows.iter().rfind(|key| created < **key && **key < top).unwrap_or(&last);
    assert!(first < created && created < last && last < top);
    let below = put(&mut blocks, None, &[(first, None), (last, None)]);
    let before = put(&mut blocks, Some(below), &[(top, None)]);
    let after = put(&mut blocks, Some(below), &[(created, None), (top, None)]);
    assert_refused(&blocks, before, after, created);
}

#[test]
fn deleted_key_on_the_wrong_level_is_rejected() {
    let mut blocks = Blocks::new();
    let (low, high) = (paths(0)[0], *paths(2).last().unwrap());
    assert!(low < high);
    let after = put(&mut blocks, None, &[(low, None), (high, None)]);
    let left = put(&mut blocks, None, &[(low, None)]);
    let between = put(&mut blocks, Some(left), &[]);
    let before = put(&mut blocks, Some(between), &[(high, None)]);
    let (path, prev) = (path(high).to_owned(), Some(record(0)));
    let op = Op { action: Action::Delete, path, cid: None, prev };
    assert_op_rejected(&blocks, before, after, op);
}
