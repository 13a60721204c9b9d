//! Removal of idle blobs: a failed or interrupted removal is finished later, and never removes a
//! blob that is referenced or uploaded again.

#![allow(clippy::std_instead_of_alloc, clippy::unwrap_used, reason = "all of this is test code")]

mod client;

use core::pin::pin;
use core::task::{Context, Waker};

use client::relays::advance;
use client::{Client, DID, NOTE, PASSWORD};
use nacre_pds::Pds;
use nacre_pds::blobs::raw_cid;
use nacre_pds::dev::{Memory, account, block_on};
use nacre_pds::host::{Blobs, BlobsError, Host, Row, Value};
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use core::cell::Cell;
use std::rc::Rc;

use bytes::Bytes;
use cid::Cid;
use futures_core::future::LocalBoxFuture;

const DAY_S: i64 = 86_400;

/// A blob store whose removals fail while `fails` is set, and which counts them.
struct FailingBlobs {
    inner: Rc<dyn Blobs>,
    fails: Cell<bool>,
    attempts: Cell<usize>,
}

impl Blobs for FailingBlobs {
    fn size(&self, cid: &Cid) -> LocalBoxFuture<'static, Result<Option<u64>, BlobsError>> {
        self.inner.size(cid)
    }

    fn remove(&self, cid: &Cid) -> LocalBoxFuture<'static, Result<(), BlobsError>> {
        self.attempts.set(self.attempts.get() + 1);
        if self.fails.get() {
            return Box::pin(async { Err(BlobsError("the bucket is unavailable".to_owned())) });
        }
        self.inner.remove(cid)
    }

    fn list(&self, after: Option<&Cid>) -> LocalBoxFuture<'static, Result<Vec<Cid>, BlobsError>> {
        self.inner.list(after)
    }
}

/// A server whose blob store fails to remove anything.
fn start() -> (Client, Rc<FailingBlobs>) {
    let memory = Memory::new(7);
    let blobs = FailingBlobs { inner: memory.host().blobs, fails: true.into(), attempts: 0.into() };
    let blobs = Rc::new(blobs);
    let host = Host { blobs: blobs.clone(), ..memory.host() };
    let pds = Pds::open(host, account(&memory, PASSWORD)).unwrap();
    let mut client = Client::with_config(Memory::new(7), account(&memory, PASSWORD));
    (client.host, client.pds) = (memory, pds);
    client.sign_in();
    (client, blobs)
}

fn count(client: &Client, sql: &'static str) -> i64 {
    let mut found = -1;
    let mut read = |row: &dyn Row| {
        let Value::Integer(count) = row.value(0) else { panic!("not a number") };
        found = count;
        Ok(())
    };
    client.host.sql().query(sql, &[], &mut read).unwrap();
    found
}

fn removals(client: &Client) -> i64 {
    count(client, "select count(*) from removal")
}

fn blobs(client: &Client) -> usize {
    client.host.blobs().borrow().len()
}

fn note(blob: &Json) -> Json {
    json!({ "$type": NOTE, "blob": blob })
}

/// Uploads a blob and lets its removal fail.
fn with_failed_removal(client: &mut Client) -> Json {
    let blob = client.upload("text/plain", b"pearl");
    client.host.move_clock(DAY_S);
    client.sign_in();
    block_on(client.pds.run_due_work());
    assert_eq!((removals(client), blobs(client)), (1, 1));
    blob
}

#[test]
fn failed_removal_is_retried_with_backoff_until_it_succeeds() {
    let (mut client, store) = start();
    with_failed_removal(&mut client);
    assert_eq!(client.host.take_log().len(), 1);
    assert_eq!(block_on(client.pds.audit()).unwrap().faults, Vec::<String>::new());
    let rows = client.host.rows().written;
    advance(&client, DAY_S);
    let retries = store.attempts.get();
    assert!((20..40).contains(&retries), "{retries}");
    assert_eq!(client.host.rows().written - rows, 0, "retries write no rows");
    assert_eq!(client.host.take_log().len(), retries - 1);
    store.fails.set(false);
    advance(&client, 2 * 3_600);
    assert_eq!((removals(&client), blobs(&client)), (0, 0));
    let attempts = store.attempts.get();
    advance(&client, 2 * DAY_S);
    assert_eq!(store.attempts.get(), attempts, "no attempt after success");
}

#[test]
fn record_cannot_refer_to_a_blob_whose_removal_is_pending() {
    let (mut client, _) = start();
    let blob = with_failed_removal(&mut client);
    let message = format!("Could not find blob: {}", blob["ref"]["$link"].as_str().unwrap());
    client.create(NOTE, "a", note(&blob)).refuses(400, "BlobNotFound", &message);
}

#[test]
fn upload_cancels_a_pending_removal() {
    let (mut client, store) = start();
    let blob = with_failed_removal(&mut client);
    client.upload("text/plain", b"pearl");
    assert_eq!(removals(&client), 0);
    client.create(NOTE, "a", note(&blob)).json(200);
    store.fails.set(false);
    advance(&client, 3 * DAY_S);
    let cid = blob["ref"]["$link"].as_str().unwrap();
    let params = format!("did={DID}&cid={cid}");
    assert_eq!(client.query("com.atproto.sync.getBlob", &params).body, b"pearl");
    client::verify(&client);
}

#[test]
fn interrupted_removal_is_finished_by_the_next_alarm() {
    let mut client = Client::new();
    client.upload("text/plain", b"pearl");
    client.host.move_clock(DAY_S);
    client.sign_in();
    let before = client.host.blobs().borrow().clone();
    let mut context = Context::from_waker(Waker::noop());
    {
        let mut due_work = pin!(client.pds.run_due_work());
        while removals(&client) == 0 {
            assert!(due_work.as_mut().poll(&mut context).is_pending());
        }
    }
    // The process ends before the store has removed the bytes.
    *client.host.blobs().borrow_mut() = before;
    let config = account(&Memory::new(7), PASSWORD);
    let client = Client::with_config(client.host.clone(), config);
    assert_eq!(block_on(client.pds.audit()).unwrap().faults, Vec::<String>::new());
    block_on(client.pds.run_due_work());
    assert_eq!((removals(&client), blobs(&client)), (0, 0));
}

#[test]
fn abandoned_removal_does_not_block_uploads() {
    let mut client = Client::new();
    client.upload("text/plain", b"pearl");
    client.host.move_clock(DAY_S);
    client.sign_in();
    {
        let mut context = Context::from_waker(Waker::noop());
        let mut due_work = pin!(client.pds.run_due_work());
        while removals(&client) == 0 {
            assert!(due_work.as_mut().poll(&mut context).is_pending());
        }
        let refused = client.upload_as(&client.access, "text/plain", b"pearl");
        assert_eq!(refused.status, 503, "while it is being removed");
    }
    client.upload("text/plain", b"pearl");
    assert_eq!((removals(&client), blobs(&client)), (0, 1));
}

#[test]
fn pending_removal_keeps_a_blob_that_is_referenced_again() {
    let (mut client, store) = start();
    with_failed_removal(&mut client);
    // Adds a reference without an upload, as an import does.
    let cid = raw_cid(&Sha256::digest(b"pearl").into()).to_string();
    let reference = "insert into blob_ref (cid, path, rev)
        select 'CID', 'com.example.note/a', rev from account";
    let reference: &'static str = reference.replace("CID", &cid).leak();
    client.host.sql().query(reference, &[], &mut |_| Ok(())).unwrap();
    store.fails.set(false);
    advance(&client, 3 * DAY_S);
    assert_eq!((removals(&client), blobs(&client)), (0, 1));
    assert_eq!(count(&client, "select count(*) from blob where idle_since_s is null"), 1);
}

#[test]
fn wrong_idle_mark_does_not_remove_a_referenced_blob() {
    let client = Client::new();
    let blob = client.upload("text/plain", b"pearl");
    client.create(NOTE, "a", note(&blob)).json(200);
    client.host.sql().query("update blob set idle_since_s = 5", &[], &mut |_| Ok(())).unwrap();
    block_on(client.pds.run_due_work());
    assert_eq!((removals(&client), blobs(&client)), (0, 1));
    client::verify(&client);
}

#[test]
fn alarm_removes_orphans_that_a_heal_could_not() {
    let (client, store) = start();
    for number in 0..3_u8 {
        client.host.blobs().borrow_mut().insert(raw_cid(&[number; 32]), Bytes::new());
    }
    let healed = block_on(client.pds.heal()).unwrap();
    assert_eq!((healed.found.len(), healed.audit.faults), (3, Vec::new()));
    assert_eq!((store.attempts.get(), removals(&client), blobs(&client)), (3, 3, 3));
    assert_eq!(client.host.take_log().len(), 1);
    store.fails.set(false);
    advance(&client, 10 * 60);
    assert_eq!((removals(&client), blobs(&client)), (0, 0));
}

#[test]
fn failed_removal_does_not_block_other_removals() {
    let (mut client, store) = start();
    for number in 0..3_u8 {
        client.upload("text/plain", &[number; 3]);
    }
    client.host.move_clock(DAY_S);
    client.sign_in();
    block_on(client.pds.run_due_work());
    assert_eq!((store.attempts.get(), removals(&client)), (3, 3));
}
