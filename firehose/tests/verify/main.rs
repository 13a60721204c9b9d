//! A consumer that follows a repository, told the truth and told otherwise.

#![allow(clippy::std_instead_of_alloc, clippy::unwrap_used, reason = "all of this is test code")]

use std::collections::{BTreeMap, BTreeSet};

use cid::Cid;
use multihash::Multihash;
use nacre_car::Writer;
use nacre_commit::{CommitDiff, Head, Write, commit};
use nacre_crypto::{Curve, SigningKey};
use nacre_firehose::{
    AccountEvent, CommitEvent, Frame, IdentityEvent, RepoState, SyncEvent, Verdict, Verifier,
    VerifyError,
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
                let state = self.records.contains_key(path);
                let path = RepoPath::parse(path.as_str()).unwrap();
                match (*cid, state) {
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

fn accept(verifier: &mut Verifier, frame: &[u8]) -> Result<Verdict, VerifyError> {
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
    fn history_verifies_from_its_start_and_from_any_event(
        history in proptest::collection::vec(changes(), 1..20),
        from in any::<prop::sample::Index>(),
    ) {
        let mut source = Source::new();
        let mut frames = vec![source.commit(&[])];
        frames.extend(history.iter().map(|changes| source.commit(changes)));
        let mut verifier = source.verifier();
        for frame in &frames {
            prop_assert_eq!(accept(&mut verifier, frame), Ok(Verdict::Next));
            prop_assert_eq!(accept(&mut verifier, frame), Ok(Verdict::Duplicate));
        }
        let head = source.head.as_ref().unwrap();
        let state = RepoState { rev: head.rev, data: head.data };
        prop_assert_eq!(verifier.state(), Some(state));

        let from = from.index(frames.len());
        let mut late = source.verifier();
        for (index, frame) in frames.iter().enumerate().skip(from) {
            let is_new = index == from && from > 0;
            let expected = if is_new { Verdict::Gap } else { Verdict::Next };
            prop_assert_eq!(accept(&mut late, frame), Ok(expected));
        }
        prop_assert_eq!(late.state(), Some(state));
    }

    #[test]
    fn missing_commit_is_a_gap(
        history in proptest::collection::vec(changes(), 3..12),
        hole in any::<prop::sample::Index>(),
    ) {
        let mut source = Source::new();
        let mut frames = vec![source.commit(&[])];
        frames.extend(history.iter().map(|changes| source.commit(changes)));
        let hole = 1 + hole.index(frames.len() - 2);
        let mut verifier = source.verifier();
        for (index, frame) in frames.iter().enumerate().filter(|(index, _)| *index != hole) {
            let expected = if index == hole + 1 { Verdict::Gap } else { Verdict::Next };
            prop_assert_eq!(accept(&mut verifier, frame), Ok(expected));
        }
    }

    #[test]
    fn flipped_bit_in_the_blocks_is_rejected(
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
        prop_assert_eq!(accept(&mut verifier, &first), Ok(Verdict::Next));
        let before = verifier.state();
        prop_assert!(accept(&mut verifier, &damaged).is_err());
        prop_assert_eq!(verifier.state(), before);
        prop_assert_eq!(accept(&mut verifier, &frame(&diff, &records)), Ok(Verdict::Next));
    }
}

/// Returns a verifier of a repository with three records, and the repository's next commit.
fn next() -> (Source, Verifier, CommitDiff, Vec<Vec<u8>>) {
    let mut source = Source::new();
    let first = source.commit(&[Change::Put(1, 1), Change::Put(2, 2), Change::Put(3, 3)]);
    let mut verifier = source.verifier();
    assert_eq!(accept(&mut verifier, &first), Ok(Verdict::Next));
    let (diff, records) = source.diff(&[Change::Put(4, 44), Change::Delete(2)]);
    (source, verifier, diff, records)
}

#[test]
fn event_that_contradicts_its_commit_is_rejected() {
    let (_, verifier, diff, records) = next();
    let blocks = car(&diff, &records);
    let whole = event(&diff, &blocks);
    let verify = |event: CommitEvent<'_>| accept(&mut verifier.clone(), &event.encode());
    assert_eq!(verify(whole), Ok(Verdict::Next));
    assert_eq!(verify(CommitEvent { ops: &diff.ops[..1], ..whole }), Err(VerifyError::PrevData));
    let mut other = diff.ops.clone();
    other[0].cid = other[1].prev;
    assert!(verify(CommitEvent { ops: &other, ..whole }).is_err());
    let later = Tid::from_micros(1_999_000_000_000_000, 0);
    assert_eq!(verify(CommitEvent { rev: later, ..whole }), Err(VerifyError::Mismatch("revision")));
    let another = diff.commit.data;
    assert_eq!(
        verify(CommitEvent { commit: &another, ..whole }),
        Err(VerifyError::Mismatch("commit"))
    );
    assert_eq!(
        verify(CommitEvent { prev_data: Some(&another), ..whole }),
        Err(VerifyError::PrevData)
    );
    assert_eq!(
        verify(CommitEvent { repo: "did:web:bob.test", ..whole }),
        Err(VerifyError::OtherAccount)
    );
    let without = car(&diff, &[]);
    let missing = verify(CommitEvent { blocks: &without, ..whole });
    assert!(matches!(missing, Err(VerifyError::MissingRecord(_))), "{missing:?}");
    assert!(matches!(verify(CommitEvent { blocks: b"", ..whole }), Err(VerifyError::Car(_))));
}

#[test]
fn commit_without_a_proven_predecessor_is_a_gap() {
    let (_, verifier, diff, records) = next();
    let blocks = car(&diff, &records);
    let whole = event(&diff, &blocks);
    // An old server sends no prevData.
    let old = CommitEvent { prev_data: None, ..whole };
    assert_eq!(accept(&mut verifier.clone(), &old.encode()), Ok(Verdict::Gap));
    // `since` names another predecessor.
    let since = CommitEvent { since: Some(diff.commit.rev), ..whole };
    assert_eq!(accept(&mut verifier.clone(), &since.encode()), Ok(Verdict::Gap));
}

#[test]
fn signature_of_another_key_is_rejected() {
    let (source, mut verifier, diff, records) = next();
    let other = SigningKey::from_bytes(Curve::P256, &[9; 32]).unwrap();
    verifier.set_key(other.verifying_key().clone());
    let refused = accept(&mut verifier, &frame(&diff, &records));
    assert!(matches!(refused, Err(VerifyError::Signature(_))), "{refused:?}");
    verifier.set_key(source.key.verifying_key().clone());
    assert_eq!(accept(&mut verifier, &frame(&diff, &records)), Ok(Verdict::Next));
}

#[test]
fn sync_event_sets_the_state() {
    let (mut source, mut verifier, diff, records) = next();
    assert_eq!(accept(&mut source.verifier(), &sync(&diff)), Ok(Verdict::Gap));
    assert_eq!(accept(&mut verifier.clone(), &sync(&diff)), Ok(Verdict::Gap));
    assert_eq!(accept(&mut verifier, &frame(&diff, &records)), Ok(Verdict::Next));
    assert_eq!(accept(&mut verifier, &sync(&diff)), Ok(Verdict::Duplicate));
    // A sync event for a commit without changes.
    let (same, _) = source.diff(&[]);
    assert_eq!(accept(&mut verifier, &sync(&same)), Ok(Verdict::Duplicate));
    let state = verifier.state().unwrap();
    assert_eq!(state.rev, same.commit.rev);
    let next = source.commit(&[Change::Put(9, 9)]);
    let mut resumed =
        Verifier::resume(source.did.clone(), source.key.verifying_key().clone(), state);
    assert_eq!(accept(&mut resumed, &next), Ok(Verdict::Next));
}

#[test]
fn identity_and_account_events_are_unrelated() {
    let (_, mut verifier, ..) = next();
    let state = verifier.state();
    let identity = IdentityEvent { seq: 1, did: DID, handle: None, time: TIME };
    let account = AccountEvent { seq: 1, did: DID, active: true, status: None, time: TIME };
    assert_eq!(accept(&mut verifier, &identity.encode()), Ok(Verdict::Unrelated));
    assert_eq!(accept(&mut verifier, &account.encode()), Ok(Verdict::Unrelated));
    let other = IdentityEvent { did: "did:web:bob.test", ..identity };
    assert_eq!(accept(&mut verifier, &other.encode()), Err(VerifyError::OtherAccount));
    let other = AccountEvent { did: "did:web:bob.test", ..account };
    assert_eq!(accept(&mut verifier, &other.encode()), Err(VerifyError::OtherAccount));
    assert_eq!(verifier.state(), state);
}
