//! Activation and deactivation: who can read the account, and the events that announce it.

#![allow(clippy::std_instead_of_alloc, clippy::unwrap_used, reason = "all of this is test code")]

mod client;

use client::{Answer, Client, DID, NOTE, PASSWORD, a_note, read_car, request};
use nacre_firehose::Frame;
use nacre_pds::body::Body;
use nacre_pds::config::{Config, new_account};
use nacre_pds::dev::{Memory, account};
use serde_json::{Value, json};

const ACTIVATE: &str = "com.atproto.server.activateAccount";
const DEACTIVATE: &str = "com.atproto.server.deactivateAccount";

fn deactivate(client: &Client) {
    assert_eq!(client.post(DEACTIVATE, &json!({})).status, 200);
}

fn activate(client: &Client) {
    assert_eq!(client.post_nothing(&client.access, ACTIVATE).status, 200);
}

fn query_as_owner(client: &Client, method: &str, params: &str) -> Answer {
    let path = format!("/xrpc/{method}?{params}");
    client.send(request("GET", &path, Some(&client.access), Body::Empty))
}

/// A client of an account that was never active.
fn never_active() -> Client {
    let host = Memory::new(7);
    let mut config = account(&host, PASSWORD);
    config.initial_active = false;
    let mut client = Client::with_config(host, config);
    client.sign_in();
    client
}

#[test]
fn deactivation_emits_account_and_reactivation_emits_account_identity_and_sync() {
    let client = Client::new();
    client.create(NOTE, "k", a_note("x")).json(200);
    let socket = client.subscribe("");
    deactivate(&client);
    activate(&client);
    let sent = client.sent(socket);
    let frames: Vec<_> = sent.messages.iter().map(|m| Frame::decode(m).unwrap()).collect();
    let [Frame::Account(left), Frame::Account(back), Frame::Identity(identity), Frame::Sync(sync)] =
        &frames[..]
    else {
        panic!("{frames:?}")
    };
    assert_eq!((left.did, left.active, left.status), (DID, false, Some("deactivated")));
    assert_eq!((back.active, back.status), (true, None));
    assert_eq!((identity.did, identity.handle), (DID, Some("alice.test")));
    let (root, blocks) = read_car(sync.blocks);
    assert_eq!((root.to_string(), sync.rev.to_string()), client.head());
    assert_eq!(blocks.len(), 1);
    let first = left.seq;
    assert_eq!([back.seq, identity.seq, sync.seq], [first + 1, first + 2, first + 3]);
    // A replay sends the same events.
    let replayed = client.subscribe(&format!("cursor={}", first - 1));
    assert_eq!(client.sent(replayed).messages, sent.messages);
    client.create(NOTE, "again", a_note("x")).json(200);
    client::verify(&client);
}

#[test]
fn operator_can_emit_an_identity_event() {
    let host = Memory::new(7);
    let vars = new_account("pds.test", "alice.test", PASSWORD, &*host.host().rng).unwrap();
    let var = |name: &str| vars.iter().find(|(known, _)| *known == name).map(|it| it.1.clone());
    let client = Client::with_config(host, Config::from_vars(var).unwrap());
    let socket = client.subscribe("");
    let operate = |token: &str| {
        client.send(request("POST", "/operator/emit-identity", Some(token), Body::Empty))
    };
    let token = var("AUTH_TOKEN").unwrap();
    let seq = operate(&token).json(200)["seq"].as_i64().unwrap();
    let sent = client.sent(socket).messages;
    let Ok(Frame::Identity(identity)) = Frame::decode(&sent[0]) else { panic!("{sent:?}") };
    assert_eq!((identity.seq, identity.did, identity.handle), (seq, DID, Some("alice.test")));
    assert_eq!(sent.len(), 1);
    assert_eq!(client.sent(client.subscribe(&format!("cursor={}", seq - 1))).messages, sent);
    let message = "This method requires the server's AUTH_TOKEN";
    operate("another.token").refuses(401, "AuthenticationRequired", message);
}

#[test]
fn inactive_new_account_emits_no_events_until_activation() {
    let client = never_active();
    assert_eq!(client.sent(client.subscribe("cursor=0")).messages.len(), 0);
    activate(&client);
    let sent = client.sent(client.subscribe("cursor=0"));
    let frames: Vec<_> = sent.messages.iter().map(|m| Frame::decode(m).unwrap()).collect();
    assert!(
        matches!(&frames[..], [Frame::Account(_), Frame::Identity(_), Frame::Sync(_)]),
        "{frames:?}"
    );
}

#[test]
fn deactivated_account_is_readable_only_by_its_owner() {
    let client = Client::new();
    let created = client.create(NOTE, "k", a_note("x")).json(200);
    let cid = created["cid"].as_str().unwrap().to_owned();
    let blob = client.upload("text/plain", b"pearl");
    let with_blob = json!({ "$type": NOTE, "blob": blob });
    client.create(NOTE, "blob", with_blob).json(200);
    let blob = blob["ref"]["$link"].as_str().unwrap();
    let reads = [
        ("getRepo", format!("did={DID}")),
        ("getLatestCommit", format!("did={DID}")),
        ("listBlobs", format!("did={DID}")),
        ("getRecord", format!("did={DID}&collection={NOTE}&rkey=k")),
        ("getBlob", format!("did={DID}&cid={blob}")),
        ("getBlocks", format!("did={DID}&cids={cid}")),
        ("getHead", format!("did={DID}")),
        ("getCheckout", format!("did={DID}")),
    ];
    deactivate(&client);
    for (method, params) in &reads {
        let method = format!("com.atproto.sync.{method}");
        let message = format!("Repo has been deactivated: {DID}");
        client.query(&method, params).refuses(400, "RepoDeactivated", &message);
        assert_eq!(query_as_owner(&client, &method, params).status, 200, "{method}");
    }
    let params = format!("repo={DID}&collection={NOTE}");
    client.query("com.atproto.repo.listRecords", &params).refuses(
        400,
        "InvalidRequest",
        &format!("Could not find repo: {DID}"),
    );
    let list = client.query("com.atproto.sync.listRepos", "").json(200);
    assert_eq!(list["repos"][0]["active"], false);
    assert_eq!(list["repos"][0]["status"], "deactivated");
    for answer in [
        client.create(NOTE, "new", a_note("x")),
        client.put(NOTE, "k", a_note("y")),
        client.delete(NOTE, "k"),
    ] {
        answer.refuses(401, "AccountDeactivated", "Account is deactivated");
    }
    // A migrating account uploads its blobs before it is active.
    client.upload("text/plain", b"another pearl");
    let session = query_as_owner(&client, "com.atproto.server.getSession", "").json(200);
    assert_eq!((&session["active"], &session["status"]), (&json!(false), &json!("deactivated")));

    activate(&client);
    for (method, params) in &reads {
        let method = format!("com.atproto.sync.{method}");
        assert_eq!(client.query(&method, params).status, 200, "{method}");
    }
    client.put(NOTE, "k", a_note("y")).json(200);
}

#[test]
fn failed_activation_or_deactivation_changes_no_state_and_emits_no_events() {
    let client = Client::new();
    for (method, expected) in [(DEACTIVATE, 1), (ACTIVATE, 3)] {
        let before = (query_as_owner(&client, STATUS, "").json(200), client.row_counts()["event"]);
        let mut steps = 0;
        loop {
            client.host.fail_after(Some(steps));
            let input = if method == ACTIVATE { Value::Null } else { json!({}) };
            let answer = if input.is_null() {
                client.post_nothing(&client.access, method)
            } else {
                client.post(method, &input)
            };
            client.host.fail_after(None);
            if answer.status == 200 {
                break;
            }
            assert_eq!(answer.status, 500);
            let after =
                (query_as_owner(&client, STATUS, "").json(200), client.row_counts()["event"]);
            assert_eq!(before, after, "{method}, {steps}");
            steps += 1;
        }
        assert!(steps > 4, "{method}: {steps}");
        assert_eq!(client.row_counts()["event"], before.1 + expected);
    }
}

#[test]
fn deactivation_validates_its_input_and_both_methods_require_a_session() {
    let client = Client::new();
    let input = json!({ "deleteAfter": "yesterday" });
    assert_eq!(client.post(DEACTIVATE, &input).status, 400);
    let input = json!({ "deleteAfter": "2026-12-01T00:00:00.000Z" });
    assert_eq!(client.post(DEACTIVATE, &input).status, 200);
    for (method, input) in [(ACTIVATE, Value::Null), (DEACTIVATE, json!({}))] {
        assert_eq!(client.post_as(None, method, &input).status, 401);
    }
}

const STATUS: &str = "com.atproto.server.checkAccountStatus";
