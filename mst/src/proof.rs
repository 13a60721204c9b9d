//! Covering proofs: the part of a tree that shows what it has under a key.
//!
//! Specification: <https://atproto.com/specs/sync#commit-validation-mst-operation-inversion>

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use cid::Cid;

use crate::digest::Digest;
use crate::error::TreeError;
use crate::key::key_level;
use crate::source::{Block, BlockSource};
use crate::tree::{fetch, read};

/// Returns the nodes of the tree at `root` that prove for each key what is there, a record or
/// nothing, and with which an operation on it can be inverted. Each node is read once and comes
/// after the one above it, the root first and always.
///
/// That is the whole search path of the key, to the bottom where it is absent; and where it is
/// present also the edges of the two subtrees beside it, because they meet when the key is removed.
///
/// The proof for several keys covers the inversion of one commit that wrote them all, in any order.
///
/// # Errors
///
/// [`TreeError`] if a key is not one, or a block is missing or not a node.
pub fn covering_proof<S: BlockSource, K: AsRef<str>>(
    source: &S,
    root: Cid,
    keys: impl IntoIterator<Item = K>,
) -> Result<Vec<Block>, TreeError<S::Error>> {
    let root = Digest::try_from(root)?;
    let mut proof = Proof { source, positions: BTreeMap::new(), blocks: Vec::new() };
    proof.visit(root, None, b"")?;
    for key in keys {
        proof.cover(root, key.as_ref().as_bytes())?;
    }
    Ok(proof.blocks)
}

struct Proof<'s, S> {
    source: &'s S,
    blocks: Vec<Block>,
    /// Where in `blocks` each node is, so that none is read twice.
    positions: BTreeMap<Digest, usize>,
}

impl<S: BlockSource> Proof<'_, S> {
    fn cover(&mut self, root: Digest, key: &[u8]) -> Result<(), TreeError<S::Error>> {
        key_level(key)?;
        let Some(found) = self.descend(Some(root), None, key)? else { return Ok(()) };
        // In the subtree before a key its place is at the right edge, in the one after it at the
        // left.
        self.descend(found.before, Some(found.level), key)?;
        self.descend(found.after, Some(found.level), key)?;
        Ok(())
    }

    /// Takes in the nodes from a subtree's top towards `key`, to its entry or to the bottom.
    fn descend(
        &mut self,
        top: Option<Digest>,
        mut parent_level: Option<u32>,
        key: &[u8],
    ) -> Result<Option<Beside>, TreeError<S::Error>> {
        let mut next = top;
        while let Some(digest) = next {
            let (place, present) = self.visit(digest, parent_level, key)?;
            if present {
                return Ok(Some(place));
            }
            parent_level = Some(place.level);
            next = place.before;
        }
        Ok(None)
    }

    /// Takes in one node; returns where the key is or would be in it, and whether it is there.
    fn visit(
        &mut self,
        digest: Digest,
        parent_level: Option<u32>,
        key: &[u8],
    ) -> Result<(Beside, bool), TreeError<S::Error>> {
        let known = self.positions.get(&digest).and_then(|&position| self.blocks.get(position));
        let block = match known {
            Some((_, bytes)) => Cow::Borrowed(bytes.as_slice()),
            None => fetch(self.source, digest)?,
        };
        let (node, level) = read(digest, &block, parent_level)?;
        let place = node.find(key);
        let (before, after) = (place.before, place.entry.and_then(|entry| entry.right));
        let present = place.entry.is_some();
        if known.is_none() {
            let block = block.into_owned();
            self.positions.insert(digest, self.blocks.len());
            self.blocks.push((digest.to_cid(), block));
        }
        Ok((Beside { before, after, level }, present))
    }
}

/// The subtrees beside a key, and the level of the node that holds it.
struct Beside {
    before: Option<Digest>,
    after: Option<Digest>,
    level: u32,
}
