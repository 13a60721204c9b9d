//! The serde forms: the text itself, parsed on the way in.
#![cfg(feature = "serde")]

use nacre_syntax::{Did, Tid};

#[test]
fn values_are_written_as_their_text() {
    let did = Did::parse("did:plc:abc").unwrap();
    let tid = Tid::from_micros(1, 0);
    assert_eq!(serde_json::to_string(&(did, tid)).unwrap(), r#"["did:plc:abc","2222222222322"]"#);
}

#[test]
fn reading_parses() {
    let (did, tid): (Did, Tid) =
        serde_json::from_str(r#"["did:plc:abc","2222222222322"]"#).unwrap();
    assert_eq!(did, "did:plc:abc");
    assert_eq!(tid.to_string(), "2222222222322");
    let error = serde_json::from_str::<Did>(r#""did:plc:""#).unwrap_err();
    assert!(error.to_string().starts_with("a DID ends in a letter"), "{error}");
    assert!(serde_json::from_str::<Tid>(r#""2222""#).is_err());
}
