//! Each limit from both sides, and each error by name.
#![allow(clippy::std_instead_of_alloc, clippy::std_instead_of_core, clippy::unwrap_used)]

mod support;

use cid::Cid;
use nacre_car::{CarError, Decoder, MAX_BLOCK_BYTES, MAX_HEADER_BYTES, Step, header};
use support::{DAG_CBOR, RAW, cid_of, read, read_in_pieces, write};

fn file_with(section: &[u8]) -> Vec<u8> {
    [header(&[cid_of(RAW, b"")]).as_slice(), section].concat()
}

fn assert_error(file: &[u8], error: CarError) {
    assert_eq!(read(file), Err(error));
    assert_eq!(read_in_pieces(file, &[1000]), Err(error));
}

#[test]
fn header_size_is_limited() {
    // 99 roots fill all but a few bytes; one more is too much.
    let root = cid_of(DAG_CBOR, b"");
    let file = header(&[root; 99]);
    assert!(file.len() - 2 <= MAX_HEADER_BYTES);
    assert_eq!(read(&file).unwrap().0.len(), 99);
    assert!(header(&[root; 100]).len() - 2 > MAX_HEADER_BYTES);
    assert_error(&header(&[root; 100]), CarError::HeaderSize);
}

#[test]
fn header_limit_is_checked_before_its_bytes_arrive() {
    let mut decoder = Decoder::new();
    decoder.push(&[0x80, 0x20]);
    assert_eq!(decoder.step(), Ok(Step::NeedMore));
    let mut decoder = Decoder::new();
    decoder.push(&[0x81, 0x20]);
    assert_eq!(decoder.step(), Err(CarError::HeaderSize));
}

#[test]
fn block_size_is_limited() {
    let mut bytes = vec![7; MAX_BLOCK_BYTES];
    let file = write(&[], &vec![(cid_of(RAW, &bytes), bytes.clone())]);
    assert_eq!(read(&file).unwrap().1[0].1, bytes);
    assert_eq!(read_in_pieces(&file, &[1 << 20]).unwrap().1.len(), 1);
    bytes.push(7);
    let file = write(&[], &vec![(cid_of(RAW, &bytes), bytes)]);
    assert_error(&file, CarError::BlockSize);
}

#[test]
fn decoder_block_limit_can_be_raised() {
    let bytes = vec![7; MAX_BLOCK_BYTES + 1];
    let file = write(&[], &vec![(cid_of(RAW, &bytes), bytes.clone())]);
    for (limit, fits) in [(bytes.len(), true), (bytes.len() - 1, false), (usize::MAX, true)] {
        let mut decoder = Decoder::new().with_block_limit(limit);
        decoder.push(&file);
        assert!(matches!(decoder.step(), Ok(Step::Header(_))));
        match decoder.step() {
            Ok(Step::Block(block)) => assert!(fits && block.bytes == bytes),
            other => assert_eq!((other, fits), (Err(CarError::BlockSize), false)),
        }
    }
}

#[test]
fn length_is_checked_before_the_bytes_arrive() {
    let mut decoder = Decoder::new();
    decoder.push(&file_with(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]));
    assert!(matches!(decoder.step(), Ok(Step::Header(_))));
    assert_eq!(decoder.step(), Err(CarError::BlockSize));
    assert_eq!(decoder.step(), Err(CarError::BlockSize), "it stays so");
}

#[test]
fn varints_must_have_the_shortest_form() {
    assert_error(&file_with(&[0xff; 10]), CarError::Varint);
    assert_error(&file_with(&[0xa4, 0x00]), CarError::Varint);
    assert_error(&file_with(&[0xff; 8]), CarError::Truncated);
    assert_error(&[], CarError::Truncated);
}

#[test]
fn other_kinds_of_cid_are_rejected() {
    let hash = *cid_of(RAW, b"").hash();
    let sha3 = cid::multihash::Multihash::wrap(0x16, hash.digest()).unwrap();
    let short = cid::multihash::Multihash::wrap(0x12, &hash.digest()[..31]).unwrap();
    for cid in [
        Cid::new_v0(hash).unwrap(),
        Cid::new_v1(0x70, hash),
        Cid::new_v1(RAW, sha3),
        Cid::new_v1(RAW, short),
    ] {
        assert_error(&write(&[], &vec![(cid, b"0123456789".to_vec())]), CarError::Cid);
        assert_error(&header(&[cid]), CarError::Header);
    }
    assert_error(&file_with(&[0]), CarError::Cid);
    assert_error(&file_with(&[4, 1, 0x55, 0x12, 0x20]), CarError::Cid);
}

#[test]
fn header_must_be_canonical_and_version_1() {
    let good = header(&[]);
    assert_eq!(read(&good), Ok((Vec::new(), Vec::new())));
    let frame = |body: &[u8]| [&[u8::try_from(body.len()).unwrap()], body].concat();
    let body = &good[1..];
    let other_version = [&body[..body.len() - 1], &[2]].concat();
    let long_version = [&body[..body.len() - 1], &[0x18, 1]].concat();
    let swapped = [&[0xa2][..], &body[8..], &body[1..8]].concat();
    let long_count = [&body[..7], &[0x98, 0], &body[8..]].concat();
    let more = [body, &[0]].concat();
    for body in [&[][..], &other_version, &long_version, &swapped, &long_count, &more, &body[1..]] {
        assert_error(&frame(body), CarError::Header);
    }
}

#[test]
fn hash_mismatch_is_rejected_unless_hashing_is_disabled() {
    let cid = cid_of(RAW, b"one");
    let file = write(&[], &vec![(cid, b"two".to_vec())]);
    assert_error(&file, CarError::Hash(cid));
    let mut decoder = Decoder::new().without_hashing();
    decoder.push(&file);
    assert!(matches!(decoder.step(), Ok(Step::Header(_))));
    assert!(matches!(decoder.step(), Ok(Step::Block(block)) if block.bytes == b"two"));
    assert_eq!(decoder.step(), Ok(Step::NeedMore));
    decoder.finish();
    assert_eq!(decoder.step(), Ok(Step::End));
}
