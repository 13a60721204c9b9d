//! Walks in pre-order, which check every node on the way.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use cid::Cid;
use nacre_cbor::Digest;

use crate::digest::{EMPTY_NODE, EMPTY_ROOT, digest_of};
use crate::error::{StepError, TreeError};
use crate::node::{NodeEntries, NodeError};
use crate::open::{Bounds, LEVELS, OpenNodes};
use crate::source::{BlockSource, fetch};
use crate::tree::Tree;

/// A walk over a tree in pre-order for a caller that supplies the blocks.
///
/// Pre-order is the order of blocks in a CAR that can be read as a stream. While a node is
/// [`wanted`](Self::wanted), [`enter`](Self::enter) it; otherwise take the
/// [`next_entry`](Self::next_entry). The walk is done when no node is wanted and there is no entry.
///
/// Entries come in key order. The walk holds one block a level, at most
/// [`MAX_LEVEL`](crate::MAX_LEVEL) + 1. It checks all rules of a valid tree except the hashes of
/// blocks.
#[derive(Clone, Debug)]
pub struct Steps<'b> {
    nodes: OpenNodes,
    stack: Vec<Frame<'b>>,
    /// The current key in each node of the stack, concatenated.
    keys: Vec<u8>,
    /// The next subtree and its level.
    next: Option<(Digest, Option<u32>)>,
    /// The key to start at, until the walk reaches it.
    seek: Option<Vec<u8>>,
    last_key: String,
}

impl<'b> Steps<'b> {
    /// Starts a walk over a whole tree.
    #[must_use]
    pub fn new(tree: Tree) -> Self {
        Self {
            nodes: OpenNodes::new(false).with_room(NODE_ENTRIES),
            stack: Vec::with_capacity(LEVELS),
            keys: Vec::with_capacity(NODE_ENTRIES * 16),
            next: Some((tree.root, None)),
            seek: None,
            last_key: String::new(),
        }
    }

    /// Skips the entries before `key`, without reading subtrees that hold only those.
    #[must_use]
    pub fn starting_at(mut self, key: &str) -> Self {
        self.seek = Some(key.as_bytes().to_vec());
        self
    }

    /// Returns the CID of the node that [`Self::enter`] needs next, or `None` if
    /// [`Self::next_entry`] comes next.
    ///
    /// For [`Tree::EMPTY`] that is its root, whose block is [`EMPTY_NODE`](crate::EMPTY_NODE). A
    /// CAR or store may omit it.
    #[must_use]
    pub fn wanted(&self) -> Option<Cid> {
        self.next.map(|(digest, _)| digest.to_cid())
    }

    /// Supplies the block of the wanted node. Does nothing if no node is wanted.
    ///
    /// The caller must have checked that the block matches its CID.
    ///
    /// # Errors
    ///
    /// [`StepError`] if the block is not a valid node. The walk is then over.
    pub fn enter(&mut self, block: impl Into<Cow<'b, [u8]>>) -> Result<(), StepError> {
        let Some((digest, level)) = self.next.take() else { return Ok(()) };
        self.open(level, block.into()).map_err(|error| self.fail((digest, error)))
    }

    /// Skips the wanted node and its subtree. Does nothing if no node is wanted.
    pub fn skip(&mut self) {
        self.next = None;
    }

    /// Returns the CIDs of the records and nodes that the current node links to and the walk has
    /// not reached yet, for prefetching.
    pub fn upcoming(&self) -> impl Iterator<Item = Cid> {
        let here = self.next.map(|(digest, _)| digest);
        let entries = self.stack.last().map(|frame| NodeEntries::resume(&frame.block, frame.at));
        let links = entries.into_iter().flatten();
        let links = links.flat_map(|entry| [Some(entry.value_digest()), entry.right_digest()]);
        here.into_iter().chain(links.flatten()).map(Digest::to_cid)
    }

    /// Advances to the next entry and returns its key and the CID of its record. Returns `None`
    /// while a node is wanted, and at the end.
    ///
    /// # Errors
    ///
    /// [`StepError`] if a node is invalid. The walk is then over.
    pub fn next_entry(&mut self) -> Result<Option<(&str, Cid)>, StepError> {
        if self.next.is_some() {
            return Ok(None);
        }
        match self.advance() {
            Ok(value) => Ok(value.map(|value| (self.last_key.as_str(), value.to_cid()))),
            Err(error) => Err(self.fail(error)),
        }
    }

    /// Returns the last entered node and its level.
    fn top(&self) -> Option<(&[u8], u32)> {
        self.stack.last().map(|frame| (&*frame.block, frame.level))
    }

    fn fail(&mut self, (digest, error): (Digest, NodeError)) -> StepError {
        self.stop();
        StepError { node: digest.to_cid(), error }
    }

    fn stop(&mut self) {
        self.stack.clear();
        self.next = None;
    }

    fn advance(&mut self) -> Result<Option<Digest>, (Digest, NodeError)> {
        while let Some(frame) = self.stack.last_mut() {
            let mut entries = NodeEntries::resume(&frame.block, frame.at);
            let Some(entry) = entries.next() else {
                self.keys.truncate(frame.key_start);
                self.stack.pop();
                continue;
            };
            self.keys.truncate(frame.key_start + entry.prefix_len);
            self.keys.extend_from_slice(entry.suffix);
            frame.at = frame.block.len() - entries.remaining();
            // `open` has checked that a node with links is above level 0.
            let below = frame.level.checked_sub(1);
            self.next = entry.right_digest().map(|right| (right, below));
            self.seek = None;
            let key = self.keys.get(frame.key_start..).unwrap_or_default();
            let key = core::str::from_utf8(key).expect("keys are ASCII");
            // Keys ascend over the whole walk, so no subtree reaches beyond the keys beside it.
            if key <= self.last_key.as_str() {
                return Err((digest_of(&frame.block), NodeError::Order));
            }
            self.last_key.clear();
            self.last_key.push_str(key);
            return Ok(Some(entry.value_digest()));
        }
        Ok(None)
    }

    /// Pushes a node onto the stack, positioned at its first entry or at the key to start at.
    fn open(&mut self, level: Option<u32>, block: Cow<'b, [u8]>) -> Result<(), NodeError> {
        let node = self.nodes.open(&block, level, Bounds::default())?;
        let key_start = self.keys.len();
        let mut at = node.entries_at();
        let mut next = self.nodes.link(&block, &node, 0);
        if let Some(seek) = &self.seek {
            let place = self.nodes.find(&node, seek);
            let (Ok(slot) | Err(slot)) = place;
            // The subtree before the key's own entry only holds smaller keys.
            next = self.nodes.link(&block, &node, slot).filter(|_| place.is_err());
            if let Some(before) = slot.checked_sub(1) {
                let entry = self.nodes.entries(&node)[before];
                at = entry.end();
                self.keys.extend_from_slice(self.nodes.key(entry.key));
            }
        }
        self.nodes.close(&node);
        self.next = next.map(|digest| (digest, node.level.checked_sub(1)));
        self.stack.push(Frame { block, at, level: node.level, key_start });
        Ok(())
    }
}

/// A step of a [`Walk`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Visit<'w> {
    /// A key and its record.
    Entry {
        /// The full key. Keys ascend strictly.
        key: &'w str,
        /// The CID of the record.
        value: Cid,
    },
    /// A node. The subtree left of its first entry follows, then each entry and the subtree to its
    /// right.
    Node {
        /// The CID of the node, as its parent or the commit has it.
        cid: Cid,
        /// The block from the source: a valid node, but not hashed here.
        bytes: &'w [u8],
        /// The level of the node, which is 0 at the bottom.
        level: u32,
    },
}

/// A walk over a tree in pre-order that reads blocks from a source.
#[derive(Debug)]
pub struct Walk<'s, S> {
    source: &'s S,
    steps: Steps<'s>,
}

impl<'s, S: BlockSource> Walk<'s, S> {
    /// Starts a walk over a whole tree. Reads nothing yet.
    #[must_use]
    pub fn new(source: &'s S, tree: Tree) -> Self {
        Self { source, steps: Steps::new(tree) }
    }

    /// Skips the entries before `key`, without reading subtrees that hold only those.
    #[must_use]
    pub fn starting_at(mut self, key: &str) -> Self {
        self.steps = self.steps.starting_at(key);
        self
    }

    /// Advances to the next step. Returns `None` at the end, and after an error.
    pub fn step(&mut self) -> Option<Result<Visit<'_>, TreeError<S::Error>>> {
        let entered = match self.enter() {
            Ok(entered) => entered,
            Err(error) => {
                self.steps.stop();
                return Some(Err(error));
            }
        };
        if let Some(cid) = entered {
            let (bytes, level) = self.steps.top()?;
            return Some(Ok(Visit::Node { cid, bytes, level }));
        }
        match self.steps.next_entry() {
            Ok(entry) => entry.map(|(key, value)| Ok(Visit::Entry { key, value })),
            Err(error) => Some(Err(error.into())),
        }
    }

    /// Enters the wanted node, if any.
    fn enter(&mut self) -> Result<Option<Cid>, TreeError<S::Error>> {
        let Some((digest, _)) = self.steps.next else { return Ok(None) };
        let block = if digest == EMPTY_ROOT {
            Cow::Borrowed(&EMPTY_NODE[..])
        } else {
            fetch(self.source, digest)?
        };
        self.steps.enter(block)?;
        Ok(Some(digest.to_cid()))
    }
}

/// Verifies a whole tree and returns the number of its entries.
///
/// Hashes every node and checks all rules: canonical encoding, ascending keys, the height of each
/// key, no skipped level, no empty node, a root at the level of the highest key, the limits. A tree
/// that passes is the only one of its entries: rebuilding it gives the same root.
///
/// # Errors
///
/// [`TreeError`] names the first block that is missing or invalid.
pub fn verify<S: BlockSource>(source: &S, tree: Tree) -> Result<u64, TreeError<S::Error>> {
    let mut walk = Walk::new(source, tree);
    let mut count = 0;
    while let Some(visit) = walk.step() {
        match visit? {
            Visit::Entry { .. } => count += 1,
            Visit::Node { cid, bytes, .. } => {
                if digest_of(bytes).to_cid() != cid {
                    return Err(TreeError::Hash(cid));
                }
            }
        }
    }
    Ok(count)
}

/// A node on the path from the root to the current position.
#[derive(Clone, Debug)]
struct Frame<'b> {
    block: Cow<'b, [u8]>,
    /// The offset of the next entry in the block.
    at: usize,
    level: u32,
    /// The offset of the last entry's key in [`Steps::keys`].
    key_start: usize,
}

/// More entries than nearly every node has.
const NODE_ENTRIES: usize = 24;
