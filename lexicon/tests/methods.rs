//! What is sent to methods and what they answer, by their schemas.

#![allow(clippy::unwrap_used, reason = "all of this is test code")]

use nacre_lexicon::{
    Catalogue, Document, MethodKind, MethodSchema, Subject, compile, to_cbor, to_json,
};
use nacre_syntax::Nsid;
use serde_json::{Value, json};

/// Compiles a document of this main definition, and hands its schema on.
fn with_method(main: Value, check: impl FnOnce(MethodSchema<'_>)) {
    let document = json!({ "lexicon": 1, "id": "com.example.method", "defs": {
        "main": main,
        "note": { "type": "object", "required": ["text"], "properties": {
            "text": { "type": "string", "maxLength": 3 } } },
    } });
    let document = Document::parse(&document.to_string()).unwrap();
    let bytes = compile([&document]).unwrap();
    check(Catalogue::new(&bytes).unwrap().method(&document.id()).unwrap());
}

fn query() -> Value {
    json!({ "type": "query", "parameters": { "type": "params",
        "required": ["actor", "deep"],
        "properties": {
            "actor": { "type": "string", "format": "at-identifier" },
            "limit": { "type": "integer", "minimum": 1, "maximum": 100, "default": 50 },
            "least": { "type": "integer", "default": -9_007_199_254_740_991_i64 },
            "deep": { "type": "boolean", "default": true },
            "kinds": { "type": "array", "maxLength": 2, "items": {
                "type": "string", "maxLength": 3 } },
            "ids": { "type": "array", "items": { "type": "integer" } },
            "sort": { "type": "string", "enum": ["up", "down"], "default": "down" },
            // Outside of its own limits.
            "page": { "type": "integer", "minimum": 1, "default": 0 },
        } } })
}

#[test]
fn parameters_are_converted_by_type() {
    let table: [(&[(&str, &str)], Value); 5] = [
        (&[("actor", "a.example")], json!({ "actor": "a.example" })),
        (
            &[("actor", "a.example"), ("limit", "7"), ("deep", "false"), ("other", "1")],
            json!({ "actor": "a.example", "limit": 7, "deep": false }),
        ),
        (
            &[("kinds", "a"), ("actor", "did:web:a.example"), ("kinds", "b"), ("ids", "-12")],
            json!({ "actor": "did:web:a.example", "kinds": ["a", "b"], "ids": [-12] }),
        ),
        // Text is not read as anything else; an empty value is none.
        (
            &[("actor", "a.example"), ("kinds", "1"), ("kinds", ""), ("limit", "")],
            json!({ "actor": "a.example", "kinds": ["1"] }),
        ),
        (
            &[("actor", "a.example"), ("sort", "up"), ("page", "3")],
            json!({ "actor": "a.example", "sort": "up", "page": 3 }),
        ),
    ];
    with_method(query(), |method| {
        assert_eq!(method.kind(), MethodKind::Query);
        for (given, expected) in table {
            let mut all = json!({ "limit": 50, "least": -9_007_199_254_740_991_i64, "deep": true,
                "sort": "down", "page": 0 });
            for (name, value) in expected.as_object().unwrap() {
                all[name] = value.clone();
            }
            let cbor = method.params(given.iter().copied()).unwrap();
            let params: Value = serde_json::from_str(&to_json(&cbor).unwrap()).unwrap();
            assert_eq!(params, all, "{given:?}");
        }
    });
}

#[test]
fn invalid_parameters_are_named() {
    let table: [(&[(&str, &str)], &str); 14] = [
        (&[], r#"Params must have the property "actor""#),
        (&[("actor", "")], r#"Params must have the property "actor""#),
        (&[("actor", "a")], "actor must be a valid did or a handle"),
        (&[("actor", "a.example"), ("actor", "b.example")], "actor must be a string"),
        (&[("actor", "a.example"), ("limit", "0")], "limit can not be less than 1"),
        (&[("actor", "a.example"), ("limit", "101")], "limit can not be greater than 100"),
        (&[("limit", "1.0")], "limit must be an integer"),
        (&[("limit", "+1")], "limit must be an integer"),
        (&[("limit", "-")], "limit must be an integer"),
        (&[("limit", "9007199254740992")], "limit must be an integer"),
        (&[("limit", "1"), ("limit", "2")], "limit must be an integer"),
        (&[("deep", "1")], "deep must be a boolean"),
        (&[("ids", "1"), ("ids", "a")], "ids must be an integer"),
        (
            &[("actor", "a.example"), ("kinds", "a"), ("kinds", "long")],
            "kinds/1 must not be longer than 3 characters",
        ),
    ];
    with_method(query(), |method| {
        for (given, expected) in table {
            let invalid = method.params(given.iter().copied()).unwrap_err();
            assert_eq!(invalid.to_string(), expected);
            assert_eq!(invalid.subject(), Subject::Params);
        }
    });
}

#[test]
fn method_without_parameters_ignores_the_query() {
    with_method(json!({ "type": "query" }), |method| {
        assert_eq!(method.params([("limit", "x")]).unwrap(), to_cbor("{}").unwrap());
        assert_eq!(method.output_encoding(), None);
        assert!(method.validate_output(&to_cbor(r#"{ "any": 1 }"#).unwrap()).is_ok());
    });
}

#[test]
fn bodies_are_validated() {
    let main = json!({ "type": "procedure",
        "input": { "encoding": "application/json", "schema": {
            "type": "object", "required": ["note"], "properties": {
                "note": { "type": "ref", "ref": "#note" },
                "count": { "type": "integer", "maximum": 3 } } } },
        "output": { "encoding": "*/*", "schema": { "type": "ref", "ref": "#note" } } });
    with_method(main, |method| {
        assert_eq!(method.kind(), MethodKind::Procedure);
        assert_eq!(method.input_encoding(), Some("application/json"));
        assert_eq!(method.output_encoding(), Some("*/*"));
        let input = |json: Value| {
            let cbor = to_cbor(&json.to_string()).unwrap();
            method.validate_input(&cbor).map_err(|invalid| invalid.to_string())
        };
        assert_eq!(input(json!({ "note": { "text": "abc" }, "more": 1 })), Ok(()));
        let missing = r#"Input must have the property "note""#;
        assert_eq!(input(json!({})), Err(missing.to_owned()));
        let missing = r#"Input/note must have the property "text""#;
        assert_eq!(input(json!({ "note": {} })), Err(missing.to_owned()));
        let wrong = "Input/count can not be greater than 3";
        assert_eq!(input(json!({ "note": { "text": "" }, "count": 4 })), Err(wrong.to_owned()));
        let invalid = method.validate_output(&to_cbor(r#"{ "text": 1 }"#).unwrap()).unwrap_err();
        assert_eq!(invalid.to_string(), "Output/text must be a string");
        let invalid = method.validate_output(&[0xff]).unwrap_err();
        assert_eq!(invalid.subject(), Subject::Output);
    });
}

#[test]
fn messages_are_validated() {
    let main = json!({ "type": "subscription", "message": {
        "schema": { "type": "union", "refs": ["#note"], "closed": true } } });
    with_method(main, |method| {
        assert_eq!(method.kind(), MethodKind::Subscription);
        assert_eq!((method.input_encoding(), method.output_encoding()), (None, None));
        let message = |json: Value| {
            let cbor = to_cbor(&json.to_string()).unwrap();
            method.validate_output(&cbor).map_err(|invalid| invalid.to_string())
        };
        let note = |text| json!({ "$type": "com.example.method#note", "text": text });
        assert_eq!(message(note("abc")), Ok(()));
        let long = "Message/text must not be longer than 3 characters";
        assert_eq!(message(note("long")), Err(long.to_owned()));
        let untyped = "Message must be an object which includes the \"$type\" property";
        assert_eq!(message(json!({})), Err(untyped.to_owned()));
    });
}

#[test]
fn other_definitions_have_no_method_schema() {
    let record = json!({ "lexicon": 1, "id": "com.example.record", "defs": { "main": {
        "type": "record", "key": "any", "record": { "type": "object" } } } });
    let document = Document::parse(&record.to_string()).unwrap();
    let bytes = compile([&document]).unwrap();
    let catalogue = Catalogue::new(&bytes).unwrap();
    assert!(catalogue.method(&document.id()).is_none());
    assert!(catalogue.record(&document.id()).is_some());
    let other = Nsid::parse("com.example.other").unwrap();
    assert!(catalogue.method(&other).is_none());
}

/// What has a default need not be given, even if it is required.
#[test]
fn a_required_property_with_a_default_may_be_absent() {
    let document = json!({ "lexicon": 1, "id": "com.example.record", "defs": {
        "main": { "type": "record", "key": "any", "record": {
            "type": "object", "required": ["here", "there", "none"], "properties": {
                "here": { "type": "boolean", "default": false },
                "there": { "type": "ref", "ref": "#word" },
                "none": { "type": "ref", "ref": "#other" } } } },
        "other": { "type": "string" },
        "word": { "type": "string", "default": "a", "maxLength": 1 },
    } });
    let document = Document::parse(&document.to_string()).unwrap();
    let bytes = compile([&document]).unwrap();
    let schema = Catalogue::new(&bytes).unwrap().record(&document.id()).unwrap();
    let judge = |mut record: Value| {
        record["$type"] = "com.example.record".into();
        let cbor = to_cbor(&record.to_string()).unwrap();
        schema.validate(&cbor).map_err(|invalid| invalid.to_string())
    };
    assert_eq!(judge(json!({ "none": "b" })), Ok(()));
    let missing = r#"Record must have the property "none""#;
    assert_eq!(judge(json!({ "here": true, "there": "c" })), Err(missing.to_owned()));
    let long = "Record/there must not be longer than 1 characters";
    assert_eq!(judge(json!({ "none": "b", "there": "cc" })), Err(long.to_owned()));
}
