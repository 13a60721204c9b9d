//! Builds new nodes from old ones and edits.
//!
//! *Terminology.* A *slot* is a place for a link to a subtree: slot 0 is left of a node's first
//! entry, slot i is right of entry i - 1. A *piece* is a subtree of the old tree that supplies a
//! part of the new one. A *gap* is the space between two neighbouring entries of a new node.
//!
//! *Tricky bits.* Every change is the same operation: the node of some level and range of keys is
//! built from the pieces that reach into the range and the edits within it.
//!
//! The remaining entries of the pieces and the entries that edits add separate the gaps of the new
//! node. Each gap gets the subtrees at that place and becomes a node of the next level. A gap has
//! two pieces, which are merged, where an entry was removed. Where an entry was added, a piece may
//! reach beyond it; it then belongs to the gaps on both sides, and each takes its part. A piece
//! that is still alone between the same two entries and has no edits stays as it is, unread.
use nacre_cbor::Digest;

use crate::encode::{write_end, write_entry, write_link, write_start};
use crate::error::TreeError;
use crate::key::{common_prefix, key_height};
use crate::node::{MAX_NODE_ENTRIES, NodeError};
use crate::open::{Bounds, OpenNode, Span};
use crate::source::BlockSource;

use super::{Editor, NewEntry, Part, Piece, PlannedEdit};

impl<S: BlockSource> Editor<'_, S> {
    /// Builds a node. Returns `None` if it would be empty.
    ///
    /// Recurses to the next level only, so [`MAX_LEVEL`] bounds the depth.
    pub(super) fn make(
        &mut self,
        level: u32,
        part: &Part,
    ) -> Result<Option<Digest>, TreeError<S::Error>> {
        let pieces = &self.pieces[part.pieces.clone()];
        let is_cut = pieces.iter().any(|piece| self.is_cut(piece, part.bounds));
        let whole = if let [piece] = pieces { !is_cut && piece.level == level } else { false };
        if !self.edits[part.edits.clone()].iter().any(|edit| edit.height <= level) {
            match pieces {
                [] => return Ok(None),
                // Beside a removed entry the edge must be read: an untrusted tree may have keys
                // there that lie beyond the entry.
                [piece] if whole && !part.is_top && piece.bounds == part.bounds => {
                    return Ok(Some(piece.digest));
                }
                _ => {}
            }
        }
        let stash_start = self.stash.len();
        let mut work = NodeDraft {
            level,
            left: None,
            entries_start: self.entries.len(),
            blocks_start: self.blocks.len(),
            gap_pieces: self.pieces.len(),
            gap_edits: part.edits.start,
            gap_low: part.bounds.low,
            next_edit: part.edits.start,
            changed: false,
        };
        let mut first_open = None;
        for index in part.pieces.clone() {
            let piece = self.pieces[index];
            if piece.level < level {
                // The old root, if the tree has grown.
                self.pieces.push(piece);
                continue;
            }
            let block = self.take_block(piece.digest)?;
            let node = self.nodes.open(&block, Some(level), piece.bounds);
            let node = node.map_err(|error| error.of(piece.digest))?;
            first_open.get_or_insert(node);
            if whole && let Some(slot) = self.only_slot(&node, part) {
                let made = self.patch(&work, &piece, (&node, &block), slot, part)?;
                self.nodes.close(&node);
                return Ok(made);
            }
            self.merge(&mut work, part, &piece, (&node, &block))?;
            if is_cut {
                self.stash.push((piece.digest, block));
            }
        }
        let made = self.complete(work, part, is_cut)?;
        if let Some(node) = first_open {
            self.nodes.close(&node);
        }
        if !is_cut {
            self.stash.truncate(stash_start);
        }
        Ok(made)
    }

    /// Returns the only slot that the edits fall into, if nothing else in the node changes.
    fn only_slot(&self, node: &OpenNode, part: &Part) -> Option<usize> {
        let edits = &self.edits[part.edits.clone()];
        let (first, last) = (edits.first()?, edits.last()?);
        if edits.iter().any(|edit| edit.height >= node.level) || part.is_top && node.len() == 0 {
            return None;
        }
        let slot = |edit: &PlannedEdit| self.nodes.find(node, self.nodes.key(edit.key)).err();
        slot(first).filter(|found| slot(last) == Some(*found))
    }

    /// Copies a node with one link replaced.
    fn patch(
        &mut self,
        work: &NodeDraft,
        piece: &Piece,
        (node, block): (&OpenNode, &[u8]),
        slot: usize,
        part: &Part,
    ) -> Result<Option<Digest>, TreeError<S::Error>> {
        let link = self.nodes.link(block, node, slot);
        let bounds = self.nodes.slot_bounds(node, slot, piece.bounds);
        // `open` has checked that a node with links is above level 0.
        let level = work.level.saturating_sub(1);
        self.pieces.extend(link.map(|digest| Piece { digest, level, bounds }));
        let pieces = work.gap_pieces..self.pieces.len();
        let below = Part { pieces, edits: part.edits.clone(), bounds, is_top: false };
        let child = self.make_below(work, &below)?;
        self.pieces.truncate(work.gap_pieces);
        if child == link {
            return Ok(Some(piece.digest));
        }
        self.replaced.push(piece.digest);
        if child.is_none() && node.len() == 0 {
            return Ok(None);
        }
        let at = self.nodes.link_range(block, node, slot);
        let start = self.written.len();
        self.written.extend_from_slice(&block[..at.start]);
        write_link(&mut self.written, child);
        self.written.extend_from_slice(&block[at.end..]);
        Ok(Some(self.seal(start, work.level, work.blocks_start)))
    }

    /// Merges the entries and subtrees of an old node, and the edits between them, into a new one.
    fn merge(
        &mut self,
        work: &mut NodeDraft,
        part: &Part,
        piece: &Piece,
        (node, block): (&OpenNode, &[u8]),
    ) -> Result<(), TreeError<S::Error>> {
        // Between two pieces lie the removed entry and entries that edits add.
        if let Some(low) = piece.bounds.low {
            self.add_edits(work, part, Some(low))?;
        }
        for slot in 0..=node.len() {
            if let Some(digest) = self.nodes.link(block, node, slot) {
                let bounds = self.nodes.slot_bounds(node, slot, piece.bounds);
                // `open` has checked that a node with links is above level 0.
                let level = work.level.saturating_sub(1);
                let child = Piece { digest, level, bounds };
                if self.reaches_into(&child, part.bounds) {
                    self.pieces.push(child);
                } else {
                    work.changed = true;
                }
            }
            let Some(&entry) = self.nodes.entries(node).get(slot) else { break };
            if !self.is_within(entry.key, part.bounds) {
                // The key of an edit, which belongs to a higher level.
                if self.is_bound(entry.key, part.bounds) {
                    return Err(NodeError::Height.of(piece.digest));
                }
                work.changed = true;
                continue;
            }
            self.add_edits(work, part, Some(entry.key))?;
            let mut value = entry.value(block);
            let gap_end = work.next_edit;
            if let Some(edit) = self.edits[..part.edits.end].get_mut(work.next_edit)
                && self.nodes.key(edit.key) == self.nodes.key(entry.key)
            {
                // Checked even if the source is verified: inverting operations edits an unverified
                // tree at the very keys that may be misplaced.
                if edit.height != work.level {
                    return Err(NodeError::Height.of(piece.digest));
                }
                work.next_edit += 1;
                edit.previous = Some(value);
                work.changed |= edit.value != Some(value);
                // The entry is removed, so the gap continues.
                let Some(new) = edit.value else { continue };
                value = new;
            }
            self.close_gap(work, gap_end, Some(entry.key))?;
            self.entries.push(NewEntry { key: entry.key, value, right: None });
            work.gap_edits = work.next_edit;
        }
        Ok(())
    }

    /// Adds the entries that edits set on this level before `end`, or before the end of the part.
    fn add_edits(
        &mut self,
        work: &mut NodeDraft,
        part: &Part,
        end: Option<Span>,
    ) -> Result<(), TreeError<S::Error>> {
        while work.next_edit < part.edits.end {
            let index = work.next_edit;
            let PlannedEdit { key, height, value, .. } = self.edits[index];
            if end.is_some_and(|end| self.nodes.key(key) >= self.nodes.key(end)) {
                break;
            }
            work.next_edit += 1;
            if let Some(value) = value
                && height == work.level
            {
                self.close_gap(work, index, Some(key))?;
                self.entries.push(NewEntry { key, value, right: None });
                work.gap_edits = work.next_edit;
                work.changed = true;
            }
        }
        Ok(())
    }

    /// Builds the subtree of the open gap and opens the next one.
    fn close_gap(
        &mut self,
        work: &mut NodeDraft,
        edits_end: usize,
        high: Option<Span>,
    ) -> Result<(), TreeError<S::Error>> {
        let pieces = work.gap_pieces..self.pieces.len();
        let before = match &self.pieces[pieces.clone()] {
            [] => Some(None),
            [piece] if piece.level + 1 == work.level => Some(Some(piece.digest)),
            _ => None,
        };
        let bounds = Bounds { low: work.gap_low, high };
        let part = Part { pieces, edits: work.gap_edits..edits_end, bounds, is_top: false };
        let child = self.make_below(work, &part)?;
        work.changed |= before != Some(child);
        match self.entries[work.entries_start..].last_mut() {
            Some(entry) => entry.right = child,
            None => work.left = child,
        }
        let last = self.pieces[part.pieces].last().copied();
        self.pieces.truncate(work.gap_pieces);
        self.pieces.extend(last.filter(|piece| self.reaches_beyond(piece, high)));
        work.gap_low = high;
        Ok(())
    }

    /// Closes the last gap and writes the node if it has changed.
    fn complete(
        &mut self,
        mut work: NodeDraft,
        part: &Part,
        is_cut: bool,
    ) -> Result<Option<Digest>, TreeError<S::Error>> {
        self.add_edits(&mut work, part, None)?;
        if part.is_top && self.entries.len() == work.entries_start {
            self.replace(&work, part);
            let pieces = work.gap_pieces..self.pieces.len();
            let edits = work.gap_edits..part.edits.end;
            let below = Part { pieces, edits, bounds: part.bounds, is_top: true };
            let made = self.make_below(&work, &below)?;
            self.pieces.truncate(work.gap_pieces);
            return Ok(made);
        }
        if S::VERIFIED && part.is_top {
            self.check_top(&work, part)?;
        }
        self.close_gap(&mut work, part.edits.end, part.bounds.high)?;
        self.pieces.truncate(work.gap_pieces);
        let entries = work.entries_start..self.entries.len();
        if let [sole] = self.pieces[part.pieces.clone()]
            && sole.level == work.level
            && !work.changed
        {
            self.kept.extend(is_cut.then_some(sole.digest));
            self.entries.truncate(entries.start);
            return Ok(Some(sole.digest));
        }
        self.replace(&work, part);
        if entries.is_empty() && work.left.is_none() {
            return Ok(None);
        }
        if entries.len() > MAX_NODE_ENTRIES {
            return Err(TreeError::Full);
        }
        let start = self.written.len();
        write_start(&mut self.written, entries.len());
        let mut last: &[u8] = &[];
        for entry in &self.entries[entries.clone()] {
            let key = self.nodes.key(entry.key);
            let shared = common_prefix(last, key);
            write_entry(&mut self.written, shared, key, entry.right, entry.value);
            last = key;
        }
        write_end(&mut self.written, work.left);
        self.entries.truncate(entries.start);
        Ok(Some(self.seal(start, work.level, work.blocks_start)))
    }

    /// Builds a node of the next level, or nothing below level 0.
    fn make_below(
        &mut self,
        work: &NodeDraft,
        part: &Part,
    ) -> Result<Option<Digest>, TreeError<S::Error>> {
        work.level.checked_sub(1).map_or(Ok(None), |level| self.make(level, part))
    }

    /// Records that the old nodes of a part are not in the new tree.
    fn replace(&mut self, work: &NodeDraft, part: &Part) {
        let pieces = &self.pieces[part.pieces.clone()];
        let old = pieces.iter().filter(|piece| piece.level == work.level);
        self.replaced.extend(old.map(|piece| piece.digest));
    }

    /// Checks that the level of the new root is the height of its first key.
    ///
    /// When operations are inverted in an unverified tree and the result is a verified one, this
    /// proves that all other keys were on their levels too.
    fn check_top(&self, work: &NodeDraft, part: &Part) -> Result<(), TreeError<S::Error>> {
        let first = self.entries.get(work.entries_start);
        let old = self.pieces[part.pieces.clone()].first();
        match (first, old) {
            (Some(first), Some(old)) if key_height(self.nodes.key(first.key)) != work.level => {
                Err(NodeError::Height.of(old.digest))
            }
            _ => Ok(()),
        }
    }
}

/// A node that is being built from left to right.
struct NodeDraft {
    level: u32,
    left: Option<Digest>,
    entries_start: usize,
    blocks_start: usize,
    /// The open gap: its pieces, edits and lower bound.
    gap_pieces: usize,
    gap_edits: usize,
    gap_low: Option<Span>,
    /// The next edit.
    next_edit: usize,
    changed: bool,
}
