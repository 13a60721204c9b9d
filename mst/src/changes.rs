//! The result of an edit.

use alloc::vec::Vec;
use core::ops::Range;

use cid::Cid;
use nacre_cbor::Digest;

use crate::tree::Tree;

/// The result of an edit: the new tree, the nodes to add and drop, and the previous records.
///
/// A node that was changed and changed back is neither new nor retired.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Changes {
    /// The tree after the edit.
    pub tree: Tree,
    /// For each edit, in order, the CID of the record that was under its key.
    pub previous: Vec<Option<Cid>>,
    pub(crate) blocks: NewBlocks,
    pub(crate) retired: Vec<Digest>,
}

impl Changes {
    /// Returns the root of the tree after the edit.
    #[must_use]
    pub fn root(&self) -> Cid {
        self.tree.root()
    }

    /// Returns the new nodes in pre-order: the root first, each before the nodes below it, from
    /// left to right.
    #[must_use]
    pub fn new_blocks(&self) -> impl ExactSizeIterator<Item = (Cid, &[u8])> + Clone {
        self.new_digests().map(|(digest, bytes)| (digest.to_cid(), bytes))
    }

    /// Returns the nodes that are no longer part of the tree, each once, in unspecified order.
    ///
    /// After the first edit of [`Tree::EMPTY`] that is its root, which a store may never have held.
    #[must_use]
    pub fn retired(&self) -> impl ExactSizeIterator<Item = Cid> + Clone {
        self.retired.iter().map(|digest| digest.to_cid())
    }

    pub(crate) fn new_digests(&self) -> impl ExactSizeIterator<Item = (Digest, &[u8])> + Clone {
        self.blocks.list.iter().map(|(digest, at)| (*digest, &self.blocks.bytes[at.clone()]))
    }
}

/// Blocks in one buffer.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct NewBlocks {
    pub(crate) bytes: Vec<u8>,
    pub(crate) list: Vec<(Digest, Range<usize>)>,
}
