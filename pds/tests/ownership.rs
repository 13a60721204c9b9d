//! Ownership: which database may act for the account, and warnings about changed settings.

#![allow(clippy::std_instead_of_alloc, clippy::unwrap_used, reason = "all of this is test code")]

mod client;

use core::pin::pin;
use core::task::{Context, Waker};

use bytes::Bytes;
use client::setup::{count, guarded, health, open, operate, status, warnings};
use client::{DID, NOTE, PASSWORD, a_note, request};
use nacre_pds::Reply;
use nacre_pds::blobs::raw_cid;
use nacre_pds::body::Body;
use nacre_pds::dev::{Marker, Memory, block_on};
use nacre_pds::host::Row;
use serde_json::json;

const NOT_OWNER: &str = "this database is empty, but the bucket names another database as the \
    owner of did:web:pds.test; restore that database here, or take over with POST /operator/claim";

#[test]
fn changed_variables_are_warnings_and_not_faults() {
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
    // The settings of the first start stay recorded.
    assert_eq!(warnings(&open(&host, &[("HANDLE", "b.test")])).as_array().unwrap().len(), 1);
    assert_eq!(warnings(&open(&host, &[("HANDLE", "ALICE.test")])), json!([]));
    let healed = operate(&open(&host, &[("HANDLE", "b.test")]), "POST", "heal").json(200);
    assert_eq!((&healed["found"], &healed["faults"]), (&json!([]), &json!([])));
    assert_eq!(healed["warnings"].as_array().unwrap().len(), 1);
}

#[test]
fn restart_without_changes_writes_no_row() {
    let host = Memory::new(7);
    drop(open(&host, &[]));
    let before = host.rows().written;
    drop(open(&host, &[]));
    assert_eq!(host.rows().written, before);
}

#[test]
fn stored_fingerprint_of_the_signing_key_is_salted() {
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
    assert!(
        one.iter().zip(&two).all(|(one, two)| one != two),
        "equal values on both servers: {one:?}"
    );
}

#[test]
fn database_without_recorded_settings_records_them_at_the_next_start() {
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
fn first_request_writes_the_marker_and_an_owner_ignores_later_ones() {
    let marker = Marker::default();
    let host = guarded(7, &marker);
    let mut client = open(&host, &[]);
    assert!(marker.borrow().is_none(), "the first request reads the bucket");
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
fn empty_database_of_an_owned_account_refuses_everything_but_a_claim() {
    let marker = Marker::default();
    assert_eq!(health(&open(&guarded(7, &marker), &[])).status, 200);
    let host = guarded(8, &marker);
    let client = open(&host, &[]);
    status(&client).refuses(503, "AccountNotOpened", NOT_OWNER);
    operate(&client, "GET", "verify").refuses(503, "AccountNotOpened", NOT_OWNER);
    assert_eq!(health(&client).json(503)["error"], NOT_OWNER);
    let input = json!({ "identifier": "alice.test", "password": PASSWORD });
    let answer = client.post_as(None, "com.atproto.server.createSession", &input);
    answer.refuses(503, "AccountNotOpened", NOT_OWNER);
    block_on(client.pds.run_due_work());
    for sql in ["select count(*) from account", "select count(*) from event"] {
        assert_eq!(count(&host, sql), 0, "{sql}");
    }
    // Methods without state are served.
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
fn empty_database_with_stored_blobs_starts_deactivated() {
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
fn concurrent_first_requests_create_one_account() {
    let marker = Marker::default();
    let host = guarded(7, &marker);
    let client = open(&host, &[]);
    let ask = || {
        let path = format!("/xrpc/com.atproto.sync.getRepoStatus?did={DID}");
        client.pds.handle(request("GET", &path, None, Body::Empty), None)
    };
    let (mut one, mut two) = (pin!(ask()), pin!(ask()));
    let mut context = Context::from_waker(Waker::noop());
    // Both wait for the bucket.
    assert!(one.as_mut().poll(&mut context).is_pending());
    assert!(two.as_mut().poll(&mut context).is_pending());
    for reply in [block_on(two), block_on(one)] {
        let Reply::Response(response) = reply else { panic!("{reply:?}") };
        assert_eq!(response.status(), 200);
    }
    assert_eq!(count(&host, "select count(*) from event"), 4);
}

#[test]
fn claim_during_the_first_start_takes_precedence() {
    let marker = Marker::default();
    let host = guarded(7, &marker);
    let client = open(&host, &[]);
    let path = format!("/xrpc/com.atproto.sync.getRepoStatus?did={DID}");
    let mut request = pin!(client.pds.handle(request("GET", &path, None, Body::Empty), None));
    assert!(request.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert_eq!(operate(&client, "POST", "claim").json(200)["active"], false);
    let Reply::Response(response) = block_on(request) else { panic!() };
    assert_eq!(response.status(), 200);
    assert_eq!(count(&host, "select count(*) from event"), 0);
}

#[test]
fn removal_of_the_marker_is_noticed_after_a_minute() {
    let marker = Marker::default();
    drop(health(&open(&guarded(7, &marker), &[])));
    let host = guarded(8, &marker);
    let client = open(&host, &[]);
    assert_eq!(status(&client).status, 503);
    *marker.borrow_mut() = None;
    host.move_clock(59);
    assert_eq!(status(&client).status, 503);
    host.move_clock(1);
    // Another database held the account, so it starts inactive and announces nothing.
    assert_eq!(status(&client).json(200)["active"], false);
    assert_eq!(count(&host, "select count(*) from event"), 0);
}

#[test]
fn failed_first_start_is_finished_by_the_next_request() {
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
            assert!(steps > 10, "failed at {steps} steps only");
            return;
        }
    }
}

#[test]
fn failed_claim_never_activates_the_account() {
    for steps in 0.. {
        let marker = Marker::default();
        drop(health(&open(&guarded(7, &marker), &[])));
        let host = guarded(8, &marker);
        let client = open(&host, &[]);
        host.fail_after(Some(steps));
        let first = operate(&client, "POST", "claim");
        host.fail_after(None);
        // Restarts as after a crash.
        drop(client);
        let client = open(&host, &[]);
        assert!([200, 503].contains(&status(&client).status));
        assert_eq!(operate(&client, "POST", "claim").json(200)["active"], false);
        assert_eq!(count(&host, "select count(*) from event"), 0, "at step {steps}");
        if first.status == 200 {
            assert!(steps > 5, "failed at {steps} steps only");
            return;
        }
    }
}

#[test]
fn bucket_failure_is_retried_by_the_next_request() {
    let marker = Marker::default();
    let host = guarded(7, &marker);
    let client = open(&host, &[]);
    // The first two steps read and write the setup, the third reads the bucket.
    host.fail_after(Some(2));
    let message = "cannot check in the bucket which database owns the account; try again later";
    status(&client).refuses(503, "AccountNotOpened", message);
    host.fail_after(None);
    assert_eq!(host.take_log(), ["owner marker: injected fault"]);
    assert_eq!(status(&client).status, 200);
}

#[test]
fn alarm_writes_a_missing_marker_once() {
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
fn marker_alarm_comes_due_despite_evictions_between_requests() {
    let host = Memory::new(7);
    drop(open(&host, &[]));
    host.set_owner_marker(&Marker::default());
    // The runtime evicts the object ten seconds after a request and keeps its alarm.
    for _ in 0..5 {
        drop(open(&host, &[]));
        host.move_clock(10);
        assert!(host.alarm_s().is_some_and(|at_s| at_s <= host.now_s()));
    }
}

#[test]
fn claim_reports_and_logs_a_bucket_failure() {
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
fn account_whose_marker_names_another_database_serves_with_a_warning() {
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
