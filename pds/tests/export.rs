//! Exports: each is the repository of one commit, whatever is written while it is read.

#![allow(clippy::std_instead_of_alloc, clippy::unwrap_used, reason = "all of this is test code")]

mod client;

use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use std::collections::BTreeMap;

use cid::Cid;
use client::{Client, DID, NOTE, a_note, read_car, request};
use nacre_commit::verify_repo;
use nacre_pds::Reply;
use nacre_pds::body::{Body, BodyError};
use nacre_pds::dev::block_on;
use nacre_syntax::Did;
use proptest::prelude::*;
use serde_json::json;

/// An export that is read chunk by chunk.
struct ExportReader {
    body: Pin<Box<dyn futures_core::Stream<Item = Result<bytes::Bytes, BodyError>>>>,
    car: Vec<u8>,
}

impl ExportReader {
    fn begin(client: &Client, params: &str) -> Self {
        let path = format!("/xrpc/com.atproto.sync.getRepo?did={DID}{params}");
        let request = request("GET", &path, None, Body::Empty);
        let Reply::Response(response) = block_on(client.pds.handle(request, None)) else {
            panic!("not a response")
        };
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "application/vnd.ipld.car");
        let Body::Stream(body) = response.into_body() else { panic!("not a stream") };
        Self { body, car: Vec::new() }
    }

    /// Reads the next chunk. Returns whether there was one.
    fn read(&mut self) -> Result<bool, BodyError> {
        let mut context = Context::from_waker(Waker::noop());
        loop {
            match self.body.as_mut().poll_next(&mut context) {
                Poll::Pending => {}
                Poll::Ready(None) => return Ok(false),
                Poll::Ready(Some(piece)) => {
                    self.car.extend_from_slice(&piece?);
                    return Ok(true);
                }
            }
        }
    }
}

fn fill(client: &Client, records: usize) {
    for first in (0..records).step_by(50) {
        let write = |number: usize| {
            json!({
                "$type": "com.atproto.repo.applyWrites#create", "collection": NOTE,
                "rkey": format!("k{number:05}"), "value": a_note(&format!("{number} ").repeat(200)),
            })
        };
        let writes: Vec<_> = (first..records.min(first + 50)).map(write).collect();
        client
            .post("com.atproto.repo.applyWrites", &json!({ "repo": DID, "writes": writes }))
            .json(200);
    }
}

/// Checks that a CAR is the whole repository of a commit, and returns the number of its records.
fn verify(client: &Client, car: &[u8], head: &(String, String)) -> u64 {
    let did = Did::parse(DID).unwrap();
    let mut records = verify_repo(car, &did, Some(&client::key(client))).unwrap();
    while records.next_record().unwrap().is_some() {}
    let repo = records.finish().unwrap();
    assert_eq!((repo.cid.to_string(), repo.commit.rev.to_string()), *head);
    repo.records
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn writes_during_an_export_do_not_change_it(
        writes in prop::collection::vec((0..900_usize, 0..4_u8), 1..200),
        at_once in 1..30_usize,
    ) {
        let client = Client::new();
        fill(&client, 600);
        let head = client.head();
        let mut reading = ExportReader::begin(&client, "");
        let mut writes = writes.into_iter();
        loop {
            for (number, kind) in writes.by_ref().take(at_once) {
                let rkey = format!("k{number:05}");
                match kind {
                    0 => drop(client.delete(NOTE, &rkey)),
                    1 => drop(client.create(NOTE, &rkey, a_note("new"))),
                    _ => drop(client.put(NOTE, &rkey, a_note(&format!("changed {kind}")))),
                }
            }
            if !reading.read().unwrap() {
                break;
            }
        }
        prop_assert_eq!(verify(&client, &reading.car, &head), 600);
        client::verify(&client);
    }
}

#[test]
fn failed_writes_during_an_export_do_not_change_it() {
    let client = Client::new();
    fill(&client, 300);
    let head = client.head();
    let mut reading = ExportReader::begin(&client, "");
    assert!(reading.read().unwrap());
    let mut steps = 0;
    loop {
        client.host.fail_after(Some(steps));
        let answer = client.put(NOTE, "k00299", a_note("changed"));
        client.host.fail_after(None);
        if answer.status == 200 {
            break;
        }
        steps += 1;
    }
    assert!(steps > 8, "{steps}: pages and the record are copied, then written");
    while reading.read().unwrap() {}
    assert_eq!(verify(&client, &reading.car, &head), 300);
    client::verify(&client);
}

#[test]
fn export_chunks_have_a_limited_size() {
    let client = Client::new();
    fill(&client, 600);
    let mut reading = ExportReader::begin(&client, "");
    let (mut pieces, mut before) = (0, 0);
    while reading.read().unwrap() {
        let length = reading.car.len() - before;
        assert!(length < 80 * 1024, "{length}");
        before = reading.car.len();
        pieces += 1;
    }
    assert!(pieces > 8, "{pieces}");
    // No block is repeated.
    let (_, blocks) = read_car(&reading.car);
    assert_eq!(nacre_car::Reader::new(&reading.car).unwrap().count(), blocks.len());
}

#[test]
fn large_records_are_exported_as_they_were_at_the_start() {
    let client = Client::new();
    for (rkey, length) in [("a", 20_000), ("b", 10), ("c", 900_000), ("d", 17_000)] {
        client.create(NOTE, rkey, a_note(&"x".repeat(length))).json(200);
    }
    let head = client.head();
    let mut reading = ExportReader::begin(&client, "");
    reading.read().unwrap();
    client.put(NOTE, "c", a_note("short")).json(200);
    client.delete(NOTE, "d").json(200);
    while reading.read().unwrap() {}
    assert_eq!(verify(&client, &reading.car, &head), 4);
}

#[test]
fn export_idle_for_a_minute_is_interrupted_by_a_write() {
    let client = Client::new();
    fill(&client, 300);
    let (mut idle, mut active) =
        (ExportReader::begin(&client, ""), ExportReader::begin(&client, ""));
    assert!(idle.read().unwrap() && active.read().unwrap());
    client.host.move_clock(59);
    client.put(NOTE, "k00001", a_note("changed")).json(200);
    assert!(active.read().unwrap());
    client.host.move_clock(2);
    client.put(NOTE, "k00001", a_note("changed again")).json(200);
    assert!(matches!(idle.read(), Err(BodyError::Interrupted(_))));
    assert!(!idle.read().unwrap(), "the stream has ended");
    while active.read().unwrap() {}
    // Without writes, an export may be idle for any time.
    let head = client.head();
    let mut slow = ExportReader::begin(&client, "");
    while slow.read().unwrap() {
        client.host.move_clock(1000);
    }
    verify(&client, &slow.car, &head);
}

#[test]
fn slow_export_is_interrupted_if_it_retains_too_much_data() {
    let client = Client::new();
    for number in 0..8 {
        client.create(NOTE, &format!("k{number}"), a_note(&"x".repeat(900_000))).json(200);
    }
    let mut reading = ExportReader::begin(&client, "");
    reading.read().unwrap();
    for number in 0..8 {
        client.delete(NOTE, &format!("k{number}")).json(200);
    }
    let lost = (0..20).map(|_| reading.read()).find(Result::is_err);
    assert!(matches!(lost, Some(Err(BodyError::Interrupted(_)))));
}

#[test]
fn seventeenth_concurrent_export_is_refused() {
    let client = Client::new();
    fill(&client, 100);
    let mut readings: Vec<_> = (0..16).map(|_| ExportReader::begin(&client, "")).collect();
    let ask = || client.query("com.atproto.sync.getRepo", &format!("did={DID}"));
    ask().refuses(503, "TooManyExports", "too many exports at once; try again later");
    while readings[0].read().unwrap() {}
    assert_eq!(ask().status, 503, "a finished export counts until it is dropped");
    readings.pop();
    assert_eq!(ask().status, 200);
}

#[test]
fn export_since_a_rev_has_newer_records_and_the_nodes_above_them() {
    let client = Client::new();
    fill(&client, 2000);
    let (_, rev) = client.head();
    let (_, before) = read_car(&client.export());
    client.create(NOTE, "k00100x", a_note("new")).json(200);
    client.put(NOTE, "k01500", a_note("changed")).json(200);
    client.delete(NOTE, "k00007").json(200);
    let mut reading = ExportReader::begin(&client, &format!("&since={rev}"));
    while reading.read().unwrap() {}
    let (root, newer) = read_car(&reading.car);
    assert_eq!(root.to_string(), client.head().0);
    let records: Vec<_> =
        newer.values().filter(|block| block.windows(6).any(|at| at == b"\x65$type")).collect();
    assert_eq!(records.len(), 2, "no older record");
    assert!(newer.len() * 10 < before.len(), "{} of {}", newer.len(), before.len());
    // With the old blocks, the repository is complete.
    let mut all: BTreeMap<Cid, Vec<u8>> = before;
    all.extend(newer);
    let did = Did::parse(DID).unwrap();
    let repo = nacre_commit::verify_blocks(&all, root, &did, Some(&client::key(&client))).unwrap();
    assert_eq!(repo.records, 2000);
    // Since the head, there is only the commit.
    let (_, rev) = client.head();
    let mut reading = ExportReader::begin(&client, &format!("&since={rev}"));
    while reading.read().unwrap() {}
    assert_eq!(read_car(&reading.car).1.len(), 1);
}
