//! Events, and what a general codec makes of them.

use alloc::collections::BTreeMap;

use cid::Cid;
use ipld_core::ipld::Ipld;
use multihash::Multihash;
use nacre_commit::{Action, Op};
use nacre_firehose::{AccountEvent, CommitEvent, ErrorFrame, IdentityEvent, InfoEvent, SyncEvent};
use nacre_syntax::{RepoPath, Tid};

pub(crate) const DID: &str = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
pub(crate) const TIME: &str = "2026-11-22T21:30:00.000Z";

pub(crate) fn cid(seed: u8) -> Cid {
    Cid::new_v1(0x71, Multihash::wrap(0x12, &[seed; 32]).expect("32 bytes fit"))
}

pub(crate) fn op(action: Action, rkey: &str, seed: u8, with_prev: bool) -> Op {
    let path = RepoPath::parse(format!("app.bsky.feed.post/{rkey}")).expect("a path");
    let now = (action != Action::Delete).then(|| cid(seed));
    let before = (action != Action::Create && with_prev).then(|| cid(seed.wrapping_add(1)));
    Op { action, path, cid: now, prev: before }
}

/// Everything that a commit event borrows.
#[derive(Clone, Debug)]
pub(crate) struct OwnedCommit {
    pub(crate) seq: i64,
    pub(crate) commit: Cid,
    pub(crate) rev: Tid,
    pub(crate) since: Option<Tid>,
    pub(crate) prev_data: Option<Cid>,
    pub(crate) blocks: Vec<u8>,
    pub(crate) ops: Vec<Op>,
}

impl OwnedCommit {
    pub(crate) fn event(&self) -> CommitEvent<'_> {
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

    pub(crate) fn body(&self) -> Ipld {
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

/// A commit of this many operations and bytes of blocks.
pub(crate) fn sized(ops: usize, blocks: usize) -> OwnedCommit {
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

pub(crate) fn op_body(op: &Op) -> Ipld {
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

pub(crate) fn map<const N: usize>(entries: [(&str, Ipld); N]) -> BTreeMap<String, Ipld> {
    entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

pub(crate) fn text(text: &str) -> Ipld {
    Ipld::String(text.to_owned())
}

pub(crate) fn header(kind: &str) -> Ipld {
    Ipld::Map(map([("op", Ipld::Integer(1)), ("t", text(kind))]))
}

/// Has the judge make the frame.
pub(crate) fn judged(header: &Ipld, body: &Ipld) -> Vec<u8> {
    let mut frame = serde_ipld_dagcbor::to_vec(header).expect("Ipld encodes");
    frame.extend(serde_ipld_dagcbor::to_vec(body).expect("Ipld encodes"));
    frame
}

/// The body of a message without the field, or with another value of it.
pub(crate) fn with(body: &Ipld, key: &str, value: Option<Ipld>) -> Ipld {
    let Ipld::Map(mut body) = body.clone() else { panic!("a body is an object") };
    match value {
        Some(value) => body.insert(key.to_owned(), value),
        None => body.remove(key),
    };
    Ipld::Map(body)
}

pub(crate) fn keys(body: &Ipld) -> Vec<String> {
    let Ipld::Map(body) = body else { panic!("a body is an object") };
    body.keys().cloned().collect()
}

/// One event of each kind, with all that it may have: its header, body, and frame.
pub(crate) fn examples() -> Vec<(Ipld, Ipld, Vec<u8>)> {
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
