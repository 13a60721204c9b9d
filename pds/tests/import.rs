//! Import: what a CAR brings takes the place of what there was, whole or not at all.

#![allow(clippy::std_instead_of_alloc, clippy::unwrap_used, reason = "all of this is test code")]

mod client;

use core::pin::pin;
use core::task::{Context, Poll, Waker};
use std::collections::BTreeMap;

use bytes::Bytes;
use cid::Cid;
use client::cars::{import, is_that_of, pieces, source, upload};
use client::{Client, DID, NOTE, PASSWORD, a_note, read_car, request};
use nacre_car::Writer;
use nacre_pds::body::{Body, BodyError};
use nacre_pds::dev::{Memory, account};
use serde_json::json;

fn shuffled(car: &[u8], order: impl Fn(&mut Vec<(Cid, Vec<u8>)>)) -> Vec<u8> {
    let (root, blocks) = read_car(car);
    let mut blocks: Vec<_> = blocks.into_iter().collect();
    order(&mut blocks);
    let mut writer = Writer::new(&root);
    for (cid, bytes) in blocks {
        writer.block(&cid, &bytes);
    }
    writer.finish()
}

#[test]
fn a_repository_is_replaced_by_that_of_a_car() {
    let car = source(500).export();
    let client = Client::new();
    client.create(NOTE, "old", a_note("old")).json(200);
    let (_, rev) = client.head();
    assert_eq!(import(&client, &car).status, 200);
    is_that_of(&client, &car);
    assert!(client.head().1 > rev);
    let gone = client
        .query("com.atproto.repo.getRecord", &format!("repo={DID}&collection={NOTE}&rkey=old"));
    assert_eq!(gone.status, 400);
    // What follows goes on from there.
    client.create(NOTE, "new", a_note("new")).json(200);
    assert_eq!(client::verify(&client), 503);
}

#[test]
fn blocks_may_come_in_any_order_and_once() {
    let car = source(300).export();
    let by_cid = shuffled(&car, |_| {});
    let backwards = shuffled(&car, |blocks| blocks.reverse());
    let hash = |cid: &Cid| cid.hash().digest()[7..11].to_vec();
    let mixed = shuffled(&car, |blocks| blocks.sort_by_key(|(cid, _)| hash(cid)));
    for car in [by_cid, backwards, mixed] {
        let client = Client::new();
        assert_eq!(import(&client, &car).status, 200);
        is_that_of(&client, &car);
        client.create(NOTE, "new", a_note("new")).json(200);
        client::verify(&client);
    }
}

#[test]
fn a_second_import_reconciles() {
    let source = source(200);
    let first = source.export();
    source.delete(NOTE, "k00000").json(200);
    source.put(NOTE, "blob", a_note("without")).json(200);
    source.create(NOTE, "more", a_note("more")).json(200);
    let second = source.export();
    let client = Client::new();
    for car in [&first, &second, &first, &first] {
        assert_eq!(import(&client, car).status, 200);
        is_that_of(&client, car);
    }
}

#[test]
fn an_empty_repository_can_be_imported() {
    let car = Client::new().export();
    let client = source(10);
    assert_eq!(import(&client, &car).status, 200);
    is_that_of(&client, &car);
    assert_eq!(client.row_counts()["record"], 0);
    client.create(NOTE, "new", a_note("new")).json(200);
    assert_eq!(client::verify(&client), 1);
}

#[test]
fn what_is_missing_is_listed_and_comes_by_upload() {
    let car = source(10).export();
    let mut client = Client::with_config(Memory::new(8), inactive());
    client.sign_in();
    assert_eq!(import(&client, &car).status, 200);
    let missing = |client: &Client| {
        let path = "/xrpc/com.atproto.repo.listMissingBlobs";
        let answer = client.send(request("GET", path, Some(&client.access), Body::Empty));
        answer.json(200)["blobs"].clone()
    };
    let blobs = missing(&client);
    assert_eq!(blobs[0]["recordUri"], format!("at://{DID}/{NOTE}/blob"));
    client.upload("text/plain", b"pearl");
    assert_eq!(missing(&client), json!([]));
    assert_eq!(nacre_pds::dev::block_on(client.pds.audit()).unwrap().faults, Vec::<String>::new());
}

#[test]
fn nothing_is_written_while_an_import_is_under_way() {
    let car = source(100).export();
    let client = Client::new();
    let (now, later) = car.split_at(car.len() / 2);
    let gate = std::rc::Rc::new(core::cell::Cell::new(false));
    let body = Body::Stream(Box::pin(Gated {
        pieces: vec![Bytes::copy_from_slice(later), Bytes::copy_from_slice(now)],
        gate: gate.clone(),
    }));
    let mut importing = pin!(client.pds.handle(upload(&client, body), None));
    let mut context = Context::from_waker(Waker::noop());
    assert!(importing.as_mut().poll(&mut context).is_pending());
    let refused = client.create(NOTE, "k", a_note("x"));
    refused.refuses(400, "InvalidRequest", "An import is under way");
    let second = import(&client, &car);
    second.refuses(400, "InvalidRequest", "Another import is under way");
    gate.set(true);
    let nacre_pds::Reply::Response(response) = nacre_pds::dev::block_on(importing) else {
        panic!("a response")
    };
    assert_eq!(response.status(), 200);
    is_that_of(&client, &car);
    client.create(NOTE, "k", a_note("x")).json(200);
}

/// A body whose second piece comes once a gate is open.
struct Gated {
    pieces: Vec<Bytes>,
    gate: std::rc::Rc<core::cell::Cell<bool>>,
}

impl futures_core::Stream for Gated {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(
        mut self: core::pin::Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Self::Item>> {
        if self.pieces.len() == 1 && !self.gate.get() {
            return Poll::Pending;
        }
        Poll::Ready(self.pieces.pop().map(Ok))
    }
}

#[test]
fn an_import_that_is_cut_leaves_the_old_state_and_goes_on_where_it_was() {
    let car = source(300).export();
    let client = Client::new();
    client.create(NOTE, "old", a_note("old")).json(200);
    let before = (client.head(), client.export());
    let count = car.len().div_ceil(1000);
    for cut in [0, 1, count / 3, count / 2, count - 1] {
        let answer = client.send(upload(&client, pieces(&car, 1000, Some(cut))));
        assert_eq!(answer.status, 400, "{cut}");
        assert_eq!(before, (client.head(), client.export()));
        client::verify(&client);
    }
    let rows = || client.host.rows().1;
    let start = rows();
    assert_eq!(import(&client, &car).status, 200);
    let resumed = rows() - start;
    is_that_of(&client, &car);
    // All but the last piece was there.
    assert!(resumed < 60, "{resumed} rows");
}

#[test]
fn a_step_that_fails_leaves_the_old_state() {
    let car = source(40).export();
    let client = Client::new();
    client.create(NOTE, "old", a_note("old")).json(200);
    let before = (client.head(), client.export());
    for steps in 0.. {
        client.host.fail_after(Some(steps));
        let answer = import(&client, &car);
        client.host.fail_after(None);
        if answer.status == 200 {
            assert!(steps > 100, "it was tried at each of its steps");
            break;
        }
        assert_eq!(answer.status, 500, "{steps}");
        assert_eq!(before, (client.head(), client.export()), "{steps}");
    }
    is_that_of(&client, &car);
}

#[test]
fn an_import_costs_a_row_a_record_and_a_few() {
    let source = source(3000);
    let car = source.export();
    let client = Client::new();
    let start = client.host.rows().1;
    assert_eq!(import(&client, &car).status, 200);
    let rows = client.host.rows().1 - start;
    assert!((3002..3002 + 120).contains(&rows), "{rows} rows");
}

#[test]
fn what_is_no_repository_of_the_account_is_refused() {
    let client = Client::new();
    let before = (client.head(), client.row_counts());
    let car = source(20).export();
    let (root, blocks) = read_car(&car);
    let write = |roots: &[Cid], blocks: &BTreeMap<Cid, Vec<u8>>| {
        let mut writer = Writer::with_roots(roots);
        for (cid, bytes) in blocks {
            writer.block(cid, bytes);
        }
        writer.finish()
    };
    let without = |which: fn(&(&Cid, &Vec<u8>)) -> bool| {
        let mut blocks = blocks.clone();
        let gone = *blocks.iter().find(which).unwrap().0;
        blocks.remove(&gone);
        (gone, blocks)
    };
    let (record, no_record) = without(|(_, bytes)| bytes.windows(4).any(|part| part == b"note"));
    let mut damaged = car.clone();
    *damaged.last_mut().unwrap() ^= 1;
    let other = other_account().export();
    for (car, message) in [
        (write(&[], &blocks), "expected one root".to_owned()),
        (write(&[root, root], &blocks), "expected one root".to_owned()),
        (write(&[root], &no_record), format!("the CAR does not have the block {record}")),
        (write(&[root], &BTreeMap::new()), format!("the CAR does not have the block {root}")),
        (other, "the repository is of did:web:other.test".to_owned()),
    ] {
        import(&client, &car).refuses(400, "InvalidRequest", &message);
    }
    for car in [&damaged[..], &car[..car.len() - 1], b"", b"\xff"] {
        assert_eq!(import(&client, car).status, 400);
    }
    assert_eq!(before, (client.head(), client.row_counts()));
    client::verify(&client);
}

#[test]
fn what_an_import_has_left_goes_after_a_day() {
    let car = source(50).export();
    let client = Client::new();
    let count = car.len().div_ceil(1000);
    let cut = client.send(upload(&client, pieces(&car, 1000, Some(count / 2))));
    assert_eq!(cut.status, 400);
    let tables = || {
        let mut count = 0;
        let sql = "select name from sqlite_master where name like 'import_%'";
        let mut row = |_: &dyn nacre_pds::host::Row| {
            count += 1;
            Ok(())
        };
        client.host.sql().query(sql, &[], &mut row).unwrap();
        count
    };
    assert!(tables() > 0);
    assert!(client.host.alarm_s().is_some());
    nacre_pds::dev::block_on(client.pds.tend());
    assert!(tables() > 0, "there still is time");
    client.host.move_clock(86_400);
    nacre_pds::dev::block_on(client.pds.tend());
    assert_eq!(tables(), 0);
    client::verify(&client);
}

#[test]
fn revs_go_up_though_another_server_is_ahead() {
    let source = source(10);
    source.host.move_clock(3_600);
    source.create(NOTE, "ahead", a_note("x")).json(200);
    let (cid, ahead) = source.head();
    let client = Client::new();
    assert_eq!(import(&client, &source.export()).status, 200);
    let (found, rev) = client.head();
    assert_eq!(found, cid);
    assert!(rev > ahead);
    client.create(NOTE, "next", a_note("x")).json(200);
    assert!(client.head().1 > rev);
    client::verify(&client);

    source.host.move_clock(2 * 86_400);
    let mut source = source;
    source.sign_in();
    source.create(NOTE, "far-ahead", a_note("x")).json(200);
    let message = format!("the commit has a rev of the future: {}", source.head().1);
    import(&client, &source.export()).refuses(400, "InvalidRequest", &message);
    client::verify(&client);
}

#[test]
fn the_tables_of_an_import_are_those_that_they_take_the_place_of() {
    let schema = |client: &Client| {
        let mut tables = Vec::new();
        let sql = "select sql from sqlite_master where sql is not null order by name";
        let mut row = |row: &dyn nacre_pds::host::Row| {
            let nacre_pds::host::Value::Text(sql) = row.value(0) else { panic!("text") };
            // A table that was renamed has its name in quotes.
            let words = sql.replace(['"', '\n'], " ");
            let words = words.split_whitespace().filter(|word| !word.is_empty());
            tables.push(words.collect::<Vec<_>>().join(" "));
            Ok(())
        };
        client.host.sql().query(sql, &[], &mut row).unwrap();
        tables
    };
    let client = Client::new();
    let before = schema(&client);
    assert!(before.len() > 8, "{before:?}");
    assert_eq!(import(&client, &source(10).export()).status, 200);
    assert_eq!(schema(&client), before);
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

fn inactive() -> nacre_pds::config::Config {
    let mut config = account(&Memory::new(7), PASSWORD);
    config.initial_active = false;
    config
}

/// A server of another DID.
fn other_account() -> Other {
    let host = Memory::new(9);
    let vars = nacre_pds::config::new_account("other.test", "o.test", PASSWORD, &*host.host().rng);
    let vars = vars.unwrap();
    let var = |name: &str| vars.iter().find(|var| var.0 == name).map(|var| var.1.clone());
    let config = nacre_pds::config::Config::from_vars(var).unwrap();
    Other(nacre_pds::Pds::open(host.host(), config).unwrap())
}

struct Other(nacre_pds::Pds);

impl Other {
    fn export(&self) -> Vec<u8> {
        let path = "/xrpc/com.atproto.sync.getRepo?did=did:web:other.test";
        let reply =
            nacre_pds::dev::block_on(self.0.handle(request("GET", path, None, Body::Empty), None));
        let nacre_pds::Reply::Response(response) = reply else { panic!("a response") };
        nacre_pds::dev::block_on(response.into_body().collect(usize::MAX)).unwrap().to_vec()
    }
}
