//! Builds a whole tree from sorted entries, keeping only its right edge in memory.

use alloc::vec::Vec;
use core::convert::Infallible;

use cid::Cid;

use crate::digest::Digest;
use crate::encode::NodeEncoder;
use crate::error::LinkError;
use crate::key::{KeyError, key_level, level_index};
use crate::node::MAX_NODE_ENTRIES;

/// Why a tree could not be built.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError<E = Infallible> {
    /// A node's entries would be more than [`MAX_NODE_ENTRIES`].
    #[error("a node has no room for another entry")]
    Full,
    /// A key is not one.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A record's CID is one that a tree cannot link to.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The keys do not ascend.
    #[error("the keys do not ascend")]
    Order,
    /// The sink failed.
    #[error("the block sink failed")]
    Sink(E),
}

/// Builds the tree of `entries`, which ascend by key, and returns its root.
///
/// Each node is given to `sink` once, after the nodes below it. Costs one hash a key and one a
/// node.
///
/// # Errors
///
/// [`BuildError`] at the first entry that cannot follow the ones before, or when the sink fails.
pub fn build<K: AsRef<str>, E>(
    entries: impl IntoIterator<Item = (K, Cid)>,
    sink: impl FnMut(Cid, Vec<u8>) -> Result<(), E>,
) -> Result<Cid, BuildError<E>> {
    let mut builder = Builder::new(sink);
    for (key, value) in entries {
        builder.push(key.as_ref(), value)?;
    }
    builder.finish()
}

/// A tree that grows at its right end.
#[derive(Debug)]
pub struct Builder<F> {
    sink: F,
    /// The node that is open on each level, from the bottom.
    levels: Vec<OpenNode>,
    last_key: Vec<u8>,
}

impl<E, F: FnMut(Cid, Vec<u8>) -> Result<(), E>> Builder<F> {
    /// Returns an empty tree that gives its nodes to `sink`.
    #[must_use]
    pub fn new(sink: F) -> Self {
        Self { sink, levels: Vec::new(), last_key: Vec::new() }
    }

    /// Appends an entry.
    ///
    /// # Errors
    ///
    /// [`BuildError`] if the entry cannot follow the ones before, or when the sink fails. After an
    /// error the tree is not to be used.
    pub fn push(&mut self, key: &str, value: Cid) -> Result<(), BuildError<E>> {
        let key = key.as_bytes();
        let level = level_index(key_level(key)?);
        let value = Digest::try_from(value)?;
        if key <= self.last_key.as_slice() {
            return Err(BuildError::Order);
        }
        if self.levels.len() <= level {
            self.levels.resize_with(level + 1, OpenNode::default);
        }
        self.close_below(level)?;
        self.levels[level].push(key, value)?;
        self.last_key.clear();
        self.last_key.extend_from_slice(key);
        Ok(())
    }

    /// Closes all nodes and returns the root.
    ///
    /// # Errors
    ///
    /// [`BuildError::Sink`] when the sink fails.
    pub fn finish(mut self) -> Result<Cid, BuildError<E>> {
        let top = self.levels.len().saturating_sub(1);
        self.close_below(top)?;
        let mut root = self.levels.pop().unwrap_or_default();
        Ok(self.write(root.close())?.to_cid())
    }

    /// Closes the open nodes below a level, each into the one above it.
    fn close_below(&mut self, level: usize) -> Result<(), BuildError<E>> {
        for below in 0..level {
            if !self.levels[below].is_empty() {
                let block = self.levels[below].close();
                let digest = self.write(block)?;
                self.levels[below + 1].attach(digest);
            }
        }
        Ok(())
    }

    fn write(&mut self, block: Vec<u8>) -> Result<Digest, BuildError<E>> {
        let digest = Digest::of(&block);
        (self.sink)(digest.to_cid(), block).map_err(BuildError::Sink)?;
        Ok(digest)
    }
}

#[derive(Debug, Default)]
struct OpenNode {
    encoder: NodeEncoder,
    left: Option<Digest>,
    /// The last entry, which waits for the subtree on its right.
    pending: Option<Pending>,
}

#[derive(Debug)]
struct Pending {
    key: Vec<u8>,
    value: Digest,
    right: Option<Digest>,
}

impl OpenNode {
    fn push<E>(&mut self, key: &[u8], value: Digest) -> Result<(), BuildError<E>> {
        self.settle();
        if self.encoder.count() >= MAX_NODE_ENTRIES {
            return Err(BuildError::Full);
        }
        self.pending = Some(Pending { key: key.to_vec(), value, right: None });
        Ok(())
    }

    /// Takes in the subtree after the last entry.
    fn attach(&mut self, subtree: Digest) {
        match &mut self.pending {
            Some(entry) => entry.right = Some(subtree),
            None => self.left = Some(subtree),
        }
    }

    fn is_empty(&self) -> bool {
        self.left.is_none() && self.pending.is_none()
    }

    fn close(&mut self) -> Vec<u8> {
        self.settle();
        self.encoder.finish(self.left.take())
    }

    fn settle(&mut self) {
        if let Some(Pending { key, value, right }) = self.pending.take() {
            self.encoder.push(&key, value, right);
        }
    }
}
