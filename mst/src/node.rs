//! The strict reader of node blocks, which copies nothing.
//!
//! A node is the DAG-CBOR map `{"e": [entries], "l": link or null}`, an entry the map `{"k": key
//! bytes after the prefix, "p": prefix length, "t": link or null, "v": link}`. The prefix is what a
//! key shares with the key before it in the same node, so keys can be compared in place: an entry
//! that shares more with its predecessor than the sought key does lies on the same side.
//!
//! Specification: <https://atproto.com/specs/repository#mst-structure>

use alloc::vec::Vec;

use cid::Cid;

use crate::digest::Digest;
use crate::key::{KeyError, MAX_KEY_BYTES, check_key, common_prefix, key_height, key_level};

/// The largest block that is read as a node.
pub const MAX_NODE_BYTES: usize = 1024 * 1024;

/// The most entries in one node. Four is the mean, and 200 in a row happens to nobody by chance
/// (one in 10^25), but keys can be mined. With the longest keys so many still fit
/// [`MAX_NODE_BYTES`].
pub const MAX_NODE_ENTRIES: usize = 900;

const _: () = assert!(MAX_NODE_ENTRIES * (MAX_KEY_BYTES + 97) + 56 <= MAX_NODE_BYTES);

/// What is wrong with the block of a node.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// The bytes at this offset are not what a node has there in canonical DAG-CBOR.
    #[error("not the canonical encoding of a node at byte {0}")]
    Cbor(usize),
    /// There are more than [`MAX_NODE_ENTRIES`] entries.
    #[error("a node has at most 900 entries")]
    Count,
    /// A node that is not the root has neither entry nor subtree.
    #[error("only the root may be empty")]
    Empty,
    /// A key's height is not the level of this node.
    #[error("a key has another height than the level of its node")]
    Height,
    /// An entry's key is not a key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A node of level 0 has a subtree.
    #[error("nothing lies below level 0")]
    Level,
    /// The keys do not ascend.
    #[error("the keys do not ascend")]
    Order,
    /// A prefix length is not what the key shares with the one before.
    #[error("a prefix is not the whole of what two keys share")]
    Prefix,
    /// The block is larger than [`MAX_NODE_BYTES`].
    #[error("a node has at most 1048576 bytes")]
    Size,
    /// The root has a subtree but no entry: a tree begins at its highest key.
    #[error("the root has a subtree but no entry")]
    Untrimmed,
}

/// A node, read in place.
#[derive(Clone, Copy, Debug)]
pub struct NodeRef<'a> {
    block: &'a [u8],
    body_start: usize,
    body_end: usize,
    count: usize,
    left: Option<Digest>,
}

/// An entry of a node, read in place.
#[derive(Clone, Copy, Debug)]
pub struct EntryRef<'a> {
    /// How many bytes of the previous key in the node this one begins with.
    pub prefix_len: usize,
    /// The rest of the key.
    pub suffix: &'a [u8],
    pub(crate) value: Digest,
    pub(crate) right: Option<Digest>,
}

/// Where a key stands in a node.
pub(crate) struct Place<'a> {
    /// The subtree before the key.
    pub(crate) before: Option<Digest>,
    /// The key's own entry, if the node has it.
    pub(crate) entry: Option<EntryRef<'a>>,
    /// Where in the block the first entry begins that is not below the key.
    pub(crate) at: usize,
    /// How many bytes of the key the entry before that one begins with.
    pub(crate) shared: usize,
}

impl<'a> NodeRef<'a> {
    /// Reads a node and checks all that can be seen in the block alone: encoding, kinds of CID,
    /// keys, their order and compression, and the limits.
    ///
    /// # Errors
    ///
    /// [`NodeError`] names the first rule broken.
    pub fn parse(block: &'a [u8]) -> Result<Self, NodeError> {
        if block.len() > MAX_NODE_BYTES {
            return Err(NodeError::Size);
        }
        let mut input = Input { bytes: block, at: 0 };
        input.literal(&MAP_E)?;
        let count = input.head(ARRAY)?;
        if count > MAX_NODE_ENTRIES {
            return Err(NodeError::Count);
        }
        let body_start = input.at;
        let mut key = Vec::new();
        for _ in 0..count {
            let entry = input.entry()?;
            entry.check_after(&key)?;
            entry.extend_key(&mut key);
            check_key(&key)?;
        }
        let body_end = input.at;
        input.literal(&field::L)?;
        let left = input.link_or_null()?;
        if input.at != block.len() {
            return Err(NodeError::Cbor(input.at));
        }
        Ok(Self { block, body_start, body_end, count, left })
    }

    /// Returns the subtree before the first entry.
    #[must_use]
    pub fn left(&self) -> Option<Cid> {
        self.left.map(Digest::to_cid)
    }

    /// Returns the entries in key order.
    #[must_use]
    pub fn entries(&self) -> NodeEntries<'a> {
        NodeEntries { input: Input { bytes: &self.block[..self.body_end], at: self.body_start } }
    }

    /// Returns the number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Returns whether there is neither an entry nor a subtree, as only in the root of an empty
    /// tree.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0 && self.left.is_none()
    }

    pub(crate) fn left_digest(&self) -> Option<Digest> {
        self.left
    }

    /// Returns where in the block the entries begin and end.
    pub(crate) fn body(&self) -> (usize, usize) {
        (self.body_start, self.body_end)
    }

    /// Checks that this may be a root, and returns its level.
    pub(crate) fn check_root(&self) -> Result<u32, NodeError> {
        let Some(first) = self.entries().next() else {
            return if self.left.is_none() { Ok(0) } else { Err(NodeError::Untrimmed) };
        };
        let level = key_level(first.suffix)?;
        self.check_level(level)?;
        Ok(level)
    }

    /// Checks that this may be a node at `level` below the root.
    pub(crate) fn check_level(&self, level: u32) -> Result<(), NodeError> {
        if self.is_empty() {
            return Err(NodeError::Empty);
        }
        if level == 0 && (self.left.is_some() || self.entries().any(|e| e.right.is_some())) {
            return Err(NodeError::Level);
        }
        let mut key = Vec::new();
        for entry in self.entries() {
            entry.extend_key(&mut key);
            if key_height(&key) != level {
                return Err(NodeError::Height);
            }
        }
        Ok(())
    }

    /// Finds where `key` is or would be, without building the keys.
    pub(crate) fn find(&self, key: &[u8]) -> Place<'a> {
        let mut entries = self.entries();
        let mut before = self.left;
        // How many bytes `key` shares with the entry before the current one, which is below it.
        let mut shared = 0;
        loop {
            let at = entries.input.at;
            let Some(entry) = entries.next() else {
                return Place { before, entry: None, at, shared };
            };
            if entry.prefix_len < shared {
                return Place { before, entry: None, at, shared };
            }
            if entry.prefix_len == shared {
                let rest = key.get(shared..).unwrap_or_default();
                match entry.suffix.cmp(rest) {
                    core::cmp::Ordering::Less => shared += common_prefix(entry.suffix, rest),
                    core::cmp::Ordering::Equal => {
                        return Place { before, entry: Some(entry), at, shared };
                    }
                    core::cmp::Ordering::Greater => {
                        return Place { before, entry: None, at, shared };
                    }
                }
            }
            before = entry.right;
        }
    }
}

impl EntryRef<'_> {
    /// Returns the record.
    #[must_use]
    pub fn value(&self) -> Cid {
        self.value.to_cid()
    }

    /// Returns the subtree between this entry and the next.
    #[must_use]
    pub fn right(&self) -> Option<Cid> {
        self.right.map(Digest::to_cid)
    }

    /// Turns the previous key of the node into this one; begin with an empty `key`.
    pub fn extend_key(&self, key: &mut Vec<u8>) {
        key.truncate(self.prefix_len);
        key.extend_from_slice(self.suffix);
    }

    /// Checks order and compression against the key before.
    fn check_after(&self, last: &[u8]) -> Result<(), NodeError> {
        if self.prefix_len > last.len() {
            return Err(NodeError::Prefix);
        }
        match (self.suffix.first(), last.get(self.prefix_len)) {
            (None, Some(_)) => Err(NodeError::Order),
            (None, None) if last.is_empty() => Err(NodeError::Key(KeyError::Parts)),
            (None, None) => Err(NodeError::Order),
            (Some(_), None) => Ok(()),
            (Some(next), Some(previous)) => match next.cmp(previous) {
                core::cmp::Ordering::Less => Err(NodeError::Order),
                core::cmp::Ordering::Equal => Err(NodeError::Prefix),
                core::cmp::Ordering::Greater => Ok(()),
            },
        }
    }
}

/// The entries of one node.
#[derive(Clone, Debug)]
pub struct NodeEntries<'a> {
    input: Input<'a>,
}

impl<'a> NodeEntries<'a> {
    /// Goes on reading at `at` in a block that [`NodeRef::parse`] has accepted.
    pub(crate) fn resume(block: &'a [u8], at: usize, end: usize) -> Self {
        Self { input: Input { bytes: block.get(..end).unwrap_or(block), at } }
    }

    /// Returns where in the block the next entry begins.
    pub(crate) fn offset(&self) -> usize {
        self.input.at
    }
}

impl<'a> Iterator for NodeEntries<'a> {
    type Item = EntryRef<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        // The block was read once before, so the only error left is its end.
        self.input.entry().ok()
    }
}

/// A cursor over the bytes of a block.
#[derive(Clone, Debug)]
struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Input<'a> {
    fn entry(&mut self) -> Result<EntryRef<'a>, NodeError> {
        self.literal(&[0xa4])?;
        self.literal(&field::K)?;
        let length = self.head(BYTES)?;
        let suffix = self.take(length)?;
        self.literal(&field::P)?;
        let prefix_len = self.head(UINT)?;
        self.literal(&field::T)?;
        let right = self.link_or_null()?;
        self.literal(&field::V)?;
        let value = self.link()?;
        Ok(EntryRef { prefix_len, suffix, value, right })
    }

    fn link_or_null(&mut self) -> Result<Option<Digest>, NodeError> {
        if self.bytes.get(self.at) == Some(&NULL) {
            self.at += 1;
            return Ok(None);
        }
        self.link().map(Some)
    }

    fn link(&mut self) -> Result<Digest, NodeError> {
        self.literal(&LINK)?;
        let at = self.at;
        let digest = self.take(32)?;
        digest.try_into().map(Digest).map_err(|_| NodeError::Cbor(at))
    }

    fn literal(&mut self, expected: &[u8]) -> Result<(), NodeError> {
        let at = self.at;
        if self.take(expected.len())? == expected { Ok(()) } else { Err(NodeError::Cbor(at)) }
    }

    /// Reads the head of a value of this major type in its shortest form, up to 16 bits.
    fn head(&mut self, major: u8) -> Result<usize, NodeError> {
        let at = self.at;
        let first = self.byte()?;
        if first & 0xe0 != major {
            return Err(NodeError::Cbor(at));
        }
        let (value, shortest) = match first & 0x1f {
            small @ 0..=23 => (u16::from(small), true),
            24 => {
                let value = u16::from(self.byte()?);
                (value, value > 23)
            }
            25 => {
                let value = u16::from_be_bytes([self.byte()?, self.byte()?]);
                (value, value > 255)
            }
            _ => return Err(NodeError::Cbor(at)),
        };
        if shortest { Ok(usize::from(value)) } else { Err(NodeError::Cbor(at)) }
    }

    fn byte(&mut self) -> Result<u8, NodeError> {
        let byte = *self.bytes.get(self.at).ok_or(NodeError::Cbor(self.at))?;
        self.at += 1;
        Ok(byte)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], NodeError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let taken = rest.get(..length).ok_or(NodeError::Cbor(self.at))?;
        self.at += length;
        Ok(taken)
    }
}

pub(crate) const UINT: u8 = 0x00;
pub(crate) const BYTES: u8 = 0x40;
pub(crate) const ARRAY: u8 = 0x80;
pub(crate) const NULL: u8 = 0xf6;

/// The head of a node's map and its first key.
pub(crate) const MAP_E: [u8; 3] = [0xa2, 0x61, b'e'];

/// All of a link but its digest: tag 42, 37 bytes, identity multibase, CIDv1, DAG-CBOR, SHA-256, 32
/// bytes.
pub(crate) const LINK: [u8; 9] = [0xd8, 0x2a, 0x58, 0x25, 0x00, 0x01, 0x71, 0x12, 0x20];

/// The map keys, encoded.
pub(crate) mod field {
    pub(crate) const K: [u8; 2] = [0x61, b'k'];
    pub(crate) const L: [u8; 2] = [0x61, b'l'];
    pub(crate) const P: [u8; 2] = [0x61, b'p'];
    pub(crate) const T: [u8; 2] = [0x61, b't'];
    pub(crate) const V: [u8; 2] = [0x61, b'v'];
}
