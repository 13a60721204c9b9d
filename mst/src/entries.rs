//! Iterators over the entries of a tree, forwards and backwards.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use cid::Cid;
use nacre_cbor::Digest;

use crate::digest::EMPTY_ROOT;
use crate::error::TreeError;
use crate::open::{Bounds, OpenNode, OpenNodes};
use crate::source::{BlockSource, fetch};
use crate::tree::Tree;
use crate::walk::{Visit, Walk};

/// The entries of a tree in key order.
#[derive(Debug)]
pub struct Entries<'s, S> {
    walk: Option<Walk<'s, S>>,
    /// The greatest of the start keys and the prefix.
    start: String,
    prefix: String,
}

impl<'s, S: BlockSource> Entries<'s, S> {
    /// Returns all entries. Reads nothing yet.
    #[must_use]
    pub fn new(source: &'s S, tree: Tree) -> Self {
        let walk = Some(Walk::new(source, tree));
        Self { walk, start: String::new(), prefix: String::new() }
    }

    /// Skips the entries before `key`, without reading subtrees that hold only those.
    #[must_use]
    pub fn starting_at(mut self, key: &str) -> Self {
        if *key > *self.start {
            self.start = String::from(key);
            self.walk = self.walk.map(|walk| walk.starting_at(key));
        }
        self
    }

    /// Keeps only the entries whose key starts with `prefix`, such as `app.bsky.feed.post/`.
    #[must_use]
    pub fn with_prefix(mut self, prefix: &str) -> Self {
        self.prefix = String::from(prefix);
        self.starting_at(prefix)
    }
}

impl<S: BlockSource> Iterator for Entries<'_, S> {
    type Item = Result<(String, Cid), TreeError<S::Error>>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.walk.as_mut()?.step()? {
                Ok(Visit::Node { .. }) => {}
                Ok(Visit::Entry { key, value }) if key.starts_with(&self.prefix) => {
                    return Some(Ok((String::from(key), value)));
                }
                Ok(Visit::Entry { .. }) => {
                    self.walk = None;
                    return None;
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// The entries of a tree in descending key order.
#[derive(Debug)]
pub struct ReverseEntries<'s, S> {
    source: &'s S,
    nodes: OpenNodes,
    stack: Vec<Frame<'s>>,
    /// The next subtree, its level and the keys around it.
    next: Option<(Digest, Option<u32>, Bounds)>,
    /// Whether the iteration has not reached its first entry yet.
    seeking: bool,
    end: Option<String>,
    prefix: String,
}

impl<'s, S: BlockSource> ReverseEntries<'s, S> {
    /// Returns all entries. Reads nothing yet.
    #[must_use]
    pub fn new(source: &'s S, tree: Tree) -> Self {
        let root = Some(tree.root).filter(|root| *root != EMPTY_ROOT);
        Self {
            source,
            nodes: OpenNodes::new(false),
            stack: Vec::new(),
            next: root.map(|digest| (digest, None, Bounds::default())),
            seeking: true,
            end: None,
            prefix: String::new(),
        }
    }

    /// Skips the entries from `key` on, without reading subtrees that hold only those.
    #[must_use]
    pub fn ending_before(mut self, key: &str) -> Self {
        self.end = Some(String::from(key));
        self
    }

    /// Keeps only the entries whose key starts with `prefix`, such as `app.bsky.feed.post/`.
    #[must_use]
    pub fn with_prefix(mut self, prefix: &str) -> Self {
        self.prefix = String::from(prefix);
        self
    }

    fn advance(&mut self) -> Result<Option<(String, Cid)>, TreeError<S::Error>> {
        loop {
            if let Some((digest, level, bounds)) = self.next.take() {
                self.enter(digest, level, bounds)?;
                continue;
            }
            let Some(frame) = self.stack.last_mut() else { return Ok(None) };
            let Some(index) = frame.entries_left.checked_sub(1) else {
                self.nodes.close(&frame.node);
                self.stack.pop();
                continue;
            };
            frame.entries_left = index;
            let entry = self.nodes.entries(&frame.node)[index];
            let bounds = self.nodes.slot_bounds(&frame.node, index, frame.bounds);
            let left = self.nodes.link(&frame.block, &frame.node, index);
            self.next = left.map(|digest| (digest, frame.node.level.checked_sub(1), bounds));
            self.seeking = false;
            let key = String::from_utf8_lossy(self.nodes.key(entry.key)).into_owned();
            if !key.starts_with(&self.prefix) {
                return Ok(None);
            }
            return Ok(Some((key, entry.value(&frame.block).to_cid())));
        }
    }

    fn enter(
        &mut self,
        digest: Digest,
        level: Option<u32>,
        bounds: Bounds,
    ) -> Result<(), TreeError<S::Error>> {
        let block = fetch(self.source, digest)?;
        let node = self.nodes.open(&block, level, bounds).map_err(|error| error.of(digest))?;
        let prefix = self.prefix.as_bytes();
        let slot = self.nodes.entries(&node).partition_point(|entry| {
            let key = self.nodes.key(entry.key);
            let before_end = self.end.as_ref().is_none_or(|end| key < end.as_bytes());
            !self.seeking || before_end && (key < prefix || key.starts_with(prefix))
        });
        let link = self.nodes.link(&block, &node, slot);
        let below = self.nodes.slot_bounds(&node, slot, bounds);
        self.next = link.map(|digest| (digest, node.level.checked_sub(1), below));
        self.stack.push(Frame { block, node, bounds, entries_left: slot });
        Ok(())
    }
}

impl<S: BlockSource> Iterator for ReverseEntries<'_, S> {
    type Item = Result<(String, Cid), TreeError<S::Error>>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.advance().transpose();
        if !matches!(next, Some(Ok(_))) {
            self.stack.clear();
            self.next = None;
        }
        next
    }
}

/// A node on the path from the root to the current position.
#[derive(Debug)]
struct Frame<'s> {
    block: Cow<'s, [u8]>,
    node: OpenNode,
    bounds: Bounds,
    /// The number of entries of the node still to come.
    entries_left: usize,
}
