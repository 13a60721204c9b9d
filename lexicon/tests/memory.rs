//! What asks for memory, and what does not.
//!
//! There is one test only, as its neighbours would ask for memory at the same time.

use nacre_lexicon::{
    Catalogue, Document, MAX_DEPTH, MAX_ITEMS, check, compile, to_cbor, write_object,
};
use nacre_syntax::Nsid;
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Returns how many bytes `run` asks for at most, at one time.
fn taken(mut run: impl FnMut()) -> usize {
    let mut once = || {
        let before = MEMORY.current_usage();
        MEMORY.reset_peak_usage();
        run();
        MEMORY.peak_usage().saturating_sub(before)
    };
    // What runs the tests may ask for memory too, now and then.
    (0..20).map(|_| once()).min().expect("it ran")
}

#[test]
fn checks_and_a_writer_with_capacity_do_not_allocate() {
    assert!(taken(|| drop(vec![0_u8; 10])) >= 10);
    right_data();
    hostile_data();
    writing();
    validating();
}

fn right_data() {
    let nested =
        |levels: usize| format!("{{\"a\":{}0{}}}", "[".repeat(levels - 1), "]".repeat(levels - 1));
    for json in [
        "{}".to_owned(),
        r#"{"text":"Grüße","$type":"app.bsky.feed.post","facets":[{"a":[{"b":[1,null]}]}]}"#
            .to_owned(),
        format!("{{\"a\":[{}0]}}", "0,".repeat(MAX_ITEMS - 1)),
        format!("{{\"a\":\"{}\"}}", "日本語".repeat(100_000)),
        nested(11),
        nested(MAX_DEPTH),
    ] {
        let cbor = to_cbor(&json).expect("it is data");
        assert_eq!(taken(|| assert_eq!(check(&cbor), Ok(()))), 0);
    }
}

fn hostile_data() {
    let deep = [&[0xa1, 0x61, 0x61][..], &[0x81; 10_000]].concat();
    let hostile: [&[u8]; 6] = [
        &deep,
        b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\xba\x00\x01\xff\xff",
        b"\xa1\x61a\x5b\x7f\xff\xff\xff\xff\xff\xff\xff",
        b"\xa1\x61a\xd8\x2a\x40",
        b"\xa2\x61b\x00\x61a\x00",
    ];
    for cbor in hostile {
        assert_eq!(taken(|| assert!(check(cbor).is_err())), 0);
    }
}

fn writing() {
    let mut out = Vec::with_capacity(200);
    let taken = taken(|| {
        out.clear();
        let outcome = write_object(&mut out, 2, |note| {
            note.key("text").text("hello");
            let mut nested = note.key("nested").array(1);
            let mut nested = nested.item().object(2);
            nested.key("a").array(1).item().integer(1);
            nested.key("b").null();
        });
        assert_eq!(outcome, Ok(()));
    });
    assert_eq!((taken, check(&out)), (0, Ok(())));
}

/// A record with something of every kind.
fn validating() {
    let schema = r##"{ "lexicon": 1, "id": "com.example.all", "defs": {
        "main": { "type": "record", "key": "any", "record": {
            "type": "object", "required": ["text"], "properties": {
                "text": { "type": "string", "maxLength": 50, "minGraphemes": 1, "maxGraphemes": 9 },
                "time": { "type": "string", "format": "datetime" },
                "word": { "type": "string", "enum": ["a", "b"] },
                "list": { "type": "array", "items": { "type": "ref", "ref": "#part" } },
                "part": { "type": "union", "refs": ["#part"] },
                "blob": { "type": "blob", "accept": ["image/*"], "maxSize": 100 },
                "yes": { "type": "boolean", "const": true }
            }
        } },
        "part": { "type": "object", "properties": {
            "count": { "type": "integer", "enum": [1, 2] }
        } }
    } }"##;
    let record = r##"{
        "$type": "com.example.all",
        "text": "Grüße 👨‍👩‍👧", "time": "2026-01-01T00:00:00Z", "word": "b",
        "list": [{}, { "count": 1 }], "part": { "$type": "com.example.all#part", "count": 2 },
        "yes": true, "more": [[], {}], "blob": {
            "$type": "blob", "mimeType": "image/png", "size": 100,
            "ref": { "$link": "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku" }
        }
    }"##;
    let bytes = compile([&Document::parse(schema).expect("a schema")]).expect("a catalogue");
    let catalogue = Catalogue::new(&bytes).expect("a catalogue");
    let collection = Nsid::parse("com.example.all").expect("an NSID");
    let cbor = to_cbor(record).expect("it is data");
    let taken = taken(|| {
        let schema = catalogue.record(&collection).expect("it is there");
        assert_eq!(schema.validate(&cbor), Ok(()));
    });
    assert_eq!(taken, 0);
}
