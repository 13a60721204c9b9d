//! A strict reader of nodes.
//!
//! A node is the DAG-CBOR map `{"e": [entries], "l": link or null}`. An entry is the map `{"k": key
//! bytes after the prefix, "p": prefix length, "t": link or null, "v": link}`. The prefix is the
//! part that a key shares with the key before it in the node.
//!
//! Specification: <https://atproto.com/specs/repository#mst-structure>

use alloc::vec::Vec;
use core::cmp::Ordering;
use core::ops::Range;

use cid::Cid;
use nacre_cbor::{Digest, LINK_START, MAX_HEAD_BYTES, Major, Reader, head_len};

use crate::key::{KeyError, MAX_KEY_BYTES, MAX_LEVEL, check_suffix, key_height};

/// The largest node, in bytes.
pub const MAX_NODE_BYTES: usize = 1024 * 1024;

/// The most entries in a node. The mean is four, and 200 occur by chance once in 10^25 nodes, but
/// keys can be mined. A node with this many of the longest keys fits [`MAX_NODE_BYTES`].
pub const MAX_NODE_ENTRIES: usize = 900;

const _: () = assert!(MAX_NODE_ENTRIES * (MAX_KEY_BYTES + 97) + 56 <= MAX_NODE_BYTES);

/// Why a block is not a valid node.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// The block is not the canonical encoding of a node at this offset.
    #[error("not the canonical encoding of a node at byte {0}")]
    Cbor(usize),
    /// The node has more than [`MAX_NODE_ENTRIES`] entries.
    #[error("a node has at most 900 entries")]
    Count,
    /// A node other than the root has neither an entry nor a subtree.
    #[error("only the root may be empty")]
    Empty,
    /// A key's height differs from the level of the node.
    #[error("a key's height differs from the level of its node")]
    Height,
    /// An entry's key is invalid.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A node of level 0 has a subtree.
    #[error("a node of level 0 has a subtree")]
    Level,
    /// The keys do not ascend.
    #[error("the keys do not ascend")]
    Order,
    /// A prefix length is not the length that the key shares with the one before.
    #[error("a prefix length does not match the key before")]
    Prefix,
    /// The block is larger than [`MAX_NODE_BYTES`].
    #[error("a node has at most 1048576 bytes")]
    Size,
    /// The root has a subtree but no entry, so it is above the level of the highest key.
    #[error("the root has a subtree but no entry")]
    Untrimmed,
}

/// A node, borrowed from its block.
#[derive(Clone, Copy, Debug)]
pub struct NodeRef<'a> {
    /// The encoded entries.
    body: &'a [u8],
    count: usize,
    left: Option<&'a [u8; 32]>,
}

/// An entry of a node, borrowed from its block.
#[derive(Clone, Copy, Debug)]
pub struct EntryRef<'a> {
    /// The number of bytes that the key shares with the previous key in the node.
    pub prefix_len: usize,
    /// The rest of the key.
    pub suffix: &'a [u8],
    value: &'a [u8; 32],
    right: Option<&'a [u8; 32]>,
}

impl<'a> NodeRef<'a> {
    /// Parses a node and checks it as far as the block alone allows: encoding, kinds of CID, keys,
    /// their order and compression, and the limits. The heights of keys depend on the level of the
    /// node and are not checked.
    ///
    /// Temporarily allocates all keys, at most 900 KiB. The result borrows from the block.
    ///
    /// # Errors
    ///
    /// [`NodeError`] names the first rule broken.
    pub fn parse(block: &'a [u8]) -> Result<Self, NodeError> {
        Self::parse_into(block, &mut Vec::new(), |_, _, _| {})
    }

    /// Parses a node like [`Self::parse`] and appends its keys to `keys`. Calls `each` with an
    /// entry, the range of its key in `keys`, and the end of the entry in the block.
    ///
    /// An entry of 56 bytes can expand to a key of 1,024, so `keys` grows by less than 19 times the
    /// length of the block.
    pub(crate) fn parse_into(
        block: &'a [u8],
        keys: &mut Vec<u8>,
        mut each: impl FnMut(&EntryRef<'a>, Range<usize>, usize),
    ) -> Result<Self, NodeError> {
        if block.len() > MAX_NODE_BYTES {
            return Err(NodeError::Size);
        }
        let mut reader = Reader::new(block);
        let broken = |reader: &Reader<'_>| NodeError::Cbor(reader.offset());
        let count = node_head(&mut reader).ok_or_else(|| broken(&reader))?;
        if count > MAX_NODE_ENTRIES {
            return Err(NodeError::Count);
        }
        let start = reader.offset();
        let mut last = keys.len()..keys.len();
        let mut slash = 0;
        for _ in 0..count {
            let entry = entry(&mut reader).ok_or_else(|| broken(&reader))?;
            entry.check_after(&keys[last.clone()])?;
            slash = check_suffix(slash, entry.prefix_len, entry.suffix)?;
            let key = keys.len();
            keys.extend_from_within(last.start..last.start + entry.prefix_len);
            keys.extend_from_slice(entry.suffix);
            last = key..keys.len();
            each(&entry, last.clone(), reader.offset());
        }
        let body = reader.since(start);
        let left = node_tail(&mut reader).ok_or_else(|| broken(&reader))?;
        Ok(Self { body, count, left })
    }

    /// Returns the subtree before the first entry.
    #[must_use]
    pub fn left(&self) -> Option<Cid> {
        self.left.map(|left| Digest(*left).to_cid())
    }

    /// Returns the entries in key order.
    #[must_use]
    pub fn entries(&self) -> NodeEntries<'a> {
        NodeEntries { reader: Reader::new(self.body) }
    }

    /// Returns the number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Returns whether the node has neither an entry nor a subtree. Only the root of an empty tree
    /// may.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0 && self.left.is_none()
    }

    /// Returns the level of a root, which is the height of its first key. Reads no further.
    pub(crate) fn root_level(block: &'a [u8]) -> Result<u32, NodeError> {
        let mut reader = Reader::new(block);
        let first = match node_head(&mut reader) {
            Some(1..) => entry(&mut reader),
            _ => None,
        };
        let Some(first) = first else {
            let node = Self::parse(block)?;
            let left = node.left.is_some();
            return Err(if left { NodeError::Untrimmed } else { NodeError::Empty });
        };
        let height = key_height(first.suffix);
        if height > MAX_LEVEL { Err(KeyError::Height.into()) } else { Ok(height) }
    }

    pub(crate) fn has_left(&self) -> bool {
        self.left.is_some()
    }
}

impl<'a> EntryRef<'a> {
    /// Returns the CID of the record.
    #[must_use]
    pub fn value(&self) -> Cid {
        self.value_digest().to_cid()
    }

    /// Returns the subtree between this entry and the next.
    #[must_use]
    pub fn right(&self) -> Option<Cid> {
        self.right_digest().map(Digest::to_cid)
    }

    /// Turns the previous key of the node into this one. Start with an empty `key`.
    pub fn extend_key(&self, key: &mut Vec<u8>) {
        key.truncate(self.prefix_len);
        key.extend_from_slice(self.suffix);
    }

    pub(crate) fn value_digest(&self) -> Digest {
        Digest(*self.value)
    }

    pub(crate) fn is_linked(&self) -> bool {
        self.right.is_some()
    }

    pub(crate) fn right_digest(&self) -> Option<Digest> {
        self.right.copied().map(Digest)
    }

    /// Checks order and compression against the key before.
    #[inline(always)]
    fn check_after(&self, last: &[u8]) -> Result<(), NodeError> {
        if self.prefix_len > last.len() {
            return Err(NodeError::Prefix);
        }
        match (self.suffix.first(), last.get(self.prefix_len)) {
            (None, None) if last.is_empty() => Err(NodeError::Key(KeyError::Parts)),
            (None, _) => Err(NodeError::Order),
            (Some(_), None) => Ok(()),
            (Some(next), Some(previous)) => match next.cmp(previous) {
                Ordering::Less => Err(NodeError::Order),
                Ordering::Equal => Err(NodeError::Prefix),
                Ordering::Greater => Ok(()),
            },
        }
    }
}

/// The entries of one node.
#[derive(Clone, Copy, Debug)]
pub struct NodeEntries<'a> {
    reader: Reader<'a>,
}

impl<'a> NodeEntries<'a> {
    /// Resumes at offset `at` of a block that [`NodeRef::parse`] has accepted. The end of the node
    /// ends the iteration.
    pub(crate) fn resume(block: &'a [u8], at: usize) -> Self {
        Self { reader: Reader::new(block.get(at..).unwrap_or_default()) }
    }

    /// Returns the number of bytes left in the block.
    pub(crate) fn remaining(&self) -> usize {
        self.reader.rest().len()
    }
}

impl<'a> Iterator for NodeEntries<'a> {
    type Item = EntryRef<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        // The block was parsed before, so a failure means the end of the entries.
        // A copy can stay in registers.
        let mut reader = self.reader;
        let entry = entry(&mut reader)?;
        self.reader = reader;
        Some(entry)
    }
}

/// Reads the start of a node, up to its entries, and returns their number.
#[inline(always)]
fn node_head(reader: &mut Reader<'_>) -> Option<usize> {
    literal(reader, &MAP_E)?;
    head(reader, Major::Array)
}

/// Reads the end of a node, after its entries, and returns its left link.
#[inline(always)]
fn node_tail<'a>(reader: &mut Reader<'a>) -> Option<Option<&'a [u8; 32]>> {
    literal(reader, &field::L)?;
    let left = link_or_null(reader)?;
    reader.is_at_end().then_some(left)
}

#[inline(always)]
fn entry<'a>(reader: &mut Reader<'a>) -> Option<EntryRef<'a>> {
    literal(reader, &ENTRY_K)?;
    let length = head(reader, Major::Bytes)?;
    let suffix = reader.take(u64::try_from(length).ok()?).ok()?;
    literal(reader, &field::P)?;
    let prefix_len = head(reader, Major::Unsigned)?;
    literal(reader, &field::T)?;
    let right = link_or_null(reader)?;
    literal(reader, &field::V)?;
    let value = reader.digest().ok()?;
    Some(EntryRef { prefix_len, suffix, value, right })
}

#[inline(always)]
fn link_or_null<'a>(reader: &mut Reader<'a>) -> Option<Option<&'a [u8; 32]>> {
    if reader.eat_null() { Some(None) } else { reader.digest().ok().map(Some) }
}

#[inline(always)]
fn literal<const N: usize>(reader: &mut Reader<'_>, expected: &[u8; N]) -> Option<()> {
    reader.eat(expected).then_some(())
}

/// Reads the head of a value of this type. The limits of a node keep all values within 16 bits.
#[inline(always)]
fn head(reader: &mut Reader<'_>, major: Major) -> Option<usize> {
    let mut ahead = *reader;
    let value = u16::try_from(ahead.head_of(major).ok()?).ok()?;
    *reader = ahead;
    Some(usize::from(value))
}

/// Returns the offset of the first entry in a node of `count` entries.
pub(crate) fn entries_at(count: usize) -> usize {
    MAP_E.len() + u64::try_from(count).map_or(MAX_HEAD_BYTES, head_len)
}

/// Returns the range of the left link in a node.
pub(crate) fn left_link_range(block_len: usize, linked: bool) -> Range<usize> {
    block_len - if linked { LINK_BYTES } else { 1 }..block_len
}

/// Returns the range of the right link of an entry that ends at `entry_end`.
pub(crate) fn right_link_range(entry_end: usize, linked: bool) -> Range<usize> {
    let end = entry_end - LINK_BYTES - field::V.len();
    end - if linked { LINK_BYTES } else { 1 }..end
}

/// Returns the digest of the link that ends at `end`.
pub(crate) fn digest_before(block: &[u8], end: usize) -> &[u8; 32] {
    let digest = block.get(..end).and_then(<[u8]>::last_chunk);
    digest.expect("a link ends where the parser found it")
}

/// The head of a node's map and its first key.
pub(crate) const MAP_E: [u8; 3] = [0xa2, 0x61, b'e'];

/// The head of an entry's map and its first key.
pub(crate) const ENTRY_K: [u8; 3] = [0xa4, 0x61, b'k'];

/// The length of a link.
pub(crate) const LINK_BYTES: usize = LINK_START.len() + 32;

/// The other map keys, encoded.
pub(crate) mod field {
    pub(crate) const L: [u8; 2] = [0x61, b'l'];
    pub(crate) const P: [u8; 2] = [0x61, b'p'];
    pub(crate) const T: [u8; 2] = [0x61, b't'];
    pub(crate) const V: [u8; 2] = [0x61, b'v'];
}
