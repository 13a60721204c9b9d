//! Audit and heal of blobs: referenced bytes are kept, whatever the form of the reference.

#![allow(clippy::std_instead_of_alloc, clippy::unwrap_used, reason = "all of this is test code")]

mod client;

use core::pin::pin;
use core::task::{Context, Waker};
use std::collections::BTreeMap;

use bytes::Bytes;
use cid::Cid;
use client::cars::{import, pieces, repository, source, upload};
use client::{Client, DID, NOTE, PASSWORD, a_note};
use nacre_pds::blobs::raw_cid;
use nacre_pds::dev::{Memory, account, block_on};
use nacre_pds::host::{Row, Value};
use serde_json::json;
use sha2::{Digest, Sha256};

/// Marks the account as having been active.
const WAS_ACTIVE: &str = "update account set announced = 1";

/// An account that was never active.
fn target() -> Client {
    let mut config = account(&Memory::new(7), PASSWORD);
    config.initial_active = false;
    let mut client = Client::with_config(Memory::new(7), config);
    client.sign_in();
    client
}

fn run(client: &Client, sql: &'static str) {
    client.host.sql().query(sql, &[], &mut |_| Ok(())).unwrap();
}

fn texts(client: &Client, sql: &'static str) -> Vec<String> {
    let mut found = Vec::new();
    let mut read = |row: &dyn Row| {
        match row.value(0) {
            Value::Text(text) => found.push(text.into_owned()),
            other => found.push(format!("{other:?}")),
        }
        Ok(())
    };
    client.host.sql().query(sql, &[], &mut read).unwrap();
    found
}

fn stored(client: &Client) -> BTreeMap<Cid, Bytes> {
    client.host.blobs().borrow().clone()
}

/// Encodes a text as DAG-CBOR.
fn text(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).unwrap();
    let head = if length < 24 { vec![0x60 + length] } else { vec![0x78, length] };
    [head, text.as_bytes().to_vec()].concat()
}

fn link(cid: &Cid) -> Vec<u8> {
    [b"\xd8\x2a\x58\x25\0".as_slice(), &cid.to_bytes()].concat()
}

fn map(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let head = vec![0xa0 + u8::try_from(entries.len()).unwrap()];
    entries.iter().fold(head, |map, (key, value)| [map, text(key), value.clone()].concat())
}

fn hash(bytes: &[u8]) -> Cid {
    raw_cid(&Sha256::digest(bytes).into())
}

/// Returns the reference to a blob in every form that stored records use.
fn references(cid: &Cid, bytes: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let size = vec![u8::try_from(bytes.len()).unwrap()];
    let kind = || text("blob");
    let png = || text("image/png");
    let typed = |size: Vec<u8>, more: &[(&str, Vec<u8>)]| {
        let fields = [("ref", link(cid)), ("size", size), ("$type", kind()), ("mimeType", png())];
        map(&[more, &fields].concat())
    };
    vec![
        ("typed", typed(size.clone(), &[])),
        ("legacy", map(&[("cid", text(&cid.to_string())), ("mimeType", png())])),
        ("extra key", typed(size, &[("e", vec![1])])),
        ("negative size", typed(vec![0x20], &[])),
        ("float size", typed(vec![0xf9, 0x4d, 0x00], &[])),
        ("bare link", link(cid)),
        ("bare text", text(&cid.to_string())),
    ]
}

#[test]
fn heal_keeps_blobs_for_every_form_of_reference() {
    for (form, _) in references(&hash(b""), b"") {
        let client = target();
        let bytes = form.as_bytes();
        let cid = hash(bytes);
        let all = references(&cid, bytes);
        let reference = all.iter().find(|(name, _)| *name == form).unwrap().1.clone();
        let record = map(&[("b", reference), ("$type", text(NOTE))]);
        import(&client, &repository(&[(&format!("{NOTE}/a"), &record)])).succeeds();
        client.upload("image/png", bytes);
        let before = stored(&client);
        run(&client, "delete from blob");
        // Otherwise all bytes are kept.
        run(&client, WAS_ACTIVE);
        for _ in 0..2 {
            block_on(client.pds.heal()).unwrap();
            assert_eq!(stored(&client), before, "{form}");
        }
        client.host.move_clock(3 * 86_400);
        block_on(client.pds.run_due_work());
        assert_eq!(stored(&client), before, "{form}");
        if texts(&client, "select cid from blob_ref") == [cid.to_string()] {
            let rows = texts(&client, "select mime_type || ' ' || size from blob");
            let mime_type =
                if form.starts_with("bare") { "application/octet-stream" } else { "image/png" };
            assert_eq!(rows, [format!("{mime_type} {}", bytes.len())], "{form}");
            let audit = block_on(client.pds.audit()).unwrap();
            assert_eq!(audit.faults, Vec::<String>::new(), "{form}");
        }
    }
}

#[test]
fn heal_searches_every_referring_record_for_the_blob_type() {
    let client = target();
    let cid = hash(b"pearl");
    let all: BTreeMap<_, _> = references(&cid, b"pearl").into_iter().collect();
    let record = |form: &str| map(&[("b", all[form].clone()), ("$type", text(NOTE))]);
    let (vague, clear) = (record("bare link"), record("typed"));
    let paths: Vec<_> = (0..150).map(|number| format!("{NOTE}/a{number:03}")).collect();
    let last = format!("{NOTE}/z");
    let mut records: Vec<(&str, &[u8])> = paths.iter().map(|path| (&**path, &*vague)).collect();
    records.push((&last, &clear));
    import(&client, &repository(&records)).succeeds();
    client.upload("text/plain", b"pearl");
    run(&client, "delete from blob");
    let healed = block_on(client.pds.heal()).unwrap();
    assert_eq!(healed.audit.faults, Vec::<String>::new());
    assert_eq!(texts(&client, "select mime_type from blob"), ["image/png"]);
}

#[test]
fn blob_of_a_wrong_size_is_kept_and_reported_until_it_is_uploaded_again() {
    let client = Client::new();
    let blob = client.upload("text/plain", b"pearl");
    client.create(NOTE, "blob", json!({ "$type": NOTE, "blob": blob })).json(200);
    let before = stored(&client);
    run(&client, "update blob set size = 4");
    let cid = hash(b"pearl");
    let fault = format!("blob {cid} is 5 bytes, but 4 were uploaded; upload it again");
    let healed = block_on(client.pds.heal()).unwrap();
    assert_eq!((healed.found, healed.audit.faults), (vec![fault.clone()], vec![fault]));
    assert_eq!(stored(&client), before);
    client.upload("text/plain", b"pearl");
    assert_eq!(block_on(client.pds.heal()).unwrap().found, Vec::<String>::new());
}

#[test]
fn heal_removes_only_orphaned_blobs() {
    let client = Client::new();
    let blob = client.upload("text/plain", b"pearl");
    client.create(NOTE, "blob", json!({ "$type": NOTE, "blob": blob })).json(200);
    client.upload("text/plain", b"draft");
    let before = stored(&client);
    let orphan = hash(b"orphan");
    client.host.blobs().borrow_mut().insert(orphan, Bytes::from_static(b"orphan"));
    let healed = block_on(client.pds.heal()).unwrap();
    assert_eq!(healed.found, [format!("orphaned blob: {orphan}")]);
    assert_eq!(healed.audit.faults, Vec::<String>::new());
    assert_eq!(stored(&client), before);
}

#[test]
fn unknown_blobs_are_kept_with_a_warning_while_their_records_may_still_arrive() {
    let car = source(300).export();
    let orphan = hash(b"orphan");
    let client = target();
    client.host.blobs().borrow_mut().insert(orphan, Bytes::from_static(b"orphan"));
    client.host.blobs().borrow_mut().insert(hash(b"more"), Bytes::from_static(b"more"));
    let before = stored(&client);
    let first = before.keys().map(ToString::to_string).min().unwrap();
    let warning = format!(
        "stored blobs are not in the database, such as {first}; they are kept until the account \
         has been active and no import is staged"
    );
    // A lost blob makes the heal repair blobs.
    let lost = hash(b"lost");
    client.upload("text/plain", b"lost");
    client.host.blobs().borrow_mut().remove(&lost);
    let healed = block_on(client.pds.heal()).unwrap();
    assert_eq!(healed.found, [format!("blob {lost} is not stored")]);
    assert_eq!(healed.audit.faults, Vec::<String>::new());
    assert_eq!(healed.audit.warnings, [&*warning]);
    assert_eq!(stored(&client), before);

    run(&client, WAS_ACTIVE);
    let cut = client.send(upload(&client, pieces(&car, 1000, Some(car.len() / 2_000))));
    assert_eq!(cut.status, 400);
    assert_eq!(block_on(client.pds.heal()).unwrap().audit.warnings, [&*warning]);
    assert_eq!(stored(&client), before);
    import(&client, &car).succeeds();
    let healed = block_on(client.pds.heal()).unwrap();
    assert_eq!(healed.found.len(), 2);
    assert_eq!((healed.audit.faults, healed.audit.warnings), (Vec::new(), Vec::new()));
    assert_eq!(stored(&client), BTreeMap::new());
}

#[test]
fn heal_repairs_pages_and_blobs_independently() {
    let client = Client::new();
    for number in 0..60 {
        client.create(NOTE, &format!("k{number}"), a_note("pearl")).json(200);
    }
    let blob = client.upload("text/plain", b"pearl");
    client.create(NOTE, "blob", json!({ "$type": NOTE, "blob": blob })).json(200);
    let cid = hash(b"pearl");

    client.host.blobs().borrow_mut().remove(&cid);
    let (pages, rows) =
        (texts(&client, "select hex(root_page) from account"), client.host.rows().written);
    let healed = block_on(client.pds.heal()).unwrap();
    assert_eq!(healed.found, [format!("blob {cid} is not stored")]);
    assert_eq!(texts(&client, "select hex(root_page) from account"), pages);
    assert!(client.host.rows().written - rows < 10, "{}", client.host.rows().written - rows);
    client.upload("text/plain", b"pearl");

    run(&client, "insert into page (id, rev, bytes) values (999, '', x'00')");
    // An orphan appears after the audit.
    let orphan = hash(b"orphan");
    let mut healing = pin!(client.pds.heal());
    let mut context = Context::from_waker(Waker::noop());
    while texts(&client, "select id from page where id = 999").len() == 1 {
        assert!(healing.as_mut().poll(&mut context).is_pending());
    }
    client.host.blobs().borrow_mut().insert(orphan, Bytes::from_static(b"orphan"));
    block_on(healing).unwrap();
    assert!(stored(&client).contains_key(&orphan));
}

#[test]
fn audit_tolerates_exports_in_flight_and_takes_no_export_slot() {
    let client = Client::new();
    for number in 0..60 {
        client.create(NOTE, &format!("k{number}"), a_note("pearl")).json(200);
    }
    let path = format!("/xrpc/com.atproto.sync.getRepo?did={DID}");
    let export = || {
        let request = client::request("GET", &path, None, nacre_pds::body::Body::Empty);
        match block_on(client.pds.handle(request, None)) {
            nacre_pds::Reply::Response(response) => response,
            reply => panic!("{reply:?}"),
        }
    };
    let exports: Vec<_> = (0..16).map(|_| export()).collect();
    assert!(exports.iter().all(|export| export.status() == 200));
    assert_eq!(export().status(), 503);
    let rows = client.host.rows().written;
    let healed = block_on(client.pds.heal()).unwrap();
    assert_eq!((healed.found, healed.audit.records), (Vec::new(), 60));
    assert_eq!(client.host.rows().written, rows);
    // Audits take no export slot.
    drop(exports);
    let mut context = Context::from_waker(Waker::noop());
    run(&client, "delete from blob_ref");
    let mut audits: Vec<_> = (0..2).map(|_| Box::pin(client.pds.audit())).collect();
    for audit in &mut audits {
        let _ = audit.as_mut().poll(&mut context);
    }
    assert_eq!(export().status(), 200);
}

#[test]
fn audit_tolerates_concurrent_uploads_and_removals() {
    let mut client = Client::new();
    for number in 0..5_u8 {
        client.upload("text/plain", &[number; 9]);
    }
    client.host.move_clock(86_400);
    client.sign_in();
    // At each point of an audit, old blobs are removed and a new one is uploaded.
    for point in 0.. {
        client.upload("text/plain", format!("old {point}").as_bytes());
        client.host.move_clock(86_400);
        client.sign_in();
        let audit = {
            let mut audit = pin!(client.pds.audit());
            let mut context = Context::from_waker(Waker::noop());
            let waits = (0..point).all(|_| audit.as_mut().poll(&mut context).is_pending());
            if !waits {
                assert!(point > 5, "{point}");
                return;
            }
            block_on(client.pds.run_due_work());
            client.upload("text/plain", format!("new {point}").as_bytes());
            block_on(audit).unwrap()
        };
        assert_eq!(audit.faults, Vec::<String>::new(), "at point {point}");
    }
}

#[test]
fn heal_keeps_a_resumable_import() {
    let car = source(300).export();
    let client = target();
    client.create(NOTE, "here", a_note("before"));
    let count = car.len().div_ceil(1000);
    let cut = client.send(upload(&client, pieces(&car, 1000, Some(count / 2))));
    assert_eq!(cut.status, 400);
    let staged = texts(&client, "select path from import_record");
    assert!(staged.len() > 50, "{}", staged.len());
    run(&client, "update account set nodes = 77");
    let healed = block_on(client.pds.heal()).unwrap();
    assert_eq!(healed.audit.faults, Vec::<String>::new());
    assert_eq!(texts(&client, "select path from import_record"), staged);
    let rows = client.host.rows().written;
    import(&client, &car).succeeds();
    let written = client.host.rows().written - rows;
    assert!(written < 400, "{written} rows: staged records are not rewritten");
}

#[test]
fn alarm_cleans_up_after_an_interrupted_heal() {
    let client = Client::new();
    for number in 0..60 {
        client.create(NOTE, &format!("k{number}"), a_note("pearl")).json(200);
    }
    let tables = "select name from sqlite_schema where name like 'healed%' or name = 'import_page'";
    run(&client, "update account set nodes = 77");
    {
        let mut healing = pin!(client.pds.heal());
        let mut context = Context::from_waker(Waker::noop());
        while texts(&client, tables).is_empty() {
            assert!(healing.as_mut().poll(&mut context).is_pending());
        }
    }
    assert_eq!(texts(&client, tables).len(), 3);
    block_on(client.pds.run_due_work());
    assert_eq!(texts(&client, tables), Vec::<String>::new());
    block_on(client.pds.heal()).unwrap();
    assert_eq!(texts(&client, tables), Vec::<String>::new());
    client::verify(&client);
}

#[test]
fn audit_verifies_the_signature_only_of_an_active_account() {
    let record = map(&[("$type", text(NOTE))]);
    let client = target();
    import(&client, &repository(&[(&format!("{NOTE}/a"), &record)])).succeeds();
    assert_eq!(block_on(client.pds.audit()).unwrap().faults, Vec::<String>::new());
    run(&client, "update account set active = 1");
    let fault = "the commit's signature does not verify with the account's key";
    let rows = client.host.rows().written;
    let healed = block_on(client.pds.heal()).unwrap();
    assert_eq!((healed.found, healed.audit.faults), (vec![fault.into()], vec![fault.into()]));
    assert_eq!(client.host.rows().written, rows, "heal rewrites nothing that it cannot repair");
}
