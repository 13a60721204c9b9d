//! Scheduled work: a task that fails or panics does not block the others.

#![allow(clippy::std_instead_of_alloc, clippy::unwrap_used, reason = "all of this is test code")]

mod client;

use core::cell::Cell;
use core::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::rc::Rc;

use cid::Cid;
use client::Client;
use client::relays::{MINUTE_S, RELAY, Relays, config};
use futures_core::future::LocalBoxFuture;
use nacre_pds::Pds;
use nacre_pds::dev::{Memory, block_on};
use nacre_pds::host::{Blobs, BlobsError, Host};

const DAY_S: i64 = 86_400;

/// A blob store whose removals panic while `panics` is set.
struct PanickingBlobs {
    inner: Rc<dyn Blobs>,
    panics: Cell<bool>,
}

impl Blobs for PanickingBlobs {
    fn size(&self, cid: &Cid) -> LocalBoxFuture<'static, Result<Option<u64>, BlobsError>> {
        self.inner.size(cid)
    }

    fn remove(&self, cid: &Cid) -> LocalBoxFuture<'static, Result<(), BlobsError>> {
        assert!(!self.panics.get(), "the store is broken");
        self.inner.remove(cid)
    }

    fn list(&self, after: Option<&Cid>) -> LocalBoxFuture<'static, Result<Vec<Cid>, BlobsError>> {
        self.inner.list(after)
    }
}

/// A server with a blob that is due for removal, old events and a relay to ask.
fn start() -> (Client, Rc<PanickingBlobs>, Relays) {
    let (memory, relays) = (Memory::new(7), Relays::default());
    relays.serve(&memory);
    let blobs = Rc::new(PanickingBlobs { inner: memory.host().blobs, panics: Cell::new(true) });
    let host = Host { blobs: blobs.clone(), ..memory.host() };
    let (settings, access) = config(&[RELAY], "true");
    let pds = Pds::open(host, settings).unwrap();
    let mut client = Client::with_config(Memory::new(7), config(&[RELAY], "true").0);
    (client.host, client.pds, client.access) = (memory, pds, access);
    client.upload("text/plain", b"pearl");
    client.host.move_clock(30 * DAY_S);
    (client, blobs, relays)
}

/// Runs due work after this many panics in a row, and returns whether it panicked.
fn panics(client: &Client, panics: usize) -> bool {
    catch_unwind(AssertUnwindSafe(|| block_on(client.pds.run_due_work_after(panics)))).is_err()
}

#[test]
fn panicking_task_does_not_block_other_scheduled_work() {
    let (client, blobs, relays) = start();
    assert!(client.row_counts()["event"] > 0);
    assert!(panics(&client, 0));
    assert_eq!(relays.take_crawl_requests(), 0, "blobs are removed before relays are asked");
    for attempt in 1..6 {
        client.host.move_clock(MINUTE_S);
        panics(&client, attempt);
    }
    assert_eq!(relays.take_crawl_requests(), 1);
    assert_eq!(client.row_counts()["event"], 0);
    // Once the store works again, the blob can be uploaded and is removed when due.
    blobs.panics.set(false);
    client.upload("text/plain", b"pearl");
    client.host.move_clock(2 * DAY_S);
    assert!(!panics(&client, 0));
    assert_eq!(client.host.blobs().borrow().len(), 0);
}

#[test]
fn failing_task_does_not_block_other_scheduled_work() {
    let (client, blobs, relays) = start();
    blobs.panics.set(false);
    let mut step = 0;
    loop {
        client.host.fail_once(step);
        block_on(client.pds.run_due_work());
        let was_hit = !client.host.fails();
        client.host.fail_after(None);
        if !was_hit {
            break;
        }
        assert_eq!(client.host.take_log().len(), 1, "at step {step}");
        step += 1;
    }
    assert!(step > 5, "{step}");
    assert_eq!(relays.take_crawl_requests(), 1);
    assert_eq!(client.host.blobs().borrow().len(), 0);
}
