//! `checkAccountStatus`: the counts of blocks, records and blobs.

#![allow(clippy::std_instead_of_alloc, clippy::unwrap_used, reason = "all of this is test code")]

mod client;

use client::{Client, NOTE, PASSWORD, a_note};
use nacre_pds::dev::{Memory, account};
use serde_json::{Value, json};

const METHOD: &str = "com.atproto.server.checkAccountStatus";

fn status(client: &Client, method: &str) -> Value {
    let path = format!("/xrpc/{method}");
    let body = nacre_pds::body::Body::Empty;
    client.send(client::request("GET", &path, Some(&client.access), body)).json(200)
}

#[test]
fn new_account_has_the_status_of_an_empty_repository() {
    let client = Client::new();
    let (commit, rev) = client.head();
    let expected = json!({
        "activated": true, "validDid": true, "repoCommit": commit, "repoRev": rev,
        "repoBlocks": 2, "indexedRecords": 0, "privateStateValues": 0,
        "expectedBlobs": 0, "importedBlobs": 0,
    });
    assert_eq!(status(&client, METHOD), expected);
    assert_eq!(status(&client, "com.atproto.server.getAccountStatus"), expected);
    assert_eq!(client.query(METHOD, "").status, 401);
}

#[test]
fn blocks_records_and_blobs_are_counted() {
    let client = Client::new();
    for number in 0..100 {
        client.create(NOTE, &format!("k{number}"), a_note(&number.to_string())).json(200);
    }
    client.delete(NOTE, "k7").json(200);
    let blob = client.upload("text/plain", b"pearl");
    for rkey in ["a", "b"] {
        let record = json!({ "$type": NOTE, "blob": blob, "name": rkey });
        client.create(NOTE, rkey, record).json(200);
    }
    client.upload("text/plain", b"nobody refers to this");
    let found = status(&client, METHOD);
    let (_, blocks) = client::read_car(&client.export());
    assert_eq!(found["repoBlocks"], blocks.len());
    assert_eq!(found["indexedRecords"], 101);
    assert_eq!((&found["expectedBlobs"], &found["importedBlobs"]), (&json!(1), &json!(1)));
    client::verify(&client);
}

#[test]
fn inactive_account_can_read_its_status() {
    let host = Memory::new(7);
    let mut config = account(&host, PASSWORD);
    config.initial_active = false;
    let mut client = Client::with_config(host, config);
    client.sign_in();
    assert_eq!(status(&client, METHOD)["activated"], false);
}
