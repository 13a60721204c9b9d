//! Encoding and decoding one commit event of usual size, and verifying one of a large repository.

extern crate alloc;

use alloc::collections::BTreeMap;
use core::hint::black_box;

use cid::Cid;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use multihash::Multihash;
use nacre_car::{Reader, Writer};
use nacre_commit::{Action, Head, Op, Write, commit};
use nacre_crypto::{Curve, SigningKey};
use nacre_firehose::{CommitEvent, Frame, Verifier};
use nacre_syntax::{Did, RepoPath, Tid};
use sha2::{Digest as _, Sha256};

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

/// One post more in a repository of a thousand records, as a consumer checks it: CAR, signature,
/// inversion. The signature alone is `k256-verify` of the benches of `crypto`.
fn verification(criterion: &mut Criterion) {
    let key = SigningKey::from_bytes(Curve::K256, &[7; 32]).expect("the key is in range");
    let did = Did::parse("did:web:alice.test").expect("the DID is valid").to_owned();
    let mut nodes = BTreeMap::new();
    let mut head = None;
    let mut verifier = Verifier::new(did.clone(), key.verifying_key().clone());
    let mut bytes = Vec::new();
    for number in 0..=6_u64 {
        // The last one is the one that is measured.
        let count = if number == 6 { 1 } else { 200 };
        let record = vec![0xA1, 0x61, b'n', u8::try_from(number).expect("there are few")];
        let record_cid = Cid::new_v1(
            0x71,
            Multihash::wrap(0x12, &Sha256::digest(&record)).expect("32 bytes fit"),
        );
        let paths: Vec<_> = (0..count)
            .map(|index| format!("app.bsky.feed.post/3k{:011}", number * 200 + index))
            .collect();
        let writes: Vec<_> = paths
            .iter()
            .map(|path| Write::Create {
                path: RepoPath::parse(path.as_str()).expect("the path is valid"),
                cid: record_cid,
            })
            .collect();
        let rev = Tid::from_micros(1_763_847_000_000_000 + number, 0);
        let diff = commit(&nodes, &did, head.as_ref(), &writes, rev, &key).expect("it fits");
        let new: Vec<_> = diff.new_nodes().map(|(cid, node)| (cid, node.to_vec())).collect();
        let mut car = Writer::new(&diff.cid);
        car.block(&diff.cid, &diff.bytes);
        let proof = diff.proof.iter().cloned().chain(new.iter().cloned());
        let proof: BTreeMap<Cid, Vec<u8>> = proof.collect();
        proof.iter().for_each(|(cid, node)| car.block(cid, node));
        car.block(&record_cid, &record);
        nodes.extend(new);
        let blocks = car.finish();
        bytes = CommitEvent {
            seq: 1,
            repo: did.as_str(),
            commit: &diff.cid,
            rev,
            since: diff.since,
            prev_data: diff.prev_data.as_ref(),
            blocks: &blocks,
            ops: &diff.ops,
            time: "2026-11-22T21:30:00.000Z",
        }
        .encode();
        let (cid, data) = (diff.cid, diff.commit.data);
        head = Some(Head { did: did.clone(), cid, data, rev });
        if number < 6 {
            let frame = Frame::decode(&bytes).expect("it was made here");
            verifier.accept(&frame).expect("it is true");
        }
    }
    let mut group = criterion.benchmark_group("firehose");
    group.throughput(Throughput::Bytes(u64::try_from(bytes.len()).expect("a frame is short")));
    group.bench_function("verify", |bencher| {
        bencher.iter_batched_ref(
            || verifier.clone(),
            |verifier| verifier.accept(&Frame::decode(black_box(&bytes)).expect("it decodes")),
            BatchSize::SmallInput,
        );
    });
    group.bench_function("decode and read the CAR", |bencher| {
        bencher.iter(|| {
            let Ok(Frame::Commit(event)) = Frame::decode(black_box(&bytes)) else { return 0 };
            Reader::new(event.blocks).map_or(0, |car| car.map_while(Result::ok).count())
        });
    });
    group.finish();
}

criterion_group!(benches, frames, verification);
criterion_main!(benches);
