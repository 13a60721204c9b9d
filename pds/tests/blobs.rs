//! Blobs: uploads, references, listing, downloads and removal.

#![allow(clippy::std_instead_of_alloc, clippy::unwrap_used, reason = "all of this is test code")]

mod client;

use core::pin::pin;
use core::task::{Context, Poll, Waker};

use client::{Client, DID, NOTE, PASSWORD, request};
use nacre_pds::Reply;
use nacre_pds::body::Body;
use nacre_pds::dev::{Memory, account, block_on};
use serde_json::{Value, json};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR and so on";
const DAY_S: i64 = 86_400;

#[test]
fn upload_returns_a_blob_reference() {
    let client = Client::new();
    let blob = client.upload("image/png", PNG);
    assert_eq!(blob["$type"], "blob");
    assert_eq!(blob["mimeType"], "image/png");
    assert_eq!(blob["size"], PNG.len());
    assert!(blob["ref"]["$link"].as_str().unwrap().starts_with("bafkrei"), "{blob}");
    assert_eq!(client.upload("image/png", PNG), blob, "the same bytes are the same blob");
    assert_eq!(client.row_counts()["blob"], 1);
}

#[test]
fn detected_type_overrides_the_declared_type() {
    let client = Client::new();
    for (declared, bytes, found) in [
        ("text/html", PNG, "image/png"),
        ("Text/X-Odd; charset=utf-8", b"nothing that is known".as_slice(), "text/x-odd"),
        ("*/*", b"nor this", "application/octet-stream"),
    ] {
        assert_eq!(client.upload(declared, bytes)["mimeType"], found);
    }
}

#[test]
fn blob_is_served_and_listed_only_once_a_record_refers_to_it() {
    let client = Client::new();
    let blob = client.upload("image/png", PNG);
    get(&client, &blob).refuses(400, "InvalidRequest", "Blob not found");
    assert_eq!(listed(&client, ""), Vec::<String>::new());

    write(&client, "a", &[&blob]);
    let answer = get(&client, &blob);
    assert_eq!((answer.status, answer.body.as_slice()), (200, PNG));
    for (name, value) in [
        ("content-type", "image/png"),
        ("content-length", "26"),
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "default-src 'none'; sandbox"),
        ("content-disposition", &format!("attachment; filename=\"{}\"", cid(&blob))),
        ("etag", &format!("\"{}\"", cid(&blob))),
        ("cache-control", "public, max-age=31536000, immutable"),
        ("access-control-allow-origin", "*"),
    ] {
        assert_eq!(answer.headers[name], value, "{name}");
    }
    assert_eq!(listed(&client, ""), [cid(&blob)]);
    client::verify(&client);
}

#[test]
fn get_blob_supports_range_head_and_conditional_requests() {
    let client = Client::new();
    let blob = client.upload("image/png", PNG);
    write(&client, "a", &[&blob]);
    let part = |verb: &str, name: &str, value: &str| {
        let mut request = request(verb, &blob_path(&blob), None, Body::Empty);
        let name: http::HeaderName = name.parse().unwrap();
        request.headers_mut().insert(name, value.parse().unwrap());
        client.send(request)
    };
    let answer = part("GET", "range", "bytes=1-3");
    assert_eq!((answer.status, answer.body.as_slice()), (206, b"PNG".as_slice()));
    assert_eq!(answer.headers["content-range"], "bytes 1-3/26");
    assert_eq!(answer.headers["content-length"], "3");
    let answer = part("GET", "range", "bytes=26-");
    assert_eq!((answer.status, answer.body.len()), (416, 0));
    assert_eq!(answer.headers["content-range"], "bytes */26");
    let answer = part("HEAD", "range", "bytes=0-");
    assert_eq!((answer.status, answer.body.len()), (206, 0));
    assert_eq!(answer.headers["content-length"], "26");
    let answer = part("GET", "if-none-match", &format!("W/\"{}\"", cid(&blob)));
    assert_eq!((answer.status, answer.body.len()), (304, 0));
}

#[test]
fn get_blob_refuses_an_invalid_cid_or_unknown_did() {
    let client = Client::new();
    for query in [&format!("did={DID}&cid=beans"), &format!("did={DID}&cid=")] {
        let answer = client.query("com.atproto.sync.getBlob", query);
        assert_eq!(answer.status, 400, "{query}");
    }
    let answer = client.query("com.atproto.sync.getBlob", "did=did:web:other.test&cid=beans");
    answer.refuses(400, "RepoNotFound", "Could not find repo for DID: did:web:other.test");
}

#[test]
fn record_must_match_the_cid_type_and_size_of_a_stored_blob() {
    let client = Client::new();
    let blob = client.upload("image/png", PNG);
    let before = (client.head(), client.row_counts());
    for (key, value, name, message) in [
        (
            "ref",
            json!({ "$link": "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku" }),
            "BlobNotFound",
            "Could not find blob: bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku",
        ),
        (
            "mimeType",
            json!("image/jpeg"),
            "InvalidMimeType",
            "Referenced Mimetype does not match stored blob. Expected: image/png, Got: image/jpeg",
        ),
        (
            "size",
            json!(7),
            "InvalidSize",
            "Referenced Size does not match stored blob. Expected: 26, Got: 7",
        ),
    ] {
        let mut other = blob.clone();
        other[key] = value;
        let record = note(&[&other]);
        client.create(NOTE, "a", record).refuses(400, name, message);
    }
    assert_eq!(before, (client.head(), client.row_counts()));
}

#[test]
fn blob_is_removed_a_day_after_its_last_reference() {
    let client = Client::new();
    let blob = client.upload("image/png", PNG);
    write(&client, "a", &[&blob]);
    write(&client, "b", &[&blob, &blob]);
    client.delete(NOTE, "a").json(200);
    assert_eq!(get(&client, &blob).status, 200, "another record refers to it");
    client.put(NOTE, "b", note(&[])).json(200);
    get(&client, &blob).refuses(400, "InvalidRequest", "Blob not found");
    client::verify(&client);

    let alarm_s = client.host.alarm_s().unwrap();
    client.host.move_clock(DAY_S - 1);
    block_on(client.pds.run_due_work());
    assert_eq!(client.host.blobs().borrow().len(), 1, "not due yet");
    assert_eq!(client.host.alarm_s(), Some(alarm_s + 59), "retried a minute later");
    client.host.move_clock(1);
    block_on(client.pds.run_due_work());
    assert_eq!(client.host.blobs().borrow().len(), 0);
    assert_eq!((client.row_counts()["blob"], client.row_counts()["blob_ref"]), (0, 0));
    assert_eq!(client.host.take_log(), Vec::<String>::new());
}

#[test]
fn blob_that_moves_to_another_record_is_kept() {
    let client = Client::new();
    let blob = client.upload("image/png", PNG);
    write(&client, "a", &[&blob]);
    let writes = json!({ "repo": DID, "writes": [
        { "$type": "com.atproto.repo.applyWrites#delete", "collection": NOTE, "rkey": "a" },
        {
            "$type": "com.atproto.repo.applyWrites#create",
            "collection": NOTE, "rkey": "b", "value": note(&[&blob]),
        },
    ] });
    client.post("com.atproto.repo.applyWrites", &writes).json(200);
    assert_eq!(get(&client, &blob).status, 200);
    client::verify(&client);
    client.host.move_clock(2 * DAY_S);
    block_on(client.pds.run_due_work());
    assert_eq!(get(&client, &blob).status, 200);
}

#[test]
fn blob_referenced_or_uploaded_again_while_others_are_removed_is_kept() {
    let mut client = Client::new();
    let bytes = |number: usize| vec![u8::try_from(number).unwrap(); 9];
    let upload = |number| client.upload("application/x-test", &bytes(number));
    let blobs: Vec<_> = (0..3).map(upload).collect();
    client.host.move_clock(DAY_S);
    client.sign_in();
    let mut due_work = pin!(client.pds.run_due_work());
    let mut context = Context::from_waker(Waker::noop());
    assert_eq!(
        due_work.as_mut().poll(&mut context),
        Poll::Pending,
        "the first removal is in flight"
    );
    let stored = client.host.blobs();
    let is_stored = |blob: &Value| stored.borrow().keys().any(|key| key.to_string() == cid(blob));
    let (left, removed): (Vec<_>, Vec<_>) = (0..3).partition(|number| is_stored(&blobs[*number]));
    assert_eq!((left.len(), removed.len()), (2, 1));

    let first = &blobs[removed[0]];
    let message = format!("Could not find blob: {}", cid(first));
    client.create(NOTE, "a", note(&[first])).refuses(400, "BlobNotFound", &message);
    let again = client.upload_as(&client.access, "application/x-test", &bytes(removed[0]));
    again.refuses(503, "ServiceUnavailable", "the same blob is being removed; upload it again");
    write(&client, "b", &[&blobs[left[0]]]);
    // Another upload keeps it for another day.
    client.upload("application/x-test", &bytes(left[1]));
    block_on(due_work);
    assert_eq!(get(&client, &blobs[left[0]]).status, 200);
    write(&client, "c", &[&blobs[left[1]]]);
    assert_eq!(get(&client, &blobs[left[1]]).body, bytes(left[1]));
    client::verify(&client);
}

#[test]
fn upload_whose_bytes_are_not_stored_fails_and_registers_no_blob() {
    let client = Client::new();
    let blob = client.upload("image/png", PNG);
    write(&client, "a", &[&blob]);
    for (bytes, referred) in [(b"nobody's".as_slice(), false), (PNG, true)] {
        let path = "/xrpc/com.atproto.repo.uploadBlob";
        let body = Body::from(bytes.to_vec());
        let asked = client.pds.handle(request("POST", path, Some(&client.access), body), None);
        let Reply::Upload(upload) = block_on(asked) else { panic!("an upload") };
        let mut intake = upload.intake();
        intake.take(bytes).unwrap();
        let received = intake.finish();
        client.host.blobs().borrow_mut().remove(&received.cid);
        let response = block_on(client.pds.keep_blob(upload, &received));
        assert_eq!(response.status(), 503);
        let audit = block_on(client.pds.audit()).unwrap();
        assert_eq!(audit.faults, Vec::<String>::new(), "{referred}");
        assert_eq!(client.row_counts()["blob"], i64::from(!referred));
    }
    // The blob can be uploaded again.
    client.upload("image/png", PNG);
    assert_eq!(get(&client, &blob).body, PNG);
    client::verify(&client);
}

#[test]
fn list_blobs_paginates_and_filters_by_rev() {
    let client = Client::new();
    let mut all = Vec::new();
    let mut revs = vec![client.head().1];
    for number in 0..5_u8 {
        let blob = client.upload("application/x-test", &[number; 4]);
        write(&client, &format!("r{number}"), &[&blob]);
        all.push(cid(&blob).to_owned());
        revs.push(client.head().1);
    }
    assert_eq!(listed(&client, &format!("&since={}", revs[4])), all[4..]);
    all.sort();
    assert_eq!(listed(&client, ""), all);
    let mut found = Vec::new();
    let mut cursor = String::new();
    loop {
        let query = format!("did={DID}&limit=2{cursor}");
        let page = client.query("com.atproto.sync.listBlobs", &query).json(200);
        let cids = page["cids"].as_array().unwrap().iter();
        found.extend(cids.map(|cid| cid.as_str().unwrap().to_owned()));
        let Some(next) = page["cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(found, all);
}

#[test]
fn inactive_account_accepts_uploads_but_serves_no_blobs() {
    let host = Memory::new(7);
    let mut config = account(&host, PASSWORD);
    config.initial_active = false;
    let mut client = Client::with_config(host, config);
    client.sign_in();
    let blob = client.upload("image/png", PNG);
    let answer = get(&client, &blob);
    answer.refuses(400, "RepoDeactivated", &format!("Repo has been deactivated: {DID}"));
}

#[test]
fn invalid_upload_is_refused_before_its_body_is_read() {
    let client = Client::new();
    let send = |change: &dyn Fn(&mut http::HeaderMap)| {
        let path = "/xrpc/com.atproto.repo.uploadBlob";
        let mut request = request("POST", path, Some(&client.access), Body::from("bytes"));
        change(request.headers_mut());
        client.send(request)
    };
    let answer = send(&|headers| {
        headers.insert("content-length", (100 * 1024 * 1024 + 1).into());
    });
    answer.refuses(413, "PayloadTooLargeError", "request entity too large");
    let message = "Request encoding (Content-Type) required but not provided";
    let answer = send(&|headers| drop(headers.remove("content-type")));
    answer.refuses(400, "InvalidRequest", message);
    let answer = send(&|headers| {
        headers.insert("content-encoding", "zstd".parse().unwrap());
    });
    assert_eq!(answer.status, 415);
    let answer = send(&|headers| drop(headers.remove("authorization")));
    assert_eq!(answer.status, 401);
    assert_eq!(client.row_counts()["blob"], 0);
}

#[test]
fn empty_upload_creates_an_empty_blob() {
    let client = Client::new();
    let send = |body: Body, length: Option<u64>| {
        let path = "/xrpc/com.atproto.repo.uploadBlob";
        let mut request = request("POST", path, Some(&client.access), body);
        let headers = request.headers_mut();
        headers.insert("content-type", "text/plain".parse().unwrap());
        length.map(|length| headers.insert("content-length", length.into()));
        client.send(request)
    };
    let answer = send(Body::Empty, None);
    answer.refuses(400, "InvalidRequest", "A request body is expected but none was provided");
    let announced = send(Body::Empty, Some(0)).json(200)["blob"].clone();
    let streamed = send(client::cars::pieces(b"", 1, None), None).json(200)["blob"].clone();
    assert_eq!(announced, streamed);
    assert_eq!((&announced["size"], &announced["mimeType"]), (&json!(0), &json!("text/plain")));
    write(&client, "a", &[&announced]);
    assert_eq!(listed(&client, ""), [cid(&announced)]);
    let answer = get(&client, &announced);
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    assert_eq!(answer.headers["content-length"], "0");
    assert_eq!(answer.headers["content-type"], "text/plain");
    client::verify(&client);
}

#[test]
fn blob_upload_limit_is_configurable() {
    let host = Memory::new(7);
    let mut config = account(&host, PASSWORD);
    assert_eq!(config.blob_upload_limit, 100 * 1024 * 1024);
    config.blob_upload_limit = 10;
    let mut client = Client::with_config(host, config);
    client.sign_in();
    client.upload_as(&client.access, "text/plain", b"ten bytes.").json(200);
    let answer = client.upload_as(&client.access, "text/plain", b"eleven byte");
    answer.refuses(413, "PayloadTooLargeError", "request entity too large");
}

fn note(blobs: &[&Value]) -> Value {
    json!({ "$type": NOTE, "blobs": blobs })
}

fn write(client: &Client, rkey: &str, blobs: &[&Value]) {
    client.create(NOTE, rkey, note(blobs)).json(200);
}

fn cid(blob: &Value) -> &str {
    blob["ref"]["$link"].as_str().unwrap()
}

fn blob_path(blob: &Value) -> String {
    format!("/xrpc/com.atproto.sync.getBlob?did={DID}&cid={}", cid(blob))
}

fn get(client: &Client, blob: &Value) -> client::Answer {
    client.get(&blob_path(blob))
}

fn listed(client: &Client, query: &str) -> Vec<String> {
    let page = client.query("com.atproto.sync.listBlobs", &format!("did={DID}{query}")).json(200);
    page["cids"].as_array().unwrap().iter().map(|cid| cid.as_str().unwrap().to_owned()).collect()
}
