//! Schemas by the vectors of the protocol's interoperability suite, and by examples of our own for
//! what these leave out.

mod support;

use nacre_lexicon::{
    Catalogue, Document, Fault, KeyRule, RecordSchema, SchemaError, compile, to_cbor,
};
use nacre_syntax::{Nsid, RecordKey};
use serde_json::{Value, json};
use support::{cases, suite};

#[test]
fn documents_of_every_kind_are_read() {
    let kinds = ["permission-set", "procedure", "query", "record", "subscription"];
    for kind in kinds {
        let Some(document) = suite(&format!("lexicon/catalog/{kind}.json")) else { return };
        assert!(Document::parse(&document.to_string()).is_ok(), "{kind}");
    }
    for case in cases("lexicon/lexicon-valid.json") {
        let parsed = Document::parse(&case["lexicon"].to_string());
        assert!(parsed.is_ok(), "{}: {parsed:?}", case["name"]);
    }
}

#[test]
fn invalid_documents_are_rejected() {
    for case in cases("lexicon/lexicon-invalid.json") {
        let parsed = Document::parse(&case["lexicon"].to_string());
        assert!(parsed.is_err(), "{}", case["name"]);
    }
}

#[test]
fn suite_records_are_validated_correctly() {
    let Some(document) = suite("lexicon/catalog/record.json") else { return };
    let document = Document::parse(&document.to_string()).unwrap();
    let bytes = compile([&document]).unwrap();
    let catalogue = Catalogue::new(&bytes).unwrap();
    let schema = catalogue.record(&document.id()).unwrap();
    let judge = |data: &Value| -> Result<(), String> {
        let cbor = to_cbor(&data.to_string()).map_err(|error| error.to_string())?;
        schema.validate(&cbor).map_err(|invalid| invalid.to_string())
    };
    for case in cases("lexicon/record-data-valid.json") {
        assert_eq!(judge(&case["data"]), Ok(()), "{}", case["name"]);
    }
    for case in cases("lexicon/record-data-invalid.json") {
        assert!(judge(&case["data"]).is_err(), "{}", case["name"]);
    }
}

#[test]
fn document_errors_name_their_path() {
    let record =
        |record: Value| json!({ "main": { "type": "record", "key": "tid", "record": record } });
    let property = |of: Value| record(json!({ "type": "object", "properties": { "p": of } }));
    let at = "defs/main/record/properties/p";
    let table = [
        (json!({}), "defs", Fault::Empty),
        (json!({ "main": { "type": "thing" } }), "defs/main", Fault::Type),
        (json!({ "a#b": { "type": "token" } }), "defs/a#b", Fault::Name),
        (json!({ "main": { "type": "record", "record": {} } }), "defs/main/key", Fault::Missing),
        (
            json!({ "main": { "type": "record", "key": "literal:", "record": {} } }),
            "defs/main/key",
            Fault::Key,
        ),
        (
            record(json!({ "type": "object", "required": ["p"] })),
            "defs/main/record",
            Fault::Property,
        ),
        (property(json!({ "type": "string", "minLength": 3, "maxLength": 2 })), at, Fault::Range),
        (property(json!({ "type": "string", "const": "a", "default": "b" })), at, Fault::Default),
        (
            property(json!({ "type": "string", "format": "time" })),
            &format!("{at}/format"),
            Fault::Format,
        ),
        (
            property(json!({ "type": "string", "maxLength": -1 })),
            &format!("{at}/maxLength"),
            Fault::Range,
        ),
        (
            property(json!({ "type": "integer", "minimum": "1" })),
            &format!("{at}/minimum"),
            Fault::Integer,
        ),
        (
            property(json!({ "type": "boolean", "const": 1 })),
            &format!("{at}/const"),
            Fault::Boolean,
        ),
        (property(json!({ "type": "array" })), &format!("{at}/items"), Fault::Missing),
        (property(json!({ "type": "ref", "ref": "a" })), &format!("{at}/ref"), Fault::Ref),
        (
            property(json!({ "type": "union", "refs": [], "closed": true })),
            &format!("{at}/refs"),
            Fault::Empty,
        ),
        (
            property(json!({ "type": "blob", "accept": ["a*b/c"] })),
            &format!("{at}/accept/*"),
            Fault::Accept,
        ),
        (
            json!({ "main": { "type": "query", "parameters": {
                "type": "params", "properties": { "p": { "type": "bytes" } }
            } } }),
            "defs/main/parameters",
            Fault::Param,
        ),
        (
            json!({ "main": { "type": "procedure", "input": { "schema": { "type": "object" } } } }),
            "defs/main/input/encoding",
            Fault::Missing,
        ),
        (
            json!({ "main": {
                "type": "permission-set", "permissions": [{ "type": "permission" }]
            } }),
            "defs/main/permissions/*/resource",
            Fault::Missing,
        ),
    ];
    for (defs, path, fault) in table {
        let document = json!({ "lexicon": 1, "id": "com.example.thing", "defs": defs });
        let expected = SchemaError::Document { path: path.to_owned(), fault };
        assert_eq!(Document::parse(&document.to_string()), Err(expected), "{document}");
    }
}

#[test]
fn inconsistent_documents_are_rejected() {
    let parse = |id: &str, of: Value| {
        let defs = json!({ "main": { "type": "object", "properties": { "p": of } } });
        let document = json!({ "lexicon": 1, "id": id, "defs": defs });
        Document::parse(&document.to_string()).unwrap()
    };
    let one = parse("com.example.one", json!({ "type": "ref", "ref": "com.example.two" }));
    let two = parse(
        "com.example.two",
        json!({ "type": "array", "items": {
        "type": "ref", "ref": "com.example.two#main"
    } }),
    );
    assert!(compile([&two]).is_ok(), "it may refer to itself");
    assert!(compile([&one, &two]).is_ok());
    assert_eq!(compile([&one]), Err(SchemaError::Unresolved("com.example.two".into())));
    assert_eq!(compile([&two, &two]), Err(SchemaError::Repeated("com.example.two".into())));
    assert!(Catalogue::new(b"").is_none());
    assert!(Catalogue::new(&compile([&two]).unwrap()[..16]).is_none());
}

#[test]
fn record_errors_have_the_wording_that_clients_know() {
    let bytes = compile([&example()]).unwrap();
    let schema = schema(&bytes);
    let table = [
        (json!({}), r#"Record must have the property "text""#),
        (json!({ "text": 1 }), "Record/text must be a string"),
        (json!({ "text": null }), "Record/text must be a string"),
        (json!({ "text": "123456" }), "Record/text must not be longer than 5 characters"),
        (json!({ "text": "1234" }), "Record/text must not be longer than 3 graphemes"),
        (
            json!({ "text": "", "time": "now" }),
            "Record/time must be an valid atproto datetime (both RFC-3339 and ISO-8601)",
        ),
        (json!({ "text": "", "list": {} }), "Record/list must be an array"),
        (json!({ "text": "", "list": [] }), "Record/list must not have fewer than 1 elements"),
        (
            json!({ "text": "", "list": [1, 2, 3] }),
            "Record/list must not have more than 2 elements",
        ),
        (json!({ "text": "", "list": [1, 11] }), "Record/list/1 can not be greater than 10"),
        (json!({ "text": "", "list": [0] }), "Record/list/0 can not be less than 1"),
        (json!({ "text": "", "list": [true] }), "Record/list/0 must be an integer"),
        (json!({ "text": "", "word": "c" }), "Record/word must be one of (a|b)"),
        (json!({ "text": "", "yes": false }), "Record/yes must be true"),
        (json!({ "text": "", "link": "a" }), "Record/link must be a CID"),
        (json!({ "text": "", "blob": {} }), "Record/blob should be a blob ref"),
        (
            json!({ "text": "", "data": { "$bytes": "" } }),
            "Record/data must not be smaller than 1 bytes",
        ),
        (json!({ "text": "", "data": "" }), "Record/data must be a byte array"),
        (json!({ "text": "", "any": [] }), "Record/any must be an object"),
        (
            json!({ "text": "", "part": {} }),
            r#"Record/part must be an object which includes the "$type" property"#,
        ),
        // The type of a blob is none that a union can have.
        (
            json!({ "text": "", "open": {
                "$type": "blob", "mimeType": "a/b", "size": 1, "ref": { "$link":
                    "bafkreiabxtdmcjyc6wqrghg57xv6t6duarjz4t2s7o2jmxhkfcy2kqrdzi" } } }),
            r#"Record/open must be an object which includes the "$type" property"#,
        ),
        (
            json!({ "text": "", "part": { "$type": "com.example.other" } }),
            "Record/part $type must be one of lex:com.example.note#part",
        ),
        (
            json!({ "text": "", "part": { "$type": "com.example.note#part" } }),
            r#"Record/part must have the property "of""#,
        ),
        (
            json!({ "text": "", "part": { "$type": "com.example.note#part", "of": { "of": {} } } }),
            r#"Record/part/of/of must have the property "of""#,
        ),
        (
            json!({ "text": "", "$type": "com.example.other" }),
            "Record/$type must be com.example.note",
        ),
    ];
    for (mut record, expected) in table {
        record.as_object_mut().unwrap().entry("$type").or_insert("com.example.note".into());
        let cbor = to_cbor(&record.to_string()).unwrap();
        let said = schema.validate(&cbor).unwrap_err().to_string();
        assert_eq!(said, expected, "{record}");
    }
}

#[test]
fn unknown_properties_are_allowed() {
    let bytes = compile([&example()]).unwrap();
    let schema = schema(&bytes);
    let right = [
        json!({ "text": "", "more": [1, { "a": [null, true, { "$bytes": "AA" }] }], "$other": -7 }),
        json!({ "text": "äö", "null": null, "open": { "$type": "com.example.other", "of": 1 } }),
        // As many graphemes as one, and the bytes of 25.
        json!({ "text": "", "family": "👨‍👩‍👧‍👦" }),
        json!({ "text": "", "open": {
            "$type": "com.example.note#part", "of": { "of": { "of": null } }
        } }),
    ];
    for mut record in right {
        record["$type"] = "com.example.note".into();
        let cbor = to_cbor(&record.to_string()).unwrap();
        assert_eq!(schema.validate(&cbor), Ok(()), "{record}");
    }
}

#[test]
fn limits_may_be_beyond_32_bits() {
    let most = 1_u64 << 33;
    let defs = json!({ "main": { "type": "record", "key": "any", "record": {
        "type": "object", "required": ["\"\u{7}"], "properties": {
            "\"\u{7}": { "type": "blob", "maxSize": most },
            "least": { "type": "string", "minLength": most },
            "most": { "type": "string", "maxLength": most, "maxGraphemes": most } } } } });
    let document = json!({ "lexicon": 1, "id": "com.example.note", "defs": defs });
    let bytes = compile([&Document::parse(&document.to_string()).unwrap()]).unwrap();
    let judge = |size: u64, name: &str| {
        let cid = "bafkreiabxtdmcjyc6wqrghg57xv6t6duarjz4t2s7o2jmxhkfcy2kqrdzi";
        let blob = json!({ "$type": "blob", "ref": { "$link": cid }, "mimeType": "a/b",
            "size": size });
        let record = json!({ "$type": "com.example.note", "\"\u{7}": blob, name: "text" });
        let cbor = to_cbor(&record.to_string()).unwrap();
        schema(&bytes).validate(&cbor).map_err(|invalid| invalid.to_string())
    };
    assert_eq!(judge(most, "most"), Ok(()));
    let large = "Record/\"\u{7} must not be larger than 8589934592 bytes";
    assert_eq!(judge(most + 1, "most"), Err(large.to_owned()));
    let short = "Record/least must not be shorter than 4294967295 characters";
    assert_eq!(judge(0, "least"), Err(short.to_owned()));
    // Names are quoted as they are.
    let cbor = to_cbor(r#"{ "$type": "com.example.note" }"#).unwrap();
    let missing = schema(&bytes).validate(&cbor).unwrap_err().to_string();
    assert_eq!(missing, "Record must have the property \"\"\u{7}\"");
}

#[test]
fn keys_are_of_the_kind_that_the_schema_says() {
    let check = |kind: &str, rkey: &str| {
        let defs =
            json!({ "main": { "type": "record", "key": kind, "record": { "type": "object" } } });
        let document = json!({ "lexicon": 1, "id": "com.example.note", "defs": defs });
        let bytes = compile([&Document::parse(&document.to_string()).unwrap()]).unwrap();
        schema(&bytes).check_key(&RecordKey::parse(rkey).unwrap())
    };
    assert_eq!(check("any", "a"), Ok(()));
    assert_eq!(check("tid", "3jqfcqzm3fo2j"), Ok(()));
    assert_eq!(check("tid", "a"), Err(KeyRule::Tid));
    assert_eq!(check("nsid", "com.example.note"), Ok(()));
    assert_eq!(check("nsid", "a"), Err(KeyRule::Nsid));
    assert_eq!(check("literal:self", "self"), Ok(()));
    assert_eq!(check("literal:self", "other"), Err(KeyRule::Literal("self".into())));
}

fn example() -> Document {
    let properties = json!({
        "text": { "type": "string", "maxLength": 5, "maxGraphemes": 3 },
        "time": { "type": "string", "format": "datetime" },
        "list": {
            "type": "array", "minLength": 1, "maxLength": 2,
            "items": { "type": "integer", "minimum": 1, "maximum": 10 }
        },
        "word": { "type": "string", "enum": ["a", "b"] },
        "yes": { "type": "boolean", "const": true },
        "link": { "type": "cid-link" },
        "blob": { "type": "blob" },
        "data": { "type": "bytes", "minLength": 1 },
        "any": { "type": "unknown" },
        "null": { "type": "integer" },
        "family": { "type": "string", "maxGraphemes": 1 },
        "part": { "type": "union", "refs": ["#part"], "closed": true },
        "open": { "type": "union", "refs": ["#part"] }
    });
    let document = json!({ "lexicon": 1, "id": "com.example.note", "defs": {
        "main": { "type": "record", "key": "any", "record": {
            "type": "object", "required": ["text"], "nullable": ["null"], "properties": properties
        } },
        "part": {
            "type": "object", "required": ["of"], "nullable": ["of"],
            "properties": { "of": { "type": "ref", "ref": "#part" } }
        }
    } });
    Document::parse(&document.to_string()).expect("a schema")
}

fn schema(bytes: &[u8]) -> RecordSchema<'_> {
    let collection = Nsid::parse("com.example.note").expect("an NSID");
    Catalogue::new(bytes).and_then(|all| all.record(&collection)).expect("a record")
}
