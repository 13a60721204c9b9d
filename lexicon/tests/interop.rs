//! The data-model vectors of the protocol's interoperability suite.

mod support;

use nacre_lexicon::{check, cid_for, record_from_json, to_cbor, to_json};
use serde_json::Value;
use support::cases;

#[test]
fn fixtures_encode_to_their_bytes_and_back() {
    for fixture in cases("data-model/data-model-fixtures.json") {
        let json = fixture["json"].to_string();
        let base64 = fixture["cbor_base64"].as_str().unwrap();
        let expected = data_encoding::BASE64_NOPAD.decode(base64.as_bytes()).unwrap();
        let cbor = to_cbor(&json).unwrap();
        assert_eq!(cbor, expected);
        assert_eq!(cid_for(&cbor).to_string(), fixture["cid"]);
        assert_eq!(check(&cbor), Ok(()));
        let back: Value = serde_json::from_str(&to_json(&cbor).unwrap()).unwrap();
        assert_eq!(back, fixture["json"]);
    }
}

#[test]
fn valid_data_is_encoded() {
    for vector in cases("data-model/data-model-valid.json") {
        let cbor = to_cbor(&vector["json"].to_string());
        assert!(cbor.is_ok_and(|cbor| check(&cbor).is_ok()), "{}", vector["note"]);
    }
}

#[test]
fn invalid_data_is_refused() {
    for vector in cases("data-model/data-model-invalid.json") {
        let json = vector["json"].to_string();
        assert!(to_cbor(&json).is_err(), "{}", vector["note"]);
        assert!(record_from_json(&json, "com.example.blah").is_err(), "{}", vector["note"]);
    }
}
