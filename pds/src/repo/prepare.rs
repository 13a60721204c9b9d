//! Prepares records: converts a client's JSON to a block, and validates it against the schema of
//! its collection.

use nacre_lexicon::{
    Catalogue, Invalid, KeyRule, LegacyBlobRef, Record, ReferencedBlob, referenced_blobs,
};
use nacre_syntax::{Nsid, RepoPath};
use serde::Serialize;

use super::repository::Repository;
use crate::blobs::is_mime_type;
use crate::host::SqlError;

/// The result of validating a record.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ValidationStatus {
    /// The record matches the schema.
    Valid,
    /// The schema is unknown.
    Unknown,
}

/// Why a record cannot be written.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum RecordError {
    #[error(transparent)]
    Data(#[from] nacre_lexicon::RecordError),
    #[error(transparent)]
    Database(#[from] SqlError),
    #[error("Invalid record key for {0}: {1}")]
    Key(Nsid, KeyRule),
    #[error("Invalid {0} record: {1}")]
    Schema(Nsid, Box<Invalid>),
    #[error("Unknown lexicon type: {0}")]
    UnknownSchema(Nsid),
}

impl Repository {
    /// Turns the JSON of a new record into its block.
    pub(crate) fn new_record(&self, json: &str, collection: &Nsid) -> Result<Record, RecordError> {
        Ok(nacre_lexicon::record_from_json(json, collection.as_str())?)
    }

    /// Turns the JSON of a record that may replace another into its block.
    ///
    /// References to blobs in the old form, which only imported records have, are converted if the
    /// blob is stored. A reference without a type gets the type of the stored blob.
    pub(crate) fn edited_record(
        &self,
        json: &str,
        collection: &Nsid,
    ) -> Result<Record, RecordError> {
        let mut failure = None;
        let mut size = |blob: &mut LegacyBlobRef| match self.store.blob(&blob.cid.to_string()) {
            Ok(stored) => stored.map(|stored| {
                if !is_mime_type(&blob.mime_type) {
                    blob.mime_type = stored.mime_type;
                }
                stored.size
            }),
            Err(error) => {
                failure = Some(error);
                None
            }
        };
        let record =
            nacre_lexicon::record_from_json_upgrading(json, collection.as_str(), &mut size);
        match failure {
            Some(error) => Err(error.into()),
            None => Ok(record?),
        }
    }

    /// Validates a new record and its key against the schema of its collection.
    ///
    /// `required` is the client's `validate` parameter: `Some(true)` refuses records of unknown
    /// schemas, and `Some(false)` skips validation.
    pub(crate) fn validate(
        &self,
        path: &RepoPath,
        record: &Record,
        required: Option<bool>,
    ) -> Result<Option<ValidationStatus>, RecordError> {
        validate(path, record, required, &[])
    }

    /// Validates a record that may replace another. Blobs that it keeps may have any type and size,
    /// so that imported records which violate their schema can still be edited.
    pub(crate) fn validate_edited(
        &self,
        path: &RepoPath,
        record: &Record,
        required: Option<bool>,
    ) -> Result<Option<ValidationStatus>, RecordError> {
        let error = match validate(path, record, required, &[]) {
            Ok(status) => return Ok(status),
            Err(error) => error,
        };
        let Some(before) = self.store.record(path)? else { return Err(error) };
        validate(path, record, required, &referenced_blobs(&before.value))
    }
}

/// Validates a record. The blobs in `kept` may have any type and size.
fn validate(
    path: &RepoPath,
    record: &Record,
    required: Option<bool>,
    kept: &[ReferencedBlob],
) -> Result<Option<ValidationStatus>, RecordError> {
    if required == Some(false) {
        return Ok(None);
    }
    let collection = path.collection();
    let Some(schema) = Catalogue::known().record(&collection) else {
        return match required {
            Some(true) => Err(RecordError::UnknownSchema(collection.to_owned())),
            _ => Ok(Some(ValidationStatus::Unknown)),
        };
    };
    schema
        .validate_keeping(&record.bytes, kept)
        .map_err(|error| RecordError::Schema(collection.to_owned(), error))?;
    schema.check_key(&path.rkey()).map_err(|rule| RecordError::Key(collection.to_owned(), rule))?;
    Ok(Some(ValidationStatus::Valid))
}
