//! The tree that is edited: nodes are read when they are needed and hashed when it is flushed.
//!
//! *Terminology.* The *level* of a node is the height of its keys. A node of n entries has n + 1
//! *slots* for links to subtrees: slot 0 is left of the first entry, slot i right of entry i - 1. A
//! node is *clean* while it is what its block says. A link to a node not read yet is its digest.
//!
//! *Tricky bits.* Every operation first reads all that it will touch and only then changes
//! anything, so that a missing block or a failing source leaves the tree as it was. A clean node
//! has only clean nodes below it: whoever changes a node makes all the nodes above dirty too.

use alloc::vec::Vec;
use core::ops::Range;

use cid::Cid;

use crate::digest::Digest;
use crate::error::{LinkError, TreeError};
use crate::key::key_level;
use crate::node::{NodeError, NodeRef};
use crate::source::BlockSource;

/// A Merkle Search Tree, read from a source as far as it is needed.
///
/// What was read and written stays in memory. To let go of it, flush and begin again with
/// [`Tree::load`].
#[derive(Clone, Debug)]
pub struct Tree {
    pub(crate) root: Link,
    nodes: Vec<Node>,
    unused: Vec<NodeId>,
    /// The bytes of all keys. Nothing is taken out again, so entries can point here.
    keys: Vec<u8>,
    /// The blocks whose nodes have changed or gone since the last flush.
    pub(crate) retired: Vec<Digest>,
}

impl Tree {
    /// Returns an empty tree.
    #[must_use]
    pub fn new() -> Self {
        let mut tree = Self::at(Link::Loaded(NodeId(0)));
        tree.nodes.push(Node::new(0, None));
        tree
    }

    /// Returns the tree with this root. Nothing is read before the first operation.
    ///
    /// # Errors
    ///
    /// [`LinkError`] for a CID that no tree has as its root.
    pub fn load(root: Cid) -> Result<Self, LinkError> {
        Ok(Self::at(Link::Stored(Digest::try_from(root)?)))
    }

    /// Returns the record under `key`.
    ///
    /// Reads what is not in memory straight from the blocks, keeping nothing.
    ///
    /// # Errors
    ///
    /// [`TreeError`] if `key` is not a key, or a block on the way is missing or not a node.
    pub fn get<S: BlockSource>(
        &self,
        source: &S,
        key: &str,
    ) -> Result<Option<Cid>, TreeError<S::Error>> {
        key_level(key.as_bytes())?;
        let mut link = Some(self.root);
        let mut level = None;
        while let Some(Link::Loaded(id)) = link {
            let node = self.node(id);
            match self.position(node, key.as_bytes()) {
                Ok(index) => return Ok(Some(node.entries[index].value.to_cid())),
                Err(slot) => link = node.link(slot),
            }
            level = Some(node.level);
        }
        let mut next = match link {
            Some(Link::Stored(digest)) => Some(digest),
            _ => None,
        };
        while let Some(digest) = next {
            let block = fetch(source, digest)?;
            let (node, at) = read(digest, &block, level)?;
            let place = node.find(key.as_bytes());
            if let Some(entry) = place.entry {
                return Ok(Some(entry.value()));
            }
            next = place.before;
            level = Some(at);
        }
        Ok(None)
    }

    /// Reads the nodes from the root towards `key`, to its entry or to the bottom.
    pub(crate) fn descend<S: BlockSource>(
        &mut self,
        source: &S,
        key: &[u8],
    ) -> Result<Path, TreeError<S::Error>> {
        let mut path = Path { steps: Vec::new(), found: false, bounds: Bounds::default() };
        let mut id = self.loaded(source, self.root, None, &path.bounds)?;
        self.root = Link::Loaded(id);
        loop {
            let position = self.position(self.node(id), key);
            let (Ok(slot) | Err(slot)) = position;
            path.steps.push(Step { node: id, slot });
            path.found = position.is_ok();
            let node = self.node(id);
            // Past the key's own entry if there is one: the bounds are for what lies beside it.
            let above = if path.found { slot + 1 } else { slot };
            if let Some(entry) = slot.checked_sub(1).and_then(|index| node.entries.get(index)) {
                path.bounds.low = Some(entry.key.clone());
            }
            if let Some(entry) = node.entries.get(above) {
                path.bounds.high = Some(entry.key.clone());
            }
            if path.found || node.link(slot).is_none() {
                return Ok(path);
            }
            id = self.child(source, id, slot, &path.bounds)?.expect("the slot has a link");
        }
    }

    /// Returns the node in a slot, having read it if need be.
    pub(crate) fn child<S: BlockSource>(
        &mut self,
        source: &S,
        parent: NodeId,
        slot: usize,
        bounds: &Bounds,
    ) -> Result<Option<NodeId>, TreeError<S::Error>> {
        let node = self.node(parent);
        let level = node.level;
        let Some(link) = node.link(slot) else { return Ok(None) };
        let id = self.loaded(source, link, Some(level), bounds)?;
        self.node_mut(parent).set_link(slot, Some(Link::Loaded(id)));
        Ok(Some(id))
    }

    fn at(root: Link) -> Self {
        Self { root, nodes: Vec::new(), unused: Vec::new(), keys: Vec::new(), retired: Vec::new() }
    }

    /// Returns the node of a link, having read it if need be and checked it against its
    /// surroundings.
    fn loaded<S: BlockSource>(
        &mut self,
        source: &S,
        link: Link,
        parent_level: Option<u32>,
        bounds: &Bounds,
    ) -> Result<NodeId, TreeError<S::Error>> {
        let digest = match link {
            Link::Loaded(id) => return Ok(id),
            Link::Stored(digest) => digest,
        };
        let block = fetch(source, digest)?;
        let (node, level) = read(digest, &block, parent_level)?;
        let left = node.left_digest().map(Link::Stored);
        let mut loaded = Node { stored: Some(digest), ..Node::new(level, left) };
        let mut key = Vec::new();
        for entry in node.entries() {
            entry.extend_key(&mut key);
            if !self.within(&key, bounds) {
                return Err(TreeError::Node(digest.to_cid(), NodeError::Order));
            }
            let right = entry.right.map(Link::Stored);
            loaded.entries.push(Entry { key: self.keep_key(&key), value: entry.value, right });
        }
        Ok(self.add(loaded))
    }

    /// Finds a key in a node: the index of its entry, or the slot below which it belongs.
    fn position(&self, node: &Node, key: &[u8]) -> Result<usize, usize> {
        node.entries.binary_search_by(|entry| self.key(&entry.key).cmp(key))
    }

    fn within(&self, key: &[u8], bounds: &Bounds) -> bool {
        bounds.low.as_ref().is_none_or(|low| self.key(low) < key)
            && bounds.high.as_ref().is_none_or(|high| key < self.key(high))
    }

    pub(crate) fn key(&self, key: &KeyRange) -> &[u8] {
        &self.keys[key.clone()]
    }

    pub(crate) fn keep_key(&mut self, key: &[u8]) -> KeyRange {
        let start = self.keys.len();
        self.keys.extend_from_slice(key);
        start..self.keys.len()
    }

    pub(crate) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }

    pub(crate) fn node_mut(&mut self, id: NodeId) -> &mut Node {
        &mut self.nodes[id.0]
    }

    pub(crate) fn add(&mut self, node: Node) -> NodeId {
        if let Some(id) = self.unused.pop() {
            self.nodes[id.0] = node;
            return id;
        }
        self.nodes.push(node);
        NodeId(self.nodes.len() - 1)
    }

    /// Says that a node is no longer what its block is.
    pub(crate) fn touch(&mut self, id: NodeId) -> &mut Node {
        let node = &mut self.nodes[id.0];
        self.retired.extend(node.stored.take());
        node
    }

    /// Takes a node out of the tree.
    pub(crate) fn discard(&mut self, id: NodeId) -> Node {
        self.touch(id);
        self.unused.push(id);
        core::mem::replace(&mut self.nodes[id.0], Node::new(0, None))
    }
}

impl Default for Tree {
    fn default() -> Self {
        Self::new()
    }
}

/// Gets a block that must be there.
pub(crate) fn fetch<S: BlockSource>(
    source: &S,
    digest: Digest,
) -> Result<alloc::borrow::Cow<'_, [u8]>, TreeError<S::Error>> {
    let cid = digest.to_cid();
    source.block(&cid).map_err(TreeError::Source)?.ok_or(TreeError::Missing(cid))
}

/// Reads a node below a parent of this level, or a root; returns it with its own level.
pub(crate) fn read<E>(
    digest: Digest,
    block: &[u8],
    parent_level: Option<u32>,
) -> Result<(NodeRef<'_>, u32), TreeError<E>> {
    let checked = NodeRef::parse(block).and_then(|node| match parent_level {
        None => Ok((node, node.check_root()?)),
        Some(above) => {
            let level = above.checked_sub(1).ok_or(NodeError::Level)?;
            node.check_level(level)?;
            Ok((node, level))
        }
    });
    checked.map_err(|error| TreeError::Node(digest.to_cid(), error))
}

/// Where a key lies in [`Tree::keys`].
pub(crate) type KeyRange = Range<usize>;

/// An index into [`Tree::nodes`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct NodeId(usize);

/// A link to a subtree.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Link {
    Loaded(NodeId),
    Stored(Digest),
}

#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) level: u32,
    /// The block of a clean node.
    pub(crate) stored: Option<Digest>,
    pub(crate) left: Option<Link>,
    pub(crate) entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: KeyRange,
    pub(crate) value: Digest,
    pub(crate) right: Option<Link>,
}

impl Node {
    pub(crate) fn new(level: u32, left: Option<Link>) -> Self {
        Self { level, stored: None, left, entries: Vec::new() }
    }

    pub(crate) fn link(&self, slot: usize) -> Option<Link> {
        match slot.checked_sub(1) {
            None => self.left,
            Some(index) => self.entries[index].right,
        }
    }

    pub(crate) fn set_link(&mut self, slot: usize, link: Option<Link>) {
        match slot.checked_sub(1) {
            None => self.left = link,
            Some(index) => self.entries[index].right = link,
        }
    }

    pub(crate) fn last_slot(&self) -> usize {
        self.entries.len()
    }
}

/// The way from the root towards a key. Each step is one level below the one before.
pub(crate) struct Path {
    pub(crate) steps: Vec<Step>,
    /// Whether the last step's slot is the index of the key's own entry.
    pub(crate) found: bool,
    /// The nearest keys on either side in the nodes of the path.
    pub(crate) bounds: Bounds,
}

#[derive(Clone, Copy)]
pub(crate) struct Step {
    pub(crate) node: NodeId,
    pub(crate) slot: usize,
}

/// Keys between which a subtree must lie.
#[derive(Clone, Default)]
pub(crate) struct Bounds {
    pub(crate) low: Option<KeyRange>,
    pub(crate) high: Option<KeyRange>,
}
