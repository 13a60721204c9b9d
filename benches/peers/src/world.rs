//! What every library is given: a repository of some size, and changes to it.
//!
//! The tree is built with shrike, the library that ours is compared with; that ours and all others
//! arrive at the same blocks is checked by the rows that build.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};

use shrike::cbor::Cid;
use shrike::mst::DetachedTree;
use shrike::mst::node::decode_node_data;

use crate::data::{Data, Digest, car_block, car_header, cid_bytes, commit_block, digest};
use crate::rng::Rng;

pub type Blocks = Vec<(Digest, Vec<u8>)>;

pub struct World {
    pub data: Data,
    /// The root of the tree.
    pub root: Digest,
    /// The nodes of the tree.
    pub nodes: Blocks,
    /// The block of the commit and its digest.
    pub commit: (Digest, Vec<u8>),
}

/// One record more in the tree.
pub struct Insert {
    pub key: String,
    pub value: Digest,
    /// The root afterwards.
    pub root: Digest,
    /// The nodes that are new then.
    pub new: Blocks,
    /// The nodes of the tree afterwards with which the insert can be undone.
    pub proof: Blocks,
}

/// A hundred changes: 33 creates, 33 updates, 34 deletes, spread over the whole tree.
pub struct Changed {
    pub root: Digest,
    /// The nodes that are new.
    pub new: Blocks,
}

impl World {
    pub fn new(size: usize) -> Self {
        let data = Data::new(size);
        let mut tree = DetachedTree::new();
        for entry in data.in_key_order() {
            tree.insert(&NoBlocks, entry.key.clone(), to_shrike(&entry.digest)).expect("a key");
        }
        let written = tree.flush().expect("a tree");
        let root = *written.root.hash();
        let nodes = from_shrike(written.new_blocks);
        let commit = commit_block(&root);
        Self { data, root, nodes, commit: (digest(&commit), commit) }
    }

    /// Returns the blocks in the order in which a tree is walked: the commit, then each node before
    /// what is below it, and each record in its place between subtrees.
    pub fn blocks_in_tree_order(&self) -> Vec<(Digest, &[u8])> {
        let nodes: DigestMap<&[u8]> =
            self.nodes.iter().map(|(digest, block)| (*digest, block.as_slice())).collect();
        let records: DigestMap<&[u8]> =
            self.data.entries.iter().map(|entry| (entry.digest, self.data.record(entry))).collect();
        let mut order = vec![(self.commit.0, self.commit.1.as_slice())];
        let mut stack = vec![(true, self.root)];
        while let Some((is_node, digest)) = stack.pop() {
            if !is_node {
                order.push((digest, records[&digest]));
                continue;
            }
            let block = nodes[&digest];
            order.push((digest, block));
            let node = decode_node_data(block).expect("a node");
            for entry in node.entries.iter().rev() {
                stack.extend(entry.right.map(|right| (true, *right.hash())));
                stack.push((false, *entry.value.hash()));
            }
            stack.extend(node.left.map(|left| (true, *left.hash())));
        }
        order
    }

    pub fn car(&self, order: Order) -> Vec<u8> {
        let mut blocks = self.blocks_in_tree_order();
        if order == Order::Shuffled {
            let mut rng = Rng::new(4);
            for last in (1..blocks.len()).rev() {
                blocks.swap(last, rng.below(last + 1));
            }
        }
        let mut car = car_header(&self.commit.0);
        for (digest, block) in blocks {
            car_block(&mut car, &digest, block);
        }
        car
    }

    /// Returns 200 inserts, each into the tree as it is.
    pub fn inserts(&self) -> Vec<Insert> {
        let mut rng = Rng::new(200);
        let blocks = self.shrike_blocks();
        let one = |_| {
            let (key, value) = (self.data.new_key(&mut rng), rng.bytes32());
            let mut tree = DetachedTree::load(to_shrike(&self.root));
            tree.insert(&blocks, key.clone(), to_shrike(&value)).expect("a key");
            let written = tree.flush().expect("a tree");
            let proof = tree.covering_proof(&blocks, [key.as_str()]).expect("a proof");
            let new = from_shrike(written.new_blocks);
            let block = |cid: Cid| {
                let old = || blocks[&cid].clone();
                let found = new.iter().find(|(digest, _)| digest == cid.hash());
                (*cid.hash(), found.map_or_else(old, |(_, block)| block.clone()))
            };
            let proof = proof.into_iter().map(block).collect();
            Insert { key, value, root: *written.root.hash(), new, proof }
        };
        (0..200).map(one).collect()
    }

    pub fn changed(&self) -> Changed {
        let mut rng = Rng::new(100);
        let blocks = self.shrike_blocks();
        let mut tree = DetachedTree::load(to_shrike(&self.root));
        let step = self.data.entries.len() / 67;
        for (turn, &index) in self.data.sorted.iter().step_by(step).take(67).enumerate() {
            let key = &self.data.entries[index].key;
            if turn % 2 == 1 {
                tree.insert(&blocks, key.clone(), to_shrike(&rng.bytes32())).expect("a key");
            } else {
                tree.remove(&blocks, key).expect("a key");
            }
        }
        for _ in 0..33 {
            let value = to_shrike(&rng.bytes32());
            tree.insert(&blocks, self.data.new_key(&mut rng), value).expect("a key");
        }
        let written = tree.flush().expect("a tree");
        Changed { root: *written.root.hash(), new: from_shrike(written.new_blocks) }
    }

    /// Returns the nodes as shrike reads them, and `more` of them.
    pub fn shrike_blocks(&self) -> HashMap<Cid, Vec<u8>, ByDigest> {
        self.nodes.iter().map(|(digest, block)| (to_shrike(digest), block.clone())).collect()
    }
}

#[derive(Clone, Copy, Eq, PartialEq)]
pub enum Order {
    Shuffled,
    Tree,
}

pub fn to_shrike(digest: &Digest) -> Cid {
    Cid::from_bytes(&cid_bytes(digest)).expect("a CID")
}

pub fn from_shrike(blocks: Vec<(Cid, Vec<u8>)>) -> Blocks {
    blocks.into_iter().map(|(cid, block)| (*cid.hash(), block)).collect()
}

pub use shrike::mst::NoBlocks;

/// A map by digest or CID, for libraries that let the user bring one: a digest is its own hash, so
/// nothing is faster.
pub type DigestMap<V> = HashMap<Digest, V, ByDigest>;

#[derive(Clone, Copy, Default)]
pub struct ByDigest(u64);

impl BuildHasher for ByDigest {
    type Hasher = Self;

    fn build_hasher(&self) -> Self {
        Self(0)
    }
}

impl Hasher for ByDigest {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_le_bytes(*first);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }

    fn write_usize(&mut self, _length: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

/// The type of CID that most libraries share.
pub fn cid(digest: &Digest) -> cid::Cid {
    cid::Cid::try_from(cid_bytes(digest).as_slice()).expect("a CID")
}

pub fn digest_of(cid: &cid::Cid) -> Digest {
    cid.hash().digest().try_into().expect("a SHA-256")
}

/// The answers of all libraries are written the same way; these write them.
pub mod answer {
    use shrike::cbor::json::{Integers, json_slice_to_drisl};

    use super::{Digest, digest};

    /// Of blocks in any order, and the root they belong to.
    pub fn blocks<'b>(
        root: Digest,
        blocks: impl IntoIterator<Item = (Digest, &'b [u8])>,
    ) -> Vec<u8> {
        let mut all: Vec<Digest> = blocks
            .into_iter()
            .map(|(claimed, block)| if digest(block) == claimed { claimed } else { [0; 32] })
            .collect();
        all.sort_unstable();
        all.insert(0, root);
        all.concat()
    }

    /// Of JSON, whose keys may stand in any order.
    pub fn json(json: Vec<u8>) -> Vec<u8> {
        json_slice_to_drisl(&json, Integers::Any).expect("JSON")
    }

    /// Of digests in any order.
    pub fn digests(digests: impl IntoIterator<Item = Digest>) -> Vec<u8> {
        let mut all: Vec<Digest> = digests.into_iter().collect();
        all.sort_unstable();
        all.concat()
    }

    /// Of changes in any order: a key, what was there, what is there.
    pub fn changes(
        changes: impl IntoIterator<Item = (String, Option<Digest>, Option<Digest>)>,
    ) -> Vec<u8> {
        let mut all: Vec<_> = changes.into_iter().collect();
        all.sort_unstable();
        format!("{all:?}").into_bytes()
    }
}

/// Answers of libraries that keep what they made in a store, or have an order of their own.
#[cfg(feature = "peers")]
pub mod stored {
    use std::io::Write as _;

    use shrike::car::SliceReader;
    use shrike::mst::node::decode_node_data;

    use super::{Digest, DigestMap, World, answer};
    use crate::data::{car_block, car_header};
    use crate::samples::Chunks;

    /// Of the nodes below a root that a store has and that are to be looked at, for libraries that
    /// do not say which blocks they made, or make some that the tree does not need.
    pub fn reachable(root: Digest, mut get: impl FnMut(&Digest) -> Option<Vec<u8>>) -> Vec<u8> {
        let (mut found, mut stack) = (Vec::new(), vec![root]);
        while let Some(digest) = stack.pop() {
            let Some(block) = get(&digest) else { continue };
            let node = decode_node_data(&block).expect("a node");
            stack.extend(node.left.map(|left| *left.hash()));
            stack.extend(node.entries.iter().filter_map(|entry| entry.right.map(|it| *it.hash())));
            found.push((digest, block));
        }
        answer::blocks(root, found.iter().map(|(digest, block)| (*digest, block.as_slice())))
    }

    /// Of a CAR whose blocks may stand in any order: they are brought into the tree's.
    pub fn car(car: &[u8], world: &World) -> Vec<u8> {
        let reader = SliceReader::new(car).expect("a CAR");
        let root = *reader.roots()[0].hash();
        let blocks = reader.map(|block| block.expect("a block"));
        let blocks: DigestMap<&[u8]> = blocks.map(|it| (*it.cid.hash(), it.data)).collect();
        let mut chunks = Chunks::new();
        chunks.write_all(&car_header(&root)).expect("memory");
        for (digest, _) in world.blocks_in_tree_order() {
            let mut block = Vec::new();
            car_block(&mut block, &digest, blocks.get(&digest).copied().unwrap_or_default());
            chunks.write_all(&block).expect("memory");
        }
        chunks.answer()
    }
}
