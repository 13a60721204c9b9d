//! Encoding and decoding one commit event of usual size.

use core::hint::black_box;

use cid::Cid;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use multihash::Multihash;
use nacre_commit::{Action, Op};
use nacre_firehose::{CommitEvent, Frame};
use nacre_syntax::{RepoPath, Tid};

fn cid(seed: u8) -> Cid {
    Cid::new_v1(0x71, Multihash::wrap(0x12, &[seed; 32]).expect("32 bytes fit"))
}

fn frames(criterion: &mut Criterion) {
    let path = "app.bsky.feed.post/3jzfcijpj2z2a".to_owned();
    let path = RepoPath::parse(path).expect("the path is valid");
    let ops = [Op { action: Action::Create, path, cid: Some(cid(1)), prev: None }];
    let (commit, prev_data, blocks) = (cid(2), cid(3), vec![0; 4000]);
    let event = CommitEvent {
        seq: 123_456_789,
        repo: "did:plc:ewvi7nxzyoun6zhxrhs64oiz",
        commit: &commit,
        rev: Tid::from_micros(1_763_847_000_000_000, 7),
        since: Some(Tid::from_micros(1_763_846_000_000_000, 7)),
        prev_data: Some(&prev_data),
        blocks: &blocks,
        ops: &ops,
        time: "2026-11-22T21:30:00.000Z",
    };
    let bytes = event.encode();
    let mut group = criterion.benchmark_group("firehose");
    group.throughput(Throughput::Bytes(u64::try_from(bytes.len()).expect("a frame is short")));
    group.bench_function("encode/4k", |bencher| bencher.iter(|| black_box(&event).encode()));
    group.bench_function("decode/4k", |bencher| {
        bencher.iter(|| Frame::decode(black_box(&bytes)).map(|frame| frame.seq()));
    });
    group.finish();
}

criterion_group!(benches, frames);
criterion_main!(benches);
