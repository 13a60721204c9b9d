//! Getting a schema together: the document that one wants, and all that it refers to.

use alloc::{collections::BTreeMap, vec::Vec};

use nacre_syntax::Nsid;

use crate::schema::compile::compile;
use crate::schema::document::Document;
use crate::schema::error::SchemaError;

/// The most documents that one schema may be spread over. That of `app.bsky.feed.post` has 19.
pub const MAX_DOCUMENTS: usize = 64;

/// Gets a schema together that is not known: says which document it needs next, is told what that
/// document is, and compiles them all in the end.
///
/// Where documents come from is the caller's business: published ones are found by the
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
///     resolver.answer(document)?;
/// }
/// let bytes = resolver.finish()?;
/// assert!(Catalogue::new(&bytes).unwrap().record(&note).is_some());
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Resolver {
    /// What is there, and what is needed and not there yet.
    documents: BTreeMap<Nsid, Option<Document>>,
}

impl Resolver {
    /// Begins with the document of this NSID.
    #[must_use]
    pub fn new(nsid: Nsid) -> Self {
        Self { documents: BTreeMap::from([(nsid, None)]) }
    }

    /// Returns the NSID of a document that is needed; `None` when all are there.
    #[must_use]
    pub fn needs(&self) -> Option<Nsid<&str>> {
        self.documents
            .iter()
            .find(|(_, document)| document.is_none())
            .map(|(nsid, _)| nsid.as_deref())
    }

    /// Takes a document that is needed.
    ///
    /// # Errors
    ///
    /// [`SchemaError::Unasked`] if it is another one: whoever answers for one name must not speak
    /// for others. [`SchemaError::TooLarge`] if more than [`MAX_DOCUMENTS`] would be needed.
    pub fn answer(&mut self, document: Document) -> Result<(), SchemaError> {
        let nsid = &document.id;
        let Some(place @ None) = self.documents.get_mut(nsid) else {
            return Err(SchemaError::Unasked(document.id));
        };
        let needed: Vec<Nsid> = document.references().map(|nsid| nsid.to_owned()).collect();
        *place = Some(document);
        for nsid in needed {
            self.documents.entry(nsid).or_default();
        }
        if self.documents.len() > MAX_DOCUMENTS { Err(SchemaError::TooLarge) } else { Ok(()) }
    }

    /// Compiles what is there to the bytes of a [`Catalogue`](crate::Catalogue).
    ///
    /// # Errors
    ///
    /// As [`compile`] has them; so if a document is still needed that something refers to.
    pub fn finish(&self) -> Result<Vec<u8>, SchemaError> {
        compile(self.documents.values().flatten())
    }
}
