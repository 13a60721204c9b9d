//! `applyWrites`: several writes in one commit.

#![allow(clippy::std_instead_of_alloc, clippy::unwrap_used, reason = "all of this is test code")]

mod client;

use client::{Answer, Client, DID, NOTE, a_note};
use serde_json::{Value, json};

const METHOD: &str = "com.atproto.repo.applyWrites";

fn apply(client: &Client, writes: Value) -> Answer {
    client.post(METHOD, &json!({ "repo": DID, "writes": writes }))
}

fn create(rkey: &str, text: &str) -> Value {
    let kind = format!("{METHOD}#create");
    json!({ "$type": kind, "collection": NOTE, "rkey": rkey, "value": a_note(text) })
}

fn update(rkey: &str, text: &str) -> Value {
    let kind = format!("{METHOD}#update");
    json!({ "$type": kind, "collection": NOTE, "rkey": rkey, "value": a_note(text) })
}

fn delete(rkey: &str) -> Value {
    json!({ "$type": format!("{METHOD}#delete"), "collection": NOTE, "rkey": rkey })
}

fn refuses(answer: &Answer, message: &str) {
    answer.refuses(400, "InvalidRequest", message);
}

#[test]
fn batch_of_creates_updates_and_deletes_is_one_commit() {
    let client = Client::new();
    client.create(NOTE, "a", a_note("1")).json(200);
    client.create(NOTE, "b", a_note("1")).json(200);
    let subscriber = client.subscribe("");
    let writes = json!([create("c", "1"), update("a", "2"), delete("b")]);
    let answer = apply(&client, writes).json(200);
    let (cid, rev) = client.head();
    assert_eq!(answer["commit"], json!({ "cid": cid, "rev": rev }));
    let results = answer["results"].as_array().unwrap();
    for (result, kind) in results.iter().zip(["create", "update"]) {
        assert_eq!(result["$type"], format!("{METHOD}#{kind}Result"));
        assert_eq!(result["validationStatus"], "unknown");
        let uri = result["uri"].as_str().unwrap();
        let found = client.query(
            "com.atproto.repo.getRecord",
            &format!("repo={DID}&collection={NOTE}&rkey={}", uri.rsplit_once('/').unwrap().1),
        );
        assert_eq!(found.json(200)["cid"], result["cid"]);
    }
    assert_eq!(results[2], json!({ "$type": format!("{METHOD}#deleteResult") }));
    assert_eq!(client.sent(subscriber).messages.len(), 1);
    assert_eq!(client::verify(&client), 2);
}

#[test]
fn creates_without_an_rkey_get_distinct_generated_keys() {
    let client = Client::new();
    let kind = format!("{METHOD}#create");
    let write = json!({ "$type": kind, "collection": NOTE, "value": a_note("x") });
    apply(&client, json!(vec![write; 200])).json(200);
    assert_eq!(client::verify(&client), 200);
}

#[test]
fn batch_without_changes_makes_no_commit() {
    let client = Client::new();
    client.create(NOTE, "a", a_note("1")).json(200);
    let before = client.head();
    let answer = apply(&client, json!([update("a", "1")])).json(200);
    assert!(answer.get("commit").is_none());
    assert_eq!(answer["results"][0]["$type"], format!("{METHOD}#updateResult"));
    assert_eq!(apply(&client, json!([])).json(200), json!({ "results": [] }));
    assert_eq!(client.head(), before);
    // A commit leaves out writes without effect.
    let answer = apply(&client, json!([update("a", "1"), create("b", "1")])).json(200);
    assert_eq!(answer["results"].as_array().unwrap().len(), 2);
    assert_eq!(client::verify(&client), 2);
}

#[test]
fn one_invalid_write_rejects_the_whole_batch() {
    let client = Client::new();
    client.create(NOTE, "a", a_note("1")).json(200);
    let before = (client.head(), client.row_counts());
    let good = create("b", "1");
    let uri = |rkey: &str| format!("{NOTE}/{rkey}");
    for (bad, message) in [
        (create("a", "2"), format!("Record already exists: {}", uri("a"))),
        (update("c", "2"), format!("Could not locate record: {}", uri("c"))),
        (delete("c"), format!("Could not locate record: {}", uri("c"))),
        (create("b", "2"), format!("Record already exists: {}", uri("b"))),
        (create("x/y", "2"), "Invalid record key: x/y".to_owned()),
        (
            json!({ "$type": format!("{METHOD}#upsert"), "collection": NOTE, "rkey": "d" }),
            format!("Action not supported: {METHOD}#upsert"),
        ),
        (
            json!({ "$type": format!("{METHOD}#update"), "collection": NOTE, "rkey": "a" }),
            "A write must have the property \"value\"".to_owned(),
        ),
        (
            json!({ "$type": format!("{METHOD}#delete"), "collection": NOTE }),
            "A write must have the property \"rkey\"".to_owned(),
        ),
        (
            json!({
                "$type": format!("{METHOD}#create"), "collection": "app.bsky.feed.post",
                "rkey": "3jzfcijpj2z2a", "value": { "text": "x" }
            }),
            "Invalid app.bsky.feed.post record: Record must have the property \"createdAt\""
                .to_owned(),
        ),
    ] {
        refuses(&apply(&client, json!([good, bad])), &message);
        assert_eq!((client.head(), client.row_counts()), before, "{message}");
    }
}

#[test]
fn batch_over_200_writes_or_the_body_limit_is_refused() {
    let client = Client::new();
    let writes: Vec<_> = (0..201).map(|n| create(&format!("k{n}"), "x")).collect();
    refuses(&apply(&client, json!(writes)), "Too many writes. Max: 200");
    let large = json!({ "$type": NOTE, "text": "x".repeat(600_000) });
    let write = |rkey: &str| {
        let kind = format!("{METHOD}#create");
        json!({ "$type": kind, "collection": NOTE, "rkey": rkey, "value": large })
    };
    let answer = apply(&client, json!([write("a"), write("b")]));
    answer.refuses(413, "PayloadTooLargeError", "request entity too large");
    assert_eq!(client::verify(&client), 0);
}

#[test]
fn batch_is_refused_if_swap_commit_is_not_the_head() {
    let client = Client::new();
    client.create(NOTE, "a", a_note("1")).json(200);
    let (head, _) = client.head();
    let wrong = "bafyreie5737gdxlw5i64vzichcalba3z2v5n6icifvx5xytvske7mr3hpm";
    for writes in [json!([create("b", "1")]), json!([update("a", "1")])] {
        let input = json!({ "repo": DID, "writes": writes, "swapCommit": wrong });
        let message = format!("Commit was at {head}");
        client.post(METHOD, &input).refuses(400, "InvalidSwap", &message);
    }
    let input = json!({ "repo": DID, "writes": [create("b", "1")], "swapCommit": head });
    client.post(METHOD, &input).json(200);
}

#[test]
fn batch_for_another_repository_is_refused() {
    let client = Client::new();
    let input = json!({ "repo": "did:web:other.test", "writes": [create("a", "1")] });
    let answer = client.post(METHOD, &input);
    assert_eq!(answer.json(401)["error"], "AuthenticationRequired");
}
