//! JSON that is data becomes DAG-CBOR that passes, and another parser calls it JSON too. Upgrading
//! blob references changes nothing where there are none to upgrade.
#![no_main]

mod support;

use libfuzzer_sys::fuzz_target;
use nacre_lexicon::{
    BlobRef, LegacyBlobRef, Record, blobs, cid_for, record_from_json, record_from_json_upgrading,
    to_cbor, to_json,
};
use serde_json::Value;
use support::{assert_canonical, parse_json};

fuzz_target!(|text: &str| {
    let record = record_from_json(text, "org.example.note");
    let Ok(bytes) = to_cbor(text) else {
        assert!(record.is_err());
        return;
    };
    assert_canonical(&bytes);
    let again = to_json(&bytes).expect("what was made passes");
    assert_eq!(to_cbor(&again).as_ref(), Ok(&bytes));
    if let (Some(value), Some(again)) = (parse_json(text), parse_json(&again)) {
        assert_eq!(shape(&value), shape(&again));
    }
    let mut size_of = |blob: &mut LegacyBlobRef| u64::try_from(blob.mime_type.len()).ok();
    let upgraded = record_from_json_upgrading(text, "org.example.note", &mut size_of);
    if let Ok(record) = record {
        assert_record(&record);
        assert_eq!(upgraded, Ok(record));
    } else if let Ok(record) = upgraded {
        assert_record(&record);
    }
});

fn assert_record(record: &Record) {
    assert_eq!(record.cid, cid_for(&record.bytes));
    let found = blobs(&record.bytes).expect("a record passes");
    // In the order of the bytes, and in that of the text.
    let sorted = |mut list: Vec<BlobRef>| {
        list.sort_by_key(|blob| (blob.cid, blob.mime_type.clone(), blob.size));
        list
    };
    assert_eq!(sorted(found.typed), sorted(record.blobs.clone()));
    assert!(found.legacy.is_empty());
    assert_canonical(&record.bytes);
}

/// Returns all of a value but what has two spellings: numbers and base64.
fn shape(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(shape).collect(),
        Value::Object(fields) => {
            let shape = |(key, value): (&String, &Value)| match (key.as_str(), value) {
                ("$bytes", Value::String(_)) => (key.clone(), Value::Null),
                _ => (key.clone(), shape(value)),
            };
            Value::Object(fields.iter().map(shape).collect())
        }
        Value::Number(_) => Value::from(0),
        other => other.clone(),
    }
}
