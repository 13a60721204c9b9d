//! `check` beside a slow twin: a general decoder, the rules on its tree, a general encoder.

use cid::{Cid, Version};
use ipld_core::ipld::Ipld;
use nacre_lexicon::{MAX_CBOR_BYTES, MAX_DEPTH, MAX_INTEGER, MAX_ITEMS, MAX_KEY_BYTES, check};
use proptest::{collection::vec, prelude::*, sample::Index};

use crate::data::data;

fn is_canonical_data(cbor: &[u8]) -> bool {
    cbor.len() <= MAX_CBOR_BYTES
        && serde_ipld_dagcbor::from_slice(cbor).is_ok_and(|ipld: Ipld| {
            matches!(ipld, Ipld::Map(_))
                && is_data(&ipld, 0)
                && serde_ipld_dagcbor::to_vec(&ipld).is_ok_and(|again| again == cbor)
        })
}

/// Judges a value inside of so many containers.
fn is_data(ipld: &Ipld, depth: usize) -> bool {
    match ipld {
        Ipld::Null | Ipld::Bool(_) | Ipld::Bytes(_) | Ipld::String(_) => true,
        Ipld::Float(_) => false,
        Ipld::Integer(value) => value.unsigned_abs() <= u128::from(MAX_INTEGER.unsigned_abs()),
        Ipld::Link(cid) => is_link(cid),
        Ipld::List(items) => {
            depth < MAX_DEPTH
                && items.len() <= MAX_ITEMS
                && items.iter().all(|item| is_data(item, depth + 1))
        }
        Ipld::Map(entries) => {
            let has_type = match entries.get("$type") {
                None => true,
                Some(Ipld::String(text)) => match text.as_str() {
                    "" => false,
                    "blob" => is_blob(ipld),
                    _ => true,
                },
                Some(_) => false,
            };
            let is_key = |key: &str| {
                (1..=MAX_KEY_BYTES).contains(&key.len()) && !["$link", "$bytes"].contains(&key)
            };
            depth < MAX_DEPTH
                && entries.len() <= MAX_ITEMS
                && has_type
                && entries.iter().all(|(key, value)| is_key(key) && is_data(value, depth + 1))
        }
    }
}

fn is_link(cid: &Cid) -> bool {
    cid.version() == Version::V1
        && [0x55, 0x71].contains(&cid.codec())
        && cid.hash().code() == 0x12
        && cid.hash().size() == 32
}

fn is_blob(ipld: &Ipld) -> bool {
    let Ipld::Map(entries) = ipld else { return false };
    entries.len() == 4
        && matches!(entries.get("ref"), Some(Ipld::Link(_)))
        && matches!(entries.get("size"), Some(Ipld::Integer(0..)))
        && matches!(entries.get("mimeType"), Some(Ipld::String(text)) if text.contains('/'))
}

/// What hostile peers put into canonical bytes.
#[derive(Clone, Debug)]
enum Change {
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    Replace(Index, Vec<u8>),
    Repeat(Index, usize),
    Swap(Index, usize, usize),
}

impl Change {
    fn apply(&self, cbor: &mut Vec<u8>) {
        if cbor.is_empty() {
            return;
        }
        let place = |at: &Index, len: usize| {
            let at = at.index(cbor.len());
            at..cbor.len().min(at + len)
        };
        match self {
            Self::Insert(at, bytes) => drop(cbor.splice(place(at, 0), bytes.iter().copied())),
            Self::Remove(at, len) => drop(cbor.drain(place(at, *len))),
            Self::Replace(at, bytes) => {
                drop(cbor.splice(place(at, bytes.len()), bytes.iter().copied()));
            }
            Self::Repeat(at, len) => cbor.extend_from_within(place(at, *len)),
            Self::Swap(at, first, second) => {
                let place = place(at, first + second);
                let len = place.len();
                cbor[place].rotate_left((*first).min(len));
            }
        }
    }
}

fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let known: [&[u8]; 24] = [
        b"\xf9\x7e\x00",
        b"\xfb\x3f\xf0\x00\x00\x00\x00\x00\x00",
        b"\x1b\x00\x20\x00\x00\x00\x00\x00\x00",
        b"\x3b\x00\x1f\xff\xff\xff\xff\xff\xff",
        b"\x18\x17",
        b"\x78\x01a",
        b"\x98\x00",
        b"\xb8\x01",
        b"\x9f\xff",
        b"\xbf\xff",
        b"\x7f\x61a\xff",
        b"\xf7",
        b"\xc1\x00",
        b"\xd8\x2a\x58\x25\x00\x01\x71\x12\x20",
        b"\xd8\x2a\x58\x22\x12\x20",
        b"\xd8\x2a\x45\x00\x01\x55\x00\x00",
        b"\x65$link",
        b"\x66$bytes\x40",
        b"\x65$type\x60",
        b"\x65$type\x64blob",
        b"\x60\xf6",
        b"\x61\xff",
        b"\xa0",
        b"\x80",
    ];
    prop_oneof![
        3 => any::<u8>().prop_map(|byte| vec![byte]),
        2 => prop::sample::select(known.map(<[u8]>::to_vec).to_vec()),
        1 => vec(any::<u8>(), 1..9),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<Index>;
    prop_oneof![
        1 => (at(), hostile()).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        1 => (at(), 1_usize..9).prop_map(|(at, len)| Change::Remove(at, len)),
        4 => (at(), hostile()).prop_map(|(at, bytes)| Change::Replace(at, bytes)),
        1 => (at(), 1_usize..50).prop_map(|(at, len)| Change::Repeat(at, len)),
        1 => (at(), 1_usize..20, 1_usize..20).prop_map(|(at, a, b)| Change::Swap(at, a, b)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn check_agrees_with_the_reference(data in data(), changes in vec(change(), 0..3)) {
        let mut cbor = serde_ipld_dagcbor::to_vec(&data.to_ipld()).unwrap();
        for change in &changes {
            change.apply(&mut cbor);
        }
        let outcome = check(&cbor);
        prop_assert_eq!(outcome.is_ok(), is_canonical_data(&cbor), "{:?} {:x?}", outcome, cbor);
        prop_assert!(outcome.is_ok() || !changes.is_empty());
    }

    #[test]
    fn keys_in_any_order_agree_with_the_reference(
        keys in vec("[ab]|[ab]{2}|[ab]{9}|a{22,25}[ab]", 0..4),
    ) {
        let mut cbor = serde_ipld_dagcbor::to_vec(&keys).unwrap();
        let head = cbor.remove(0) - 0x80 + 0xa0;
        let mut rest = cbor.as_slice();
        let mut object = vec![head];
        for key in &keys {
            let (key, after) = rest.split_at(if key.len() < 24 { 1 } else { 2 } + key.len());
            object.extend_from_slice(key);
            object.push(0xf6);
            rest = after;
        }
        prop_assert_eq!(check(&object).is_ok(), is_canonical_data(&object), "{:x?}", object);
    }

    #[test]
    fn check_of_arbitrary_bytes_agrees_with_the_reference(
        bytes in vec(prop_oneof![any::<u8>(), 0x60_u8..0x63, 0xa0_u8..0xa3], 0..12),
    ) {
        let cbor = [&[0xa1, 0x61, 0x61], bytes.as_slice()].concat();
        prop_assert_eq!(check(&cbor).is_ok(), is_canonical_data(&cbor));
    }
}

#[test]
fn every_short_object_agrees_with_the_reference() {
    for a in 0..=255 {
        for b in 0..=255 {
            for cbor in [[0xa1, 0x61, 0x61, a, b].as_slice(), &[0xa1, a, b, 0xf6], &[a, b, 0x01]] {
                assert_eq!(check(cbor).is_ok(), is_canonical_data(cbor), "{cbor:x?}");
            }
        }
    }
}
