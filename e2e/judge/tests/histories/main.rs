//! Random histories: shrike and our verifier accept valid commits and refuse changed ones.

mod server;
mod theirs;

use std::collections::{BTreeMap, BTreeSet};

use cid::Cid;
use nacre_car::{Reader, Writer};
use nacre_commit::Op;
use nacre_crypto::VerifyingKey;
use nacre_firehose::{CommitEvent, CommitView, Frame, Verdict, Verifier};
use nacre_syntax::{Did, Tid};
use serde_json::{Value, json};

use crate::server::Server;
use crate::theirs::Shrike;

/// splitmix64: the same numbers in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let word = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (word ^ (word >> 31)) % limit
    }
}

/// Makes random commits, single writes and batches, with a deactivation in the middle.
fn history(seed: u64, commits: usize) -> Server {
    let (server, mut random) = (Server::start(), Random(seed));
    let mut records = BTreeSet::new();
    for number in 0..commits {
        let size = [1, 1, 1, 3, 20, 200][usize::try_from(random.below(6)).unwrap()];
        let writes = batch(&mut random, &mut records, size);
        if !writes.is_empty() {
            let input = json!({ "repo": server.did, "writes": writes });
            server.call("com.atproto.repo.applyWrites", Some(&input));
        }
        if number == commits / 2 {
            server.call("com.atproto.server.deactivateAccount", Some(&json!({})));
            server.call("com.atproto.server.activateAccount", None);
        }
    }
    server
}

fn batch(random: &mut Random, records: &mut BTreeSet<(u64, u64)>, size: u64) -> Vec<Value> {
    let mut touched = BTreeSet::new();
    let mut writes = Vec::new();
    for _ in 0..1 + random.below(size) {
        let key = (random.below(3), random.below(900));
        if !touched.insert(key) {
            continue;
        }
        let collection = format!("com.example.c{}", key.0);
        let rkey = format!("k{}", key.1);
        let value = json!({ "$type": collection, "value": random.below(1_000_000) });
        let mut write = json!({ "collection": collection, "rkey": rkey });
        let action = match (records.contains(&key), random.below(3)) {
            (false, _) => "create",
            (true, 0) => "delete",
            (true, _) => "update",
        };
        write["$type"] = format!("com.atproto.repo.applyWrites#{action}").into();
        if action == "delete" {
            records.remove(&key);
        } else {
            write["value"] = value;
            records.insert(key);
        }
        writes.push(write);
    }
    writes
}

fn our_verifier(server: &Server) -> Verifier {
    let did = Did::parse(server.did.as_str()).unwrap().to_owned();
    Verifier::new(did, VerifyingKey::parse_did_key(&server.did_key).unwrap())
}

#[test]
fn shrike_follows_a_history_of_thousands_of_changes() {
    for seed in [1, 2] {
        let server = history(seed, 400);
        let theirs = Shrike::new(&server.did, &server.did_key, None);
        let mut ours = our_verifier(&server);
        let (mut commits, mut changes) = (0, 0);
        for bytes in server.frames() {
            let frame = Frame::decode(&bytes).unwrap();
            let verdict = ours.accept(&frame).unwrap();
            let applied = theirs.accept(&bytes).unwrap();
            if let Frame::Commit(commit) = frame {
                assert_eq!((verdict, applied), (Verdict::Next, commit.ops.len()));
                (commits, changes) = (commits + 1, changes + applied);
            }
        }
        assert_eq!(theirs.verified(), commits);
        assert!(commits > 300 && changes > 5_000, "{commits} commits, {changes} changes");
    }
}

/// The parts of a commit event, which a test can change.
struct EditableCommit {
    event: CommitParts,
    blocks: Vec<(Cid, Vec<u8>)>,
    root: Cid,
}

struct CommitParts {
    repo: String,
    commit: Cid,
    rev: Tid,
    since: Option<Tid>,
    prev_data: Option<Cid>,
    ops: Vec<Op>,
}

impl EditableCommit {
    fn of(commit: &CommitView<'_>) -> Self {
        let reader = Reader::new(commit.blocks).unwrap();
        let root = reader.roots()[0];
        let blocks = reader.map(|it| it.map(|it| (it.cid, it.bytes.to_vec())).unwrap()).collect();
        let ops = commit.ops.iter().map(|op| Op {
            action: op.action,
            path: op.path.to_owned(),
            cid: op.cid,
            prev: op.prev,
        });
        let event = CommitParts {
            repo: commit.repo.to_owned(),
            commit: commit.commit,
            rev: commit.rev,
            since: commit.since,
            prev_data: commit.prev_data,
            ops: ops.collect(),
        };
        Self { event, blocks, root }
    }

    fn frame(&self) -> Vec<u8> {
        let mut car = Writer::new(&self.root);
        self.blocks.iter().for_each(|(cid, bytes)| car.block(cid, bytes));
        let CommitParts { repo, commit, rev, since, prev_data, ops } = &self.event;
        CommitEvent {
            seq: 1,
            repo,
            commit,
            rev: *rev,
            since: *since,
            prev_data: prev_data.as_ref(),
            blocks: &car.finish(),
            ops,
            time: "2026-01-01T00:00:00.000Z",
        }
        .encode()
    }
}

/// Returns frames of a commit, each with the name of the one change made to it.
fn variants(commit: &CommitView<'_>) -> Vec<(&'static str, Vec<u8>)> {
    let change = |change: &dyn Fn(&mut EditableCommit)| {
        let mut parts = EditableCommit::of(commit);
        change(&mut parts);
        parts.frame()
    };
    let records: BTreeSet<Cid> = commit.ops.iter().filter_map(|op| op.cid).collect();
    let other = commit.commit;
    let mut variants = vec![
        ("no change", change(&|_| {})),
        ("blocks in another order", change(&|parts| parts.blocks.reverse())),
        ("another prevData", change(&|parts| parts.event.prev_data = Some(other))),
        ("no prevData", change(&|parts| parts.event.prev_data = None)),
        (
            "a later rev",
            change(&|parts| parts.event.rev = Tid::from_micros(1_767_300_000_000_000, 0)),
        ),
        ("another since", change(&|parts| parts.event.since = Some(commit.rev))),
        ("another commit", change(&|parts| parts.event.commit = parts.blocks[1].0)),
        ("another root", change(&|parts| parts.root = parts.blocks[1].0)),
        ("another account", change(&|parts| parts.event.repo = "did:web:bob.test".to_owned())),
        ("no operation", change(&|parts| parts.event.ops.clear())),
        ("an operation missing", change(&|parts| drop(parts.event.ops.pop()))),
        ("an operation twice", change(&|parts| parts.event.ops.push(parts.event.ops[0].clone()))),
        ("another prev", change(&|parts| parts.event.ops[0].prev = Some(other))),
    ];
    if commit.ops[0].cid.is_some() {
        variants.push(("another record", change(&|parts| parts.event.ops[0].cid = Some(other))));
    }
    for (index, (cid, _)) in EditableCommit::of(commit).blocks.iter().enumerate().skip(1) {
        let name = if records.contains(cid) { "without a record" } else { "without a node" };
        variants.push((name, change(&|parts| drop(parts.blocks.remove(index)))));
        variants.push((
            "with a damaged block",
            change(&|parts| {
                let last = parts.blocks[index].1.last_mut().unwrap();
                *last ^= 1;
            }),
        ));
    }
    variants
}

#[test]
fn both_verifiers_refuse_a_changed_commit() {
    let server = history(3, 20);
    let mut ours = our_verifier(&server);
    let mut found: BTreeMap<&str, BTreeMap<(bool, bool), usize>> = BTreeMap::new();
    for bytes in server.frames() {
        let frame = Frame::decode(&bytes).unwrap();
        if let Frame::Commit(commit) = &frame
            && !commit.ops.is_empty()
        {
            for (name, variant) in variants(commit) {
                let before = ours.state();
                let theirs = Shrike::new(&server.did, &server.did_key, before);
                let they_accept = theirs.accept(&variant).is_ok_and(|applied| applied > 0);
                let we_accept = Frame::decode(&variant)
                    .is_ok_and(|frame| ours.clone().accept(&frame) == Ok(Verdict::Next));
                *found.entry(name).or_default().entry((we_accept, they_accept)).or_default() += 1;
            }
        }
        ours.accept(&frame).unwrap();
    }
    for name in ["no change", "blocks in another order"] {
        assert_eq!(found.remove(name).unwrap().into_keys().collect::<Vec<_>>(), [(true, true)]);
    }
    // Inverting the operations does not need every new node.
    let without = found.get_mut("without a node").unwrap();
    assert!(without.remove(&(true, true)) < without.get(&(false, false)).copied());
    for (name, verdicts) in found {
        for ((ours, theirs), count) in verdicts {
            assert!(!ours, "ours accepts {name} {count} times");
            assert!(!theirs || UNCHECKED.contains(&name), "shrike accepts {name} {count} times");
        }
    }
}

/// Changes that only shrike accepts. It does not check these fields, nor the nodes below a removed
/// root.
const UNCHECKED: [&str; 4] =
    ["another prev", "another since", "without a node", "without a record"];
