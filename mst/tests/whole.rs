//! Whole trees: building and walking.
#![allow(clippy::std_instead_of_alloc, clippy::std_instead_of_core, clippy::unwrap_used)]

mod support;

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::ops::Bound;

use cid::Cid;
use nacre_mst::{
    BuildError, Builder, Edit, Entries as TreeEntries, NodeRef, ReverseEntries, Steps, Tree, Visit,
    Walk, build, build_unsorted, verify,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, subsequence};
use support::{Blocks, Entries, KEYS, entries, key, record, store, twin};

proptest! {
    #[test]
    fn build_gives_the_same_tree_as_edits(entries in entries(100)) {
        let mut blocks = Blocks::new();
        let root = build(entries.clone(), |cid, block| {
            assert!(blocks.insert(cid, block.to_vec()).is_none(), "each node is written once");
            Ok::<_, Infallible>(())
        });
        prop_assert_eq!((root.unwrap().root(), blocks), twin(&entries));
    }

    #[test]
    fn build_unsorted_gives_the_same_tree(
        entries in entries(100),
        order in vec(any::<u64>(), 100),
    ) {
        let mut shuffled: Vec<_> = entries.clone().into_iter().zip(order).collect();
        shuffled.sort_by_key(|(_, order)| *order);
        let mut shuffled: Vec<_> = shuffled.into_iter().map(|(entry, _)| entry).collect();
        let mut blocks = Blocks::new();
        let tree = build_unsorted(&shuffled, |cid, block| {
            assert!(blocks.insert(cid, block.to_vec()).is_none(), "each node is written once");
            Ok::<_, Infallible>(())
        });
        prop_assert_eq!((tree.unwrap().root(), blocks), twin(&entries));
        if let Some(entry) = shuffled.first().cloned() {
            shuffled.push(entry);
            let twice = build_unsorted(&shuffled, |_, _| Ok::<_, Infallible>(()));
            prop_assert_eq!(twice, Err(BuildError::Order));
        }
    }

    #[test]
    fn walk_visits_nodes_in_preorder(entries in entries(60)) {
        let (root, blocks) = twin(&entries);
        let tree = Tree::load(root).unwrap();
        let mut walk = Walk::new(&blocks, tree);
        let mut visited = Vec::new();
        while let Some(visit) = walk.step() {
            visited.push(match visit.unwrap() {
                Visit::Node { cid, .. } => cid.to_string(),
                Visit::Entry { key, value } => format!("{key} {value}"),
            });
        }
        let mut expected = Vec::new();
        visit_twin(&blocks, root, &mut expected);
        prop_assert_eq!(visited, expected);
        let count = u64::try_from(entries.len()).unwrap();
        prop_assert_eq!(verify(&blocks, tree).unwrap(), count);
    }

    #[test]
    fn upcoming_lists_all_links_of_the_entered_node(entries in entries(60)) {
        let (root, blocks) = twin(&entries);
        let mut steps = Steps::new(Tree::load(root).unwrap());
        let mut told = vec![root];
        loop {
            let reached = if let Some(cid) = steps.wanted() {
                steps.enter(&blocks[&cid][..]).unwrap();
                let node = NodeRef::parse(&blocks[&cid]).unwrap();
                let links = node.entries().flat_map(|entry| [Some(entry.value()), entry.right()]);
                let links: Vec<_> = node.left().into_iter().chain(links.flatten()).collect();
                prop_assert_eq!(steps.upcoming().collect::<Vec<_>>(), links.clone());
                told.extend(links);
                cid
            } else if let Some((_, value)) = steps.next_entry().unwrap() {
                value
            } else {
                break;
            };
            let at = told.iter().position(|cid| *cid == reached);
            told.swap_remove(at.expect("it was told of"));
        }
        prop_assert!(told.is_empty());
    }

    #[test]
    fn skip_omits_the_subtree(
        entries in entries(60),
        passed in vec(prop::bool::weighted(0.3), 60),
    ) {
        let (root, blocks) = twin(&entries);
        let mut steps = Steps::new(Tree::load(root).unwrap());
        let mut passed = passed.into_iter();
        let (mut found, mut left_out) = (Vec::new(), Vec::new());
        loop {
            if let Some(cid) = steps.wanted() {
                if passed.next() == Some(true) {
                    visit_twin(&blocks, cid, &mut left_out);
                    steps.skip();
                } else {
                    steps.enter(&blocks[&cid][..]).unwrap();
                }
            } else if let Some((key, value)) = steps.next_entry().unwrap() {
                found.push(format!("{key} {value}"));
            } else {
                break;
            }
        }
        prop_assert!(found.is_sorted());
        found.extend(left_out.into_iter().filter(|line| line.contains(' ')));
        found.sort_unstable();
        let expected = entries.iter().map(|(key, value)| format!("{key} {value}"));
        prop_assert_eq!(found, expected.collect::<Vec<_>>());
    }

    #[test]
    fn entries_are_in_order_from_any_key(
        entries in entries(80),
        from in key(),
        cut in 0_usize..16,
        end in key(),
    ) {
        let (root, blocks) = twin(&entries);
        let from = &from[..cut.min(from.len())];
        let tree = Tree::load(root).unwrap();
        let backwards = || ReverseEntries::new(&blocks, tree);
        let tree = || TreeEntries::new(&blocks, tree);
        let all = entries.iter().map(|(key, value)| (key.clone(), *value));
        let found: Vec<_> = tree().map(Result::unwrap).collect();
        prop_assert_eq!(found, all.clone().collect::<Vec<_>>());
        let found: Vec<_> = tree().starting_at(from).map(Result::unwrap).collect();
        let range = (Bound::Included(from), Bound::Unbounded);
        let expected = entries.range::<str, _>(range).map(|(key, value)| (key.clone(), *value));
        prop_assert_eq!(found, expected.collect::<Vec<_>>());
        let found: Vec<_> = tree().with_prefix(from).map(Result::unwrap).collect();
        let with_prefix = all.clone().filter(|(key, _)| key.starts_with(from));
        prop_assert_eq!(found, with_prefix.clone().collect::<Vec<_>>());

        let found: Vec<_> = backwards().map(Result::unwrap).collect();
        prop_assert_eq!(found, all.rev().collect::<Vec<_>>());
        let found: Vec<_> = backwards().ending_before(from).map(Result::unwrap).collect();
        let range = entries.range::<str, _>((Bound::Unbounded, Bound::Excluded(from))).rev();
        let expected: Vec<_> = range.map(|(key, value)| (key.clone(), *value)).collect();
        prop_assert_eq!(found, expected);
        let found: Vec<_> = backwards().with_prefix(from).map(Result::unwrap).collect();
        prop_assert_eq!(found, with_prefix.clone().rev().collect::<Vec<_>>());
        let both = [
            tree().with_prefix(from).starting_at(&end),
            tree().starting_at(&end).with_prefix(from),
        ];
        for both in both {
            let expected = with_prefix.clone().filter(|(key, _)| *key >= end);
            let found: Vec<_> = both.map(Result::unwrap).collect();
            prop_assert_eq!(found, expected.collect::<Vec<_>>());
        }
        let both = backwards().with_prefix(from).ending_before(&end);
        let found: Vec<_> = both.map(Result::unwrap).collect();
        let expected = with_prefix.rev().filter(|(key, _)| *key < end);
        prop_assert_eq!(found, expected.collect::<Vec<_>>());
    }

    #[test]
    fn build_rejects_entries_out_of_order(
        keys in subsequence(KEYS.clone(), 2..6),
        swap: Index,
    ) {
        let mut keys: Vec<_> = keys.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
        let at = swap.index(keys.len() - 1);
        keys.swap(at, at + 1);
        let mut builder = Builder::new(|_, _| Ok::<_, Infallible>(()));
        let pushed = keys.iter().try_for_each(|key| builder.push(key, record(0)));
        prop_assert_eq!(pushed.and_then(|()| builder.finish()), Err(BuildError::Order));
    }
}

#[test]
fn large_tree_is_the_same_however_it_is_built() {
    let key = |n: u32| format!("a.b.c{}/{:08x}", n % 3, n.wrapping_mul(0x9e37_79b1));
    let entries: Vec<_> =
        (0..20_000).map(|n| (key(n), record(u8::try_from(n % 251).unwrap()))).collect();
    let (mut built, mut applied) = (Blocks::new(), Blocks::new());
    let tree = build_unsorted(&entries, |cid, block| {
        assert!(built.insert(cid, block.to_vec()).is_none());
        Ok::<_, Infallible>(())
    });
    let sorted: Entries = entries.into_iter().collect();
    let edits: Vec<_> = sorted.iter().map(|(key, value)| Edit::set(key, *value)).collect();
    let changes = Tree::EMPTY.apply(&Blocks::new(), &edits).unwrap();
    store(&mut applied, &changes);
    assert_eq!((tree.unwrap(), built), (changes.tree, applied));
}

fn visit_twin(blocks: &Blocks, cid: Cid, out: &mut Vec<String>) {
    out.push(cid.to_string());
    let node = NodeRef::parse(&blocks[&cid]).unwrap();
    let mut key = Vec::new();
    let _ = node.left().map(|left| visit_twin(blocks, left, out));
    for entry in node.entries() {
        entry.extend_key(&mut key);
        out.push(format!("{} {}", std::str::from_utf8(&key).unwrap(), entry.value()));
        let _ = entry.right().map(|right| visit_twin(blocks, right, out));
    }
}
