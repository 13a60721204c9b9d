//! Frames, judged by a general DAG-CBOR codec.

use std::collections::BTreeMap;

use cid::Cid;
use ipld_core::ipld::Ipld;
use multihash::Multihash;
use nacre_commit::{Action, Op};
use nacre_firehose::{
    AccountEvent, CommitEvent, CommitView, ErrorFrame, Frame, FrameError, IdentityEvent, InfoEvent,
    MAX_BLOCKS_BYTES, MAX_FRAME_BYTES, MAX_OPS, MAX_SYNC_BLOCKS_BYTES, SyncEvent,
};
use nacre_syntax::{RepoPath, Tid};
use proptest::{collection::vec, option, prelude::*};

const DID: &str = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
const TIME: &str = "2026-11-22T21:30:00.000Z";
const LARGEST: i64 = (1 << 53) - 1;

fn cid(seed: u8) -> Cid {
    Cid::new_v1(0x71, Multihash::wrap(0x12, &[seed; 32]).unwrap())
}

fn op(action: Action, rkey: &str, seed: u8, with_prev: bool) -> Op {
    let path = RepoPath::parse(format!("app.bsky.feed.post/{rkey}")).unwrap();
    let now = (action != Action::Delete).then(|| cid(seed));
    let before = (action != Action::Create && with_prev).then(|| cid(seed.wrapping_add(1)));
    Op { action, path, cid: now, prev: before }
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let action = prop::sample::select(vec![Action::Create, Action::Update, Action::Delete]);
    let op = (action, "[a-z2-7]{1,15}", any::<u8>(), any::<bool>())
        .prop_map(|(action, rkey, seed, with_prev)| op(action, &rkey, seed, with_prev));
    vec(op, 0..30)
}

fn tid() -> impl Strategy<Value = Tid> {
    (any::<u64>(), any::<u16>()).prop_map(|(micros, clock)| Tid::from_micros(micros, clock))
}

fn seq() -> impl Strategy<Value = i64> {
    prop_oneof![0..300_i64, 0..=LARGEST]
}

/// Everything that a commit event borrows.
#[derive(Clone, Debug)]
struct OwnedCommit {
    seq: i64,
    commit: Cid,
    rev: Tid,
    since: Option<Tid>,
    prev_data: Option<Cid>,
    blocks: Vec<u8>,
    ops: Vec<Op>,
}

impl OwnedCommit {
    fn event(&self) -> CommitEvent<'_> {
        CommitEvent {
            seq: self.seq,
            repo: DID,
            commit: &self.commit,
            rev: self.rev,
            since: self.since,
            prev_data: self.prev_data.as_ref(),
            blocks: &self.blocks,
            ops: &self.ops,
            time: TIME,
        }
    }

    fn body(&self) -> Ipld {
        let mut body = map([
            ("ops", Ipld::List(self.ops.iter().map(op_body).collect())),
            ("rev", text(&self.rev.to_string())),
            ("seq", Ipld::Integer(self.seq.into())),
            ("repo", text(DID)),
            ("time", text(TIME)),
            ("blobs", Ipld::List(Vec::new())),
            ("since", self.since.map_or(Ipld::Null, |since| text(&since.to_string()))),
            ("blocks", Ipld::Bytes(self.blocks.clone())),
            ("commit", Ipld::Link(self.commit)),
            ("rebase", Ipld::Bool(false)),
            ("tooBig", Ipld::Bool(false)),
        ]);
        if let Some(prev_data) = self.prev_data {
            body.insert("prevData".to_owned(), Ipld::Link(prev_data));
        }
        Ipld::Map(body)
    }
}

fn commit() -> impl Strategy<Value = OwnedCommit> {
    let links = (any::<u8>().prop_map(cid), option::of(any::<u8>().prop_map(cid)));
    (seq(), links, tid(), option::of(tid()), vec(any::<u8>(), 0..400), ops()).prop_map(
        |(seq, (commit, prev_data), rev, since, blocks, ops)| OwnedCommit {
            seq,
            commit,
            rev,
            since,
            prev_data,
            blocks,
            ops,
        },
    )
}

/// A commit of this many operations and bytes of blocks.
fn sized(ops: usize, blocks: usize) -> OwnedCommit {
    OwnedCommit {
        seq: 1,
        commit: cid(1),
        rev: Tid::from_micros(1, 1),
        since: None,
        prev_data: None,
        blocks: vec![0; blocks],
        ops: (0..ops).map(|index| op(Action::Create, &index.to_string(), 1, true)).collect(),
    }
}

fn op_body(op: &Op) -> Ipld {
    let action = match op.action {
        Action::Create => "create",
        Action::Delete => "delete",
        Action::Update => "update",
    };
    let mut body = map([
        ("action", text(action)),
        ("path", text(op.path.as_str())),
        ("cid", op.cid.map_or(Ipld::Null, Ipld::Link)),
    ]);
    if let Some(prev) = op.prev {
        body.insert("prev".to_owned(), Ipld::Link(prev));
    }
    Ipld::Map(body)
}

fn map<const N: usize>(entries: [(&str, Ipld); N]) -> BTreeMap<String, Ipld> {
    entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

fn text(text: &str) -> Ipld {
    Ipld::String(text.to_owned())
}

fn header(kind: &str) -> Ipld {
    Ipld::Map(map([("op", Ipld::Integer(1)), ("t", text(kind))]))
}

/// Has the judge make the frame.
fn judged(header: &Ipld, body: &Ipld) -> Vec<u8> {
    let mut frame = serde_ipld_dagcbor::to_vec(header).unwrap();
    frame.extend(serde_ipld_dagcbor::to_vec(body).unwrap());
    frame
}

/// The body of a message without the field, or with another value of it.
fn with(body: &Ipld, key: &str, value: Option<Ipld>) -> Ipld {
    let Ipld::Map(mut body) = body.clone() else { panic!("a body is an object") };
    match value {
        Some(value) => body.insert(key.to_owned(), value),
        None => body.remove(key),
    };
    Ipld::Map(body)
}

fn keys(body: &Ipld) -> Vec<String> {
    let Ipld::Map(body) = body else { panic!("a body is an object") };
    body.keys().cloned().collect()
}

/// One event of each kind, with all that it may have: its header, body, and frame.
fn examples() -> Vec<(Ipld, Ipld, Vec<u8>)> {
    let rev = Tid::from_micros(1_763_847_000_000_000, 7);
    let did = ("did", text(DID));
    let (seq, time) = (("seq", Ipld::Integer(1000)), ("time", text(TIME)));
    let message = ("message", text("why"));
    let commit = OwnedCommit {
        since: Some(rev),
        prev_data: Some(cid(9)),
        ops: [Action::Create, Action::Update, Action::Delete]
            .map(|action| op(action, "self", 3, true))
            .into(),
        ..sized(0, 5)
    };
    let sync = SyncEvent { seq: 1000, did: DID, rev, blocks: b"car", time: TIME };
    let handle = Some("alice.example.com");
    let identity = IdentityEvent { seq: 1000, did: DID, handle, time: TIME };
    let status = Some("deactivated");
    let account = AccountEvent { seq: 1000, did: DID, active: false, status, time: TIME };
    let info = InfoEvent { name: "OutdatedCursor", message: Some("why") };
    let error = ErrorFrame { error: "FutureCursor", message: Some("why") };
    let sync_body = map([
        did.clone(),
        ("rev", text(&rev.to_string())),
        seq.clone(),
        time.clone(),
        ("blocks", Ipld::Bytes(b"car".to_vec())),
    ]);
    let identity_body =
        map([did.clone(), seq.clone(), time.clone(), ("handle", text("alice.example.com"))]);
    let account_body =
        map([did, seq, time, ("active", Ipld::Bool(false)), ("status", text("deactivated"))]);
    let info_body = map([("name", text("OutdatedCursor")), message.clone()]);
    let error_header = Ipld::Map(map([("op", Ipld::Integer(-1))]));
    let error_body = map([("error", text("FutureCursor")), message]);
    vec![
        (header("#commit"), commit.body(), commit.event().encode()),
        (header("#sync"), Ipld::Map(sync_body), sync.encode()),
        (header("#identity"), Ipld::Map(identity_body), identity.encode()),
        (header("#account"), Ipld::Map(account_body), account.encode()),
        (header("#info"), Ipld::Map(info_body), info.encode()),
        (error_header, Ipld::Map(error_body), error.encode()),
    ]
}

fn same(view: &CommitView<'_>, owned: &OwnedCommit) -> bool {
    let event = owned.event();
    view.seq == event.seq
        && view.repo == event.repo
        && view.commit == *event.commit
        && view.rev == event.rev
        && view.since == event.since
        && view.prev_data == owned.prev_data
        && view.blocks == event.blocks
        && view.ops.len() == event.ops.len()
        && view.ops.iter().zip(event.ops).all(|(read, written)| read == written)
        && !view.too_big
        && view.time == event.time
}

proptest! {
    #[test]
    fn commits_are_the_judges_and_come_back(commit in commit()) {
        let frame = commit.event().encode();
        prop_assert_eq!(&frame, &judged(&header("#commit"), &commit.body()));
        let Ok(Frame::Commit(view)) = Frame::decode(&frame) else {
            panic!("a commit: {:?}", Frame::decode(&frame));
        };
        prop_assert!(same(&view, &commit), "{:?}", view);
    }

    #[test]
    fn small_events_come_back(
        seq in seq(),
        rev in tid(),
        blocks in vec(any::<u8>(), 0..300),
        remark in option::of(any::<String>()),
        active in any::<bool>(),
        with_handle in any::<bool>(),
    ) {
        let message = remark.as_deref();
        let handle = with_handle.then_some("alice.example.com");
        let sync = SyncEvent { seq, did: DID, rev, blocks: &blocks, time: TIME };
        let identity = IdentityEvent { seq, did: DID, handle, time: TIME };
        let account = AccountEvent { seq, did: DID, active, status: message, time: TIME };
        let info = InfoEvent { name: "OutdatedCursor", message };
        let error = ErrorFrame { error: "FutureCursor", message };
        for (bytes, frame, number) in [
            (sync.encode(), Frame::Sync(sync), Some(seq)),
            (identity.encode(), Frame::Identity(identity), Some(seq)),
            (account.encode(), Frame::Account(account), Some(seq)),
            (info.encode(), Frame::Info(info), None),
            (error.encode(), Frame::Error(error), None),
        ] {
            prop_assert_eq!(frame.seq(), number);
            prop_assert_eq!(Frame::decode(&bytes), Ok(frame));
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..300), kind in 0..6_usize) {
        let _ = Frame::decode(&bytes);
        let header = serde_ipld_dagcbor::to_vec(&examples()[kind].0).unwrap();
        let _ = Frame::decode(&[header, bytes].concat());
    }

    #[test]
    fn what_decodes_after_a_change_still_has_canonical_known_fields(
        kind in 0..6_usize,
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut frame = examples().swap_remove(kind).2;
        let at = at.index(frame.len());
        frame[at] = byte;
        match Frame::decode(&frame) {
            Ok(Frame::Sync(event)) => prop_assert_eq!(event.encode(), frame),
            Ok(Frame::Error(event)) if event.message.is_some() => {
                prop_assert_eq!(event.encode(), frame);
            }
            _ => {}
        }
    }
}

#[test]
fn every_kind_is_the_judges() {
    for (header, body, frame) in examples() {
        assert_eq!(frame, judged(&header, &body));
        assert!(Frame::decode(&frame).is_ok());
    }
}

#[test]
fn headers_are_these_bytes() {
    let starts: Vec<_> = examples().into_iter().map(|(.., frame)| frame).collect();
    assert!(starts[0].starts_with(b"\xa2\x61t\x67#commit\x62op\x01\xac\x63ops"));
    assert!(starts[5].starts_with(b"\xa1\x62op\x20\xa2\x65error"));
}

#[test]
fn no_part_of_a_frame_is_a_frame() {
    for (.., frame) in examples() {
        for len in 0..frame.len() {
            assert!(Frame::decode(&frame[..len]).is_err());
        }
        let longer = [frame.as_slice(), &[0xa0]].concat();
        assert_eq!(Frame::decode(&longer), Err(FrameError::Trailing));
    }
}

#[test]
fn unknown_fields_are_ignored() {
    let strange = Ipld::Map(map([
        ("bytes", Ipld::Bytes(vec![1, 2, 3])),
        ("list", Ipld::List(vec![Ipld::Null, Ipld::Bool(true), Ipld::Link(cid(4))])),
        ("number", Ipld::Integer(-70_000)),
    ]));
    for (header, body, frame) in examples() {
        let header = with(&header, "extra", Some(strange.clone()));
        let body = with(&body, "somethingNew", Some(strange.clone()));
        assert_eq!(Frame::decode(&judged(&header, &body)), Frame::decode(&frame));
    }
}

#[test]
fn unknown_kinds_are_named() {
    let frame = judged(&header("#future"), &Ipld::Map(map([("a", Ipld::Integer(1))])));
    assert_eq!(Frame::decode(&frame), Ok(Frame::Unknown("#future")));
}

#[test]
fn missing_fields_are_named() {
    let optional = ["blobs", "handle", "message", "prevData", "rebase", "status"];
    for (header, body, _) in examples() {
        for key in keys(&body) {
            let frame = judged(&header, &with(&body, &key, None));
            match Frame::decode(&frame) {
                Err(FrameError::Missing(named)) => assert_eq!(named, key),
                Ok(_) => assert!(optional.contains(&key.as_str()), "{key}"),
                other => panic!("{key}: {other:?}"),
            }
        }
    }
}

#[test]
fn fields_of_another_type_are_refused() {
    let wrong = Ipld::Map(BTreeMap::new());
    for (header, body, _) in examples() {
        for key in keys(&body).into_iter().filter(|key| !matches!(key.as_str(), "blobs" | "rebase"))
        {
            let frame = judged(&header, &with(&body, &key, Some(wrong.clone())));
            assert!(matches!(Frame::decode(&frame), Err(FrameError::Cbor(_))), "{key}");
        }
    }
}

#[test]
fn fields_are_parsed() {
    let (header, body, _) = examples().swap_remove(0);
    let (identity_header, identity, _) = examples().swap_remove(2);
    for (header, body, key) in [
        (&header, &body, "repo"),
        (&header, &body, "rev"),
        (&header, &body, "since"),
        (&header, &body, "time"),
        (&identity_header, &identity, "did"),
        (&identity_header, &identity, "handle"),
    ] {
        let frame = judged(header, &with(body, key, Some(text("?"))));
        let Err(FrameError::Field(named)) = Frame::decode(&frame) else { panic!("{key}") };
        assert_eq!(named, key);
    }
}

#[test]
fn operations_make_sense_or_are_refused() {
    let (header, body, _) = examples().swap_remove(0);
    let link = Some(Ipld::Link(cid(1)));
    for (action, cid, prev, expected) in [
        ("create", link.clone(), None, None),
        ("update", link.clone(), link.clone(), None),
        ("update", link.clone(), None, None),
        ("delete", Some(Ipld::Null), link.clone(), None),
        ("delete", Some(Ipld::Null), None, None),
        ("create", link.clone(), link.clone(), Some(FrameError::Field("ops"))),
        ("create", Some(Ipld::Null), None, Some(FrameError::Field("ops"))),
        ("update", Some(Ipld::Null), None, Some(FrameError::Field("ops"))),
        ("delete", link.clone(), None, Some(FrameError::Field("ops"))),
        ("replace", link.clone(), None, Some(FrameError::Field("action"))),
        ("create", None, None, Some(FrameError::Missing("cid"))),
    ] {
        let op = Ipld::Map(map([("action", text(action)), ("path", text("a.b.c/d"))]));
        let op = with(&with(&op, "cid", cid), "prev", prev);
        let frame = judged(&header, &with(&body, "ops", Some(Ipld::List(vec![op]))));
        assert_eq!(Frame::decode(&frame).err(), expected, "{action}");
    }
}

#[test]
fn other_headers_are_refused() {
    let body = Ipld::Map(BTreeMap::new());
    for (header, expected) in [
        (map([]), FrameError::Missing("op")),
        (map([("op", Ipld::Integer(1))]), FrameError::Missing("t")),
        (map([("op", Ipld::Integer(0)), ("t", text("#info"))]), FrameError::Op),
        (map([("op", Ipld::Integer(2)), ("t", text("#info"))]), FrameError::Op),
        (map([("op", Ipld::Integer(-2))]), FrameError::Op),
    ] {
        assert_eq!(Frame::decode(&judged(&Ipld::Map(header), &body)), Err(expected));
    }
}

#[test]
fn keys_have_one_order() {
    for body in [b"\xa2\x67message\x60\x64name\x60".as_slice(), b"\xa2\x64name\x60\x64name\x60"] {
        let frame = [b"\xa2\x61t\x65#info\x62op\x01".as_slice(), body].concat();
        assert!(matches!(Frame::decode(&frame), Err(FrameError::KeyOrder(_))));
    }
}

#[test]
fn hostile_lengths_cost_nothing() {
    for body in [
        b"\xa1\x61a\x9b\xff\xff\xff\xff\xff\xff\xff\xff".as_slice(),
        b"\xa1\x61a\xbb\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\xa1\x61a\x5b\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff",
    ] {
        let frame = [b"\xa2\x61t\x62#x\x62op\x01".as_slice(), body].concat();
        assert_eq!(Frame::decode(&frame), Err(FrameError::Truncated));
    }
    let deep = [b"\xa2\x61t\x62#x\x62op\x01".as_slice(), &vec![0x81; 1_000_000]].concat();
    assert_eq!(Frame::decode(&deep), Err(FrameError::Truncated));
}

#[test]
fn sizes_are_limited_on_both_sides() {
    let outcome = |commit: OwnedCommit| Frame::decode(&commit.event().encode()).err();
    assert_eq!(outcome(sized(MAX_OPS, 0)), None);
    assert_eq!(outcome(sized(MAX_OPS + 1, 0)), Some(FrameError::TooManyOps));
    assert_eq!(outcome(sized(1, MAX_BLOCKS_BYTES)), None);
    assert_eq!(outcome(sized(1, MAX_BLOCKS_BYTES + 1)), Some(FrameError::Field("blocks")));

    let sync = |len: usize| {
        let (rev, blocks) = (Tid::from_micros(1, 1), vec![0; len]);
        let frame = SyncEvent { seq: 1, did: DID, rev, blocks: &blocks, time: TIME }.encode();
        Frame::decode(&frame).err()
    };
    assert_eq!(sync(MAX_SYNC_BLOCKS_BYTES), None);
    assert_eq!(sync(MAX_SYNC_BLOCKS_BYTES + 1), Some(FrameError::Field("blocks")));

    let empty = InfoEvent { name: "x", message: Some("") }.encode().len();
    let info = |len: usize| {
        // A text head of five bytes replaces one of one byte.
        let message = "x".repeat(len - empty - 4);
        let frame = InfoEvent { name: "x", message: Some(&message) }.encode();
        assert_eq!(frame.len(), len);
        Frame::decode(&frame).err()
    };
    assert_eq!(info(MAX_FRAME_BYTES), None);
    assert_eq!(info(MAX_FRAME_BYTES + 1), Some(FrameError::TooLarge));
}
