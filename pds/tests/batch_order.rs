//! `applyWrites` with several writes to one path: they apply in order and commit their net effect.

#![allow(clippy::std_instead_of_alloc, clippy::unwrap_used, reason = "all of this is test code")]

mod client;

use std::collections::BTreeMap;

use client::{Answer, Client, DID, NOTE, Relay, a_note};
use nacre_firehose::{Frame, Verdict};
use proptest::prelude::*;
use serde_json::{Value, json};

const METHOD: &str = "com.atproto.repo.applyWrites";

fn write(action: &str, rkey: Option<&str>, text: Option<&str>) -> Value {
    let mut write = json!({ "$type": format!("{METHOD}#{action}"), "collection": NOTE });
    if let Some(rkey) = rkey {
        write["rkey"] = json!(rkey);
    }
    if let Some(text) = text {
        write["value"] = a_note(text);
    }
    write
}

fn create(rkey: &str, text: &str) -> Value {
    write("create", Some(rkey), Some(text))
}

fn update(rkey: &str, text: &str) -> Value {
    write("update", Some(rkey), Some(text))
}

fn delete(rkey: &str) -> Value {
    write("delete", Some(rkey), None)
}

fn apply(client: &Client, writes: &[Value]) -> Answer {
    client.post(METHOD, &json!({ "repo": DID, "writes": writes }))
}

fn text(client: &Client, rkey: &str) -> Option<String> {
    let params = format!("repo={DID}&collection={NOTE}&rkey={rkey}");
    let answer = client.query("com.atproto.repo.getRecord", &params);
    (answer.status == 200).then(|| answer.json(200)["value"]["text"].as_str().unwrap().to_owned())
}

/// A server with the record `x` of text 1, and a relay that has received it.
fn server() -> (Client, Relay) {
    let client = Client::new();
    client.create(NOTE, "x", a_note("1")).json(200);
    let mut relay = Relay::new(&client);
    relay.assert_matches(&client);
    (client, relay)
}

#[test]
fn update_after_delete_in_one_batch_is_refused() {
    let (client, mut relay) = server();
    let before = (client.head(), client.row_counts());
    let answer = apply(&client, &[delete("x"), update("x", "1")]);
    let message = format!("Could not locate record: {NOTE}/x");
    answer.refuses(400, "InvalidRequest", &message);
    assert_eq!((client.head(), client.row_counts()), before);
    assert_eq!(relay.follow(&client), []);
}

#[test]
fn last_of_two_updates_wins_even_if_it_restores_the_record() {
    let (client, mut relay) = server();
    let answer = apply(&client, &[update("x", "2"), update("x", "1")]).json(200);
    assert_eq!(answer["results"].as_array().unwrap().len(), 2);
    assert_eq!(answer.get("commit"), None);
    assert_eq!(text(&client, "x").as_deref(), Some("1"));
    assert_eq!(relay.follow(&client), []);
    apply(&client, &[update("x", "2"), update("x", "3")]).json(200);
    assert_eq!(text(&client, "x").as_deref(), Some("3"));
    assert_eq!(relay.follow(&client), [Verdict::Next]);
}

#[test]
fn create_then_delete_returns_both_results_and_makes_no_commit() {
    let (client, mut relay) = server();
    let before = client.head();
    let answer = apply(&client, &[create("k", "1"), delete("k")]).json(200);
    let kinds: Vec<_> = answer["results"].as_array().unwrap().iter().collect();
    assert_eq!(kinds[0]["$type"], format!("{METHOD}#createResult"));
    assert!(kinds[0]["cid"].is_string());
    assert_eq!(*kinds[1], json!({ "$type": format!("{METHOD}#deleteResult") }));
    assert_eq!(answer.get("commit"), None);
    assert_eq!((client.head(), text(&client, "k")), (before, None));
    assert_eq!(relay.follow(&client), []);
}

#[test]
fn delete_then_create_is_one_update_with_the_previous_cid() {
    let (client, mut relay) = server();
    let socket = client.subscribe("");
    apply(&client, &[delete("x"), create("x", "2")]).json(200);
    let sent = client.sent(socket);
    let [message] = &sent.messages[..] else { panic!("one event") };
    let Frame::Commit(commit) = Frame::decode(message).unwrap() else { panic!("a commit") };
    let [op] = &commit.ops[..] else { panic!("one operation: {:?}", commit.ops) };
    assert_eq!(op.action, nacre_commit::Action::Update);
    assert!(op.prev.is_some());
    assert_eq!(relay.follow(&client), [Verdict::Next]);
    relay.assert_matches(&client);
    client::verify(&client);
}

#[test]
fn second_create_of_a_path_is_refused() {
    let (client, _) = server();
    let answer = apply(&client, &[create("k", "1"), create("k", "2")]);
    answer.refuses(400, "InvalidRequest", &format!("Record already exists: {NOTE}/k"));
    assert_eq!(text(&client, "k"), None);
}

#[test]
fn batch_without_net_change_still_checks_swap_commit() {
    let (client, _) = server();
    let input = json!({
        "repo": DID, "writes": [create("k", "1"), delete("k")],
        "swapCommit": "bafyreie5737gdxlw5i64vzichcalba3z2v5n6icifvx5xytvske7mr3hpm",
    });
    let message = format!("Commit was at {}", client.head().0);
    client.post(METHOD, &input).refuses(400, "InvalidSwap", &message);
}

#[test]
fn blob_of_an_intermediate_record_is_not_required() {
    let (client, _) = server();
    let blob = json!({
        "$type": "blob", "mimeType": "image/png", "size": 3,
        "ref": { "$link": "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku" },
    });
    let mut with_blob = create("k", "1");
    with_blob["value"]["image"] = blob;
    apply(&client, &[with_blob.clone(), update("k", "2")]).json(200);
    assert_eq!(text(&client, "k").as_deref(), Some("2"));
    let mut last = with_blob;
    last["rkey"] = json!("l");
    assert_eq!(apply(&client, &[create("l", "1"), delete("l"), last]).status, 400);
    client::verify(&client);
}

/// The memory host's clock stands still, as a Worker's does within a request.
#[test]
fn generated_keys_never_repeat_while_the_clock_stands_still_or_steps_back() {
    let client = Client::new();
    let mut last = String::new();
    let mut check = |answer: &Value| {
        let results = answer["results"].as_array().cloned().unwrap_or_else(|| vec![answer.clone()]);
        for result in results {
            let uri = result["uri"].as_str().unwrap().to_owned();
            assert!(uri > last, "{uri} after {last}");
            last = uri;
        }
    };
    let one = json!({ "repo": DID, "collection": NOTE, "record": a_note("one") });
    let keyless = write("create", None, Some("many"));
    for step in 0..6 {
        check(&client.post("com.atproto.repo.createRecord", &one).json(200));
        check(&apply(&client, &vec![keyless.clone(); 200]).json(200));
        check(&client.post("com.atproto.repo.createRecord", &one).json(200));
        check(&client.post("com.atproto.repo.createRecord", &one).json(200));
        if step % 2 == 0 {
            client.host.move_clock(-600);
        }
    }
    client::verify(&client);
}

#[test]
fn generated_keys_exceed_earlier_ones_after_importing_an_older_repository() {
    let client = Client::new();
    let car = client.export();
    let one = json!({ "repo": DID, "collection": NOTE, "record": a_note("one") });
    client.host.move_clock(1000);
    let uri = |answer: Value| answer["uri"].as_str().unwrap().to_owned();
    let first = uri(client.post("com.atproto.repo.createRecord", &one).json(200));
    client.host.move_clock(-2000);
    client.deactivate();
    assert_eq!(client::cars::import(&client, &car).status, 200);
    client.activate();
    let second = uri(client.post("com.atproto.repo.createRecord", &one).json(200));
    assert!(second > first, "{second} after {first}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn random_batches_with_repeated_paths_match_a_map(seed: u64) {
        let client = Client::new();
        let mut relay = Relay::new(&client);
        let mut model = BTreeMap::new();
        let mut random = seed | 1;
        let mut below = |most: usize| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            usize::try_from(random % u64::try_from(most).unwrap()).unwrap()
        };
        for _ in 0..40 {
            let count = 1 + below(8);
            let (mut after, mut writes, mut is_valid) = (model.clone(), Vec::new(), true);
            for _ in 0..count {
                let rkey = format!("k{}", below(3));
                let text = below(3).to_string();
                // Most writes are valid for the current records.
                let exists = after.contains_key(&rkey) ^ (below(25) == 0);
                match (exists, below(2)) {
                    (false, _) => {
                        writes.push(create(&rkey, &text));
                        is_valid &= after.insert(rkey, text).is_none();
                    }
                    (true, 0) => {
                        writes.push(update(&rkey, &text));
                        is_valid &= after.insert(rkey, text).is_some();
                    }
                    (true, _) => {
                        writes.push(delete(&rkey));
                        is_valid &= after.remove(&rkey).is_some();
                    }
                }
            }
            let head = client.head();
            let answer = apply(&client, &writes);
            if is_valid {
                let answer = answer.json(200);
                prop_assert_eq!(answer["results"].as_array().unwrap().len(), writes.len());
                let changed = after != model;
                prop_assert_eq!(answer.get("commit").is_some(), changed);
                prop_assert_eq!(client.head() != head, changed);
                model = after;
            } else {
                prop_assert_eq!(answer.status, 400);
                prop_assert_eq!(client.head(), head);
            }
            for number in 0..3 {
                let rkey = format!("k{number}");
                prop_assert_eq!(text(&client, &rkey), model.get(&rkey).cloned());
            }
        }
        let verdicts = relay.follow(&client);
        prop_assert!(!verdicts.contains(&Verdict::Gap), "{:?}", verdicts);
        relay.assert_matches(&client);
        prop_assert_eq!(client::verify(&client), u64::try_from(model.len()).unwrap());
    }
}
