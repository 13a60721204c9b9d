//! Schemas of records.

use alloc::{borrow::ToOwned, boxed::Box, string::String};

use nacre_syntax::{Nsid, RecordKey, Tid};

use crate::ReferencedBlob;
use crate::schema::invalid::Invalid;
use crate::schema::layout::{KEY_SHIFT, key};
use crate::schema::validate::validate_record;
use crate::schema::words::Words;

/// The schema of the records of one collection.
#[derive(Clone, Copy, Debug)]
pub struct RecordSchema<'c> {
    words: Words<'c>,
    name: &'c str,
    node: usize,
}

impl<'c> RecordSchema<'c> {
    pub(super) fn new(words: Words<'c>, name: &'c str, node: usize) -> Self {
        Self { words, name, node }
    }

    /// Checks that DAG-CBOR is a valid record of this collection: canonical data, with the
    /// collection as its `$type`, and valid by the schema.
    ///
    /// Reports the first error in the order of the record's keys. Allocates nothing for a valid
    /// record.
    ///
    /// # Errors
    ///
    /// [`Invalid`] says what is wrong, and where.
    pub fn validate(&self, cbor: &[u8]) -> Result<(), Box<Invalid>> {
        self.validate_keeping(cbor, &[])
    }

    /// Validates a record that replaces another one, whose blob references are `kept`.
    ///
    /// A reference to a kept blob with the same media type passes whatever types and sizes the
    /// schema allows. A record can therefore be edited although the schema now refuses a blob that
    /// it already has.
    ///
    /// # Errors
    ///
    /// Those of [`Self::validate`].
    pub fn validate_keeping(
        &self,
        cbor: &[u8],
        kept: &[ReferencedBlob],
    ) -> Result<(), Box<Invalid>> {
        let object = self.words.index(self.node + 1);
        validate_record(self.words, object, self.name, cbor, kept)
    }

    /// Checks that the schema allows a record key.
    ///
    /// # Errors
    ///
    /// The [`KeyRule`] that the key breaks.
    pub fn check_key<S: AsRef<str>>(&self, rkey: &RecordKey<S>) -> Result<(), KeyRule> {
        let rkey = rkey.as_str();
        match self.words.word(self.node) >> KEY_SHIFT {
            key::LITERAL => {
                let literal = self.words.name(self.node + 2);
                if rkey == literal { Ok(()) } else { Err(KeyRule::Literal(literal.to_owned())) }
            }
            key::NSID => Nsid::parse(rkey).map(drop).map_err(|_| KeyRule::Nsid),
            key::TID => Tid::parse(rkey).map(drop).map_err(|_| KeyRule::Tid),
            _ => Ok(()),
        }
    }
}

/// The form that a collection's schema demands of record keys.
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
