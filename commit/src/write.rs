//! From writes to a commit, with all that a store keeps and a subscriber gets.
//!
//! Specification: <https://atproto.com/specs/sync#firehose>

use alloc::vec::Vec;

use cid::Cid;
use nacre_crypto::SigningKey;
use nacre_mst::{BlockSource, Changes, EMPTY_NODE, Edit, Overlay, Tree, TreeError, covering_proof};
use nacre_syntax::{Did, RepoPath, Tid};

use crate::block::{Commit, UnsignedCommit};
use crate::cbor::cid_of;

/// The most writes in one commit, as many as a firehose event may tell of.
pub const MAX_WRITES: usize = 200;

/// One change to a repository.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Write<'a> {
    /// Writes a record where there is none.
    Create {
        /// A path that nothing is at, or the commit is refused.
        path: RepoPath<&'a str>,
        /// The CID of the record's block, which the caller stores.
        cid: Cid,
    },
    /// Removes a record.
    Delete {
        /// A path that a record is at, or the commit is refused.
        path: RepoPath<&'a str>,
    },
    /// Writes a record over another.
    Update {
        /// A path that a record is at, or the commit is refused.
        path: RepoPath<&'a str>,
        /// The CID of the new record's block. It may be that of the old one: the tree then stays.
        cid: Cid,
    },
}

/// Where a repository stands: of its latest commit, what the next one has to know. Keep it with the
/// tree's nodes, and replace it together with them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Head {
    /// The account; commits of another one are refused.
    pub did: Did,
    /// The CID of the commit.
    pub cid: Cid,
    /// The CID of the root of its tree, which becomes the next commit's `prevData`.
    pub data: Cid,
    /// Its revision, which becomes the next commit's `since` and which that has to exceed.
    pub rev: Tid,
}

/// A new commit, and what it changes.
///
/// The CAR of a `#commit` event has the root `cid`, and holds `bytes`, the
/// [`new_nodes`](Self::new_nodes), the `proof` and the new records.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CommitDiff {
    /// The signed commit.
    pub commit: Commit,
    /// The CID of its block, the new head.
    pub cid: Cid,
    /// Its block, to be stored with the head.
    pub bytes: Vec<u8>,
    /// The revision before; `None` for the first commit.
    pub since: Option<Tid>,
    /// The root of the tree before; `None` for the first commit.
    pub prev_data: Option<Cid>,
    /// What was done, in the order of the writes.
    pub ops: Vec<Op>,
    /// The nodes that, with the new ones, are the covering proof of all paths in the new tree: what
    /// others need to undo the operations and arrive at `prev_data`.
    pub proof: Vec<(Cid, Vec<u8>)>,
    changes: Changes,
}

impl CommitDiff {
    /// Returns the tree nodes to keep, each before the nodes below it, the root first.
    pub fn new_nodes(&self) -> impl Iterator<Item = (Cid, &[u8])> {
        let root = self.commit.data;
        let is_empty = self.prev_data.is_none() && root == Tree::EMPTY.root();
        let empty = is_empty.then_some((root, &EMPTY_NODE[..]));
        empty.into_iter().chain(self.changes.new_blocks())
    }

    /// Returns the tree nodes that are not needed any more.
    pub fn retired(&self) -> impl Iterator<Item = Cid> {
        // Before the first commit there was not even the empty tree.
        self.changes.retired().filter(|_| self.prev_data.is_some())
    }
}

/// What a commit did to one record.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Op {
    /// The kind of change.
    pub action: Action,
    /// The record's path.
    pub path: RepoPath,
    /// The CID of the record that is there now; `None` for a delete.
    pub cid: Option<Cid>,
    /// The CID of the record that was there; `None` for a create.
    pub prev: Option<Cid>,
}

/// The kinds of change to a record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Action {
    /// There was no record.
    Create,
    /// There is no record any more.
    Delete,
    /// There was another record.
    Update,
}

/// Why writes cannot be committed. Nothing has changed then.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError<E> {
    /// A create, where there is a record already.
    #[error("there is a record at {0} already")]
    AlreadyExists(RepoPath),
    /// The head is that of another repository.
    #[error("the head is that of {0}")]
    ForeignHead(Did),
    /// An update or a delete, where there is no record.
    #[error("there is no record at {0}")]
    NotFound(RepoPath),
    /// Two writes to one path.
    #[error("there are two writes to {0}")]
    RepeatedPath(RepoPath),
    /// The revision is not newer than that of the head, which is this.
    #[error("the revision is not newer than {0}")]
    RevNotNewer(Tid),
    /// There are more than [`MAX_WRITES`], namely so many.
    #[error("{0} writes are more than the 200 of one commit")]
    TooManyWrites(usize),
    /// The tree could not be read or changed.
    #[error(transparent)]
    Tree(#[from] TreeError<E>),
}

/// Applies `writes` to the repository at `head`, all or none, and signs the result.
///
/// Without a head this is the first commit. No writes are fine: the tree stays and is signed again.
/// The source supplies the tree's nodes; the records themselves are not looked at.
///
/// # Errors
///
/// [`CommitError`] if the writes do not fit the repository or each other, or the tree cannot be
/// read.
pub fn commit<S: BlockSource>(
    source: &S,
    did: &Did,
    head: Option<&Head>,
    writes: &[Write<'_>],
    rev: Tid,
    key: &SigningKey,
) -> Result<CommitDiff, CommitError<S::Error>> {
    check(did, head, writes, rev)?;
    let order = order(writes)?;
    let edits: Vec<_> = order.iter().map(|index| writes[*index].edit()).collect();
    let tree = match head {
        Some(head) => Tree::load(head.data).map_err(TreeError::from)?,
        None => Tree::EMPTY,
    };
    let changes = tree.apply(source, &edits)?;
    let mut previous: Vec<_> = writes.iter().map(|_| None).collect();
    for (index, prev) in order.into_iter().zip(&changes.previous) {
        previous[index] = *prev;
    }
    let ops = writes.iter().zip(previous).map(|(write, prev)| write.done(prev));
    let ops = ops.collect::<Result<Vec<_>, _>>()?;
    let overlay = Overlay::new(&changes, source);
    let root = changes.root();
    let proof = covering_proof(&overlay, root, ops.iter().map(|op| &op.path))?
        .into_iter()
        .filter(|(cid, _)| !overlay.is_new(cid) && (head.is_some() || *cid != root))
        .map(|(cid, bytes)| (cid, bytes.into_owned()))
        .collect();
    let commit = UnsignedCommit { did: did.clone(), data: root, rev }.sign(key);
    let bytes = commit.encode();
    Ok(CommitDiff {
        commit,
        cid: cid_of(&bytes),
        bytes,
        since: head.map(|head| head.rev),
        prev_data: head.map(|head| head.data),
        ops,
        proof,
        changes,
    })
}

impl<'a> Write<'a> {
    /// Returns the path that is written to.
    #[must_use]
    pub fn path(&self) -> RepoPath<&'a str> {
        match self {
            Self::Create { path, .. } | Self::Delete { path } | Self::Update { path, .. } => *path,
        }
    }

    fn cid(&self) -> Option<Cid> {
        match *self {
            Self::Create { cid, .. } | Self::Update { cid, .. } => Some(cid),
            Self::Delete { .. } => None,
        }
    }

    fn edit(&self) -> Edit<'a> {
        Edit { key: self.path().into_inner(), value: self.cid() }
    }

    /// Returns what was done, or why not, if there was this record before.
    fn done<E>(&self, prev: Option<Cid>) -> Result<Op, CommitError<E>> {
        let path = self.path().to_owned();
        let action = match self {
            Self::Create { .. } => Action::Create,
            Self::Delete { .. } => Action::Delete,
            Self::Update { .. } => Action::Update,
        };
        match (action, prev) {
            (Action::Create, Some(_)) => Err(CommitError::AlreadyExists(path)),
            (Action::Delete | Action::Update, None) => Err(CommitError::NotFound(path)),
            _ => Ok(Op { action, path, cid: self.cid(), prev }),
        }
    }
}

/// Checks what can be seen without the tree.
fn check<E>(
    did: &Did,
    head: Option<&Head>,
    writes: &[Write<'_>],
    rev: Tid,
) -> Result<(), CommitError<E>> {
    if writes.len() > MAX_WRITES {
        return Err(CommitError::TooManyWrites(writes.len()));
    }
    if let Some(head) = head {
        if head.did != *did {
            return Err(CommitError::ForeignHead(head.did.clone()));
        }
        if rev <= head.rev {
            return Err(CommitError::RevNotNewer(head.rev));
        }
    }
    Ok(())
}

/// Returns the indices of the writes in the order of their paths.
fn order<E>(writes: &[Write<'_>]) -> Result<Vec<usize>, CommitError<E>> {
    let path = |index: &usize| writes[*index].path();
    let mut order: Vec<_> = (0..writes.len()).collect();
    order.sort_unstable_by_key(path);
    match order.windows(2).find(|pair| path(&pair[0]) == path(&pair[1])) {
        Some(pair) => Err(CommitError::RepeatedPath(path(&pair[0]).to_owned())),
        None => Ok(order),
    }
}
