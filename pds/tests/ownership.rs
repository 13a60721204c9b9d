//! Which database may act for the account, and what it was set up with.

#![allow(clippy::std_instead_of_alloc, clippy::unwrap_used, reason = "all of this is test code")]

mod client;

use core::pin::pin;
use core::task::{Context, Waker};

use bytes::Bytes;
use client::opened::{count, guarded, health, open, operate, status, warnings};
use client::{DID, NOTE, PASSWORD, a_note, request};
use nacre_pds::Reply;
use nacre_pds::blobs::raw_cid;
use nacre_pds::body::Body;
use nacre_pds::dev::{Marker, Memory, block_on};
use nacre_pds::host::Row;
use serde_json::json;

const DISOWNED: &str = "this database is empty, but the bucket names another database as the owner \
    of did:web:pds.test; restore that database here, or take over with POST /operator/claim";

#[test]
fn changed_variables_are_warnings_and_no_damage() {
    let host = Memory::new(7);
    assert_eq!(warnings(&open(&host, &[])), json!([]));
    let key = "5".repeat(64);
    let changes = [
        ("HANDLE", "b.test"),
        ("PDS_HOSTNAME", "other.test"),
        ("SIGNING_KEY", &*key),
        ("SIGNING_KEY_PUBLIC", ""),
    ];
    let changed = open(&host, &changes);
    let audit = operate(&changed, "GET", "verify").json(200);
    assert_eq!(
        audit["warnings"],
        json!([
            "HANDLE is \"b.test\", but this account was set up with \"alice.test\"",
            "PDS_HOSTNAME is \"other.test\", but this account was set up with \"pds.test\"",
            "SIGNING_KEY is not the key that this account was set up with",
        ])
    );
    // What the first start remembered stays.
    assert_eq!(warnings(&open(&host, &[("HANDLE", "b.test")])).as_array().unwrap().len(), 1);
    assert_eq!(warnings(&open(&host, &[("HANDLE", "ALICE.test")])), json!([]));
    let healed = operate(&open(&host, &[("HANDLE", "b.test")]), "POST", "heal").json(200);
    assert_eq!((&healed["found"], &healed["faults"]), (&json!([]), &json!([])));
    assert_eq!(healed["warnings"].as_array().unwrap().len(), 1);
}

#[test]
fn a_start_where_nothing_changed_writes_no_row() {
    let host = Memory::new(7);
    drop(open(&host, &[]));
    let before = host.rows().1;
    drop(open(&host, &[]));
    assert_eq!(host.rows().1, before);
}

#[test]
fn the_database_holds_no_key_and_no_plain_hash_of_it() {
    let (one, two) = (Memory::new(7), Memory::new(8));
    drop((open(&one, &[]), open(&two, &[])));
    let kept = |host: &Memory| {
        let mut kept = Vec::new();
        let sql = "select owner_id, salt, key_fingerprint from setup";
        host.sql()
            .query(sql, &[], &mut |row: &dyn Row| {
                kept = (0..3).map(|index| format!("{:?}", row.value(index))).collect();
                Ok(())
            })
            .unwrap();
        kept
    };
    let (one, two) = (kept(&one), kept(&two));
    assert!(one.iter().zip(&two).all(|(one, two)| one != two), "the same key, {one:?}");
}

#[test]
fn a_database_from_before_remembers_at_its_next_start() {
    let host = Memory::new(7);
    drop(open(&host, &[]));
    host.sql().query("delete from setup", &[], &mut |_| Ok(())).unwrap();
    assert_eq!(warnings(&open(&host, &[("HANDLE", "b.test")])), json!([]));
    let warned = warnings(&open(&host, &[]));
    assert_eq!(
        warned,
        json!(["HANDLE is \"alice.test\", but this account was set up with \"b.test\""])
    );
}

#[test]
fn an_owner_puts_its_marker_and_keeps_the_account() {
    let marker = Marker::default();
    let host = guarded(7, &marker);
    let mut client = open(&host, &[]);
    assert!(marker.borrow().is_none(), "the bucket is asked by the first request");
    assert_eq!(health(&client).status, 200);
    let id = marker.borrow().clone().unwrap();
    client.sign_in();
    client.create(NOTE, "k", a_note("pearl")).json(200);
    assert_eq!(status(&open(&host, &[])).json(200)["active"], true);
    // Only an empty database reads the marker.
    *marker.borrow_mut() = Some("other".to_owned());
    assert_eq!(status(&open(&host, &[])).json(200)["active"], true);
    assert_eq!(operate(&open(&host, &[]), "POST", "claim").json(200)["active"], true);
    assert_eq!(*marker.borrow(), Some(id));
}

#[test]
fn an_empty_database_beside_an_owner_refuses_everything_but_a_claim() {
    let marker = Marker::default();
    assert_eq!(health(&open(&guarded(7, &marker), &[])).status, 200);
    let host = guarded(8, &marker);
    let client = open(&host, &[]);
    status(&client).refuses(503, "AccountNotOpened", DISOWNED);
    operate(&client, "GET", "verify").refuses(503, "AccountNotOpened", DISOWNED);
    assert_eq!(health(&client).json(503)["error"], DISOWNED);
    let input = json!({ "identifier": "alice.test", "password": PASSWORD });
    let answer = client.post_as(None, "com.atproto.server.createSession", &input);
    answer.refuses(503, "AccountNotOpened", DISOWNED);
    block_on(client.pds.run_due_work());
    for sql in ["select count(*) from account", "select count(*) from event"] {
        assert_eq!(count(&host, sql), 0, "{sql}");
    }
    // What takes no state is served.
    assert_eq!(client.get("/.well-known/did.json").status, 200);
    let stranger = client.send(request("POST", "/operator/claim", Some("none"), Body::Empty));
    assert_eq!(stranger.status, 401);

    let claimed = operate(&client, "POST", "claim").json(200);
    assert_eq!(claimed, json!({ "did": DID, "active": false }));
    assert_eq!(status(&client).json(200)["active"], false);
    assert_eq!(count(&host, "select count(*) from event"), 0);
    assert_eq!(operate(&client, "POST", "claim").json(200)["active"], false);
    assert_eq!(health(&client).status, 200);
    assert_eq!(warnings(&open(&host, &[])), json!([]));
}

#[test]
fn an_empty_database_beside_the_blobs_of_a_lost_one_starts_deactivated() {
    let marker = Marker::default();
    let host = guarded(7, &marker);
    host.blobs().borrow_mut().insert(raw_cid(&[7; 32]), Bytes::from_static(b"pearl"));
    let client = open(&host, &[]);
    assert_eq!(status(&client).json(200)["active"], false);
    assert_eq!(count(&host, "select count(*) from event"), 0);
    assert_eq!(host.take_log().len(), 1);
    assert_eq!(status(&open(&host, &[])).json(200)["active"], false);
    let healed = operate(&client, "POST", "heal").json(200);
    assert_eq!((&healed["found"], &healed["faults"]), (&json!([]), &json!([])));
    assert_eq!(host.blobs().borrow().len(), 1);
}

#[test]
fn requests_that_come_at_once_make_one_account() {
    let marker = Marker::default();
    let host = guarded(7, &marker);
    let client = open(&host, &[]);
    let ask = || {
        let path = format!("/xrpc/com.atproto.sync.getRepoStatus?did={DID}");
        client.pds.handle(request("GET", &path, None, Body::Empty), None)
    };
    let (mut one, mut two) = (pin!(ask()), pin!(ask()));
    let mut context = Context::from_waker(Waker::noop());
    // Both have asked the bucket and wait for it.
    assert!(one.as_mut().poll(&mut context).is_pending());
    assert!(two.as_mut().poll(&mut context).is_pending());
    for reply in [block_on(two), block_on(one)] {
        let Reply::Response(response) = reply else { panic!("{reply:?}") };
        assert_eq!(response.status(), 200);
    }
    assert_eq!(count(&host, "select count(*) from event"), 4);
}

#[test]
fn a_claim_while_the_first_start_waits_wins() {
    let marker = Marker::default();
    let host = guarded(7, &marker);
    let client = open(&host, &[]);
    let path = format!("/xrpc/com.atproto.sync.getRepoStatus?did={DID}");
    let mut asking = pin!(client.pds.handle(request("GET", &path, None, Body::Empty), None));
    assert!(asking.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert_eq!(operate(&client, "POST", "claim").json(200)["active"], false);
    let Reply::Response(response) = block_on(asking) else { panic!() };
    assert_eq!(response.status(), 200);
    assert_eq!(count(&host, "select count(*) from event"), 0);
}

#[test]
fn a_marker_that_goes_away_is_asked_for_again_after_a_minute() {
    let marker = Marker::default();
    drop(health(&open(&guarded(7, &marker), &[])));
    let host = guarded(8, &marker);
    let client = open(&host, &[]);
    assert_eq!(status(&client).status, 503);
    *marker.borrow_mut() = None;
    host.move_clock(59);
    assert_eq!(status(&client).status, 503);
    host.move_clock(1);
    // Somebody else has had the account: nothing is announced for it unasked.
    assert_eq!(status(&client).json(200)["active"], false);
    assert_eq!(count(&host, "select count(*) from event"), 0);
}

#[test]
fn a_first_start_that_fails_anywhere_is_finished_by_the_next_request() {
    for steps in 0.. {
        let marker = Marker::default();
        let host = guarded(7, &marker);
        let client = open(&host, &[]);
        host.fail_after(Some(steps));
        let first = status(&client);
        host.fail_after(None);
        let _ = host.take_log();
        assert_eq!(status(&client).json(200)["active"], true, "at step {steps}");
        assert_eq!(count(&host, "select count(*) from event"), 4);
        let id = marker.borrow().clone();
        assert_eq!(warnings(&open(&host, &[])), json!([]));
        assert_eq!(*marker.borrow(), id);
        if first.status == 200 {
            assert!(steps > 10, "it was tried at each of its steps");
            return;
        }
    }
}

#[test]
fn a_claim_that_fails_anywhere_never_activates_the_account() {
    for steps in 0.. {
        let marker = Marker::default();
        drop(health(&open(&guarded(7, &marker), &[])));
        let host = guarded(8, &marker);
        let client = open(&host, &[]);
        host.fail_after(Some(steps));
        let first = operate(&client, "POST", "claim");
        host.fail_after(None);
        // As after a crash.
        drop(client);
        let client = open(&host, &[]);
        assert!([200, 503].contains(&status(&client).status));
        assert_eq!(operate(&client, "POST", "claim").json(200)["active"], false);
        assert_eq!(count(&host, "select count(*) from event"), 0, "at step {steps}");
        if first.status == 200 {
            assert!(steps > 5, "it was tried at each of its steps");
            return;
        }
    }
}

#[test]
fn a_bucket_that_fails_is_asked_again_by_the_next_request() {
    let marker = Marker::default();
    let host = guarded(7, &marker);
    let client = open(&host, &[]);
    // The database is asked for the setup, and makes it; the third step is the bucket's.
    host.fail_after(Some(2));
    let message = "cannot check in the bucket which database owns the account; try again later";
    status(&client).refuses(503, "AccountNotOpened", message);
    host.fail_after(None);
    assert_eq!(host.take_log(), ["owner marker: injected fault"]);
    assert_eq!(status(&client).status, 200);
}

#[test]
fn an_account_without_a_marker_gets_one_from_the_alarm_once() {
    let host = Memory::new(7);
    drop(open(&host, &[]));
    let marker = Marker::default();
    host.set_owner_marker(&marker);
    let client = open(&host, &[]);
    assert!(host.alarm_s().is_some_and(|at_s| at_s <= host.now_s() + 60));
    block_on(client.pds.run_due_work());
    assert!(marker.borrow().is_some());
    *marker.borrow_mut() = None;
    block_on(client.pds.run_due_work());
    block_on(open(&host, &[]).pds.run_due_work());
    assert!(marker.borrow().is_none());
}

#[test]
fn an_object_that_sleeps_between_requests_still_puts_its_marker() {
    let host = Memory::new(7);
    drop(open(&host, &[]));
    host.set_owner_marker(&Marker::default());
    // The runtime drops the object ten seconds after a request, and keeps the alarm.
    for _ in 0..5 {
        drop(open(&host, &[]));
        host.move_clock(10);
        assert!(host.alarm_s().is_some_and(|at_s| at_s <= host.now_s()));
    }
}

#[test]
fn a_claim_that_the_bucket_fails_says_so_and_logs_why() {
    let marker = Marker::default();
    drop(health(&open(&guarded(7, &marker), &[])));
    let host = guarded(8, &marker);
    let client = open(&host, &[]);
    let message = "cannot check in the bucket which database owns the account; try again later";
    let found = (0..40).any(|steps| {
        host.fail_once(steps);
        let answer = operate(&client, "POST", "claim");
        host.fail_after(None);
        let is_bucket = host.take_log() == ["owner marker: injected fault"];
        if is_bucket {
            answer.refuses(503, "AccountNotOpened", message);
        }
        is_bucket
    });
    assert!(found);
    assert_eq!(operate(&client, "POST", "claim").json(200)["active"], false);
}

#[test]
fn an_account_whose_marker_names_another_database_serves_and_warns() {
    let host = Memory::new(7);
    drop(open(&host, &[]));
    let marker = Marker::default();
    *marker.borrow_mut() = Some("other".to_owned());
    host.set_owner_marker(&marker);
    let client = open(&host, &[]);
    block_on(client.pds.run_due_work());
    assert_eq!(host.take_log().len(), 1);
    assert_eq!(status(&client).status, 200);
    assert_eq!(
        warnings(&client),
        json!(["the bucket names another database as the account's owner; if this database \
                should be the owner, send POST /operator/claim"])
    );
    operate(&client, "POST", "claim").json(200);
    assert_eq!(warnings(&client), json!([]));
    assert_ne!(marker.borrow().as_deref(), Some("other"));
}
