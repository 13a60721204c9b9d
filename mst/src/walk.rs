//! Walks over a whole tree or the end of it, checking every node on the way.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use cid::Cid;

use crate::digest::{Digest, EMPTY_NODE};
use crate::error::TreeError;
use crate::node::{NodeEntries, NodeError};
use crate::open::{Bounds, LEVELS, OpenNodes};
use crate::source::{BlockSource, fetch};
use crate::tree::Tree;

/// A walk over a tree in pre-order, the order of blocks in a CAR that can be read as a stream, for
/// a caller that has the blocks as they come.
///
/// While a node is [`wanted`](Self::wanted), [`enter`](Self::enter) it; else take the
/// [`next_entry`](Self::next_entry). If there is none and nothing is wanted, the walk is done.
///
/// Entries come in key order. Kept is one block a level, in memory of its own only if the caller
/// gives it as [`Cow::Owned`]; the depth is at most [`MAX_LEVEL`](crate::MAX_LEVEL) + 1. Everything
/// is checked that a valid tree has to obey but the hashes.
#[derive(Clone, Debug)]
pub struct Steps<'b> {
    nodes: OpenNodes,
    stack: Vec<Frame<'b>>,
    /// The keys of the stack's nodes where the walk is in each, one behind the other.
    keys: Vec<u8>,
    /// The subtree that comes next, with its level.
    next: Option<(Digest, Option<u32>)>,
    /// The key where the walk begins, until it is reached.
    seek: Option<Vec<u8>>,
    last_key: String,
}

impl<'b> Steps<'b> {
    /// Begins a walk over a whole tree.
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

    /// Leaves out the entries before `key`, and every subtree that holds only such entries.
    #[must_use]
    pub fn starting_at(mut self, key: &str) -> Self {
        self.seek = Some(key.as_bytes().to_vec());
        self
    }

    /// Returns the node that the walk goes through next: give its block to [`Self::enter`]. If none
    /// is wanted, go on with [`Self::next_entry`]. For [`Tree::EMPTY`] that is its root, whose
    /// block is [`EMPTY_NODE`](crate::EMPTY_NODE), and which a CAR or store need not hold.
    #[must_use]
    pub fn wanted(&self) -> Option<Cid> {
        self.next.map(|(digest, _)| digest.to_cid())
    }

    /// Supplies the block of the node that is wanted. That it has the right hash is for the caller
    /// to know. Without a node wanted this does nothing.
    ///
    /// # Errors
    ///
    /// The CID of the node and what is wrong with it. The walk is then over.
    pub fn enter(&mut self, block: impl Into<Cow<'b, [u8]>>) -> Result<(), (Cid, NodeError)> {
        let Some((digest, level)) = self.next.take() else { return Ok(()) };
        self.open(level, block.into()).map_err(|error| self.fail((digest, error)))
    }

    /// Passes over the node that is wanted and all that is below it, whose entries are left out.
    /// Without a node wanted this does nothing.
    pub fn pass(&mut self) {
        self.next = None;
    }

    /// Returns what is linked from the node that the walk is in, and was not reached: records, and
    /// nodes. Who has to fetch blocks from far away can do it early and for many at once.
    pub fn upcoming(&self) -> impl Iterator<Item = Cid> {
        let here = self.next.map(|(digest, _)| digest);
        let entries = self.stack.last().map(|frame| NodeEntries::resume(&frame.block, frame.at));
        let links = entries.into_iter().flatten();
        let links = links.flat_map(|entry| [Some(entry.value_digest()), entry.right_digest()]);
        here.into_iter().chain(links.flatten()).map(Digest::to_cid)
    }

    /// Goes on to the next entry, and returns its key and record. While a node is wanted there is
    /// none, nor at the end.
    ///
    /// # Errors
    ///
    /// The CID of a node and what is wrong with it. The walk is then over.
    pub fn next_entry(&mut self) -> Result<Option<(&str, Cid)>, (Cid, NodeError)> {
        if self.next.is_some() {
            return Ok(None);
        }
        match self.advance() {
            Ok(value) => Ok(value.map(|value| (self.last_key.as_str(), value.to_cid()))),
            Err(error) => Err(self.fail(error)),
        }
    }

    /// Returns the node that the walk entered last, and its level.
    fn top(&self) -> Option<(&[u8], u32)> {
        self.stack.last().map(|frame| (&*frame.block, frame.level))
    }

    fn fail(&mut self, (digest, error): (Digest, NodeError)) -> (Cid, NodeError) {
        self.stop();
        (digest.to_cid(), error)
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
            // Opening the node has checked that there is a level below where there is a link.
            let below = frame.level.checked_sub(1);
            self.next = entry.right_digest().map(|right| (right, below));
            self.seek = None;
            let key = self.keys.get(frame.key_start..).unwrap_or_default();
            let key = core::str::from_utf8(key).expect("keys are ASCII");
            // Ascending over the whole walk: no subtree reaches beyond the keys beside it.
            if key <= self.last_key.as_str() {
                return Err((Digest::of(&frame.block), NodeError::Order));
            }
            self.last_key.clear();
            self.last_key.push_str(key);
            return Ok(Some(entry.value_digest()));
        }
        Ok(None)
    }

    /// Makes a node the top of the stack, at its beginning or where the walk shall begin.
    fn open(&mut self, level: Option<u32>, block: Cow<'b, [u8]>) -> Result<(), NodeError> {
        let node = self.nodes.open(&block, level, Bounds::default())?;
        let key_start = self.keys.len();
        let mut at = node.entries_at();
        let mut next = self.nodes.link(&block, &node, 0);
        if let Some(seek) = &self.seek {
            let place = self.nodes.find(&node, seek);
            let (Ok(slot) | Err(slot)) = place;
            // Everything before the key's own entry is below the key.
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

/// One stop of a [`Walk`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Visit<'w> {
    /// A key and its record.
    Entry {
        /// The whole key, put together from the prefixes that nodes leave out; greater than every
        /// key before it.
        key: &'w str,
        /// The CID of the record, whose block is not part of the tree.
        value: Cid,
    },
    /// A node. The subtree left of its first entry follows, then each entry and the subtree on its
    /// right.
    Node {
        /// The CID that the node above, or the commit, has for it.
        cid: Cid,
        /// Its DAG-CBOR as the source gave it: a parsed node, but not hashed here.
        bytes: &'w [u8],
        /// The level: how many nodes can follow on the way down.
        level: u32,
    },
}

/// [`Steps`] over the blocks of a source.
#[derive(Debug)]
pub struct Walk<'s, S> {
    source: &'s S,
    steps: Steps<'s>,
}

impl<'s, S: BlockSource> Walk<'s, S> {
    /// Begins a walk over a whole tree. Nothing is read yet.
    #[must_use]
    pub fn new(source: &'s S, tree: Tree) -> Self {
        Self { source, steps: Steps::new(tree) }
    }

    /// Leaves out the entries before `key`, and every subtree that holds only such entries.
    #[must_use]
    pub fn starting_at(mut self, key: &str) -> Self {
        self.steps = self.steps.starting_at(key);
        self
    }

    /// Goes on to the next stop. After an error the walk is over.
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
            Err((cid, error)) => Some(Err(TreeError::Node(cid, error))),
        }
    }

    /// Enters the next node, if one is wanted.
    fn enter(&mut self) -> Result<Option<Cid>, TreeError<S::Error>> {
        let Some((digest, _)) = self.steps.next else { return Ok(None) };
        let block = if digest == Digest::EMPTY {
            Cow::Borrowed(&EMPTY_NODE[..])
        } else {
            fetch(self.source, digest)?
        };
        self.steps.enter(block).map_err(|(cid, error)| TreeError::Node(cid, error))?;
        Ok(Some(digest.to_cid()))
    }
}

/// Checks a whole tree and returns the number of its entries.
///
/// Every node is hashed and held against all the rules: canonical encoding, ascending keys, the
/// height of each key, no level left out, no empty node, a root that begins at the highest key, the
/// limits. What passes is the one tree of its entries, so building it anew would give the same
/// root.
///
/// # Errors
///
/// [`TreeError`] names the first block that is missing or wrong.
pub fn verify<S: BlockSource>(source: &S, tree: Tree) -> Result<u64, TreeError<S::Error>> {
    let mut walk = Walk::new(source, tree);
    let mut count = 0;
    while let Some(visit) = walk.step() {
        match visit? {
            Visit::Entry { .. } => count += 1,
            Visit::Node { cid, bytes, .. } => {
                if Digest::of(bytes).to_cid() != cid {
                    return Err(TreeError::Hash(cid));
                }
            }
        }
    }
    Ok(count)
}

/// A node on the way from the root to where the walk is.
#[derive(Clone, Debug)]
struct Frame<'b> {
    block: Cow<'b, [u8]>,
    /// Where in the block the next entry begins.
    at: usize,
    level: u32,
    /// Where in [`Steps::keys`] the key of the last entry is.
    key_start: usize,
}

/// More entries than nearly every node has.
const NODE_ENTRIES: usize = 24;
