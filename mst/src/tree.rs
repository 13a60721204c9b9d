//! A tree by its root, and what can be asked of it.

use cid::Cid;

use crate::digest::Digest;
use crate::error::{LinkError, TreeError};
use crate::key::key_level;
use crate::node::NodeError;
use crate::open::{Bounds, OpenNodes};
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
}

impl Default for Tree {
    fn default() -> Self {
        Self::EMPTY
    }
}
