//! What can go wrong while a tree is read or changed.

use cid::Cid;

use crate::digest::Digest;
use crate::key::KeyError;
use crate::node::NodeError;

/// Why a tree could not be read or changed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TreeError<E> {
    /// A node's entries would be more than [`MAX_NODE_ENTRIES`](crate::MAX_NODE_ENTRIES).
    #[error("a node has no room for another entry")]
    Full,
    /// A block does not have the hash that its CID says.
    #[error("block {0} has another hash")]
    Hash(Cid),
    /// The argument is not a key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The argument is a CID that a tree cannot link to.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The source does not hold this block. Fetch it and repeat the call, where blocks come from
    /// afar.
    #[error("block {0} is missing")]
    Missing(Cid),
    /// This block is not a node, or not one that belongs where it stands.
    #[error("block {0} is not a valid node")]
    Node(Cid, #[source] NodeError),
    /// The edits do not ascend by key, or there are two for one.
    #[error("the edits do not ascend by key")]
    Order,
    /// The source failed.
    #[error("the block source failed")]
    Source(#[source] E),
}

/// A CID that is not version 1, DAG-CBOR and SHA-256, the only kind that a tree links to.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("cid {0} is not of the kind a tree links to")]
pub struct LinkError(pub Cid);

impl TryFrom<Cid> for Digest {
    type Error = LinkError;

    fn try_from(cid: Cid) -> Result<Self, LinkError> {
        Self::from_cid(&cid).ok_or(LinkError(cid))
    }
}

impl NodeError {
    /// Says in which block the error is.
    pub(crate) fn of<E>(self, block: Digest) -> TreeError<E> {
        TreeError::Node(block.to_cid(), self)
    }
}
