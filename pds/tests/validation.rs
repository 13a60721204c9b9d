//! Validation of records against the schemas of their collections, as clients see it.

#![allow(clippy::std_instead_of_alloc, clippy::unwrap_used, reason = "all of this is test code")]

mod client;

use client::{Answer, Client, DID, NOTE, a_note};
use serde_json::{Value, json};

const CREATE: &str = "com.atproto.repo.createRecord";
const PUT: &str = "com.atproto.repo.putRecord";
const POST: &str = "app.bsky.feed.post";
const PROFILE: &str = "app.bsky.actor.profile";
const TID: &str = "3jui7kd54zh2y";
const IMAGE: &str = "bafkreiabxtdmcjyc6wqrghg57xv6t6duarjz4t2s7o2jmxhkfcy2kqrdzi";
const AT: &str = "2026-01-01T00:00:00.000Z";

fn write(client: &Client, to: &str, path: (&str, &str), validate: &Value, record: Value) -> Answer {
    let (collection, rkey) = path;
    let mut input = json!({ "repo": DID, "collection": collection, "rkey": rkey });
    input["record"] = record;
    if !validate.is_null() {
        input["validate"] = validate.clone();
    }
    client.post(to, &input)
}

#[test]
fn validation_depends_on_the_collection_and_the_validate_option() {
    let free = (NOTE, TID);
    let known = (POST, TID);
    let good = json!({ "text": "hello", "createdAt": AT });
    let bad = json!({ "text": "hello" });
    let missing = r#"Invalid app.bsky.feed.post record: Record must have the property "createdAt""#;
    let unknown = "Unknown lexicon type: com.example.note";
    let table = [
        (free, a_note("a"), Value::Null, Ok(json!("unknown"))),
        (free, a_note("a"), json!(false), Ok(Value::Null)),
        (free, a_note("a"), json!(true), Err(unknown)),
        (known, good.clone(), Value::Null, Ok(json!("valid"))),
        (known, good.clone(), json!(false), Ok(Value::Null)),
        (known, good, json!(true), Ok(json!("valid"))),
        (known, bad.clone(), Value::Null, Err(missing)),
        (known, bad.clone(), json!(false), Ok(Value::Null)),
        (known, bad, json!(true), Err(missing)),
        // An invalid key for a post is accepted without validation.
        ((POST, "self"), json!({}), json!(false), Ok(Value::Null)),
    ];
    for to in [CREATE, PUT] {
        for (path, record, validate, expected) in &table {
            let client = Client::new();
            let before = client.head();
            let answer = write(&client, to, *path, validate, record.clone());
            match expected {
                Ok(status) => {
                    let written = answer.json(200);
                    assert_eq!(written.get("validationStatus").unwrap_or(&Value::Null), status);
                    assert_ne!(client.head(), before);
                }
                Err(message) => {
                    answer.refuses(400, "InvalidRequest", message);
                    assert_eq!(client.head(), before);
                }
            }
        }
    }
}

#[test]
fn twenty_collections_have_a_schema() {
    let client = Client::new();
    let missing = |name: &str| Some(format!("Record must have the property \"{name}\""));
    // The first required key, in DAG-CBOR order; a profile requires none.
    let table = [
        (PROFILE, "self", None),
        ("app.bsky.actor.status", "self", missing("status")),
        ("app.bsky.feed.generator", "a", missing("did")),
        ("app.bsky.feed.like", TID, missing("subject")),
        (POST, TID, missing("text")),
        ("app.bsky.feed.postgate", TID, missing("post")),
        ("app.bsky.feed.repost", TID, missing("subject")),
        ("app.bsky.feed.threadgate", TID, missing("post")),
        ("app.bsky.graph.block", TID, missing("subject")),
        ("app.bsky.graph.follow", TID, missing("subject")),
        ("app.bsky.graph.list", TID, missing("name")),
        ("app.bsky.graph.listblock", TID, missing("subject")),
        ("app.bsky.graph.listitem", TID, missing("list")),
        ("app.bsky.graph.starterpack", TID, missing("list")),
        ("app.bsky.graph.verification", TID, missing("handle")),
        ("app.bsky.labeler.service", "self", missing("policies")),
        ("app.bsky.notification.declaration", "self", missing("allowSubscriptions")),
        ("chat.bsky.actor.declaration", "self", missing("allowIncoming")),
        ("com.atproto.lexicon.schema", "com.example.note", missing("lexicon")),
        ("com.germnetwork.declaration", "self", missing("version")),
    ];
    assert_eq!(table.len(), 20);
    for (collection, rkey, reason) in table {
        let answer = write(&client, CREATE, (collection, rkey), &json!(true), json!({}));
        match reason {
            None => assert_eq!(answer.json(200)["validationStatus"], "valid"),
            Some(reason) => {
                let message = format!("Invalid {collection} record: {reason}");
                answer.refuses(400, "InvalidRequest", &message);
            }
        }
    }
}

#[test]
fn validation_error_names_the_path_and_the_rule() {
    let client = Client::new();
    let image = |mime: &str, size: u64| {
        json!({ "$type": "app.bsky.embed.images", "images": [{ "alt": "", "image": {
            "$type": "blob", "mimeType": mime, "size": size,
            "ref": { "$link": IMAGE } } }] })
    };
    let post = |cid| json!({ "uri": "at://a.example/app.bsky.feed.post/a", "cid": cid });
    let reply = json!({ "root": post(IMAGE), "parent": post("no") });
    let did = "must be a valid did";
    let table = [
        ("text", json!("a".repeat(3001)), "text must not be longer than 3000 characters"),
        ("text", json!("a".repeat(301)), "text must not be longer than 300 graphemes"),
        ("text", json!(7), "text must be a string"),
        ("langs", json!(["de", "en", "fr", "nl"]), "langs must not have more than 3 elements"),
        ("langs", json!(["de", "x_y"]), "langs/1 must be a well-formed BCP 47 language tag"),
        (
            "createdAt",
            json!("2026-01-01T00:00:00"),
            "createdAt must be an valid atproto datetime (both RFC-3339 and ISO-8601)",
        ),
        (
            "createdAt",
            json!("2026-13-01T00:00:00Z"),
            "createdAt must be an valid atproto datetime (both RFC-3339 and ISO-8601)",
        ),
        ("embed", image("text/html", 1), "embed/images/0/image must be of type image/*"),
        (
            "embed",
            image("image/png", 2_000_001),
            "embed/images/0/image must not be larger than 2000000 bytes",
        ),
        ("embed", json!({}), "embed must be an object which includes the \"$type\" property"),
        ("reply", reply, "reply/parent/cid must be a cid string"),
        (
            "facets",
            json!([{ "index": { "byteStart": 0, "byteEnd": 1 }, "features": [
                { "$type": "app.bsky.richtext.facet#mention", "did": "alice" }] }]),
            &format!("facets/0/features/0/did {did}"),
        ),
        (
            "facets",
            json!([{ "index": { "byteStart": -1, "byteEnd": 1 }, "features": [] }]),
            "facets/0/index/byteStart can not be less than 0",
        ),
    ];
    for (name, value, reason) in table {
        let mut record = json!({ "text": "hello", "createdAt": AT });
        record[name] = value;
        let answer = write(&client, CREATE, (POST, TID), &Value::Null, record);
        let message = format!("Invalid {POST} record: Record/{reason}");
        answer.refuses(400, "InvalidRequest", &message);
    }
}

#[test]
fn record_key_must_match_the_schema() {
    let client = Client::new();
    let profile = json!({ "displayName": "Alice" });
    let post = json!({ "text": "hello", "createdAt": AT });
    let schema = json!({ "lexicon": 1 });
    let table = [
        ((PROFILE, TID), profile, "the key must be self"),
        ((POST, "self"), post, "the key must be a TID"),
        (("com.atproto.lexicon.schema", "self"), schema, "the key must be an NSID"),
    ];
    for ((collection, rkey), record, rule) in table {
        for to in [CREATE, PUT] {
            let message = format!("Invalid record key for {collection}: {rule}");
            let answer = write(&client, to, (collection, rkey), &Value::Null, record.clone());
            answer.refuses(400, "InvalidRequest", &message);
        }
    }
    // A generated key is a TID, which is not valid for a profile.
    let input = json!({ "repo": DID, "collection": PROFILE, "record": {} });
    let message = format!("Invalid record key for {PROFILE}: the key must be self");
    client.post(CREATE, &input).refuses(400, "InvalidRequest", &message);
}

#[test]
fn fields_and_embeds_unknown_to_the_schema_are_kept() {
    let client = Client::new();
    let record = json!({ "$type": POST, "text": "hello", "createdAt": AT, "mood": { "deep": [1] },
        "embed": { "$type": "com.example.embed", "any": true } });
    let written = write(&client, CREATE, (POST, TID), &json!(true), record.clone()).json(200);
    assert_eq!(written["validationStatus"], "valid");
    let query = format!("repo={DID}&collection={POST}&rkey={TID}");
    let read = client.query("com.atproto.repo.getRecord", &query).json(200);
    assert_eq!(read["value"], record);
}

#[test]
fn legacy_blobs_are_refused_with_any_validate_option() {
    let client = Client::new();
    let record = json!({ "avatar": { "cid": IMAGE, "mimeType": "image/png" } });
    for path in [(PROFILE, "self"), (NOTE, TID)] {
        for validate in [Value::Null, json!(false)] {
            write(&client, PUT, path, &validate, record.clone()).refuses(
                400,
                "InvalidRequest",
                &format!("Legacy blobs are not allowed ({IMAGE})"),
            );
        }
    }
}

#[test]
fn put_of_an_unchanged_record_is_still_validated() {
    let client = Client::new();
    let bad = json!({ "text": "hello" });
    write(&client, PUT, (POST, TID), &json!(false), bad.clone()).json(200);
    let again = write(&client, PUT, (POST, TID), &json!(false), bad.clone()).json(200);
    assert_eq!(again.get("commit"), None);
    let message = format!("Invalid {POST} record: Record must have the property \"createdAt\"");
    write(&client, PUT, (POST, TID), &Value::Null, bad).refuses(400, "InvalidRequest", &message);
}
