//! Parts of the repository: record proofs, blocks and heads.

#![allow(clippy::std_instead_of_alloc, clippy::unwrap_used, reason = "all of this is test code")]

mod client;

use cid::Cid;
use client::{Client, DID, NOTE, a_note, read_car};
use nacre_commit::Commit;
use nacre_mst::{Tree, TreeError};

fn fill(client: &Client) {
    for number in 0..120 {
        client.create(NOTE, &format!("k{number:03}"), a_note(&number.to_string())).json(200);
    }
}

fn proof(client: &Client, rkey: &str) -> (Tree, std::collections::BTreeMap<Cid, Vec<u8>>) {
    let params = format!("did={DID}&collection={NOTE}&rkey={rkey}");
    let answer = client.query("com.atproto.sync.getRecord", &params);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers["content-type"], "application/vnd.ipld.car");
    let (root, blocks) = read_car(&answer.body);
    assert_eq!(root.to_string(), client.head().0);
    let commit = Commit::decode(&blocks[&root]).unwrap();
    commit.verify(&client::key(client)).unwrap();
    (Tree::load(commit.data).unwrap(), blocks)
}

#[test]
fn get_record_proves_the_presence_of_a_record() {
    let client = Client::new();
    fill(&client);
    for number in 0..120 {
        let (tree, blocks) = proof(&client, &format!("k{number:03}"));
        let path = format!("{NOTE}/k{number:03}");
        let cid = tree.get(&blocks, &path).unwrap().unwrap();
        assert_eq!(nacre_lexicon::cid_for(&blocks[&cid]), cid);
        assert!(blocks.len() < 20, "{} blocks of proof", blocks.len());
    }
}

#[test]
fn get_record_proves_the_absence_of_a_record() {
    let client = Client::new();
    let (tree, blocks) = proof(&client, "k");
    assert_eq!(tree.get(&blocks, &format!("{NOTE}/k")), Ok(None), "in an empty repository");
    fill(&client);
    for rkey in ["a", "k0005", "zzz"] {
        let (tree, blocks) = proof(&client, rkey);
        assert_eq!(tree.get(&blocks, &format!("{NOTE}/{rkey}")), Ok(None));
        assert!(matches!(
            tree.get(&blocks, &format!("{NOTE}/other-than-asked-for")),
            Ok(None) | Err(TreeError::Missing(_))
        ));
    }
}

#[test]
fn get_record_refuses_a_commit_that_is_not_the_head() {
    let client = Client::new();
    fill(&client);
    let (before, _) = client.head();
    let ask = |commit: &str| {
        let params = format!("did={DID}&collection={NOTE}&rkey=k001&commit={commit}");
        client.query("com.atproto.sync.getRecord", &params)
    };
    assert_eq!(ask(&before).status, 200);
    client.create(NOTE, "more", a_note("x")).json(200);
    let message = format!("Could not find commit: {before}");
    ask(&before).refuses(400, "InvalidRequest", &message);
}

#[test]
fn get_blocks_returns_every_block_of_the_repository() {
    let client = Client::new();
    fill(&client);
    let (_, all) = read_car(&client.export());
    let cids: Vec<&Cid> = all.keys().collect();
    for some in cids.chunks(50) {
        let params: String = some.iter().map(|cid| format!("&cids={cid}")).collect();
        let answer = client.query("com.atproto.sync.getBlocks", &format!("did={DID}{params}"));
        assert_eq!(answer.status, 200);
        let reader = nacre_car::Reader::new(&answer.body).unwrap();
        assert!(reader.roots().is_empty());
        let mut found: Vec<Cid> = reader
            .map(|block| {
                let block = block.unwrap();
                assert_eq!(block.bytes, all[&block.cid]);
                block.cid
            })
            .collect();
        found.sort_unstable();
        assert!(found.iter().eq(some.iter().copied()));
    }
}

#[test]
fn get_blocks_names_missing_blocks_and_limits_their_total_size() {
    let client = Client::new();
    client.create(NOTE, "a", a_note("x")).json(200);
    client.create(NOTE, "b", a_note("x")).json(200);
    let cid = nacre_lexicon::record_from_json(&a_note("x").to_string(), NOTE).unwrap().cid;
    let ask = |cids: &[&Cid]| {
        let params: String = cids.iter().map(|cid| format!("&cids={cid}")).collect();
        client.query("com.atproto.sync.getBlocks", &format!("did={DID}{params}"))
    };
    let others = [b"1", b"2"].map(|bytes| nacre_lexicon::cid_for(bytes));
    let message = format!("Could not find cids: {},{}", others[0], others[1]);
    ask(&[&others[0], &cid, &others[1]]).refuses(400, "InvalidRequest", &message);
    // A block of two equal records is served as long as either exists.
    client.delete(NOTE, "a").json(200);
    assert_eq!(ask(&[&cid, &cid]).status, 200);
    client.delete(NOTE, "b").json(200);
    ask(&[&cid]).refuses(400, "InvalidRequest", &format!("Could not find cids: {cid}"));
    assert_eq!(ask(&[]).status, 400);
    let mut cids = Vec::new();
    for number in 0..18 {
        let text = format!("{number:02}").repeat(470_000);
        let answer = client.create(NOTE, &format!("long{number}"), a_note(&text)).json(200);
        cids.push(Cid::try_from(answer["cid"].as_str().unwrap()).unwrap());
    }
    assert_eq!(ask(&cids.iter().take(5).collect::<Vec<_>>()).status, 200);
    let message = "The blocks have too many bytes. Max: 16 MiB";
    ask(&cids.iter().collect::<Vec<_>>()).refuses(400, "InvalidRequest", message);
}

#[test]
fn deprecated_methods_are_served() {
    let client = Client::new();
    client.create(NOTE, "a", a_note("x")).json(200);
    let head = client.query("com.atproto.sync.getHead", &format!("did={DID}")).json(200);
    assert_eq!(head, serde_json::json!({ "root": client.head().0 }));
    let checkout = client.query("com.atproto.sync.getCheckout", &format!("did={DID}"));
    assert_eq!(checkout.body, client.export());
    let message = "Could not find root for DID: did:web:other.test";
    client.query("com.atproto.sync.getHead", "did=did:web:other.test").refuses(
        400,
        "HeadNotFound",
        message,
    );
}

#[test]
fn unknown_repository_is_not_found() {
    let client = Client::new();
    let cid = nacre_lexicon::cid_for(b"x");
    for (method, more) in [
        ("getBlocks", format!("&cids={cid}")),
        ("getCheckout", String::new()),
        ("getRecord", format!("&collection={NOTE}&rkey=a")),
        ("getRepo", String::new()),
    ] {
        let params = format!("did=did:web:other.test{more}");
        let message = "Could not find repo for DID: did:web:other.test";
        client.query(&format!("com.atproto.sync.{method}"), &params).refuses(
            400,
            "RepoNotFound",
            message,
        );
    }
}
