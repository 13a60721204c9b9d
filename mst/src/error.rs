//! Errors of reading and editing trees.

use cid::Cid;
use nacre_cbor::Digest;

use crate::key::KeyError;
use crate::node::NodeError;

/// Why a tree cannot be read or edited.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TreeError<E> {
    /// A node would have more than [`MAX_NODE_ENTRIES`](crate::MAX_NODE_ENTRIES) entries.
    #[error("a node has no room for another entry")]
    Full,
    /// A block does not match its CID.
    #[error("block {0} does not match its CID")]
    Hash(Cid),
    /// The argument is not a valid key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The argument is a CID that a tree cannot link to.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The source does not hold this block. If blocks are remote, fetch it and retry.
    #[error("block {0} is missing")]
    Missing(Cid),
    /// This block is not a valid node, or not valid at its place in the tree.
    #[error("block {0} is not a valid node")]
    Node(Cid, #[source] NodeError),
    /// The edits are not in strictly ascending order of keys.
    #[error("the edits do not ascend by key")]
    Order,
    /// The source failed.
    #[error("the block source failed")]
    Source(#[source] E),
}

/// A node that [`Steps`](crate::Steps) found invalid.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("node {node}: {error}")]
pub struct StepError {
    /// The CID of the node.
    pub node: Cid,
    /// The rule that the node breaks.
    pub error: NodeError,
}

impl<E> From<StepError> for TreeError<E> {
    fn from(StepError { node, error }: StepError) -> Self {
        Self::Node(node, error)
    }
}

/// A CID that a tree cannot link to, because it is not version 1, DAG-CBOR and SHA-256.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("cid {0} is not version 1, DAG-CBOR and SHA-256")]
pub struct LinkError(pub Cid);

impl NodeError {
    /// Adds the CID of the block.
    pub(crate) fn of<E>(self, block: Digest) -> TreeError<E> {
        TreeError::Node(block.to_cid(), self)
    }
}
