//! Commits of version 2 without a `rev`, as old repositories have them.
#![allow(clippy::std_instead_of_alloc, clippy::std_instead_of_core, clippy::unwrap_used)]

mod support;

use ipld_core::ipld::Ipld;
use nacre_commit::{Commit, DecodeError, LegacyCommit, MAX_COMMIT_BYTES, UnsignedCommit};
use nacre_crypto::{Curve, Signature, SigningKey, VerifyError};
use nacre_syntax::Did;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use support::{KEY, did, record, rev};

type Field = (&'static str, Ipld);

fn unsigned(did: &Did, prev: Option<u8>) -> Vec<Field> {
    vec![
        ("did", Ipld::String(did.as_str().to_owned())),
        ("version", Ipld::Integer(2)),
        ("data", Ipld::Link(record(1))),
        ("prev", prev.map_or(Ipld::Null, |number| Ipld::Link(record(number)))),
    ]
}

fn encode(fields: &[Field]) -> Vec<u8> {
    let map = fields.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    serde_ipld_dagcbor::to_vec(&Ipld::Map(map)).unwrap()
}

/// Signs fields as another implementation would, and returns them with the signature.
fn sign(mut fields: Vec<Field>, key: &SigningKey) -> Vec<Field> {
    let sig = key.sign(&encode(&fields));
    fields.push(("sig", Ipld::Bytes(sig.as_bytes().to_vec())));
    fields
}

/// Encodes a good commit with one field replaced, added or left out.
fn with(name: &'static str, value: Option<Ipld>) -> Vec<u8> {
    let mut fields = sign(unsigned(&did(), None), &KEY);
    fields.retain(|(field, _)| *field != name);
    fields.extend(value.map(|value| (name, value)));
    encode(&fields)
}

fn good() -> LegacyCommit {
    LegacyCommit::decode(&encode(&sign(unsigned(&did(), None), &KEY))).unwrap()
}

proptest! {
    #[test]
    fn commit_of_another_codec_is_decoded_and_verified(
        did in "did:web:[a-z]{1,300}",
        prev in proptest::option::of(any::<u8>()),
        p256: bool,
    ) {
        let curve = if p256 { Curve::P256 } else { Curve::K256 };
        let key = SigningKey::from_bytes(curve, &[3; 32]).unwrap();
        let did = Did::parse(did).unwrap();
        let block = encode(&sign(unsigned(&did, prev), &key));
        let commit = LegacyCommit::decode(&block).unwrap();
        prop_assert_eq!(&commit.did, &did);
        prop_assert_eq!(commit.data, record(1));
        prop_assert_eq!(commit.prev, prev.map(record));
        prop_assert_eq!(commit.verify(key.verifying_key()), Ok(()));
        prop_assert_eq!(commit.verify(KEY.verifying_key()), Err(VerifyError::Mismatch));
        prop_assert_eq!(commit.encode(), block.clone());
        prop_assert_eq!(commit.cid(), support::cid_of(&block));
    }

    #[test]
    fn only_the_canonical_encoding_is_decoded(
        at: Index,
        byte: u8,
        cut in proptest::option::of(any::<Index>()),
    ) {
        let mut block = good().encode();
        let at = at.index(block.len());
        block[at] = byte;
        block.truncate(cut.map_or(block.len(), |cut| cut.index(block.len())));
        if let Ok(commit) = LegacyCommit::decode(&block) {
            prop_assert_eq!(commit.encode(), block.clone());
            prop_assert_eq!(commit.verify(KEY.verifying_key()).is_ok(), commit == good());
        }
    }

    #[test]
    fn arbitrary_bytes_do_not_panic(bytes in vec(any::<u8>(), 0..300), cut: Index) {
        let _ = LegacyCommit::decode(&bytes);
        let block = good().encode();
        let _ = LegacyCommit::decode(&[&block[..cut.index(block.len())], &bytes].concat());
    }
}

#[test]
fn block_decodes_with_exactly_one_of_both_types() {
    let legacy = good().encode();
    assert_eq!(Commit::decode(&legacy), Err(DecodeError::Cbor(0)));
    let current = UnsignedCommit { did: did(), data: record(1), rev: rev(0) }.sign(&KEY).encode();
    assert_eq!(LegacyCommit::decode(&current), Err(DecodeError::Cbor(0)));
}

#[test]
fn changing_any_field_breaks_the_signature() {
    let good = good();
    let someone = Did::parse("did:web:example.com".to_owned()).unwrap();
    for commit in [
        LegacyCommit { did: someone, ..good.clone() },
        LegacyCommit { data: record(2), ..good.clone() },
        LegacyCommit { prev: Some(record(3)), ..good.clone() },
        LegacyCommit { sig: Signature::from_bytes([1; 64]), ..good },
    ] {
        assert!(commit.verify(KEY.verifying_key()).is_err());
    }
}

#[test]
fn each_broken_rule_has_its_error() {
    let decode = |name, value| LegacyCommit::decode(&with(name, value));
    for name in ["did", "sig", "data", "prev", "version"] {
        assert_eq!(decode(name, None), Err(DecodeError::Cbor(0)), "{name}");
        let wrong = decode(name, Some(Ipld::Bool(true)));
        assert!(matches!(wrong, Err(DecodeError::Cbor(1..))), "{name}");
    }
    assert_eq!(decode("extra", Some(Ipld::Null)), Err(DecodeError::Cbor(0)));
    let bad_did = decode("did", Some(Ipld::String("did:".to_owned())));
    assert!(matches!(bad_did, Err(DecodeError::Did(_))));
    assert_eq!(decode("sig", Some(Ipld::Bytes(vec![0; 65]))), Err(DecodeError::Sig));
    for version in [0, 1, 3, 4, 23] {
        let outcome = decode("version", Some(Ipld::Integer(version)));
        assert_eq!(outcome, Err(DecodeError::Version), "{version}");
    }
    let raw = cid::Cid::new_v1(0x55, *record(0).hash());
    assert!(matches!(decode("data", Some(Ipld::Link(raw))), Err(DecodeError::Cbor(_))));
    let trailing = [good().encode(), vec![0]].concat();
    assert!(matches!(LegacyCommit::decode(&trailing), Err(DecodeError::Cbor(_))));
}

#[test]
fn block_size_limit_is_inclusive() {
    let longest = Did::parse(format!("did:web:{}", "a".repeat(Did::MAX_BYTES - 8))).unwrap();
    let commit = LegacyCommit { did: longest, prev: Some(record(0)), ..good() };
    assert_eq!(LegacyCommit::decode(&commit.encode()), Ok(commit));
    assert_eq!(LegacyCommit::decode(&vec![0; MAX_COMMIT_BYTES + 1]), Err(DecodeError::Size));
    assert_eq!(LegacyCommit::decode(&vec![0; MAX_COMMIT_BYTES]), Err(DecodeError::Cbor(0)));
}
