//! The log and the metrics.

#![allow(clippy::std_instead_of_alloc, clippy::unwrap_used, reason = "all of this is test code")]

mod client;

use core::pin::pin;
use core::task::{Context, Waker};
use std::collections::BTreeMap;

use client::setup::{open, operate};
use client::{Client, DID, NOTE, a_note};
use nacre_pds::dev::{Memory, block_on};
use serde_json::{Value, json};

/// Starts a server whose operator can call it, and signs in.
fn server() -> Client {
    let mut client = open(&Memory::new(7), &[]);
    client.sign_in();
    client
}

fn entries(client: &Client) -> Vec<Value> {
    let entries = client.host.take_log_entries();
    entries.iter().map(|entry| serde_json::from_str(entry).unwrap()).collect()
}

/// Returns the samples of the metrics by name.
fn metrics(client: &Client) -> BTreeMap<String, i64> {
    let answer = operate(client, "GET", "metrics");
    assert_eq!(answer.status, 200);
    let text = String::from_utf8(answer.body).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let sample = |line: &str| {
        let (name, value) = line.rsplit_once(' ').unwrap();
        // Only sums of durations have decimals.
        (name.to_owned(), value.split('.').next().unwrap().parse().unwrap())
    };
    lines.map(sample).collect()
}

#[test]
fn request_is_logged_with_its_method_status_and_id() {
    let client = Client::new();
    drop(client.host.take_log_entries());
    client.create(NOTE, "a", a_note("a")).json(200);
    client.get("/xrpc/com.example.unknown");
    client.get("/robots.txt");
    let found = entries(&client);
    let fields = |entry: &Value| {
        assert_eq!((&entry["level"], &entry["event"]), (&"debug".into(), &"request".into()));
        (entry["method"].as_str().unwrap().to_owned(), entry["status"].as_u64().unwrap())
    };
    let expected = [("com.atproto.repo.createRecord", 200), ("other", 501), ("other", 200)];
    let expected = expected.map(|(method, status)| (method.to_owned(), status));
    assert_eq!(found.iter().map(fields).collect::<Vec<_>>(), expected);
    assert_ne!(found[0]["request"], found[1]["request"]);
}

#[test]
fn sign_ins_are_logged_with_the_network_and_without_the_identifier() {
    let client = server();
    let signed_in = entries(&client);
    let accepted = signed_in.iter().find(|entry| entry["event"] == "sign_in.accepted").unwrap();
    assert_eq!(accepted["message"], "the owner signed in from 192.0.2.1");
    let input = json!({ "identifier": "hunter2", "password": "alice.test" });
    client.post_from("198.51.100.7", "com.atproto.server.createSession", &input);
    let found = entries(&client);
    let refused = found.iter().find(|entry| entry["event"] == "sign_in.refused").unwrap();
    assert_eq!(refused["level"], "warn");
    assert_eq!(refused["message"], "wrong password from 198.51.100.7");
    assert!(!found.iter().any(|entry| entry.to_string().contains("hunter2")));
}

#[test]
fn fault_names_the_request_in_the_response_and_in_the_log() {
    let client = Client::new();
    drop(client.host.take_log_entries());
    client.host.fail_after(Some(0));
    let answer = client.create(NOTE, "a", a_note("a"));
    client.host.fail_after(None);
    assert_eq!(answer.status, 500);
    let id = answer.headers["x-request-id"].to_str().unwrap();
    let found = entries(&client);
    let fault = found.iter().find(|entry| entry["event"] == "request.failed").unwrap();
    assert_eq!(fault["level"], "error");
    assert_eq!(fault["request"], id);
    assert_eq!(fault["method"], "com.atproto.repo.createRecord");
    // Refusals do not name the request.
    let refused = client.create(NOTE, "a b", a_note("a"));
    assert_eq!(refused.status, 400);
    assert!(!refused.headers.contains_key("x-request-id"));
}

#[test]
fn response_after_a_panic_names_the_request() {
    let client = Client::new();
    drop(client.host.take_log_entries());
    let response = client.pds.answer_panic();
    assert_eq!(response.status(), 500);
    assert_eq!(
        entries(&client)[0]["request"],
        response.headers()["x-request-id"].to_str().unwrap()
    );
}

#[test]
fn requests_to_unknown_methods_share_one_metric() {
    let client = server();
    let series = |client: &Client| {
        metrics(client).keys().filter(|name| name.starts_with("nacre_requests_total")).count()
    };
    let before = series(&client);
    for number in 0..100 {
        client.get(&format!("/xrpc/com.example.method{number}"));
        client.get(&format!("/path{number}"));
        client.get(&format!("/operator/command{number}"));
    }
    // The statuses 404 and 501, and the earlier call of `metrics` itself.
    assert!(series(&client) <= before + 3);
}

#[test]
fn totals_of_the_day_are_stored_with_commits_and_start_over_at_midnight() {
    let client = server();
    client.create(NOTE, "a", a_note("a")).json(200);
    let rows = client.host.rows();
    drop(metrics(&client));
    assert_eq!(client.host.rows().written, rows.written, "metrics write no row");
    client.create(NOTE, "b", a_note("b")).json(200);
    let before = metrics(&client);
    assert_eq!(before["nacre_today_record_writes"], 2);
    assert_eq!(before["nacre_record_writes_total"], 2);

    let client = Client { access: client.access.clone(), ..open(&client.host, &[]) };
    let after = metrics(&client);
    assert_eq!(after["nacre_record_writes_total"], 0);
    assert_eq!(after["nacre_today_record_writes"], 2);
    assert!(after["nacre_today_sql_rows_written"] >= 8);
    assert_eq!(after["nacre_records"], 2);

    for number in 0..50 {
        client.get(&format!("/xrpc/com.atproto.repo.getRecord?repo=a&collection={number}"));
        client.query("com.atproto.repo.listRecords", &format!("repo={DID}&collection={NOTE}"));
    }
    client.host.move_clock(24 * 60 * 60);
    client.get("/robots.txt");
    let next_day = metrics(&client);
    assert_eq!(next_day["nacre_today_record_writes"], 0);
    let read = next_day["nacre_today_sql_rows_read"];
    assert!(read < 10, "{read} rows of the day before are counted");
}

#[test]
fn metrics_count_subscribers() {
    let client = server();
    client.subscribe("");
    let found = metrics(&client);
    assert_eq!((found["nacre_subscribers"], found["nacre_replay_lag_seconds"]), (1, 0));
}

#[test]
fn replay_lag_is_that_of_the_slowest_replay() {
    let client = server();
    for number in 0..10 {
        client.host.move_clock(60);
        client.create(NOTE, &format!("k{number}"), a_note(&"x".repeat(60_000))).json(200);
    }
    let subscription = client.request_subscription("cursor=1");
    let socket = client.host.sockets().open();
    let mut replay = pin!(client.pds.subscribe(socket, subscription));
    // Sends the first slice, which holds less than half of the events.
    let polled = replay.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(polled.is_pending());
    let lag_s = metrics(&client)["nacre_replay_lag_seconds"];
    assert!((240..600).contains(&lag_s), "{lag_s}");
    block_on(replay);
    assert_eq!(metrics(&client)["nacre_replay_lag_seconds"], 0);
}
