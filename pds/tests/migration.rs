//! Account migration as a relay sees it: every rev is the one inside its commit, revs increase, and
//! everything that an active account serves or sends verifies with its key.

#![allow(clippy::std_instead_of_alloc, clippy::unwrap_used, reason = "all of this is test code")]

mod client;

use cid::Cid;
use client::cars::import;
use client::{Client, DID, NOTE, PASSWORD, Relay, a_note, key, read_car};
use nacre_car::Writer;
use nacre_commit::{Commit, LegacyCommit, UnsignedCommit, Version};
use nacre_crypto::{Curve, Signature, SigningKey};
use nacre_firehose::Verdict;
use nacre_lexicon::cid_for;
use nacre_pds::config::Config;
use nacre_pds::dev::{Memory, account, block_on};
use nacre_syntax::{Did, Tid};
use serde_json::json;

/// The configuration of the server under test. An old server has another key.
fn config() -> Config {
    account(&Memory::new(7), PASSWORD)
}

/// The server that an account migrates from.
fn old_server(records: usize) -> Client {
    let host = Memory::new(99);
    let config = account(&host, PASSWORD);
    let mut client = Client::with_config(host, config);
    client.sign_in();
    for number in 0..records {
        client.create(NOTE, &format!("k{number}"), a_note(&number.to_string())).json(200);
    }
    client
}

/// An account that was never active.
fn never_active() -> Client {
    let mut config = config();
    config.initial_active = false;
    let mut client = Client::with_config(Memory::new(8), config);
    client.sign_in();
    client
}

/// A deactivated account, with a relay that followed it.
fn deactivated() -> (Client, Relay) {
    let client = Client::new();
    client.create(NOTE, "here", a_note("before")).json(200);
    let mut relay = Relay::new(&client);
    relay.assert_matches(&client);
    client.deactivate();
    (client, relay)
}

fn data_of(car: &[u8]) -> Cid {
    let (root, blocks) = read_car(car);
    Commit::decode(&blocks[&root]).unwrap().data
}

/// Replaces the commit in a CAR.
fn with_root(car: &[u8], block: &[u8]) -> Vec<u8> {
    let (root, mut blocks) = read_car(car);
    blocks.remove(&root);
    let mut writer = Writer::new(&cid_for(block));
    writer.block(&cid_for(block), block);
    blocks.iter().for_each(|(cid, bytes)| writer.block(cid, bytes));
    writer.finish()
}

fn signed(data: Cid, rev: Tid, key: &SigningKey) -> Vec<u8> {
    UnsignedCommit { did: Did::parse(DID).unwrap().to_owned(), data, rev }.sign(key).encode()
}

/// Activates the account, writes once, and asserts that a relay can follow.
fn activate_and_write(client: &Client, relay: &mut Relay) {
    client.activate();
    relay.assert_matches(client);
    client::verify(client);
    client.create(NOTE, "after", a_note("the move")).json(200);
    assert_eq!(relay.follow(client), [Verdict::Next]);
    relay.assert_matches(client);
    client::verify(client);
}

#[test]
fn activation_re_signs_a_repository_of_another_server() {
    let old = old_server(20);
    let (car, foreign) = (old.export(), old.head());
    let (deactivated, relay) = deactivated();
    let never_active = never_active();
    let other_relay = Relay::new(&never_active);
    for (client, mut relay) in [(deactivated, relay), (never_active, other_relay)] {
        relay.follow(&client);
        import(&client, &car).succeeds();
        assert_eq!(client.head(), foreign);
        assert!(relay.follow(&client).is_empty());
        client.activate();
        let (cid, rev) = client.head();
        assert!(cid != foreign.0 && rev > foreign.1);
        assert_eq!(data_of(&client.export()), data_of(&car));
        activate_and_write(&client, &mut relay);
    }
}

#[test]
fn activation_keeps_an_own_commit_newer_than_the_announced_one() {
    let (client, mut relay) = deactivated();
    let car = client.export();
    let rev = Tid::parse(&client.head().1).unwrap();
    let newer = Tid::from_micros(rev.micros() + 1, 0);
    let block = signed(data_of(&car), newer, &config().signing_key);
    import(&client, &with_root(&car, &block)).succeeds();
    client.activate();
    assert_eq!(client.head(), (cid_for(&block).to_string(), newer.to_string()));
    activate_and_write(&client, &mut relay);
}

#[test]
fn activation_keeps_the_announced_own_commit() {
    let (client, mut relay) = deactivated();
    let (car, head) = (client.export(), client.head());
    import(&client, &car).succeeds();
    client.activate();
    assert_eq!(client.head(), head);
    activate_and_write(&client, &mut relay);
}

#[test]
fn activation_re_signs_an_own_commit_older_than_the_announced_one() {
    let client = Client::new();
    client.create(NOTE, "a", a_note("1")).json(200);
    let (car, old) = (client.export(), client.head());
    let mut relay = Relay::new(&client);
    client.create(NOTE, "b", a_note("2")).json(200);
    let known = client.head();
    relay.assert_matches(&client);
    client.deactivate();
    import(&client, &car).succeeds();
    assert_eq!(client.head(), old);
    client.activate();
    assert!(client.head().1 > known.1);
    activate_and_write(&client, &mut relay);
}

#[test]
fn activation_re_signs_an_own_commit_whose_rev_was_announced_for_another_commit() {
    let (client, mut relay) = deactivated();
    let rev = Tid::parse(&client.head().1).unwrap();
    let car = old_server(3).export();
    let block = signed(data_of(&car), rev, &config().signing_key);
    import(&client, &with_root(&car, &block)).succeeds();
    client.activate();
    assert!(client.head().1 > rev.to_string());
    activate_and_write(&client, &mut relay);
}

#[test]
fn activation_exceeds_an_imported_rev_that_is_ahead_of_the_clock() {
    let old = old_server(2);
    old.host.move_clock(20 * 3_600);
    let mut old = old;
    old.sign_in();
    old.create(NOTE, "ahead", a_note("x")).json(200);
    let (client, mut relay) = deactivated();
    import(&client, &old.export()).succeeds();
    client.activate();
    assert!(client.head().1 > old.head().1);
    activate_and_write(&client, &mut relay);
}

#[test]
fn relay_follows_many_imports_and_activations_in_a_row() {
    let cars: Vec<_> = [3, 0, 7].map(|records| old_server(records).export()).into();
    let (client, mut relay) = deactivated();
    let mut own = client.export();
    let mut revs = vec![client.head().1];
    for round in 0..12 {
        let car = if round % 4 == 3 { &own } else { &cars[round % 3] };
        import(&client, car).succeeds();
        if round % 2 == 0 {
            import(&client, &cars[(round + 1) % 3]).succeeds();
        }
        client.activate();
        relay.assert_matches(&client);
        client.create(NOTE, &format!("round{round}"), a_note("x")).json(200);
        relay.assert_matches(&client);
        client::verify(&client);
        revs.push(client.head().1);
        if round == 2 {
            own = client.export();
        }
        client.deactivate();
        client.host.move_clock(if round % 5 == 0 { -7_000 } else { 60 });
    }
    assert!(revs.is_sorted_by(|a, b| a < b), "{revs:?}");
}

#[test]
fn export_since_an_announced_rev_has_every_imported_block() {
    let (client, _) = deactivated();
    let known = client.head().1;
    let car = old_server(9).export();
    import(&client, &car).succeeds();
    client.activate();
    let path = format!("did={DID}&since={known}");
    let answer = client.query("com.atproto.sync.getRepo", &path);
    let (_, since) = read_car(&answer.body);
    let (root, blocks) = read_car(&car);
    for cid in blocks.keys().filter(|cid| **cid != root) {
        assert!(since.contains_key(cid), "{cid}");
    }
}

/// Returns a commit of version 2 without a rev.
fn legacy(data: Cid, prev: Option<Cid>) -> Vec<u8> {
    let did = Did::parse(DID).unwrap().to_owned();
    // The signature is not checked, because the old server may have had any key.
    LegacyCommit { did, data, prev, sig: Signature::from_bytes([7; 64]) }.encode()
}

#[test]
fn version_2_commit_without_a_rev_is_replaced_at_the_end_of_the_import() {
    let car = old_server(12).export();
    let data = data_of(&car);
    for prev in [None, Some(data)] {
        let client = never_active();
        let mut relay = Relay::new(&client);
        import(&client, &with_root(&car, &legacy(data, prev))).succeeds();
        let (root, blocks) = read_car(&client.export());
        let commit = Commit::decode(&blocks[&root]).unwrap();
        assert_eq!((commit.version, commit.data, commit.prev), (Version::V3, data, None));
        assert_eq!(client.head(), (root.to_string(), commit.rev.to_string()));
        client.activate();
        // It has the right signature, and no relay knows an earlier one.
        assert_eq!(client.head().0, root.to_string());
        activate_and_write(&client, &mut relay);
    }
}

#[test]
fn activation_re_signs_a_version_2_commit_or_one_with_prev_as_version_3() {
    let car = old_server(5).export();
    let (root, blocks) = read_car(&car);
    let commit = Commit::decode(&blocks[&root]).unwrap();
    for (version, prev) in
        [(Version::V2, None), (Version::V2, Some(root)), (Version::V3, Some(root))]
    {
        let client = never_active();
        let mut relay = Relay::new(&client);
        let block = Commit { version, prev, ..commit.clone() }.encode();
        import(&client, &with_root(&car, &block)).succeeds();
        assert_eq!(client.head(), (cid_for(&block).to_string(), commit.rev.to_string()));
        client.activate();
        let (root, blocks) = read_car(&client.export());
        let fresh = Commit::decode(&blocks[&root]).unwrap();
        assert_eq!((fresh.version, fresh.prev), (Version::V3, None));
        activate_and_write(&client, &mut relay);
    }
}

#[test]
fn failed_activation_keeps_the_imported_head_and_emits_nothing() {
    let car = old_server(4).export();
    let (client, mut relay) = deactivated();
    relay.follow(&client);
    import(&client, &car).succeeds();
    let before = (client.head(), client.row_counts());
    for steps in 0.. {
        client.host.fail_after(Some(steps));
        let answer = client.post_nothing(&client.access, "com.atproto.server.activateAccount");
        client.host.fail_after(None);
        if answer.status == 200 {
            assert!(steps > 8, "{steps}");
            break;
        }
        assert_eq!(answer.status, 500);
        assert_eq!((client.head(), client.row_counts()), before, "{steps}");
        assert_eq!(relay.follow(&client), []);
    }
    activate_and_write(&client, &mut relay);
}

/// Downgrades a database to the schema before announced heads were recorded.
fn downgrade(client: &Client) {
    for statement in [
        "alter table account drop column announced",
        "alter table account drop column announced_rev",
        "alter table account drop column announced_cid",
        "alter table import rename column touched_s to began_s",
        "alter table import drop column odd_records",
        "alter table import drop column odd_examples",
        "alter table account drop column day_totals",
        "drop table removal",
        "drop table setup",
        "update schema_version set version = 3",
    ] {
        client.host.sql().query(statement, &[], &mut |_| Ok(())).unwrap();
    }
}

#[test]
fn schema_upgrade_gives_an_inactive_account_the_rev_inside_its_commit() {
    let client = never_active();
    let car = old_server(3).export();
    import(&client, &car).succeeds();
    let head = client.head();
    let rev = "update account set rev = '3zzzzzzzzzzzz'";
    client.host.sql().query(rev, &[], &mut |_| Ok(())).unwrap();
    downgrade(&client);
    let mut config = config();
    config.initial_active = false;
    let access = client.access.clone();
    let client = Client { access, ..Client::with_config(client.host, config) };
    assert_eq!(client.head(), head);
    let mut relay = Relay::new(&client);
    activate_and_write(&client, &mut relay);
}

#[test]
fn schema_upgrade_re_signs_the_unverifiable_head_of_an_active_account() {
    let key = SigningKey::generate(Curve::K256, |bytes| bytes.fill(3));
    let client = Client::new();
    client.create(NOTE, "a", a_note("1")).json(200);
    let mut relay = Relay::new(&client);
    relay.assert_matches(&client);
    // The first versions kept a foreign commit under a rev of their own.
    let block = signed(data_of(&client.export()), Tid::from_micros(1_000_000, 0), &key);
    let (cid, bytes) = (cid_for(&block).to_bytes(), block);
    let run = |sql: &'static str, params: &[nacre_pds::host::Value<'_>]| {
        client.host.sql().query(sql, params, &mut |_| Ok(())).unwrap();
    };
    let blob = |bytes: &[u8]| nacre_pds::host::Value::Blob(bytes.to_vec().into());
    let before = client.head();
    run("update account set commit_cid = ?, commit_block = ?", &[blob(&cid), blob(&bytes)]);
    downgrade(&client);
    let client =
        Client { access: client.access.clone(), ..Client::with_config(client.host, config()) };
    assert!(client.head().1 > before.1);
    relay.assert_matches(&client);
    activate_and_write(&client, &mut relay);
    assert_eq!(block_on(client.pds.audit_database()).unwrap().faults, Vec::<String>::new());
    assert_eq!(key_of(&client), config().signing_key.verifying_key().to_multikey());
    let again = client.head();
    let client = Client::with_config(client.host, config());
    assert_eq!(client.head(), again);
}

fn key_of(client: &Client) -> String {
    key(client).to_multikey()
}

#[test]
fn responses_report_the_rev_inside_the_commit_they_report() {
    let client = never_active();
    let old = old_server(3);
    import(&client, &old.export()).succeeds();
    for is_active in [false, true] {
        let (cid, rev) = client.head();
        let (root, blocks) = read_car(&client.export());
        let commit = Commit::decode(&blocks[&root]).unwrap();
        assert_eq!((&cid, &rev), (&root.to_string(), &commit.rev.to_string()));
        let status = client.get_as(&client.access, "/xrpc/com.atproto.server.checkAccountStatus");
        let status = status.json(200);
        assert_eq!((&status["repoCommit"], &status["repoRev"]), (&json!(cid), &json!(rev)));
        let repos = client.query("com.atproto.sync.listRepos", "").json(200);
        assert_eq!(
            (&repos["repos"][0]["head"], &repos["repos"][0]["rev"]),
            (&json!(cid), &json!(rev))
        );
        let path = format!("/xrpc/com.atproto.sync.getRepoStatus?did={DID}");
        let status = client.get(&path).json(200);
        assert_eq!(status.get("rev"), is_active.then_some(&json!(rev)));
        if !is_active {
            client.activate();
        }
    }
}
