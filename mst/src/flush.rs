//! Turns the changed nodes of a tree into blocks.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use cid::Cid;

use crate::digest::Digest;
use crate::encode::NodeEncoder;
use crate::source::Block;
use crate::tree::{Link, NodeId, Tree};

/// What a store has to do to hold a tree as it is now.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Changes {
    /// The root of the tree.
    pub root: Cid,
    /// The nodes that are new, each before the nodes below it.
    pub new_blocks: Vec<Block>,
    /// The nodes that are no longer part of the tree.
    pub retired: Vec<Cid>,
}

impl Tree {
    /// Encodes and hashes each node that changed since the last flush, once, and says what is new
    /// and what is no longer needed. A node that was changed and changed back is neither.
    pub fn flush(&mut self) -> Changes {
        let mut new_blocks = Vec::new();
        for id in self.changed_nodes().into_iter().rev() {
            let block = self.encode(id);
            let digest = Digest::of(&block);
            self.node_mut(id).stored = Some(digest);
            new_blocks.push((digest, block));
        }
        new_blocks.reverse();
        let mut retired: BTreeSet<Digest> =
            core::mem::take(&mut self.retired).into_iter().collect();
        new_blocks.retain(|(digest, _)| !retired.remove(digest));
        Changes {
            root: self.digest(self.root).to_cid(),
            new_blocks: new_blocks
                .into_iter()
                .map(|(digest, block)| (digest.to_cid(), block))
                .collect(),
            retired: retired.into_iter().map(Digest::to_cid).collect(),
        }
    }

    /// Returns the nodes that are not clean, each before the nodes below it.
    fn changed_nodes(&self) -> Vec<NodeId> {
        let mut found = Vec::new();
        let mut stack = Vec::from([self.root]);
        while let Some(link) = stack.pop() {
            let Link::Loaded(id) = link else { continue };
            let node = self.node(id);
            if node.stored.is_none() {
                found.push(id);
                stack.extend(node.entries.iter().rev().filter_map(|entry| entry.right));
                stack.extend(node.left);
            }
        }
        found
    }

    fn encode(&self, id: NodeId) -> Vec<u8> {
        let node = self.node(id);
        let mut encoder = NodeEncoder::default();
        for entry in &node.entries {
            let right = entry.right.map(|link| self.digest(link));
            encoder.push(self.key(&entry.key), entry.value, right);
        }
        encoder.finish(node.left.map(|link| self.digest(link)))
    }

    fn digest(&self, link: Link) -> Digest {
        match link {
            Link::Loaded(id) => self.node(id).stored.expect("nodes are encoded from the bottom up"),
            Link::Stored(digest) => digest,
        }
    }
}
