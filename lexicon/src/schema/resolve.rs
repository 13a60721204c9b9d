//! Collects a schema document and all documents that it refers to.

use alloc::{collections::BTreeMap, vec::Vec};

use nacre_syntax::Nsid;

use crate::schema::compile::compile;
use crate::schema::document::Document;
use crate::schema::error::SchemaError;

/// The most documents that a schema may need. `app.bsky.feed.post` needs 19.
pub const MAX_DOCUMENTS: usize = 64;

/// Collects a schema and everything that it refers to: names the next document that it needs, takes
/// the document, and compiles all of them at the end.
///
/// The caller fetches the documents. Published ones are found through the
/// [`_lexicon` record](https://atproto.com/specs/lexicon) of their authority's domain.
///
/// ```
/// use nacre_lexicon::{Catalogue, Document, Resolver};
/// use nacre_syntax::Nsid;
///
/// # fn fetch(nsid: &str) -> Document {
/// #     let json = r#"{ "lexicon": 1, "id": "NSID", "defs": { "main": {
/// #         "type": "record", "key": "tid", "record": { "type": "object" } } } }"#;
/// #     Document::parse(&json.replace("NSID", nsid)).unwrap()
/// # }
/// let note = Nsid::parse("com.example.note".to_owned())?;
/// let mut resolver = Resolver::new(note.clone());
/// while let Some(nsid) = resolver.needs() {
///     let document = fetch(nsid.as_str());
///     resolver.add(document)?;
/// }
/// let bytes = resolver.finish()?;
/// assert!(Catalogue::new(&bytes).unwrap().record(&note).is_some());
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Resolver {
    /// The documents, with `None` for those that are still needed.
    documents: BTreeMap<Nsid, Option<Document>>,
}

impl Resolver {
    /// Starts with the document of this NSID.
    #[must_use]
    pub fn new(nsid: Nsid) -> Self {
        Self { documents: BTreeMap::from([(nsid, None)]) }
    }

    /// Returns the NSID of a needed document, or `None` when the set is complete.
    #[must_use]
    pub fn needs(&self) -> Option<Nsid<&str>> {
        self.documents
            .iter()
            .find(|(_, document)| document.is_none())
            .map(|(nsid, _)| nsid.as_deref())
    }

    /// Adds a needed document.
    ///
    /// # Errors
    ///
    /// [`SchemaError::Unexpected`] if the document is not needed: the authority of one name must
    /// not define others. [`SchemaError::TooLarge`] if more than [`MAX_DOCUMENTS`] are needed.
    pub fn add(&mut self, document: Document) -> Result<(), SchemaError> {
        let nsid = &document.id;
        let Some(slot @ None) = self.documents.get_mut(nsid) else {
            return Err(SchemaError::Unexpected(document.id));
        };
        let needed: Vec<Nsid> = document.references().map(|nsid| nsid.to_owned()).collect();
        *slot = Some(document);
        for nsid in needed {
            self.documents.entry(nsid).or_default();
        }
        if self.documents.len() > MAX_DOCUMENTS { Err(SchemaError::TooLarge) } else { Ok(()) }
    }

    /// Compiles the documents to the bytes of a [`Catalogue`](crate::Catalogue).
    ///
    /// # Errors
    ///
    /// Those of [`compile`], which include a reference to a document that is still missing.
    pub fn finish(&self) -> Result<Vec<u8>, SchemaError> {
        compile(self.documents.values().flatten())
    }
}
