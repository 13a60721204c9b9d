//! A tree, identified by its root.

use cid::Cid;
use nacre_cbor::Digest;

use crate::digest::{EMPTY_ROOT, link_to};
use crate::error::{LinkError, TreeError};
use crate::key::key_level;
use crate::node::NodeError;
use crate::open::{Bounds, OpenNodes};
use crate::source::{BlockSource, fetch};

/// A Merkle Search Tree: a value that holds the CID of its root.
///
/// Operations take the source of blocks as an argument and read only the blocks that they need. An
/// edit returns a new tree and the blocks in which the two differ.
///
/// A failed operation has no effect. If a block is [`Missing`](TreeError::Missing), fetch it and
/// retry. [`Tree::needs`] returns many missing blocks at once.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Tree {
    pub(crate) root: Digest,
}

impl Tree {
    /// The empty tree. Its root is never read from a source.
    pub const EMPTY: Self = Self { root: EMPTY_ROOT };

    /// Returns the tree with this root. Reads nothing yet.
    ///
    /// # Errors
    ///
    /// [`LinkError`] if the CID cannot be the root of a tree.
    pub fn load(root: Cid) -> Result<Self, LinkError> {
        Ok(Self { root: link_to(root)? })
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
    /// [`TreeError`] if `key` is invalid, or a node on its path is missing or invalid.
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
        let mut next = Some(self.root).filter(|root| *root != EMPTY_ROOT);
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
