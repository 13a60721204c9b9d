//! Benchmarks of commits in a repository of ten thousand records.
#![allow(
    missing_docs,
    clippy::std_instead_of_alloc,
    clippy::std_instead_of_core,
    clippy::unwrap_used
)]

use std::collections::BTreeMap;
use std::convert::Infallible;

use cid::Cid;
use cid::multihash::Multihash;
use criterion::{Criterion, criterion_group, criterion_main};
use nacre_commit::{Commit, Head, Write, commit, invert};
use nacre_crypto::{Curve, SigningKey};
use nacre_syntax::{Did, RepoPath, Tid};

type Blocks = BTreeMap<Cid, Vec<u8>>;

fn record() -> Cid {
    Cid::new_v1(0x71, Multihash::wrap(0x12, &[1; 32]).unwrap())
}

fn tree() -> (Cid, Blocks) {
    let mut blocks = Blocks::new();
    let keys = (0..10_000).map(|n| format!("app.bsky.feed.post/3l{:011}", n * 7_919_u64));
    let root = nacre_mst::build(keys.map(|key| (key, record())), |cid, block| {
        blocks.insert(cid, block.to_vec());
        Ok::<_, Infallible>(())
    });
    (root.unwrap().root(), blocks)
}

fn all(c: &mut Criterion) {
    let (data, blocks) = tree();
    let key = SigningKey::from_bytes(Curve::K256, &[7; 32]).unwrap();
    let did = Did::parse("did:plc:ewvi7nxzyoun6zhxrhs64oiz".to_owned()).unwrap();
    let head = Head { did: did.clone(), cid: record(), data, rev: Tid::from_micros(1, 0) };
    let rev = Tid::from_micros(2, 0);
    let paths: Vec<_> = (0..100).map(|n| format!("app.bsky.feed.post/3m{n:011}")).collect();
    let writes: Vec<_> = paths
        .iter()
        .map(|path| Write::Create { path: RepoPath::parse(path.as_str()).unwrap(), cid: record() })
        .collect();
    for (name, count) in [("1", 1), ("100", 100)] {
        let write = || commit(&blocks, &did, Some(&head), &writes[..count], rev, &key).unwrap();
        c.bench_function(&format!("commit/create/{name}"), |b| b.iter(write));
        let diff = write();
        let new = diff.new_nodes().map(|(cid, bytes)| (cid, bytes.to_vec()));
        let proof: Blocks = new.chain(diff.proof.iter().cloned()).collect();
        c.bench_function(&format!("commit/invert/{name}"), |b| {
            b.iter(|| invert(&proof, diff.commit.data, &diff.ops).unwrap());
        });
    }
    let diff = commit(&blocks, &did, Some(&head), &[], rev, &key).unwrap();
    c.bench_function("commit/decode/1", |b| b.iter(|| Commit::decode(&diff.bytes).unwrap()));
    c.bench_function("commit/encode/1", |b| b.iter(|| diff.commit.encode()));
    c.bench_function("commit/verify/1", |b| {
        b.iter(|| diff.commit.verify(key.verifying_key()).unwrap())
    });
}

criterion_group!(benches, all);
criterion_main!(benches);
