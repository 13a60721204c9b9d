//! Undoing the operations of a commit, with which others check that it did no more than it says.
//!
//! Specification: <https://atproto.com/specs/sync#commit-validation-mst-operation-inversion>

use alloc::collections::BTreeSet;

use cid::Cid;
use nacre_mst::{BlockSource, Tree, TreeError};
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

/// Undoes `ops` in the tree at `data` and returns the root of the tree before.
///
/// The source needs to hold only the covering proof of the paths. The commit is right if the result
/// is the root that came before it, `prev_data`.
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
    let mut seen = BTreeSet::new();
    if let Some(op) = ops.iter().find(|op| !seen.insert(op.path.as_str())) {
        return Err(InvertError::RepeatedPath(op.path.clone()));
    }
    let mut tree = Tree::load(data).map_err(TreeError::from)?;
    for op in ops.iter().rev() {
        undo(&mut tree, source, op)?;
    }
    Ok(tree.flush().root)
}

fn undo<S: BlockSource>(tree: &mut Tree, source: &S, op: &Op) -> Result<(), InvertError<S::Error>> {
    let agrees = match op.action {
        Action::Create => op.cid.is_some() && op.prev.is_none(),
        Action::Delete => op.cid.is_none() && op.prev.is_some(),
        Action::Update => op.cid.is_some() && op.prev.is_some(),
    };
    let path = op.path.as_str();
    let found = match op.prev {
        _ if !agrees => return Err(InvertError::Op(op.path.clone())),
        Some(prev) => tree.insert(source, path, prev)?,
        None => tree.remove(source, path)?,
    };
    if found == op.cid { Ok(()) } else { Err(InvertError::Op(op.path.clone())) }
}
