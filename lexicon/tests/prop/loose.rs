//! Any CBOR, beside a slow twin.
#![allow(clippy::unwrap_used)]

use cid::Cid;
use nacre_lexicon::{check, inspect, referenced_blobs, to_json, to_json_lossy};
use proptest::{collection::vec, prelude::*, sample::Index};
use serde_json::Value;

use crate::{data::data, loose_twin::parse};

/// An item as it is encoded: each head in one of its widths, lengths told or not.
#[derive(Clone, Debug)]
enum Item {
    Array(Width, Vec<Self>),
    Bytes(Width, Vec<Vec<u8>>),
    Float(f64),
    Map(Width, Vec<(Self, Self)>),
    Negative(Width, u64),
    Simple(u8),
    Tag(Width, u64, Box<Self>),
    Text(Width, Vec<Vec<u8>>),
    Unsigned(Width, u64),
}

/// How many bytes more than needed a head has, of those that there are; 4 is an indefinite length.
type Width = u8;

impl Item {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Array(width, items) => {
                head(out, 4, *width, items.len().try_into().unwrap());
                items.iter().for_each(|item| item.encode(out));
                out.extend((*width == 4).then_some(0xff));
            }
            Self::Bytes(width, chunks) => string(out, 2, *width, chunks),
            Self::Float(value) => {
                out.push(0xfb);
                out.extend(value.to_be_bytes());
            }
            Self::Map(width, entries) => {
                head(out, 5, *width, entries.len().try_into().unwrap());
                for (key, value) in entries {
                    key.encode(out);
                    value.encode(out);
                }
                out.extend((*width == 4).then_some(0xff));
            }
            Self::Negative(width, value) => head(out, 1, (*width).min(3), *value),
            Self::Simple(value @ 0..24) => out.push(0xe0 + value),
            Self::Simple(value) => out.extend([0xf8, *value]),
            Self::Tag(width, number, content) => {
                head(out, 6, (*width).min(3), *number);
                content.encode(out);
            }
            Self::Text(width, chunks) => string(out, 3, *width, chunks),
            Self::Unsigned(width, value) => head(out, 0, (*width).min(3), *value),
        }
    }
}

fn string(out: &mut Vec<u8>, major: u8, width: Width, chunks: &[Vec<u8>]) {
    if width < 4 {
        let bytes = chunks.concat();
        head(out, major, width, bytes.len().try_into().unwrap());
        out.extend(bytes);
        return;
    }
    head(out, major, width, 0);
    for (chunk, width) in chunks.iter().zip([0, 1, 2, 3].iter().cycle()) {
        head(out, major, *width, chunk.len().try_into().unwrap());
        out.extend(chunk);
    }
    out.push(0xff);
}

fn head(out: &mut Vec<u8>, major: u8, width: Width, value: u64) {
    let [.., e, f, g, h] = value.to_be_bytes();
    let forms = [
        (value < 24).then(|| vec![h]),
        (value < 1 << 8).then(|| vec![24, h]),
        (value < 1 << 16).then(|| vec![25, g, h]),
        (value < 1 << 32).then(|| vec![26, e, f, g, h]),
        Some([vec![27], value.to_be_bytes().to_vec()].concat()),
    ];
    let forms: Vec<_> = forms.into_iter().flatten().collect();
    let form = if width == 4 { vec![31] } else { forms[usize::from(width) % forms.len()].clone() };
    out.push(major << 5 | form[0]);
    out.extend(&form[1..]);
}

fn judge(cbor: &[u8]) {
    let tree = parse(cbor).filter(|(_, rest)| rest.is_empty()).map(|(tree, _)| tree);
    let (found, shown) = (inspect(cbor), to_json_lossy(cbor));
    let Some(tree) = tree else {
        assert_eq!(shown.clone().err(), found.err(), "{cbor:x?}");
        assert!(shown.is_err(), "{cbor:x?}");
        assert_eq!(referenced_blobs(cbor), [], "{cbor:x?}");
        return;
    };
    assert_eq!(found, Ok(check(cbor).err()), "{cbor:x?}");
    let shown = shown.unwrap();
    assert!(serde_json::from_str::<Value>(&shown).is_ok(), "{shown}");
    assert_eq!(shown, tree.json(), "{cbor:x?}");
    if let Ok(json) = to_json(cbor) {
        assert_eq!(shown, json);
    }
    let mut blobs = Vec::new();
    tree.blobs(&mut blobs);
    assert_eq!(referenced_blobs(cbor), blobs, "{cbor:x?}");
}

const CIDS: [&str; 4] = [
    "bafkreiccldh766hwcnuxnf2wh6jgzepf2nlu2lvcllt63eww5p6chi4ity",
    "bafyreidfayvfuwqa7qlnopdjiqrxzs6blmoeu4rujcjtnci5beludirz2a",
    "QmNp5n7FFav5ZDaHAj6HzuhJ8LDbL1N6NRzAgT6piWS2Kx",
    "bafkqaaa",
];

fn link() -> impl Strategy<Value = Item> {
    (prop::sample::select(CIDS.to_vec()), 0_u8..5, any::<u8>()).prop_map(|(text, width, damage)| {
        let mut bytes = [&[0], &text.parse::<Cid>().unwrap().to_bytes()[..]].concat();
        match damage {
            0..16 => bytes.push(damage),
            16..32 => drop(bytes.pop()),
            32..48 => drop(bytes.remove(0)),
            _ => {}
        }
        Item::Tag(width, 42, Box::new(Item::Bytes(width, vec![bytes])))
    })
}

fn words() -> impl Strategy<Value = Item> {
    let known = ["blob", "image/png", "png", "com.example.thing", "a", "", "\"\n"];
    let text = prop::sample::select([&known[..], &CIDS[..]].concat());
    let cut = |text: &str| {
        let (start, end) = text.as_bytes().split_at(text.len() / 2);
        vec![start.to_vec(), end.to_vec()]
    };
    prop_oneof![
        4 => (0_u8..6, text).prop_map(move |(width, text)| Item::Text(width.min(4), cut(text))),
        1 => (0_u8..5, vec(vec(any::<u8>(), 0..4), 0..3))
            .prop_map(|(width, chunks)| Item::Text(width, chunks)),
    ]
}

fn scalar() -> impl Strategy<Value = Item> + Clone {
    let number =
        prop_oneof![0_u64..30, any::<u64>(), Just(u64::MAX), any::<u32>().prop_map(u64::from)];
    prop_oneof![
        1 => (0_u8..5, vec(vec(any::<u8>(), 0..4), 0..3))
            .prop_map(|(width, chunks)| Item::Bytes(width, chunks)),
        1 => any::<u64>().prop_map(|bits| Item::Float(f64::from_bits(bits))),
        1 => any::<i32>().prop_map(|value| Item::Float(f64::from(value) / 8.0)),
        1 => (0_u8..4, number.clone()).prop_map(|(width, value)| Item::Negative(width, value)),
        2 => prop_oneof![Just(23), 20_u8..23, 0_u8..20, 32..=255_u8].prop_map(Item::Simple),
        4 => words().boxed(),
        2 => link().boxed(),
        2 => (0_u8..4, number).prop_map(|(width, value)| Item::Unsigned(width, value)),
    ]
    .boxed()
}

fn key(item: impl Strategy<Value = Item>) -> impl Strategy<Value = Item> {
    let known = ["$type", "ref", "mimeType", "size", "cid", "$link", "$bytes", "a", "b", "1", ""];
    let known = prop::sample::select(known.to_vec());
    prop_oneof![
        9 => (0_u8..5, known)
            .prop_map(|(width, text)| Item::Text(width, vec![text.as_bytes().to_vec()])),
        1 => item,
    ]
}

/// What is nearly a blob reference.
fn blob() -> impl Strategy<Value = Item> {
    let text = |text: &str| Item::Text(0, vec![text.as_bytes().to_vec()]);
    let reference = prop_oneof![
        link(),
        words(),
        link().prop_map(move |link| { Item::Map(0, vec![(text("$link"), link)]) })
    ];
    (reference, words(), scalar(), any::<u8>()).prop_map(move |(reference, words, scalar, left)| {
        let mut entries = vec![
            (text("ref"), reference.clone()),
            (text("$type"), text("blob")),
            (text("mimeType"), words.clone()),
            (text("size"), scalar),
        ];
        if left % 4 == 0 {
            entries = vec![(text("cid"), text(CIDS[0])), (text("mimeType"), words)];
        } else if left < 128 {
            entries.remove(usize::from(left) % 4);
        }
        let len = entries.len();
        entries.rotate_left(usize::from(left) % len);
        Item::Map(left % 5, entries)
    })
}

fn item() -> impl Strategy<Value = Item> {
    prop_oneof![4 => scalar().boxed(), 1 => blob().boxed()].prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            2 => (0_u8..5, vec(inner.clone(), 0..5))
                .prop_map(|(width, items)| Item::Array(width, items)),
            4 => (0_u8..5, vec((key(inner.clone()), inner.clone()), 0..6))
                .prop_map(|(width, entries)| Item::Map(width, entries)),
            1 => (0_u8..4, prop_oneof![0_u64..60, any::<u64>()], inner)
                .prop_map(|(width, number, item)| Item::Tag(width, number, Box::new(item))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn every_item_agrees_with_the_reference(
        item in item(),
        changes in vec((any::<Index>(), any::<u8>()), 0..3),
        cut in proptest::option::weighted(0.1, any::<Index>()),
    ) {
        let mut cbor = Vec::new();
        item.encode(&mut cbor);
        prop_assert!(inspect(&cbor).is_ok(), "{:x?}", cbor);
        judge(&cbor);
        for (at, byte) in changes {
            let at = at.index(cbor.len());
            cbor[at] = byte;
        }
        cbor.truncate(cut.map_or(cbor.len(), |cut| cut.index(cbor.len())));
        judge(&cbor);
    }

    #[test]
    fn valid_data_agrees_with_the_reference(
        data in data(),
        changes in vec((any::<Index>(), any::<u8>()), 0..2),
    ) {
        let mut cbor = serde_ipld_dagcbor::to_vec(&data.to_ipld()).unwrap();
        judge(&cbor);
        for (at, byte) in changes {
            let at = at.index(cbor.len());
            cbor[at] = byte;
        }
        judge(&cbor);
    }

    #[test]
    fn arbitrary_bytes_agree_with_the_reference(bytes in vec(any::<u8>(), 0..60)) {
        judge(&bytes);
    }
}

#[test]
fn every_short_input_agrees_with_the_reference() {
    for a in 0..=255 {
        judge(&[a]);
        for b in 0..=255 {
            judge(&[a, b]);
            judge(&[a, b, 0xf7]);
            judge(&[0xa1, a, b]);
            judge(&[0x9f, a, b, 0xff]);
        }
    }
}
