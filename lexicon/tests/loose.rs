//! Stored records that the data model refuses: classified, shown as JSON and searched for blobs.

mod support;

use cid::Cid;
use data_encoding::{BASE64_NOPAD, HEXLOWER};
use nacre_lexicon::{
    CborError, DataError, MAX_DEPTH, MAX_LOOSE_DEPTH, MAX_RECORD_BYTES, ReferencedBlob, check,
    inspect, referenced_blobs, to_cbor, to_json, to_json_lossy,
};
use serde_json::Value;
use support::cases;

const TYPE: &str = "65247479706571636f6d2e6578616d706c652e7468696e67";
const RAW: &str = "bafkreiccldh766hwcnuxnf2wh6jgzepf2nlu2lvcllt63eww5p6chi4ity";

fn bytes(hex: &str) -> Vec<u8> {
    HEXLOWER.decode(hex.as_bytes()).expect("the test is hexadecimal")
}

fn shown(hex: &str) -> String {
    let json = to_json_lossy(&bytes(hex)).expect("it is CBOR");
    assert!(serde_json::from_str::<Value>(&json).is_ok(), "{json}");
    json
}

fn text(text: &str) -> String {
    let head = match text.len() {
        len @ 0..24 => format!("{:02x}", 0x60 + len),
        len => format!("78{len:02x}"),
    };
    head + &HEXLOWER.encode(text.as_bytes())
}

/// Encodes a map of these encoded keys and values, in this order.
fn map(entries: &[(&str, &str)]) -> String {
    let entries = entries.iter().map(|(key, value)| text(key) + value);
    format!("{:02x}{}", 0xa0 + entries.len(), entries.collect::<String>())
}

fn link() -> String {
    let cid: Cid = RAW.parse().expect("it is a CID");
    format!("d82a582500{}", HEXLOWER.encode(&cid.to_bytes()))
}

fn blob(mime_type: Option<&str>, size: Option<u64>) -> ReferencedBlob {
    let cid: Cid = RAW.parse().expect("it is a CID");
    ReferencedBlob { cid, mime_type: mime_type.map(str::to_owned), size }
}

#[test]
fn records_of_old_repositories_are_classified_and_shown() {
    let nines = "09".repeat(32);
    let blob_with_more = map(&[
        ("ref", &format!("d82a58250001551220{nines}")),
        ("size", "05"),
        ("$type", &text("blob")),
        ("extra", "01"),
        ("mimeType", &text("image/png")),
    ]);
    let v0 = "d82a5823001220".to_owned() + &"07".repeat(32);
    let typed = |name: &str, value: &str| format!("a2{}{value}{TYPE}", text(name));
    let thing =
        |name: &str, json: &str| format!(r#"{{"{name}":{json},"$type":"com.example.thing"}}"#);
    for (hex, broken, json) in [
        (typed("n", "fb3ff8000000000000"), DataError::Float, thing("n", "1.5")),
        (typed("n", "1b0020000000000000"), DataError::Integer, thing("n", "9007199254740992")),
        (typed("n", "f7"), DataError::Simple(3), r#"{"$type":"com.example.thing"}"#.to_owned()),
        (
            typed("l", &v0),
            DataError::Link,
            thing("l", r#"{"$link":"QmNp5n7FFav5ZDaHAj6HzuhJ8LDbL1N6NRzAgT6piWS2Kx"}"#),
        ),
        (
            format!("a2{TYPE}616e01"),
            DataError::KeyOrder,
            r#"{"$type":"com.example.thing","n":1}"#.to_owned(),
        ),
        (
            typed("b", &blob_with_more),
            DataError::Blob,
            thing(
                "b",
                concat!(
                    r#"{"ref":"#,
                    r#"{"$link":"bafkreiajbeeqscijbeeqscijbeeqscijbeeqscijbeeqscijbeeqscijbe"},"#,
                    r#""size":5,"$type":"blob","extra":1,"mimeType":"image/png"}"#
                ),
            ),
        ),
    ] {
        let cbor = bytes(&hex);
        assert_eq!(inspect(&cbor), Ok(Some(broken)), "{hex}");
        assert_eq!(check(&cbor), Err(broken), "{hex}");
        assert_eq!(shown(&hex), json, "{hex}");
    }
}

#[test]
fn lossy_json_of_valid_data_equals_to_json() {
    let fixtures = cases("data-model/data-model-fixtures.json").into_iter().map(|fixture| {
        BASE64_NOPAD.decode(fixture["cbor_base64"].as_str().unwrap().as_bytes()).unwrap()
    });
    let valid = cases("data-model/data-model-valid.json")
        .into_iter()
        .map(|vector| to_cbor(&vector["json"].to_string()).unwrap());
    for cbor in fixtures.chain(valid).chain([vec![0xa0]]) {
        assert_eq!(inspect(&cbor), Ok(None));
        assert_eq!(to_json_lossy(&cbor).unwrap(), to_json(&cbor).unwrap());
    }
}

#[test]
fn values_are_printed_as_far_as_json_can_express_them() {
    for (hex, json) in [
        // Integers, and heads that are longer than they must be.
        ("1bffffffffffffffff", "18446744073709551615"),
        ("3bffffffffffffffff", "-18446744073709551616"),
        ("3bfffffffffffffffe", "-18446744073709551615"),
        ("3b7fffffffffffffff", "-9223372036854775808"),
        ("1b0000000000000001", "1"),
        ("1817", "23"),
        ("3800", "-1"),
        // Floats of each width.
        ("f93c00", "1"),
        ("f93e00", "1.5"),
        ("f98000", "-0"),
        ("f90001", "5.960464477539063e-8"),
        ("f903ff", "0.00006097555160522461"),
        ("f9fbff", "-65504"),
        ("fa3dcccccd", "0.10000000149011612"),
        ("fb3fb999999999999a", "0.1"),
        ("fb7fefffffffffffff", "1.7976931348623157e308"),
        ("fb0000000000000001", "5e-324"),
        ("f97e00", "null"),
        ("f97c00", "null"),
        ("faff800000", "null"),
        ("fbfff0000000000000", "null"),
        // Simple values.
        ("f7", "null"),
        ("f4", "false"),
        ("e0", "null"),
        ("f8ff", "null"),
        ("83f701f7", "[null,1,null]"),
        ("a26161f7616201", r#"{"b":1}"#),
        ("a26161016162f7", r#"{"a":1}"#),
        ("a16161f7", "{}"),
        ("a16161c1f7", "{}"),
        ("a1616181f7", r#"{"a":[null]}"#),
        // Tags.
        ("c101", "1"),
        ("d9d9f7a0", "{}"),
        ("c249010000000000000000", r#"{"$bytes":"AQAAAAAAAAAA"}"#),
        ("d82a6161", r#""a""#),
        ("d82a40", r#"{"$bytes":""}"#),
        ("d82a43000155", r#"{"$bytes":"AAFV"}"#),
        ("d82a450001550000", r#"{"$link":"bafkqaaa"}"#),
        ("d82ad82a450001550000", r#"{"$link":"bafkqaaa"}"#),
        ("d82a46000155000000", r#"{"$bytes":"AAFVAAAA"}"#),
        // Strings, in chunks too.
        ("4100", r#"{"$bytes":"AA"}"#),
        ("5f41004101ff", r#"{"$bytes":"AAE"}"#),
        ("5fff", r#"{"$bytes":""}"#),
        ("7f61616162ff", r#""ab""#),
        ("61ff", "\"\u{fffd}\""),
        // Containers.
        ("9f019f02ffff", "[1,[2]]"),
        ("bf616101616202ff", r#"{"a":1,"b":2}"#),
        ("80", "[]"),
        // Keys.
        ("a2616101616102", r#"{"a":2}"#),
        ("a3616101616202616103", r#"{"b":2,"a":3}"#),
        ("a261610161617f60ff", r#"{"a":""}"#),
        ("a26161016161f7", "{}"),
        ("a26161f7616102", r#"{"a":2}"#),
        ("a16000", r#"{"":0}"#),
        ("a161ff00", "{\"\u{fffd}\":0}"),
        ("a2010261310b", r#"{"1":11}"#),
        ("a1d82a450001550000f6", r#"{"bafkqaaa":null}"#),
        ("a180f6", r#"{"gA":null}"#),
        ("a165246c696e6b6161", r#"{"$link":"a"}"#),
        ("a26524747970650161615f40ff", r#"{"$type":1,"a":{"$bytes":""}}"#),
    ] {
        assert_eq!(shown(hex), json, "{hex}");
    }
}

#[test]
fn other_keys_become_text() {
    let keys = ["01", "20", "4100", "f4", "f6", "f7", "f93e00", "f97e00", "c102", "81f6", "e1"];
    let entries: String = keys.iter().map(|key| format!("{key}00")).collect();
    // `null`, NaN and an unknown simple value are one key.
    assert_eq!(
        shown(&format!("ab{entries}")),
        r#"{"1":0,"-1":0,"AA":0,"false":0,"undefined":0,"1.5":0,"2":0,"gfY":0,"null":0}"#,
    );
}

#[test]
fn omitting_entries_of_nested_maps_keeps_valid_json() {
    for (hex, json) in [
        // The one that goes holds one that goes.
        ("a36161a261620161620261630061610b", r#"{"c":0,"a":11}"#),
        ("a26161a2616201616202616300", r#"{"a":{"b":2},"c":0}"#),
        ("82a16161f7a26161f76161f7", "[{},{}]"),
        ("a36161f76162a16163f76164f7", r#"{"b":{}}"#),
    ] {
        assert_eq!(shown(hex), json, "{hex}");
    }
}

#[test]
fn malformed_cbor_is_rejected_with_the_reason() {
    for (hex, error) in [
        ("", CborError::Truncated),
        ("18", CborError::Truncated),
        ("62", CborError::Truncated),
        ("8201", CborError::Truncated),
        ("a101", CborError::Truncated),
        ("c1", CborError::Truncated),
        ("9f", CborError::Truncated),
        ("7f6161", CborError::Truncated),
        ("fb00000000000000", CborError::Truncated),
        ("9bffffffffffffffff00", CborError::Truncated),
        ("bbffffffffffffffff0000", CborError::Truncated),
        ("5bffffffffffffffff", CborError::Truncated),
        ("0000", CborError::Trailing),
        ("a0a0", CborError::Trailing),
        ("9fffff", CborError::Trailing),
        ("1c", CborError::Head(0)),
        ("815d", CborError::Head(1)),
        ("fe", CborError::Head(0)),
        ("1f", CborError::Head(0)),
        ("3f", CborError::Head(0)),
        ("df00", CborError::Head(0)),
        ("ff", CborError::Break(0)),
        ("81ff", CborError::Break(1)),
        ("bf01ff", CborError::Break(2)),
        ("c1ff", CborError::Break(1)),
        ("a0ff", CborError::Trailing),
        ("f800", CborError::Simple(0)),
        ("81f81f", CborError::Simple(1)),
        ("5f6161ff", CborError::Chunk(1)),
        ("7f5f4100ffff", CborError::Chunk(1)),
        ("7f7f6161ffff", CborError::Chunk(1)),
        ("5f00ff", CborError::Chunk(1)),
        ("5f5cff", CborError::Head(1)),
    ] {
        let cbor = bytes(hex);
        assert_eq!(inspect(&cbor), Err(error), "{hex}");
        assert_eq!(to_json_lossy(&cbor), Err(error), "{hex}");
        assert_eq!(referenced_blobs(&cbor), [], "{hex}");
    }
}

#[test]
fn nesting_limit_is_inclusive() {
    for (open, close) in [("81", ""), ("9f", "ff"), ("a16161", ""), ("c1", ""), ("d82a", "")] {
        let nested = |levels: usize| bytes(&(open.repeat(levels) + "40" + &close.repeat(levels)));
        let deepest = nested(MAX_LOOSE_DEPTH);
        assert!(matches!(inspect(&deepest), Ok(Some(_))), "{open}");
        assert!(to_json_lossy(&deepest).is_ok(), "{open}");
        for levels in [MAX_LOOSE_DEPTH + 1, 300_000] {
            assert_eq!(inspect(&nested(levels)), Err(CborError::Depth), "{open}");
            assert_eq!(to_json_lossy(&nested(levels)), Err(CborError::Depth), "{open}");
        }
    }
    // A key can be as deep as a value, and its own keys too.
    let keys = |levels: usize| {
        let mut cbor = vec![0xa1; levels];
        cbor.extend([0; 1].repeat(levels + 1));
        cbor
    };
    assert_eq!(inspect(&keys(MAX_LOOSE_DEPTH)), Ok(Some(DataError::KeyType)));
    assert!(to_json_lossy(&keys(MAX_LOOSE_DEPTH)).is_ok());
    assert_eq!(inspect(&keys(MAX_LOOSE_DEPTH + 1)), Err(CborError::Depth));
    assert_eq!(inspect(&keys(300_000)), Err(CborError::Depth));
    // Deeper than the data model allows, and no deeper.
    let arrays = |levels: usize| bytes(&format!("a16161{}00", "81".repeat(levels)));
    assert_eq!(inspect(&arrays(MAX_DEPTH - 1)), Ok(None));
    assert_eq!(inspect(&arrays(MAX_DEPTH)), Ok(Some(DataError::Depth)));
}

#[test]
fn record_size_limit_is_inclusive() {
    let floats = |count: usize| {
        let mut cbor = vec![0x9a];
        cbor.extend_from_slice(&u32::try_from(count).unwrap().to_be_bytes());
        cbor.extend(b"\xf9\x04\x01".repeat(count));
        cbor.resize(cbor.len() + 2, 0);
        cbor[4] += 2;
        cbor
    };
    let largest = floats(331_000);
    let padded = |len: usize| {
        let mut cbor = largest.clone();
        cbor.truncate(cbor.len() - 1);
        // The last item becomes a byte string that fills up.
        let rest = len - cbor.len() - 5;
        cbor.push(0x5a);
        cbor.extend_from_slice(&u32::try_from(rest).unwrap().to_be_bytes());
        cbor.resize(len, 0);
        cbor
    };
    let cbor = padded(MAX_RECORD_BYTES);
    assert_eq!(inspect(&cbor), Ok(Some(DataError::NotObject)));
    assert!(to_json_lossy(&cbor).is_ok());
    let cbor = padded(MAX_RECORD_BYTES + 1);
    assert_eq!(inspect(&cbor), Err(CborError::TooLarge));
    assert_eq!(to_json_lossy(&cbor), Err(CborError::TooLarge));
}

#[test]
fn undefined_entries_are_omitted_at_every_level() {
    // Cutting each of them out by itself would move the text behind a thousand times.
    let levels = MAX_LOOSE_DEPTH - 1;
    let payload = MAX_RECORD_BYTES - 7 * levels - 5;
    let mut cbor = b"\xa2\x61a\x01\x61a".repeat(levels);
    cbor.push(0x7a);
    cbor.extend_from_slice(&u32::try_from(payload).unwrap().to_be_bytes());
    cbor.resize(cbor.len() + payload, 0);
    let json = to_json_lossy(&cbor).unwrap();
    assert_eq!(json.len(), levels * "{'a':}".len() + "''".len() + payload * "\\u0000".len());
}

#[test]
fn blobs_are_found_in_records_outside_the_data_model() {
    let png = text("image/png");
    let blob_type = text("blob");
    let (link, cid) = (link(), text(RAW));
    let json_link = map(&[("$link", &cid)]);
    for (entries, expected) in [
        (vec![("ref", &*link), ("$type", &blob_type)], blob(None, None)),
        (vec![("ref", &cid), ("$type", &blob_type)], blob(None, None)),
        (vec![("ref", &json_link), ("$type", &blob_type)], blob(None, None)),
        (
            vec![("$type", &blob_type), ("mimeType", &png), ("size", "07"), ("ref", &link)],
            blob(Some("image/png"), Some(7)),
        ),
        (
            vec![("ref", &link), ("size", "20"), ("$type", &blob_type), ("mimeType", &png)],
            blob(Some("image/png"), None),
        ),
        (
            vec![("ref", &link), ("size", "f93c00"), ("$type", &blob_type), ("mimeType", "01")],
            blob(None, None),
        ),
        (
            vec![("ref", &link), ("size", "1b0020000000000000"), ("$type", &blob_type)],
            blob(None, None),
        ),
        (vec![("ref", &link), ("$type", &blob_type), ("mimeType", "63706e67")], blob(None, None)),
        (vec![("$type", &blob_type), ("cid", &cid), ("ref", &link), ("x", "f7")], blob(None, None)),
        (
            vec![("ref", "01"), ("ref", &link), ("$type", "01"), ("$type", &blob_type)],
            blob(None, None),
        ),
        (vec![("mimeType", &png), ("cid", &cid)], blob(Some("image/png"), None)),
        (vec![("cid", &cid), ("mimeType", "6161")], blob(None, None)),
    ] {
        // A float, so that the record is refused whatever the reference is.
        let hex = map(&[("n", "f93e00"), ("list", &format!("81c1{}", map(&entries)))]);
        assert_eq!(referenced_blobs(&bytes(&hex)), [expected], "{hex}");
    }
}

#[test]
fn similar_maps_are_not_blob_references() {
    let (link, cid, blob_type) = (link(), text(RAW), text("blob"));
    let v0 = "d82a5823001220".to_owned() + &"07".repeat(32);
    let link_and_more = map(&[("$link", &cid), ("a", "01")]);
    for entries in [
        vec![("ref", &*link)],
        vec![("ref", &link), ("$type", &*text("blab"))],
        vec![("ref", &v0), ("$type", &blob_type)],
        vec![("ref", &link_and_more), ("$type", &blob_type)],
        vec![("ref", "6161"), ("$type", &blob_type)],
        vec![("ref", &link), ("ref", "01"), ("$type", &blob_type)],
        vec![("ref", &link), ("$type", &blob_type), ("$type", "6161")],
        vec![("cid", &cid), ("$type", &blob_type)],
        vec![("cid", &cid), ("mimeType", &*text("a/b")), ("size", "01")],
        vec![("cid", &link), ("mimeType", &*text("a/b"))],
        vec![("cid", &cid), ("mimeType", "01")],
        vec![("cid", &cid)],
    ] {
        let hex = map(&[("n", "f93e00"), ("a", &map(&entries))]);
        assert_eq!(referenced_blobs(&bytes(&hex)), [], "{hex}");
    }
}

#[test]
fn blobs_of_valid_records_are_found_in_both_forms() {
    let json = format!(
        r#"{{"a":{{"cid":"{RAW}","mimeType":"image/png"}},"b":[{{"$type":"blob",
        "ref":{{"$link":"{RAW}"}},"mimeType":"a/b","size":9}}]}}"#
    );
    let found = referenced_blobs(&to_cbor(&json).unwrap());
    assert_eq!(found, [blob(Some("image/png"), None), blob(Some("a/b"), Some(9))]);
}
