//! A consumer that follows a repository, told the truth and told otherwise.

#![allow(clippy::std_instead_of_alloc, clippy::unwrap_used, reason = "all of this is test code")]

use std::collections::{BTreeMap, BTreeSet};

use cid::Cid;
use multihash::Multihash;
use nacre_car::Writer;
use nacre_commit::{CommitDiff, Head, Write, commit};
use nacre_crypto::{Curve, SigningKey};
use nacre_firehose::{
    AccountEvent, CommitEvent, Frame, IdentityEvent, Known, SyncEvent, Untrue, Verdict, Verifier,
};
use nacre_syntax::{Did, RepoPath, Tid};
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};

const DID: &str = "did:web:alice.test";
const TIME: &str = "2026-11-27T00:00:00.000Z";

/// A repository that makes events.
struct Source {
    key: SigningKey,
    did: Did,
    nodes: BTreeMap<Cid, Vec<u8>>,
    records: BTreeMap<String, Cid>,
    head: Option<Head>,
    clock: u64,
}

/// What is done to a record.
#[derive(Clone, Debug)]
enum Change {
    Put(u16, u8),
    Delete(u16),
}

impl Source {
    fn new() -> Self {
        Self {
            key: SigningKey::from_bytes(Curve::K256, &[7; 32]).unwrap(),
            did: Did::parse(DID).unwrap().to_owned(),
            nodes: BTreeMap::new(),
            records: BTreeMap::new(),
            head: None,
            clock: 1_763_847_000_000_000,
        }
    }

    fn verifier(&self) -> Verifier {
        Verifier::new(self.did.clone(), self.key.verifying_key().clone())
    }

    /// Makes one commit of these changes and returns its frame.
    fn commit(&mut self, changes: &[Change]) -> Vec<u8> {
        let (diff, records) = self.diff(changes);
        frame(&diff, &records)
    }

    fn diff(&mut self, changes: &[Change]) -> (CommitDiff, Vec<Vec<u8>>) {
        let mut paths = BTreeSet::new();
        let mut records = Vec::new();
        let mut planned = Vec::new();
        for change in changes {
            let (Change::Put(number, _) | Change::Delete(number)) = change;
            let path = format!("com.example.note/k{number}");
            if !paths.insert(path.clone()) {
                continue;
            }
            match change {
                Change::Put(_, value) => {
                    let record = vec![0xA1, 0x61, b'n', 0x18, (*value).max(24)];
                    let cid = cid_of(&record);
                    records.push(record);
                    planned.push((path, Some(cid)));
                }
                Change::Delete(_) if self.records.contains_key(&path) => planned.push((path, None)),
                Change::Delete(_) => {}
            }
        }
        let writes: Vec<_> = planned
            .iter()
            .map(|(path, cid)| {
                let known = self.records.contains_key(path);
                let path = RepoPath::parse(path.as_str()).unwrap();
                match (*cid, known) {
                    (Some(cid), true) => Write::Update { path, cid },
                    (Some(cid), false) => Write::Create { path, cid },
                    (None, _) => Write::Delete { path },
                }
            })
            .collect();
        self.clock += 1_000_000;
        let rev = Tid::from_micros(self.clock, 0);
        let head = self.head.as_ref();
        let diff = commit(&self.nodes, &self.did, head, &writes, rev, &self.key).unwrap();
        let new: Vec<_> = diff.new_nodes().map(|(cid, node)| (cid, node.to_vec())).collect();
        self.nodes.extend(new);
        for (path, cid) in planned {
            match cid {
                Some(cid) => drop(self.records.insert(path, cid)),
                None => drop(self.records.remove(&path)),
            }
        }
        let (cid, data) = (diff.cid, diff.commit.data);
        self.head = Some(Head { did: self.did.clone(), cid, data, rev });
        (diff, records)
    }
}

fn cid_of(bytes: &[u8]) -> Cid {
    Cid::new_v1(0x71, Multihash::wrap(0x12, &Sha256::digest(bytes)).unwrap())
}

fn car(diff: &CommitDiff, records: &[Vec<u8>]) -> Vec<u8> {
    let mut blocks: BTreeMap<Cid, Vec<u8>> = BTreeMap::new();
    blocks.extend(diff.new_nodes().map(|(cid, node)| (cid, node.to_vec())));
    blocks.extend(diff.proof.iter().cloned());
    blocks.extend(records.iter().map(|record| (cid_of(record), record.clone())));
    let mut car = Writer::new(&diff.cid);
    car.block(&diff.cid, &diff.bytes);
    for (cid, block) in &blocks {
        car.block(cid, block);
    }
    car.finish()
}

fn event<'a>(diff: &'a CommitDiff, blocks: &'a [u8]) -> CommitEvent<'a> {
    CommitEvent {
        seq: 1,
        repo: DID,
        commit: &diff.cid,
        rev: diff.commit.rev,
        since: diff.since,
        prev_data: diff.prev_data.as_ref(),
        blocks,
        ops: &diff.ops,
        time: TIME,
    }
}

fn frame(diff: &CommitDiff, records: &[Vec<u8>]) -> Vec<u8> {
    event(diff, &car(diff, records)).encode()
}

fn sync(diff: &CommitDiff) -> Vec<u8> {
    let mut car = Writer::new(&diff.cid);
    car.block(&diff.cid, &diff.bytes);
    SyncEvent { seq: 1, did: DID, rev: diff.commit.rev, blocks: &car.finish(), time: TIME }.encode()
}

fn accept(verifier: &mut Verifier, frame: &[u8]) -> Result<Verdict, Untrue> {
    verifier.accept(&Frame::decode(frame).unwrap())
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let change = prop_oneof![
        3 => (0..40_u16, any::<u8>()).prop_map(|(key, value)| Change::Put(key, value)),
        2 => (0..40_u16).prop_map(Change::Delete),
    ];
    proptest::collection::vec(change, 0..12)
}

proptest! {
    #[test]
    fn a_history_applies_from_its_beginning_and_from_anywhere(
        history in proptest::collection::vec(changes(), 1..20),
        from in any::<prop::sample::Index>(),
    ) {
        let mut source = Source::new();
        let mut frames = vec![source.commit(&[])];
        frames.extend(history.iter().map(|changes| source.commit(changes)));
        let mut verifier = source.verifier();
        for frame in &frames {
            prop_assert_eq!(accept(&mut verifier, frame), Ok(Verdict::Applies));
            prop_assert_eq!(accept(&mut verifier, frame), Ok(Verdict::Repeats));
        }
        let head = source.head.as_ref().unwrap();
        let known = Known { rev: head.rev, data: head.data };
        prop_assert_eq!(verifier.known(), Some(known));

        let from = from.index(frames.len());
        let mut late = source.verifier();
        for (index, frame) in frames.iter().enumerate().skip(from) {
            let is_new = index == from && from > 0;
            let expected = if is_new { Verdict::Jumps } else { Verdict::Applies };
            prop_assert_eq!(accept(&mut late, frame), Ok(expected));
        }
        prop_assert_eq!(late.known(), Some(known));
    }

    #[test]
    fn what_is_missing_in_between_is_noticed(
        history in proptest::collection::vec(changes(), 3..12),
        hole in any::<prop::sample::Index>(),
    ) {
        let mut source = Source::new();
        let mut frames = vec![source.commit(&[])];
        frames.extend(history.iter().map(|changes| source.commit(changes)));
        let hole = 1 + hole.index(frames.len() - 2);
        let mut verifier = source.verifier();
        for (index, frame) in frames.iter().enumerate().filter(|(index, _)| *index != hole) {
            let expected = if index == hole + 1 { Verdict::Jumps } else { Verdict::Applies };
            prop_assert_eq!(accept(&mut verifier, frame), Ok(expected));
        }
    }

    #[test]
    fn no_flipped_bit_of_the_blocks_is_taken_for_the_truth(
        changes in changes(),
        at in any::<prop::sample::Index>(),
        bit in 0..8_u8,
    ) {
        let mut source = Source::new();
        let first = source.commit(&[Change::Put(1, 1), Change::Put(2, 2), Change::Put(3, 3)]);
        let (diff, records) = source.diff(&changes);
        let mut blocks = car(&diff, &records);
        let at = at.index(blocks.len());
        blocks[at] ^= 1 << bit;
        let damaged = event(&diff, &blocks).encode();
        let mut verifier = source.verifier();
        prop_assert_eq!(accept(&mut verifier, &first), Ok(Verdict::Applies));
        let before = verifier.known();
        prop_assert!(accept(&mut verifier, &damaged).is_err());
        prop_assert_eq!(verifier.known(), before);
        prop_assert_eq!(accept(&mut verifier, &frame(&diff, &records)), Ok(Verdict::Applies));
    }
}

/// A verifier that has seen a repository of three records, and the next commit of it.
fn next() -> (Source, Verifier, CommitDiff, Vec<Vec<u8>>) {
    let mut source = Source::new();
    let first = source.commit(&[Change::Put(1, 1), Change::Put(2, 2), Change::Put(3, 3)]);
    let mut verifier = source.verifier();
    assert_eq!(accept(&mut verifier, &first), Ok(Verdict::Applies));
    let (diff, records) = source.diff(&[Change::Put(4, 44), Change::Delete(2)]);
    (source, verifier, diff, records)
}

#[test]
fn an_event_that_says_less_or_more_than_was_done_is_untrue() {
    let (_, verifier, diff, records) = next();
    let blocks = car(&diff, &records);
    let whole = event(&diff, &blocks);
    let untrue = |event: CommitEvent<'_>| accept(&mut verifier.clone(), &event.encode());
    assert_eq!(untrue(whole), Ok(Verdict::Applies));
    assert_eq!(untrue(CommitEvent { ops: &diff.ops[..1], ..whole }), Err(Untrue::PrevData));
    let mut other = diff.ops.clone();
    other[0].cid = other[1].prev;
    assert!(untrue(CommitEvent { ops: &other, ..whole }).is_err());
    let later = Tid::from_micros(1_999_000_000_000_000, 0);
    assert_eq!(untrue(CommitEvent { rev: later, ..whole }), Err(Untrue::Disagrees("revision")));
    let another = diff.commit.data;
    assert_eq!(untrue(CommitEvent { commit: &another, ..whole }), Err(Untrue::Disagrees("commit")));
    assert_eq!(untrue(CommitEvent { prev_data: Some(&another), ..whole }), Err(Untrue::PrevData));
    assert_eq!(
        untrue(CommitEvent { repo: "did:web:bob.test", ..whole }),
        Err(Untrue::OtherAccount)
    );
    let without = car(&diff, &[]);
    let no_record = untrue(CommitEvent { blocks: &without, ..whole });
    assert!(matches!(no_record, Err(Untrue::NoRecord(_))), "{no_record:?}");
    assert!(matches!(untrue(CommitEvent { blocks: b"", ..whole }), Err(Untrue::Car(_))));
}

#[test]
fn what_cannot_be_proved_jumps() {
    let (_, verifier, diff, records) = next();
    let blocks = car(&diff, &records);
    let whole = event(&diff, &blocks);
    // An old server does not say what was before.
    let old = CommitEvent { prev_data: None, ..whole };
    assert_eq!(accept(&mut verifier.clone(), &old.encode()), Ok(Verdict::Jumps));
    // Nor is it the next one if it says that another one was before.
    let since = CommitEvent { since: Some(diff.commit.rev), ..whole };
    assert_eq!(accept(&mut verifier.clone(), &since.encode()), Ok(Verdict::Jumps));
}

#[test]
fn another_key_does_not_sign_for_the_account() {
    let (source, mut verifier, diff, records) = next();
    let other = SigningKey::from_bytes(Curve::P256, &[9; 32]).unwrap();
    verifier.set_key(other.verifying_key().clone());
    let refused = accept(&mut verifier, &frame(&diff, &records));
    assert!(matches!(refused, Err(Untrue::Signature(_))), "{refused:?}");
    verifier.set_key(source.key.verifying_key().clone());
    assert_eq!(accept(&mut verifier, &frame(&diff, &records)), Ok(Verdict::Applies));
}

#[test]
fn a_sync_tells_where_the_repository_stands() {
    let (mut source, mut verifier, diff, records) = next();
    assert_eq!(accept(&mut source.verifier(), &sync(&diff)), Ok(Verdict::Jumps));
    assert_eq!(accept(&mut verifier.clone(), &sync(&diff)), Ok(Verdict::Jumps));
    assert_eq!(accept(&mut verifier, &frame(&diff, &records)), Ok(Verdict::Applies));
    assert_eq!(accept(&mut verifier, &sync(&diff)), Ok(Verdict::Repeats));
    // A commit that changes nothing, told by a sync alone.
    let (same, _) = source.diff(&[]);
    assert_eq!(accept(&mut verifier, &sync(&same)), Ok(Verdict::Repeats));
    let known = verifier.known().unwrap();
    assert_eq!(known.rev, same.commit.rev);
    let next = source.commit(&[Change::Put(9, 9)]);
    let mut resumed =
        Verifier::resume(source.did.clone(), source.key.verifying_key().clone(), known);
    assert_eq!(accept(&mut resumed, &next), Ok(Verdict::Applies));
}

#[test]
fn other_events_are_about_something_else() {
    let (_, mut verifier, ..) = next();
    let known = verifier.known();
    let identity = IdentityEvent { seq: 1, did: DID, handle: None, time: TIME };
    let account = AccountEvent { seq: 1, did: DID, active: true, status: None, time: TIME };
    assert_eq!(accept(&mut verifier, &identity.encode()), Ok(Verdict::Unrelated));
    assert_eq!(accept(&mut verifier, &account.encode()), Ok(Verdict::Unrelated));
    let other = IdentityEvent { did: "did:web:bob.test", ..identity };
    assert_eq!(accept(&mut verifier, &other.encode()), Err(Untrue::OtherAccount));
    let other = AccountEvent { did: "did:web:bob.test", ..account };
    assert_eq!(accept(&mut verifier, &other.encode()), Err(Untrue::OtherAccount));
    assert_eq!(verifier.known(), known);
}
