//! Likes, reposts, follows and blocks: the newest of a subject replaces the others.

#![allow(clippy::std_instead_of_alloc, clippy::unwrap_used, reason = "all of this is test code")]

mod client;

use client::{Client, DID};
use serde_json::{Value, json};

/// Creates a record about a subject, and returns its key.
fn create_about(client: &Client, collection: &str, subject: &Value, validate: bool) -> String {
    let record = json!({
        "$type": collection, "subject": subject, "createdAt": "2026-01-01T00:00:00.000Z"
    });
    let mut input = json!({ "repo": DID, "collection": collection, "record": record });
    if !validate {
        input["validate"] = json!(false);
    }
    let answer = client.post("com.atproto.repo.createRecord", &input).json(200);
    answer["uri"].as_str().unwrap().rsplit_once('/').unwrap().1.to_owned()
}

#[test]
fn new_like_repost_follow_or_block_replaces_earlier_ones_of_the_subject() {
    let client = Client::new();
    let cid = "bafyreie5737gdxlw5i64vzichcalba3z2v5n6icifvx5xytvske7mr3hpm";
    let post = |rkey: &str| {
        let uri = format!("at://did:web:b.test/app.bsky.feed.post/{rkey}");
        json!({ "cid": cid, "uri": uri })
    };
    let (one, other) = (post("3jzfcijpj2z2a"), post("3jzfcijpj2z2b"));
    let (alice, bob) = (json!("did:web:alice.example"), json!("did:web:bob.example"));
    let mut kept = 0;
    for (collection, one, other) in [
        ("app.bsky.feed.like", &one, &other),
        ("app.bsky.feed.repost", &one, &other),
        ("app.bsky.graph.follow", &alice, &bob),
        ("app.bsky.graph.block", &alice, &bob),
    ] {
        let first = create_about(&client, collection, one, true);
        let another = create_about(&client, collection, other, true);
        let subscriber = client.subscribe("");
        let second = create_about(&client, collection, one, true);
        assert_eq!(client.sent(subscriber).messages.len(), 1, "one commit");
        assert_eq!(
            keys(&client, collection),
            [second.clone(), another.clone()],
            "{first} is replaced"
        );
        // Only a validated create replaces others, and then all of them.
        let third = create_about(&client, collection, one, false);
        assert_eq!(keys(&client, collection), [third, second, another.clone()]);
        let fourth = create_about(&client, collection, one, true);
        assert_eq!(keys(&client, collection), [fourth.clone(), another.clone()]);
        // A deleted record no longer counts.
        client.delete(collection, &fourth).json(200);
        let fifth = create_about(&client, collection, one, true);
        // Nor does a record whose subject has changed.
        let record = json!({
            "$type": collection, "subject": other, "createdAt": "2026-01-01T00:00:00.000Z"
        });
        client.put(collection, &fifth, record).json(200);
        let sixth = create_about(&client, collection, one, true);
        assert_eq!(keys(&client, collection), [sixth, fifth, another]);
        kept += 3;
    }
    assert_eq!(client::verify(&client), kept);
    assert_eq!(i64::try_from(kept).unwrap(), client.row_counts()["subject"]);
}

fn keys(client: &Client, collection: &str) -> Vec<String> {
    let params = format!("repo={DID}&collection={collection}");
    let page = client.query("com.atproto.repo.listRecords", &params).json(200);
    let uris = page["records"].as_array().unwrap().iter().map(|record| &record["uri"]);
    uris.map(|uri| uri.as_str().unwrap().rsplit_once('/').unwrap().1.to_owned()).collect()
}

#[test]
fn duplicates_beyond_the_commit_limit_are_replaced_by_later_writes() {
    let client = Client::new();
    let (method, collection) = ("com.atproto.repo.applyWrites", "app.bsky.graph.follow");
    let bob = json!("did:web:bob.example");
    let record = json!({
        "$type": collection, "subject": bob, "createdAt": "2026-01-01T00:00:00.000Z"
    });
    for _ in 0..2 {
        let write = json!({
            "$type": format!("{method}#create"), "collection": collection, "value": record
        });
        client.post(method, &json!({ "repo": DID, "writes": vec![write; 150] })).json(200);
    }
    create_about(&client, collection, &bob, true);
    // The other 199 writes of the commit are deletes.
    assert_eq!(client.row_counts()["record"], 300 + 1 - 199);
    let last = create_about(&client, collection, &bob, true);
    assert_eq!(keys(&client, collection), [last]);
    client::verify(&client);
}
