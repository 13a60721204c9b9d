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
use nacre_pds::dev::{Memory, account, block_on};
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

/// An inactive account that has been active, with a record.
fn target() -> Client {
    let client = Client::new();
    client.create(NOTE, "old", a_note("old")).json(200);
    client.deactivate();
    client
}

#[test]
fn import_replaces_the_repository_and_keeps_its_commit_and_rev() {
    let source = source(500);
    let car = source.export();
    let client = target();
    import(&client, &car).succeeds();
    is_that_of(&client, &car);
    assert_eq!(client.head(), source.head());
    client.activate();
    let gone = client
        .query("com.atproto.repo.getRecord", &format!("repo={DID}&collection={NOTE}&rkey=old"));
    assert_eq!(gone.status, 400);
    client.create(NOTE, "new", a_note("new")).json(200);
    assert_eq!(client::verify(&client), 503);
}

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
        is_that_of(&client, &car);
    }
}

#[test]
fn account_cannot_be_activated_while_an_import_is_under_way() {
    let car = source(100).export();
    let client = target();
    let (open, body) = gated(&car);
    let mut importing = pin!(client.pds.handle(upload(&client, body), None));
    let mut context = Context::from_waker(Waker::noop());
    assert!(importing.as_mut().poll(&mut context).is_pending());
    let answer = client.post_nothing(&client.access, "com.atproto.server.activateAccount");
    answer.refuses(400, "InvalidRequest", "An import is under way");
    open.set(true);
    assert_eq!(response(block_on(importing)).status(), 200);
    is_that_of(&client, &car);
}

#[test]
fn session_that_ends_while_the_body_streams_replaces_nothing() {
    let car = source(100).export();
    let client = target();
    let before = client.export();
    let (open, body) = gated(&car);
    let mut importing = Box::pin(client.pds.handle(upload(&client, body), None));
    let mut context = Context::from_waker(Waker::noop());
    assert!(importing.as_mut().poll(&mut context).is_pending());
    client.post_nothing(&client.refresh, "com.atproto.server.deleteSession").succeeds();
    open.set(true);
    let refused = response(block_on(importing));
    assert_eq!(refused.status(), 400);
    let mut client = client;
    client.sign_in();
    assert_eq!(client.export(), before);
    // What was staged is still there for a session that is good.
    let rows = client.host.rows().1;
    import(&client, &car).succeeds();
    assert!(client.host.rows().1 - rows < 60);
    is_that_of(&client, &car);
}

#[test]
fn blocks_may_come_in_any_order_and_once() {
    let car = source(300).export();
    let by_cid = shuffled(&car, |_| {});
    let backwards = shuffled(&car, |blocks| blocks.reverse());
    let hash = |cid: &Cid| cid.hash().digest()[7..11].to_vec();
    let mixed = shuffled(&car, |blocks| blocks.sort_by_key(|(cid, _)| hash(cid)));
    for car in [by_cid, backwards, mixed] {
        let client = target();
        import(&client, &car).succeeds();
        is_that_of(&client, &car);
        client.activate();
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
    let client = target();
    for car in [&first, &second, &first, &first] {
        assert_eq!(import(&client, car).status, 200);
        is_that_of(&client, car);
    }
}

#[test]
fn an_empty_repository_can_be_imported() {
    let car = Client::new().export();
    let client = source(10);
    client.deactivate();
    import(&client, &car).succeeds();
    is_that_of(&client, &car);
    assert_eq!(client.row_counts()["record"], 0);
    client.activate();
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
    assert_eq!(block_on(client.pds.audit()).unwrap().faults, Vec::<String>::new());
}

#[test]
fn second_import_is_refused_while_one_is_under_way() {
    let car = source(100).export();
    let client = target();
    let (open, body) = gated(&car);
    let mut importing = pin!(client.pds.handle(upload(&client, body), None));
    let mut context = Context::from_waker(Waker::noop());
    assert!(importing.as_mut().poll(&mut context).is_pending());
    let second = import(&client, &car);
    second.refuses(400, "InvalidRequest", "Another import is under way");
    open.set(true);
    assert_eq!(response(block_on(importing)).status(), 200);
    is_that_of(&client, &car);
    client.activate();
    client.create(NOTE, "k", a_note("x")).json(200);
}

fn response(reply: nacre_pds::Reply) -> nacre_pds::body::Response {
    let nacre_pds::Reply::Response(response) = reply else { panic!("a response") };
    response
}

/// Returns a body whose second half comes once the cell is set.
fn gated(car: &[u8]) -> (std::rc::Rc<core::cell::Cell<bool>>, Body) {
    let (now, later) = car.split_at(car.len() / 2);
    let gate = std::rc::Rc::new(core::cell::Cell::new(false));
    let pieces = vec![Bytes::copy_from_slice(later), Bytes::copy_from_slice(now)];
    let body = Body::Stream(Box::pin(Gated { pieces, gate: gate.clone() }));
    (gate, body)
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
    let client = target();
    let before = (client.head(), client.export());
    let count = car.len().div_ceil(1000);
    for cut in [0, 1, count / 3, count / 2, count - 1] {
        let answer = client.send(upload(&client, pieces(&car, 1000, Some(cut))));
        assert_eq!(answer.status, 400, "{cut}");
        assert_eq!(before, (client.head(), client.export()));
    }
    let rows = || client.host.rows().1;
    let start = rows();
    import(&client, &car).succeeds();
    let resumed = rows() - start;
    is_that_of(&client, &car);
    // All but the last piece was there.
    assert!(resumed < 60, "{resumed} rows");
}

#[test]
fn a_step_that_fails_leaves_the_old_state() {
    let car = source(40).export();
    let client = target();
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
    let client = target();
    let start = client.host.rows().1;
    assert_eq!(import(&client, &car).status, 200);
    let rows = client.host.rows().1 - start;
    assert!((3002..3002 + 120).contains(&rows), "{rows} rows");
}

#[test]
fn what_is_no_repository_of_the_account_is_refused() {
    let client = target();
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
        (write(&[root], &no_record), format!("missing block: {record}")),
        (write(&[root], &BTreeMap::new()), format!("missing block: {root}")),
        (other, "the repository belongs to did:web:other.test".to_owned()),
    ] {
        import(&client, &car).refuses(400, "InvalidRequest", &message);
    }
    for car in [&damaged[..], &car[..car.len() - 1], b"", b"\xff"] {
        assert_eq!(import(&client, car).status, 400);
    }
    assert_eq!(before, (client.head(), client.row_counts()));
}

#[test]
fn import_keeps_resumable_staging_for_a_day_after_the_last_piece() {
    let car = source(50).export();
    let mut client = target();
    let count = car.len().div_ceil(1000);
    let cut = |client: &Client, after: usize| {
        let answer = client.send(upload(client, pieces(&car, 1000, Some(after))));
        assert_eq!(answer.status, 400);
    };
    let tables = |client: &Client| {
        let mut count = 0;
        let sql = "select name from sqlite_master where name like 'import_%'";
        let mut row = |_: &dyn nacre_pds::host::Row| {
            count += 1;
            Ok(())
        };
        client.host.sql().query(sql, &[], &mut row).unwrap();
        count
    };
    cut(&client, count / 3);
    assert!(tables(&client) > 0);
    assert!(client.host.alarm_s().is_some());
    // It is resumed for three days, with less than a day between any two pieces.
    for part in 0..4 {
        client.host.move_clock(86_399);
        block_on(client.pds.tend());
        assert!(tables(&client) > 0, "{part}");
        client.sign_in();
        cut(&client, count / 3 + part);
    }
    client.host.move_clock(86_399);
    block_on(client.pds.tend());
    assert!(tables(&client) > 0);
    client.host.move_clock(1);
    block_on(client.pds.tend());
    assert_eq!(tables(&client), 0);
    client.sign_in();
    client.activate();
    client::verify(&client);
}

/// Splits a CAR into parts under the same root, each of so many blocks.
fn parts(car: &[u8], blocks: usize) -> Vec<Vec<u8>> {
    let reader = nacre_car::Reader::new(car).unwrap();
    let root = reader.roots()[0];
    let all: Vec<_> = reader.map(|block| block.unwrap()).collect();
    let part = |blocks: &[nacre_car::Block<'_>]| {
        let mut writer = Writer::new(&root);
        blocks.iter().for_each(|block| writer.block(&block.cid, block.bytes));
        writer.finish()
    };
    all.chunks(blocks).map(part).collect()
}

fn import_part(client: &Client, car: &[u8]) -> client::Answer {
    let mut request = upload(client, pieces(car, 1000, None));
    request.headers_mut().insert("nacre-import", "more".parse().unwrap());
    client.send(request)
}

#[test]
fn large_repository_arrives_in_parts_under_one_root() {
    let source = source(700);
    let car = source.export();
    for blocks in [1000, 400, 97] {
        let client = target();
        let before = client.export();
        let parts = parts(&car, blocks);
        let (last, first) = parts.split_last().unwrap();
        for part in first {
            let answer = import_part(&client, part).json(200);
            assert!(answer["missingBlocks"].as_u64().unwrap() > 0, "{answer}");
            assert_eq!(client.export(), before);
        }
        let answer = import(&client, last).json(200);
        assert_eq!(answer, json!({ "oddRecords": 0, "oddExamples": [] }));
        is_that_of(&client, &car);
        assert_eq!(client.head(), source.head());
    }
}

#[test]
fn parts_may_repeat_come_in_any_order_and_be_interrupted() {
    let car = source(300).export();
    let parts = parts(&car, 60);
    let client = target();
    for index in [3, 0, 0, 2, 3] {
        let rows = client.host.rows().1;
        import_part(&client, &parts[index]).json(200);
        if index == 0 {
            let cut = client.send(upload(&client, pieces(&parts[1], 1000, Some(3))));
            assert_eq!(cut.status, 400);
        }
        assert!(client.host.rows().1 - rows < 200);
    }
    for part in &parts[..parts.len() - 1] {
        import_part(&client, part).json(200);
    }
    let whole = import_part(&client, &parts[parts.len() - 1]).json(200);
    assert_eq!(whole["missingBlocks"], 0);
    import(&client, &parts[1]).succeeds();
    is_that_of(&client, &car);
}

#[test]
fn last_part_that_leaves_blocks_missing_is_refused_and_the_rest_can_follow() {
    let car = source(300).export();
    let parts = parts(&car, 100);
    let client = target();
    import_part(&client, &parts[0]).json(200);
    let answer = import(&client, &parts[2]);
    assert_eq!(answer.status, 400);
    let message = answer.json(400)["message"].as_str().unwrap().to_owned();
    assert!(message.starts_with("missing block: "), "{message}");
    import_part(&client, &parts[3]).json(200);
    import(&client, &parts[1]).succeeds();
    is_that_of(&client, &car);
}

#[test]
fn repeated_part_writes_no_further_row_for_what_is_staged() {
    let car = source(900).export();
    let parts = parts(&car, 500);
    let client = target();
    import_part(&client, &parts[0]).json(200);
    let rows = client.host.rows().1;
    import_part(&client, &parts[0]).json(200);
    let again = client.host.rows().1 - rows;
    assert!(again < 10, "{again} rows");
}

#[test]
fn commit_far_in_the_future_is_refused() {
    let mut source = source(10);
    source.host.move_clock(3_600);
    source.create(NOTE, "ahead", a_note("x")).json(200);
    let client = target();
    import(&client, &source.export()).succeeds();
    assert_eq!(client.head(), source.head());
    source.host.move_clock(2 * 86_400);
    source.sign_in();
    source.create(NOTE, "far-ahead", a_note("x")).json(200);
    let message = format!("commit rev is in the future: {}", source.head().1);
    import(&client, &source.export()).refuses(400, "InvalidRequest", &message);
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
    let client = target();
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
        let reply = block_on(self.0.handle(request("GET", path, None, Body::Empty), None));
        let nacre_pds::Reply::Response(response) = reply else { panic!("a response") };
        block_on(response.into_body().collect(usize::MAX)).unwrap().to_vec()
    }
}
