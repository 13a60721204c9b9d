//! Writes of records, and reads of what was written.

#![allow(clippy::std_instead_of_alloc, clippy::unwrap_used, reason = "all of this is test code")]

mod client;

use client::{Answer, Client, DID, NOTE, a_note};
use nacre_pds::body::Body;
use serde_json::{Value, json};

const CREATE: &str = "com.atproto.repo.createRecord";
const PUT: &str = "com.atproto.repo.putRecord";
const DELETE: &str = "com.atproto.repo.deleteRecord";
const PROFILE: &str = "app.bsky.actor.profile";

impl Client {
    fn get_record(&self, collection: &str, rkey: &str) -> Answer {
        self.query(
            "com.atproto.repo.getRecord",
            &format!("repo={DID}&collection={collection}&rkey={rkey}"),
        )
    }

    /// Lists a collection page by page; returns the record keys.
    fn list(&self, limit: usize, reverse: bool) -> Vec<String> {
        let mut rkeys = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = self
                .query(
                    "com.atproto.repo.listRecords",
                    &format!(
                        "repo={DID}&collection={NOTE}&limit={limit}&reverse={reverse}{cursor}"
                    ),
                )
                .json(200);
            for record in page["records"].as_array().unwrap() {
                let uri = record["uri"].as_str().unwrap();
                rkeys.push(uri.rsplit_once('/').unwrap().1.to_owned());
            }
            match page["cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return rkeys,
            }
        }
    }
}

#[test]
fn record_is_returned_as_written() {
    let client = Client::new();
    let record = json!({
        "text": "Grüße 👋", "langs": ["de"], "n": 1, "nested": { "b": [], "a": null },
        "link": { "$link": "bafyreie5737gdxlw5i64vzichcalba3z2v5n6icifvx5xytvske7mr3hpm" },
        "bytes": { "$bytes": "AQID" },
    });
    let written = client.create(NOTE, "3jui7kd54zh2y", record.clone()).json(200);
    assert_eq!(written["uri"], format!("at://{DID}/{NOTE}/3jui7kd54zh2y"));
    assert_eq!(written["validationStatus"], "unknown");
    let (head, rev) = client.head();
    assert_eq!(written["commit"], json!({ "cid": head, "rev": rev }));

    let read = client.get_record(NOTE, "3jui7kd54zh2y").json(200);
    let mut expected = record;
    expected["$type"] = NOTE.into();
    assert_eq!(read["value"], expected);
    assert_eq!(read["cid"], written["cid"]);
    assert_eq!(read["uri"], written["uri"]);
}

#[test]
fn create_without_an_rkey_generates_a_tid() {
    let client = Client::new();
    let mut last = String::new();
    for _ in 0..3 {
        let input = json!({ "repo": "alice.test", "collection": NOTE, "record": a_note("x") });
        let written = client.post(CREATE, &input).json(200);
        let uri = written["uri"].as_str().unwrap().to_owned();
        assert!(nacre_syntax::Tid::parse(uri.rsplit_once('/').unwrap().1).is_ok());
        assert!(uri > last);
        last = uri;
    }
}

#[test]
fn invalid_create_is_refused_and_changes_nothing() {
    let client = Client::new();
    client.create(NOTE, "first", a_note("first")).json(200);
    let (head, _) = client.head();
    let with = |field: &str, value: Value| {
        let mut input =
            json!({ "repo": DID, "collection": NOTE, "rkey": "k", "record": a_note("x") });
        input[field] = value;
        client.post(CREATE, &input)
    };
    let invalid = |answer: Answer, message: &str| answer.refuses(400, "InvalidRequest", message);

    invalid(with("rkey", "".into()), "Invalid record key: ");
    invalid(with("rkey", "a/b".into()), "Invalid record key: a/b");
    invalid(with("rkey", "..".into()), "Invalid record key: ..");
    invalid(with("rkey", "first".into()), &format!("Record already exists: {NOTE}/first"));
    invalid(with("validate", true.into()), &format!("Unknown lexicon type: {NOTE}"));
    invalid(
        with("record", json!({ "$type": "app.bsky.feed.like" })),
        &format!("Invalid $type: expected {NOTE}, got app.bsky.feed.like"),
    );
    invalid(with("record", json!({ "n": 1.5 })), "numbers must be integers");
    invalid(with("record", json!({ "n": 9_007_199_254_740_992_i64 })), "integer out of range");
    invalid(with("swapCommit", "nonsense".into()), "Invalid CID: nonsense");
    with("repo", "did:plc:ewvi7nxzyoun6zhxrhs64oiz".into()).refuses(
        401,
        "AuthenticationRequired",
        "Not the owner of this repository",
    );
    let cid = "bafyreie5737gdxlw5i64vzichcalba3z2v5n6icifvx5xytvske7mr3hpm";
    with("swapCommit", cid.into()).refuses(400, "InvalidSwap", &format!("Commit was at {head}"));
    for (field, value) in [
        ("collection", json!("post")),
        ("collection", json!(7)),
        ("repo", json!("not a name")),
        ("record", json!("text")),
        ("record", json!([1])),
        ("record", json!({ "$type": 7 })),
        ("record", json!({ "link": { "$link": "nonsense" } })),
        ("rkey", json!(["k"])),
    ] {
        let answer = with(field, value.clone()).json(400);
        assert_eq!(answer["error"], "InvalidRequest", "{field}: {value}");
    }
    for body in ["", "{", "null", "[]", "\u{0}", r#"{"repo":"a.b","repo":"a.b"}"#] {
        let path = format!("/xrpc/{CREATE}");
        let request = client::request("POST", &path, Some(&client.access), body.to_owned().into());
        assert_eq!(client.send(request).json(400)["error"], "InvalidRequest", "{body}");
    }
    let fields = json!([DID, NOTE, "k", null, {}, null]);
    invalid(client.post(CREATE, &fields), "Input must be an object");
    invalid(client.post(CREATE, &json!("text")), "Input must be an object");
    let long = "!".repeat(900_000);
    let cut = &long[..128];
    invalid(with("rkey", long.clone().into()), &format!("Invalid record key: {cut}"));
    invalid(with("swapCommit", long.clone().into()), &format!("Invalid CID: {cut}"));
    let duplicate =
        format!(r#"{{"repo":"{DID}","collection":"{NOTE}","rkey":"k","record":{{"a":1,"a":2}}}}"#);
    let path = format!("/xrpc/{CREATE}");
    let request = client::request("POST", &path, Some(&client.access), duplicate.into());
    invalid(client.send(request), "duplicate object key");

    for method in [CREATE, PUT, DELETE] {
        client.post_as(None, method, &json!({})).refuses(
            401,
            "AuthMissing",
            "Authentication Required",
        );
    }
    assert_eq!(client.head().0, head);
    assert_eq!(client.row_counts()["record"], 1);
}

#[test]
fn json_body_is_limited_to_a_million_bytes() {
    let client = Client::new();
    let body = |length: usize| {
        let head = format!(r#"{{"repo":"{DID}","collection":"{NOTE}","record":{{"text":""#);
        let fill = length - head.len() - 3;
        let body = format!("{head}{}\"}}}}", "x".repeat(fill));
        assert_eq!(body.len(), length);
        client::request("POST", &format!("/xrpc/{CREATE}"), Some(&client.access), body.into())
    };
    assert_eq!(client.send(body(1_000_000)).status, 200);
    client.send(body(1_000_001)).refuses(413, "PayloadTooLargeError", "request entity too large");
}

#[test]
fn missing_body_or_wrong_content_type_is_refused() {
    let client = Client::new();
    let send = |content_type: Option<&str>, body: Body| {
        let path = format!("/xrpc/{CREATE}");
        let mut request = client::request("POST", &path, Some(&client.access), body);
        request.headers_mut().remove("content-type");
        if let Some(content_type) = content_type {
            request.headers_mut().insert("content-type", content_type.parse().unwrap());
        }
        client.send(request)
    };
    let invalid = |answer: Answer, message: &str| answer.refuses(400, "InvalidRequest", message);
    invalid(
        send(Some("text/plain"), "{}".into()),
        "Wrong request encoding (Content-Type): text/plain",
    );
    invalid(send(None, "{}".into()), "Request encoding (Content-Type) required but not provided");
    invalid(
        send(Some("application/json"), Body::Empty),
        "A request body is expected but none was provided",
    );
}

#[test]
fn swap_commit_and_swap_record_are_enforced() {
    let client = Client::new();
    let (head, _) = client.head();
    let put = |fields: Value, text: &str| {
        let mut input =
            json!({ "repo": DID, "collection": PROFILE, "rkey": "self", "record": { "d": text } });
        input.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        client.post(PUT, &input)
    };
    let first = put(json!({ "swapRecord": null, "swapCommit": head }), "one").json(200);
    let cid = first["cid"].as_str().unwrap();
    let was_at = format!("Record was at {cid}");
    put(json!({ "swapRecord": null }), "two").refuses(400, "InvalidSwap", &was_at);
    put(json!({ "swapRecord": head }), "two").refuses(400, "InvalidSwap", &was_at);
    let (now, _) = client.head();
    let commit_was_at = format!("Commit was at {now}");
    put(json!({ "swapCommit": head }), "two").refuses(400, "InvalidSwap", &commit_was_at);
    // A write without effect is checked too.
    put(json!({ "swapCommit": head }), "one").refuses(400, "InvalidSwap", &commit_was_at);
    put(json!({ "swapRecord": cid }), "two").json(200);

    let delete = |rkey: &str, fields: Value| {
        let mut input = json!({ "repo": DID, "collection": PROFILE, "rkey": rkey });
        input.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        client.post(DELETE, &input)
    };
    let (now, _) = client.head();
    delete("none", json!({ "swapRecord": cid })).refuses(400, "InvalidSwap", "Record was at null");
    delete("self", json!({ "swapCommit": head })).refuses(
        400,
        "InvalidSwap",
        &format!("Commit was at {now}"),
    );
    delete("self", json!({ "swapCommit": now })).json(200);
}

#[test]
fn put_of_equal_content_makes_no_commit_and_no_event() {
    let client = Client::new();
    let first = client.put(PROFILE, "self", json!({ "d": "x" })).json(200);
    let before = (client.head(), client.row_counts());
    let again = client.put(PROFILE, "self", json!({ "d": "x" })).json(200);
    assert_eq!(again["cid"], first["cid"]);
    assert_eq!(again.get("commit"), None);
    assert_eq!(before, (client.head(), client.row_counts()));
}

#[test]
fn delete_of_a_missing_record_makes_no_commit_and_no_event() {
    let client = Client::new();
    let before = (client.head(), client.row_counts());
    assert_eq!(client.delete(NOTE, "none").json(200), json!({}));
    assert_eq!(before, (client.head(), client.row_counts()));
}

#[test]
fn deleting_one_of_two_equal_records_keeps_the_other() {
    let client = Client::new();
    for rkey in ["one", "two"] {
        client.create(NOTE, rkey, a_note("same")).json(200);
    }
    client.delete(NOTE, "one").json(200);
    assert_eq!(client.get_record(NOTE, "two").json(200)["value"], a_note("same"));
    assert_eq!(client::verify(&client), 1);
}

#[test]
fn list_records_returns_each_record_once_in_both_directions_at_any_page_size() {
    let client = Client::new();
    let mut expected: Vec<_> = (0..7).map(|n| format!("k{n}")).collect();
    for rkey in &expected {
        client.create(NOTE, rkey, a_note(rkey)).json(200);
    }
    for limit in [1, 2, 3, 7, 100] {
        assert_eq!(client.list(limit, true), expected);
    }
    expected.reverse();
    for limit in [1, 2, 3, 7, 100] {
        assert_eq!(client.list(limit, false), expected);
    }
}

#[test]
fn list_limit_outside_1_to_100_is_refused() {
    let client = Client::new();
    for (limit, message) in [
        ("0", "limit can not be less than 1"),
        ("101", "limit can not be greater than 100"),
        ("abc", "limit must be an integer"),
    ] {
        let params = format!("repo={DID}&collection={NOTE}&limit={limit}");
        client.query("com.atproto.repo.listRecords", &params).refuses(
            400,
            "InvalidRequest",
            message,
        );
    }
}

#[test]
fn reads_of_missing_records_and_repositories_are_refused() {
    let client = Client::new();
    client.get_record(NOTE, "none").refuses(
        400,
        "RecordNotFound",
        &format!("Could not locate record: at://{DID}/{NOTE}/none"),
    );
    let other = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
    let params = format!("repo={other}&collection={NOTE}&rkey=none");
    client.query("com.atproto.repo.getRecord", &params).refuses(
        400,
        "InvalidRequest",
        "Could not locate record",
    );
    let written = client.create(NOTE, "k", a_note("x")).json(200);
    let (head, _) = client.head();
    let params = |cid: &str| format!("repo={DID}&collection={NOTE}&rkey=k&cid={cid}");
    let get = |cid: &str| client.query("com.atproto.repo.getRecord", &params(cid));
    assert_eq!(get(written["cid"].as_str().unwrap()).status, 200);
    assert_eq!(get(&head).json(400)["error"], "RecordNotFound");
    get("nonsense").refuses(400, "InvalidRequest", "Invalid CID: nonsense");
    for method in ["listRecords", "describeRepo"] {
        let params = format!("repo={other}&collection={NOTE}");
        client.query(&format!("com.atproto.repo.{method}"), &params).refuses(
            400,
            "InvalidRequest",
            &format!("Could not find repo: {other}"),
        );
    }
}

#[test]
fn describe_repo_lists_the_collections_that_have_records() {
    let client = Client::new();
    let describe = || client.query("com.atproto.repo.describeRepo", "repo=alice.test").json(200);
    assert_eq!(describe()["collections"], json!([]));
    client.create(NOTE, "a", a_note("a")).json(200);
    client.create(PROFILE, "self", json!({})).json(200);
    client.create("com.example.thing", "a", json!({})).json(200);
    let description = describe();
    assert_eq!(description["collections"], json!([PROFILE, NOTE, "com.example.thing"]));
    assert_eq!(description["handle"], "alice.test");
    assert_eq!(description["didDoc"]["id"], DID);
    client.delete(NOTE, "a").json(200);
    assert_eq!(describe()["collections"], json!([PROFILE, "com.example.thing"]));
}

#[test]
fn revs_increase_while_the_clock_goes_back() {
    let client = Client::new();
    let mut last = client.head().1;
    for n in 0..5 {
        client.host.move_clock(-1_000);
        client.create(NOTE, &format!("k{n}"), a_note("x")).json(200);
        let (_, rev) = client.head();
        assert!(rev > last, "{rev} after {last}");
        last = rev;
    }
}

#[test]
fn operator_token_can_write_records() {
    let host = nacre_pds::dev::Memory::new(1);
    let vars =
        nacre_pds::config::new_account("pds.test", "alice.test", "password", &*host.host().rng);
    let vars = vars.unwrap();
    let var = |name: &str| vars.iter().find(|(known, _)| *known == name).map(|(_, v)| v.clone());
    let config = nacre_pds::config::Config::from_vars(var).unwrap();
    let mut client = Client::with_config(host, config);
    client.access = var("AUTH_TOKEN").unwrap();
    client.create(NOTE, "k", a_note("x")).json(200);
}
