//! Blob references in the old form are upgraded when a record is written again.

use nacre_lexicon::{
    BlobRef, LegacyBlobRef, MAX_INTEGER, MAX_RECORD_BYTES, Record, RecordError, blobs, check,
    record_from_json, record_from_json_upgrading,
};
use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};

const COLLECTION: &str = "app.bsky.actor.profile";
const RAW: &str = "bafkreiccldh766hwcnuxnf2wh6jgzepf2nlu2lvcllt63eww5p6chi4ity";
const DAG: &str = "bafyreidfayvfuwqa7qlnopdjiqrxzs6blmoeu4rujcjtnci5beludirz2a";

/// The size that the tests make of a blob's type.
fn size(mime_type: &str) -> u64 {
    mime_type.bytes().map(u64::from).sum()
}

fn legacy(cid: &str, mime_type: &str) -> Value {
    json!({"cid": cid, "mimeType": mime_type})
}

fn typed(cid: &str, mime_type: &str) -> Value {
    json!({"$type": "blob", "ref": {"$link": cid}, "mimeType": mime_type, "size": size(mime_type)})
}

fn upgraded(json: &Value) -> Result<Record, RecordError> {
    let mut size_of = |blob: &mut LegacyBlobRef| Some(size(&blob.mime_type));
    record_from_json_upgrading(&json.to_string(), COLLECTION, &mut size_of)
}

/// Returns the CID that a refusal names.
fn refused(json: &Value, mut size_of: impl FnMut(&mut LegacyBlobRef) -> Option<u64>) -> String {
    match record_from_json_upgrading(&json.to_string(), COLLECTION, &mut size_of) {
        Err(RecordError::LegacyBlob(cid)) => cid.to_string(),
        other => panic!("{other:?}"),
    }
}

fn by_cid(mut blobs: Vec<BlobRef>) -> Vec<BlobRef> {
    blobs.sort_by_key(|blob| (blob.cid, blob.mime_type.clone()));
    blobs
}

#[test]
fn upgraded_record_equals_one_with_typed_references() {
    let (a, b) = (legacy(RAW, "image/png"), legacy(DAG, "a/bb"));
    let (new_a, new_b) = (typed(RAW, "image/png"), typed(DAG, "a/bb"));
    for (old, new) in [
        (json!({"avatar": a}), json!({"avatar": new_a})),
        (
            json!({"a": [a, b, a], "b": {"c": b}}),
            json!({"a": [new_a, new_b, new_a], "b": {"c": new_b}}),
        ),
        (json!({"z": 1, "avatar": a, "b": null}), json!({"z": 1, "avatar": new_a, "b": null})),
        (
            json!({"a": a, "b": new_a, "c": [[{"d": b}]]}),
            json!({"a": new_a, "b": new_a, "c": [[{"d": new_b}]]}),
        ),
        (json!({"$type": COLLECTION, "a": a}), json!({"$type": COLLECTION, "a": new_a})),
        // Keys that are put in order around what grew.
        (
            json!({"cid": a, "b": [a], "mimeType": b}),
            json!({"cid": new_a, "b": [new_a], "mimeType": new_b}),
        ),
    ] {
        let record = upgraded(&old).unwrap();
        let expected = record_from_json(&new.to_string(), COLLECTION).unwrap();
        assert_eq!(record, expected, "{old}");
        assert_eq!(check(&record.bytes), Ok(()));
        assert_eq!(by_cid(record.blobs), by_cid(blobs(&record.bytes).unwrap().typed));
    }
}

#[test]
fn keys_of_a_legacy_reference_may_come_in_any_order() {
    let json = format!(r#"{{"a":{{"mimeType":"image/png" , "cid":"{RAW}"}}}}"#);
    let record = record_from_json_upgrading(&json, COLLECTION, &mut |_| Some(size("image/png")));
    let expected = json!({"a": typed(RAW, "image/png")}).to_string();
    assert_eq!(record, record_from_json(&expected, COLLECTION));
}

#[test]
fn size_is_requested_once_per_reference() {
    let mut asked = Vec::new();
    let json = json!({"a": legacy(RAW, "a/a"), "b": [legacy(DAG, "b/b"), legacy(RAW, "c/c")]});
    let record = record_from_json_upgrading(&json.to_string(), COLLECTION, &mut |blob| {
        asked.push((blob.cid.to_string(), blob.mime_type.clone()));
        Some(0)
    });
    assert_eq!(record.unwrap().blobs.len(), 3);
    let expected = [(RAW, "a/a"), (DAG, "b/b"), (RAW, "c/c")];
    assert_eq!(asked, expected.map(|(cid, kind)| (cid.to_owned(), kind.to_owned())));
}

#[test]
fn reference_that_cannot_be_upgraded_is_rejected() {
    let json = json!({"a": legacy(DAG, "a/a"), "b": legacy(RAW, "b/b"), "c": legacy(DAG, "c/c")});
    let known = |known: &'static str, size: u64| {
        move |blob: &mut LegacyBlobRef| (blob.cid.to_string() == known).then_some(size)
    };
    assert_eq!(refused(&json, |_| None), DAG);
    assert_eq!(refused(&json, known(DAG, 1)), RAW);
    assert_eq!(refused(&json, known(RAW, 1)), DAG);
    let largest = MAX_INTEGER.cast_unsigned();
    let one = json!({"a": legacy(RAW, "a/a")});
    assert_eq!(refused(&one, known(RAW, largest + 1)), RAW);
    assert_eq!(refused(&json!({"a": legacy(RAW, "png")}), known(RAW, 1)), RAW);
    let record = record_from_json_upgrading(&one.to_string(), COLLECTION, &mut known(RAW, largest));
    assert_eq!(record.unwrap().blobs[0].size, largest);
}

#[test]
fn similar_maps_are_not_upgraded() {
    for harmless in [
        json!({"cid": RAW, "mimeType": "image/png", "size": 1}),
        json!({"cid": RAW}),
        json!({"cid": {"$link": RAW}, "mimeType": "image/png"}),
        json!({"cid": "x", "mimeType": "image/png"}),
    ] {
        let record = upgraded(&json!({"a": harmless})).unwrap();
        let json = json!({"a": harmless}).to_string();
        assert_eq!(Ok(record), record_from_json(&json, COLLECTION));
    }
    // The record itself has a `$type`, and so is no reference.
    let record = upgraded(&legacy(RAW, "image/png")).unwrap();
    assert_eq!(record.blobs, []);
}

#[test]
fn upgrade_beyond_the_record_limit_is_rejected() {
    let json = |len: usize| json!({"a": legacy(RAW, "a/a"), "text": "x".repeat(len)});
    let rest = upgraded(&json(900_000)).unwrap().bytes.len() - 900_000;
    assert_eq!(upgraded(&json(MAX_RECORD_BYTES - rest)).unwrap().bytes.len(), MAX_RECORD_BYTES);
    let too_large = Err(RecordError::TooLarge(MAX_RECORD_BYTES + 1));
    assert_eq!(upgraded(&json(MAX_RECORD_BYTES - rest + 1)), too_large);
}

/// A value, with its references in the old form and in the present one.
fn value() -> impl Strategy<Value = (Value, Value)> {
    let blob = ("[a-c]/[a-z]{0,40}", any::<bool>(), any::<bool>()).prop_map(|(kind, dag, old)| {
        let cid = if dag { DAG } else { RAW };
        let new = typed(cid, &kind);
        (if old { legacy(cid, &kind) } else { new.clone() }, new)
    });
    let plain = "[a-z]{0,30}".prop_map(|text| (json!(text), json!(text)));
    let leaf = prop_oneof![2 => blob, 1 => plain];
    leaf.prop_recursive(4, 60, 30, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..30).prop_map(|items| {
                let (old, new): (Vec<_>, Vec<_>) = items.into_iter().unzip();
                (Value::from(old), Value::from(new))
            }),
            vec(("[a-z]{1,3}|cid|mimeType", inner), 0..30).prop_map(|entries| {
                // A map that is a reference by chance is not meant.
                let entries = entries.into_iter().chain([("x1".to_owned(), (json!(1), json!(1)))]);
                let (mut old, mut new) = (serde_json::Map::new(), serde_json::Map::new());
                for (key, (old_value, new_value)) in entries {
                    old.insert(key.clone(), old_value);
                    new.insert(key, new_value);
                }
                (Value::from(old), Value::from(new))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn references_anywhere_are_upgraded((old, new) in value(), before in "[a-z]{1,9}") {
        let old = json!({"b": old, before.clone(): 1});
        let new = json!({"b": new, before: 1}).to_string();
        let record = upgraded(&old).unwrap();
        let expected = record_from_json(&new, COLLECTION).unwrap();
        prop_assert_eq!(record.bytes, expected.bytes);
        prop_assert_eq!(by_cid(record.blobs), by_cid(expected.blobs));
    }
}
