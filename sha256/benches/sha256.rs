//! Benchmarks of single messages and of batches, each beside `sha2` one by one.
#![allow(missing_docs)]

use core::hint::black_box;
use core::slice;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use sha2::{Digest, Sha256};

/// Lengths of a key and of a node of a repository's tree.
const KEY: usize = 33;
const NODE: usize = 300;
const BULK: usize = 1024 * 1024;

fn single(c: &mut Criterion) {
    let mut group = c.benchmark_group("sha256/digest");
    for length in [KEY, NODE, BULK] {
        let message = message(length);
        group.throughput(Throughput::Bytes(bytes(slice::from_ref(&message))));
        group.bench_function(format!("{length}"), |b| {
            b.iter(|| nacre_sha256::digest(black_box(&message)));
        });
        group.bench_function(format!("{length}/sha2"), |b| {
            b.iter(|| Sha256::digest(black_box(&message)));
        });
    }
}

fn keys(c: &mut Criterion) {
    let mut group = c.benchmark_group("sha256/keys");
    for count in [1, 2, 3, 4, 5, 16, 1000] {
        batch(&mut group, &format!("{count}"), &vec![message(KEY); count]);
    }
}

fn nodes(c: &mut Criterion) {
    let mut group = c.benchmark_group("sha256/nodes");
    for count in [1, 2, 3, 4, 5, 16, 1000] {
        batch(&mut group, &format!("{count}"), &vec![message(NODE); count]);
    }
}

/// Records as they are: most of a few blocks, some much longer, in no order.
fn records(c: &mut Criterion) {
    let mut group = c.benchmark_group("sha256/records");
    let length = |index: usize| match index % 32 {
        0 => 3000,
        _ => 150 + index * 7919 % 250,
    };
    let records: Vec<_> = (0..1000).map(|index| message(length(index))).collect();
    batch(&mut group, "1000", &records);
}

fn bulk(c: &mut Criterion) {
    let mut group = c.benchmark_group("sha256/bulk");
    for count in 1..=4 {
        batch(&mut group, &format!("{count}x1MiB"), &vec![message(BULK); count]);
    }
}

fn batch(group: &mut BenchmarkGroup<'_, WallTime>, size: &str, messages: &[Vec<u8>]) {
    group.throughput(Throughput::Bytes(bytes(messages)));
    group.bench_function(size, |b| {
        b.iter(|| {
            nacre_sha256::digest_each(
                black_box(messages).iter().map(Vec::as_slice),
                |at, digest| {
                    black_box((at, digest));
                },
            );
        });
    });
    group.bench_function(format!("{size}/sha2"), |b| {
        b.iter(|| {
            for (at, message) in black_box(messages).iter().enumerate() {
                black_box((at, Sha256::digest(message)));
            }
        });
    });
}

fn message(length: usize) -> Vec<u8> {
    (0..=u8::MAX).cycle().take(length).collect()
}

fn bytes(messages: &[Vec<u8>]) -> u64 {
    messages.iter().map(|message| u64::try_from(message.len()).unwrap_or(u64::MAX)).sum()
}

criterion_group!(benches, single, keys, nodes, records, bulk);
criterion_main!(benches);
