//! Undoing the operations of a commit, with which others check that it did no more than it says.
//!
//! Specification: <https://atproto.com/specs/sync#commit-validation-mst-operation-inversion>

use alloc::vec::Vec;

use cid::Cid;
use nacre_mst::{BlockSource, Edit, Tree, TreeError, Verified};
use nacre_syntax::RepoPath;

use crate::write::{Action, MAX_WRITES, Op};

/// Why operations cannot be undone.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvertError<E> {
    /// The tree or the operation itself does not agree with what is said of this path.
    #[error("the operation on {0} is not what was done")]
    Op(RepoPath),
    /// There are two operations on one path.
    #[error("there are two operations on {0}")]
    RepeatedPath(RepoPath),
    /// There are more than [`MAX_WRITES`], namely so many.
    #[error("{0} operations are more than the 200 of one commit")]
    TooManyOps(usize),
    /// The tree could not be read or changed.
    #[error(transparent)]
    Tree(#[from] TreeError<E>),
}

/// Undoes `ops` in the tree at `data` and returns the root of the tree before, that of
/// [`Tree::EMPTY`](nacre_mst::Tree::EMPTY) for a first commit.
///
/// The source needs to hold only the covering proof of the paths. Its blocks must have been
/// compared with their CIDs, as the readers of `nacre-car` do. If the result is the `data` of the
/// commit before, `prev_data`, then `ops` are all that the commit changed in the tree; any other
/// result means nothing. Signature, DID and revision are for the caller to check.
///
/// # Errors
///
/// [`InvertError`] if the tree does not show the operations, or a block of the proof is missing.
pub fn invert<S: BlockSource>(
    source: &S,
    data: Cid,
    ops: &[Op],
) -> Result<Cid, InvertError<S::Error>> {
    if ops.len() > MAX_WRITES {
        return Err(InvertError::TooManyOps(ops.len()));
    }
    let mut order: Vec<_> = ops.iter().collect();
    order.sort_unstable_by_key(|op| &op.path);
    if let Some(pair) = order.windows(2).find(|pair| pair[0].path == pair[1].path) {
        return Err(InvertError::RepeatedPath(pair[0].path.clone()));
    }
    if let Some(op) = order.iter().find(|op| !op.agrees()) {
        return Err(InvertError::Op(op.path.clone()));
    }
    let edits: Vec<_> =
        order.iter().map(|op| Edit { key: op.path.as_str(), value: op.prev }).collect();
    // Who arrives at a tree that is right has been in one that is: applying reads all nodes beside
    // the keys of the operations, with their order, and sees that these keys and the first of the
    // new top are on their levels; all other nodes are part of the tree before as they are here. So
    // the heights of the other keys in the proof need not be hashed.
    let tree = Tree::load(data).map_err(TreeError::from)?;
    let changes = tree.apply(&Verified(source), &edits)?;
    match order.iter().zip(&changes.previous).find(|(op, found)| op.cid != **found) {
        Some((op, _)) => Err(InvertError::Op(op.path.clone())),
        None => Ok(changes.root()),
    }
}

impl Op {
    /// Returns whether the action goes with the records.
    fn agrees(&self) -> bool {
        let expected = match self.action {
            Action::Create => (false, true),
            Action::Delete => (true, false),
            Action::Update => (true, true),
        };
        (self.prev.is_some(), self.cid.is_some()) == expected
    }
}
