//! Catalogues of compiled schemas.

use nacre_syntax::Nsid;

use crate::schema::layout::{HEADER_WORDS, MAGIC, ROW_WORDS, kind};
use crate::schema::method::MethodSchema;
use crate::schema::record::RecordSchema;
use crate::schema::words::Words;

/// [Compiled](crate::compile) schemas of records and methods, looked up by NSID.
///
/// It borrows the compiled bytes and needs no further preparation.
#[derive(Clone, Copy, Debug, Default)]
pub struct Catalogue<'c> {
    words: Words<'c>,
    /// The number of definitions.
    count: usize,
}

impl<'c> Catalogue<'c> {
    /// Opens the output of [`compile`](crate::compile). Returns `None` for other bytes.
    ///
    /// Only the header is checked. Do not open bytes from a stranger: compile their documents
    /// instead.
    #[must_use]
    pub fn new(bytes: &'c [u8]) -> Option<Self> {
        let (words, _) = bytes.as_chunks();
        let header = words.first_chunk::<HEADER_WORDS>()?.map(u32::from_le_bytes);
        let [MAGIC, count, length] = header else { return None };
        let (count, length) = (usize::try_from(count).ok()?, usize::try_from(length).ok()?);
        let (words, text) = (words.get(..length)?, bytes.get(length * 4..)?);
        let is_whole = ROW_WORDS.checked_mul(count)?.checked_add(HEADER_WORDS)? <= length;
        is_whole.then_some(Self { words: Words::new(words, text), count })
    }

    /// Returns the schemas that come with this crate: all of `app.bsky`, `chat.bsky`,
    /// `com.atproto`, `com.germnetwork` and `tools.ozone`.
    ///
    /// They take about 120 kB, which the linker drops from a program that never calls this.
    #[must_use]
    pub fn known() -> Catalogue<'static> {
        // A test checks that the embedded bytes are a catalogue.
        Catalogue::new(KNOWN).unwrap_or_default()
    }

    /// Returns the names of all definitions, such as `app.bsky.feed.post` and
    /// `app.bsky.feed.post#replyRef`, shorter names first.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &'c str> {
        let words = self.words;
        (0..self.count).map(move |index| words.name(HEADER_WORDS + ROW_WORDS * index))
    }

    /// Returns the schema of a collection's records, or `None` if the catalogue lacks it.
    #[must_use]
    pub fn record<S: AsRef<str>>(&self, collection: &Nsid<S>) -> Option<RecordSchema<'c>> {
        let (name, node) = self.main(collection.as_str(), kind::RECORD)?;
        Some(RecordSchema::new(self.words, name, node))
    }

    /// Returns the schema of a method, or `None` if the catalogue lacks it.
    #[must_use]
    pub fn method<S: AsRef<str>>(&self, lxm: &Nsid<S>) -> Option<MethodSchema<'c>> {
        let (_, node) = self.main(lxm.as_str(), kind::METHOD)?;
        Some(MethodSchema::new(self.words, node))
    }

    /// Finds the main definition of an NSID if it is of this kind. Returns its name and node.
    fn main(&self, nsid: &str, kind: u32) -> Option<(&'c str, usize)> {
        let row = self.words.find(HEADER_WORDS, self.count, nsid.as_bytes())?;
        let (name, node) = (self.words.name(row), self.words.index(row + 2));
        (self.words.word(node) & 0xff == kind).then_some((name, node))
    }
}

/// Written by `cargo xtask lexicons`.
const KNOWN: &[u8] = include_bytes!("../known.nlx");
