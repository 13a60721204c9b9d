//! Random data, and the forms in which others take it.

use std::collections::HashSet;

use cid::Cid;
use ipld_core::ipld::Ipld;
use nacre_lexicon::{MAX_INTEGER, cid_for};
use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};

/// Data in the order in which it is written as JSON.
#[derive(Clone, Debug)]
pub(crate) enum Data {
    Null,
    Bool(bool),
    Integer(i64),
    Text(String),
    Bytes(Vec<u8>),
    Link(Cid),
    Array(Vec<Self>),
    Map(Vec<(String, Self)>),
}

impl Data {
    fn write_json(&self, out: &mut String) {
        match self {
            Self::Map(entries) => {
                out.push_str("{ ");
                for (index, (key, value)) in entries.iter().enumerate() {
                    out.push_str(if index == 0 { "" } else { ",\n" });
                    out.push_str(&Value::from(key.as_str()).to_string());
                    out.push_str("\t: ");
                    value.write_json(out);
                }
                out.push_str(" }");
            }
            Self::Array(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    out.push_str(if index == 0 { "" } else { " ,\r" });
                    item.write_json(out);
                }
                out.push(']');
            }
            scalar => out.push_str(&scalar.to_value().to_string()),
        }
    }

    pub(crate) fn json(&self) -> String {
        let mut out = String::new();
        self.write_json(&mut out);
        out
    }

    pub(crate) fn to_value(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => json!(value),
            Self::Integer(value) => json!(value),
            Self::Text(text) => json!(text),
            Self::Bytes(bytes) => json!({"$bytes": data_encoding::BASE64_NOPAD.encode(bytes)}),
            Self::Link(cid) => json!({"$link": cid.to_string()}),
            Self::Array(items) => items.iter().map(Self::to_value).collect(),
            Self::Map(entries) => {
                entries.iter().map(|(key, value)| (key.clone(), value.to_value())).collect()
            }
        }
    }

    pub(crate) fn to_ipld(&self) -> Ipld {
        match self {
            Self::Null => Ipld::Null,
            Self::Bool(value) => Ipld::Bool(*value),
            Self::Integer(value) => Ipld::Integer(i128::from(*value)),
            Self::Text(text) => Ipld::String(text.clone()),
            Self::Bytes(bytes) => Ipld::Bytes(bytes.clone()),
            Self::Link(cid) => Ipld::Link(*cid),
            Self::Array(items) => Ipld::List(items.iter().map(Self::to_ipld).collect()),
            Self::Map(entries) => Ipld::Map(
                entries.iter().map(|(key, value)| (key.clone(), value.to_ipld())).collect(),
            ),
        }
    }
}

/// Text that JSON writes in all its ways.
pub(crate) fn text(most: usize) -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "a",
        "b",
        "plain text",
        "\"",
        "\\",
        "/",
        "\n",
        "\u{0}",
        "\u{1f}",
        "\u{7f}",
        "é",
        "☎",
        "\u{2028}",
        "😀",
        "\u{10ffff}",
        "$type",
        "{",
    ]);
    vec(piece, 0..most).prop_map(|pieces| pieces.concat())
}

pub(crate) fn key() -> impl Strategy<Value = String> {
    let short = (0_u32..400).prop_map(|number| format!("{number:x}"));
    let long = (0_u32..400).prop_map(|number| format!("{number:x}").repeat(9));
    prop_oneof![short, long, text(3)].prop_filter("a key of one's own", |key| {
        !key.is_empty() && !matches!(key.as_str(), "$type" | "$link" | "$bytes")
    })
}

fn map(value: impl Strategy<Value = Data>, most: usize) -> impl Strategy<Value = Data> {
    let entries = vec((key(), value), 0..most);
    (entries, proptest::option::of(prop::sample::select(vec!["a", "blob.not", "com.example.a"])))
        .prop_map(|(entries, kind)| {
            let mut seen = HashSet::new();
            let mut entries: Vec<_> =
                entries.into_iter().filter(|(key, _)| seen.insert(key.clone())).collect();
            if let Some(kind) = kind {
                entries.push(("$type".to_owned(), Data::Text(kind.to_owned())));
            }
            Data::Map(entries)
        })
}

pub(crate) fn data() -> impl Strategy<Value = Data> {
    let scalar = scalar();
    let value = scalar.clone().prop_recursive(4, 24, 6, |inner| {
        prop_oneof![
            4 => vec(inner.clone(), 0..6).prop_map(Data::Array),
            4 => map(inner, 6),
            1 => blob(),
        ]
    });
    // Above 23 entries a head has more than one byte.
    prop_oneof![3 => map(value, 6), 1 => map(scalar, 40)]
}

pub(crate) fn scalar() -> impl Strategy<Value = Data> + Clone {
    prop_oneof![
        Just(Data::Null),
        any::<bool>().prop_map(Data::Bool),
        (-MAX_INTEGER..=MAX_INTEGER).prop_map(Data::Integer),
        (-300_i64..300).prop_map(Data::Integer),
        text(12).prop_map(Data::Text),
        vec(any::<u8>(), 0..70).prop_map(Data::Bytes),
        any::<[u8; 8]>().prop_map(|seed| Data::Link(cid_for(&seed))),
    ]
}

fn blob() -> impl Strategy<Value = Data> {
    (any::<[u8; 8]>(), 0..=MAX_INTEGER).prop_map(|(seed, size)| {
        let entries = [
            ("$type", Data::Text("blob".to_owned())),
            ("ref", Data::Link(cid_for(&seed))),
            ("mimeType", Data::Text("image/png".to_owned())),
            ("size", Data::Integer(size)),
        ];
        Data::Map(entries.map(|(key, value)| (key.to_owned(), value)).into())
    })
}
