//! MIME types of blobs: precedence of the detected, declared and referenced types.

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

/// A server with these records imported.
fn imported(records: &[(&str, Value)]) -> Client {
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
fn blob_of_an_imported_record_takes_the_type_in_the_record() {
    for declared in ["*/*", "application/octet-stream", "text/html"] {
        let client = imported(&[(&format!("{NOTE}/a"), note(&blob(MARKDOWN, "text/markdown")))]);
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
fn blob_takes_the_type_of_the_first_record_that_names_one() {
    let legacy = json!({ "cid": raw_cid(PNG), "mimeType": "image/jpeg" });
    let client = imported(&[
        (&format!("{NOTE}/a"), note(&blob(MARKDOWN, "text/markdown"))),
        (&format!("{NOTE}/b"), note(&blob(MARKDOWN, "text/plain"))),
        (&format!("{NOTE}/c"), note(&legacy)),
    ]);
    client.upload("*/*", MARKDOWN);
    client.upload("*/*", PNG);
    assert_eq!(served_type(&client, MARKDOWN), "text/markdown");
    assert_eq!(served_type(&client, PNG), "image/jpeg");
    // An edit of any of them keeps its blob.
    let mut edited = note(&blob(MARKDOWN, "text/plain"));
    edited["text"] = json!("edited");
    client.put(NOTE, "b", edited).json(200);
    client::verify(&client);
}

#[test]
fn blob_of_unknown_type_takes_the_type_in_its_first_record() {
    let client = Client::new();
    client.upload("*/*", MARKDOWN);
    client.create(NOTE, "a", note(&blob(MARKDOWN, "text/markdown"))).json(200);
    assert_eq!(served_type(&client, MARKDOWN), "text/markdown");
    // The type is fixed from then on.
    let other = client.create(NOTE, "b", note(&blob(MARKDOWN, "text/plain")));
    refuses_type(&other, "text/markdown", "text/plain");
    client.create(NOTE, "b", note(&blob(MARKDOWN, "text/markdown"))).json(200);
    client::verify(&client);
}

#[test]
fn blob_uploaded_before_its_record_is_imported_takes_the_type_in_the_record() {
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
fn blob_of_a_record_without_a_type_takes_the_type_in_a_later_record() {
    let unnamed = json!({ "cid": raw_cid(MARKDOWN), "mimeType": "*/*" });
    let client = imported(&[(&format!("{NOTE}/a"), note(&unnamed))]);
    client.upload("*/*", MARKDOWN);
    client.create(NOTE, "b", note(&blob(MARKDOWN, "text/markdown"))).json(200);
    assert_eq!(served_type(&client, MARKDOWN), "text/markdown");
    client::verify(&client);
}

#[test]
fn blob_of_unknown_type_takes_a_type_from_an_edit_of_its_only_record() {
    let client = Client::new();
    let unknown = client.upload("*/*", MARKDOWN);
    client.create(NOTE, "a", note(&unknown)).json(200);
    client.put(NOTE, "a", note(&blob(MARKDOWN, "text/markdown"))).json(200);
    assert_eq!(served_type(&client, MARKDOWN), "text/markdown");
    // An edit does not decide while another record refers to the blob.
    let unknown = client.upload("*/*", b"plain");
    client.create(NOTE, "b", note(&unknown)).json(200);
    client.create(NOTE, "c", note(&unknown)).json(200);
    client.put(NOTE, "b", note(&blob(b"plain", "text/plain"))).json(200);
    assert_eq!(served_type(&client, b"plain"), "application/octet-stream");
    client::verify(&client);
}

#[test]
fn record_with_a_wrong_blob_type_is_refused() {
    let client = Client::new();
    client.upload("text/plain", PNG);
    let wrong = client.create(NOTE, "a", note(&blob(PNG, "image/jpeg")));
    refuses_type(&wrong, "image/png", "image/jpeg");
    client.create(NOTE, "a", note(&blob(PNG, "image/png"))).json(200);
}

fn refuses_type(answer: &Answer, expected: &str, got: &str) {
    let message =
        format!("Referenced Mimetype does not match stored blob. Expected: {expected}, Got: {got}");
    answer.refuses(400, "InvalidMimeType", &message);
}

#[test]
fn edit_keeps_a_blob_whose_imported_type_is_wrong() {
    // The blob has a detected type before the import, which does not change it.
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
    let mut correct = note(&blob(PNG, "image/png"));
    correct["text"] = json!("again");
    client.put(NOTE, "a", correct).json(200);
    client.put(NOTE, "a", edited).json(200);
    // A newly wrong size is refused.
    let mut wrong = blob(PNG, "image/png");
    wrong["size"] = json!(7);
    assert_eq!(client.put(NOTE, "a", note(&wrong)).json(400)["error"], "InvalidSize");
    client::verify(&client);
}

#[test]
fn unreferenced_blob_takes_the_newest_declared_type() {
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
    let client = imported(&[(&format!("{PROFILE}/self"), profile.clone())]);
    let mut edited = value(&client, PROFILE, "self");
    assert_eq!(edited, profile);
    edited["displayName"] = json!("Alice");
    // The size is unknown until the blob is uploaded.
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
fn records_with_legacy_blobs_can_be_updated_but_not_created() {
    let legacy = json!({ "cid": raw_cid(PNG), "mimeType": "image/png" });
    let old = json!({ "$type": NOTE, "images": [{ "image": legacy }, { "image": legacy }] });
    let client =
        imported(&[(&format!("{NOTE}/a"), old.clone()), (&format!("{NOTE}/b"), old.clone())]);
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
fn legacy_avatar_without_a_usable_type_takes_that_of_the_stored_blob() {
    for named in ["*/*", "", "png", "image/*"] {
        let legacy = json!({ "cid": raw_cid(PNG), "mimeType": named });
        let profile = json!({ "$type": PROFILE, "avatar": legacy });
        let client = imported(&[(&format!("{PROFILE}/self"), profile)]);
        client.upload("*/*", PNG);
        let mut edited = value(&client, PROFILE, "self");
        edited["displayName"] = json!("Alice");
        client.put(PROFILE, "self", edited).json(200);
        assert_eq!(value(&client, PROFILE, "self")["avatar"], blob(PNG, "image/png"), "{named}");
        client::verify(&client);
    }
}

#[test]
fn profile_can_keep_but_not_gain_an_avatar_that_violates_the_schema() {
    let large = [PNG, &vec![0; 1_000_000]].concat();
    for (bytes, named) in [(PNG, "image/webp"), (PNG, "*/*"), (&large[..], "image/png")] {
        let profile = json!({ "$type": PROFILE, "avatar": blob(bytes, named) });
        let client = imported(&[(&format!("{PROFILE}/self"), profile.clone())]);
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
        // The rest of the record is still validated.
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
