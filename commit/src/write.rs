//! Turns writes into a commit, with the data that a store keeps and subscribers get.
//!
//! Specification: <https://atproto.com/specs/sync#firehose>

use alloc::vec::Vec;

use cid::Cid;
use nacre_crypto::SigningKey;
use nacre_mst::{BlockSource, Changes, EMPTY_NODE, Edit, Overlay, Tree, TreeError, covering_proof};
use nacre_syntax::{Did, RepoPath, Tid};

use crate::block::{Commit, UnsignedCommit, cid_of};

/// The most writes in a commit, which is the limit of a firehose event.
pub const MAX_WRITES: usize = 200;

/// One change to a repository.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Write<'a> {
    /// Creates a record.
    Create {
        /// The path, which must not have a record.
        path: RepoPath<&'a str>,
        /// The CID of the record's block, which the caller stores.
        cid: Cid,
    },
    /// Deletes a record.
    Delete {
        /// The path, which must have a record.
        path: RepoPath<&'a str>,
    },
    /// Replaces a record.
    Update {
        /// The path, which must have a record.
        path: RepoPath<&'a str>,
        /// The CID of the new record's block. If it equals the old one, the tree does not change.
        cid: Cid,
    },
}

/// The head of a repository: the parts of its latest commit that the next one needs.
///
/// Store it with the tree's nodes, and replace both in one transaction.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Head {
    /// The account. Commits of another account are rejected.
    pub did: Did,
    /// The CID of the commit.
    pub cid: Cid,
    /// The CID of the root of its tree, which becomes the next commit's `prevData`.
    pub data: Cid,
    /// Its revision, which becomes the next commit's `since`. The next revision must exceed it.
    pub rev: Tid,
}

/// A new commit and its changes.
///
/// The CAR of a `#commit` event has the root `cid` and contains `bytes`, the
/// [`new_nodes`](Self::new_nodes), the `proof` and the new records.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CommitDiff {
    /// The signed commit.
    pub commit: Commit,
    /// The CID of the commit's block, the new head.
    pub cid: Cid,
    /// The commit's block, to be stored with the head.
    pub bytes: Vec<u8>,
    /// The previous revision, or `None` for the first commit.
    pub since: Option<Tid>,
    /// The root of the previous tree, or `None` for the first commit.
    pub prev_data: Option<Cid>,
    /// The operations, in the order of the writes.
    pub ops: Vec<Op>,
    /// The nodes that together with the new ones are the covering proof of all paths in the new
    /// tree. Subscribers need them to invert the operations.
    pub proof: Vec<(Cid, Vec<u8>)>,
    changes: Changes,
}

impl CommitDiff {
    /// Returns the new tree nodes: the root first, each before the nodes below it.
    pub fn new_nodes(&self) -> impl Iterator<Item = (Cid, &[u8])> {
        let root = self.commit.data;
        let is_empty = self.prev_data.is_none() && root == Tree::EMPTY.root();
        let empty = is_empty.then_some((root, &EMPTY_NODE[..]));
        empty.into_iter().chain(self.changes.new_blocks())
    }

    /// Returns the tree nodes that are no longer needed.
    pub fn retired(&self) -> impl Iterator<Item = Cid> {
        // Before the first commit not even the empty tree was stored.
        self.changes.retired().filter(|_| self.prev_data.is_some())
    }
}

/// An operation of a commit on one record.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Op {
    /// The kind of change.
    pub action: Action,
    /// The record's path.
    pub path: RepoPath,
    /// The CID of the new record, or `None` for a delete.
    pub cid: Option<Cid>,
    /// The CID of the previous record, or `None` for a create.
    pub prev: Option<Cid>,
}

/// The kind of change to a record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Action {
    /// The record is new.
    Create,
    /// The record was deleted.
    Delete,
    /// The record was replaced.
    Update,
}

/// Why writes cannot be committed. A failed commit has no effect.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError<E> {
    /// A create names a path that has a record.
    #[error("record {0} already exists")]
    AlreadyExists(RepoPath),
    /// The head belongs to another repository.
    #[error("the head belongs to {0}")]
    ForeignHead(Did),
    /// An update or a delete names a path without a record.
    #[error("record {0} does not exist")]
    NotFound(RepoPath),
    /// Two writes have the same path.
    #[error("two writes to {0}")]
    RepeatedPath(RepoPath),
    /// The revision is not newer than this revision of the head.
    #[error("the revision is not newer than {0}")]
    RevNotNewer(Tid),
    /// This number of writes exceeds [`MAX_WRITES`].
    #[error("{0} writes exceed the limit of 200")]
    TooManyWrites(usize),
    /// The tree cannot be read or edited.
    #[error(transparent)]
    Tree(#[from] TreeError<E>),
}

/// Applies `writes` to the repository at `head`, all or none, and signs the result.
///
/// Without a head this is the first commit. Without writes the tree stays the same and is signed
/// again. The source supplies the tree's nodes. Records are not read.
///
/// # Errors
///
/// [`CommitError`] if the writes contradict the repository or each other, or the tree cannot be
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
    let ops = writes.iter().zip(previous).map(|(write, prev)| write.operation(prev));
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
    /// Returns the path of the record.
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

    /// Returns the operation of this write, given the previous record.
    fn operation<E>(&self, prev: Option<Cid>) -> Result<Op, CommitError<E>> {
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

/// Checks that do not need the tree.
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
