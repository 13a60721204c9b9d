//! The strict reader of node blocks.
//!
//! A node is the DAG-CBOR map `{"e": [entries], "l": link or null}`, an entry the map `{"k": key
//! bytes after the prefix, "p": prefix length, "t": link or null, "v": link}`. The prefix is what a
//! key shares with the key before it in the same node.
//!
//! Specification: <https://atproto.com/specs/repository#mst-structure>

use alloc::vec::Vec;
use core::cmp::Ordering;
use core::ops::Range;

use cid::Cid;

use crate::digest::Digest;
use crate::key::{KeyError, MAX_KEY_BYTES, MAX_LEVEL, check_suffix, key_height};

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
    /// The encoded entries, one after the other.
    body: &'a [u8],
    count: usize,
    left: Option<&'a [u8; 32]>,
}

/// An entry of a node, read in place.
#[derive(Clone, Copy, Debug)]
pub struct EntryRef<'a> {
    /// How many bytes of the previous key in the node this one begins with.
    pub prefix_len: usize,
    /// The rest of the key.
    pub suffix: &'a [u8],
    value: &'a [u8; 32],
    right: Option<&'a [u8; 32]>,
}

impl<'a> NodeRef<'a> {
    /// Reads a node and checks all that can be seen in the block alone: encoding, kinds of CID,
    /// keys, their order and compression, and the limits. Not the heights of the keys: of what
    /// level a node is, is seen from above. To check, it writes out all keys, at most 900 KiB; what
    /// it returns borrows from the block.
    ///
    /// # Errors
    ///
    /// [`NodeError`] names the first rule broken.
    pub fn parse(block: &'a [u8]) -> Result<Self, NodeError> {
        Self::parse_into(block, &mut Vec::new(), |_, _, _| {})
    }

    /// Reads a node as [`Self::parse`] does and appends its keys to `keys`. `each` gets an entry,
    /// where its key lies, and where in the block the entry ends.
    ///
    /// An entry of 56 bytes can spell out a key of 1,024, so `keys` grows by less than 19 times the
    /// length of the block.
    pub(crate) fn parse_into(
        block: &'a [u8],
        keys: &mut Vec<u8>,
        mut each: impl FnMut(&EntryRef<'a>, Range<usize>, usize),
    ) -> Result<Self, NodeError> {
        if block.len() > MAX_NODE_BYTES {
            return Err(NodeError::Size);
        }
        let mut input = Input { rest: block };
        let offset = |input: &Input<'_>| block.len() - input.rest.len();
        let broken = |input: &Input<'_>| NodeError::Cbor(offset(input));
        let count = input.node_head().ok_or_else(|| broken(&input))?;
        if count > MAX_NODE_ENTRIES {
            return Err(NodeError::Count);
        }
        let start = offset(&input);
        let mut last = keys.len()..keys.len();
        let mut slash = 0;
        for _ in 0..count {
            let entry = input.entry().ok_or_else(|| broken(&input))?;
            entry.check_after(&keys[last.clone()])?;
            slash = check_suffix(slash, entry.prefix_len, entry.suffix)?;
            let key = keys.len();
            keys.extend_from_within(last.start..last.start + entry.prefix_len);
            keys.extend_from_slice(entry.suffix);
            last = key..keys.len();
            each(&entry, last.clone(), offset(&input));
        }
        let body = &block[start..offset(&input)];
        let left = input.node_tail().ok_or_else(|| broken(&input))?;
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
        NodeEntries { input: Input { rest: self.body } }
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

    /// Returns the level that the first key of a root gives it. Only that much of it is read.
    pub(crate) fn root_level(block: &'a [u8]) -> Result<u32, NodeError> {
        let mut input = Input { rest: block };
        let first = match input.node_head() {
            Some(1..) => input.entry(),
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

    /// Turns the previous key of the node into this one; begin with an empty `key`.
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
    input: Input<'a>,
}

impl<'a> NodeEntries<'a> {
    /// Goes on reading at `at` in a block that [`NodeRef::parse`] has accepted. What follows the
    /// entries ends them.
    pub(crate) fn resume(block: &'a [u8], at: usize) -> Self {
        Self { input: Input { rest: block.get(at..).unwrap_or_default() } }
    }

    /// Returns how much of the block is left.
    pub(crate) fn remaining(&self) -> usize {
        self.input.rest.len()
    }
}

impl<'a> Iterator for NodeEntries<'a> {
    type Item = EntryRef<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        // The block was read once before, so there is nothing else than entries and their end.
        self.input.entry()
    }
}

/// A cursor over the bytes of a block. What cannot be read is not taken.
#[derive(Clone, Copy, Debug)]
struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    #[inline(always)]
    fn node_head(&mut self) -> Option<usize> {
        self.literal(&MAP_E)?;
        self.head(ARRAY)
    }

    #[inline(always)]
    fn node_tail(&mut self) -> Option<Option<&'a [u8; 32]>> {
        self.literal(&field::L)?;
        let left = self.link_or_null()?;
        self.rest.is_empty().then_some(left)
    }

    #[inline(always)]
    fn entry(&mut self) -> Option<EntryRef<'a>> {
        self.literal(&ENTRY_K)?;
        let length = self.head(BYTES)?;
        let suffix = self.rest.split_off(..length)?;
        self.literal(&field::P)?;
        let prefix_len = self.head(UINT)?;
        self.literal(&field::T)?;
        let right = self.link_or_null()?;
        self.literal(&field::V)?;
        let value = self.link()?;
        Some(EntryRef { prefix_len, suffix, value, right })
    }

    #[inline(always)]
    fn link_or_null(&mut self) -> Option<Option<&'a [u8; 32]>> {
        if let [NULL, rest @ ..] = self.rest {
            self.rest = rest;
            return Some(None);
        }
        self.link().map(Some)
    }

    #[inline(always)]
    fn link(&mut self) -> Option<&'a [u8; 32]> {
        let (start, rest) = self.rest.split_first_chunk()?;
        let (digest, rest) = rest.split_first_chunk()?;
        if *start != LINK {
            return None;
        }
        self.rest = rest;
        Some(digest)
    }

    #[inline(always)]
    fn literal<const N: usize>(&mut self, expected: &[u8; N]) -> Option<()> {
        let (found, rest) = self.rest.split_first_chunk()?;
        if found != expected {
            return None;
        }
        self.rest = rest;
        Some(())
    }

    /// Reads the head of a value of this major type in its shortest form, up to 16 bits.
    #[inline(always)]
    fn head(&mut self, major: u8) -> Option<usize> {
        let (value, rest) = match *self.rest {
            [first, ref rest @ ..] if (first ^ major) < 24 => (u16::from(first ^ major), rest),
            [first, value @ 24..=255, ref rest @ ..] if first ^ major == 24 => {
                (u16::from(value), rest)
            }
            [first, high @ 1..=255, low, ref rest @ ..] if first ^ major == 25 => {
                (u16::from_be_bytes([high, low]), rest)
            }
            _ => return None,
        };
        self.rest = rest;
        Some(usize::from(value))
    }
}

/// Returns where in a block of a node the first of so many entries begins.
pub(crate) fn entries_at(count: usize) -> usize {
    let head = match count {
        0..24 => 1,
        24..256 => 2,
        _ => 3,
    };
    MAP_E.len() + head
}

/// Returns where in a block of a node the link to the subtree before all entries is encoded.
pub(crate) fn left_link_range(block_len: usize, linked: bool) -> Range<usize> {
    block_len - if linked { LINK_BYTES } else { 1 }..block_len
}

/// Returns where in a block the link to the right of an entry is encoded, by where the entry ends
/// and whether it has one.
pub(crate) fn right_link_range(entry_end: usize, linked: bool) -> Range<usize> {
    let end = entry_end - LINK_BYTES - field::V.len();
    end - if linked { LINK_BYTES } else { 1 }..end
}

/// Returns the digest of the link that ends here in a block.
pub(crate) fn digest_before(block: &[u8], end: usize) -> &[u8; 32] {
    let digest = block.get(..end).and_then(<[u8]>::last_chunk);
    digest.expect("a link ends where the parser found it")
}

pub(crate) const UINT: u8 = 0x00;
pub(crate) const BYTES: u8 = 0x40;
pub(crate) const ARRAY: u8 = 0x80;
pub(crate) const NULL: u8 = 0xf6;

/// The head of a node's map and its first key.
pub(crate) const MAP_E: [u8; 3] = [0xa2, 0x61, b'e'];

/// The head of an entry's map and its first key.
pub(crate) const ENTRY_K: [u8; 3] = [0xa4, 0x61, b'k'];

/// All of a link but its digest: tag 42, 37 bytes, identity multibase, CIDv1, DAG-CBOR, SHA-256, 32
/// bytes.
pub(crate) const LINK: [u8; 9] = [0xd8, 0x2a, 0x58, 0x25, 0x00, 0x01, 0x71, 0x12, 0x20];

/// The length of a link.
pub(crate) const LINK_BYTES: usize = LINK.len() + 32;

/// The other map keys, encoded.
pub(crate) mod field {
    pub(crate) const L: [u8; 2] = [0x61, b'l'];
    pub(crate) const P: [u8; 2] = [0x61, b'p'];
    pub(crate) const T: [u8; 2] = [0x61, b't'];
    pub(crate) const V: [u8; 2] = [0x61, b'v'];
}
