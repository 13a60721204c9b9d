//! DAG-CBOR that passes is canonical, has one CID, and survives the way through JSON; of any other
//! CBOR something is shown that is JSON.
#![no_main]

mod support;

use libfuzzer_sys::fuzz_target;
use nacre_lexicon::{
    MAX_RECORD_BYTES, blobs, check, inspect, referenced_blobs, to_cbor, to_json, to_json_lossy,
};
use support::{assert_canonical, parse_json};

fuzz_target!(|bytes: &[u8]| {
    let checked = check(bytes);
    assert_eq!(blobs(bytes).err(), checked.err());
    let json = to_json(bytes);
    assert_eq!(json.as_ref().err(), checked.as_ref().err());
    let lossy = to_json_lossy(bytes);
    let Ok(json) = json else {
        assert_eq!(inspect(bytes), lossy.as_ref().map(|_| checked.err()).map_err(|error| *error));
        let found = referenced_blobs(bytes);
        match lossy {
            Ok(lossy) => drop(parse_json(&lossy)),
            Err(_) => assert!(found.is_empty()),
        }
        return;
    };
    assert_eq!(lossy.as_ref(), Ok(&json));
    if bytes.len() <= MAX_RECORD_BYTES {
        assert_eq!(inspect(bytes), Ok(None));
    }
    let found = blobs(bytes).expect("it passed");
    assert_eq!(referenced_blobs(bytes).len(), found.typed.len() + found.legacy.len());
    assert_canonical(bytes);
    parse_json(&json);
    assert_eq!(to_cbor(&json).as_deref(), Ok(bytes));
});
