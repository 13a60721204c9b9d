//! Rows that operations read and write, which Cloudflare bills.

#![allow(clippy::std_instead_of_alloc, clippy::unwrap_used, reason = "all of this is test code")]

mod client;

use client::{Client, DID, NOTE, PASSWORD, a_note as note};
use nacre_pds::dev::{Memory, account};
use serde_json::{Value, json};

const LIKE: &str = "app.bsky.feed.like";

fn fill(client: &Client) {
    for first in (0..3000).step_by(200) {
        let write = |number: usize| {
            json!({
                "$type": "com.atproto.repo.applyWrites#create", "collection": NOTE,
                "rkey": format!("k{number:05}"), "value": note(&number.to_string()),
            })
        };
        let writes: Vec<_> = (first..first + 200).map(write).collect();
        client
            .post("com.atproto.repo.applyWrites", &json!({ "repo": DID, "writes": writes }))
            .json(200);
    }
}

fn a_like(number: usize) -> Value {
    json!({
        "$type": LIKE, "createdAt": "2026-01-01T00:00:00.000Z",
        "subject": {
            "cid": "bafyreie5737gdxlw5i64vzichcalba3z2v5n6icifvx5xytvske7mr3hpm",
            "uri": format!("at://did:web:b.test/app.bsky.feed.post/k{number}"),
        }
    })
}

/// A name, the limits of rows read and written, and the operation.
type Cost<'c> = (&'static str, (u64, u64), &'c dyn Fn(usize));

/// Returns the median of rows read and written over twenty runs.
fn rows(client: &Client, operation: impl Fn(usize)) -> (u64, u64) {
    let mut counts: Vec<_> = (0..20)
        .map(|number| {
            let before = client.host.rows();
            operation(number);
            let after = client.host.rows();
            (after.written - before.written, after.read - before.read)
        })
        .collect();
    counts.sort_unstable();
    let (written, read) = counts[counts.len() / 2];
    (read, written)
}

#[test]
fn operations_stay_within_their_row_limits() {
    let client = Client::new();
    fill(&client);
    let rkey = |number: usize| format!("k{:05}", number * 149);
    let blob = |n: usize| client.upload("application/x-test", n.to_string().as_bytes());
    let table: [Cost<'_>; 11] = [
        // The record, the event, the account, and a page or two.
        ("create", (6, 5), &|n| drop(client.create(NOTE, &format!("new{n}"), note("x")).json(200))),
        ("update", (8, 5), &|n| drop(client.put(NOTE, &rkey(n), note("changed")).json(200))),
        ("delete", (8, 5), &|n| drop(client.delete(NOTE, &rkey(n)).json(200))),
        // Also the subject.
        ("like", (6, 6), &|n| {
            let input = json!({ "repo": DID, "collection": LIKE, "record": a_like(n) });
            client.post("com.atproto.repo.createRecord", &input).json(200);
        }),
        // The blob, which is looked up first, and the deadlines that set the alarm.
        ("upload", (6, 1), &|n| drop(blob(1000 + n))),
        // Both, the reference, and the blob's idle mark, which is cleared.
        ("blob and record", (16, 9), &|n| {
            let note = json!({ "$type": NOTE, "blob": blob(n) });
            client.create(NOTE, &format!("blob{n}"), note).json(200);
        }),
        ("no change", (6, 0), &|_| drop(client.put(NOTE, "k00001", note("1")).json(200))),
        ("refused", (6, 0), &|_| drop(client.create(NOTE, "k00001", note("1")).json(400))),
        ("read", (2, 0), &|n| {
            let params = format!("repo={DID}&collection={NOTE}&rkey=k{:05}", n * 149 + 1);
            client.query("com.atproto.repo.getRecord", &params).json(200);
        }),
        ("list", (102, 0), &|_| {
            let params = format!("repo={DID}&collection={NOTE}&limit=100");
            client.query("com.atproto.repo.listRecords", &params).json(200);
        }),
        ("list of nothing", (2, 0), &|_| {
            let params = format!("repo={DID}&collection=com.example.nothing&limit=100");
            client.query("com.atproto.repo.listRecords", &params).json(200);
        }),
    ];
    let found: Vec<_> =
        table.iter().map(|(name, _, operation)| (*name, rows(&client, operation))).collect();
    for ((name, most, _), (_, rows)) in table.iter().zip(&found) {
        assert!(rows.0 <= most.0 && rows.1 <= most.1, "{name}: {found:?}");
    }
    client::verify(&client);
}

/// A name, the limit of statements, and the operation.
type Statements<'c> = (&'static str, u64, &'c dyn Fn(usize));

#[test]
fn operations_stay_within_their_limits_of_statements() {
    let client = Client::new();
    fill(&client);
    let get = |method: &str, params: &str| drop(client.query(method, params).json(200));
    let did = format!("did={DID}");
    let table: [Statements<'_>; 5] = [
        // The account, and the writes of a record, a page or two, an event and the account.
        ("create", 6, &|n| {
            client.create(NOTE, &format!("k00001-{n}"), note("x")).json(200);
        }),
        ("getRecord", 1, &|n| {
            let params = format!("repo={DID}&collection={NOTE}&rkey=k{n:05}");
            get("com.atproto.repo.getRecord", &params);
        }),
        ("getLatestCommit", 0, &|_| get("com.atproto.sync.getLatestCommit", &did)),
        ("getRepoStatus", 0, &|_| get("com.atproto.sync.getRepoStatus", &did)),
        ("getSession", 0, &|_| {
            client.get_as(&client.access, "/xrpc/com.atproto.server.getSession").json(200);
        }),
    ];
    for (name, most, operation) in table {
        operation(0);
        let before = client.host.statements();
        operation(1);
        let statements = client.host.statements() - before;
        assert!(statements <= most, "{name}: {statements} statements");
    }
}

#[test]
fn first_commit_after_a_start_reads_at_most_ten_rows() {
    let before = Client::new();
    fill(&before);
    let client = Client::with_config(before.host.clone(), account(&Memory::new(7), PASSWORD));
    let client = Client { access: before.access.clone(), ..client };
    let read = client.host.rows().read;
    client.create(NOTE, "k01500x", note("x")).json(200);
    assert!(client.host.rows().read - read <= 10);
}
