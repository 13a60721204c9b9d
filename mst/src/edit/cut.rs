//! Comparisons of the pieces of a node with its bounds.

use crate::open::{Bounds, Span};
use crate::source::BlockSource;

use super::{Editor, Piece};

impl<S: BlockSource> Editor<'_, S> {
    /// Returns whether bounds cut through a piece.
    pub(super) fn is_cut(&self, piece: &Piece, bounds: Bounds) -> bool {
        let low = bounds.low.is_some_and(|low| self.reaches_before(piece, low));
        low || self.reaches_beyond(piece, bounds.high)
    }

    fn reaches_before(&self, piece: &Piece, key: Span) -> bool {
        piece.bounds.low != Some(key)
            && piece.bounds.low.is_none_or(|low| self.nodes.key(low) < self.nodes.key(key))
    }

    pub(super) fn reaches_beyond(&self, piece: &Piece, key: Option<Span>) -> bool {
        let Some(key) = key else { return false };
        piece.bounds.high != Some(key)
            && piece.bounds.high.is_none_or(|high| self.nodes.key(key) < self.nodes.key(high))
    }

    /// Returns whether a piece may have keys within bounds.
    pub(super) fn reaches_into(&self, piece: &Piece, bounds: Bounds) -> bool {
        let below = |low, high| self.nodes.key(low) < self.nodes.key(high);
        let Bounds { low, high } = piece.bounds;
        bounds.low.is_none_or(|cut| high.is_none_or(|high| below(cut, high)))
            && bounds.high.is_none_or(|cut| low.is_none_or(|low| below(low, cut)))
    }

    pub(super) fn is_within(&self, key: Span, bounds: Bounds) -> bool {
        let key = self.nodes.key(key);
        bounds.low.is_none_or(|low| self.nodes.key(low) < key)
            && bounds.high.is_none_or(|high| key < self.nodes.key(high))
    }

    /// Returns whether a key is one of two bounds.
    pub(super) fn is_bound(&self, key: Span, bounds: Bounds) -> bool {
        let key = self.nodes.key(key);
        [bounds.low, bounds.high].into_iter().flatten().any(|bound| self.nodes.key(bound) == key)
    }
}
