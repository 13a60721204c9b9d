//! One like, repost, follow or block of a subject.

#![allow(clippy::std_instead_of_alloc, clippy::unwrap_used, reason = "all of this is test code")]

mod client;

use client::{Client, DID};
use serde_json::{Value, json};

/// Likes a post, or the like; returns the record's key.
fn about(client: &Client, collection: &str, subject: &Value, validate: bool) -> String {
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
fn an_account_has_one_like_repost_follow_or_block_of_a_subject() {
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
        let first = about(&client, collection, one, true);
        let another = about(&client, collection, other, true);
        let subscriber = client.subscribe("");
        let second = about(&client, collection, one, true);
        assert_eq!(client.sent(subscriber).messages.len(), 1, "it is one commit");
        assert_eq!(keys(&client, collection), [second.clone(), another.clone()], "{first} is gone");
        // Without validation there is no such rule; with it, all that are too many go.
        let third = about(&client, collection, one, false);
        assert_eq!(keys(&client, collection), [third, second, another.clone()]);
        let fourth = about(&client, collection, one, true);
        assert_eq!(keys(&client, collection), [fourth.clone(), another.clone()]);
        // What is deleted is not remembered.
        client.delete(collection, &fourth).json(200);
        let fifth = about(&client, collection, one, true);
        // What is changed to be about something else is not in the way either.
        let record = json!({
            "$type": collection, "subject": other, "createdAt": "2026-01-01T00:00:00.000Z"
        });
        client.put(collection, &fifth, record).json(200);
        let sixth = about(&client, collection, one, true);
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
fn more_duplicates_than_one_commit_takes_do_not_refuse_another_like() {
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
    about(&client, collection, &bob, true);
    // The other 199 writes of the commit are deletes.
    assert_eq!(client.row_counts()["record"], 300 + 1 - 199);
    let last = about(&client, collection, &bob, true);
    assert_eq!(keys(&client, collection), [last]);
    client::verify(&client);
}
