//! Signing in while other requests run.

#![allow(clippy::std_instead_of_alloc, clippy::unwrap_used, reason = "all of this is test code")]

mod client;

use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use client::{Client, DID, request};
use nacre_pds::Reply;
use nacre_pds::body::Body;
use nacre_pds::config::{Config, new_account};
use nacre_pds::dev::{Marker, Memory, block_on};
use nacre_pds::host::Row;
use serde_json::json;

const CREATE: &str = "/xrpc/com.atproto.server.createSession";
const PASSWORD: &str = "a slow password";
/// Of `PASSWORD`, at cost 12 and 6, made by libxcrypt.
const SLOW: &str = "$2b$12$abcdefghijklmnopqrstuuRozR8FM3pK1NK1VhdHHSkVnrY4NlH1u";
const QUICK: &str = "$2b$06$abcdefghijklmnopqrstuudS9B7EoEgTOPo336lOT81j6F17KAvq.";

/// A request that is being answered.
type Pending<'a> = Pin<Box<dyn Future<Output = u16> + 'a>>;

impl Client {
    /// Begins to sign in, in its own turns.
    fn signs_in(&self, peer: &str, password: &str) -> Pending<'_> {
        let input = json!({ "identifier": DID, "password": password }).to_string();
        let request = request("POST", CREATE, None, Body::from(input));
        let answer = self.pds.handle(request, Some(peer.parse().unwrap()));
        Box::pin(async {
            match answer.await {
                Reply::Response(response) => response.status().as_u16(),
                reply => panic!("a response was expected: {reply:?}"),
            }
        })
    }
}

fn poll(pending: &mut Pending<'_>) -> Option<u16> {
    match pending.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(status) => Some(status),
        Poll::Pending => None,
    }
}

/// Starts a server whose password has this hash. Its account was never active and can be reset.
fn with_hash(hash: &str) -> Client {
    open(hash, Memory::new(7)).0
}

/// Also returns the operator's token.
fn open(hash: &str, host: Memory) -> (Client, String) {
    let vars = new_account("pds.test", "alice.test", PASSWORD, &*host.host().rng).unwrap();
    let var = |name: &str| match name {
        "PASSWORD_HASH" => Some(hash.to_owned()),
        "INITIAL_ACTIVE" => Some("false".to_owned()),
        _ => vars.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone()),
    };
    let config = Config::from_vars(var).unwrap();
    (Client::with_config(host, config), var("AUTH_TOKEN").unwrap())
}

#[test]
fn other_requests_are_answered_between_the_slices_of_a_hash() {
    let client = with_hash(SLOW);
    let mut signs_in = client.signs_in("192.0.2.1", PASSWORD);
    for slice in 1..128 {
        assert_eq!(poll(&mut signs_in), None);
        assert_eq!(client.host.slices(), slice);
        assert_eq!(client.get("/xrpc/com.atproto.server.describeServer").status, 200);
    }
    assert_eq!(poll(&mut signs_in), Some(200));
    assert_eq!(client.host.slices(), 128);
}

#[test]
fn concurrent_sign_ins_are_counted_before_they_are_hashed() {
    let client = with_hash(QUICK);
    let mut attempts: Vec<_> =
        (0..40).map(|_| client.signs_in("192.0.2.1", "a wrong password")).collect();
    let begun: Vec<_> = attempts.iter_mut().map(poll).collect();
    assert_eq!(begun, [vec![None; 30], vec![Some(429); 10]].concat());
    assert_eq!(client.host.slices(), 30);
    for attempt in attempts.drain(..30) {
        assert_eq!(block_on(attempt), 401);
    }
    assert_eq!(block_on(client.signs_in("192.0.2.1", PASSWORD)), 429);
}

#[test]
fn refused_sign_ins_are_not_hashed_but_those_of_unknown_identifiers_are() {
    let client = with_hash(QUICK);
    assert_eq!(block_on(client.signs_in("192.0.2.1", &"x".repeat(513))), 401);
    assert_eq!(client.host.slices(), 0);
    let unknown = json!({ "identifier": "bob.test", "password": PASSWORD });
    let answer = client.post_as(None, "com.atproto.server.createSession", &unknown);
    assert_eq!((answer.status, client.host.slices()), (401, 2));
}

#[test]
fn sign_in_during_a_reset_opens_no_session() {
    let host = Memory::new(7);
    host.set_owner_marker(&Marker::default());
    let (client, token) = open(SLOW, host);
    client.get("/xrpc/_health").succeeds();
    let mut signs_in = client.signs_in("192.0.2.1", PASSWORD);
    assert_eq!(poll(&mut signs_in), None);
    // The database is empty while the reset waits for the bucket.
    let reset = request("POST", "/operator/reset", Some(&token), Body::Empty);
    let mut reset = Box::pin(client.pds.handle(reset, None));
    while client.row_counts()["account"] > 0 {
        assert!(reset.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    assert_eq!(block_on(signs_in), 500);
    let mut no_row = |_: &dyn Row| panic!("a session was opened");
    client.host.sql().query("select id from session", &[], &mut no_row).unwrap();
}
