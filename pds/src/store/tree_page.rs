//! Pages: the format in which rows hold nodes of the tree.
//!
//! The tree is cut below every level that is a multiple of [`PAGE_LEVELS`]. A page holds the top of
//! one subtree, down to the next cut: a few dozen nodes. A commit changes the nodes on the paths
//! to its records, so it rewrites one page per cut and path, in place.
//!
//! A page is a version byte followed by *parts* in pre-order. A part is either a node, or a
//! reference to the page whose top node belongs there:
//!
//! | bytes | in a node | in a reference |
//! |---|---|---|
//! | 4 | length of the node | 0 |
//! | 32 | digest of the node | digest of the other page's top node |
//! | 2 or 4 | number of parts in the node's subtree, itself included | number of the other page |
//! | the rest | the node | |

use cid::Cid;
use nacre_cbor::Digest;
use nacre_mst::{NodeError, NodeRef};
use nacre_syntax::RepoPath;

use crate::host::SqlError;

/// Number of tree levels on a page.
pub(super) const PAGE_LEVELS: u32 = 3;

/// Number of the page that holds the root node. It changes with every commit, so it is stored in
/// the `account` row, which every commit writes anyway.
pub(super) const ROOT_PAGE: i64 = 0;

const VERSION: u8 = 1;

/// Length above which a page takes no more subtrees, which then get their own pages. Only
/// maliciously chosen keys make a page this long.
const FULL_BYTES: usize = 512 * 1024;

/// A decoded page.
#[derive(Clone, Debug)]
pub(super) struct TreePage {
    /// Rev of the commit that last wrote the page; empty while that is unknown.
    pub(super) rev: String,
    pub(super) bytes: Vec<u8>,
    pub(super) parts: Vec<Part>,
}

/// A block that the tree has under a CID.
pub(crate) enum Found<'f> {
    /// A node and its bytes.
    Node(Cid, &'f [u8]),
    /// The path of a record.
    Record(RepoPath),
}

/// A node of a page, or a reference to another page.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    /// Digest of the node, or of the other page's top node.
    pub(super) digest: Digest,
    /// Offset of this part in the page.
    start: usize,
    pub(super) kind: PartKind,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum PartKind {
    /// A node: offset and length of its bytes, and the number of parts in its subtree.
    Node { at: usize, len: usize, parts: usize },
    /// A reference to the page of this number.
    Reference(i64),
}

impl TreePage {
    /// Creates an empty page.
    pub(super) fn new() -> Self {
        Self { rev: String::new(), bytes: vec![VERSION], parts: Vec::new() }
    }

    /// Decodes a page. Returns `None` if it is corrupt.
    pub(super) fn parse(rev: String, bytes: Vec<u8>) -> Option<Self> {
        let parts = Self::parse_parts(&bytes)?;
        Some(Self { rev, parts, bytes })
    }

    /// Decodes a page, and reports a corrupt one as an error of the database.
    pub(super) fn decode(rev: String, bytes: Vec<u8>) -> Result<Self, SqlError> {
        Self::parse(rev, bytes).ok_or_else(|| SqlError::other("a tree page is corrupt"))
    }

    fn parse_parts(bytes: &[u8]) -> Option<Vec<Part>> {
        let mut parts = Vec::with_capacity(bytes.len() / 256);
        let mut rest = bytes.strip_prefix(&[VERSION])?;
        while let Some((len, after)) = rest.split_first_chunk() {
            let start = bytes.len() - rest.len();
            let (digest, after) = after.split_first_chunk()?;
            let len = usize::try_from(u32::from_be_bytes(*len)).ok()?;
            let kind = if len == 0 {
                let (page, after) = after.split_first_chunk()?;
                rest = after;
                PartKind::Reference(u32::from_be_bytes(*page).into())
            } else {
                let (count, after) = after.split_first_chunk()?;
                rest = after.get(len..)?;
                let parts = u16::from_be_bytes(*count).into();
                PartKind::Node { at: bytes.len() - after.len(), len, parts }
            };
            parts.push(Part { digest: Digest(*digest), start, kind });
        }
        // Subtrees end within the page, and the page starts with a node.
        let is_valid = |(index, part): (usize, &Part)| match part.kind {
            PartKind::Node { parts: count, .. } => (1..=parts.len() - index).contains(&count),
            PartKind::Reference(_) => index > 0,
        };
        let is_whole = rest.is_empty() && !parts.is_empty();
        (is_whole && parts.iter().enumerate().all(is_valid)).then_some(parts)
    }

    /// Returns the digest of the top node.
    pub(super) fn top(&self) -> Option<Digest> {
        self.parts.first().map(|part| part.digest)
    }

    /// Returns the bytes of the node at this index of the parts.
    pub(super) fn node(&self, part: usize) -> Option<&[u8]> {
        match self.parts.get(part)?.kind {
            PartKind::Node { at, len, .. } => self.bytes.get(at..at + len),
            PartKind::Reference(_) => None,
        }
    }

    /// Searches this page for nodes and records. Removes the CIDs that it finds from `missing`,
    /// which must be sorted.
    pub(super) fn find(
        &self,
        missing: &mut Vec<Cid>,
        found: &mut impl FnMut(Found<'_>),
    ) -> Result<(), SqlError> {
        let broken = |error: NodeError| SqlError::other(error.to_string());
        let mut key = Vec::new();
        for (part, one) in self.parts.iter().enumerate() {
            let Some(bytes) = self.node(part) else { continue };
            let cid = one.digest.to_cid();
            if let Ok(at) = missing.binary_search(&cid) {
                missing.remove(at);
                found(Found::Node(cid, bytes));
            }
            key.clear();
            for entry in NodeRef::parse(bytes).map_err(broken)?.entries() {
                entry.extend_key(&mut key);
                let Ok(at) = missing.binary_search(&entry.value()) else { continue };
                let path =
                    core::str::from_utf8(&key).ok().and_then(|key| RepoPath::parse(key).ok());
                let path =
                    path.ok_or_else(|| SqlError::other("a tree key is not a repository path"))?;
                missing.remove(at);
                found(Found::Record(path.to_owned()));
            }
        }
        Ok(())
    }

    /// Appends a node and returns its index. Parts appended before [`Self::end_subtree`] are below
    /// it.
    pub(super) fn begin_subtree(&mut self, digest: Digest, node: &[u8]) -> usize {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&u32::try_from(node.len()).unwrap_or(0).to_be_bytes());
        self.bytes.extend_from_slice(&digest.0);
        self.bytes.extend_from_slice(&[0, 0]);
        let at = self.bytes.len();
        self.bytes.extend_from_slice(node);
        self.parts.push(Part {
            digest,
            start,
            kind: PartKind::Node { at, len: node.len(), parts: 0 },
        });
        self.parts.len() - 1
    }

    /// Ends the subtree of the node at this index.
    pub(super) fn end_subtree(&mut self, part: usize) {
        let count = self.parts.len() - part;
        if let Some(Part { kind: PartKind::Node { at, parts, .. }, .. }) = self.parts.get_mut(part)
        {
            *parts = count;
            let bytes = u16::try_from(count).unwrap_or(u16::MAX).to_be_bytes();
            self.bytes[*at - 2..*at].copy_from_slice(&bytes);
        }
    }

    /// Appends a reference to another page, whose top node has this digest.
    pub(super) fn push_reference(&mut self, digest: Digest, page: i64) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&digest.0);
        self.bytes.extend_from_slice(&u32::try_from(page).unwrap_or(0).to_be_bytes());
        self.parts.push(Part { digest, start, kind: PartKind::Reference(page) });
    }

    /// Appends the subtree of a node of another page.
    pub(super) fn copy_subtree(&mut self, from: &Self, part: usize) {
        let Some(Part { start, kind: PartKind::Node { parts, .. }, .. }) = from.parts.get(part)
        else {
            return;
        };
        let end = from.parts.get(part + parts).map_or(from.bytes.len(), |next| next.start);
        let base = self.bytes.len();
        let moved = |at: usize| at - start + base;
        let copied = from.parts[part..part + parts].iter().map(|part| Part {
            start: moved(part.start),
            kind: match part.kind {
                PartKind::Node { at, len, parts } => PartKind::Node { at: moved(at), len, parts },
                reference @ PartKind::Reference(_) => reference,
            },
            ..*part
        });
        self.parts.extend(copied);
        self.bytes.extend_from_slice(&from.bytes[*start..end]);
    }

    /// Returns whether the page takes no more subtrees.
    pub(super) fn is_full(&self) -> bool {
        self.bytes.len() > FULL_BYTES
    }
}
