//! Properties of the data model, judged by a general DAG-CBOR encoder and a general JSON parser.

use std::collections::HashSet;

use cid::Cid;
use ipld_core::ipld::Ipld;
use nacre_lexicon::{
    DataError, MAX_INTEGER, blobs, check, cid_for, record_from_json, to_cbor, to_json,
};
use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};

/// Data in the order in which it is written as JSON.
#[derive(Clone, Debug)]
enum Data {
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

    fn json(&self) -> String {
        let mut out = String::new();
        self.write_json(&mut out);
        out
    }

    fn to_value(&self) -> Value {
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

    fn to_ipld(&self) -> Ipld {
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
fn text(most: usize) -> impl Strategy<Value = String> {
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

fn key() -> impl Strategy<Value = String> {
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

fn data() -> impl Strategy<Value = Data> {
    let scalar = prop_oneof![
        Just(Data::Null),
        any::<bool>().prop_map(Data::Bool),
        (-MAX_INTEGER..=MAX_INTEGER).prop_map(Data::Integer),
        (-300_i64..300).prop_map(Data::Integer),
        text(12).prop_map(Data::Text),
        vec(any::<u8>(), 0..70).prop_map(Data::Bytes),
        any::<[u8; 8]>().prop_map(|seed| Data::Link(cid_for(&seed))),
    ];
    let value = scalar.clone().prop_recursive(4, 24, 6, |inner| {
        prop_oneof![vec(inner.clone(), 0..6).prop_map(Data::Array), map(inner, 6)]
    });
    // Above 23 entries a head has more than one byte.
    prop_oneof![3 => map(value, 6), 1 => map(scalar, 40)]
}

/// Canonical bytes, one of them changed perhaps.
fn nearly_canonical() -> impl Strategy<Value = Vec<u8>> {
    (data(), any::<prop::sample::Index>(), proptest::option::of(any::<u8>())).prop_map(
        |(data, at, byte)| {
            let mut cbor = to_cbor(&data.json()).expect("the data is within the limits");
            let at = at.index(cbor.len());
            if let Some(byte) = byte {
                cbor[at] = byte;
            }
            cbor
        },
    )
}

proptest! {
    #[test]
    fn the_encoding_is_the_judges(data in data()) {
        let cbor = to_cbor(&data.json()).unwrap();
        let expected = serde_ipld_dagcbor::to_vec(&data.to_ipld()).unwrap();
        prop_assert_eq!(cbor, expected);
    }

    #[test]
    fn json_comes_back(data in data()) {
        let cbor = to_cbor(&data.json()).unwrap();
        prop_assert_eq!(check(&cbor), Ok(()));
        let back: Value = serde_json::from_str(&to_json(&cbor).unwrap()).unwrap();
        prop_assert_eq!(back, data.to_value());
    }

    #[test]
    fn what_passes_the_check_is_canonical(cbor in nearly_canonical()) {
        if check(&cbor).is_ok() {
            let again = to_cbor(&to_json(&cbor).unwrap()).unwrap();
            prop_assert_eq!(&again, &cbor);
            let judged: Ipld = serde_ipld_dagcbor::from_slice(&cbor).unwrap();
            prop_assert_eq!(serde_ipld_dagcbor::to_vec(&judged).unwrap(), cbor);
        }
    }

    #[test]
    fn check_and_to_json_and_blobs_agree(cbor in nearly_canonical()) {
        let outcome = check(&cbor);
        prop_assert_eq!(to_json(&cbor).map(|_| ()), outcome);
        prop_assert_eq!(blobs(&cbor).map(|_| ()), outcome);
    }

    #[test]
    fn arbitrary_bytes_never_panic(
        mut bytes in vec(any::<u8>(), 0..200),
        entries in 0xa0_u8..0xbc,
    ) {
        let _ = check(&bytes);
        bytes.insert(0, entries);
        let _ = (check(&bytes), to_json(&bytes), blobs(&bytes));
    }

    #[test]
    fn arbitrary_text_never_panics(
        text in any::<String>(),
        like_json in r#"[{}\[\]":,\\u0-9a-f.eE+\- truefalsn$]{0,80}"#,
    ) {
        let _ = to_cbor(&text);
        let _ = to_cbor(&format!("{{{like_json}}}"));
        let _ = record_from_json(&format!("{{{like_json}"), "com.example.thing");
    }

    #[test]
    fn what_is_read_is_json(
        data in data(),
        at in any::<prop::sample::Index>(),
        new in prop_oneof![any::<char>(), prop::sample::select(vec!['"', '\\', '}', ',', '0'])],
    ) {
        let mut text: Vec<char> = data.json().chars().collect();
        let at = at.index(text.len());
        text[at] = new;
        let text: String = text.into_iter().collect();
        if to_cbor(&text).is_ok() {
            prop_assert!(serde_json::from_str::<Value>(&text).is_ok(), "{}", text);
        }
    }

    #[test]
    fn escapes_stand_for_their_characters(text in text(20)) {
        let escaped: String = text.encode_utf16().map(|unit| format!("\\u{unit:04X}")).collect();
        let plain = Data::Map(vec![("a".to_owned(), Data::Text(text))]).json();
        prop_assert_eq!(to_cbor(&format!(r#"{{"\u0061":"{escaped}"}}"#)), to_cbor(&plain));
    }

    #[test]
    fn numbers_are_taken_by_value(
        minus in any::<bool>(),
        whole in "0|[1-9][0-9]{0,20}|[1-9]0{0,20}",
        fraction in proptest::option::of("[0-9]{1,20}|0{1,20}"),
        exponent in proptest::option::of(-40_i32..40),
    ) {
        let sign = if minus { "-" } else { "" };
        let point = fraction.as_ref().map(|digits| format!(".{digits}")).unwrap_or_default();
        let power = exponent.map(|power| format!("e{power}")).unwrap_or_default();
        let written = to_cbor(&format!(r#"{{"n":{sign}{whole}{point}{power}}}"#));
        let expected = by_hand(&whole, &fraction.unwrap_or_default(), exponent.unwrap_or(0));
        match expected {
            Ok(value) => {
                let value = if minus { -value } else { value };
                prop_assert_eq!(written, to_cbor(&format!(r#"{{"n":{value}}}"#)));
            }
            Err(error) => prop_assert_eq!(written, Err(error)),
        }
    }
}

/// Moves the decimal point on paper.
fn by_hand(whole: &str, fraction: &str, exponent: i32) -> Result<i64, DataError> {
    let zeros = "0".repeat(60);
    let digits = format!("{zeros}{whole}{fraction}{zeros}");
    let steps = usize::try_from(exponent.unsigned_abs()).expect("an exponent is small");
    let point = zeros.len() + whole.len();
    let (whole, fraction) =
        digits.split_at(if exponent < 0 { point - steps } else { point + steps });
    if fraction.contains(|digit| digit != '0') {
        return Err(DataError::Float);
    }
    let whole = whole.trim_start_matches('0');
    let value = if whole.is_empty() { Ok(0) } else { whole.parse::<i64>() };
    value.ok().filter(|value| *value <= MAX_INTEGER).ok_or(DataError::Integer)
}
