//! Imports of version 2 commits in the encodings of old servers.

#![allow(clippy::std_instead_of_alloc, clippy::unwrap_used, reason = "all of this is test code")]

mod client;

use client::cars::{import, repository};
use client::{Client, DID, NOTE, Relay, a_note, read_car};
use nacre_commit::Commit;
use nacre_lexicon::{cid_for, to_cbor};
use serde_json::{Value, json};

#[test]
fn nonstandard_version_2_commits_are_replaced_and_invalid_commits_are_refused() {
    let note = to_cbor(&a_note("x").to_string()).unwrap();
    let car = repository(&[(&format!("{NOTE}/a"), &note)]);
    let (root, blocks) = read_car(&car);
    let data = Commit::decode(&blocks[&root]).unwrap().data;
    let with_root = |block: &[u8]| {
        let mut writer = nacre_car::Writer::new(&cid_for(block));
        writer.block(&cid_for(block), block);
        blocks.iter().for_each(|(cid, bytes)| writer.block(cid, bytes));
        writer.finish()
    };
    let base = json!({ "did": DID, "version": 2, "data": { "$link": data.to_string() },
        "sig": { "$bytes": "AAAA" } });
    let with = |key: &str, value: Value| {
        let mut commit = base.clone();
        commit[key] = value;
        to_cbor(&commit.to_string()).unwrap()
    };
    let null = Value::Null;
    let plain = to_cbor(&base.to_string()).unwrap();
    for block in [
        &plain,
        &with("prev", null.clone()),
        &with("rev", null.clone()),
        &with("rev", json!("")),
        &with("rev", json!("not a TID")),
        &with("extra", json!(1)),
    ] {
        let client = Client::new();
        let mut relay = Relay::new(&client);
        client.deactivate();
        import(&client, &with_root(block)).succeeds();
        client.activate();
        client.create(NOTE, "b", a_note("y")).json(200);
        relay.assert_matches(&client);
        assert_eq!(client::verify(&client), 2);
    }
    let client = Client::new();
    client.deactivate();
    let before = client.head();
    for (key, value) in [
        ("version", json!(1)),
        ("version", json!(3)),
        ("version", null),
        ("did", json!("no DID")),
        ("data", json!(data.to_string())),
        ("pad", json!("x".repeat(5_000))),
    ] {
        let message = import(&client, &with_root(&with(key, value))).json(400)["message"]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(message.starts_with("not a valid commit: "), "{key}: {message}");
    }
    let other = with("did", json!("did:web:other.test"));
    let message = "the repository belongs to did:web:other.test";
    import(&client, &with_root(&other)).refuses(400, "InvalidRequest", message);
    assert_eq!(client.head(), before);
}
