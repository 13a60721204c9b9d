//! Errors of building a tree.

use core::convert::Infallible;

use crate::error::LinkError;
use crate::key::KeyError;

/// Why a tree cannot be built.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError<E = Infallible> {
    /// A node would have more than [`MAX_NODE_ENTRIES`](crate::MAX_NODE_ENTRIES) entries.
    #[error("a node has no room for another entry")]
    Full,
    /// A key is invalid.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A tree cannot link to this CID of a record.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The keys do not ascend strictly.
    #[error("the keys do not ascend")]
    Order,
    /// The sink failed.
    #[error("the block sink failed")]
    Sink(E),
}
