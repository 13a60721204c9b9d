//! Access to the words and names of compiled schemas, whose layout is described in `layout.rs`.

use core::cmp::Ordering;

use crate::schema::layout::{ROW_WORDS, order};

/// The words of compiled schemas, and the text of their names.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Words<'c> {
    words: &'c [[u8; 4]],
    text: &'c [u8],
}

impl<'c> Words<'c> {
    pub(super) fn new(words: &'c [[u8; 4]], text: &'c [u8]) -> Self {
        Self { words, text }
    }

    /// Finds the row of a name among `count` sorted rows from `first` on.
    pub(super) fn find(&self, first: usize, count: usize, name: &[u8]) -> Option<usize> {
        let (mut low, mut high) = (0, count);
        while low < high {
            let middle = low.midpoint(high);
            let row = first + ROW_WORDS * middle;
            let [start, length, _] = self.row(row);
            match order(self.bytes(start, length), name) {
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
                Ordering::Equal => return Some(row),
            }
        }
        None
    }

    /// Returns the word at `at`, or 0 past the end, where no compiled schema points.
    #[inline]
    pub(super) fn word(&self, at: usize) -> u32 {
        self.words.get(at).map_or(0, |word| u32::from_le_bytes(*word))
    }

    /// Returns the 64 bits of two words.
    pub(super) fn wide(&self, at: usize) -> i64 {
        let [low, high] = [at, at + 1].map(|at| u64::from(self.word(at)));
        (high << 32 | low).cast_signed()
    }

    /// Returns a word that is an index or a length.
    #[inline]
    pub(super) fn index(&self, at: usize) -> usize {
        index(self.word(at))
    }

    /// Returns the words of a row.
    #[inline]
    pub(super) fn row(&self, at: usize) -> [u32; ROW_WORDS] {
        let row = self.words.get(at..).and_then(|words| words.first_chunk());
        row.map_or([0; ROW_WORDS], |row| row.map(u32::from_le_bytes))
    }

    /// Returns the bytes of a name.
    #[inline]
    pub(super) fn bytes(&self, start: u32, length: u32) -> &'c [u8] {
        let text = self.text.get(index(start)..).and_then(|text| text.get(..index(length)));
        text.unwrap_or_default()
    }

    /// Returns the name whose start and length are the two words at `at`.
    pub(super) fn name(&self, at: usize) -> &'c str {
        core::str::from_utf8(self.bytes(self.word(at), self.word(at + 1))).unwrap_or_default()
    }
}

/// Returns a word as an index or a length.
#[inline]
pub(super) fn index(word: u32) -> usize {
    usize::try_from(word).unwrap_or(usize::MAX)
}
