//! The right edge of a tree that is being built, and the nodes that wait to be hashed together.
//!
//! *Tricky bits.* A node is closed long before its digest is known. Its parent has room for the
//! digest in the meantime, in its own block; when the parent is closed too, the room moves with the
//! block. Nodes are hashed level by level, so that every room is filled before its block is hashed.

use alloc::vec::Vec;
use core::ops::Range;

use cid::Cid;

use super::BuildError;
use crate::digest::Digest;
use crate::encode::{write_end, write_key, write_links, write_start};
use crate::node::{MAX_NODE_ENTRIES, right_link_range};

/// The nodes of a tree that grows at its right end.
#[derive(Debug, Default)]
pub(super) struct Nodes {
    /// The node that is open on each level, from the bottom.
    open: Vec<OpenNode>,
    /// The nodes that were closed since the last were hashed, each after those below it.
    closed: Vec<ClosedNode>,
    /// Their blocks.
    blocks: Vec<u8>,
    /// Those of one level while they are hashed, and what comes of it.
    members: Vec<usize>,
    digests: Vec<(usize, Digest)>,
}

/// A node that is being written.
#[derive(Debug, Default)]
struct OpenNode {
    /// The entries, encoded.
    entries: Vec<u8>,
    count: usize,
    last_key: Vec<u8>,
    /// The record of the last entry, which stands behind a link that may still come.
    open_value: Option<Digest>,
    /// The subtree left of the first entry.
    left: Option<Child>,
    /// The other subtrees whose digests are not known: which they are, and where there is room.
    unknown: Vec<(usize, usize)>,
}

#[derive(Clone, Copy, Debug)]
enum Child {
    Closed(usize),
    Known(Digest),
}

#[derive(Debug)]
struct ClosedNode {
    block: Range<usize>,
    level: usize,
    digest: Digest,
    /// Where in the blocks the parent has room for the digest, if it is closed.
    room: Option<usize>,
}

impl Nodes {
    /// Appends an entry to a level, which closes the nodes below.
    pub(super) fn push<E>(
        &mut self,
        level: usize,
        key: &[u8],
        value: Digest,
        sink: &mut impl FnMut(Cid, &[u8]) -> Result<(), E>,
    ) -> Result<(), BuildError<E>> {
        if self.open.len() <= level {
            self.open.resize_with(level + 1, OpenNode::default);
        }
        self.close_below(level);
        if self.closed.len() >= CLOSED || self.blocks.len() >= CLOSED_BYTES {
            self.hash(sink)?;
        }
        self.open[level].push(key, value)
    }

    /// Closes all nodes and returns the root.
    pub(super) fn finish<E>(
        &mut self,
        sink: &mut impl FnMut(Cid, &[u8]) -> Result<(), E>,
    ) -> Result<Digest, BuildError<E>> {
        if self.open.is_empty() {
            self.open.push(OpenNode::default());
        }
        let top = self.open.len() - 1;
        self.close_below(top);
        self.close(top);
        let root = self.hash(sink)?;
        Ok(root.expect("the root was closed"))
    }

    /// Closes the open nodes below a level, each into the one above it.
    fn close_below(&mut self, level: usize) {
        for below in 0..level {
            if !self.open[below].is_empty() {
                let child = self.close(below);
                self.open[below + 1].attach(child);
            }
        }
    }

    /// Closes the node of a level, and returns which of the closed ones it is.
    fn close(&mut self, level: usize) -> usize {
        let Self { open, closed, blocks, .. } = self;
        let node = &mut open[level];
        node.end_entry(None);
        let start = blocks.len();
        write_start(blocks, node.count);
        let body = blocks.len();
        blocks.extend_from_slice(&node.entries);
        for (child, room) in node.unknown.drain(..) {
            closed[child].room = Some(body + room);
        }
        match node.left.take() {
            None => write_end(blocks, None),
            Some(Child::Known(digest)) => write_end(blocks, Some(digest)),
            Some(Child::Closed(child)) => {
                write_end(blocks, Some(UNKNOWN));
                closed[child].room = Some(blocks.len() - 32);
            }
        }
        node.entries.clear();
        node.last_key.clear();
        node.count = 0;
        closed.push(ClosedNode { block: start..blocks.len(), level, digest: UNKNOWN, room: None });
        closed.len() - 1
    }

    /// Hashes the closed nodes and gives them to the sink. Returns the digest of the last.
    fn hash<E>(
        &mut self,
        sink: &mut impl FnMut(Cid, &[u8]) -> Result<(), E>,
    ) -> Result<Option<Digest>, BuildError<E>> {
        let Self { open, closed, blocks, members, digests } = self;
        for level in 0..open.len() {
            members.clear();
            members.extend((0..closed.len()).filter(|index| closed[*index].level == level));
            let messages = members.iter().map(|index| &blocks[closed[*index].block.clone()]);
            nacre_sha256::digest_each(messages, |at, digest| {
                digests.push((members[at], Digest(digest)));
            });
            for (index, digest) in digests.drain(..) {
                closed[index].digest = digest;
                if let Some(room) = closed[index].room {
                    fill(blocks, room, digest);
                }
            }
        }
        for node in open {
            for (child, room) in node.unknown.drain(..) {
                fill(&mut node.entries, room, closed[child].digest);
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
    fn push<E>(&mut self, key: &[u8], value: Digest) -> Result<(), BuildError<E>> {
        self.end_entry(None);
        if self.count >= MAX_NODE_ENTRIES {
            return Err(BuildError::Full);
        }
        write_key(&mut self.entries, &self.last_key, key);
        self.count += 1;
        self.open_value = Some(value);
        self.last_key.clear();
        self.last_key.extend_from_slice(key);
        Ok(())
    }

    /// Takes in the subtree after the last entry.
    fn attach(&mut self, child: usize) {
        if self.end_entry(Some(UNKNOWN)) {
            let room = right_link_range(self.entries.len(), true).end - 32;
            self.unknown.push((child, room));
        } else {
            self.left = Some(Child::Closed(child));
        }
    }

    /// Ends the last entry, if there is one that is open, and returns whether there was.
    fn end_entry(&mut self, right: Option<Digest>) -> bool {
        let value = self.open_value.take();
        if let Some(value) = value {
            write_links(&mut self.entries, right, value);
        }
        value.is_some()
    }

    fn is_empty(&self) -> bool {
        self.left.is_none() && self.count == 0
    }
}

fn fill(block: &mut [u8], room: usize, digest: Digest) {
    block[room..room + 32].copy_from_slice(&digest.0);
}

/// How many closed nodes are enough to be hashed.
const CLOSED: usize = 64;

/// How many bytes of their blocks are.
const CLOSED_BYTES: usize = 64 * 1024;

/// What stands where a digest will be.
const UNKNOWN: Digest = Digest([0; 32]);
