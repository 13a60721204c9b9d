//! Import: a CAR replaces the repository completely or not at all.

#![allow(clippy::std_instead_of_alloc, clippy::unwrap_used, reason = "all of this is test code")]

mod client;

use std::collections::BTreeMap;

use cid::Cid;
use client::cars::{assert_repository_is, import, pieces, source, target, upload};
use client::{Client, DID, NOTE, PASSWORD, a_note, read_car, request};
use nacre_car::Writer;
use nacre_pds::body::Body;
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

#[test]
fn import_replaces_the_repository_and_keeps_its_commit_and_rev() {
    let source = source(500);
    let car = source.export();
    let client = target();
    import(&client, &car).succeeds();
    assert_repository_is(&client, &car);
    assert_eq!(client.head(), source.head());
    client.activate();
    let gone = client
        .query("com.atproto.repo.getRecord", &format!("repo={DID}&collection={NOTE}&rkey=old"));
    assert_eq!(gone.status, 400);
    client.create(NOTE, "new", a_note("new")).json(200);
    assert_eq!(client::verify(&client), 503);
}

#[test]
fn import_accepts_blocks_in_any_order() {
    let car = source(300).export();
    let by_cid = shuffled(&car, |_| {});
    let backwards = shuffled(&car, |blocks| blocks.reverse());
    let hash = |cid: &Cid| cid.hash().digest()[7..11].to_vec();
    let mixed = shuffled(&car, |blocks| blocks.sort_by_key(|(cid, _)| hash(cid)));
    for car in [by_cid, backwards, mixed] {
        let client = target();
        import(&client, &car).succeeds();
        assert_repository_is(&client, &car);
        client.activate();
        client.create(NOTE, "new", a_note("new")).json(200);
        client::verify(&client);
    }
}

#[test]
fn repeated_imports_replace_one_another() {
    let source = source(200);
    let first = source.export();
    source.delete(NOTE, "k00000").json(200);
    source.put(NOTE, "blob", a_note("without")).json(200);
    source.create(NOTE, "more", a_note("more")).json(200);
    let second = source.export();
    let client = target();
    for car in [&first, &second, &first, &first] {
        assert_eq!(import(&client, car).status, 200);
        assert_repository_is(&client, car);
    }
}

#[test]
fn empty_repository_can_be_imported() {
    let car = Client::new().export();
    let client = source(10);
    client.deactivate();
    import(&client, &car).succeeds();
    assert_repository_is(&client, &car);
    assert_eq!(client.row_counts()["record"], 0);
    client.activate();
    client.create(NOTE, "new", a_note("new")).json(200);
    assert_eq!(client::verify(&client), 1);
}

#[test]
fn missing_blobs_are_listed_until_they_are_uploaded() {
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
    assert_eq!(block_on(client.pds.audit_database()).unwrap().faults, Vec::<String>::new());
}

#[test]
fn interrupted_import_changes_nothing_and_can_be_resumed() {
    let car = source(300).export();
    let client = target();
    let before = (client.head(), client.export());
    let count = car.len().div_ceil(1000);
    for cut in [0, 1, count / 3, count / 2, count - 1] {
        let answer = client.send(upload(&client, pieces(&car, 1000, Some(cut))));
        assert_eq!(answer.status, 400, "{cut}");
        assert_eq!(before, (client.head(), client.export()));
    }
    let rows = || client.host.rows().written;
    let start = rows();
    import(&client, &car).succeeds();
    let resumed = rows() - start;
    assert_repository_is(&client, &car);
    // All but the last piece was staged.
    assert!(resumed < 60, "{resumed} rows");
}

#[test]
fn failed_import_changes_nothing() {
    let car = source(40).export();
    let client = target();
    let before = (client.head(), client.export());
    for steps in 0.. {
        client.host.fail_after(Some(steps));
        let answer = import(&client, &car);
        client.host.fail_after(None);
        if answer.status == 200 {
            assert!(steps > 100, "failed at {steps} steps only");
            break;
        }
        assert_eq!(answer.status, 500, "{steps}");
        assert_eq!(before, (client.head(), client.export()), "{steps}");
    }
    assert_repository_is(&client, &car);
}

#[test]
fn import_writes_about_one_row_per_record() {
    let source = source(3000);
    let car = source.export();
    let client = target();
    let start = client.host.rows().written;
    assert_eq!(import(&client, &car).status, 200);
    let rows = client.host.rows().written - start;
    assert!((3002..3002 + 120).contains(&rows), "{rows} rows");
}

#[test]
fn invalid_or_foreign_repository_is_refused() {
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
        (write(&[root], &BTreeMap::new()), format!("missing block: {root}")),
        (write(&[root], &no_record), format!("missing block: {record}")),
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
        block_on(client.pds.run_due_work());
        assert!(tables(&client) > 0, "{part}");
        client.sign_in();
        cut(&client, count / 3 + part);
    }
    client.host.move_clock(86_399);
    block_on(client.pds.run_due_work());
    assert!(tables(&client) > 0);
    client.host.move_clock(1);
    block_on(client.pds.run_due_work());
    assert_eq!(tables(&client), 0);
    client.sign_in();
    client.activate();
    client::verify(&client);
}

#[test]
fn blobs_uploaded_during_an_import_of_several_days_are_kept() {
    let car = source(50).export();
    let mut client = target();
    let count = car.len().div_ceil(1000);
    client.upload("text/plain", b"pearl");
    client.upload("text/plain", b"unused");
    for part in 0..3 {
        let answer = client.send(upload(&client, pieces(&car, 1000, Some(count / 3 + part))));
        assert_eq!(answer.status, 400);
        client.host.move_clock(80_000);
        block_on(client.pds.run_due_work());
        client.sign_in();
    }
    assert_eq!(client.host.blobs().borrow().len(), 2);
    import(&client, &car).succeeds();
    client.activate();
    block_on(client.pds.run_due_work());
    assert_eq!(client.host.blobs().borrow().len(), 1);
    client::verify(&client);
    // An import that is not resumed keeps them for a day.
    client.deactivate();
    client.upload("text/plain", b"unused");
    let answer = client.send(upload(&client, pieces(&car, 1000, Some(1))));
    assert_eq!(answer.status, 400);
    client.host.move_clock(86_400);
    assert!(client.host.alarm_s().is_some_and(|alarm_s| alarm_s <= client.host.now_s()));
    block_on(client.pds.run_due_work());
    assert_eq!(client.host.blobs().borrow().len(), 1);
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
fn staging_tables_have_the_schema_of_the_tables_they_replace() {
    let schema = |client: &Client| {
        let mut tables = Vec::new();
        let sql = "select sql from sqlite_master where sql is not null order by name";
        let mut row = |row: &dyn nacre_pds::host::Row| {
            let nacre_pds::host::Value::Text(sql) = row.value(0) else { panic!("text") };
            // The name of a renamed table is quoted.
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
