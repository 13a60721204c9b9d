//! Benchmarks of whole trees and of single operations on them.
#![allow(
    missing_docs,
    clippy::std_instead_of_alloc,
    clippy::std_instead_of_core,
    clippy::unwrap_used
)]

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::hint::black_box;

use cid::Cid;
use cid::multihash::Multihash;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use nacre_mst::{BuildError, Tree, Walk, covering_proof, key_height, verify};

type Blocks = BTreeMap<Cid, Vec<u8>>;

const SIZE: u32 = 10_000;

/// Returns entries as in a repository: a few collections, keys that ascend with time.
fn entries() -> BTreeMap<String, Cid> {
    let collections = ["feed.like", "feed.like", "feed.post", "feed.repost", "graph.follow"];
    let entry = |(number, collection): (u32, _)| {
        let key = format!("app.bsky.{collection}/3l{:011}", u64::from(number) * 7_919);
        let mut digest = [0; 32];
        digest[..4].copy_from_slice(&number.to_be_bytes());
        (key, Cid::new_v1(0x71, Multihash::wrap(0x12, &digest).unwrap()))
    };
    (0..SIZE).zip(collections.into_iter().cycle()).map(entry).collect()
}

fn tree(entries: &BTreeMap<String, Cid>) -> (Cid, Blocks) {
    let mut blocks = Blocks::new();
    let root = build(entries, |cid, block| {
        blocks.insert(cid, block);
        Ok::<_, Infallible>(())
    });
    (root.unwrap(), blocks)
}

fn build<'a>(
    entries: &'a BTreeMap<String, Cid>,
    sink: impl FnMut(Cid, Vec<u8>) -> Result<(), Infallible> + 'a,
) -> Result<Cid, BuildError> {
    nacre_mst::build(entries.iter().map(|(key, cid)| (key, *cid)), sink)
}

fn whole(c: &mut Criterion) {
    let entries = entries();
    let (root, blocks) = tree(&entries);
    c.bench_function("mst/build/10k", |b| {
        b.iter(|| {
            build(&entries, |cid, block| {
                black_box((cid, block));
                Ok(())
            })
            .unwrap()
        });
    });
    c.bench_function("mst/insert_all/10k", |b| {
        b.iter(|| {
            let mut tree = Tree::new();
            for (key, value) in &entries {
                tree.insert(&Blocks::new(), key, *value).unwrap();
            }
            tree.flush()
        });
    });
    c.bench_function("mst/walk/10k", |b| {
        b.iter(|| {
            let mut walk = Walk::new(&blocks, root).unwrap();
            while let Some(visit) = walk.step() {
                black_box(visit.unwrap());
            }
        });
    });
    c.bench_function("mst/verify/10k", |b| b.iter(|| verify(&blocks, root).unwrap()));
}

fn single(c: &mut Criterion) {
    let entries = entries();
    let (root, blocks) = tree(&entries);
    let value = *entries.values().next().unwrap();
    let present: Vec<_> = entries.keys().step_by(97).cloned().collect();
    let absent: Vec<_> = present.iter().map(|key| format!("{key}x")).collect();
    let mut turn = (0..present.len()).cycle();
    let mut next = move || turn.next().unwrap();
    c.bench_function("mst/key_height/1", |b| {
        b.iter(|| key_height(black_box(absent[0].as_bytes())))
    });
    c.bench_function("mst/get/10k", |b| {
        let tree = Tree::load(root).unwrap();
        b.iter(|| tree.get(&blocks, &present[next()]).unwrap());
    });
    c.bench_function("mst/lazy_insert/10k", |b| {
        let fresh = || Tree::load(root).unwrap();
        b.iter_batched(
            fresh,
            |mut tree| {
                tree.insert(&blocks, &absent[next()], value).unwrap();
                tree.flush()
            },
            BatchSize::SmallInput,
        );
    });
    c.bench_function("mst/lazy_remove/10k", |b| {
        let fresh = || Tree::load(root).unwrap();
        b.iter_batched(
            fresh,
            |mut tree| {
                tree.remove(&blocks, &present[next()]).unwrap();
                tree.flush()
            },
            BatchSize::SmallInput,
        );
    });
    c.bench_function("mst/covering_proof/10k", |b| {
        b.iter(|| covering_proof(&blocks, root, [&present[next()]]).unwrap());
    });
}

criterion_group!(benches, whole, single);
criterion_main!(benches);
