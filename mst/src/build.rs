//! Builds a whole tree from sorted entries, keeping only its right edge in memory.

use alloc::vec::Vec;
use core::convert::Infallible;
use core::ops::Range;

use cid::Cid;

use crate::digest::Digest;
use crate::encode::{write_end, write_key, write_links, write_start};
use crate::error::LinkError;
use crate::key::{KeyError, MAX_LEVEL, check_key, digest_height, level_index};
use crate::node::MAX_NODE_ENTRIES;
use crate::tree::Tree;

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

/// Builds the tree of `entries`, which ascend by key, and returns it.
///
/// Each node is given to `sink` once, after the nodes below it. Costs one hash a key and one a
/// node; memory is one node for each level.
///
/// # Errors
///
/// [`BuildError`] at the first entry that cannot follow the ones before, or when the sink fails.
pub fn build<K: AsRef<str>, E>(
    entries: impl IntoIterator<Item = (K, Cid)>,
    sink: impl FnMut(Cid, &[u8]) -> Result<(), E>,
) -> Result<Tree, BuildError<E>> {
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
    /// Entries that wait for their keys to be hashed together.
    waiting: Vec<(Range<usize>, Digest)>,
    /// Their keys; the last entry's is there even if none waits.
    keys: Vec<u8>,
    last_key: usize,
}

impl<E, F: FnMut(Cid, &[u8]) -> Result<(), E>> Builder<F> {
    /// Returns an empty tree that gives its nodes to `sink`.
    #[must_use]
    pub fn new(sink: F) -> Self {
        Self { sink, levels: Vec::new(), waiting: Vec::new(), keys: Vec::new(), last_key: 0 }
    }

    /// Appends an entry. A few are collected before they are put into nodes.
    ///
    /// # Errors
    ///
    /// [`BuildError`] if the entry, or one of the few before, cannot follow those before it, or
    /// when the sink fails. After an error the tree is not to be used.
    pub fn push(&mut self, key: &str, value: Cid) -> Result<(), BuildError<E>> {
        let key = key.as_bytes();
        check_key(key)?;
        let value = Digest::try_from(value)?;
        if key <= &self.keys[self.last_key..] {
            return Err(BuildError::Order);
        }
        if self.waiting.len() == WAITING {
            self.settle()?;
        }
        self.last_key = self.keys.len();
        self.keys.extend_from_slice(key);
        self.waiting.push((self.last_key..self.keys.len(), value));
        Ok(())
    }

    /// Closes all nodes and returns the tree.
    ///
    /// # Errors
    ///
    /// As for [`Self::push`].
    pub fn finish(mut self) -> Result<Tree, BuildError<E>> {
        self.settle()?;
        let top = self.levels.len().saturating_sub(1);
        self.close_below(top)?;
        let mut root = self.levels.pop().unwrap_or_default();
        Ok(Tree { root: root.close(&mut self.sink)? })
    }

    /// Puts the entries that wait into nodes.
    fn settle(&mut self) -> Result<(), BuildError<E>> {
        let waiting = core::mem::take(&mut self.waiting);
        let mut keys = core::mem::take(&mut self.keys);
        let mut heights = [0; WAITING];
        nacre_sha256::digest_each(
            waiting.iter().map(|(key, _)| &keys[key.clone()]),
            |index, digest| heights[index] = digest_height(&digest),
        );
        for ((key, value), height) in waiting.iter().zip(heights) {
            if height > MAX_LEVEL {
                return Err(KeyError::Height.into());
            }
            let level = level_index(height);
            if self.levels.len() <= level {
                self.levels.resize_with(level + 1, OpenNode::default);
            }
            self.close_below(level)?;
            self.levels[level].push(&keys[key.clone()], *value)?;
        }
        // The last key stays, for the next one to be compared with.
        keys.drain(..self.last_key);
        (self.keys, self.last_key) = (keys, 0);
        self.waiting = waiting;
        self.waiting.clear();
        Ok(())
    }

    /// Closes the open nodes below a level, each into the one above it.
    fn close_below(&mut self, level: usize) -> Result<(), BuildError<E>> {
        for below in 0..level {
            if !self.levels[below].is_empty() {
                let digest = self.levels[below].close(&mut self.sink)?;
                self.levels[below + 1].attach(digest);
            }
        }
        Ok(())
    }
}

/// A node that is being written.
#[derive(Debug)]
struct OpenNode {
    /// Room for the head, then the entries.
    block: Vec<u8>,
    count: usize,
    left: Option<Digest>,
    /// The record of the last entry, which stands behind a link that may still come.
    open_value: Option<Digest>,
    last_key: Vec<u8>,
}

impl OpenNode {
    fn push<E>(&mut self, key: &[u8], value: Digest) -> Result<(), BuildError<E>> {
        self.attach_right(None);
        if self.count >= MAX_NODE_ENTRIES {
            return Err(BuildError::Full);
        }
        write_key(&mut self.block, &self.last_key, key);
        self.count += 1;
        self.open_value = Some(value);
        self.last_key.clear();
        self.last_key.extend_from_slice(key);
        Ok(())
    }

    /// Takes in the subtree after the last entry.
    fn attach(&mut self, subtree: Digest) {
        if self.open_value.is_some() {
            self.attach_right(Some(subtree));
        } else {
            self.left = Some(subtree);
        }
    }

    /// Ends the last entry, if it is still open.
    fn attach_right(&mut self, right: Option<Digest>) {
        if let Some(value) = self.open_value.take() {
            write_links(&mut self.block, right, value);
        }
    }

    fn is_empty(&self) -> bool {
        self.left.is_none() && self.count == 0
    }

    /// Gives the block to the sink and is empty again.
    fn close<E>(
        &mut self,
        sink: &mut impl FnMut(Cid, &[u8]) -> Result<(), E>,
    ) -> Result<Digest, BuildError<E>> {
        self.attach_right(None);
        write_end(&mut self.block, self.left.take());
        let mut head = Vec::new();
        write_start(&mut head, self.count);
        let start = HEAD_ROOM - head.len();
        self.block[start..HEAD_ROOM].copy_from_slice(&head);
        let block = &self.block[start..];
        let digest = Digest::of(block);
        sink(digest.to_cid(), block).map_err(BuildError::Sink)?;
        self.block.truncate(HEAD_ROOM);
        self.last_key.clear();
        self.count = 0;
        Ok(digest)
    }
}

impl Default for OpenNode {
    fn default() -> Self {
        let block = Vec::from([0; HEAD_ROOM]);
        Self { block, count: 0, left: None, open_value: None, last_key: Vec::new() }
    }
}

/// The longest head of a node.
const HEAD_ROOM: usize = 6;
/// How many keys are hashed together.
const WAITING: usize = 16;
