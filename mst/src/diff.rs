//! Differences between two trees, found without reading the subtrees that they share.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Ordering;

use cid::Cid;
use nacre_cbor::Digest;

use crate::digest::EMPTY_ROOT;
use crate::error::TreeError;
use crate::open::{Bounds, OpenNode, OpenNodes, Span};
use crate::source::{BlockSource, fetch};
use crate::tree::Tree;

/// A key with different records in two trees.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Difference {
    /// The key, a repo path such as `app.bsky.feed.post/3jzfcijpj2z2a`.
    pub key: String,
    /// The CID of the record in the first tree, if there is one.
    pub before: Option<Cid>,
    /// The CID of the record in the second tree, if there is one.
    pub after: Option<Cid>,
}

/// The differences between two trees in key order.
///
/// Skips subtrees that both trees share, so it does not replace [`verify`](crate::verify): errors
/// in shared subtrees go unnoticed. Reads about two nodes a level for each difference, and
/// sometimes the edge of a shared subtree beside one. Ends after an error.
#[derive(Debug)]
pub struct Diff<'s, A, B> {
    before: Side<'s, A>,
    after: Side<'s, B>,
}

/// Returns an iterator over the differences between two trees. Reads nothing yet.
#[must_use]
pub fn diff<'s, A: BlockSource, B: BlockSource<Error = A::Error>>(
    before: (&'s A, Tree),
    after: (&'s B, Tree),
) -> Diff<'s, A, B> {
    Diff { before: Side::new(before.0, before.1), after: Side::new(after.0, after.1) }
}

impl<A: BlockSource, B: BlockSource<Error = A::Error>> Diff<'_, A, B> {
    fn advance(&mut self) -> Result<Option<Difference>, TreeError<A::Error>> {
        use Item::{Leaf, Subtree};
        let Self { before, after } = self;
        loop {
            skip_equal(before, after);
            match (before.next(), after.next()) {
                (None, None) => return Ok(None),
                (Some(Subtree(left, _)), Some(Subtree(right, _))) if left == right => {
                    before.skip();
                    after.skip();
                }
                (Some(Subtree(_, left)), Some(Subtree(_, right))) => match left.cmp(&right) {
                    Ordering::Greater => before.enter()?,
                    Ordering::Less => after.enter()?,
                    Ordering::Equal => {
                        before.enter()?;
                        after.enter()?;
                    }
                },
                // An entry that only one tree has, if the other's next subtree follows it.
                (Some(Subtree(left, _)), Some(Leaf(right))) if after.is_followed_by(left) => {
                    return Ok(Some(after.take(right).reversed()));
                }
                (Some(Leaf(left)), Some(Subtree(right, _))) if before.is_followed_by(right) => {
                    return Ok(Some(before.take(left)));
                }
                (Some(Subtree(..)), _) => before.enter()?,
                (_, Some(Subtree(..))) => after.enter()?,
                (Some(Leaf(left)), None) => return Ok(Some(before.take(left))),
                (None, Some(Leaf(right))) => return Ok(Some(after.take(right).reversed())),
                (Some(Leaf(left)), Some(Leaf(right))) => {
                    match before.key(&left).cmp(after.key(&right)) {
                        Ordering::Less => return Ok(Some(before.take(left))),
                        Ordering::Greater => return Ok(Some(after.take(right).reversed())),
                        Ordering::Equal if left.value == right.value => {
                            before.skip();
                            after.skip();
                        }
                        Ordering::Equal => {
                            after.skip();
                            let difference = before.take(left);
                            let after = Some(right.value.to_cid());
                            return Ok(Some(Difference { after, ..difference }));
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
            self.before.stop();
            self.after.stop();
        }
        next.transpose()
    }
}

impl Difference {
    fn reversed(self) -> Self {
        Self { key: self.key, before: self.after, after: self.before }
    }
}

/// Advances both sides while their next subtree or entry is the same.
///
/// A fast path: nearly everything compared is equal, and [`Diff::advance`] would skip it too.
fn skip_equal<A, B>(before: &mut Side<'_, A>, after: &mut Side<'_, B>) {
    let (Some(left), Some(right)) = (before.frames.last_mut(), after.frames.last_mut()) else {
        return;
    };
    let (left_entries, right_entries) =
        (before.nodes.entries(&left.node), after.nodes.entries(&right.node));
    while left.at_link == right.at_link {
        let is_equal = if left.at_link {
            let old = before.nodes.link_bytes(&left.block, &left.node, left.slot);
            old == after.nodes.link_bytes(&right.block, &right.node, right.slot)
        } else if let (Some(old), Some(new)) =
            (left_entries.get(left.slot), right_entries.get(right.slot))
        {
            before.nodes.key(old.key) == after.nodes.key(new.key)
                && old.value_bytes(&left.block) == new.value_bytes(&right.block)
        } else {
            false
        };
        if !is_equal {
            return;
        }
        left.step();
        right.step();
    }
}

/// One of the two trees, and the position in it.
#[derive(Debug)]
struct Side<'s, S> {
    source: &'s S,
    nodes: OpenNodes,
    /// The root, until it is entered.
    root: Option<Digest>,
    frames: Vec<Frame<'s>>,
}

/// A node on the path from the root to the position.
#[derive(Debug)]
struct Frame<'s> {
    block: Cow<'s, [u8]>,
    node: OpenNode,
    bounds: Bounds,
    /// The next slot, or the slot before the next entry.
    slot: usize,
    /// Whether the slot's subtree comes next, rather than the entry after it.
    at_link: bool,
}

impl Frame<'_> {
    /// Advances past the next item.
    fn step(&mut self) {
        self.slot += usize::from(!self.at_link);
        self.at_link = !self.at_link;
    }
}

/// The next item on one side.
enum Item {
    Leaf(Leaf),
    /// A subtree and its level. The level of a root is unknown and counts as above all others.
    Subtree(Digest, u32),
}

#[derive(Clone, Copy)]
struct Leaf {
    key: Span,
    value: Digest,
}

impl<'s, S: BlockSource> Side<'s, S> {
    fn new(source: &'s S, tree: Tree) -> Self {
        let root = Some(tree.root).filter(|root| *root != EMPTY_ROOT);
        let nodes = OpenNodes::new(S::VERIFIED).with_room_for_a_path();
        Self { source, nodes, root, frames: Vec::new() }
    }

    /// Returns the next item and closes finished nodes.
    fn next(&mut self) -> Option<Item> {
        if let Some(root) = self.root {
            return Some(Item::Subtree(root, u32::MAX));
        }
        loop {
            let frame = self.frames.last_mut()?;
            if frame.at_link {
                if let Some(digest) = self.nodes.link(&frame.block, &frame.node, frame.slot) {
                    return Some(Item::Subtree(digest, frame.node.level.saturating_sub(1)));
                }
                frame.at_link = false;
            }
            if let Some(entry) = self.nodes.entries(&frame.node).get(frame.slot) {
                let value = entry.value(&frame.block);
                return Some(Item::Leaf(Leaf { key: entry.key, value }));
            }
            self.nodes.close(&frame.node);
            self.frames.pop();
        }
    }

    /// Advances past the next item.
    fn skip(&mut self) {
        if self.root.take().is_some() {
            return;
        }
        if let Some(frame) = self.frames.last_mut() {
            frame.step();
        }
    }

    /// Enters the next subtree.
    fn enter(&mut self) -> Result<(), TreeError<S::Error>> {
        let (digest, level, bounds) = match (self.root, self.frames.last()) {
            (Some(root), _) => (root, None, Bounds::default()),
            (None, None) => return Ok(()),
            (None, Some(frame)) => {
                let Frame { block, node, slot, .. } = frame;
                let Some(digest) = self.nodes.link(block, node, *slot) else { return Ok(()) };
                let bounds = self.nodes.slot_bounds(node, *slot, frame.bounds);
                (digest, node.level.checked_sub(1), bounds)
            }
        };
        self.skip();
        let block = fetch(self.source, digest)?;
        let node = self.nodes.open(&block, level, bounds).map_err(|error| error.of(digest))?;
        self.frames.push(Frame { block, node, bounds, slot: 0, at_link: true });
        Ok(())
    }

    fn key(&self, leaf: &Leaf) -> &[u8] {
        self.nodes.key(leaf.key)
    }

    /// Takes the next leaf, which the other tree lacks.
    fn take(&mut self, leaf: Leaf) -> Difference {
        let key = String::from_utf8_lossy(self.key(&leaf)).into_owned();
        self.skip();
        Difference { key, before: Some(leaf.value.to_cid()), after: None }
    }

    /// Returns whether this subtree directly follows the next leaf.
    fn is_followed_by(&self, digest: Digest) -> bool {
        self.frames.last().is_some_and(|frame| {
            self.nodes.link(&frame.block, &frame.node, frame.slot + 1) == Some(digest)
        })
    }

    fn stop(&mut self) {
        self.root = None;
        self.frames.clear();
    }
}
