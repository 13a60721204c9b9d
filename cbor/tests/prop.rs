//! Properties, judged by other codecs: serde_ipld_dagcbor for DAG-CBOR, ciborium for the rest.

extern crate alloc;

mod ipld;

use ciborium::Value;
use cid::Cid;
use cid::multihash::Multihash;
use ipld_core::ipld::Ipld;
use nacre_cbor::{Key, Link, Major, ReadError, Reader, write_integer, write_text};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use crate::ipld::{read, write};

const DEPTH: usize = 16;

/// Returns whether only this crate's rules are stricter than those of DAG-CBOR.
fn is_ours(value: &Ipld, room: usize) -> bool {
    match value {
        Ipld::Float(_) => false,
        Ipld::Integer(value) => i64::try_from(*value).is_ok(),
        Ipld::Link(cid) => Link::of(cid).is_some(),
        Ipld::List(items) => room > 0 && items.iter().all(|item| is_ours(item, room - 1)),
        Ipld::Map(map) => room > 0 && map.values().all(|value| is_ours(value, room - 1)),
        _ => true,
    }
}

fn value() -> impl Strategy<Value = Ipld> {
    let cid = any::<([u8; 32], bool)>().prop_map(|(digest, raw)| {
        Cid::new_v1(if raw { 0x55 } else { 0x71 }, Multihash::wrap(0x12, &digest).expect("it fits"))
    });
    let leaf = prop_oneof![
        Just(Ipld::Null),
        any::<bool>().prop_map(Ipld::Bool),
        any::<i64>().prop_map(|value| Ipld::Integer(value.into())),
        (-300_i64..70_000).prop_map(|value| Ipld::Integer(value.into())),
        "\\PC{0,30}".prop_map(Ipld::String),
        vec(any::<u8>(), 0..300).prop_map(Ipld::Bytes),
        cid.prop_map(Ipld::Link),
    ];
    leaf.prop_recursive(4, 24, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..8).prop_map(Ipld::List),
            btree_map("[a-c]{0,3}|\\PC{0,25}", inner, 0..8).prop_map(Ipld::Map),
        ]
    })
}

/// Encoded values with a few bytes changed, inserted or removed.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<prop::sample::Index>(), any::<u8>(), 0..3);
    (value(), vec(change, 0..3)).prop_map(|(value, changes)| {
        let mut bytes = serde_ipld_dagcbor::to_vec(&value).expect("it is data");
        for (at, byte, kind) in changes {
            let at = at.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ if bytes.len() > 1 => drop(bytes.remove(at)),
                _ => {}
            }
        }
        bytes
    })
}

proptest! {
    #[test]
    fn another_codec_writes_the_same_bytes(value in value()) {
        let mut bytes = Vec::new();
        write(&mut bytes, &value);
        prop_assert_eq!(&bytes, &serde_ipld_dagcbor::to_vec(&value).unwrap());
        let mut reader = Reader::new(&bytes);
        prop_assert_eq!(read(&mut reader, DEPTH), Ok(value));
        prop_assert!(reader.is_at_end());
    }

    #[test]
    fn another_codec_accepts_the_same_bytes(bytes in damaged()) {
        let mut reader = Reader::new(&bytes);
        let ours = read(&mut reader, DEPTH).ok().filter(|_| reader.is_at_end());
        let theirs: Option<Ipld> = serde_ipld_dagcbor::from_slice(&bytes).ok();
        // It also accepts bytes after the CID of a link, and does not keep them.
        let theirs = theirs.filter(|value| {
            is_ours(value, DEPTH) && serde_ipld_dagcbor::to_vec(value).unwrap() == bytes
        });
        prop_assert_eq!(ours, theirs);
    }

    #[test]
    fn skipping_ends_where_reading_ends(values in vec(value(), 1..4), cut in 0_usize..3) {
        let mut bytes = Vec::new();
        let mut ends = Vec::new();
        for value in &values {
            write(&mut bytes, value);
            ends.push(bytes.len());
        }
        let mut reader = Reader::new(&bytes);
        for end in ends {
            prop_assert_eq!(reader.skip::<DEPTH>(), Ok(()));
            prop_assert_eq!(reader.offset(), end);
        }
        prop_assert!(reader.is_at_end());
        if cut > 0 {
            let mut reader = Reader::new(&bytes[..bytes.len() - cut.min(bytes.len())]);
            let skipped = values.iter().try_for_each(|_| reader.skip::<DEPTH>());
            prop_assert_eq!(skipped, Err(ReadError::Truncated));
        }
    }

    #[test]
    fn whatever_is_read_can_be_skipped(bytes in damaged()) {
        let (mut reading, mut skipping) = (Reader::new(&bytes), Reader::new(&bytes));
        let read = read(&mut reading, DEPTH);
        // A link is a level of its own.
        let skipped = skipping.skip::<{ DEPTH + 1 }>();
        if read.is_ok() {
            prop_assert_eq!(skipped, Ok(()));
            prop_assert_eq!(reading.offset(), skipping.offset());
        }
    }

    /// As in a COSE key, whose keys are integers and text.
    #[test]
    fn another_codec_reads_integer_keys_alike(
        integers in btree_map(any::<i64>(), any::<u16>(), 0..30),
        texts in btree_map("[a-z]{0,5}", any::<u16>(), 0..30),
    ) {
        let mut entries = Vec::new();
        entries.extend(integers.iter().map(|(key, value)| (Key::Integer(*key), value)));
        entries.extend(texts.iter().map(|(key, value)| (Key::Text(key), value)));
        entries.sort_by_key(|(key, _)| *key);
        let map = entries.iter().map(|(key, value)| {
            let key = match key {
                Key::Integer(key) => Value::from(*key),
                Key::Text(key) => Value::from(*key),
            };
            (key, Value::from(**value))
        });
        let mut bytes = Vec::new();
        ciborium::into_writer(&Value::Map(map.collect()), &mut bytes).unwrap();
        let mut reader = Reader::new(&bytes);
        let mut keys = reader.keys().unwrap();
        for (key, value) in entries {
            prop_assert_eq!(keys.next_key(&mut reader), Ok(Some(key)));
            prop_assert_eq!(reader.unsigned(), Ok(u64::from(*value)));
        }
        prop_assert_eq!(keys.next_key(&mut reader), Ok(None));
        prop_assert!(reader.is_at_end());
    }

    #[test]
    fn the_order_of_keys_is_that_of_their_encodings(
        a in prop_oneof![any::<i64>().prop_map(Err), "[a-b]{0,3}|[a-b]{22,26}".prop_map(Ok)],
        b in prop_oneof![any::<i64>().prop_map(Err), "[a-b]{0,3}|[a-b]{22,26}".prop_map(Ok)],
    ) {
        let encode = |key: &Result<String, i64>| {
            let mut bytes = Vec::new();
            match key {
                Ok(text) => write_text(&mut bytes, text),
                Err(value) => write_integer(&mut bytes, *value),
            }
            // CTAP2: by major type, then by length, then by bytes.
            (bytes[0] >> 5, bytes.len(), bytes)
        };
        let key = |key: &'static Result<String, i64>| match key {
            Ok(text) => Key::Text(text),
            Err(value) => Key::Integer(*value),
        };
        let order = encode(&a).cmp(&encode(&b));
        let (a, b) = (Box::leak(Box::new(a)), Box::leak(Box::new(b)));
        prop_assert_eq!(key(a).cmp(&key(b)), order);
    }

    #[test]
    fn any_head_agrees_with_another_codec(bytes in vec(any::<u8>(), 9..12)) {
        let head = Reader::new(&bytes).any_head();
        let value: Result<Value, _> = ciborium::from_reader(&bytes[..]);
        match (head, value) {
            (Ok(head), Ok(Value::Integer(value))) if head.major != Major::Tag => {
                let argument = i128::from(head.argument.unwrap());
                let ours = if head.major == Major::Negative { -1 - argument } else { argument };
                prop_assert_eq!(ours, i128::from(value));
            }
            (Ok(head), Ok(Value::Float(value))) => {
                prop_assert_eq!(head.float().map(f64::to_bits), Some(value.to_bits()));
            }
            (Err(ReadError::Head(_)), value) => prop_assert!(value.is_err()),
            _ => {}
        }
    }

    #[test]
    fn arbitrary_bytes_do_not_panic(bytes in vec(any::<u8>(), 0..60)) {
        let start = || Reader::new(&bytes);
        let _ = (start().head(), start().any_head(), start().integer());
        let _ = (start().text(), start().bytes(), start().boolean());
        let _ = (start().link(), start().digest(), start().skip::<3>());
        let (mut walk, mut reader) = (start(), start());
        while walk.any_head().is_ok() {}
        if let Ok(mut keys) = reader.keys() {
            while let Ok(Some(_)) = keys.next_key(&mut reader) {}
        }
        let _ = read(&mut Reader::new(&bytes), DEPTH);
    }
}
