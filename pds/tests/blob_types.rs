//! The type of a blob: what its upload says, what its records say, and who has the last word.

#![allow(clippy::std_instead_of_alloc, clippy::unwrap_used, reason = "all of this is test code")]

mod client;

use client::cars::{import, repository};
use client::{Answer, Client, DID, NOTE};
use nacre_lexicon::to_cbor;
use serde_json::{Value, json};

const PROFILE: &str = "app.bsky.actor.profile";
const MARKDOWN: &[u8] = b"# Nacre\n";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR";

fn raw_cid(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    nacre_pds::blobs::raw_cid(&sha2::Sha256::digest(bytes).into()).to_string()
}

fn blob(bytes: &[u8], mime_type: &str) -> Value {
    let (link, size) = (raw_cid(bytes), bytes.len());
    json!({ "$type": "blob", "ref": { "$link": link }, "mimeType": mime_type, "size": size })
}

fn note(blob: &Value) -> Value {
    json!({ "$type": NOTE, "blob": blob })
}

/// A server into which these records were imported.
fn moved_in(records: &[(&str, Value)]) -> Client {
    let client = Client::new();
    let records: Vec<_> = records
        .iter()
        .map(|(path, record)| (*path, to_cbor(&record.to_string()).unwrap()))
        .collect();
    let records: Vec<_> = records.iter().map(|(path, bytes)| (*path, &bytes[..])).collect();
    client.deactivate();
    import(&client, &repository(&records)).succeeds();
    client.activate();
    client
}

fn served_type(client: &Client, bytes: &[u8]) -> String {
    let path = format!("/xrpc/com.atproto.sync.getBlob?did={DID}&cid={}", raw_cid(bytes));
    let answer = client.get(&path);
    assert_eq!((answer.status, &answer.body[..]), (200, bytes));
    answer.headers["content-type"].to_str().unwrap().to_owned()
}

fn value(client: &Client, collection: &str, rkey: &str) -> Value {
    let params = format!("repo={DID}&collection={collection}&rkey={rkey}");
    client.query("com.atproto.repo.getRecord", &params).json(200)["value"].clone()
}

#[test]
fn blob_of_an_imported_record_gets_the_type_that_the_record_says() {
    for declared in ["*/*", "application/octet-stream", "text/html"] {
        let client = moved_in(&[(&format!("{NOTE}/a"), note(&blob(MARKDOWN, "text/markdown")))]);
        let answer = client.upload_as(&client.access, declared, MARKDOWN).json(200);
        assert_eq!(answer["blob"]["mimeType"], "text/markdown", "{declared}");
        assert_eq!(served_type(&client, MARKDOWN), "text/markdown");
        let mut edited = note(&blob(MARKDOWN, "text/markdown"));
        edited["text"] = json!("edited");
        client.put(NOTE, "a", edited).json(200);
        client::verify(&client);
    }
}

#[test]
fn first_record_that_names_a_type_decides_among_several() {
    let legacy = json!({ "cid": raw_cid(PNG), "mimeType": "image/jpeg" });
    let client = moved_in(&[
        (&format!("{NOTE}/a"), note(&blob(MARKDOWN, "text/markdown"))),
        (&format!("{NOTE}/b"), note(&blob(MARKDOWN, "text/plain"))),
        (&format!("{NOTE}/c"), note(&legacy)),
    ]);
    client.upload("*/*", MARKDOWN);
    client.upload("*/*", PNG);
    assert_eq!(served_type(&client, MARKDOWN), "text/markdown");
    assert_eq!(served_type(&client, PNG), "image/jpeg");
    // Whichever of them is edited, its blob stays.
    let mut edited = note(&blob(MARKDOWN, "text/plain"));
    edited["text"] = json!("edited");
    client.put(NOTE, "b", edited).json(200);
    client::verify(&client);
}

#[test]
fn blob_of_unknown_type_gets_the_type_of_its_first_record() {
    let client = Client::new();
    client.upload("*/*", MARKDOWN);
    client.create(NOTE, "a", note(&blob(MARKDOWN, "text/markdown"))).json(200);
    assert_eq!(served_type(&client, MARKDOWN), "text/markdown");
    // From then on it has one.
    let other = client.create(NOTE, "b", note(&blob(MARKDOWN, "text/plain")));
    refuses_type(&other, "text/markdown", "text/plain");
    client.create(NOTE, "b", note(&blob(MARKDOWN, "text/markdown"))).json(200);
    client::verify(&client);
}

#[test]
fn blob_uploaded_before_its_record_is_imported_gets_the_type_that_the_record_says() {
    let client = Client::new();
    for declared in ["*/*", "application/octet-stream"] {
        let bytes = declared.as_bytes();
        assert_eq!(client.upload(declared, bytes)["mimeType"], "application/octet-stream");
        client.deactivate();
        let record = to_cbor(&note(&blob(bytes, "text/markdown")).to_string()).unwrap();
        import(&client, &repository(&[(&format!("{NOTE}/a"), &record)])).succeeds();
        client.activate();
        assert_eq!(served_type(&client, bytes), "text/markdown");
        client.create(NOTE, "b", note(&blob(bytes, "text/markdown"))).json(200);
    }
    client::verify(&client);
}

#[test]
fn blob_whose_records_name_no_type_gets_it_from_the_first_that_does() {
    let unnamed = json!({ "cid": raw_cid(MARKDOWN), "mimeType": "*/*" });
    let client = moved_in(&[(&format!("{NOTE}/a"), note(&unnamed))]);
    client.upload("*/*", MARKDOWN);
    client.create(NOTE, "b", note(&blob(MARKDOWN, "text/markdown"))).json(200);
    assert_eq!(served_type(&client, MARKDOWN), "text/markdown");
    client::verify(&client);
}

#[test]
fn blob_of_unknown_type_gets_a_type_when_its_only_record_is_edited() {
    let client = Client::new();
    let unknown = client.upload("*/*", MARKDOWN);
    client.create(NOTE, "a", note(&unknown)).json(200);
    client.put(NOTE, "a", note(&blob(MARKDOWN, "text/markdown"))).json(200);
    assert_eq!(served_type(&client, MARKDOWN), "text/markdown");
    // Another record that says otherwise has a say too.
    let unknown = client.upload("*/*", b"plain");
    client.create(NOTE, "b", note(&unknown)).json(200);
    client.create(NOTE, "c", note(&unknown)).json(200);
    client.put(NOTE, "b", note(&blob(b"plain", "text/plain"))).json(200);
    assert_eq!(served_type(&client, b"plain"), "application/octet-stream");
    client::verify(&client);
}

#[test]
fn record_that_lies_about_a_type_is_refused() {
    let client = Client::new();
    client.upload("text/plain", PNG);
    let lie = client.create(NOTE, "a", note(&blob(PNG, "image/jpeg")));
    refuses_type(&lie, "image/png", "image/jpeg");
    client.create(NOTE, "a", note(&blob(PNG, "image/png"))).json(200);
}

fn refuses_type(answer: &Answer, expected: &str, got: &str) {
    let message =
        format!("Referenced Mimetype does not match stored blob. Expected: {expected}, Got: {got}");
    answer.refuses(400, "InvalidMimeType", &message);
}

#[test]
fn record_keeps_its_blob_through_an_edit_whatever_type_it_said() {
    // The blob was here first, so that nothing was said of it when it came.
    let client = Client::new();
    client.upload("text/plain", PNG);
    client.deactivate();
    let record = note(&json!([blob(PNG, "image/jpeg"), blob(PNG, "image/jpeg")]));
    let bytes = to_cbor(&record.to_string()).unwrap();
    import(&client, &repository(&[(&format!("{NOTE}/a"), &bytes)])).succeeds();
    client.activate();
    let mut edited = record.clone();
    edited["text"] = json!("edited");
    client.put(NOTE, "a", edited.clone()).json(200);
    let mut honest = note(&blob(PNG, "image/png"));
    honest["text"] = json!("again");
    client.put(NOTE, "a", honest).json(200);
    client.put(NOTE, "a", edited).json(200);
    // A size that is wrong now and was not before is refused.
    let mut wrong = blob(PNG, "image/png");
    wrong["size"] = json!(7);
    assert_eq!(client.put(NOTE, "a", note(&wrong)).json(400)["error"], "InvalidSize");
    client::verify(&client);
}

#[test]
fn blob_without_references_takes_the_newer_declared_type() {
    let client = Client::new();
    for (declared, kept) in [
        ("text/plain", "text/plain"),
        ("text/markdown", "text/markdown"),
        ("*/*", "text/markdown"),
        ("application/octet-stream", "text/markdown"),
        ("text/x-rust", "text/x-rust"),
    ] {
        assert_eq!(client.upload(declared, MARKDOWN)["mimeType"], kept, "{declared}");
    }
    client.create(NOTE, "a", note(&blob(MARKDOWN, "text/x-rust"))).json(200);
    assert_eq!(client.upload("text/plain", MARKDOWN)["mimeType"], "text/x-rust");
    assert_eq!(served_type(&client, MARKDOWN), "text/x-rust");
}

#[test]
fn legacy_avatar_becomes_a_typed_blob_when_the_profile_is_edited() {
    let legacy = json!({ "cid": raw_cid(PNG), "mimeType": "image/jpeg" });
    let profile = json!({ "$type": PROFILE, "avatar": legacy });
    let client = moved_in(&[(&format!("{PROFILE}/self"), profile.clone())]);
    let mut edited = value(&client, PROFILE, "self");
    assert_eq!(edited, profile);
    edited["displayName"] = json!("Alice");
    // Without the blob there is no size to write.
    let message = format!("Legacy blobs are not allowed ({})", raw_cid(PNG));
    client.put(PROFILE, "self", edited.clone()).refuses(400, "InvalidRequest", &message);
    client.upload("*/*", PNG);
    client.put(PROFILE, "self", edited).json(200);
    let avatar = &value(&client, PROFILE, "self")["avatar"];
    assert_eq!(*avatar, blob(PNG, "image/jpeg"));
    assert_eq!(served_type(&client, PNG), "image/jpeg");
    client::verify(&client);
}

#[test]
fn any_record_with_legacy_blobs_can_be_updated_and_none_created() {
    let legacy = json!({ "cid": raw_cid(PNG), "mimeType": "image/png" });
    let old = json!({ "$type": NOTE, "images": [{ "image": legacy }, { "image": legacy }] });
    let client =
        moved_in(&[(&format!("{NOTE}/a"), old.clone()), (&format!("{NOTE}/b"), old.clone())]);
    client.upload("*/*", PNG);
    let message = format!("Legacy blobs are not allowed ({})", raw_cid(PNG));
    client.create(NOTE, "c", old.clone()).refuses(400, "InvalidRequest", &message);
    let method = "com.atproto.repo.applyWrites";
    let mut edited = old.clone();
    edited["text"] = json!("edited");
    let write = |action: &str, rkey: &str| {
        json!({ "$type": format!("{method}#{action}"), "collection": NOTE, "rkey": rkey,
            "value": edited })
    };
    let batch = |write: Value| client.post(method, &json!({ "repo": DID, "writes": [write] }));
    batch(write("create", "c")).refuses(400, "InvalidRequest", &message);
    batch(write("update", "a")).json(200);
    client.put(NOTE, "b", edited.clone()).json(200);
    for rkey in ["a", "b"] {
        let images = &value(&client, NOTE, rkey)["images"];
        assert_eq!(
            *images,
            json!([{ "image": blob(PNG, "image/png") }, { "image": blob(PNG, "image/png") }])
        );
    }
    client::verify(&client);
}

#[test]
fn legacy_avatar_without_a_usable_type_gets_that_of_the_stored_blob() {
    for named in ["*/*", "", "png", "image/*"] {
        let legacy = json!({ "cid": raw_cid(PNG), "mimeType": named });
        let profile = json!({ "$type": PROFILE, "avatar": legacy });
        let client = moved_in(&[(&format!("{PROFILE}/self"), profile)]);
        client.upload("*/*", PNG);
        let mut edited = value(&client, PROFILE, "self");
        edited["displayName"] = json!("Alice");
        client.put(PROFILE, "self", edited).json(200);
        assert_eq!(value(&client, PROFILE, "self")["avatar"], blob(PNG, "image/png"), "{named}");
        client::verify(&client);
    }
}

#[test]
fn profile_keeps_an_imported_avatar_that_the_schema_refuses_and_gets_no_new_one() {
    let large = [PNG, &vec![0; 1_000_000]].concat();
    for (bytes, named) in [(PNG, "image/webp"), (PNG, "*/*"), (&large[..], "image/png")] {
        let profile = json!({ "$type": PROFILE, "avatar": blob(bytes, named) });
        let client = moved_in(&[(&format!("{PROFILE}/self"), profile.clone())]);
        client.upload("*/*", bytes);
        let mut edited = profile.clone();
        edited["displayName"] = json!("Alice");
        client.put(PROFILE, "self", edited.clone()).json(200);
        edited["displayName"] = json!("Bob");
        let method = "com.atproto.repo.applyWrites";
        let update = json!({ "$type": format!("{method}#update"), "collection": PROFILE,
            "rkey": "self", "value": edited });
        client.post(method, &json!({ "repo": DID, "writes": [update] })).json(200);
        assert_eq!(value(&client, PROFILE, "self"), edited);
        // Everything else is held against the schema still.
        let mut wrong = edited.clone();
        wrong["displayName"] = json!(7);
        assert_eq!(client.put(PROFILE, "self", wrong).status, 400, "{named}");
        client.upload("image/webp", b"other");
        edited["avatar"] = blob(b"other", "image/webp");
        assert_eq!(client.put(PROFILE, "self", edited).status, 400, "{named}");
        client.delete(PROFILE, "self").json(200);
        assert_eq!(client.create(PROFILE, "self", profile).status, 400, "{named}");
        client::verify(&client);
    }
}
