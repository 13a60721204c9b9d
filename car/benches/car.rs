//! Benchmarks of reading and writing a CAR of ten thousand blocks.
#![allow(
    missing_docs,
    clippy::std_instead_of_alloc,
    clippy::std_instead_of_core,
    clippy::unwrap_used
)]

use std::hint::black_box;

use cid::Cid;
use cid::multihash::Multihash;
use criterion::{Criterion, criterion_group, criterion_main};
use nacre_car::{Decoder, Reader, Step, Writer};
use sha2::{Digest, Sha256};

fn blocks() -> Vec<(Cid, Vec<u8>)> {
    (0..10_000_u32)
        .map(|number| {
            let bytes = number.to_be_bytes().repeat(60);
            let hash = Multihash::wrap(0x12, &Sha256::digest(&bytes)).unwrap();
            (Cid::new_v1(0x71, hash), bytes)
        })
        .collect()
}

fn all(c: &mut Criterion) {
    let blocks = blocks();
    let root = blocks[0].0;
    let write = || {
        let mut writer = Writer::new(&root);
        for (cid, bytes) in &blocks {
            writer.block(cid, bytes);
        }
        writer.finish()
    };
    let file = write();
    c.bench_function("car/write/10k", |b| b.iter(write));
    c.bench_function("car/write_reusing/10k", |b| {
        let mut writer = Writer::new(&root);
        b.iter(|| {
            for (cid, bytes) in &blocks {
                writer.block(cid, bytes);
                if writer.len() > 64 * 1024 {
                    black_box(writer.as_bytes());
                    writer.clear();
                }
            }
        });
    });
    c.bench_function("car/read/10k", |b| {
        b.iter(|| {
            Reader::new(&file).unwrap().map(|block| block.unwrap().bytes.len()).sum::<usize>()
        });
    });
    c.bench_function("car/read_unhashed/10k", |b| {
        b.iter(|| {
            let reader = Reader::new(&file).unwrap().without_hashing();
            reader.map(|block| block.unwrap().bytes.len()).sum::<usize>()
        });
    });
    c.bench_function("car/decode/10k", |b| {
        b.iter(|| {
            let mut decoder = Decoder::new();
            for piece in file.chunks(64 * 1024) {
                decoder.push(piece);
                while let Step::Header(_) | Step::Block(_) = decoder.step().unwrap() {}
            }
        });
    });
}

criterion_group!(benches, all);
criterion_main!(benches);
