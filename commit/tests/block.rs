//! The block of a commit: one form, the same that another codec writes, and every error by name.
#![allow(clippy::std_instead_of_alloc, clippy::std_instead_of_core, clippy::unwrap_used)]

mod support;

use ipld_core::ipld::Ipld;
use nacre_commit::{Commit, DecodeError, MAX_COMMIT_BYTES, UnsignedCommit, Version};
use nacre_crypto::{Curve, SigningKey, VerifyError};
use nacre_syntax::{Did, Tid};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use support::{KEY, did, record, rev};

fn signed() -> Commit {
    UnsignedCommit { did: did(), data: record(1), rev: rev(0) }.sign(&KEY)
}

fn fields(commit: &Commit) -> Vec<(&'static str, Ipld)> {
    vec![
        ("did", Ipld::String(commit.did.as_str().to_owned())),
        ("rev", Ipld::String(commit.rev.to_string())),
        ("sig", Ipld::Bytes(commit.sig.as_bytes().to_vec())),
        ("data", Ipld::Link(commit.data)),
        ("prev", commit.prev.map_or(Ipld::Null, Ipld::Link)),
        ("version", Ipld::Integer(if commit.version == Version::V2 { 2 } else { 3 })),
    ]
}

fn encode(fields: Vec<(&'static str, Ipld)>) -> Vec<u8> {
    let map = fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    serde_ipld_dagcbor::to_vec(&Ipld::Map(map)).unwrap()
}

/// Encodes a good commit with one field replaced, or left out.
fn with(name: &'static str, value: Option<Ipld>) -> Vec<u8> {
    let mut fields = fields(&signed());
    fields.retain(|(field, _)| *field != name);
    fields.extend(value.map(|value| (name, value)));
    encode(fields)
}

fn text(text: impl Into<String>) -> Option<Ipld> {
    Some(Ipld::String(text.into()))
}

proptest! {
    #[test]
    fn another_codec_gives_the_same_block(
        did in "did:web:[a-z]{1,300}",
        micros in 0..Tid::MAX_MICROS,
        prev in proptest::option::of(any::<u8>()),
        old: bool,
        p256: bool,
    ) {
        let curve = if p256 { Curve::P256 } else { Curve::K256 };
        let key = SigningKey::from_bytes(curve, &[3; 32]).unwrap();
        let did = Did::parse(did).unwrap();
        let rev = Tid::from_micros(micros, 5);
        let mut commit = UnsignedCommit { did, data: record(1), rev }.sign(&key);
        prop_assert_eq!(commit.verify(key.verifying_key()), Ok(()));
        prop_assert_eq!(commit.verify(KEY.verifying_key()), Err(VerifyError::Mismatch));
        commit.prev = prev.map(record);
        commit.version = if old { Version::V2 } else { Version::V3 };
        let block = commit.encode();
        prop_assert_eq!(&block, &encode(fields(&commit)));
        prop_assert_eq!(Commit::decode(&block), Ok(commit));
    }

    #[test]
    fn commits_are_decoded_only_in_canonical_form(
        at: Index,
        byte: u8,
        cut in proptest::option::of(any::<Index>()),
    ) {
        let mut block = signed().encode();
        let at = at.index(block.len());
        block[at] = byte;
        block.truncate(cut.map_or(block.len(), |cut| cut.index(block.len())));
        if let Ok(commit) = Commit::decode(&block) {
            prop_assert_eq!(commit.encode(), block.clone());
            prop_assert_eq!(commit.verify(KEY.verifying_key()).is_ok(), commit == signed());
        }
    }

    #[test]
    fn arbitrary_bytes_do_not_panic(bytes in vec(any::<u8>(), 0..300), cut: Index) {
        let _ = Commit::decode(&bytes);
        let block = signed().encode();
        let _ = Commit::decode(&[&block[..cut.index(block.len())], &bytes].concat());
    }
}

#[test]
fn signature_covers_the_block_without_the_signature() {
    let commit = signed();
    let mut fields = fields(&commit);
    fields.retain(|(name, _)| *name != "sig");
    assert_eq!(KEY.verifying_key().verify(&encode(fields), &commit.sig), Ok(()));
}

#[test]
fn changing_any_field_breaks_the_signature() {
    let good = signed();
    let someone = Did::parse("did:web:example.com".to_owned()).unwrap();
    for commit in [
        Commit { did: someone, ..good.clone() },
        Commit { data: record(2), ..good.clone() },
        Commit { rev: rev(1), ..good.clone() },
        Commit { prev: Some(record(3)), ..good.clone() },
        Commit { version: Version::V2, ..good.clone() },
    ] {
        assert_eq!(commit.verify(KEY.verifying_key()), Err(VerifyError::Mismatch));
    }
}

#[test]
fn each_broken_rule_has_its_error() {
    for name in ["did", "rev", "sig", "data", "prev", "version"] {
        assert_eq!(Commit::decode(&with(name, None)), Err(DecodeError::Cbor(0)), "{name}");
        let wrong = with(name, Some(Ipld::Bool(true)));
        assert!(matches!(Commit::decode(&wrong), Err(DecodeError::Cbor(1..))), "{name}");
    }
    assert_eq!(Commit::decode(&with("extra", text(""))), Err(DecodeError::Cbor(0)));
    assert!(matches!(Commit::decode(&with("did", text("did:"))), Err(DecodeError::Did(_))));
    assert!(matches!(Commit::decode(&with("rev", text("1"))), Err(DecodeError::Rev(_))));
    let short = Some(Ipld::Bytes(vec![0; 63]));
    assert_eq!(Commit::decode(&with("sig", short)), Err(DecodeError::Sig));
    for version in [0, 1, 4, 23] {
        let block = with("version", Some(Ipld::Integer(version)));
        assert_eq!(Commit::decode(&block), Err(DecodeError::Version));
    }
    let raw = cid::Cid::new_v1(0x55, *record(0).hash());
    assert!(matches!(
        Commit::decode(&with("data", Some(Ipld::Link(raw)))),
        Err(DecodeError::Cbor(_))
    ));
    let behind = [signed().encode(), vec![0]].concat();
    assert!(matches!(Commit::decode(&behind), Err(DecodeError::Cbor(_))));
}

#[test]
fn block_size_is_limited() {
    let longest = format!("did:web:{}", "a".repeat(Did::MAX_BYTES - 8));
    let commit = Commit { did: Did::parse(longest).unwrap(), prev: Some(record(0)), ..signed() };
    let block = commit.encode();
    assert!(block.len() < MAX_COMMIT_BYTES);
    assert_eq!(Commit::decode(&block), Ok(commit));
    assert_eq!(Commit::decode(&vec![0; MAX_COMMIT_BYTES + 1]), Err(DecodeError::Size));
    assert_eq!(Commit::decode(&vec![0; MAX_COMMIT_BYTES]), Err(DecodeError::Cbor(0)));
}
