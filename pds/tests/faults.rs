//! Host failures: a write takes effect completely or not at all.

#![allow(clippy::std_instead_of_alloc, clippy::unwrap_used, reason = "all of this is test code")]

mod client;

use std::collections::BTreeMap;

use client::{Client, DID, NOTE, PASSWORD, a_note};
use nacre_pds::Pds;
use nacre_pds::dev::{Memory, account, block_on};
use proptest::prelude::*;
use serde_json::json;

#[test]
fn failed_write_changes_nothing() {
    let client = Client::new();
    for n in 0..20 {
        client.create(NOTE, &format!("k{n:02}"), a_note("x")).json(200);
    }
    let post = |text: &str| a_note(text);
    let subscriber = client.subscribe("");
    let like = |rkey: &str| {
        let uri = "at://did:web:b.test/app.bsky.feed.post/3jzfcijpj2z2a";
        let cid = "bafyreie5737gdxlw5i64vzichcalba3z2v5n6icifvx5xytvske7mr3hpm";
        let record = json!({
            "subject": { "cid": cid, "uri": uri }, "createdAt": "2026-01-01T00:00:00.000Z",
        });
        client.create("app.bsky.feed.like", rkey, record)
    };
    like("3jzfcijpj2z2a").json(200);
    let batch = || {
        let write = |kind: &str, rkey: &str, value| {
            let kind = format!("com.atproto.repo.applyWrites#{kind}");
            json!({ "$type": kind, "collection": NOTE, "rkey": rkey, "value": value })
        };
        let many = (0..40).map(|n| write("create", &format!("many{n}"), post("many")));
        let writes: Vec<_> =
            [write("update", "k06", post("changed")), write("delete", "k07", json!(null))]
                .into_iter()
                .chain(many)
                .collect();
        let input = json!({ "repo": DID, "writes": writes });
        client.post("com.atproto.repo.applyWrites", &input)
    };
    let blob = client.upload("application/x-test", b"bytes");
    let with_blob = json!({ "$type": NOTE, "blob": blob });
    let writes: [(&str, &dyn Fn() -> client::Answer); 7] = [
        ("create", &|| client.create(NOTE, "new", post("new"))),
        ("update", &|| client.put(NOTE, "k05", post("changed"))),
        ("delete", &|| client.delete(NOTE, "k10")),
        ("another like of the same post", &|| like("3jzfcijpj2z2b")),
        ("batch", &batch),
        ("first reference to a blob", &|| client.create(NOTE, "blob", with_blob.clone())),
        ("removal of the last reference to a blob", &|| client.delete(NOTE, "blob")),
    ];
    for (name, write) in writes {
        let state = || {
            let events = client.sent(subscriber).messages.len();
            (client.head(), client.row_counts(), client.export(), events)
        };
        let before = state();
        let mut steps = 0;
        loop {
            client.host.fail_after(Some(steps));
            let answer = write();
            client.host.fail_after(None);
            if answer.status == 200 {
                // A failure to set the alarm is only logged.
                assert!(client.host.take_log().len() <= 1);
                break;
            }
            answer.refuses(500, "InternalServerError", "Internal Server Error");
            let log = client.host.take_log();
            assert!(log.len() == 1 && log[0].ends_with("database: injected fault"), "{log:?}");
            assert_eq!(before, state(), "{name} at step {steps}");
            steps += 1;
        }
        assert!(steps > 5, "{name} failed at {steps} steps only");
        assert_eq!(client.sent(subscriber).messages.len(), before.3 + 1);
        client::verify(&client);
    }
}

#[test]
fn failed_first_start_can_be_repeated() {
    let mut steps = 0;
    loop {
        let host = Memory::new(3);
        host.fail_after(Some(steps));
        let opened = Pds::open(host.host(), account(&Memory::new(3), PASSWORD));
        host.fail_after(None);
        let failed = opened.is_err();
        drop(opened);
        let mut client = Client::with_config(host, account(&Memory::new(3), PASSWORD));
        client.sign_in();
        assert_eq!(client::verify(&client), 0);
        assert_eq!(client.row_counts()["event"], 4, "after {steps} steps");
        if !failed {
            break;
        }
        steps += 1;
    }
    assert!(steps > 10, "failed at {steps} steps only");
}

/// Audits the database and the blob store.
fn faults(client: &Client) -> Vec<String> {
    block_on(client.pds.audit()).unwrap().faults
}

#[test]
fn failed_upload_leaves_at_most_its_own_bytes_behind() {
    let client = Client::new();
    let mut steps = 0;
    loop {
        client.host.fail_after(Some(steps));
        let answer = client.upload_as(&client.access, "application/x-test", b"bytes");
        client.host.fail_after(None);
        // The host stores the bytes before the database registers the blob.
        let stored = client.host.blobs().borrow().clone();
        let orphans: Vec<_> = stored.keys().map(|cid| format!("orphaned blob: {cid}")).collect();
        let expected = if client.row_counts()["blob"] == 0 { orphans } else { Vec::new() };
        assert_eq!(faults(&client), expected, "at step {steps}");
        if answer.status == 200 && client.host.alarm_s().is_some() {
            break;
        }
        steps += 1;
    }
    assert!(steps > 6, "failed at {steps} steps only");
    assert_eq!(faults(&client), Vec::<String>::new());
}

#[test]
fn failed_removal_is_finished_by_a_later_alarm() {
    let mut client = Client::new();
    for steps in 0.. {
        let number = u8::try_from(steps).unwrap();
        client.sign_in();
        client.upload("application/x-test", &[number; 4]);
        client.upload("application/x-test", &[number; 5]);
        client.host.move_clock(2 * 86_400);
        client.host.fail_after(Some(steps));
        block_on(client.pds.run_due_work());
        client.host.fail_after(None);
        let failed = !client.host.take_log().is_empty();
        assert_eq!(faults(&client), Vec::<String>::new(), "at step {steps}");
        for _ in 0..2 {
            client.host.move_clock(3_600);
            block_on(client.pds.run_due_work());
        }
        assert_eq!(client.host.blobs().borrow().len(), 0, "at step {steps}");
        assert_eq!(faults(&client), Vec::<String>::new(), "at step {steps}");
        assert_eq!(client.host.take_log(), Vec::<String>::new(), "at step {steps}");
        if !failed {
            assert!(steps > 20, "failed at {steps} steps only");
            return;
        }
    }
}

#[test]
fn health_check_fails_if_the_database_fails() {
    let client = Client::new();
    assert!(client.get("/xrpc/_health").json(200)["version"].is_string());
    client.host.fail_after(Some(0));
    let answer = client.get("/xrpc/_health").json(503);
    assert_eq!(answer["error"], "Service Unavailable");
}

/// One operation of a random history.
#[derive(Clone, Debug)]
enum Step {
    Create(u8, u8),
    Put(u8, u8),
    Delete(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0..24_u8, any::<u8>()).prop_map(|(key, text)| Step::Create(key, text)),
        (0..24_u8, 0..3_u8).prop_map(|(key, text)| Step::Put(key, text)),
        (0..24_u8).prop_map(Step::Delete),
    ];
    prop::collection::vec(step, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn random_history_matches_its_model(steps in steps()) {
        let client = Client::new();
        let mut model: BTreeMap<String, serde_json::Value> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Create(key, text) => {
                    let (key, record) = (format!("key{key}"), a_note(&text.to_string()));
                    let answer = client.create(NOTE, &key, record.clone());
                    let expected = if model.contains_key(&key) { 400 } else { 200 };
                    prop_assert_eq!(answer.status, expected);
                    model.entry(key).or_insert(record);
                }
                Step::Put(key, text) => {
                    let (key, record) = (format!("key{key}"), a_note(&text.to_string()));
                    let answer = client.put(NOTE, &key, record.clone()).json(200);
                    let same = model.insert(key, record.clone()) == Some(record);
                    prop_assert_eq!(answer.get("commit").is_none(), same);
                }
                Step::Delete(key) => {
                    let key = format!("key{key}");
                    let answer = client.delete(NOTE, &key).json(200);
                    prop_assert_eq!(answer.get("commit").is_some(), model.remove(&key).is_some());
                }
            }
        }
        prop_assert_eq!(client::verify(&client), u64::try_from(model.len()).unwrap());
        let params = format!("repo={DID}&collection={NOTE}&limit=100&reverse=true");
        let listed = client.query("com.atproto.repo.listRecords", &params).json(200);
        let listed: Vec<_> = listed["records"]
            .as_array()
            .unwrap()
            .iter()
            .map(|record| json!([record["uri"], record["value"]]))
            .collect();
        let expected: Vec<_> = model
            .iter()
            .map(|(key, record)| json!([format!("at://{DID}/{NOTE}/{key}"), record]))
            .collect();
        prop_assert_eq!(listed, expected);
    }
}
