//! Records, their types, and the blobs that they refer to.

use nacre_lexicon::{
    Blobs, DataError, MAX_RECORD_BYTES, RecordError, blobs, check, cid_for, record_from_json,
    to_cbor, to_json,
};
use serde_json::{Value, json};

const COLLECTION: &str = "app.bsky.feed.post";
const RAW: &str = "bafkreiccldh766hwcnuxnf2wh6jgzepf2nlu2lvcllt63eww5p6chi4ity";
const DAG: &str = "bafyreidfayvfuwqa7qlnopdjiqrxzs6blmoeu4rujcjtnci5beludirz2a";

fn blob() -> Value {
    json!({"$type": "blob", "ref": {"$link": RAW}, "mimeType": "image/jpeg", "size": 10000})
}

/// The blob with a field changed, or removed if it is now null.
fn blob_with(key: &str, value: Value) -> Value {
    let mut blob = blob();
    if value.is_null() {
        blob.as_object_mut().expect("a blob is an object").remove(key);
    } else {
        blob[key] = value;
    }
    blob
}

#[test]
fn missing_type_is_added_in_canonical_order() {
    for (without, with) in [
        (json!({}), json!({"$type": COLLECTION})),
        (json!({"text": "hi"}), json!({"text": "hi", "$type": COLLECTION})),
        (json!({"createdAt": 1, "a": {}}), json!({"createdAt": 1, "a": {}, "$type": COLLECTION})),
    ] {
        let record = record_from_json(&without.to_string(), COLLECTION).unwrap();
        assert_eq!(record, record_from_json(&with.to_string(), COLLECTION).unwrap());
        assert_eq!(Ok(&record.bytes), to_cbor(&with.to_string()).as_ref());
        assert_eq!(record.cid, cid_for(&record.bytes));
        assert_eq!(check(&record.bytes), Ok(()));
    }
}

#[test]
fn an_object_of_23_entries_has_room_for_the_type() {
    let entries: Vec<_> = (0..23).map(|index| format!("\"key{index}\":{index}")).collect();
    let json = format!("{{{}}}", entries.join(","));
    let record = record_from_json(&json, COLLECTION).unwrap();
    assert_eq!(record.bytes[..2], [0xb8, 24]);
    assert_eq!(check(&record.bytes), Ok(()));
}

#[test]
fn wrong_type_is_rejected_with_the_message_of_other_servers() {
    let error = record_from_json(r#"{"$type":"app.bsky.feed.like"}"#, COLLECTION).unwrap_err();
    let message = "Invalid $type: expected app.bsky.feed.post, got app.bsky.feed.like";
    assert_eq!(error.to_string(), message);

    let long = format!("{{\"$type\":\"{}\"}}", "é".repeat(5000));
    let RecordError::Type { got, .. } = record_from_json(&long, COLLECTION).unwrap_err() else {
        panic!("the type differs");
    };
    assert_eq!(got.chars().count(), 512);
}

#[test]
fn only_the_outermost_type_is_compared() {
    let json = json!({"embed": {"$type": "app.bsky.embed.images"}}).to_string();
    assert!(record_from_json(&json, COLLECTION).is_ok());
}

#[test]
fn a_type_is_text() {
    for wrong in ["null", "1", "\"\"", "{}", "[]", "true"] {
        for json in [format!("{{\"$type\":{wrong}}}"), format!("{{\"a\":[{{\"$type\":{wrong}}}]}}")]
        {
            assert_eq!(to_cbor(&json), Err(DataError::Type), "{json}");
            let error = record_from_json(&json, COLLECTION);
            assert_eq!(error, Err(RecordError::Data(DataError::Type)), "{json}");
        }
    }
    for wrong in [b"\xa1\x65$type\x60".as_slice(), b"\xa1\x65$type\xf6", b"\xa1\x65$type\x00"] {
        assert_eq!(check(wrong), Err(DataError::Type));
    }
}

#[test]
fn blobs_are_collected_wherever_they_are() {
    let json = json!({"a": [blob(), {"b": blob_with("size", json!(0))}], "c": blob()}).to_string();
    let record = record_from_json(&json, COLLECTION).unwrap();
    let found = blobs(&record.bytes).unwrap();
    assert_eq!(found, Blobs { legacy: Vec::new(), typed: record.blobs.clone() });
    assert_eq!(record.blobs.iter().map(|blob| blob.size).collect::<Vec<_>>(), [10000, 0, 10000]);
    for blob in &record.blobs {
        assert_eq!((blob.cid.to_string().as_str(), blob.mime_type.as_str()), (RAW, "image/jpeg"));
    }
}

#[test]
fn blobs_have_exactly_their_shape() {
    assert!(to_cbor(&json!({"a": blob()}).to_string()).is_ok());
    for wrong in [
        blob_with("ref", Value::Null),
        blob_with("ref", json!(RAW)),
        blob_with("ref", json!({"$bytes": "AA"})),
        blob_with("mimeType", Value::Null),
        blob_with("mimeType", json!("")),
        blob_with("mimeType", json!("jpeg")),
        blob_with("mimeType", json!(1)),
        blob_with("size", Value::Null),
        blob_with("size", json!("10000")),
        blob_with("size", json!(-1)),
        blob_with("alt", json!("more")),
    ] {
        let json = json!({"a": wrong}).to_string();
        assert_eq!(to_cbor(&json), Err(DataError::Blob), "{json}");
        // Under a type of equal length the same data passes, so its bytes can be forged.
        let harmless = json.replace("\"blob\"", "\"glob\"");
        let mut cbor = to_cbor(&harmless).unwrap();
        let at = cbor.windows(4).position(|bytes| bytes == b"glob").unwrap();
        cbor[at] = b'b';
        assert_eq!(check(&cbor), Err(DataError::Blob), "{json}");
    }
}

#[test]
fn legacy_blobs_are_read_and_not_written() {
    let json = json!({"avatar": {"cid": RAW, "mimeType": "image/png"}}).to_string();
    let error = record_from_json(&json, "app.bsky.actor.profile").unwrap_err();
    assert_eq!(error.to_string(), format!("Legacy blobs are not allowed ({RAW})"));

    let found = blobs(&to_cbor(&json).unwrap()).unwrap();
    assert_eq!(found.typed, []);
    assert_eq!(found.legacy.len(), 1);
    assert_eq!(found.legacy[0].cid.to_string(), RAW);
    assert_eq!(found.legacy[0].mime_type, "image/png");
}

#[test]
fn similar_maps_are_not_legacy_blobs() {
    for harmless in [
        json!({"cid": RAW, "mimeType": "image/png", "size": 1}),
        json!({"cid": RAW}),
        json!({"cid": "not a CID", "mimeType": "image/png"}),
        json!({"cid": {"$link": RAW}, "mimeType": "image/png"}),
        json!({"cid": RAW, "mimeType": 1}),
        json!({"cid": RAW, "mimeTypo": "image/png"}),
    ] {
        let record = record_from_json(&json!({"a": harmless}).to_string(), COLLECTION).unwrap();
        assert_eq!(record.blobs, []);
    }
}

#[test]
fn links_and_bytes_have_no_other_keys() {
    for good in [json!({"$link": RAW}), json!({"$link": DAG}), json!({"$bytes": ""})] {
        let cbor = to_cbor(&json!({"a": good}).to_string()).unwrap();
        let back: Value = serde_json::from_str(&to_json(&cbor).unwrap()).unwrap();
        assert_eq!(back, json!({"a": good}));
    }
    let upper = RAW.to_uppercase();
    let trailing_bits = format!("{}z", &RAW[..RAW.len() - 1]);
    for (wrong, expected) in [
        (json!({"$link": RAW, "a": 1}).to_string(), DataError::Link),
        (format!("{{\"a\":1,\"$link\":\"{RAW}\"}}"), DataError::Link),
        (format!("{{\"$link\":\"{RAW}\",\"$link\":\"{RAW}\"}}"), DataError::Link),
        (json!({"$link": 1}).to_string(), DataError::Link),
        (json!({"$link": ""}).to_string(), DataError::Link),
        (json!({"$link": upper}).to_string(), DataError::Link),
        (json!({"$link": trailing_bits}).to_string(), DataError::Link),
        (json!({"$link": RAW[1..]}).to_string(), DataError::Link),
        (
            json!({"$link": "QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n"}).to_string(),
            DataError::Link,
        ),
        (json!({"$bytes": "AA", "a": 1}).to_string(), DataError::Bytes),
        (json!({"$bytes": [1]}).to_string(), DataError::Bytes),
        (json!({"$bytes": "a"}).to_string(), DataError::Bytes),
        (json!({"$bytes": "AA=A"}).to_string(), DataError::Bytes),
        (format!("{{\"$bytes\":\"AA\",\"$link\":\"{RAW}\"}}"), DataError::Bytes),
    ] {
        assert_eq!(to_cbor(&format!("{{\"a\":{wrong}}}")), Err(expected), "{wrong}");
    }
    assert_eq!(to_cbor(&json!({"$link": RAW}).to_string()), Err(DataError::NotObject));
    assert_eq!(to_cbor(r#"{"$bytes":"AA"}"#), Err(DataError::NotObject));
}

#[test]
fn records_are_limited_on_both_sides() {
    let empty = record_from_json(r#"{"text":""}"#, COLLECTION).unwrap().bytes.len();
    let record = |len: usize| {
        // A text head of five bytes replaces one of one byte.
        let text = "x".repeat(len - empty - 4);
        record_from_json(&format!("{{\"text\":\"{text}\"}}"), COLLECTION)
    };
    assert_eq!(record(MAX_RECORD_BYTES).unwrap().bytes.len(), MAX_RECORD_BYTES);
    let too_large = Err(RecordError::TooLarge(MAX_RECORD_BYTES + 1));
    assert_eq!(record(MAX_RECORD_BYTES + 1), too_large);
}
