//! Audit and heal: damaged derived data is rebuilt, and lost records and commits are reported.

#![allow(clippy::std_instead_of_alloc, clippy::unwrap_used, reason = "all of this is test code")]

mod client;

use core::pin::pin;
use core::task::{Context, Waker};

use client::{Answer, Client, NOTE, a_note, request};
use nacre_pds::body::Body;
use nacre_pds::config::new_account;
use nacre_pds::dev::{Memory, account, block_on};
use nacre_pds::{HealError, Healed};
use serde_json::{Value, json};

const FOLLOW: &str = "app.bsky.graph.follow";
const UNDER_WAY: &[u8] = b"an import or a heal is in progress; try again when it has ended\"}";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n with more behind it";

/// A server with notes, follows, a referenced blob and an unreferenced one.
fn populated() -> Client {
    populated_with(180)
}

fn populated_with(notes: usize) -> Client {
    let client = Client::new();
    let notes = (0..notes).map(|number| (NOTE, format!("k{number}"), a_note("pearl")));
    let follows = (0..20).map(|number| {
        let record = json!({
            "$type": FOLLOW,
            "subject": format!("did:web:n{number}.example"),
            "createdAt": "2026-01-01T00:00:00.000Z",
        });
        let key = char::from(b'a' + u8::try_from(number).unwrap());
        (FOLLOW, format!("3kfollow{key}2222"), record)
    });
    let writes = notes.chain(follows).map(|(collection, rkey, value)| {
        json!({
            "$type": "com.atproto.repo.applyWrites#create",
            "collection": collection, "rkey": rkey, "value": value,
        })
    });
    let input = json!({ "repo": client::DID, "writes": writes.collect::<Vec<_>>() });
    client.post("com.atproto.repo.applyWrites", &input).json(200);
    let blob = client.upload("image/png", PNG);
    client.create(NOTE, "image", with_blob(&blob)).json(200);
    client.upload("text/plain", b"nobody's");
    client
}

/// The same server in another process, without anything that this one caches.
fn reopened(client: &Client) -> Client {
    let config = account(&Memory::new(7), client::PASSWORD);
    let access = client.access.clone();
    Client { access, ..Client::with_config(client.host.clone(), config) }
}

fn with_blob(blob: &Value) -> Value {
    json!({ "$type": NOTE, "text": "look", "image": blob })
}

/// Calls an operator method.
fn operate(client: &Client, verb: &str, command: &str) -> Answer {
    let vars = new_account("pds.test", "alice.test", client::PASSWORD, &*Memory::new(7).host().rng);
    let vars = vars.unwrap();
    let token = vars.iter().find(|(name, _)| *name == "AUTH_TOKEN").unwrap().1.clone();
    client.send(request(verb, &format!("/operator/{command}"), Some(&token), Body::Empty))
}

fn damage(client: &Client, sql: &'static str) {
    client.host.sql().query(sql, &[], &mut |_| Ok(())).unwrap();
}

/// Calls a query as the owner.
fn query_as_owner(client: &Client, method: &str) -> Value {
    let path = format!("/xrpc/{method}");
    client.send(request("GET", &path, Some(&client.access), Body::Empty)).json(200)
}

/// Returns the export, the account's status and the list of blobs.
fn state(client: &Client) -> (Vec<u8>, Value, Value) {
    let status = query_as_owner(client, "com.atproto.server.checkAccountStatus");
    let blobs = client.query("com.atproto.sync.listBlobs", "did=did:web:pds.test").json(200);
    (client.export(), status, blobs)
}

#[test]
fn heal_leaves_a_consistent_database_alone() {
    let client = populated();
    let rows = client.host.rows().written;
    let Healed { found, audit } = block_on(client.pds.heal()).unwrap();
    assert_eq!((found, audit.records), (Vec::new(), 201));
    assert_eq!(client.host.rows().written, rows);
}

#[test]
fn heal_rebuilds_damaged_derived_data() {
    for sql in [
        "delete from page",
        "delete from page where id in (select id from page limit 1)",
        "update page set bytes = x'00'",
        "insert into page (id, rev, bytes) select 9999, rev, root_page from account",
        "update account set root_page = x''",
        "update account set records = 1, nodes = 7, expected_blobs = 9, stored_blobs = 9",
        "update account set data = commit_cid",
        "delete from subject",
        "insert into subject (subject, rkey) values (x'00112233445566778899aabbccddeeff', 'k')",
        "delete from blob_ref",
        "insert into blob_ref (cid, path, rev) values ('bafkrei', 'com.example.note/k1', '')",
        "delete from blob where idle_since_s is null",
        "update account set rev = '3jzfcijpj2z2a'",
        "update account set stored_blobs = 0",
        "update blob set idle_since_s = 5",
        "update blob set idle_since_s = null",
        "insert into blob (cid, mime_type, size) values ('none', 'text/plain', 5)",
    ] {
        let client = populated();
        let before = state(&client);
        damage(&client, sql);
        let client = reopened(&client);
        let Healed { found, audit } = block_on(client.pds.heal()).unwrap();
        assert!(!found.is_empty(), "{sql}");
        assert_eq!(audit.faults, Vec::<String>::new(), "{sql}");
        assert_eq!(state(&client), before, "{sql}");
        client.create(NOTE, "new", a_note("new")).json(200);
        client.delete(NOTE, "new").json(200);
        client::verify(&client);
    }
}

#[test]
fn audit_tolerates_concurrent_writes_and_heal_refuses_them() {
    let client = populated();
    for batch in 0..3 {
        let writes = (0..200).map(|number| {
            json!({
                "$type": "com.atproto.repo.applyWrites#create", "collection": NOTE,
                "rkey": format!("b{batch}-{number}"), "value": a_note("more"),
            })
        });
        let input = json!({ "repo": client::DID, "writes": writes.collect::<Vec<_>>() });
        client.post("com.atproto.repo.applyWrites", &input).json(200);
    }
    let mut context = Context::from_waker(Waker::noop());
    let mut auditing = pin!(client.pds.audit_database());
    assert!(auditing.as_mut().poll(&mut context).is_pending());
    client.create(NOTE, "meanwhile", a_note("x")).json(200);
    let audit = block_on(auditing).unwrap();
    assert_eq!((audit.records, audit.faults), (802, Vec::new()));

    damage(&client, "delete from subject");
    let mut healing = pin!(client.pds.heal());
    let mut refused = 0;
    while healing.as_mut().poll(&mut context).is_pending() {
        // The audits before and after the repair do not refuse writes.
        refused += usize::from(client.create(NOTE, "k0", a_note("x")).body.ends_with(UNDER_WAY));
    }
    assert!(refused > 0, "writes are refused during the repair");
    client::verify(&client);
}

#[test]
fn heal_reconciles_the_blob_table_with_the_store() {
    let client = populated();
    let blob = client.upload("image/png", PNG);
    let key = blob["ref"]["$link"].as_str().unwrap().to_owned();
    let cid = key.parse().unwrap();
    let stray = client.upload("text/plain", b"stray");
    damage(&client, "delete from blob");
    let healed = block_on(client.pds.heal()).unwrap();
    assert_eq!(healed.audit.faults, Vec::<String>::new());
    // The referenced blob is registered with the type in its record; the others are orphans.
    assert_eq!(healed.audit.blobs, 1);
    let stray = stray["ref"]["$link"].as_str().unwrap().parse().unwrap();
    assert!(!client.host.blobs().borrow().contains_key(&stray));
    let params = format!("did=did:web:pds.test&cid={key}");
    let served = client.query("com.atproto.sync.getBlob", &params);
    assert_eq!(served.headers["content-type"], "image/png");

    client.host.blobs().borrow_mut().remove(&cid);
    let healed = block_on(client.pds.heal()).unwrap();
    assert_eq!(healed.found, [format!("blob {cid} is not stored")]);
    let missing = query_as_owner(&client, "com.atproto.repo.listMissingBlobs");
    assert_eq!(missing["blobs"][0]["cid"], key);
    client.upload("image/png", PNG);
    client::verify(&client);
}

#[test]
fn heal_reports_lost_records_and_commits_without_changing_anything() {
    for (sql, lost) in [
        ("update record set value = x'a0' where path = 'com.example.note/k7'", "k7 is damaged"),
        (
            "delete from record where path = 'com.example.note/k7'",
            "records do not match the commit",
        ),
        ("update account set commit_block = x'a0'", "the commit is damaged"),
    ] {
        let client = populated();
        damage(&client, sql);
        let client = reopened(&client);
        let rows = client.row_counts();
        let error = block_on(client.pds.heal()).unwrap_err();
        assert!(error.to_string().contains(lost), "{error}");
        assert!(!matches!(error, HealError::Database(_)), "{error:?}");
        let (page, records) = (rows["page"], rows["record"]);
        assert_eq!((page, records), (client.row_counts()["page"], client.row_counts()["record"]));
        assert_eq!(operate(&client, "POST", "heal").json(409)["error"], "CannotHeal");
    }
}

#[test]
fn failed_heal_can_be_repeated() {
    let client = populated_with(10);
    let before = state(&client);
    let stored = client.host.blobs().borrow().clone();
    let mut steps = 0;
    loop {
        damage(&client, "delete from subject");
        damage(&client, "update account set records = 1");
        damage(&client, "delete from blob where idle_since_s is null");
        client.host.fail_after(Some(steps));
        let healed = block_on(client.pds.heal());
        client.host.fail_after(None);
        assert_eq!(*client.host.blobs().borrow(), stored, "at step {steps}");
        let Ok(healed) = healed else {
            steps += 1;
            continue;
        };
        assert_eq!(healed.audit.faults, Vec::<String>::new());
        break;
    }
    assert!(steps > 100, "failed at {steps} steps only");
    assert_eq!(state(&client), before);
    client::verify(&client);
}

#[test]
fn host_failure_is_an_audit_error_and_not_a_finding() {
    let client = reopened(&populated_with(10));
    for step in 0.. {
        client.host.fail_once(step);
        let audit = block_on(client.pds.audit());
        let was_hit = !client.host.fails();
        client.host.fail_after(None);
        match audit {
            Ok(audit) => assert_eq!(audit.faults, Vec::<String>::new(), "at step {step}"),
            Err(error) => assert!(was_hit, "{error}"),
        }
        if !was_hit {
            assert!(step > 20, "failed at {step} steps only");
            return;
        }
    }
}

#[test]
fn verify_and_heal_require_the_operator_token() {
    let client = populated();
    damage(&client, "delete from subject");
    let found = operate(&client, "GET", "verify").json(200);
    assert_eq!((&found["records"], found["faults"].as_array().unwrap().len()), (&json!(201), 21));
    let healed = operate(&client, "POST", "heal").json(200);
    assert_eq!((healed["found"].as_array().unwrap().len(), &healed["faults"]), (21, &json!([])));
    assert_eq!(operate(&client, "GET", "verify").json(200)["faults"], json!([]));

    assert_eq!(operate(&client, "GET", "heal").status, 400);
    assert_eq!(operate(&client, "POST", "verify").status, 400);
    assert_eq!(operate(&client, "GET", "else").status, 404);
    for (token, status) in [(None, 401), (Some(&*client.access), 401), (Some("none"), 401)] {
        for (verb, command) in [("GET", "verify"), ("POST", "heal")] {
            let path = format!("/operator/{command}");
            let answer = client.send(request(verb, &path, token, Body::Empty));
            assert_eq!(answer.status, status, "{token:?}");
        }
    }
}
