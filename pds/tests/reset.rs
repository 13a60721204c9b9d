//! Resets of an account to another DID.

#![allow(clippy::std_instead_of_alloc, clippy::unwrap_used, reason = "all of this is test code")]

mod client;

use core::pin::pin;
use core::task::{Context, Waker};
use std::collections::BTreeMap;

use bytes::Bytes;
use client::Client;
use client::setup::{config, count, guarded, health, open, operate, status, warnings};
use nacre_pds::blobs::raw_cid;
use nacre_pds::dev::{Marker, Memory, block_on};
use nacre_pds::host::Value as SqlValue;
use nacre_pds::{OpenError, Pds, ResetError};
use serde_json::json;

#[test]
fn mismatched_did_is_refused_with_both_dids_named() {
    let host = Memory::new(7);
    drop(open(&host, &[("INITIAL_ACTIVE", "false")]));
    for (active, was_active) in [("false", false), ("true", true)] {
        let other = config(&[("DID", "did:web:b.test"), ("INITIAL_ACTIVE", active)]);
        let error = Pds::open(host.host(), other).unwrap_err();
        let text = "the database belongs to \"did:web:pds.test\", but DID is \"did:web:b.test\"";
        assert_eq!(error.to_string(), text);
        let OpenError::OtherAccount { was_active: reported, .. } = error else {
            panic!("{error:?}")
        };
        assert_eq!(reported, was_active);
        let mut client = open(&host, &[]);
        client.sign_in();
        client.post_nothing(&client.access, "com.atproto.server.activateAccount");
    }
}

#[test]
fn only_a_never_active_account_can_be_reset_to_another_did() {
    let host = Memory::new(7);
    let mut client = open(&host, &[("INITIAL_ACTIVE", "false")]);
    client.sign_in();
    client.upload("text/plain", b"pearl");
    let changes = [("DID", "did:web:b.test"), ("INITIAL_ACTIVE", "false")];
    let wrong = Pds::open_to_reset(host.host(), config(&changes)).unwrap();
    let reset = Client { pds: wrong, ..Client::signed_out() };
    let message = "this database belongs to another DID; send POST /operator/reset to start over";
    status(&reset).refuses(503, "AccountNotOpened", message);
    operate(&reset, "POST", "claim").refuses(503, "AccountNotOpened", message);
    assert_eq!(operate(&reset, "POST", "reset").json(200)["did"], "did:web:b.test");
    // The blobs may belong to the new DID.
    assert_eq!(host.blobs().borrow().len(), 1);
    for (sql, left) in [
        ("select count(*) from session", 0),
        ("select count(*) from refresh_token", 0),
        ("select count(*) from blob", 0),
        ("select count(*) from event", 0),
        ("select count(*) from account where did = 'did:web:b.test'", 1),
    ] {
        assert_eq!(count(&host, sql), left, "{sql}");
    }
    let mut client = open(&host, &changes);
    let text = warnings(&client)[0].as_str().unwrap().to_owned();
    assert!(text.starts_with("stored blobs are not in the database"), "{text}");
    client.sign_in();
    client.post_nothing(&client.access, "com.atproto.server.activateAccount");
    let message =
        "the account did:web:b.test was active: other servers know it, so it cannot be reset";
    operate(&client, "POST", "reset").refuses(409, "AccountWasActive", message);
    assert_eq!(
        block_on(client.pds.reset()),
        Err(ResetError::WasActive("did:web:b.test".to_owned()))
    );
}

#[test]
fn reset_with_blobs_removes_only_the_blobs_of_the_account() {
    for fails in [false, true] {
        let host = Memory::new(7);
        let mut client = open(&host, &[("INITIAL_ACTIVE", "false")]);
        client.sign_in();
        // Stored blobs that the database does not know.
        let others = BTreeMap::from([(raw_cid(&[7; 32]), Bytes::from_static(b"other"))]);
        host.blobs().borrow_mut().extend(others.clone());
        client.upload("text/plain", b"pearl");
        client.upload("text/plain", b"draft");
        let changes = [("DID", "did:web:b.test"), ("INITIAL_ACTIVE", "false")];
        let pds = Pds::open_to_reset(host.host(), config(&changes)).unwrap();
        let mut resetting = pin!(pds.reset_with_blobs());
        if fails {
            // The process ends while the first blob is being removed.
            let mut context = Context::from_waker(Waker::noop());
            while count(&host, "select count(*) from removal") == 0 {
                assert!(resetting.as_mut().poll(&mut context).is_pending());
            }
            block_on(open(&host, &changes).pds.run_due_work());
        } else {
            block_on(resetting).unwrap();
        }
        assert_eq!(*host.blobs().borrow(), others);
        assert_eq!(count(&host, "select count(*) from removal"), 0);
    }
}

#[test]
fn failed_reset_leaves_either_the_old_or_the_new_account() {
    for steps in 0.. {
        let host = Memory::new(7);
        drop(open(&host, &[("INITIAL_ACTIVE", "false")]));
        let changes = [("DID", "did:web:b.test")];
        let pds = Pds::open_to_reset(host.host(), config(&changes)).unwrap();
        host.fail_after(Some(steps));
        let first = block_on(pds.reset());
        host.fail_after(None);
        match Pds::open(host.host(), config(&changes)) {
            Ok(pds) => assert_eq!(block_on(pds.audit()).unwrap().faults, [""; 0]),
            Err(OpenError::OtherAccount { was_active: false, .. }) => {
                assert_eq!(warnings(&open(&host, &[])), json!([]));
            }
            Err(error) => panic!("{error} at step {steps}"),
        }
        if first.is_ok() {
            assert!(steps > 10, "failed at {steps} steps only");
            return;
        }
    }
}

#[test]
fn reset_empties_every_table() {
    let host = Memory::new(7);
    drop(open(&host, &[]));
    let source = include_str!("../src/store/setup.rs");
    let mut tables = Vec::new();
    host.sql()
        .query("select name from sqlite_master where type = 'table'", &[], &mut |row| {
            let SqlValue::Text(name) = row.value(0) else { panic!() };
            tables.push(name.into_owned());
            Ok(())
        })
        .unwrap();
    assert!(tables.len() > 10);
    for table in tables {
        let kept = ["schema_version", "setup", "import"].contains(&&*table);
        assert!(kept || source.contains(&format!("\"delete from {table}\"")), "{table}");
    }
}

#[test]
fn reset_of_a_claimed_account_leaves_it_inactive() {
    let marker = Marker::default();
    drop(health(&open(&guarded(7, &marker), &[])));
    let host = guarded(8, &marker);
    let client = open(&host, &[]);
    operate(&client, "POST", "claim").json(200);
    assert_eq!(operate(&client, "POST", "reset").json(200)["active"], false);
    assert_eq!(status(&open(&host, &[])).json(200)["active"], false);
}
