//! How much memory a repository from a stranger can take: constant if it comes in its own order,
//! else an index that is smaller than itself.
#![allow(clippy::std_instead_of_alloc, clippy::std_instead_of_core, clippy::unwrap_used)]

mod support;

use nacre_car::Writer;
use nacre_commit::{Commit, MAX_COMMIT_BYTES, Records, UnsignedCommit, verify_blocks, verify_repo};
use nacre_mst::{Tree, Visit, Walk};
use peak_alloc::PeakAlloc;
use support::{Blocks, Entries, KEY, cid_of, did, rev, tree};

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// What verifying takes for however small a repository.
const START: usize = 64 * 1024;

/// All in one test: others beside it would be counted too.
#[test]
fn memory_is_bounded_by_the_size_of_the_repository() {
    let mut records = Blocks::new();
    let entries: Entries = (0..20_000_u32)
        .map(|number| {
            let [_, bytes @ ..] = number.to_be_bytes();
            records.insert(cid_of(&bytes), bytes.to_vec());
            (format!("org.example.c/{number:08x}"), cid_of(&bytes))
        })
        .collect();
    let (data, mut blocks) = tree(&entries);
    blocks.append(&mut records);
    let commit = UnsignedCommit { did: did(), data, rev: rev(0) }.sign(&KEY);
    let root = commit.cid();
    blocks.insert(root, commit.encode());

    let in_order = {
        let mut car = Writer::new(&root);
        car.block(&root, &blocks[&root]);
        let mut walk = Walk::new(&blocks, Tree::load(data).unwrap());
        while let Some(visit) = walk.step() {
            match visit.unwrap() {
                Visit::Entry { value, .. } => car.block(&value, &blocks[&value]),
                Visit::Node { cid, bytes, .. } => car.block(&cid, bytes),
            }
        }
        car.finish()
    };
    let by_cid = {
        let mut car = Writer::new(&root);
        for (cid, block) in &blocks {
            car.block(cid, block);
        }
        car.finish()
    };
    let verify = |car: &[u8]| {
        let records = verify_repo(car, &did(), Some(KEY.verifying_key()));
        assert_eq!(records.and_then(Records::finish).unwrap().records, 20_000);
    };
    within("a car in its own order", START, || verify(&in_order));
    within("a car in another", START + by_cid.len(), || verify(&by_cid));
    within("a store", START, || {
        verify_blocks(&blocks, root, &did(), Some(KEY.verifying_key())).unwrap();
    });

    let longest = vec![0xa6; MAX_COMMIT_BYTES];
    within("bytes as a commit", MAX_COMMIT_BYTES, || assert!(Commit::decode(&longest).is_err()));
    let claim = [&[0xa6][..], b"\x63did\x7b\xff\xff\xff\xff\xff\xff\xff\xff"].concat();
    within("a claim as a commit", 1024, || assert!(Commit::decode(&claim).is_err()));
    within("a commit", MAX_COMMIT_BYTES, || drop(Commit::decode(&blocks[&root]).unwrap()));
}

fn within(name: &str, limit: usize, work: impl FnOnce()) {
    let before = HEAP.current_usage();
    HEAP.reset_peak_usage();
    work();
    let peak = HEAP.peak_usage().saturating_sub(before);
    println!("{name}: {peak} of at most {limit} bytes");
    assert!(peak <= limit, "{name}: {peak} bytes, and the limit is {limit}");
}
