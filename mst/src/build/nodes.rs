//! The right edge of a tree that is being built, and the closed nodes that wait to be hashed.
//!
//! *Tricky bits.* A node is closed long before its digest is known. Until then its parent's block
//! has a placeholder for the digest, which moves with the block when the parent is closed too.
//! Nodes are hashed level by level from the bottom, so that every placeholder is filled before its
//! block is hashed.

use alloc::vec::Vec;
use core::mem::replace;
use core::ops::Range;

use cid::Cid;
use nacre_cbor::Digest;

use super::error::BuildError;
use crate::encode::{link_right, write_end, write_entry, write_start};
use crate::node::{MAX_NODE_ENTRIES, right_link_range};

/// The nodes of a tree that grows at its right end.
#[derive(Debug, Default)]
pub(super) struct Nodes {
    /// The open node of each level, from the bottom.
    open: Vec<OpenNode>,
    /// The closed nodes that are not hashed yet, each after those below it.
    closed: Vec<ClosedNode>,
    /// The blocks of the closed nodes.
    blocks: Vec<u8>,
    /// Scratch space for the digests of one level.
    digests: Vec<(usize, Digest)>,
}

/// A node that is being written.
#[derive(Debug)]
struct OpenNode {
    /// The entries, encoded.
    entries: Vec<u8>,
    count: usize,
    /// The minimum of the prefix lengths that neighbouring keys below have shared since the last
    /// key of this node.
    shared: usize,
    /// The subtree left of the first entry.
    left: Option<Child>,
    /// The other subtrees with unknown digests: the index of the closed node, and the placeholder.
    unknown: Vec<(usize, usize)>,
    /// The indices of the closed nodes of this level.
    closed: Vec<usize>,
}

#[derive(Clone, Copy, Debug)]
enum Child {
    Closed(usize),
    Known(Digest),
}

#[derive(Debug)]
struct ClosedNode {
    block: Range<usize>,
    digest: Digest,
    /// The offset of the placeholder in the blocks, if the parent is closed.
    placeholder: Option<usize>,
}

impl Nodes {
    /// Appends an entry to a level and closes the nodes below. Its key shares the first `shared`
    /// bytes with the last appended key on any level.
    pub(super) fn push<E>(
        &mut self,
        level: usize,
        (key, shared): (&[u8], usize),
        value: Digest,
        sink: &mut impl FnMut(Cid, &[u8]) -> Result<(), E>,
    ) -> Result<(), BuildError<E>> {
        if self.open.len() <= level {
            self.open.resize_with(level + 1, OpenNode::new);
        }
        self.close_below(level);
        if self.closed.len() >= CLOSED || self.blocks.len() >= CLOSED_BYTES {
            self.hash(sink)?;
        }
        let shared = self.shared_on(level, shared);
        self.open[level].push(shared, key, value)
    }

    /// Returns the number of bytes that a key shares with the last key of its level, given the
    /// number that it shares with the last key on any level.
    ///
    /// In sorted order, two keys share the minimum of what all neighbours between them share. Each
    /// level therefore tracks that minimum since its last key.
    fn shared_on(&mut self, level: usize, shared: usize) -> usize {
        let upto = self.open[..=level].iter_mut();
        let shared = upto.fold(shared, |least, node| least.min(replace(&mut node.shared, ANY)));
        if let Some(above) = self.open.get_mut(level + 1) {
            above.shared = above.shared.min(shared);
        }
        shared
    }

    /// Closes all nodes and returns the root.
    pub(super) fn finish<E>(
        &mut self,
        sink: &mut impl FnMut(Cid, &[u8]) -> Result<(), E>,
    ) -> Result<Digest, BuildError<E>> {
        if self.open.is_empty() {
            self.open.push(OpenNode::new());
        }
        let top = self.open.len() - 1;
        self.close_below(top);
        self.close(top);
        let root = self.hash(sink)?;
        Ok(root.expect("the root was closed"))
    }

    /// Closes the open nodes below a level and attaches each to the one above it.
    fn close_below(&mut self, level: usize) {
        for below in 0..level {
            if !self.open[below].is_empty() {
                let child = self.close(below);
                self.open[below + 1].attach(child);
            }
        }
    }

    /// Closes the node of a level and returns its index among the closed nodes.
    fn close(&mut self, level: usize) -> usize {
        let Self { open, closed, blocks, .. } = self;
        let node = &mut open[level];
        let start = blocks.len();
        write_start(blocks, node.count);
        let body = blocks.len();
        blocks.extend_from_slice(&node.entries);
        for (child, placeholder) in node.unknown.drain(..) {
            closed[child].placeholder = Some(body + placeholder);
        }
        match node.left.take() {
            None => write_end(blocks, None),
            Some(Child::Known(digest)) => write_end(blocks, Some(digest)),
            Some(Child::Closed(child)) => {
                write_end(blocks, Some(UNKNOWN));
                closed[child].placeholder = Some(blocks.len() - 32);
            }
        }
        node.entries.clear();
        node.count = 0;
        let index = closed.len();
        closed.push(ClosedNode { block: start..blocks.len(), digest: UNKNOWN, placeholder: None });
        node.closed.push(index);
        index
    }

    /// Hashes the closed nodes and passes them to the sink. Returns the digest of the last.
    fn hash<E>(
        &mut self,
        sink: &mut impl FnMut(Cid, &[u8]) -> Result<(), E>,
    ) -> Result<Option<Digest>, BuildError<E>> {
        let Self { open, closed, blocks, digests } = self;
        for node in &mut *open {
            let messages = node.closed.iter().map(|index| &blocks[closed[*index].block.clone()]);
            nacre_sha256::digest_each(messages, |at, digest| {
                digests.push((node.closed[at], Digest(digest)));
            });
            node.closed.clear();
            for (index, digest) in digests.drain(..) {
                closed[index].digest = digest;
                if let Some(placeholder) = closed[index].placeholder {
                    fill(blocks, placeholder, digest);
                }
            }
        }
        for node in open {
            for (child, placeholder) in node.unknown.drain(..) {
                fill(&mut node.entries, placeholder, closed[child].digest);
            }
            if let Some(Child::Closed(child)) = node.left {
                node.left = Some(Child::Known(closed[child].digest));
            }
        }
        let last = closed.last().map(|node| node.digest);
        for node in closed.drain(..) {
            sink(node.digest.to_cid(), &blocks[node.block]).map_err(BuildError::Sink)?;
        }
        blocks.clear();
        Ok(last)
    }
}

impl OpenNode {
    fn new() -> Self {
        Self {
            entries: Vec::new(),
            count: 0,
            shared: ANY,
            left: None,
            unknown: Vec::new(),
            closed: Vec::new(),
        }
    }

    fn push<E>(&mut self, shared: usize, key: &[u8], value: Digest) -> Result<(), BuildError<E>> {
        if self.count >= MAX_NODE_ENTRIES {
            return Err(BuildError::Full);
        }
        // The first key of a node has no prefix.
        let shared = if self.count == 0 { 0 } else { shared };
        write_entry(&mut self.entries, shared, key, None, value);
        self.count += 1;
        Ok(())
    }

    /// Attaches the subtree after the last entry.
    fn attach(&mut self, child: usize) {
        if self.count == 0 {
            self.left = Some(Child::Closed(child));
        } else {
            link_right(&mut self.entries, UNKNOWN);
            let placeholder = right_link_range(self.entries.len(), true).end - 32;
            self.unknown.push((child, placeholder));
        }
    }

    fn is_empty(&self) -> bool {
        self.left.is_none() && self.count == 0
    }
}

fn fill(block: &mut [u8], placeholder: usize, digest: Digest) {
    block[placeholder..placeholder + 32].copy_from_slice(&digest.0);
}

/// The neutral element of the minimum: longer than any shared prefix.
const ANY: usize = usize::MAX;

/// The number of closed nodes that are hashed together.
const CLOSED: usize = 256;

/// The total size of closed nodes that are hashed together.
const CLOSED_BYTES: usize = 128 * 1024;

/// The placeholder of a digest.
const UNKNOWN: Digest = Digest([0; 32]);
