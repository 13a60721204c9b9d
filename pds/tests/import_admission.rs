//! Preconditions of an import: account, session, configuration and other imports.

#![allow(clippy::std_instead_of_alloc, clippy::unwrap_used, reason = "all of this is test code")]

mod client;

use core::cell::Cell;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use std::rc::Rc;

use bytes::Bytes;
use client::cars::{assert_repository_is, import, source, target, upload};
use client::{Client, NOTE, PASSWORD, a_note};
use nacre_pds::Reply;
use nacre_pds::body::{Body, BodyError, Response};
use nacre_pds::dev::{Memory, account, block_on};

const IN_PROGRESS: &str = "an import or a heal is in progress; try again when it has ended";

#[test]
fn import_into_an_active_account_is_refused() {
    let car = source(3).export();
    let client = Client::new();
    client.create(NOTE, "old", a_note("old")).json(200);
    let before = (client.head(), client.row_counts());
    let message = "the account is active: deactivate it first \
        (com.atproto.server.deactivateAccount), then import and activate it again";
    import(&client, &car).refuses(400, "InvalidRequest", message);
    assert_eq!(before, (client.head(), client.row_counts()));
    client.deactivate();
    for _ in 0..3 {
        import(&client, &car).succeeds();
        assert_repository_is(&client, &car);
    }
}

#[test]
fn activation_is_refused_during_an_import() {
    let car = source(100).export();
    let client = target();
    let (gate, importing) = begin(&client, &car);
    let answer = client.post_nothing(&client.access, "com.atproto.server.activateAccount");
    answer.refuses(400, "InvalidRequest", IN_PROGRESS);
    gate.set(true);
    assert_eq!(response(block_on(importing)).status(), 200);
    assert_repository_is(&client, &car);
}

#[test]
fn import_changes_nothing_if_its_session_ends_while_the_body_streams() {
    let car = source(100).export();
    let client = target();
    let before = client.export();
    let (gate, importing) = begin(&client, &car);
    client.post_nothing(&client.refresh, "com.atproto.server.deleteSession").succeeds();
    gate.set(true);
    let refused = response(block_on(importing));
    assert_eq!(refused.status(), 400);
    let body = block_on(refused.into_body().collect(1_000)).unwrap();
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["message"], "Token has been revoked");
    let mut client = client;
    client.sign_in();
    assert_eq!(client.export(), before);
    // Another session resumes from the staged records.
    let rows = client.host.rows().written;
    import(&client, &car).succeeds();
    assert!(client.host.rows().written - rows < 60);
    assert_repository_is(&client, &car);
}

#[test]
fn concurrent_import_is_refused() {
    let car = source(100).export();
    let client = target();
    let (gate, importing) = begin(&client, &car);
    let second = import(&client, &car);
    second.refuses(400, "InvalidRequest", "Another import is under way");
    // The refusal does not release the lock of the first import.
    let third = import(&client, &car);
    third.refuses(400, "InvalidRequest", "Another import is under way");
    let answer = client.post_nothing(&client.access, "com.atproto.server.activateAccount");
    answer.refuses(400, "InvalidRequest", IN_PROGRESS);
    gate.set(true);
    assert_eq!(response(block_on(importing)).status(), 200);
    assert_repository_is(&client, &car);
    client.activate();
    client.create(NOTE, "k", a_note("x")).json(200);
}

fn response(reply: Reply) -> Response {
    let Reply::Response(response) = reply else { panic!("a response") };
    response
}

/// Begins an import whose second half arrives once the gate is open.
fn begin<'c>(client: &'c Client, car: &[u8]) -> (Rc<Cell<bool>>, Importing<'c>) {
    let (now, later) = car.split_at(car.len() / 2);
    let gate = Rc::<Cell<bool>>::default();
    let pieces = vec![Bytes::copy_from_slice(later), Bytes::copy_from_slice(now)];
    let body = Body::Stream(Box::pin(Gated { pieces, gate: gate.clone() }));
    let mut importing: Importing<'c> = Box::pin(client.pds.handle(upload(client, body), None));
    let mut context = Context::from_waker(Waker::noop());
    assert!(importing.as_mut().poll(&mut context).is_pending());
    (gate, importing)
}

type Importing<'c> = Pin<Box<dyn Future<Output = Reply> + 'c>>;

/// A body whose second piece arrives once the gate is open.
struct Gated {
    pieces: Vec<Bytes>,
    gate: Rc<Cell<bool>>,
}

impl futures_core::Stream for Gated {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.pieces.len() == 1 && !self.gate.get() {
            return Poll::Pending;
        }
        Poll::Ready(self.pieces.pop().map(Ok))
    }
}

#[test]
fn imports_can_be_switched_off() {
    let host = Memory::new(7);
    let mut config = account(&host, PASSWORD);
    config.accept_imports = false;
    let mut client = Client::with_config(host, config);
    client.sign_in();
    let answer = import(&client, &client.export());
    answer.refuses(400, "InvalidRequest", "Service is not accepting repo imports");
}
