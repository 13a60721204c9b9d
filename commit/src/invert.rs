//! Operation inversion, which proves that a commit changed nothing but its operations.
//!
//! Specification: <https://atproto.com/specs/sync#commit-validation-mst-operation-inversion>

use alloc::vec::Vec;

use cid::Cid;
use nacre_mst::{BlockSource, Edit, Tree, TreeError, Verified};
use nacre_syntax::RepoPath;

use crate::write::{Action, MAX_WRITES, Op};

/// Why operations cannot be inverted.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvertError<E> {
    /// The operation on this path contradicts itself or the tree.
    #[error("the operation on {0} does not match the tree")]
    Op(RepoPath),
    /// Two operations have the same path.
    #[error("two operations on {0}")]
    RepeatedPath(RepoPath),
    /// This number of operations exceeds [`MAX_WRITES`].
    #[error("{0} operations exceed the limit of 200")]
    TooManyOps(usize),
    /// The tree cannot be read or edited.
    #[error(transparent)]
    Tree(#[from] TreeError<E>),
}

/// Inverts `ops` in the tree at `data` and returns the root of the tree before them. For a first
/// commit that is the root of [`Tree::EMPTY`](nacre_mst::Tree::EMPTY).
///
/// If the result is the `data` of the previous commit, `prev_data`, then the commit changed nothing
/// but `ops`. Any other result has no meaning.
///
/// The source only needs the covering proof of the paths. Its blocks must have been compared with
/// their CIDs, as the readers of `nacre-car` do. The caller checks signature, DID and revision.
///
/// # Errors
///
/// [`InvertError`] if the operations do not match the tree, or a block of the proof is missing.
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
    if let Some(op) = order.iter().find(|op| !op.is_consistent()) {
        return Err(InvertError::Op(op.path.clone()));
    }
    let edits: Vec<_> =
        order.iter().map(|op| Edit { key: op.path.as_str(), value: op.prev }).collect();
    // If the result is the root of a valid tree, the tree at `data` is valid too. Applying the
    // edits reads all nodes beside the keys of the operations, checks their order, and checks the
    // levels of these keys and of the new root's first key. All other nodes are also part of the
    // tree before. The heights of the other keys in the proof need not be hashed.
    let tree = Tree::load(data).map_err(TreeError::from)?;
    let changes = tree.apply(&Verified(source), &edits)?;
    match order.iter().zip(&changes.previous).find(|(op, found)| op.cid != **found) {
        Some((op, _)) => Err(InvertError::Op(op.path.clone())),
        None => Ok(changes.root()),
    }
}

impl Op {
    /// Returns whether the action matches the presence of the records.
    fn is_consistent(&self) -> bool {
        let expected = match self.action {
            Action::Create => (false, true),
            Action::Delete => (true, false),
            Action::Update => (true, true),
        };
        (self.prev.is_some(), self.cid.is_some()) == expected
    }
}
