//! Benchmarks of single messages and of batches, each beside `sha2` one by one.
#![allow(missing_docs)]

use criterion::{Criterion, criterion_group, criterion_main};

fn single(c: &mut Criterion) {
    let key = [b'k'; 33];
    c.bench_function("sha256/digest/33", |b| b.iter(|| nacre_sha256::digest(&key)));
}

criterion_group!(benches, single);
criterion_main!(benches);
