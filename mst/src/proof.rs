//! Covering proofs: the nodes that prove whether a tree has a key.
//!
//! Specification: <https://atproto.com/specs/sync#commit-validation-mst-operation-inversion>

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::ops::Range;

use cid::Cid;
use nacre_cbor::Digest;

use crate::digest::{EMPTY_NODE, EMPTY_ROOT, link_to};
use crate::error::TreeError;
use crate::key::key_level;
use crate::open::{Bounds, OpenNode, OpenNodes, Span};
use crate::source::{Block, BlockSource};
use crate::tree::Tree;

/// Returns the nodes of the tree at `root` that prove for each key whether and with which record it
/// is present, and that suffice to invert an operation on it. They come in pre-order, starting with
/// the root. Each is read once.
///
/// For an absent key these are the nodes of its search path down to the bottom. For a present key
/// they are its search path and the edges of the two subtrees beside it, because these meet when
/// the key is removed.
///
/// The proof of several keys suffices to invert one commit that wrote them all, in any order.
///
/// # Errors
///
/// [`TreeError`] if a key is invalid, or a node is missing or invalid.
pub fn covering_proof<S: BlockSource, K: AsRef<str>>(
    source: &S,
    root: Cid,
    keys: impl IntoIterator<Item = K>,
) -> Result<Vec<Block<'_>>, TreeError<S::Error>> {
    let root = link_to(root)?;
    let mut proof = Vec::new();
    let mut cover = CoverWalk::new(root, S::VERIFIED, keys)?;
    while let Some(subtree) = cover.subtrees.pop() {
        let cid = subtree.digest.to_cid();
        let block = cover.read(source, &subtree)?.ok_or(TreeError::Missing(cid))?;
        proof.push((cid, block));
    }
    Ok(proof)
}

impl Tree {
    /// Returns the missing blocks to fetch next for [`get`](Self::get), [`apply`](Self::apply) and
    /// [`covering_proof`] of `keys`. Returns none once the source has all of them.
    ///
    /// This is for remote sources. A tree of a million entries takes about ten rounds for any
    /// number of keys.
    ///
    /// # Errors
    ///
    /// [`TreeError`] if a key or a node is invalid, but never [`TreeError::Missing`].
    pub fn needs<S: BlockSource, K: AsRef<str>>(
        &self,
        source: &S,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<Vec<Cid>, TreeError<S::Error>> {
        needs(source, self.root, keys)
    }
}

/// Returns the next blocks that [`covering_proof`] needs and the source lacks.
fn needs<S: BlockSource, K: AsRef<str>>(
    source: &S,
    root: Digest,
    keys: impl IntoIterator<Item = K>,
) -> Result<Vec<Cid>, TreeError<S::Error>> {
    let mut missing = Vec::new();
    let mut cover = CoverWalk::new(root, S::VERIFIED, keys)?;
    while let Some(subtree) = cover.subtrees.pop() {
        if cover.read(source, &subtree)?.is_none() {
            missing.push(subtree.digest.to_cid());
        }
    }
    Ok(missing)
}

/// A walk over the nodes that cover some keys.
struct CoverWalk {
    nodes: OpenNodes,
    /// The keys, sorted and deduplicated.
    keys: Vec<Span>,
    /// A stack of the subtrees to visit, the next one last.
    subtrees: Vec<Subtree>,
}

struct Subtree {
    digest: Digest,
    level: Option<u32>,
    bounds: Bounds,
    /// The keys to cover that lie in the subtree or are the entries beside it.
    keys: Range<usize>,
}

impl CoverWalk {
    fn new<K: AsRef<str>, E>(
        root: Digest,
        verified: bool,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<Self, TreeError<E>> {
        let mut nodes = OpenNodes::new(verified).with_room_for_a_path();
        let mut spans = Vec::new();
        for key in keys {
            let key = key.as_ref().as_bytes();
            key_level(key)?;
            spans.push(nodes.keep(key));
        }
        spans.sort_unstable_by(|left, right| nodes.key(*left).cmp(nodes.key(*right)));
        spans.dedup_by(|left, right| nodes.key(*left) == nodes.key(*right));
        let (bounds, keys) = (Bounds::default(), 0..spans.len());
        let subtrees = Vec::from([Subtree { digest: root, level: None, bounds, keys }]);
        Ok(Self { nodes, keys: spans, subtrees })
    }

    /// Reads the top node of a subtree and pushes the subtrees below it that the keys need. Returns
    /// `None` if the source lacks the node.
    fn read<'s, S: BlockSource>(
        &mut self,
        source: &'s S,
        subtree: &Subtree,
    ) -> Result<Option<Cow<'s, [u8]>>, TreeError<S::Error>> {
        let digest = subtree.digest;
        if digest == EMPTY_ROOT && subtree.level.is_none() {
            return Ok(Some(Cow::Borrowed(&EMPTY_NODE)));
        }
        let Some(block) = source.block(&digest.to_cid()).map_err(TreeError::Source)? else {
            return Ok(None);
        };
        // The node stays open, because its keys are the bounds of the subtrees below. Unless an
        // attacker made the tree, they take less memory than the proof itself.
        let node = self.nodes.open(&block, subtree.level, subtree.bounds);
        let node = node.map_err(|error| error.of(digest))?;
        self.descend(subtree, &node, &block);
        Ok(Some(block))
    }

    fn descend(&mut self, subtree: &Subtree, node: &OpenNode, block: &[u8]) {
        let first_below = self.subtrees.len();
        let Some(level) = node.level.checked_sub(1) else { return };
        let mut keys = subtree.keys.start..subtree.keys.start;
        for slot in 0..=node.len() {
            let high = self.nodes.entries(node).get(slot).map(|entry| self.nodes.key(entry.key));
            let mut rest = self.keys[keys.end..subtree.keys.end].iter();
            let end = match high {
                Some(high) => rest.position(|key| self.nodes.key(*key) > high),
                None => None,
            };
            keys.end = end.map_or(subtree.keys.end, |count| keys.end + count);
            if !keys.is_empty()
                && let Some(digest) = self.nodes.link(block, node, slot)
            {
                let bounds = self.nodes.slot_bounds(node, slot, subtree.bounds);
                self.subtrees.push(Subtree {
                    digest,
                    level: Some(level),
                    bounds,
                    keys: keys.clone(),
                });
            }
            // A key that equals the entry belongs to the slots on both sides of it.
            let last = keys.end.checked_sub(1).filter(|last| *last >= subtree.keys.start);
            let own = last.filter(|last| high == Some(self.nodes.key(self.keys[*last])));
            keys.start = own.unwrap_or(keys.end);
        }
        self.subtrees[first_below..].reverse();
    }
}
