//! What two trees differ in, found without reading what they share.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Ordering;

use cid::Cid;

use crate::digest::Digest;
use crate::error::TreeError;
use crate::open::{Bounds, OpenNode, OpenNodes, Span};
use crate::source::{BlockSource, fetch};
use crate::tree::Tree;

/// A key that two trees have different records under.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Difference {
    /// The key.
    pub key: String,
    /// The record in the first tree, if there is one.
    pub before: Option<Cid>,
    /// The record in the second tree, if there is one.
    pub after: Option<Cid>,
}

/// The differences between two trees in key order.
///
/// A subtree that both have is never read. The cost is that of the paths to what differs: about
/// two nodes a level for each difference.
#[derive(Debug)]
pub struct Diff<'s, A, B> {
    before: Side<'s, A>,
    after: Side<'s, B>,
}

/// Compares two trees. Nothing is read yet.
#[must_use]
pub fn diff<'s, A: BlockSource, B: BlockSource<Error = A::Error>>(
    before: (&'s A, Tree),
    after: (&'s B, Tree),
) -> Diff<'s, A, B> {
    Diff { before: Side::new(before.0, before.1), after: Side::new(after.0, after.1) }
}

impl<A: BlockSource, B: BlockSource<Error = A::Error>> Diff<'_, A, B> {
    fn advance(&mut self) -> Result<Option<Difference>, TreeError<A::Error>> {
        let Self { before, after } = self;
        loop {
            match (before.stack.last(), after.stack.last()) {
                (None, None) => return Ok(None),
                (Some(Item::Subtree(left)), Some(Item::Subtree(right))) => {
                    if left.digest == right.digest {
                        before.pop();
                        after.pop();
                        continue;
                    }
                    // The root's level is not known before it is read.
                    match left.level.unwrap_or(u32::MAX).cmp(&right.level.unwrap_or(u32::MAX)) {
                        Ordering::Greater => before.expand()?,
                        Ordering::Less => after.expand()?,
                        Ordering::Equal => {
                            before.expand()?;
                            after.expand()?;
                        }
                    }
                }
                (Some(Item::Subtree(left)), Some(Item::Leaf(_))) => {
                    if after.continues_with(left.digest) {
                        return Ok(after.take(None).map(Difference::reversed));
                    }
                    before.expand()?;
                }
                (Some(Item::Leaf(_)), Some(Item::Subtree(right))) => {
                    if before.continues_with(right.digest) {
                        return Ok(before.take(None));
                    }
                    after.expand()?;
                }
                (Some(Item::Subtree(_)), None) => before.expand()?,
                (None, Some(Item::Subtree(_))) => after.expand()?,
                (Some(Item::Leaf(_)), None) => return Ok(before.take(None)),
                (None, Some(Item::Leaf(_))) => {
                    return Ok(after.take(None).map(Difference::reversed));
                }
                (Some(Item::Leaf(left)), Some(Item::Leaf(right))) => {
                    let (left_key, right_key) =
                        (before.nodes.key(left.key), after.nodes.key(right.key));
                    match left_key.cmp(right_key) {
                        Ordering::Less => return Ok(before.take(None)),
                        Ordering::Greater => return Ok(after.take(None).map(Difference::reversed)),
                        Ordering::Equal if left.value == right.value => {
                            before.pop();
                            after.pop();
                        }
                        Ordering::Equal => {
                            let value = right.value;
                            after.pop();
                            return Ok(before.take(Some(value)));
                        }
                    }
                }
            }
        }
    }
}

impl<A: BlockSource, B: BlockSource<Error = A::Error>> Iterator for Diff<'_, A, B> {
    type Item = Result<Difference, TreeError<A::Error>>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.advance();
        if next.is_err() {
            self.before.stack.clear();
            self.after.stack.clear();
        }
        next.transpose()
    }
}

impl Difference {
    fn reversed(self) -> Self {
        Self { key: self.key, before: self.after, after: self.before }
    }
}

/// One of the two trees: what is left of it, the next item last.
#[derive(Debug)]
struct Side<'s, S> {
    source: &'s S,
    nodes: OpenNodes,
    stack: Vec<Item>,
    /// The open nodes, and how long the stack was below what came from each.
    open: Vec<(usize, OpenNode)>,
}

#[derive(Debug)]
enum Item {
    Leaf(Leaf),
    Subtree(Subtree),
}

#[derive(Debug)]
struct Leaf {
    key: Span,
    value: Digest,
}

#[derive(Debug)]
struct Subtree {
    digest: Digest,
    level: Option<u32>,
    bounds: Bounds,
}

impl<'s, S: BlockSource> Side<'s, S> {
    fn new(source: &'s S, tree: Tree) -> Self {
        let root = Some(tree.root).filter(|root| *root != Digest::EMPTY);
        let root = root.map(|digest| Subtree { digest, level: None, bounds: Bounds::default() });
        let stack = root.into_iter().map(Item::Subtree).collect();
        Self { source, nodes: OpenNodes::default(), stack, open: Vec::new() }
    }

    fn pop(&mut self) -> Option<Item> {
        self.stack.pop()
    }

    /// Returns whether this subtree comes right after the next item.
    fn continues_with(&self, digest: Digest) -> bool {
        let second = self.stack.len().checked_sub(2).and_then(|index| self.stack.get(index));
        matches!(second, Some(Item::Subtree(subtree)) if subtree.digest == digest)
    }

    /// Takes the leaf that comes next.
    fn take(&mut self, after: Option<Digest>) -> Option<Difference> {
        let Some(Item::Leaf(leaf)) = self.pop() else { return None };
        let key = String::from_utf8_lossy(self.nodes.key(leaf.key)).into_owned();
        let before = Some(leaf.value.to_cid());
        Some(Difference { key, before, after: after.map(Digest::to_cid) })
    }

    /// Replaces the subtree that comes next by what its top node holds.
    fn expand(&mut self) -> Result<(), TreeError<S::Error>> {
        while let Some((below, node)) = self.open.last()
            && self.stack.len() <= *below
        {
            self.nodes.close(node);
            self.open.pop();
        }
        let Some(Item::Subtree(subtree)) = self.pop() else { return Ok(()) };
        let block: Cow<'s, [u8]> = fetch(self.source, subtree.digest)?;
        let node = self.nodes.open(&block, subtree.level, subtree.bounds);
        let node = node.map_err(|error| error.of(subtree.digest))?;
        let first = self.stack.len();
        self.open.push((first, node));
        for slot in 0..=node.len() {
            if let Some(digest) = self.nodes.link(&block, &node, slot) {
                let bounds = self.nodes.slot_bounds(&node, slot, subtree.bounds);
                let level = node.level.checked_sub(1);
                self.stack.push(Item::Subtree(Subtree { digest, level, bounds }));
            }
            if let Some(entry) = self.nodes.entries(&node).get(slot) {
                let value = entry.value(&block);
                self.stack.push(Item::Leaf(Leaf { key: entry.key, value }));
            }
        }
        self.stack[first..].reverse();
        Ok(())
    }
}
