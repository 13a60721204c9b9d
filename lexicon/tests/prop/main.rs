//! Properties of the data model, judged by a general DAG-CBOR encoder and a general JSON parser.

mod data;
mod loose;
mod loose_twin;
mod twin;
mod writer;

use ipld_core::ipld::Ipld;
use nacre_lexicon::{DataError, MAX_INTEGER, blobs, check, record_from_json, to_cbor, to_json};
use proptest::{collection::vec, prelude::*};
use serde_json::Value;

use data::{Data, data, text};

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
    fn encoding_agrees_with_another_codec(data in data()) {
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
    fn data_that_passes_check_is_canonical(cbor in nearly_canonical()) {
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
    fn arbitrary_bytes_do_not_panic(
        mut bytes in vec(any::<u8>(), 0..200),
        entries in 0xa0_u8..0xbc,
    ) {
        let _ = check(&bytes);
        bytes.insert(0, entries);
        let _ = (check(&bytes), to_json(&bytes), blobs(&bytes));
    }

    #[test]
    fn arbitrary_text_does_not_panic(
        text in any::<String>(),
        like_json in r#"[{}\[\]":,\\u0-9a-f.eE+\- truefalsn$]{0,80}"#,
    ) {
        let _ = to_cbor(&text);
        let _ = to_cbor(&format!("{{{like_json}}}"));
        let _ = record_from_json(&format!("{{{like_json}"), "com.example.thing");
    }

    #[test]
    fn invalid_json_is_rejected(
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
    fn numbers_count_by_value(
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
