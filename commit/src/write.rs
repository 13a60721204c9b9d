//! From writes to a commit, with all that a store keeps and a subscriber gets.
//!
//! Specification: <https://atproto.com/specs/sync#firehose>

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use cid::Cid;
use nacre_crypto::SigningKey;
use nacre_mst::{Block, BlockSource, Overlay, Tree, TreeError, covering_proof};
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
        /// Where.
        path: RepoPath<&'a str>,
        /// The record.
        cid: Cid,
    },
    /// Removes a record.
    Delete {
        /// Where.
        path: RepoPath<&'a str>,
    },
    /// Writes a record over another.
    Update {
        /// Where.
        path: RepoPath<&'a str>,
        /// The new record.
        cid: Cid,
    },
}

/// Where a repository stands: its latest commit.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Head {
    /// Whose repository it is.
    pub did: Did,
    /// The commit.
    pub cid: Cid,
    /// The root of its tree.
    pub data: Cid,
    /// Its revision.
    pub rev: Tid,
}

/// A new commit, and what it changes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CommitDiff {
    /// The commit.
    pub commit: Commit,
    /// Its CID.
    pub cid: Cid,
    /// Its block.
    pub bytes: Vec<u8>,
    /// The revision before; `None` for the first commit.
    pub since: Option<Tid>,
    /// The root of the tree before; `None` for the first commit.
    pub prev_data: Option<Cid>,
    /// The tree nodes to keep, each before the nodes below it.
    pub new_nodes: Vec<Block>,
    /// The tree nodes that are not needed any more.
    pub retired: Vec<Cid>,
    /// What was done, in the order of the writes.
    pub ops: Vec<Op>,
    /// The tree nodes with which others can undo the operations and arrive at `prev_data`, the root
    /// first: the covering proof of all paths in the new tree.
    pub proof: Vec<Block>,
}

/// What a commit did to one record.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Op {
    /// The kind of change.
    pub action: Action,
    /// The record's path.
    pub path: RepoPath,
    /// The record that is there now; `None` for a delete.
    pub cid: Option<Cid>,
    /// The record that was there; `None` for a create.
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
    let mut tree = match head {
        Some(head) => Tree::load(head.data).map_err(TreeError::from)?,
        None => Tree::new(),
    };
    let ops = writes
        .iter()
        .map(|write| apply(&mut tree, source, write))
        .collect::<Result<Vec<_>, _>>()?;
    let changes = tree.flush();
    let overlay = Overlay::new(&changes.new_blocks, source);
    let proof = covering_proof(&overlay, changes.root, ops.iter().map(|op| &op.path))?;
    let commit = UnsignedCommit { did: did.clone(), data: changes.root, rev }.sign(key);
    let bytes = commit.encode();
    Ok(CommitDiff {
        commit,
        cid: cid_of(&bytes),
        bytes,
        since: head.map(|head| head.rev),
        prev_data: head.map(|head| head.data),
        new_nodes: changes.new_blocks,
        retired: changes.retired,
        ops,
        proof,
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
    let mut seen = BTreeSet::new();
    match writes.iter().map(Write::path).find(|path| !seen.insert(*path)) {
        Some(path) => Err(CommitError::RepeatedPath(path.to_owned())),
        None => Ok(()),
    }
}

fn apply<S: BlockSource>(
    tree: &mut Tree,
    source: &S,
    write: &Write<'_>,
) -> Result<Op, CommitError<S::Error>> {
    let (action, cid) = match *write {
        Write::Create { cid, .. } => (Action::Create, Some(cid)),
        Write::Delete { .. } => (Action::Delete, None),
        Write::Update { cid, .. } => (Action::Update, Some(cid)),
    };
    let path = write.path().to_owned();
    let prev = match cid {
        Some(cid) => tree.insert(source, path.as_str(), cid)?,
        None => tree.remove(source, path.as_str())?,
    };
    match (action, prev) {
        (Action::Create, Some(_)) => Err(CommitError::AlreadyExists(path)),
        (Action::Delete | Action::Update, None) => Err(CommitError::NotFound(path)),
        _ => Ok(Op { action, path, cid, prev }),
    }
}
