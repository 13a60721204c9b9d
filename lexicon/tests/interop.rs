//! The data-model vectors of the protocol's interoperability suite.

use std::{fs, path::PathBuf};

use nacre_lexicon::{check, cid_for, record_from_json, to_cbor, to_json};
use serde_json::Value;

/// Reads a file of the suite; `None` where the suite may be absent.
fn vectors(file: &str) -> Option<Vec<Value>> {
    let folder = std::env::var_os("NACRE_INTEROP").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/interop")),
        PathBuf::from,
    );
    let path = folder.join("data-model").join(file);
    match fs::read_to_string(&path) {
        Ok(text) => Some(serde_json::from_str(&text).expect("vectors are JSON")),
        Err(error) if std::env::var_os("CI").is_some() => panic!("{}: {error}", path.display()),
        Err(error) => {
            println!("skipped, {}: {error}", path.display());
            None
        }
    }
}

#[test]
fn fixtures_encode_to_their_bytes_and_back() {
    for fixture in vectors("data-model-fixtures.json").unwrap_or_default() {
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
    for vector in vectors("data-model-valid.json").unwrap_or_default() {
        let cbor = to_cbor(&vector["json"].to_string());
        assert!(cbor.is_ok_and(|cbor| check(&cbor).is_ok()), "{}", vector["note"]);
    }
}

#[test]
fn invalid_data_is_refused() {
    for vector in vectors("data-model-invalid.json").unwrap_or_default() {
        let json = vector["json"].to_string();
        assert!(to_cbor(&json).is_err(), "{}", vector["note"]);
        assert!(record_from_json(&json, "com.example.blah").is_err(), "{}", vector["note"]);
    }
}
