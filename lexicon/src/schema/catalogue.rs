//! Compiled schemas.

use alloc::{borrow::ToOwned, boxed::Box, string::String};
use core::cmp::Ordering;

use nacre_syntax::{Nsid, RecordKey, Tid};

use crate::ReferencedBlob;
use crate::schema::invalid::Invalid;
use crate::schema::layout::{HEADER_WORDS, KEY_SHIFT, MAGIC, ROW_WORDS};
use crate::schema::layout::{key, kind, order};
use crate::schema::method::MethodSchema;
use crate::schema::validate::validate_record;

/// Schemas that were [compiled](crate::compile): which definitions there are, and what is valid by
/// them.
///
/// It is the bytes and nothing else, so there is nothing to be done before it is used.
#[derive(Clone, Copy, Debug, Default)]
pub struct Catalogue<'c> {
    words: &'c [[u8; 4]],
    text: &'c [u8],
    /// How many definitions there are.
    count: usize,
}

/// The schema of the records of one collection.
#[derive(Clone, Copy, Debug)]
pub struct RecordSchema<'c> {
    catalogue: Catalogue<'c>,
    name: &'c str,
    node: usize,
}

impl<'c> Catalogue<'c> {
    /// Opens what [`compile`](crate::compile) has made; `None` if these bytes are something else.
    /// Only the beginning is looked at, so do not take bytes from a stranger: take documents, and
    /// compile them.
    #[must_use]
    pub fn new(bytes: &'c [u8]) -> Option<Self> {
        let (words, _) = bytes.as_chunks();
        let header = words.first_chunk::<HEADER_WORDS>()?.map(u32::from_le_bytes);
        let [MAGIC, count, length] = header else { return None };
        let (count, length) = (usize::try_from(count).ok()?, usize::try_from(length).ok()?);
        let (words, text) = (words.get(..length)?, bytes.get(length * 4..)?);
        let is_whole = ROW_WORDS.checked_mul(count)?.checked_add(HEADER_WORDS)? <= length;
        is_whole.then_some(Self { words, text, count })
    }

    /// Returns the schemas that come with this crate: all of `app.bsky`, `chat.bsky`,
    /// `com.atproto`, `com.germnetwork` and `tools.ozone`. They have about 120 kB, which a program
    /// that does not call this is without.
    #[must_use]
    pub fn known() -> Catalogue<'static> {
        // What is compiled in is a catalogue, by a test.
        Catalogue::new(KNOWN).unwrap_or_default()
    }

    /// Returns the names of all definitions, such as `app.bsky.feed.post` and
    /// `app.bsky.feed.post#replyRef`, the shorter ones first.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &'c str> {
        let catalogue = *self;
        (0..self.count).map(move |index| catalogue.name(HEADER_WORDS + ROW_WORDS * index))
    }

    /// Returns the schema of a collection's records, if it is here.
    #[must_use]
    pub fn record<S: AsRef<str>>(&self, collection: &Nsid<S>) -> Option<RecordSchema<'c>> {
        let (name, node) = self.main(collection.as_str(), kind::RECORD)?;
        Some(RecordSchema { catalogue: *self, name, node })
    }

    /// Returns the schema of a method, if it is here.
    #[must_use]
    pub fn method<S: AsRef<str>>(&self, lxm: &Nsid<S>) -> Option<MethodSchema<'c>> {
        let (_, node) = self.main(lxm.as_str(), kind::METHOD)?;
        Some(MethodSchema::new(*self, node))
    }

    /// Finds the main definition of an NSID, if it is of this kind: its name and node.
    fn main(&self, nsid: &str, kind: u32) -> Option<(&'c str, usize)> {
        let row = self.find(HEADER_WORDS, self.count, nsid.as_bytes())?;
        let (name, node) = (self.name(row), self.index(row + 2));
        (self.word(node) & 0xff == kind).then_some((name, node))
    }

    /// Finds the row of a name among `count` sorted ones from `first` on.
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

    /// Returns a word; 0 where there is none, which bytes that were compiled never ask for.
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

    /// Returns the name that the two words at `at` are.
    pub(super) fn name(&self, at: usize) -> &'c str {
        core::str::from_utf8(self.bytes(self.word(at), self.word(at + 1))).unwrap_or_default()
    }
}

impl RecordSchema<'_> {
    /// Checks that DAG-CBOR is a record of this collection: data, with the collection as its
    /// `$type`, and as the schema says.
    ///
    /// Of several things that are wrong the first is told, in the order of the record's keys. No
    /// memory is allocated for a record that is right.
    ///
    /// # Errors
    ///
    /// [`Invalid`] says what is wrong, and where.
    pub fn validate(&self, cbor: &[u8]) -> Result<(), Box<Invalid>> {
        self.validate_keeping(cbor, &[])
    }

    /// Does what [`Self::validate`] does for a record that replaces another one, whose blob
    /// references are `kept`. References to the same blob, of the same type, may be of any type and
    /// size: a record can be edited although the schema refuses a blob that it had before.
    ///
    /// # Errors
    ///
    /// Those of [`Self::validate`].
    pub fn validate_keeping(
        &self,
        cbor: &[u8],
        kept: &[ReferencedBlob],
    ) -> Result<(), Box<Invalid>> {
        let object = self.catalogue.index(self.node + 1);
        validate_record(self.catalogue, object, self.name, cbor, kept)
    }

    /// Checks that a record key is one that the schema allows.
    ///
    /// # Errors
    ///
    /// What it must be instead.
    pub fn check_key<S: AsRef<str>>(&self, rkey: &RecordKey<S>) -> Result<(), KeyRule> {
        let rkey = rkey.as_str();
        match self.catalogue.word(self.node) >> KEY_SHIFT {
            key::LITERAL => {
                let literal = self.catalogue.name(self.node + 2);
                if rkey == literal { Ok(()) } else { Err(KeyRule::Literal(literal.to_owned())) }
            }
            key::NSID => Nsid::parse(rkey).map(drop).map_err(|_| KeyRule::Nsid),
            key::TID => Tid::parse(rkey).map(drop).map_err(|_| KeyRule::Tid),
            _ => Ok(()),
        }
    }
}

/// Returns a word as an index or a length.
#[inline]
pub(super) fn index(word: u32) -> usize {
    usize::try_from(word).unwrap_or(usize::MAX)
}

/// What the key of a record must be, by the schema of its collection.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyRule {
    /// This one key.
    #[error("the key must be {0}")]
    Literal(String),
    /// An NSID.
    #[error("the key must be an NSID")]
    Nsid,
    /// A TID.
    #[error("the key must be a TID")]
    Tid,
}

/// Made by `cargo xtask lexicons`.
const KNOWN: &[u8] = include_bytes!("../known.nlx");
