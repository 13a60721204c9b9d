//! Pages: how the nodes of the tree lie in rows.
//!
//! The tree is cut below every level that is a multiple of [`LEVELS`], so that a page holds the top
//! of a subtree, up to so many levels of it: some dozens of nodes. A commit changes the nodes on
//! the way down to its records, which is one page for each cut, rewritten in place.
//!
//! A page is a version, one byte, and then its *parts*, each before those below it, from left to
//! right. A part begins with a length of four bytes and a digest. A length that is not
//! zero is that of a node, whose bytes follow behind the number of parts in its subtree, itself
//! among them, in two bytes; zero is for a node on another page, whose number follows in four.

use core::hash::{BuildHasherDefault, Hash, Hasher};
use std::collections::HashMap;

use cid::Cid;
use cid::multihash::Multihash;
use nacre_mst::{NodeError, NodeRef};
use nacre_syntax::RepoPath;

use crate::host::SqlError;

/// How many levels a page has.
pub(super) const LEVELS: u32 = 3;

/// The page of the root, which changes with every commit, as the `account` row does that it is in.
pub(super) const ROOT: i64 = 0;

const VERSION: u8 = 1;

/// A page that is longer takes no more subtrees, which then have pages of their own. Only keys that
/// somebody has searched for come to that.
const FULL_BYTES: usize = 512 * 1024;

/// What the CID of a node does not share with others.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Digest(pub(super) [u8; 32]);

/// A map by digests, which need no hashing of their own.
pub(super) type ByDigest<T> = HashMap<Digest, T, BuildHasherDefault<FirstBytes>>;

/// Hashes a digest to its first bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FirstBytes(u64);

/// A page in memory.
#[derive(Clone, Debug)]
pub(super) struct Page {
    /// The rev of the commit that wrote it last; empty until that is known.
    pub(super) rev: String,
    pub(super) bytes: Vec<u8>,
    pub(super) parts: Vec<Part>,
}

/// What a CID is in the tree.
pub(crate) enum Found<'f> {
    Node(Cid, &'f [u8]),
    Record(RepoPath),
}

/// A node of a page, or one that is on another page.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) digest: Digest,
    /// Where in the page's bytes this part begins.
    start: usize,
    pub(super) place: Place,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// On this page: where its bytes are, and how many parts are in its subtree.
    Here { at: usize, len: usize, parts: usize },
    /// On another page.
    Elsewhere(i64),
}

impl Page {
    /// Makes a page that has nothing yet.
    pub(super) fn new() -> Self {
        Self { rev: String::new(), bytes: vec![VERSION], parts: Vec::new() }
    }

    /// Decodes a page, or returns `None` if it is corrupt.
    pub(super) fn parse(rev: String, bytes: Vec<u8>) -> Option<Self> {
        let parts = Self::parts_of(&bytes)?;
        Some(Self { rev, parts, bytes })
    }

    /// Decodes a page where a corrupt one is a fault of the database.
    pub(super) fn decode(rev: String, bytes: Vec<u8>) -> Result<Self, SqlError> {
        Self::parse(rev, bytes).ok_or_else(corrupt)
    }

    fn parts_of(bytes: &[u8]) -> Option<Vec<Part>> {
        let mut parts = Vec::with_capacity(bytes.len() / 256);
        let mut rest = bytes.strip_prefix(&[VERSION])?;
        while let Some((len, after)) = rest.split_first_chunk() {
            let start = bytes.len() - rest.len();
            let (digest, after) = after.split_first_chunk()?;
            let len = usize::try_from(u32::from_be_bytes(*len)).ok()?;
            let place = if len == 0 {
                let (page, after) = after.split_first_chunk()?;
                rest = after;
                Place::Elsewhere(u32::from_be_bytes(*page).into())
            } else {
                let (count, after) = after.split_first_chunk()?;
                rest = after.get(len..)?;
                let parts = u16::from_be_bytes(*count).into();
                Place::Here { at: bytes.len() - after.len(), len, parts }
            };
            parts.push(Part { digest: Digest(*digest), start, place });
        }
        let ends_inside = |(index, part): (usize, &Part)| match part.place {
            Place::Here { parts: count, .. } => (1..=parts.len() - index).contains(&count),
            Place::Elsewhere(_) => index > 0,
        };
        let is_whole = rest.is_empty() && !parts.is_empty();
        (is_whole && parts.iter().enumerate().all(ends_inside)).then_some(parts)
    }

    /// Returns its top node.
    pub(super) fn top(&self) -> Option<Digest> {
        self.parts.first().map(|part| part.digest)
    }

    /// Returns the bytes of the node that is its part number `part`.
    pub(super) fn node(&self, part: usize) -> Option<&[u8]> {
        match self.parts.get(part)?.place {
            Place::Here { at, len, .. } => self.bytes.get(at..at + len),
            Place::Elsewhere(_) => None,
        }
    }

    /// Looks for nodes and records on this page, and takes from `missing`, which is in order, what
    /// it finds.
    pub(super) fn find(
        &self,
        missing: &mut Vec<Cid>,
        found: &mut impl FnMut(Found<'_>),
    ) -> Result<(), SqlError> {
        let broken = |error: NodeError| SqlError(error.to_string());
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
                    path.ok_or_else(|| SqlError("a key of the tree is no path".to_owned()))?;
                missing.remove(at);
                found(Found::Record(path.to_owned()));
            }
        }
        Ok(())
    }

    /// Appends a node. What follows up to [`Self::end`] is below it.
    pub(super) fn begin(&mut self, digest: Digest, node: &[u8]) -> usize {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&u32::try_from(node.len()).unwrap_or(0).to_be_bytes());
        self.bytes.extend_from_slice(&digest.0);
        self.bytes.extend_from_slice(&[0, 0]);
        let at = self.bytes.len();
        self.bytes.extend_from_slice(node);
        self.parts.push(Part {
            digest,
            start,
            place: Place::Here { at, len: node.len(), parts: 0 },
        });
        self.parts.len() - 1
    }

    /// Ends the subtree of a node.
    pub(super) fn end(&mut self, part: usize) {
        let count = self.parts.len() - part;
        if let Some(Part { place: Place::Here { at, parts, .. }, .. }) = self.parts.get_mut(part) {
            *parts = count;
            let bytes = u16::try_from(count).unwrap_or(u16::MAX).to_be_bytes();
            self.bytes[*at - 2..*at].copy_from_slice(&bytes);
        }
    }

    /// Appends a node that is on another page.
    pub(super) fn refer(&mut self, digest: Digest, page: i64) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&digest.0);
        self.bytes.extend_from_slice(&u32::try_from(page).unwrap_or(0).to_be_bytes());
        self.parts.push(Part { digest, start, place: Place::Elsewhere(page) });
    }

    /// Appends the subtree that begins with a part of another page.
    pub(super) fn copy(&mut self, from: &Self, part: usize) {
        let Some(Part { start, place: Place::Here { parts, .. }, .. }) = from.parts.get(part)
        else {
            return;
        };
        let end = from.parts.get(part + parts).map_or(from.bytes.len(), |next| next.start);
        let base = self.bytes.len();
        let moved = |at: usize| at - start + base;
        let copied = from.parts[part..part + parts].iter().map(|part| Part {
            start: moved(part.start),
            place: match part.place {
                Place::Here { at, len, parts } => Place::Here { at: moved(at), len, parts },
                elsewhere @ Place::Elsewhere(_) => elsewhere,
            },
            ..*part
        });
        self.parts.extend(copied);
        self.bytes.extend_from_slice(&from.bytes[*start..end]);
    }

    /// Returns whether it takes no more subtrees.
    pub(super) fn is_full(&self) -> bool {
        self.bytes.len() > FULL_BYTES
    }
}

impl Digest {
    pub(super) fn of(cid: &Cid) -> Option<Self> {
        cid.hash().digest().try_into().ok().map(Self)
    }

    fn to_cid(self) -> Cid {
        let hash = Multihash::wrap(SHA_256, &self.0).expect("a multihash holds up to 64 bytes");
        Cid::new_v1(DAG_CBOR, hash)
    }
}

impl Hash for Digest {
    /// By its first bytes. Many digests that agree in those take more hashing than anybody has.
    fn hash<H: Hasher>(&self, state: &mut H) {
        if let Some(first) = self.0.first_chunk() {
            state.write_u64(u64::from_le_bytes(*first));
        }
    }
}

impl Hasher for FirstBytes {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

fn corrupt() -> SqlError {
    SqlError("a page of the tree is corrupt".to_owned())
}

const DAG_CBOR: u64 = 0x71;
const SHA_256: u64 = 0x12;
