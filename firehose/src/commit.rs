//! The event of a commit.

use alloc::vec::Vec;

use cid::Cid;
use nacre_cbor::Reader;
use nacre_commit::{Action, Op};
use nacre_syntax::{RepoPath, Tid};

use crate::{FrameError, MAX_BLOCKS_BYTES, MAX_OPS, read, write::Writer};

/// A `#commit` event to encode.
///
/// Deprecated fields are written as the protocol requires: `rebase` and `tooBig` are false, and
/// `blobs` is empty.
#[derive(Clone, Copy, Debug)]
pub struct CommitEvent<'a> {
    /// The number of the event.
    pub seq: i64,
    /// The DID of the repository.
    pub repo: &'a str,
    /// The CID of the signed commit.
    pub commit: &'a Cid,
    /// The revision of the commit.
    pub rev: Tid,
    /// The previous revision, or `None` for the first commit.
    pub since: Option<Tid>,
    /// The root of the previous tree, or `None` for the first commit.
    pub prev_data: Option<&'a Cid>,
    /// A CAR of the signed commit, the new records, and the tree nodes that prove the operations.
    /// At most [`MAX_BLOCKS_BYTES`].
    pub blocks: &'a [u8],
    /// The operations, at most [`MAX_OPS`].
    pub ops: &'a [Op],
    /// The time of the event.
    pub time: &'a str,
}

impl CommitEvent<'_> {
    /// Encodes the frame.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let capacity = self.blocks.len() + self.ops.len() * OP_BYTES + REST_BYTES;
        let mut frame = Writer::message("#commit", capacity);
        frame.map(if self.prev_data.is_some() { 12 } else { 11 });
        frame.array("ops", self.ops.len());
        for op in self.ops {
            write_op(op, &mut frame);
        }
        frame.tid("rev", self.rev);
        frame.integer("seq", self.seq);
        frame.text("repo", self.repo);
        frame.text("time", self.time);
        frame.array("blobs", 0);
        match self.since {
            Some(since) => frame.tid("since", since),
            None => frame.null("since"),
        }
        frame.bytes("blocks", self.blocks);
        frame.link("commit", self.commit);
        frame.boolean("rebase", false);
        frame.boolean("tooBig", false);
        if let Some(prev_data) = self.prev_data {
            frame.link("prevData", prev_data);
        }
        frame.finish()
    }
}

/// A decoded `#commit` event, borrowed from its frame.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CommitView<'a> {
    /// The number of the event.
    pub seq: i64,
    /// The DID of the repository.
    pub repo: &'a str,
    /// The CID of the signed commit.
    pub commit: Cid,
    /// The revision of the commit.
    pub rev: Tid,
    /// The previous revision, or `None` for the first commit.
    pub since: Option<Tid>,
    /// The root of the previous tree. Absent in a first commit, and from old servers.
    pub prev_data: Option<Cid>,
    /// A CAR, which is not decoded.
    pub blocks: &'a [u8],
    /// The operations.
    pub ops: Vec<OpView<'a>>,
    /// Whether the server omitted blocks and operations. Only old servers do so.
    pub too_big: bool,
    /// The time of the event.
    pub time: &'a str,
}

impl<'a> CommitView<'a> {
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, FrameError> {
        let mut fields = Fields::default();
        let mut keys = reader.keys()?;
        while let Some(key) = keys.next_text(reader)? {
            fields.read(key, reader)?;
        }
        fields.finish()
    }
}

/// A decoded operation, borrowed from its frame.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct OpView<'a> {
    /// The kind of change.
    pub action: Action,
    /// The path of the record.
    pub path: RepoPath<&'a str>,
    /// The record now; `None` exactly if it was deleted.
    pub cid: Option<Cid>,
    /// The record before; absent if it was created, and from old servers.
    pub prev: Option<Cid>,
}

impl<'a> OpView<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, FrameError> {
        let (mut action, mut path, mut cid, mut prev) = (None, None, None, None);
        let mut keys = reader.keys()?;
        while let Some(key) = keys.next_text(reader)? {
            match key {
                "cid" => cid = Some(read::nullable_link(reader)?),
                "path" => path = Some(reader.text()?),
                "prev" => prev = Some(reader.cid()?),
                "action" => action = Some(reader.text()?),
                _ => read::skip(reader)?,
            }
        }
        let cid = cid.ok_or(FrameError::Missing("cid"))?;
        let path = path.ok_or(FrameError::Missing("path"))?;
        let action = match (action.ok_or(FrameError::Missing("action"))?, cid, prev) {
            ("create", Some(_), None) => Action::Create,
            ("update", Some(_), _) => Action::Update,
            ("delete", None, _) => Action::Delete,
            ("create" | "update" | "delete", ..) => return Err(FrameError::Field("ops")),
            _ => return Err(FrameError::Field("action")),
        };
        let path = RepoPath::parse(path).map_err(|_| FrameError::Field("path"))?;
        Ok(Self { action, path, cid, prev })
    }
}

impl PartialEq<Op> for OpView<'_> {
    fn eq(&self, other: &Op) -> bool {
        self.action == other.action
            && self.path == other.path
            && self.cid == other.cid
            && self.prev == other.prev
    }
}

/// What was read of a commit so far.
#[derive(Default)]
struct Fields<'a> {
    seq: Option<i64>,
    repo: Option<&'a str>,
    commit: Option<Cid>,
    rev: Option<Tid>,
    since: Option<Option<Tid>>,
    prev_data: Option<Cid>,
    blocks: Option<&'a [u8]>,
    ops: Option<Vec<OpView<'a>>>,
    too_big: Option<bool>,
    time: Option<&'a str>,
}

impl<'a> Fields<'a> {
    fn read(&mut self, key: &str, reader: &mut Reader<'a>) -> Result<(), FrameError> {
        match key {
            "ops" => self.ops = Some(read_ops(reader)?),
            "rev" => self.rev = Some(read::tid(reader, "rev")?),
            "seq" => self.seq = Some(reader.integer()?),
            "repo" => self.repo = Some(read::did(reader, "repo")?),
            "time" => self.time = Some(read::datetime(reader, "time")?),
            "since" if reader.eat_null() => self.since = Some(None),
            "since" => self.since = Some(Some(read::tid(reader, "since")?)),
            "blocks" => self.blocks = Some(reader.bytes()?),
            "commit" => self.commit = Some(reader.cid()?),
            "tooBig" => self.too_big = Some(reader.boolean()?),
            "prevData" => self.prev_data = Some(reader.cid()?),
            _ => read::skip(reader)?,
        }
        Ok(())
    }

    fn finish(self) -> Result<CommitView<'a>, FrameError> {
        let blocks = self.blocks.ok_or(FrameError::Missing("blocks"))?;
        if blocks.len() > MAX_BLOCKS_BYTES {
            return Err(FrameError::Field("blocks"));
        }
        Ok(CommitView {
            seq: self.seq.ok_or(FrameError::Missing("seq"))?,
            repo: self.repo.ok_or(FrameError::Missing("repo"))?,
            commit: self.commit.ok_or(FrameError::Missing("commit"))?,
            rev: self.rev.ok_or(FrameError::Missing("rev"))?,
            since: self.since.ok_or(FrameError::Missing("since"))?,
            prev_data: self.prev_data,
            blocks,
            ops: self.ops.ok_or(FrameError::Missing("ops"))?,
            too_big: self.too_big.ok_or(FrameError::Missing("tooBig"))?,
            time: self.time.ok_or(FrameError::Missing("time"))?,
        })
    }
}

fn read_ops<'a>(reader: &mut Reader<'a>) -> Result<Vec<OpView<'a>>, FrameError> {
    let len = reader.array()?;
    if len > MAX_OPS {
        return Err(FrameError::TooManyOps);
    }
    (0..len).map(|_| OpView::read(reader)).collect()
}

fn write_op(op: &Op, frame: &mut Writer) {
    frame.map(if op.prev.is_some() { 4 } else { 3 });
    frame.nullable_link("cid", op.cid.as_ref());
    frame.text("path", op.path.as_str());
    if let Some(prev) = &op.prev {
        frame.link("prev", prev);
    }
    frame.text(
        "action",
        match op.action {
            Action::Create => "create",
            Action::Delete => "delete",
            Action::Update => "update",
        },
    );
}

/// The capacity for an operation with a path of usual length.
const OP_BYTES: usize = 192;

/// The capacity for all other fields.
const REST_BYTES: usize = 512;
