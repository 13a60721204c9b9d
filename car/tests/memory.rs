//! How much memory a file from a stranger can take: what it is, and not what it claims.
#![allow(clippy::std_instead_of_alloc, clippy::std_instead_of_core, clippy::unwrap_used)]

mod support;

use nacre_car::{Decoder, Lookup, MAX_BLOCK_BYTES, MAX_HEADER_BYTES, Reader, Step, header};
use peak_alloc::PeakAlloc;
use support::{Blocks, RAW, cid_of, write};

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// What a reader takes for however small a file: most of all, roots.
const START: usize = 64 * 1024;

/// A buffer that grows has been half as large, and is up to twice as large as it must be.
const GROWTH: usize = 3;

/// All in one test: others beside it would be counted too.
#[test]
fn memory_is_bounded_by_the_size_of_the_input() {
    claimed_sizes_are_not_allocated();
    // As many blocks as a file can have: a record has three bytes or more.
    let many = 100_000_u32;
    let blocks: Blocks = (0..many)
        .map(|number| {
            let [_, bytes @ ..] = number.to_be_bytes();
            (cid_of(RAW, &bytes), bytes.to_vec())
        })
        .collect();
    let file = write(&[], &blocks);
    let wanted: Vec<_> = blocks.iter().map(|(cid, _)| *cid).collect();
    drop(blocks);
    within("Reader", START, || assert_eq!(Reader::new(&file).unwrap().count(), wanted.len()));
    within("Lookup in order", START, || {
        let mut lookup = Lookup::new(&file).unwrap();
        assert!(wanted.iter().all(|cid| lookup.block(cid).unwrap().is_some()));
    });
    within("Lookup", file.len(), || {
        let mut lookup = Lookup::new(&file).unwrap();
        assert!(wanted.iter().rev().all(|cid| lookup.block(cid).unwrap().is_some()));
    });
    for piece in [1, 1000, 64 * 1024] {
        let file = &file[..file.len().min(piece * 4096)];
        within("Decoder", START + GROWTH * piece, || decode(file, piece));
    }
    let large = write(&[], &vec![(cid_of(RAW, &[7; 1 << 20]), vec![7; 1 << 20]); 4]);
    within("Decoder of large blocks", START + GROWTH * ((1 << 20) + 4096), || {
        decode(&large, 4096);
    });
}

fn claimed_sizes_are_not_allocated() {
    let start = header(&[]);
    let largest = [0xa4, 0x80, 0x80, 0x01];
    let claims = [
        &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f][..],
        &[0xff, 0xff, 0xff, 0xff, 0x0f],
        &largest,
    ];
    for claim in claims {
        let file = [&*start, claim, &[1, 0x55, 0x12, 32]].concat();
        within("Reader of a claim", START, || {
            assert!(Reader::new(&file).unwrap().all(|block| block.is_err()));
        });
        within("Lookup of a claim", START, || {
            assert!(Lookup::new(&file).unwrap().block(&cid_of(RAW, b"")).is_err());
        });
        within("Decoder of a claim", START, || decode(&file, 1));
    }
    assert_eq!(usize::from(largest[0] & 0x7f) + (1 << 21), 36 + MAX_BLOCK_BYTES);
    for length in [&[0x80, 0x20][..], &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]] {
        for count in [&[0x80][..], &[0x98, 0xff], &[0x9b, 255, 255, 255, 255, 255, 255, 255, 255]] {
            let file = [length, b"\xa2eroots", count].concat();
            within("a header that claims", START, || assert!(Reader::new(&file).is_err()));
            let file = [&file, &[0; MAX_HEADER_BYTES][..]].concat();
            within("a large header that claims", START, || assert!(Reader::new(&file).is_err()));
        }
    }
}

fn decode(file: &[u8], length: usize) {
    let mut decoder = Decoder::new();
    for piece in file.chunks(length) {
        decoder.push(piece);
        loop {
            match decoder.step() {
                Ok(Step::NeedMore | Step::End) => break,
                Ok(Step::Block(_) | Step::Header(_)) => {}
                Err(_) => return,
            }
        }
    }
}

fn within(name: &str, limit: usize, work: impl FnOnce()) {
    let before = HEAP.current_usage();
    HEAP.reset_peak_usage();
    work();
    let peak = HEAP.peak_usage().saturating_sub(before);
    println!("{name}: {peak} of at most {limit} bytes");
    assert!(peak <= limit, "{name}: {peak} bytes, and the limit is {limit}");
}
