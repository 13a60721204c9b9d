//! Benchmarks of whole trees and of single operations on them.
#![allow(
    missing_docs,
    clippy::std_instead_of_alloc,
    clippy::std_instead_of_core,
    clippy::unwrap_used
)]

use std::convert::Infallible;
use std::hint::black_box;

use cid::Cid;
use cid::multihash::Multihash;
use criterion::{Criterion, criterion_group, criterion_main};
use nacre_mst::{
    Blocks, Edit, Entries, Overlay, Tree, Walk, build, covering_proof, diff, key_height, verify,
};

const SIZES: [(&str, u32); 3] = [("1k", 1_000), ("10k", 10_000), ("100k", 100_000)];

/// Returns the sorted entries of a repository with a few collections and keys that ascend with
/// time.
fn entries(size: u32) -> Vec<(String, Cid)> {
    let collections = ["feed.like", "feed.like", "feed.post", "feed.repost", "graph.follow"];
    let entry = |(number, collection): (u32, _)| {
        let key = format!("app.bsky.{collection}/3l{:011}", u64::from(number) * 7_919);
        (key, record(number))
    };
    let mut entries: Vec<_> = (0..size).zip(collections.into_iter().cycle()).map(entry).collect();
    entries.sort();
    entries
}

fn record(number: u32) -> Cid {
    let mut digest = [0; 32];
    digest[..4].copy_from_slice(&number.to_be_bytes());
    Cid::new_v1(0x71, Multihash::wrap(0x12, &digest).unwrap())
}

fn tree(entries: &[(String, Cid)]) -> (Tree, Blocks) {
    let mut blocks = Blocks::new();
    let entries = entries.iter().map(|(key, cid)| (key, *cid));
    let tree = build(entries, |cid, block| blocks.insert(cid, block));
    (tree.unwrap(), blocks)
}

fn whole(c: &mut Criterion) {
    for (name, size) in SIZES {
        let entries = entries(size);
        let (tree, blocks) = tree(&entries);
        c.bench_function(&format!("mst/build/{name}"), |b| {
            b.iter(|| {
                let entries = entries.iter().map(|(key, cid)| (key, *cid));
                build(entries, |cid, block| {
                    black_box((cid, block));
                    Ok::<_, Infallible>(())
                })
                .unwrap()
            });
        });
        let edits: Vec<_> = entries.iter().map(|(key, cid)| Edit::set(key, *cid)).collect();
        c.bench_function(&format!("mst/apply_to_empty/{name}"), |b| {
            b.iter(|| Tree::EMPTY.apply(&Blocks::new(), &edits).unwrap());
        });
        c.bench_function(&format!("mst/walk/{name}"), |b| {
            b.iter(|| {
                let mut walk = Walk::new(&blocks, tree);
                while let Some(visit) = walk.step() {
                    black_box(visit.unwrap());
                }
            });
        });
        c.bench_function(&format!("mst/entries/{name}"), |b| {
            b.iter(|| Entries::new(&blocks, tree).count());
        });
        c.bench_function(&format!("mst/verify/{name}"), |b| {
            b.iter(|| verify(&blocks, tree).unwrap());
        });
    }
}

fn single(c: &mut Criterion) {
    c.bench_function("mst/key_height/1", |b| {
        b.iter(|| key_height(black_box(b"app.bsky.feed.post/3jqfcqzm3fo2j")));
    });
    for (name, size) in SIZES {
        let entries = entries(size);
        let (tree, blocks) = tree(&entries);
        let present: Vec<_> = entries.iter().step_by(97).map(|(key, _)| key.clone()).collect();
        let absent: Vec<_> = present.iter().map(|key| format!("{key}x")).collect();
        let mut turn = (0..present.len()).cycle();
        let mut next = move || turn.next().unwrap();
        c.bench_function(&format!("mst/get/{name}"), |b| {
            b.iter(|| tree.get(&blocks, &present[next()]).unwrap());
        });
        c.bench_function(&format!("mst/insert/{name}"), |b| {
            b.iter(|| tree.insert(&blocks, &absent[next()], record(0)).unwrap());
        });
        c.bench_function(&format!("mst/remove/{name}"), |b| {
            b.iter(|| tree.remove(&blocks, &present[next()]).unwrap());
        });
        c.bench_function(&format!("mst/covering_proof/{name}"), |b| {
            b.iter(|| covering_proof(&blocks, tree.root(), [&present[next()]]).unwrap());
        });
        let step = present.len().div_ceil(100);
        let edits: Vec<_> =
            absent.iter().step_by(step).map(|key| Edit::set(key, record(0))).collect();
        c.bench_function(&format!("mst/apply_100/{name}"), |b| {
            b.iter(|| tree.apply(&blocks, &edits).unwrap());
        });
        let changes = tree.apply(&blocks, &edits).unwrap();
        let after = Overlay::new(&changes, &blocks);
        c.bench_function(&format!("mst/diff_100/{name}"), |b| {
            b.iter(|| diff((&blocks, tree), (&after, changes.tree)).count());
        });
    }
}

criterion_group!(benches, whole, single);
criterion_main!(benches);
