//! Event retention: the log stays within its limits, and sequence numbers never decrease.

#![allow(clippy::std_instead_of_alloc, clippy::unwrap_used, reason = "all of this is test code")]

mod client;

use client::{Client, NOTE, PASSWORD, a_note};
use nacre_firehose::Frame;
use nacre_pds::config::{Config, new_account};
use nacre_pds::dev::{Memory, block_on};

const HOUR_S: i64 = 3_600;

fn with_retention(hours: u32, mib: u32) -> Client {
    let host = Memory::new(7);
    let vars = new_account("pds.test", "alice.test", PASSWORD, &*host.host().rng).unwrap();
    let var = |name: &str| vars.iter().find(|(known, _)| *known == name).map(|it| it.1.clone());
    let mut config = Config::from_vars(var).unwrap();
    config.event_retention_hours = hours;
    config.event_retention_mib = mib;
    // A session would expire during the tests.
    let access = var("AUTH_TOKEN").unwrap();
    Client { access, ..Client::with_config(host, config) }
}

/// Runs due work, as a host does when its alarm fires.
fn fire_alarm(client: &Client) {
    block_on(client.pds.run_due_work());
}

/// Returns whether a cursor is outdated, and the sequence numbers of its replay.
fn seqs(client: &Client, cursor: i64) -> (bool, Vec<i64>) {
    let sent = client.sent(client.subscribe(&format!("cursor={cursor}")));
    assert_eq!(sent.closed, None);
    let mut is_outdated = false;
    let mut seqs = Vec::new();
    for message in &sent.messages {
        match Frame::decode(message).unwrap() {
            Frame::Info(info) => {
                assert_eq!(info.name, "OutdatedCursor");
                assert!(seqs.is_empty() && !is_outdated);
                is_outdated = true;
            }
            frame => seqs.push(frame.seq().unwrap()),
        }
    }
    assert!(seqs.is_sorted_by(|a, b| a < b));
    (is_outdated, seqs)
}

fn integer(client: &Client, sql: &'static str) -> i64 {
    let mut found = 0;
    let mut row = |row: &dyn nacre_pds::host::Row| {
        let nacre_pds::host::Value::Integer(value) = row.value(0) else { panic!("no integer") };
        found = value;
        Ok(())
    };
    client.host.sql().query(sql, &[], &mut row).unwrap();
    found
}

/// Returns the counted size of the log, and asserts that it is right.
fn log_bytes(client: &Client) -> i64 {
    let counted = integer(client, "select event_bytes from account");
    assert_eq!(counted, integer(client, "select coalesce(sum(length(frame)), 0) from event"));
    counted
}

#[test]
fn expired_events_are_pruned_and_reported_as_an_outdated_cursor() {
    let client = with_retention(72, 64);
    let (_, old) = seqs(&client, 0);
    client.host.move_clock(72 * HOUR_S - 1);
    client.create(NOTE, "k", a_note("x")).json(200);
    let (is_outdated, all) = seqs(&client, 0);
    assert!(!is_outdated && all.len() == 5);
    fire_alarm(&client);
    assert_eq!(seqs(&client, 0), (false, all.clone()), "not expired yet");
    // Events are pruned an hour at a time.
    let due_s = client.host.alarm_s().unwrap();
    client.host.move_clock(HOUR_S + 1);
    assert!(due_s <= client.host.now_s());
    fire_alarm(&client);
    let last = *all.last().unwrap();
    assert_eq!(seqs(&client, 0), (true, vec![last]));
    assert_eq!(seqs(&client, old[2]), (true, vec![last]));
    assert_eq!(seqs(&client, old[3]), (false, vec![last]), "the cursor has missed nothing");
    client.host.move_clock(73 * HOUR_S);
    fire_alarm(&client);
    assert_eq!(seqs(&client, last), (false, Vec::new()));
    assert_eq!(seqs(&client, last - 1), (true, Vec::new()));
    assert_eq!(log_bytes(&client), 0);
    // The next event sets the alarm again.
    client.create(NOTE, "later", a_note("x")).json(200);
    assert!(client.host.alarm_s().unwrap() > client.host.now_s() + 72 * HOUR_S);
    let (_, later) = seqs(&client, last);
    assert!(later.len() == 1 && later[0] > last);
    client::verify(&client);
}

#[test]
fn oldest_events_are_pruned_when_the_log_is_too_large() {
    let client = with_retention(72, 1);
    let big = "x".repeat(50_000);
    for number in 0..40 {
        client.create(NOTE, &format!("k{number}"), a_note(&big)).json(200);
        assert!(log_bytes(&client) < 3_000_000);
    }
    // The alarm is due within a minute.
    assert!(client.host.alarm_s().unwrap() <= client.host.now_s() + 60);
    let (_, before) = seqs(&client, 0);
    fire_alarm(&client);
    let bytes = log_bytes(&client);
    assert!((900_000..=1_048_576).contains(&bytes), "{bytes}");
    let (is_outdated, after) = seqs(&client, 0);
    assert!(is_outdated);
    assert_eq!(after, before[before.len() - after.len()..]);
}

#[test]
fn replay_is_closed_with_an_error_if_its_next_events_are_pruned() {
    let client = with_retention(72, 1);
    let big = "x".repeat(200_000);
    for number in 0..20 {
        client.create(NOTE, &format!("k{number}"), a_note(&big)).json(200);
    }
    let subscription = client.request_subscription("cursor=0");
    let socket = client.host.sockets().open();
    let mut replay = core::pin::pin!(client.pds.subscribe(socket, subscription));
    let mut context = core::task::Context::from_waker(core::task::Waker::noop());
    assert!(replay.as_mut().poll(&mut context).is_pending());
    fire_alarm(&client);
    assert!(replay.as_mut().poll(&mut context).is_ready());
    let sent = client.sent(socket);
    let Frame::Error(error) = Frame::decode(sent.messages.last().unwrap()).unwrap() else {
        panic!("an error")
    };
    assert_eq!((error.error, sent.closed), ("ConsumerTooSlow", Some(1008)));
}

#[test]
fn steady_writes_keep_the_log_within_an_hour_of_its_retention() {
    let client = with_retention(72, 64);
    let mut alarms = 0;
    for minute in 0..5 * 24 * 60 {
        let rkey = format!("k{}", minute % 50);
        client.put(NOTE, &rkey, a_note(&minute.to_string())).json(200);
        client.host.move_clock(60);
        if client.host.alarm_s().is_some_and(|due_s| due_s <= client.host.now_s()) {
            fire_alarm(&client);
            alarms += 1;
        }
        if minute % 97 == 0 {
            assert!(client.row_counts()["event"] <= 73 * 60 + 5);
        }
    }
    assert!(client.row_counts()["event"] > 71 * 60);
    assert!(
        (46..=50).contains(&alarms),
        "{alarms} alarms instead of one an hour in the last two days"
    );
    log_bytes(&client);
    client::verify(&client);
}

#[test]
fn sequence_numbers_exceed_earlier_ones_after_a_backup_is_restored() {
    let client = with_retention(72, 64);
    let (_, saved) = seqs(&client, 0);
    for number in 0..50 {
        client.create(NOTE, &format!("k{number}"), a_note("x")).json(200);
    }
    let (_, seen) = seqs(&client, 0);
    client.host.move_clock(1);
    // Restores the events of an older database. The tree has no part in this.
    for sql in [
        "delete from event where seq > (select min(seq) + 3 from event)",
        "update account set seq = (select max(seq) from event)",
        "update account set event_bytes = (select sum(length(frame)) from event)",
    ] {
        client.host.sql().query(sql, &[], &mut |_| Ok(())).unwrap();
    }
    assert_eq!(seqs(&client, 0).1, saved);
    client.create(NOTE, "after", a_note("x")).json(200);
    let (_, after) = seqs(&client, 0);
    assert!(after.last() > seen.last(), "{after:?}");
}
