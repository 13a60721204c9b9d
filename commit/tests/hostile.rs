//! Repositories and commits from strangers: whatever is wrong, each way in calls it by its name.
#![allow(clippy::std_instead_of_alloc, clippy::std_instead_of_core, clippy::unwrap_used)]

mod support;

use cid::Cid;
use nacre_car::{CarError, Writer};
use nacre_commit::{
    Action, Commit, DecodeError, InvertError, Op, Records, RepoError, UnsignedCommit, VerifiedRepo,
    invert, verify_blocks, verify_repo,
};
use nacre_crypto::{Curve, Signature, SigningKey, VerifyError};
use nacre_mst::{KeyError, NodeError, TreeError};
use nacre_syntax::{Did, RepoPath};
use support::{Blocks, Entries, KEY, PATHS, cid_of, did, record, rev, tree};

/// A repository in parts, for a test to make something wrong with.
struct Parts {
    commit: Commit,
    blocks: Blocks,
}

impl Parts {
    /// Returns a repository of ten records that is right.
    fn new() -> Self {
        let entries: Entries =
            (0..10).map(|n| (PATHS[usize::from(n) * 7].clone(), record(n))).collect();
        let (data, mut blocks) = tree(&entries);
        blocks.extend((0..10).map(|n| (record(n), vec![n])));
        Self { commit: UnsignedCommit { did: did(), data, rev: rev(0) }.sign(&KEY), blocks }
    }

    /// Returns a repository whose tree has this root.
    fn with_tree(root: &[u8]) -> Self {
        let data = cid_of(root);
        let commit = UnsignedCommit { did: did(), data, rev: rev(0) }.sign(&KEY);
        let blocks = Blocks::from([(data, root.to_vec()), (record(0), vec![0])]);
        Self { commit, blocks }
    }

    /// Verifies the repository with this block as its commit, as a CAR and in a store.
    fn verify(&self, commit: &[u8]) -> [Result<VerifiedRepo, Wrong>; 2] {
        let root = cid_of(commit);
        let mut blocks = self.blocks.clone();
        blocks.insert(root, commit.to_vec());
        let mut car = Writer::new(&root);
        for (cid, block) in &blocks {
            car.block(cid, block);
        }
        let car = car.finish();
        let key = Some(KEY.verifying_key());
        let read = verify_repo(&car, &did(), key).and_then(Records::finish);
        let stored = verify_blocks(&blocks, root, &did(), key);
        [read.map_err(|error| Wrong::of(&error)), stored.map_err(|error| Wrong::of(&error))]
    }

    fn assert_named(&self, name: &str, expected: &Wrong) {
        for result in self.verify(&self.commit.encode()) {
            assert_eq!(result.as_ref(), Err(expected), "{name}");
        }
    }
}

/// What is wrong, whatever the source of the blocks can fail with.
#[derive(Debug, Eq, PartialEq)]
enum Wrong {
    Commit(DecodeError),
    Did(Did),
    Missing(Cid),
    Node(Cid, NodeError),
    Other(String),
    Path(Cid),
    Signature(VerifyError),
}

impl Wrong {
    fn of<E: core::fmt::Debug>(error: &RepoError<E>) -> Self {
        match error {
            RepoError::Commit(error) => Self::Commit(*error),
            RepoError::Did(did) => Self::Did(did.clone()),
            RepoError::Path(cid, _) => Self::Path(*cid),
            RepoError::Signature(error) => Self::Signature(*error),
            RepoError::Tree(TreeError::Missing(cid)) => Self::Missing(*cid),
            RepoError::Tree(TreeError::Node(cid, error)) => Self::Node(*cid, *error),
            other => Self::Other(format!("{other:?}")),
        }
    }
}

/// Returns the block of a good commit with some bytes in place of others.
fn spliced(block: &[u8], at: usize, removed: usize, put: &[u8]) -> Vec<u8> {
    [&block[..at], put, &block[at + removed..]].concat()
}

#[test]
fn undamaged_fixture_verifies() {
    let parts = Parts::new();
    for result in parts.verify(&parts.commit.encode()) {
        assert_eq!(result.unwrap().records, 10);
    }
}

#[test]
fn encoding_errors_name_the_offset() {
    let parts = Parts::new();
    let good = parts.commit.encode();
    let at = |name: &str| {
        let text = [&[0x60 + u8::try_from(name.len()).unwrap()], name.as_bytes()].concat();
        good.windows(text.len()).position(|window| window == text).unwrap()
    };
    let (did, rev, sig) = (at("did"), at("rev"), at("sig"));
    let (data, prev, version) = (at("data"), at("prev"), at("version"));
    let end = good.len();
    let link = |head: &[u8]| [head, &[7; 32]].concat();
    let identity = link(&[0xd8, 0x2a, 0x58, 0x25, 0, 1, 0x71, 0, 32]);
    let version_0 = link(&[0xd8, 0x2a, 0x58, 0x23, 0, 0x12, 32]);
    let raw = link(&[0xd8, 0x2a, 0x58, 0x25, 0, 1, 0x55, 0x12, 32]);
    let (link_at, prev_at) = (data + 5, prev + 5);
    // What is put in the place of so many bytes, and the field that it is found in.
    for (name, at, removed, put, found) in [
        ("nothing", 0, end, &[][..], 0),
        ("an array", 0, 1, &[0x86], 0),
        ("a map that never ends", 0, 1, &[0xbf], 0),
        ("a map of five", 0, 1, &[0xa5], 0),
        ("a map of seven", 0, 1, &[0xa7], 0),
        ("a count in two bytes", 0, 1, &[0xb8, 6], 0),
        ("a count of 2^64", 0, 1, &[0xbb, 255, 255, 255, 255, 255, 255, 255, 255], 0),
        ("a field of another name", did, 4, b"\x63dib", did),
        ("one field twice", rev, 4, b"\x63did", rev),
        ("bytes for a name", did, 1, &[0x43], did),
        ("a name's length in two bytes", did, 1, &[0x78, 3], did),
        ("a did of bytes", did + 4, 1, &[0x58], did),
        ("a did that never ends", did + 4, 1, &[0x7f], did),
        ("a did of 2^64", did + 4, 1, &[0x7b, 255, 255, 255, 255, 255, 255, 255, 255], did),
        ("a did of 65,535", did + 4, 2, &[0x79, 255, 255], did),
        ("a longer length of a did", did + 4, 2, &[0x79, 0, 32], did),
        ("a did that is not utf-8", did + 6, 1, &[0xff], did),
        ("a longer length of a rev", rev + 4, 1, &[0x78, 13], rev),
        ("a signature of text", sig + 4, 1, &[0x78], sig),
        ("a longer length of a signature", sig + 4, 2, &[0x59, 0, 64], sig),
        ("data of null", link_at, 41, &[0xf6], data),
        ("data by identity", link_at, 41, &identity, data),
        ("data of version 0", link_at, 41, &version_0, data),
        ("data that is raw", link_at, 41, &raw, data),
        ("data without a tag", link_at, 2, &[], data),
        ("a longer tag", link_at, 2, &[0xd9, 0, 0x2a], data),
        ("another multibase", link_at + 4, 1, &[1], data),
        ("prev undefined", prev_at, 1, &[0xf7], prev),
        ("prev by identity", prev_at, 1, &identity, prev),
        ("prev that is raw", prev_at, 1, &raw, prev),
        ("a version in two bytes", version + 8, 1, &[0x18, 3], version),
        ("a version of -3", version + 8, 1, &[0x22], version),
        ("a version of 3.0", version + 8, 1, &[0xf9, 0x42, 0], version),
        (
            "a version of 2^64",
            version + 8,
            1,
            &[0x1b, 255, 255, 255, 255, 255, 255, 255, 255],
            version,
        ),
        ("a byte too few", end - 1, 1, &[], version),
        ("a byte behind", end, 0, &[0], end),
        ("itself behind", end, 0, &good, end),
    ] {
        let block = spliced(&good, at, removed, put);
        assert_eq!(Commit::decode(&block), Err(DecodeError::Cbor(found)), "{name}");
        for result in parts.verify(&block) {
            assert_eq!(result, Err(Wrong::Commit(DecodeError::Cbor(found))), "{name}");
        }
    }
}

#[test]
fn field_errors_are_named() {
    let parts = Parts::new();
    let good = parts.commit.encode();
    let (sig, version) = (good.windows(4).position(|it| it == b"\x63sig").unwrap(), good.len() - 1);
    let named = |name: &str, block: &[u8], expected: DecodeError| {
        assert_eq!(Commit::decode(block), Err(expected), "{name}");
        for result in parts.verify(block) {
            assert_eq!(result, Err(Wrong::Commit(expected)), "{name}");
        }
    };
    for number in [0, 1, 4, 23] {
        named("a version", &spliced(&good, version, 1, &[number]), DecodeError::Version);
    }
    // DER is what others call a signature. Its length gives it away.
    let der = [&[0x30, 68, 2, 32][..], &[1; 32], &[2, 32], &[1; 32]].concat();
    for (name, bytes) in
        [("der", &*der), ("63 bytes", &[1; 63]), ("65 bytes", &[1; 65]), ("no bytes", &[])]
    {
        let length = u8::try_from(bytes.len()).unwrap();
        let head: &[u8] = if length < 24 { &[0x40 + length] } else { &[0x58, length] };
        let block = spliced(&good, sig + 4, 66, &[head, bytes].concat());
        named(name, &block, DecodeError::Sig);
    }
    for (name, from, to) in [("did", "did:plc:", "did_plc:"), ("did", "did:plc:", "DID:plc:")] {
        let at = good.windows(from.len()).position(|it| it == from.as_bytes()).unwrap();
        let block = spliced(&good, at, from.len(), to.as_bytes());
        let expected = Commit::decode(&block).unwrap_err();
        assert!(matches!(expected, DecodeError::Did(_)), "{name}: {expected}");
        named(name, &block, expected);
    }
    let rev = good.windows(4).position(|it| it == b"\x63rev").unwrap();
    for byte in [b'0', b'k', b'-', b' '] {
        let block = spliced(&good, rev + 5, 1, &[byte]);
        let expected = Commit::decode(&block).unwrap_err();
        assert!(matches!(expected, DecodeError::Rev(_)), "{expected}");
        named("rev", &block, expected);
    }
    named("size", &good.repeat(30), DecodeError::Size);
}

#[test]
fn high_s_and_malformed_signatures_are_rejected() {
    // The order of the curve, from which a signature's s can be subtracted.
    const K256: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xfe, 0xba, 0xae, 0xdc, 0xe6, 0xaf, 0x48, 0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36,
        0x41, 0x41,
    ];
    let mut parts = Parts::new();
    let good = *parts.commit.sig.as_bytes();
    let (r, s): (&[u8], &[u8]) = good.split_at(32);
    let mut high = K256;
    let mut borrow = 0;
    for (digit, subtract) in high.iter_mut().zip(s).rev() {
        let difference = i16::from(*digit) - i16::from(*subtract) - borrow;
        borrow = i16::from(difference < 0);
        *digit = u8::try_from(difference.rem_euclid(256)).unwrap();
    }
    let zero = [0; 32];
    for (name, sig, expected) in [
        ("high s", [r, &high].concat(), VerifyError::HighS),
        ("r of zero", [&zero, s].concat(), VerifyError::OutOfRange),
        ("s of zero", [r, &zero].concat(), VerifyError::OutOfRange),
        ("nothing", [zero, zero].concat(), VerifyError::OutOfRange),
        ("r of the order", [&K256, s].concat(), VerifyError::OutOfRange),
        ("s of the order", [r, &K256].concat(), VerifyError::HighS),
        ("the largest", [[255; 32], [255; 32]].concat(), VerifyError::HighS),
        ("s for r", [s, s].concat(), VerifyError::Mismatch),
    ] {
        parts.commit.sig = Signature::from_slice(&sig).unwrap();
        assert_eq!(parts.commit.verify(KEY.verifying_key()), Err(expected), "{name}");
        parts.assert_named(name, &Wrong::Signature(expected));
    }
    let stranger = SigningKey::from_bytes(Curve::P256, &[7; 32]).unwrap();
    let Commit { data, .. } = parts.commit;
    parts.commit = UnsignedCommit { did: did(), data, rev: rev(0) }.sign(&stranger);
    parts.assert_named("another key", &Wrong::Signature(VerifyError::Mismatch));
}

#[test]
fn repository_errors_are_named() {
    let mut parts = Parts::new();
    let someone = Did::parse("did:web:example.com".to_owned()).unwrap();
    let Commit { data, .. } = parts.commit;
    parts.commit = UnsignedCommit { did: someone.clone(), data, rev: rev(0) }.sign(&KEY);
    parts.assert_named("another did", &Wrong::Did(someone));

    let sign = |data| UnsignedCommit { did: did(), data, rev: rev(0) }.sign(&KEY);
    for gone in Parts::new().blocks.into_keys() {
        let mut parts = Parts::new();
        parts.blocks.remove(&gone);
        parts.assert_named("a block that is not there", &Wrong::Missing(gone));
    }
    let mut parts = Parts::new();
    parts.commit = sign(record(0));
    parts.assert_named("no tree", &Wrong::Node(record(0), NodeError::Cbor(0)));
    let commit = sign(data);
    parts.blocks.insert(commit.cid(), commit.encode());
    parts.commit = sign(commit.cid());
    parts.assert_named("a commit for a tree", &Wrong::Node(commit.cid(), NodeError::Cbor(0)));

    // A tree takes them, but they are not paths.
    for key in ["example/a", "a.b/c", "a.b.c/..", "a.b.c-/d", "a.b.9c/d"] {
        let entries = Entries::from([(key.to_owned(), record(0))]);
        let (root, blocks) = tree(&entries);
        Parts::with_tree(&blocks[&root]).assert_named(key, &Wrong::Path(record(0)));
    }
    let block = tree(&Entries::from([("a.b.c/d".to_owned(), record(0))])).1.into_values().next();
    let block = block.unwrap();
    let slash = block.iter().position(|byte| *byte == b'/').unwrap();
    let block = spliced(&block, slash, 1, b" ");
    let parts = Parts::with_tree(&block);
    let expected = NodeError::Key(KeyError::Byte(5));
    parts.assert_named("a key with a space", &Wrong::Node(cid_of(&block), expected));
}

#[test]
fn car_errors_are_named() {
    let parts = Parts::new();
    let commit = parts.commit.encode();
    let root = cid_of(&commit);
    let mut car = Writer::new(&root);
    car.block(&root, &commit);
    for (cid, block) in &parts.blocks {
        car.block(cid, block);
    }
    let good = car.finish();
    let of = |car: &[u8]| {
        let read = verify_repo(car, &did(), Some(KEY.verifying_key()));
        read.and_then(Records::finish).map(|repo| repo.records)
    };
    let source = |error| Err(RepoError::Tree(TreeError::Source(error)));
    assert_eq!(of(&good), Ok(10));
    assert_eq!(of(&[]), source(CarError::Truncated));
    assert_eq!(of(&good[..good.len() - 1]), source(CarError::Truncated));
    assert_eq!(of(&[0]), source(CarError::Header));
    assert_eq!(of(&[&*good, &[0]].concat()), source(CarError::Cid));
    assert_eq!(of(&[&*good, &[0xa5, 0]].concat()), source(CarError::Varint));
    assert_eq!(of(&[&*good, &[0xff, 0xff, 0xff, 0x7f]].concat()), source(CarError::BlockSize));
    // Not reached from the root: right in itself, it is passed over.
    let mut more = Writer::new(&root);
    more.clear();
    more.block(&cid_of(b"more"), b"more");
    assert_eq!(of(&[&*good, more.as_bytes()].concat()), Ok(10));
}

#[test]
fn operations_that_contradict_the_tree_are_named() {
    let Parts { commit, blocks } = Parts::new();
    let path = |number: usize| RepoPath::parse(PATHS[number].clone()).unwrap();
    let op = |action, number, cid, prev| Op { action, path: path(number), cid, prev };
    let named = |name: &str, ops: &[Op], expected: &InvertError<_>| {
        assert_eq!(invert(&blocks, commit.data, ops).as_ref(), Err(expected), "{name}");
    };
    let (one, two) = (Some(record(1)), Some(record(2)));
    let wrong = InvertError::Op(path(7));
    // Under the path of number 7 is record 1, and nothing under that of number 8.
    for (name, op, is_right) in [
        ("a create", op(Action::Create, 7, one, None), true),
        ("an update", op(Action::Update, 7, one, two), true),
        ("a create of another record", op(Action::Create, 7, two, None), false),
        ("an update to another record", op(Action::Update, 7, two, one), false),
        ("a delete of what is there", op(Action::Delete, 7, None, one), false),
        ("a create of nothing", op(Action::Create, 7, None, None), false),
        ("a create over a record", op(Action::Create, 7, one, two), false),
        ("an update of nothing", op(Action::Update, 7, one, None), false),
        ("an update to nothing", op(Action::Update, 7, None, one), false),
        ("a delete of nothing", op(Action::Delete, 7, None, None), false),
        ("a delete to a record", op(Action::Delete, 7, one, two), false),
    ] {
        if is_right {
            assert!(invert(&blocks, commit.data, &[op]).is_ok(), "{name}");
        } else {
            named(name, &[op], &wrong);
        }
    }
    let absent = op(Action::Create, 8, one, None);
    named("a create of what is not there", &[absent], &InvertError::Op(path(8)));
    let twice = op(Action::Update, 7, one, two);
    named("twice", &[twice.clone(), twice], &InvertError::RepeatedPath(path(7)));
    let raw = Cid::new_v1(0x55, *record(0).hash());
    let error = invert(&blocks, raw, &[]).unwrap_err();
    assert!(matches!(error, InvertError::Tree(TreeError::Link(link)) if link.0 == raw));
}
