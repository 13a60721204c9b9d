//! A tree by its root, and what can be asked of it.

use alloc::vec::Vec;

use cid::Cid;

use crate::changes::Changes;
use crate::digest::Digest;
use crate::edit::{self, Edit};
use crate::error::{LinkError, TreeError};
use crate::key::key_level;
use crate::node::NodeError;
use crate::open::{Bounds, OpenNodes};
use crate::proof;
use crate::source::{BlockSource, fetch};

/// A Merkle Search Tree: no more than the CID of its root.
///
/// It is a value. Whatever reads it takes the source of its blocks as an argument, and reads only
/// what it needs; an edit leaves the tree alone and returns another one, with the blocks in which
/// the two differ. An edit that fails has done nothing, so where a block is
/// [`Missing`](TreeError::Missing), get it and repeat the call. [`Tree::needs`] tells many at once.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Tree {
    pub(crate) root: Digest,
}

impl Tree {
    /// The tree without entries. Its root is known, and never asked of a source.
    pub const EMPTY: Self = Self { root: Digest::EMPTY };

    /// Returns the tree with this root. Nothing is read before the first operation.
    ///
    /// # Errors
    ///
    /// [`LinkError`] for a CID that no tree has as its root.
    pub fn load(root: Cid) -> Result<Self, LinkError> {
        Ok(Self { root: Digest::try_from(root)? })
    }

    /// Returns the CID of the root.
    #[must_use]
    pub fn root(&self) -> Cid {
        self.root.to_cid()
    }

    /// Returns the CID of the record under `key`, or `None` if there is none.
    ///
    /// # Errors
    ///
    /// [`TreeError`] if `key` is not a key, or a block on the way is missing or not a node.
    pub fn get<S: BlockSource>(
        &self,
        source: &S,
        key: &str,
    ) -> Result<Option<Cid>, TreeError<S::Error>> {
        let key = key.as_bytes();
        let height = key_level(key)?;
        let mut nodes = OpenNodes::new(S::VERIFIED).with_room_for_a_path();
        let mut bounds = Bounds::default();
        let mut level = None;
        let mut next = Some(self.root).filter(|root| *root != Digest::EMPTY);
        while let Some(digest) = next {
            let block = fetch(source, digest)?;
            let node = nodes.open(&block, level, bounds).map_err(|e| e.of(digest))?;
            let slot = match nodes.find(&node, key) {
                Ok(_) if node.level != height => return Err(NodeError::Height.of(digest)),
                Ok(index) => {
                    let value = nodes.entries(&node)[index].value(&block);
                    return Ok(Some(value.to_cid()));
                }
                Err(_) if node.level <= height => return Ok(None),
                Err(slot) => slot,
            };
            bounds = nodes.slot_bounds(&node, slot, bounds);
            next = nodes.link(&block, &node, slot);
            level = node.level.checked_sub(1);
        }
        Ok(None)
    }

    /// Sets the record under `key`; `previous[0]` of the result is the one that was there.
    ///
    /// # Errors
    ///
    /// As for [`Self::apply`].
    pub fn insert<S: BlockSource>(
        &self,
        source: &S,
        key: &str,
        value: Cid,
    ) -> Result<Changes, TreeError<S::Error>> {
        self.apply(source, &[Edit::set(key, value)])
    }

    /// Removes the record under `key`; `previous[0]` of the result is the one that was there. If
    /// there was none, the tree is the same, and nothing is new or retired.
    ///
    /// # Errors
    ///
    /// As for [`Self::apply`].
    pub fn remove<S: BlockSource>(
        &self,
        source: &S,
        key: &str,
    ) -> Result<Changes, TreeError<S::Error>> {
        self.apply(source, &[Edit::remove(key)])
    }

    /// Makes edits, which ascend by key, all or none. Each node that they touch is read once, and
    /// written and hashed once.
    ///
    /// # Errors
    ///
    /// [`TreeError`] if the edits do not ascend, a key or a record is not one, a block that the
    /// edits touch is missing or not a node, or a node would grow over its limit.
    pub fn apply<S: BlockSource>(
        &self,
        source: &S,
        edits: &[Edit<'_>],
    ) -> Result<Changes, TreeError<S::Error>> {
        edit::apply(source, self.root, edits)
    }

    /// Returns the blocks to get next, so that [`get`](Self::get), [`apply`](Self::apply) and
    /// [`covering_proof`](crate::covering_proof) can work on `keys`. If there are none, all is
    /// there. For a source far away: a tree of a million entries takes about ten rounds, for any
    /// number of keys.
    ///
    /// # Errors
    ///
    /// [`TreeError`] if a key is not one or a block not a node. Never [`TreeError::Missing`].
    pub fn needs<S: BlockSource, K: AsRef<str>>(
        &self,
        source: &S,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<Vec<Cid>, TreeError<S::Error>> {
        proof::needs(source, self.root, keys)
    }
}

impl Default for Tree {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl NodeError {
    /// Says in which block the error is.
    pub(crate) fn of<E>(self, block: Digest) -> TreeError<E> {
        TreeError::Node(block.to_cid(), self)
    }
}
