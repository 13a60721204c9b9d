//! Tests of `pds repo`.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Output;

use nacre_pds::host::{Sql as _, SqlError};
use nacre_pds::sqlite::Sqlite;
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::client::{call, get, log_in};
use crate::server::{Server, failure, program};

/// The CID of a blob that no server received.
const STRAY: &str = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";

fn verify(folder: &Path) -> Output {
    program().args(["repo", "verify", "--json", "--dir"]).arg(folder).output().unwrap()
}

fn heal(folder: &Path) -> Output {
    program().args(["repo", "heal", "--json", "--dir"]).arg(folder).output().unwrap()
}

fn report(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

fn change(folder: &Path, sql: &'static str) {
    let database = Sqlite::open(&folder.join("pds.sqlite")).unwrap();
    let nothing = &mut |_: &dyn nacre_pds::host::Row| Ok::<_, SqlError>(());
    database.query(sql, &[], nothing).unwrap();
}

#[test]
fn verify_reports_each_kind_of_damage() {
    let folder = tempdir().unwrap();
    let server = Server::dev(folder.path());
    let token = log_in(&server);
    for number in 0..30 {
        let record = json!({ "text": format!("pearl {number}") });
        let input = json!({
            "repo": server.field("did"), "collection": "com.example.pearl",
            "rkey": format!("k{number}"), "record": record,
        });
        assert_eq!(call(&server, "com.atproto.repo.createRecord", &token, &input).status, 200);
    }
    // The server holds the lock.
    let held = failure(program().args(["repo", "verify", "--dir"]).arg(folder.path()));
    assert!(held.contains("in use by another pds"), "{held}");
    assert_eq!(get(&server, "/xrpc/_health", "").status, 200);
    assert_eq!(server.stop(), Some(0));

    let output = verify(folder.path());
    assert!(output.status.success());
    let found = report(&output);
    assert_eq!((&found["records"], &found["faults"]), (&json!(30), &json!([])));
    let text = program().args(["repo", "verify", "--dir"]).arg(folder.path()).output().unwrap();
    assert!(String::from_utf8(text.stdout).unwrap().starts_with("records   30\npages     "));

    for (damage, repair, fault) in [
        (
            "insert into blob (cid, mime_type, size) values ('bafkrei', 'text/plain', 5)",
            "delete from blob",
            "blob bafkrei is unreferenced, but not marked idle",
        ),
        (
            "update record set value = x'a0' where path = 'com.example.pearl/k7'",
            "update record set value = (select value from saved)
             where path = 'com.example.pearl/k7'",
            "record com.example.pearl/k7 does not match its CID",
        ),
        (
            "insert into page (id, rev, bytes) select 99, rev, root_page from account",
            "delete from page where id = 99",
            "page 99 is not in use",
        ),
        (
            "update account set records = 31",
            "update account set records = 30",
            "record counter is 31, but 30 records exist",
        ),
        (
            "delete from record where path = 'com.example.pearl/k9'",
            "select 1",
            "missing record: com.example.pearl/k9",
        ),
    ] {
        change(
            folder.path(),
            "create table if not exists saved as select value from record
             where path = 'com.example.pearl/k7'",
        );
        change(folder.path(), damage);
        let output = verify(folder.path());
        assert_eq!(output.status.code(), Some(1));
        let faults = report(&output)["faults"].to_string();
        assert!(faults.contains(fault), "{faults} for {damage}");
        change(folder.path(), repair);
    }
}

fn create_pearl(server: &Server) {
    let token = log_in(server);
    let input = json!({
        "repo": server.field("did"), "collection": "com.example.pearl", "rkey": "k",
        "record": { "text": "pearl" },
    });
    assert_eq!(call(server, "com.atproto.repo.createRecord", &token, &input).status, 200);
}

#[test]
fn heal_rebuilds_derived_data_but_not_lost_records() {
    let folder = tempdir().unwrap();
    let server = Server::dev(folder.path());
    create_pearl(&server);
    assert_eq!(server.stop(), Some(0));
    let healed = heal(folder.path());
    assert_eq!((healed.status.code(), &report(&healed)["found"]), (Some(0), &json!([])));

    change(folder.path(), "update account set records = 31");
    std::fs::write(folder.path().join("blobs").join(STRAY), "pearl").unwrap();
    let text = program().args(["repo", "heal", "--dir"]).arg(folder.path()).output().unwrap();
    assert_eq!(text.status.code(), Some(0));
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("found     record counter is 31, but 1 records exist\n"), "{text}");
    assert!(text.contains(&format!("found     orphaned blob: {STRAY}")), "{text}");
    assert!(text.ends_with("records   1\npages     0\nblobs     0\n"), "{text}");
    assert_eq!(report(&verify(folder.path()))["faults"], json!([]));

    change(folder.path(), "delete from record");
    let message = failure(program().args(["repo", "heal", "--dir"]).arg(folder.path()));
    assert!(message.contains("restore a backup or import the repository"), "{message}");
}

#[test]
fn verify_reports_orphaned_blobs_without_removing_them() {
    let folder = tempdir().unwrap();
    assert_eq!(Server::dev(folder.path()).stop(), Some(0));
    let stray = folder.path().join("blobs").join(STRAY);
    std::fs::write(&stray, "pearl").unwrap();
    let faults = report(&verify(folder.path()))["faults"].to_string();
    assert!(faults.contains(&format!("orphaned blob: {STRAY}")), "{faults}");
    std::fs::remove_file(stray).unwrap();
    // A temporary file is not a blob. The next server removes it.
    let unfinished = folder.path().join("blobs/.unfinished-0");
    std::fs::write(&unfinished, "pea").unwrap();
    assert_eq!(report(&verify(folder.path()))["faults"], json!([]));
    assert!(unfinished.exists(), "the file was removed");
    assert_eq!(Server::dev(folder.path()).stop(), Some(0));
    assert!(!unfinished.exists());
}

/// Returns the files of a folder but for the lock.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let files = entries.filter(|entry| entry.file_type().unwrap().is_file());
    files
        .map(|file| (file.file_name().into_string().unwrap(), std::fs::read(file.path()).unwrap()))
        .filter(|(name, _)| name != "pds.lock")
        .collect()
}

#[test]
fn verify_does_not_migrate_an_older_database_and_heal_does() {
    let folder = tempdir().unwrap();
    assert_eq!(Server::dev(folder.path()).stop(), Some(0));
    change(folder.path(), "alter table account drop column day_totals");
    change(folder.path(), "update schema_version set version = version - 1");
    let before = files(folder.path());
    let temporary = tempdir().unwrap();
    let output = program()
        .args(["repo", "verify", "--json", "--dir"])
        .arg(folder.path())
        .env("TMPDIR", temporary.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(report(&output)["faults"], json!([]));
    assert!(files(folder.path()) == before, "verify changed the folder");
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0, "the copy was not removed");
    assert!(heal(folder.path()).status.success());
    assert!(files(folder.path()) != before, "heal did not migrate");
}

#[test]
fn verify_reads_the_write_ahead_log_of_a_killed_server() {
    let folder = tempdir().unwrap();
    let server = Server::dev(folder.path());
    create_pearl(&server);
    server.kill();
    let before = files(folder.path());
    assert!(before["pds.sqlite-wal"].len() > 1_000);
    let output = verify(folder.path());
    assert_eq!((&report(&output)["records"], &report(&output)["faults"]), (&json!(1), &json!([])));
    assert!(files(folder.path()) == before, "verify changed the folder");
}

#[test]
fn database_without_an_account_is_reported_and_none_is_created() {
    let folder = tempdir().unwrap();
    assert_eq!(Server::dev(folder.path()).stop(), Some(0));
    change(folder.path(), "delete from account");
    let before = files(folder.path());
    for command in ["verify", "heal"] {
        let message = failure(program().args(["repo", command, "--dir"]).arg(folder.path()));
        assert!(message.contains("this database has no account"), "{message}");
    }
    assert!(files(folder.path())["pds.env"] == before["pds.env"]);
    let found = Sqlite::open(&folder.path().join("pds.sqlite")).unwrap();
    let mut rows = 0;
    let mut count = |_: &dyn nacre_pds::host::Row| {
        rows += 1;
        Ok::<_, SqlError>(())
    };
    found.query("select * from account", &[], &mut count).unwrap();
    assert_eq!(rows, 0);
}

#[test]
fn folder_without_an_account_is_reported_and_not_created() {
    let folder = tempdir().unwrap();
    let empty = folder.path().join("empty");
    let message = failure(program().args(["repo", "verify", "--dir"]).arg(&empty));
    assert!(message.contains("no account in this folder"), "{message}");
    assert!(!empty.exists());
}
