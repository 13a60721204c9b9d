//! Records by their schema against a slow judge that follows the schema's JSON, step by step.

use std::sync::LazyLock;

use nacre_lexicon::{
    Catalogue, DataError, Document, MAX_DEPTH, Reason, check, compile, to_cbor, to_json,
};
use nacre_syntax::{Datetime, Nsid};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Map, Value, json};
use unicode_segmentation::UnicodeSegmentation;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8000))]

    #[test]
    fn validation_agrees_with_a_slow_reference(changes in prop::collection::vec(change(), 0..4)) {
        let mut record = right();
        for change in &changes {
            change.apply(&mut record);
        }
        let (schema, bytes) = &*SCHEMA;
        let collection = Nsid::parse(NAME).unwrap();
        let compiled = Catalogue::new(bytes).unwrap().record(&collection).unwrap();
        // What is no data at all is another matter.
        let Ok(cbor) = to_cbor(&record.to_string()) else { return Ok(()) };
        let main = &schema["defs"]["main"]["record"];
        let expected = record["$type"] == NAME && is_right(schema, main, &record);
        prop_assert_eq!(compiled.validate(&cbor).is_ok(), expected, "{}", record);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn validation_accepts_only_data_that_check_accepts(
        change in prop::option::of(change()),
        damage in prop::collection::vec(damage(), 1..4),
    ) {
        let mut record = right();
        if let Some(change) = change {
            change.apply(&mut record);
        }
        let Ok(mut cbor) = to_cbor(&record.to_string()) else { return Ok(()) };
        for damage in damage {
            damage.apply(&mut cbor);
        }
        let (schema, bytes) = &*SCHEMA;
        let collection = Nsid::parse(NAME).unwrap();
        let compiled = Catalogue::new(bytes).unwrap().record(&collection).unwrap();
        let verdict = compiled.validate(&cbor);
        if let Err(error) = check(&cbor) {
            let reason = verdict.as_ref().map_err(|invalid| invalid.reason());
            prop_assert_eq!(reason, Err(&Reason::Data(error)), "{:x?}", cbor);
            return Ok(());
        }
        let record: Value = serde_json::from_str(&to_json(&cbor).unwrap()).unwrap();
        let main = &schema["defs"]["main"]["record"];
        let expected = record["$type"] == NAME && is_right(schema, main, &record);
        prop_assert_eq!(verdict.is_ok(), expected, "{}", record);
    }
}

#[test]
fn object_with_the_type_of_a_blob_must_be_one() {
    let (_, bytes) = &*SCHEMA;
    let collection = Nsid::parse(NAME).unwrap();
    let compiled = Catalogue::new(bytes).unwrap().record(&collection).unwrap();
    let record = |item: &[u8]| {
        let (before, after) = (b"\xa4\x61z\x00\x64list\x81", b"\x64text\x62ab\x65$type\x6f");
        [before.as_slice(), item, after, NAME.as_bytes()].concat()
    };
    assert_eq!(compiled.validate(&record(b"\xa2\x65$type\x64blab\x65count\x01")), Ok(()));
    let invalid = compiled.validate(&record(b"\xa2\x65$type\x64blob\x65count\x01")).unwrap_err();
    assert_eq!(*invalid.reason(), Reason::Data(DataError::Blob));
}

#[test]
fn containers_with_impossible_counts_are_rejected() {
    let (_, bytes) = &*SCHEMA;
    let collection = Nsid::parse(NAME).unwrap();
    let compiled = Catalogue::new(bytes).unwrap().record(&collection).unwrap();
    let count = [0xff; 8];
    for (outer, inner) in [(0x9b, 0x9b), (0x9b, 0xbb), (0xbb, 0x9b), (0xbb, 0xbb)] {
        // An array in an array and so on, each as long as can be written.
        let record = [b"\xa2\x61a".as_slice(), &[outer], &count, &[inner], &count].concat();
        let record = [record.as_slice(), &[outer], &count, b"\x65$type\x61a"].concat();
        let invalid = compiled.validate(&record).unwrap_err();
        assert_eq!(Err(invalid.reason()), check(&record).map_err(Reason::Data).as_ref());
    }
}

#[test]
fn nesting_has_one_limit_wherever_it_is() {
    let (_, bytes) = &*SCHEMA;
    let collection = Nsid::parse(NAME).unwrap();
    let compiled = Catalogue::new(bytes).unwrap().record(&collection).unwrap();
    let record = |parts: usize, arrays: usize| {
        [
            b"\xa5\x61z\x00\x64list\x81".as_slice(),
            &b"\xa2\x65count\x01\x65inner".repeat(parts - 1),
            b"\xa1\x65count\x01\x64more",
            &b"\x81".repeat(arrays - 1),
            b"\x80\x64text\x62ab\x65$type\x6fcom.example.all",
        ]
        .concat()
    };
    // Parts are in a list in the record, and the schema knows of them; arrays are in the record.
    let (parts, arrays) = (MAX_DEPTH - 2, MAX_DEPTH - 1);
    assert_eq!(compiled.validate(&record(parts, arrays)), Ok(()));
    for record in [record(parts + 1, 1), record(1, arrays + 1), record(10_000, 1)] {
        let invalid = compiled.validate(&record).unwrap_err();
        assert_eq!(*invalid.reason(), Reason::Data(DataError::Depth));
    }
}

#[test]
fn the_record_that_is_changed_is_right() {
    let schema = schema();
    assert!(is_right(&schema, &schema["defs"]["main"]["record"], &right()));
}

/// The schema, as it is and compiled.
static SCHEMA: LazyLock<(Value, Vec<u8>)> = LazyLock::new(|| {
    let schema = schema();
    let document = Document::parse(&schema.to_string()).expect("a schema");
    (schema, compile([&document]).expect("a catalogue"))
});

const NAME: &str = "com.example.all";
const CID: &str = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";

fn schema() -> Value {
    json!({ "lexicon": 1, "id": NAME, "defs": {
        "main": { "type": "record", "key": "any", "record": {
            "type": "object", "required": ["text", "list", "z"], "nullable": ["time", "z"],
            "properties": {
                "text": { "type": "string", "minLength": 2, "maxLength": 12, "maxGraphemes": 6 },
                "time": { "type": "string", "format": "datetime" },
                "plain": { "type": "string" },
                "word": { "type": "string", "enum": ["a", "bb", "ccc"] },
                "fixed": { "type": "string", "const": "a" },
                "list": {
                    "type": "array", "minLength": 1, "maxLength": 3,
                    "items": { "type": "ref", "ref": "#part" }
                },
                "open": { "type": "union", "refs": ["#part", "#other"] },
                "closed": { "type": "union", "refs": ["#part", "#other"], "closed": true },
                "blob": { "type": "blob", "accept": ["image/*", "text/plain"], "maxSize": 100 },
                "data": { "type": "bytes", "minLength": 1, "maxLength": 3 },
                "link": { "type": "cid-link" },
                "yes": { "type": "boolean", "const": true },
                "any": { "type": "unknown" },
                "z": { "type": "integer", "minimum": -3, "maximum": 3 }
            }
        } },
        "part": {
            "type": "object", "required": ["count"],
            "properties": {
                "count": { "type": "integer", "enum": [1, 2] },
                "inner": { "type": "ref", "ref": "#part" }
            }
        },
        "other": { "type": "object", "properties": { "flag": { "type": "boolean" } } }
    } })
}

fn right() -> Value {
    json!({
        "$type": NAME, "text": "Grüße", "plain": "日本語", "time": "2026-01-01T00:00:00Z",
        "word": "bb", "fixed": "a",
        "list": [{ "count": 1, "inner": { "count": 2 } }],
        "open": { "$type": format!("{NAME}#part"), "count": 1 },
        "closed": { "$type": format!("{NAME}#other"), "flag": true },
        "blob": {
            "$type": "blob", "mimeType": "image/png", "size": 100, "ref": { "$link": CID }
        },
        "data": { "$bytes": "AQID" }, "link": { "$link": CID }, "yes": true,
        "any": { "a": [1] }, "z": 0, "more": { "deep": [{}] }
    })
}

/// A change somewhere in a record.
#[derive(Clone, Debug)]
struct Change {
    /// Which key or item to go on with, and where to stop.
    way: Vec<Index>,
    /// What stands there then, if anything.
    value: Option<Value>,
    key: String,
}

fn change() -> impl Strategy<Value = Change> {
    let values = [
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(2),
        json!(3),
        json!(4),
        json!(-4),
        json!(""),
        json!("a"),
        json!("ab"),
        json!("ccc"),
        json!("1234567"),
        json!("日本語日本"),
        json!("👨‍👩‍👧👨‍👩‍👧"),
        json!("2026-02-30T00:00:00Z"),
        json!(NAME),
        json!(format!("{NAME}#part")),
        json!(format!("{NAME}#main")),
        json!("image/"),
        json!("text/plain"),
        json!("text/html"),
        json!({}),
        json!([]),
        json!([{}]),
        json!([1, 2, 3, 4]),
        json!({ "count": 2 }),
        json!([{ "count": 1 }, { "count": 1 }, { "count": 1 }, { "count": 1 }]),
        json!({ "$type": "com.example.unknown", "x": 1 }),
        json!({ "$type": format!("{NAME}#part") }),
        json!({ "$type": format!("{NAME}#other"), "flag": 1 }),
        json!({ "$link": CID }),
        json!({ "$bytes": "" }),
        json!({ "$bytes": "AQIDBA" }),
        json!({ "$bytes": "AQ" }),
        json!({ "$type": "blob", "mimeType": "image/a", "size": 101, "ref": { "$link": CID } }),
        json!({ "$type": "blob", "mimeType": "text/plain", "size": 0, "ref": { "$link": CID } }),
        json!({ "$type": "blob", "mimeType": "video/a", "size": 1, "ref": { "$link": CID } }),
    ];
    let top = right().as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
    let keys = [top, ["count", "inner", "flag", "new"].map(String::from).to_vec()].concat();
    // Most often at the top, where whatever may stand there is.
    let inside = prop::collection::vec(any::<Index>(), 1..3);
    let way = prop_oneof![3 => Just(Vec::new()), 1 => inside];
    (way, prop::option::weighted(0.8, select(values.to_vec())), select(keys))
        .prop_map(|(way, value, key)| Change { way, value, key })
}

/// A change of bytes.
#[derive(Clone, Debug)]
enum Damage {
    Bit(Index, u32),
    Byte(Index, u8),
    Cut(Index),
    Insert(Index, u8),
    Remove(Index),
    Swap(Index, Index),
}

fn damage() -> impl Strategy<Value = Damage> {
    let byte = prop_oneof![any::<u8>(), select(b"\x00\x18\x60\x61\x80\xa0\xa1\xf6\xff".to_vec())];
    (any::<Index>(), any::<Index>(), byte, 0..8_u32, 0..12).prop_map(
        |(at, other, byte, bit, kind)| match kind {
            0 => Damage::Cut(at),
            1 | 2 => Damage::Insert(at, byte),
            3 | 4 => Damage::Remove(at),
            5 | 6 => Damage::Swap(at, other),
            7..=9 => Damage::Bit(at, bit),
            _ => Damage::Byte(at, byte),
        },
    )
}

impl Damage {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let len = bytes.len();
        match self {
            _ if len == 0 => {}
            Self::Bit(at, bit) => bytes[at.index(len)] ^= 1 << bit,
            Self::Byte(at, byte) => bytes[at.index(len)] = *byte,
            Self::Cut(at) => bytes.truncate(at.index(len)),
            Self::Insert(at, byte) => bytes.insert(at.index(len), *byte),
            Self::Remove(at) => drop(bytes.remove(at.index(len))),
            Self::Swap(at, other) => bytes.swap(at.index(len), other.index(len)),
        }
    }
}

impl Change {
    fn apply(&self, record: &mut Value) {
        let mut place = record;
        for index in &self.way {
            let inner = match place {
                Value::Object(fields) if !fields.is_empty() => {
                    let key = index.index(fields.len());
                    fields.values_mut().nth(key)
                }
                Value::Array(items) if !items.is_empty() => {
                    let item = index.index(items.len());
                    items.get_mut(item)
                }
                _ => return,
            };
            place = inner.expect("the index is one of them");
        }
        match (place, &self.value) {
            (Value::Object(fields), Some(value)) if self.way.len() < 2 => {
                fields.insert(self.key.clone(), value.clone());
            }
            (Value::Object(fields), None) => drop(fields.remove(&self.key)),
            (place, Some(value)) => *place = value.clone(),
            _ => {}
        }
    }
}

fn is_right(document: &Value, schema: &Value, value: &Value) -> bool {
    let within = |count: usize, min: &str, max: &str| {
        let count = u64::try_from(count).expect("64 bits");
        schema[min].as_u64().is_none_or(|min| count >= min)
            && schema[max].as_u64().is_none_or(|max| count <= max)
    };
    let is_chosen = || {
        schema.get("const").is_none_or(|constant| constant == value)
            && schema["enum"].as_array().is_none_or(|all| all.contains(value))
    };
    match schema["type"].as_str().expect("a type") {
        "array" => value.as_array().is_some_and(|items| {
            within(items.len(), "minLength", "maxLength")
                && items.iter().all(|item| is_right(document, &schema["items"], item))
        }),
        "blob" => {
            let accept = |mime: &str| mime.starts_with("image/") || mime == "text/plain";
            is_blob(value)
                && value["size"].as_u64() <= schema["maxSize"].as_u64()
                && value["mimeType"].as_str().is_some_and(accept)
        }
        "boolean" => value.is_boolean() && is_chosen(),
        "bytes" => value["$bytes"].as_str().is_some_and(|text| {
            within(text.trim_end_matches('=').len() * 3 / 4, "minLength", "maxLength")
        }),
        "cid-link" => value.get("$link").is_some(),
        "integer" => value.as_i64().is_some_and(|number| {
            is_chosen()
                && schema["minimum"].as_i64().is_none_or(|least| number >= least)
                && schema["maximum"].as_i64().is_none_or(|most| number <= most)
        }),
        "object" => map(value).is_some_and(|fields| object(document, schema, fields)),
        "ref" => {
            is_right(document, named(document, schema["ref"].as_str().expect("a name")), value)
        }
        "string" => value.as_str().is_some_and(|text| {
            is_chosen()
                && within(text.len(), "minLength", "maxLength")
                && within(text.graphemes(true).count(), "minGraphemes", "maxGraphemes")
                && (schema.get("format").is_none() || Datetime::parse(text).is_ok())
        }),
        "union" => match map(value).and_then(|fields| fields.get("$type")?.as_str()) {
            None | Some("blob") => false,
            Some(found) => match found.strip_prefix(NAME) {
                Some(name @ ("#part" | "#other")) => {
                    is_right(document, named(document, name), value)
                }
                _ => schema["closed"] != true,
            },
        },
        "unknown" => map(value).is_some() && !is_blob(value),
        other => panic!("{other} is not in the schema"),
    }
}

fn object(document: &Value, schema: &Value, fields: &Map<String, Value>) -> bool {
    let lists = |list: &str, name: &str| {
        schema[list].as_array().is_some_and(|names| names.iter().any(|one| one == name))
    };
    schema["properties"].as_object().expect("an object").iter().all(|(name, schema)| {
        match fields.get(name) {
            None => !lists("required", name),
            Some(Value::Null) if lists("nullable", name) => true,
            Some(value) => is_right(document, schema, value),
        }
    })
}

/// Returns the fields of an object that stands for itself.
fn map(value: &Value) -> Option<&Map<String, Value>> {
    value.as_object().filter(|map| !map.contains_key("$link") && !map.contains_key("$bytes"))
}

fn is_blob(value: &Value) -> bool {
    map(value).is_some_and(|map| map.get("$type").is_some_and(|kind| kind == "blob"))
}

fn named<'d>(document: &'d Value, name: &str) -> &'d Value {
    &document["defs"][name.trim_start_matches('#')]
}
