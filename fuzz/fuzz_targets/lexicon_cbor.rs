//! DAG-CBOR that passes is canonical, has one CID, and survives the way through JSON.
#![no_main]

mod support;

use libfuzzer_sys::fuzz_target;
use nacre_lexicon::{blobs, check, to_cbor, to_json};
use support::{assert_canonical, parse_json};

fuzz_target!(|bytes: &[u8]| {
    let checked = check(bytes);
    assert_eq!(blobs(bytes).err(), checked.err());
    let json = to_json(bytes);
    assert_eq!(json.as_ref().err(), checked.as_ref().err());
    let Ok(json) = json else { return };
    assert_canonical(bytes);
    parse_json(&json);
    assert_eq!(to_cbor(&json).as_deref(), Ok(bytes));
});
