//! Open nodes: checked, with expanded keys and a table of entries.

use alloc::vec::Vec;
use core::ops::Range;

use nacre_cbor::Digest;

use crate::key::{KeyError, MAX_LEVEL, digest_height, key_height};
use crate::node::{
    NodeError, NodeRef, digest_before, entries_at, left_link_range, right_link_range,
};

/// The nodes that an operation has open, in two shared buffers. They close in reverse order.
#[derive(Clone, Debug)]
pub(crate) struct OpenNodes {
    /// The bytes of all keys.
    keys: Vec<u8>,
    entries: Vec<OpenEntry>,
    /// Whether the heights of all keys are already verified.
    verified: bool,
}

/// A handle to an open node. It is valid until this node or an earlier one is closed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OpenNode {
    pub(crate) level: u32,
    /// Whether there is a subtree left of the first entry.
    has_left: bool,
    keys_start: usize,
    entries_start: usize,
    count: usize,
}

/// An entry of an open node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OpenEntry {
    pub(crate) key: Span,
    /// The offset of the end of the entry in the block.
    end: u32,
    /// Whether there is a link to the right.
    linked: bool,
}

/// The position of a key in [`OpenNodes::keys`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Span {
    start: u32,
    length: u16,
}

impl Span {
    fn new(range: Range<usize>) -> Self {
        let start = u32::try_from(range.start).expect("less than 4 GiB of keys");
        let length = u16::try_from(range.len()).expect("a key has at most 1024 bytes");
        Self { start, length }
    }

    fn range(self) -> Range<usize> {
        let start = usize::try_from(self.start).expect("it was a usize before");
        start..start + usize::from(self.length)
    }
}

/// The keys before and after a subtree.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Bounds {
    pub(crate) low: Option<Span>,
    pub(crate) high: Option<Span>,
}

impl OpenNodes {
    /// Returns an empty set. If the nodes are verified, the heights of keys are not checked again.
    pub(crate) fn new(verified: bool) -> Self {
        Self { keys: Vec::new(), entries: Vec::new(), verified }
    }

    /// Reserves memory for a path from the root to the bottom of a tree of usual size.
    pub(crate) fn with_room_for_a_path(self) -> Self {
        self.with_room(PATH_ENTRIES)
    }

    /// Reserves memory for this many entries with keys of usual length.
    pub(crate) fn with_room(mut self, entries: usize) -> Self {
        self.keys.reserve(entries * 32);
        self.entries.reserve(entries);
        self
    }

    /// Opens a node at `level`, or a root, whose level is the height of its keys. Checks the block,
    /// the bounds and, unless the nodes are verified, the height of each key.
    pub(crate) fn open(
        &mut self,
        block: &[u8],
        level: Option<u32>,
        bounds: Bounds,
    ) -> Result<OpenNode, NodeError> {
        let (keys_start, entries_start) = (self.keys.len(), self.entries.len());
        let Self { keys, entries, .. } = self;
        let parsed = NodeRef::parse_into(block, keys, |entry, key, end| {
            let end = u32::try_from(end).expect("a node has at most 1 MiB");
            entries.push(OpenEntry { key: Span::new(key), end, linked: entry.is_linked() });
        })?;
        let (has_left, count) = (parsed.has_left(), parsed.len());
        let mut node = OpenNode { level: 0, has_left, keys_start, entries_start, count };
        node.level = self.check_level(&node, level)?;
        self.check_bounds(&node, bounds)?;
        Ok(node)
    }

    /// Closes a node and all nodes opened after it.
    pub(crate) fn close(&mut self, node: &OpenNode) {
        self.keys.truncate(node.keys_start);
        self.entries.truncate(node.entries_start);
    }

    /// Stores a key that does not belong to a node.
    pub(crate) fn keep(&mut self, key: &[u8]) -> Span {
        let start = self.keys.len();
        self.keys.extend_from_slice(key);
        Span::new(start..self.keys.len())
    }

    pub(crate) fn key(&self, span: Span) -> &[u8] {
        &self.keys[span.range()]
    }

    pub(crate) fn entries(&self, node: &OpenNode) -> &[OpenEntry] {
        &self.entries[node.entries_start..node.entries_start + node.count]
    }

    /// Finds a key. Returns the index of its entry, or else the slot of its subtree as an error.
    pub(crate) fn find(&self, node: &OpenNode, key: &[u8]) -> Result<usize, usize> {
        self.entries(node).binary_search_by(|entry| self.key(entry.key).cmp(key))
    }

    /// Returns the bounds of the subtree in a slot, given the bounds of the node.
    pub(crate) fn slot_bounds(&self, node: &OpenNode, slot: usize, bounds: Bounds) -> Bounds {
        let entries = self.entries(node);
        let before = slot.checked_sub(1).and_then(|index| entries.get(index));
        Bounds {
            low: before.map(|entry| entry.key).or(bounds.low),
            high: entries.get(slot).map(|entry| entry.key).or(bounds.high),
        }
    }

    /// Returns the subtree in a slot.
    pub(crate) fn link(&self, block: &[u8], node: &OpenNode, slot: usize) -> Option<Digest> {
        self.link_bytes(block, node, slot).copied().map(Digest)
    }

    /// Returns the digest of the subtree in a slot, borrowed from the block.
    #[inline]
    pub(crate) fn link_bytes<'b>(
        &self,
        block: &'b [u8],
        node: &OpenNode,
        slot: usize,
    ) -> Option<&'b [u8; 32]> {
        match slot.checked_sub(1) {
            None => node.has_left.then(|| digest_before(block, block.len())),
            Some(index) => self.entries(node)[index].right(block),
        }
    }

    /// Returns the range of the link of a slot in the block.
    pub(crate) fn link_range(&self, block: &[u8], node: &OpenNode, slot: usize) -> Range<usize> {
        match slot.checked_sub(1) {
            None => left_link_range(block.len(), node.has_left),
            Some(index) => {
                let entry = &self.entries(node)[index];
                right_link_range(entry.end(), entry.linked)
            }
        }
    }

    fn check_level(&self, node: &OpenNode, level: Option<u32>) -> Result<u32, NodeError> {
        let entries = self.entries(node);
        if entries.is_empty() {
            return match (level, node.has_left) {
                (None, false) => Ok(0),
                (None, true) => Err(NodeError::Untrimmed),
                (Some(_), false) => Err(NodeError::Empty),
                (Some(0), true) => Err(NodeError::Level),
                (Some(level), true) => Ok(level),
            };
        }
        let level = match (level, self.verified) {
            (Some(level), true) => level,
            (None, true) => key_height(self.key(entries[0].key)),
            (level, false) => self.check_heights(entries, level)?,
        };
        if level > MAX_LEVEL {
            return Err(KeyError::Height.into());
        }
        if level == 0 && (node.has_left || entries.iter().any(|entry| entry.linked)) {
            return Err(NodeError::Level);
        }
        Ok(level)
    }

    /// Checks that all keys have the same height, and that it is `level` if that is given.
    fn check_heights(&self, entries: &[OpenEntry], level: Option<u32>) -> Result<u32, NodeError> {
        let mut expected = level;
        let mut agree = true;
        let keys = entries.iter().map(|entry| self.key(entry.key));
        nacre_sha256::digest_each(keys, |_, digest| {
            let height = digest_height(&digest);
            agree &= *expected.get_or_insert(height) == height;
        });
        expected.filter(|_| agree).ok_or(NodeError::Height)
    }

    fn check_bounds(&self, node: &OpenNode, bounds: Bounds) -> Result<(), NodeError> {
        let (Some(first), Some(last)) = (self.entries(node).first(), self.entries(node).last())
        else {
            return Ok(());
        };
        let above = bounds.low.is_none_or(|low| self.key(low) < self.key(first.key));
        let below = bounds.high.is_none_or(|high| self.key(last.key) < self.key(high));
        if above && below { Ok(()) } else { Err(NodeError::Order) }
    }
}

impl OpenNode {
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// Returns the offset of the first entry in the block.
    pub(crate) fn entries_at(&self) -> usize {
        entries_at(self.count)
    }
}

impl OpenEntry {
    /// Returns the offset of the end of the entry in the block.
    pub(crate) fn end(&self) -> usize {
        usize::try_from(self.end).expect("it was a usize before")
    }

    /// Returns the digest of the record, from the block of the entry's node.
    pub(crate) fn value(&self, block: &[u8]) -> Digest {
        Digest(*self.value_bytes(block))
    }

    /// Returns the digest of the record, borrowed from the block.
    #[inline]
    pub(crate) fn value_bytes<'b>(&self, block: &'b [u8]) -> &'b [u8; 32] {
        digest_before(block, self.end())
    }

    /// Returns the digest of the subtree to the right.
    #[inline]
    fn right<'b>(&self, block: &'b [u8]) -> Option<&'b [u8; 32]> {
        self.linked.then(|| digest_before(block, right_link_range(self.end(), true).end))
    }
}

/// The number of levels to reserve memory for, as in a tree of some million entries.
pub(crate) const LEVELS: usize = 12;

/// The number of entries on a path through these levels.
const PATH_ENTRIES: usize = 4 * LEVELS;
