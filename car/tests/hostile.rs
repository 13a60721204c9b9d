//! Files from strangers: whatever is wrong in one, each way of reading it calls it by the same
//! name.
#![allow(clippy::std_instead_of_alloc, clippy::std_instead_of_core, clippy::unwrap_used)]

mod support;

use cid::Cid;
use cid::multihash::Multihash;
use nacre_car::{
    CarError, Decoder, Lookup, MAX_BLOCK_BYTES, MAX_HEADER_BYTES, Reader, Step, header,
};
use support::{Blocks, DAG_CBOR, RAW, cid_of, read, read_in_pieces, write};

/// Asserts that all ways of reading call what is wrong by this name.
fn assert_named(name: &str, file: &[u8], expected: CarError) {
    let error = Err(expected);
    assert_eq!(read(file), error, "Reader: {name}");
    for length in [1, 7, file.len().max(1)] {
        // In pieces of a byte only what is small.
        if length * 100_000 >= file.len() {
            assert_eq!(read_in_pieces(file, &[length]), error, "Decoder: {name}");
        }
    }
    // Of a block that is nowhere the whole file has to be read.
    let absent = cid_of(RAW, b"absent");
    let looked_up = Lookup::new(file).and_then(|mut lookup| {
        let first = lookup.block(&absent).map(drop);
        assert_eq!(lookup.block(&absent).map(drop), first, "Lookup stays so: {name}");
        first
    });
    assert_eq!(looked_up, Err(expected), "Lookup: {name}");
    // A lookup in the order of the file finds the blocks before the error, and then the error.
    let in_order = Lookup::new(file).and_then(|mut lookup| {
        for block in Reader::new(file)? {
            let Ok(block) = block else { break };
            assert_eq!(lookup.block(&block.cid), Ok(Some(block.bytes)), "Lookup: {name}");
        }
        lookup.block(&absent).map(drop)
    });
    assert_eq!(in_order, Err(expected), "Lookup in order: {name}");
}

/// Asserts that it is wrong as the first block, behind others, and behind so many that they are not
/// read at once.
fn assert_section_named(name: &str, section: &[u8], expected: CarError) {
    for before in [0, 1, 3, 15, 16, 40] {
        let blocks: Blocks = (0..before).map(|n: u8| (cid_of(RAW, &[n]), vec![n])).collect();
        let file = [&*write(&[], &blocks), section].concat();
        assert_named(name, &file, expected);
    }
}

fn varint(mut value: usize) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let byte = u8::try_from(value & 0x7f).unwrap();
        value >>= 7;
        if value == 0 {
            out.push(byte);
            return out;
        }
        out.push(byte | 0x80);
    }
}

/// Returns a section with this CID, as its bytes, in front of its block.
fn section(cid: &[u8], block: &[u8]) -> Vec<u8> {
    [&*varint(cid.len() + block.len()), cid, block].concat()
}

#[test]
fn length_errors_are_named() {
    use CarError::{BlockSize, Cid, Truncated, Varint};
    let largest = 36 + MAX_BLOCK_BYTES;
    for (name, length, expected) in [
        ("zero", vec![0], Cid),
        ("zero in two bytes", vec![0x80, 0], Varint),
        ("37 in two bytes", vec![0xa5, 0], Varint),
        ("37 in nine bytes", vec![0xa5, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0], Varint),
        ("ten bytes", vec![0xff; 10], Varint),
        ("nine bytes and no end", vec![0xff; 9], Varint),
        ("eight bytes and no end", vec![0xff; 8], Truncated),
        ("one byte and no end", vec![0x80], Truncated),
        ("2^63 - 1", vec![0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], BlockSize),
        ("2^32", varint(1 << 32), BlockSize),
        ("2^32 + 37", varint((1 << 32) + 37), BlockSize),
        ("one more than the largest", varint(largest + 1), BlockSize),
        ("the largest, and nothing there", varint(largest), Truncated),
        ("37, and nothing there", vec![37], Truncated),
    ] {
        assert_section_named(name, &length, expected);
    }
}

#[test]
fn cid_errors_are_named() {
    let bytes = b"some bytes";
    let hash = *cid_of(RAW, bytes).hash();
    let other = |code, digest: &[u8]| Cid::new_v1(RAW, Multihash::wrap(code, digest).unwrap());
    let good = cid_of(RAW, bytes).to_bytes();
    let longer_codec = [&[1, 0xd5, 0][..], &good[2..]].concat();
    let longer_version = [&[0x81, 0][..], &good[1..]].concat();
    for (name, cid) in [
        ("version 0", Cid::new_v0(hash).unwrap().to_bytes()),
        ("version 2", [&[2], &good[1..]].concat()),
        ("dag-pb", Cid::new_v1(0x70, hash).to_bytes()),
        ("identity", other(0, bytes).to_bytes()),
        ("identity of 32 bytes", other(0, hash.digest()).to_bytes()),
        ("sha3-256", other(0x16, hash.digest()).to_bytes()),
        ("sha2-512", other(0x13, &[7; 64]).to_bytes()),
        ("a short digest", other(0x12, &hash.digest()[..31]).to_bytes()),
        ("a long digest", other(0x12, &[7; 33]).to_bytes()),
        ("a codec in two bytes", longer_codec),
        ("a version in two bytes", longer_version),
        ("text", cid_of(RAW, bytes).to_string().into_bytes()),
    ] {
        assert_section_named(name, &section(&cid, bytes), CarError::Cid);
        // As a root.
        let link = [&[0xd8, 0x2a, 0x58, u8::try_from(cid.len() + 1).unwrap(), 0][..], &cid];
        let body = [&b"\xa2eroots\x81"[..], &link.concat(), b"gversion\x01"].concat();
        let file = [&*varint(body.len()), &body].concat();
        assert_named(name, &file, CarError::Header);
    }
    for cut in 0..36 {
        assert_section_named("a cid cut short", &section(&good[..cut], &[]), CarError::Cid);
    }
}

#[test]
fn block_errors_are_named() {
    let cid = cid_of(RAW, b"one");
    let good = section(&cid.to_bytes(), b"one");
    let hash = CarError::Hash(cid);
    assert_section_named("another block", &section(&cid.to_bytes(), b"two"), hash);
    assert_section_named("nothing", &section(&cid.to_bytes(), b""), hash);
    assert_section_named("a byte more", &section(&cid.to_bytes(), b"one\0"), hash);
    for end in 1..good.len() {
        assert_section_named("a file cut short", &good[..end], CarError::Truncated);
    }
    // The first of two.
    let both = [section(&cid.to_bytes(), b"two"), vec![0x80, 0]].concat();
    assert_section_named("two things", &both, hash);
    let both = [&good, &[0x80, 0][..], &section(&cid.to_bytes(), b"two")].concat();
    assert_section_named("two things, the other way round", &both, CarError::Varint);
}

#[test]
fn header_errors_are_named() {
    use CarError::{Header, HeaderSize, Truncated, Varint};
    let root = cid_of(DAG_CBOR, b"");
    let good = header(&[root]);
    let framed = |body: &[u8]| [&*varint(body.len()), body].concat();
    let spliced = |at: usize, removed: usize, put: &[u8]| {
        framed(&[&good[1..][..at], put, &good[1..][at + removed..]].concat())
    };
    let (count, link) = (7, 8);
    let (version, end) = (link + 41, good.len() - 1);
    assert_eq!([good[1 + count], good[1 + link], good[1 + version]], [0x81, 0xd8, 0x67]);
    for (name, file, expected) in [
        ("nothing", vec![], Truncated),
        ("empty", vec![0], Header),
        ("cut short", good[..good.len() - 1].to_vec(), Truncated),
        ("a length in two bytes", [&[good[0] | 0x80, 0], &good[1..]].concat(), Varint),
        ("one byte too large", varint(MAX_HEADER_BYTES + 1), HeaderSize),
        ("2^63 - 1", vec![0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], HeaderSize),
        ("the largest, and nothing there", varint(MAX_HEADER_BYTES), Truncated),
        ("a map that never ends", spliced(0, 1, &[0xbf]), Header),
        ("a map of one", spliced(0, 1, &[0xa1]), Header),
        ("a map of three", spliced(0, 1, &[0xa3]), Header),
        ("a count of fields in two bytes", spliced(0, 1, &[0xb8, 2]), Header),
        ("version first", framed(b"\xa2gversion\x01eroots\x80"), Header),
        ("roots twice", framed(b"\xa2eroots\x80eroots\x80"), Header),
        ("no version", framed(b"\xa1eroots\x80"), Header),
        ("no roots", framed(b"\xa1gversion\x01"), Header),
        ("roots of null", framed(b"\xa2eroots\xf6gversion\x01"), Header),
        ("a count in two bytes", spliced(count, 1, &[0x98, 1]), Header),
        (
            "a count of 2^64",
            spliced(count, 1, &[0x9b, 255, 255, 255, 255, 255, 255, 255, 255]),
            Header,
        ),
        ("roots that never end", spliced(count, 1, &[0x9f]), Header),
        ("more than was counted", spliced(count, 1, &[0x80]), Header),
        ("fewer than were counted", spliced(count, 1, &[0x82]), Header),
        ("a root without a tag", spliced(link, 2, &[]), Header),
        ("another tag", spliced(link + 1, 1, &[0x2b]), Header),
        ("another multibase", spliced(link + 4, 1, &[1]), Header),
        ("version 2", spliced(end - 1, 1, &[2]), Header),
        ("version 1 in two bytes", spliced(end - 1, 1, &[0x18, 1]), Header),
        ("version 1.0", spliced(end - 1, 1, &[0xf9, 0x3c, 0]), Header),
        ("version -1", spliced(end - 1, 1, &[0x20]), Header),
        ("a byte behind", spliced(end, 0, &[0]), Header),
        // The pragma of CAR version 2.
        ("a car of version 2", b"\x0a\xa1gversion\x02".to_vec(), Header),
    ] {
        assert_named(name, &file, expected);
    }
}

#[test]
fn lookup_finds_repeated_blocks() {
    let different: Blocks = (0..40_u8).map(|n| (cid_of(RAW, &[n]), vec![n])).collect();
    let mut blocks = different.clone();
    for round in 0..50 {
        blocks.extend(different.iter().cycle().skip(round).take(40).cloned());
    }
    let file = write(&[], &blocks);
    let mut lookup = Lookup::new(&file).unwrap();
    for (cid, bytes) in different.iter().rev() {
        assert_eq!(lookup.block(cid), Ok(Some(&**bytes)));
    }
    // The same bytes under the other codec are another block.
    let (cid, bytes) = (cid_of(DAG_CBOR, &[1]), vec![1]);
    assert_eq!(lookup.block(&cid), Ok(None));
    blocks.push((cid, bytes.clone()));
    let file = write(&[], &blocks);
    let mut lookup = Lookup::new(&file).unwrap();
    assert_eq!(lookup.block(&cid), Ok(Some(&*bytes)));
    assert_eq!(lookup.block(&cid_of(RAW, &[1])), Ok(Some(&*bytes)));
}

#[test]
fn lookup_of_an_unsupported_cid_finds_nothing() {
    let file = write(&[], &vec![(cid_of(RAW, b"one"), b"one".to_vec())]);
    let hash = *cid_of(RAW, b"one").hash();
    let mut lookup = Lookup::new(&file).unwrap();
    for cid in [Cid::new_v0(hash).unwrap(), Cid::new_v1(0x70, hash)] {
        assert_eq!(lookup.block(&cid), Ok(None));
    }
    assert_eq!(lookup.block(&cid_of(RAW, b"one")), Ok(Some(&b"one"[..])));
}

#[test]
fn decoder_stays_failed_after_an_error() {
    let mut decoder = Decoder::new();
    decoder.push(&[0x80, 0]);
    assert_eq!(decoder.step(), Err(CarError::Varint));
    decoder.push(&header(&[]));
    decoder.finish();
    assert_eq!(decoder.step(), Err(CarError::Varint));
}

#[test]
fn file_without_blocks_ends_after_the_header() {
    let file = header(&[]);
    assert_eq!(read(&file), Ok((vec![], vec![])));
    let mut decoder = Decoder::new();
    decoder.push(&file);
    assert_eq!(decoder.step(), Ok(Step::Header(vec![])));
    assert_eq!(decoder.step(), Ok(Step::NeedMore));
    decoder.finish();
    assert_eq!(decoder.step(), Ok(Step::End));
    assert_eq!(decoder.step(), Ok(Step::End));
}
