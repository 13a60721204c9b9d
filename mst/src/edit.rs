//! Changes to a tree: setting and removing a key, with the splits and merges that follow.

use alloc::vec::Vec;

use cid::Cid;

use crate::digest::Digest;
use crate::error::TreeError;
use crate::key::{key_level, level_index};
use crate::node::MAX_NODE_ENTRIES;
use crate::source::BlockSource;
use crate::tree::{Bounds, Entry, KeyRange, Link, Node, NodeId, Path, Step, Tree};

impl Tree {
    /// Sets the record under `key` and returns the one that was there.
    ///
    /// # Errors
    ///
    /// [`TreeError`] if `key` is not a key, `value` not a record's CID, a block that the change
    /// touches is missing or not a node, or a node would grow over its limit. The tree is then as
    /// it was.
    pub fn insert<S: BlockSource>(
        &mut self,
        source: &S,
        key: &str,
        value: Cid,
    ) -> Result<Option<Cid>, TreeError<S::Error>> {
        let key = key.as_bytes();
        let level = key_level(key)?;
        let value = Digest::try_from(value)?;
        let path = self.descend(source, key)?;
        if path.found {
            return Ok(Some(self.replace(&path, value).to_cid()));
        }
        let Step { node: root, .. } = path.steps[0];
        let root_level = self.node(root).level;
        if self.node(root).entries.is_empty() {
            self.touch(root).level = level;
            let key = self.keep_key(key);
            self.node_mut(root).entries.push(Entry { key, value, right: None });
        } else if let Some(depth) = root_level.checked_sub(level) {
            let depth = level_index(depth);
            if let Some(step) = path.steps.get(depth)
                && self.node(step.node).entries.len() >= MAX_NODE_ENTRIES
            {
                return Err(TreeError::Full);
            }
            let key = self.keep_key(key);
            self.insert_below(&path.steps, depth, Entry { key, value, right: None });
        } else {
            let key = self.keep_key(key);
            self.insert_above(&path.steps, level, Entry { key, value, right: None });
        }
        Ok(None)
    }

    /// Removes `key` and returns its record, or `None` if it was not in the tree.
    ///
    /// # Errors
    ///
    /// [`TreeError`] if `key` is not a key, a block that the change touches is missing or not a
    /// node, or a node would grow over its limit. The tree is then as it was.
    pub fn remove<S: BlockSource>(
        &mut self,
        source: &S,
        key: &str,
    ) -> Result<Option<Cid>, TreeError<S::Error>> {
        let key = key.as_bytes();
        key_level(key)?;
        let path = self.descend(source, key)?;
        let Some(&Step { node, slot }) = path.steps.last().filter(|_| path.found) else {
            return Ok(None);
        };
        let key = self.node(node).entries[slot].key.clone();
        let seam = self.load_seam(source, &path, key)?;
        if seam.is_empty() && path.steps.len() == 1 && self.node(node).entries.len() == 1 {
            self.load_next_root(source, node)?;
        }
        for step in &path.steps {
            self.touch(step.node);
        }
        let merged = self.merge(seam);
        let target = self.node_mut(node);
        let outer = target.link(slot).or_else(|| target.link(slot + 1));
        let entry = target.entries.remove(slot);
        target.set_link(slot, merged.or(outer));
        self.prune(&path.steps);
        self.trim();
        Ok(Some(entry.value.to_cid()))
    }

    fn replace(&mut self, path: &Path, value: Digest) -> Digest {
        let Step { node, slot } = *path.steps.last().expect("a path has at least the root");
        let previous = self.node(node).entries[slot].value;
        if previous != value {
            for step in &path.steps {
                self.touch(step.node);
            }
            self.node_mut(node).entries[slot].value = value;
        }
        previous
    }

    /// Inserts an entry `depth` levels below the root, in a node that is there or in a new one.
    fn insert_below(&mut self, steps: &[Step], depth: usize, mut entry: Entry) {
        let reached = steps.len().min(depth + 1);
        for step in &steps[..reached] {
            self.touch(step.node);
        }
        if let Some(&Step { node, slot }) = steps.get(depth) {
            let (left, right) = self.split(&steps[depth + 1..]);
            entry.right = right;
            let target = self.node_mut(node);
            target.set_link(slot, left);
            target.entries.insert(slot, entry);
            return;
        }
        let Step { node, slot } = *steps.last().expect("a path has at least the root");
        let above = self.node(node).level;
        let missing = depth + 1 - steps.len();
        let level = above - u32::try_from(missing).expect("levels are small numbers");
        let leaf = Node { entries: Vec::from([entry]), ..Node::new(level, None) };
        let leaf = Link::Loaded(self.add(leaf));
        let link = self.raise(Some(leaf), level, above - 1);
        self.node_mut(node).set_link(slot, link);
    }

    /// Makes a new root for an entry above the present one.
    fn insert_above(&mut self, steps: &[Step], level: u32, mut entry: Entry) {
        let old_level = self.node(steps[0].node).level;
        let (left, right) = self.split(steps);
        let left = self.raise(left, old_level, level - 1);
        entry.right = self.raise(right, old_level, level - 1);
        let root = Node { entries: Vec::from([entry]), ..Node::new(level, left) };
        self.root = Link::Loaded(self.add(root));
    }

    /// Puts nodes without entries above a subtree until it has the level `to`.
    fn raise(&mut self, mut link: Option<Link>, from: u32, to: u32) -> Option<Link> {
        if link.is_some() {
            for level in from + 1..=to {
                link = Some(Link::Loaded(self.add(Node::new(level, link))));
            }
        }
        link
    }

    /// Cuts the subtree along a path into what is left and what is right of it, bottom up.
    fn split(&mut self, steps: &[Step]) -> (Option<Link>, Option<Link>) {
        let mut parts = (None, None);
        for &Step { node: id, slot } in steps.iter().rev() {
            let (left, right) = parts;
            let count = self.node(id).entries.len();
            // A side that keeps everything is the old node, so it stays clean.
            parts = if slot == 0 && left.is_none() {
                (None, Some(Link::Loaded(id)))
            } else if slot == count && right.is_none() {
                (Some(Link::Loaded(id)), None)
            } else {
                let node = self.touch(id);
                let entries = node.entries.split_off(slot);
                node.set_link(slot, left);
                let level = node.level;
                let new = self.add(Node { entries, ..Node::new(level, right) });
                (Some(Link::Loaded(id)), Some(Link::Loaded(new)))
            };
        }
        parts
    }

    /// Reads the pairs of nodes that meet, level by level, when a key between them goes away.
    fn load_seam<S: BlockSource>(
        &mut self,
        source: &S,
        path: &Path,
        key: KeyRange,
    ) -> Result<Vec<(NodeId, NodeId)>, TreeError<S::Error>> {
        let Step { node, slot } = *path.steps.last().expect("a path has at least the root");
        let mut left_at = Step { node, slot };
        let mut right_at = Step { node, slot: slot + 1 };
        let mut left_bounds = Bounds { low: path.bounds.low.clone(), high: Some(key.clone()) };
        let mut right_bounds = Bounds { low: Some(key), high: path.bounds.high.clone() };
        let mut seam = Vec::new();
        loop {
            let both = self.node(left_at.node).link(left_at.slot).is_some()
                && self.node(right_at.node).link(right_at.slot).is_some();
            if !both {
                return Ok(seam);
            }
            let left = self.child(source, left_at.node, left_at.slot, &left_bounds)?;
            let right = self.child(source, right_at.node, right_at.slot, &right_bounds)?;
            let (left, right) = left.zip(right).expect("both slots have a link");
            let (before, after) = (&self.node(left).entries, &self.node(right).entries);
            if before.len() + after.len() > MAX_NODE_ENTRIES {
                return Err(TreeError::Full);
            }
            if let Some(last) = before.last() {
                left_bounds.low = Some(last.key.clone());
            }
            if let Some(first) = after.first() {
                right_bounds.high = Some(first.key.clone());
            }
            left_at = Step { node: left, slot: before.len() };
            right_at = Step { node: right, slot: 0 };
            seam.push((left, right));
        }
    }

    /// Joins the pairs of a seam, bottom up, into the nodes on its left.
    fn merge(&mut self, seam: Vec<(NodeId, NodeId)>) -> Option<Link> {
        let mut below = None;
        for (left, right) in seam.into_iter().rev() {
            let right = self.discard(right);
            let node = self.touch(left);
            let slot = node.last_slot();
            let link = below.or_else(|| node.link(slot)).or(right.left);
            node.set_link(slot, link);
            node.entries.extend(right.entries);
            below = Some(Link::Loaded(left));
        }
        below
    }

    /// Takes out the nodes at the end of a path that have become empty.
    fn prune(&mut self, steps: &[Step]) {
        for pair in steps.windows(2).rev() {
            let [above, Step { node, .. }] = *pair else { return };
            let node_ref = self.node(node);
            if !node_ref.entries.is_empty() || node_ref.left.is_some() {
                return;
            }
            self.discard(node);
            self.node_mut(above.node).set_link(above.slot, None);
        }
    }

    /// Lets the tree begin at its highest key again.
    fn trim(&mut self) {
        while let Link::Loaded(id) = self.root
            && self.node(id).entries.is_empty()
        {
            let Some(link) = self.node(id).left else {
                self.node_mut(id).level = 0;
                return;
            };
            self.discard(id);
            self.root = link;
        }
    }

    /// Reads on from a root that will lose its only entry to the node that will be the root.
    fn load_next_root<S: BlockSource>(
        &mut self,
        source: &S,
        root: NodeId,
    ) -> Result<(), TreeError<S::Error>> {
        let key = self.node(root).entries[0].key.clone();
        let slot = usize::from(self.node(root).left.is_none());
        let mut bounds = Bounds::default();
        if slot == 0 {
            bounds.high = Some(key);
        } else {
            bounds.low = Some(key);
        }
        let mut next = self.child(source, root, slot, &bounds)?;
        while let Some(id) = next.filter(|&id| self.node(id).entries.is_empty()) {
            next = self.child(source, id, 0, &bounds)?;
        }
        Ok(())
    }
}
