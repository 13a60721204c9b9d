//! Walks over a whole tree or a range of it, checking every node on the way.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use cid::Cid;

use crate::digest::Digest;
use crate::error::TreeError;
use crate::node::{NodeEntries, NodeError};
use crate::source::BlockSource;
use crate::tree::{fetch, read};

/// One stop of a [`Walk`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Visit<'w> {
    /// A key and its record.
    Entry {
        /// The key.
        key: &'w str,
        /// The record.
        value: Cid,
    },
    /// A node. The subtree left of its first entry follows, then each entry and the subtree on its
    /// right.
    Node {
        /// The block's CID.
        cid: Cid,
        /// The block.
        bytes: &'w [u8],
        /// The level: how many nodes can follow on the way down.
        level: u32,
    },
}

/// A walk over a tree in pre-order, the order of blocks in a CAR that can be read as a stream.
///
/// Entries come in key order. Memory is one block for each level; the depth is at most
/// [`MAX_LEVEL`](crate::MAX_LEVEL) + 1. Everything is checked that a valid tree has to obey but the
/// hashes.
#[derive(Debug)]
pub struct Walk<'s, S> {
    source: &'s S,
    stack: Vec<Frame<'s>>,
    /// The subtree that comes next, with the level of the node above it.
    next: Option<(Digest, Option<u32>)>,
    /// The key where the walk begins, until it is reached.
    seek: Option<Vec<u8>>,
    last_key: String,
}

impl<'s, S: BlockSource> Walk<'s, S> {
    /// Begins a walk over the whole tree. Nothing is read yet.
    ///
    /// # Errors
    ///
    /// [`TreeError::Link`] for a CID that no tree has as its root.
    pub fn new(source: &'s S, root: Cid) -> Result<Self, TreeError<S::Error>> {
        let digest = Digest::try_from(root)?;
        let next = Some((digest, None));
        Ok(Self { source, stack: Vec::new(), next, seek: None, last_key: String::new() })
    }

    /// Leaves out the entries before `key`, and every subtree that holds only such entries.
    #[must_use]
    pub fn starting_at(mut self, key: &str) -> Self {
        self.seek = Some(key.as_bytes().to_vec());
        self
    }

    /// Goes on to the next stop. After an error the walk is over.
    pub fn step(&mut self) -> Option<Result<Visit<'_>, TreeError<S::Error>>> {
        match self.advance() {
            Ok(None) => None,
            Ok(Some(Stop::Entry(value))) => {
                Some(Ok(Visit::Entry { key: &self.last_key, value: value.to_cid() }))
            }
            Ok(Some(Stop::Node)) => {
                let Frame { digest, block, level, .. } = self.stack.last()?;
                Some(Ok(Visit::Node { cid: digest.to_cid(), bytes: block, level: *level }))
            }
            Err(error) => {
                self.stack.clear();
                self.next = None;
                Some(Err(error))
            }
        }
    }

    fn advance(&mut self) -> Result<Option<Stop>, TreeError<S::Error>> {
        if let Some((digest, parent_level)) = self.next.take() {
            self.enter(digest, parent_level)?;
            return Ok(Some(Stop::Node));
        }
        while let Some(frame) = self.stack.last_mut() {
            let mut entries = NodeEntries::resume(&frame.block, frame.at, frame.end);
            let Some(entry) = entries.next() else {
                self.stack.pop();
                continue;
            };
            entry.extend_key(&mut frame.key);
            frame.at = entries.offset();
            self.next = entry.right.map(|right| (right, Some(frame.level)));
            self.seek = None;
            let (value, cid) = (entry.value, frame.digest);
            let key = core::str::from_utf8(&frame.key).expect("keys are ASCII");
            // Ascending over the whole walk: no subtree reaches beyond the keys beside it.
            if key <= self.last_key.as_str() {
                return Err(TreeError::Node(cid.to_cid(), NodeError::Order));
            }
            self.last_key.clear();
            self.last_key.push_str(key);
            return Ok(Some(Stop::Entry(value)));
        }
        Ok(None)
    }

    /// Reads a node and makes it the top of the stack, at its beginning or where the walk shall
    /// begin.
    fn enter(&mut self, digest: Digest, parent: Option<u32>) -> Result<(), TreeError<S::Error>> {
        let block = fetch(self.source, digest)?;
        let (node, level) = read(digest, &block, parent)?;
        let (mut at, end) = node.body();
        let mut next = node.left_digest();
        let mut key = Vec::new();
        if let Some(seek) = &self.seek {
            let place = node.find(seek);
            at = place.at;
            // Everything before the key's own entry is below the key.
            next = place.before.filter(|_| place.entry.is_none());
            key.extend_from_slice(seek.get(..place.shared).unwrap_or(seek));
        }
        self.next = next.map(|digest| (digest, Some(level)));
        self.stack.push(Frame { digest, block, at, end, level, key });
        Ok(())
    }
}

/// The entries of a tree in key order.
#[derive(Debug)]
pub struct Entries<'s, S> {
    walk: Walk<'s, S>,
    prefix: String,
}

impl<'s, S: BlockSource> Entries<'s, S> {
    /// Returns all entries. Nothing is read yet.
    ///
    /// # Errors
    ///
    /// [`TreeError::Link`] for a CID that no tree has as its root.
    pub fn new(source: &'s S, root: Cid) -> Result<Self, TreeError<S::Error>> {
        Ok(Self { walk: Walk::new(source, root)?, prefix: String::new() })
    }

    /// Leaves out the entries before `key`; what lies only there is not read.
    #[must_use]
    pub fn starting_at(mut self, key: &str) -> Self {
        self.walk = self.walk.starting_at(key);
        self
    }

    /// Keeps the entries whose key begins with `prefix`, such as `app.bsky.feed.post/`.
    #[must_use]
    pub fn with_prefix(mut self, prefix: &str) -> Self {
        self.walk = self.walk.starting_at(prefix);
        self.prefix = String::from(prefix);
        self
    }
}

impl<S: BlockSource> Iterator for Entries<'_, S> {
    type Item = Result<(String, Cid), TreeError<S::Error>>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.walk.step()? {
                Ok(Visit::Node { .. }) => {}
                Ok(Visit::Entry { key, value }) if key.starts_with(&self.prefix) => {
                    return Some(Ok((String::from(key), value)));
                }
                Ok(Visit::Entry { .. }) => {
                    self.walk.stack.clear();
                    self.walk.next = None;
                    return None;
                }
                Err(error) => return Some(Err(error)),
            }
        }
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
pub fn verify<S: BlockSource>(source: &S, root: Cid) -> Result<u64, TreeError<S::Error>> {
    let mut walk = Walk::new(source, root)?;
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
#[derive(Debug)]
struct Frame<'s> {
    digest: Digest,
    block: Cow<'s, [u8]>,
    /// Where in the block the next entry begins, and where the last one ends.
    at: usize,
    end: usize,
    level: u32,
    key: Vec<u8>,
}

enum Stop {
    Entry(Digest),
    Node,
}
