//! From what a client sent to a write that can be applied.

use cid::Cid;
use nacre_lexicon::{Catalogue, LegacyBlobRef, Record, ReferencedBlob, referenced_blobs};
use nacre_syntax::{Nsid, RecordKey, RepoPath};
use nacre_xrpc::{XrpcError, shown};
use serde::Serialize;

use crate::Pds;
use crate::api::{Failure, invalid};
use crate::blobs::is_mime_type;

/// One write, checked as far as it can be without the repository.
#[derive(Clone, Debug)]
pub(crate) enum PreparedWrite {
    /// Writes a record where there is none.
    Create { path: RepoPath, record: Record },
    /// Writes a record over another.
    Update { path: RepoPath, record: Record },
    /// Removes a record.
    Delete { path: RepoPath },
}

impl PreparedWrite {
    /// Returns the path written to.
    pub(crate) fn path(&self) -> &RepoPath {
        match self {
            Self::Create { path, .. } | Self::Update { path, .. } | Self::Delete { path } => path,
        }
    }

    /// Returns the record written, if one is.
    pub(crate) fn record(&self) -> Option<&Record> {
        match self {
            Self::Create { record, .. } | Self::Update { record, .. } => Some(record),
            Self::Delete { .. } => None,
        }
    }

    /// Returns the write as the commit sees it.
    pub(super) fn as_write(&self) -> nacre_commit::Write<'_> {
        use nacre_commit::Write;
        match self {
            Self::Create { path, record } => {
                Write::Create { path: path.as_deref(), cid: record.cid }
            }
            Self::Update { path, record } => {
                Write::Update { path: path.as_deref(), cid: record.cid }
            }
            Self::Delete { path } => Write::Delete { path: path.as_deref() },
        }
    }
}

/// How far a record was held against the schema of its collection.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ValidationStatus {
    /// It is as the schema says.
    Valid,
    /// The schema is not known.
    Unknown,
}

/// Holds a record and its key against the schema of its collection, if it is known; where it is
/// `required`, it has to be. Nothing is held against a schema if a client says that it need not be.
pub(crate) fn validate(
    path: &RepoPath,
    record: &Record,
    required: Option<bool>,
) -> Result<Option<ValidationStatus>, XrpcError> {
    validate_keeping(path, record, required, &[])
}

/// Does what [`validate`] does, but takes blobs of any type and size that are `kept`.
fn validate_keeping(
    path: &RepoPath,
    record: &Record,
    required: Option<bool>,
    kept: &[ReferencedBlob],
) -> Result<Option<ValidationStatus>, XrpcError> {
    if required == Some(false) {
        return Ok(None);
    }
    let collection = path.collection();
    let Some(schema) = Catalogue::known().record(&collection) else {
        return match required {
            Some(true) => Err(invalid(format!("Unknown lexicon type: {collection}"))),
            _ => Ok(Some(ValidationStatus::Unknown)),
        };
    };
    schema
        .validate_keeping(&record.bytes, kept)
        .map_err(|wrong| invalid(format!("Invalid {collection} record: {wrong}")))?;
    schema
        .check_key(&path.rkey())
        .map_err(|rule| invalid(format!("Invalid record key for {collection}: {rule}")))?;
    Ok(Some(ValidationStatus::Valid))
}

/// Turns a record's JSON into its block.
pub(crate) fn record(json: &str, collection: &Nsid) -> Result<Record, XrpcError> {
    nacre_lexicon::record_from_json(json, collection.as_str())
        .map_err(|error| invalid(error.to_string()))
}

impl Pds {
    /// Turns the JSON of a record that replaces another into its block. References to blobs in the
    /// old form, which only imported records have, get the present form if the blob is stored, and
    /// the type of the stored blob if they have none.
    pub(crate) fn edited_record(&self, json: &str, collection: &Nsid) -> Result<Record, Failure> {
        let mut broken = None;
        let mut size = |blob: &mut LegacyBlobRef| match self.store.blob(&blob.cid.to_string()) {
            Ok(stored) => stored.map(|stored| {
                if !is_mime_type(&blob.mime_type) {
                    blob.mime_type = stored.mime_type;
                }
                stored.size
            }),
            Err(error) => {
                broken = Some(error);
                None
            }
        };
        let record =
            nacre_lexicon::record_from_json_upgrading(json, collection.as_str(), &mut size);
        match broken {
            Some(error) => Err(error.into()),
            None => Ok(record.map_err(|error| invalid(error.to_string()))?),
        }
    }
}

impl Pds {
    /// Does what [`validate`] does for a record that may replace another one: the blobs that it
    /// keeps are not held against the schema, as nobody can change what was imported.
    pub(crate) fn validate_edited(
        &self,
        path: &RepoPath,
        record: &Record,
        required: Option<bool>,
    ) -> Result<Option<ValidationStatus>, Failure> {
        let refused = match validate(path, record, required) {
            Ok(status) => return Ok(status),
            Err(refused) => refused,
        };
        let Some(before) = self.store.record(path)? else { return Err(refused.into()) };
        let kept = referenced_blobs(&before.value);
        Ok(validate_keeping(path, record, required, &kept)?)
    }
}

/// Returns the path of a record.
pub(crate) fn path(collection: &Nsid, rkey: &str) -> Result<RepoPath, XrpcError> {
    let rkey = RecordKey::parse(rkey)
        .map_err(|_| invalid(format!("Invalid record key: {}", shown(rkey))))?;
    Ok(RepoPath::from_parts(collection, &rkey))
}

/// Reads a CID.
pub(crate) fn cid(text: &str) -> Result<Cid, XrpcError> {
    Cid::try_from(text).map_err(|_| invalid(format!("Invalid CID: {}", shown(text))))
}
