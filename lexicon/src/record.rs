//! Records: data with a `$type`, encoded for storage.
//!
//! <https://atproto.com/specs/record-key>, <https://atproto.com/specs/data-model>

use alloc::{borrow::ToOwned, string::String, vec::Vec};

use cid::Cid;
use nacre_cbor::Digest;
use sha2::{Digest as _, Sha256};

use crate::{
    BlobRef, LegacyBlobRef, MAX_RECORD_BYTES, RecordError,
    encode::{Encoded, encode},
};

/// A record as a repository stores it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Record {
    /// The canonical DAG-CBOR.
    pub bytes: Vec<u8>,
    /// The CID of these bytes.
    pub cid: Cid,
    /// The blobs that the record refers to, including repeated ones.
    pub blobs: Vec<BlobRef>,
}

/// Encodes JSON as a record of this collection.
///
/// Adds the collection as the `$type` if it is missing. Does not validate against a schema.
///
/// # Errors
///
/// [`RecordError::Type`] if the record has another type, [`RecordError::LegacyBlob`] if it has a
/// legacy blob reference, [`RecordError::TooLarge`] if it exceeds [`MAX_RECORD_BYTES`], and
/// [`RecordError::Data`] if it is not valid data.
pub fn record_from_json(json: &str, collection: &str) -> Result<Record, RecordError> {
    finish(encode(json, Some(collection), None)?, collection)
}

/// Encodes JSON as a record of this collection and upgrades its legacy blob references.
///
/// Calls `size_of` for each legacy reference. If it returns a size, the reference is encoded in the
/// current form and listed in [`Record::blobs`]. `size_of` may also correct the MIME type.
///
/// ```
/// use nacre_lexicon::{record_from_json_upgrading, to_json};
///
/// let json = r#"{"avatar":{"mimeType":"image/png",
///     "cid":"bafkreiccldh766hwcnuxnf2wh6jgzepf2nlu2lvcllt63eww5p6chi4ity"}}"#;
/// let mut size_of = |_: &mut _| Some(1234);
/// let record = record_from_json_upgrading(json, "com.example.profile", &mut size_of)?;
/// assert_eq!(record.blobs[0].size, 1234);
/// assert!(to_json(&record.bytes)?.contains(r#""$type":"blob""#));
/// # Ok::<(), nacre_lexicon::RecordError>(())
/// ```
///
/// # Errors
///
/// Those of [`record_from_json`]. [`RecordError::LegacyBlob`] names the first reference that cannot
/// be upgraded: its size is unknown or exceeds [`MAX_INTEGER`](crate::MAX_INTEGER), or its MIME
/// type has no `/`.
pub fn record_from_json_upgrading(
    json: &str,
    collection: &str,
    size_of: &mut dyn FnMut(&mut LegacyBlobRef) -> Option<u64>,
) -> Result<Record, RecordError> {
    finish(encode(json, Some(collection), Some(size_of))?, collection)
}

fn finish(encoded: Encoded, collection: &str) -> Result<Record, RecordError> {
    let Encoded { bytes, blobs, legacy_blob, other_type } = encoded;
    if let Some(got) = other_type {
        return Err(RecordError::Type { expected: collection.to_owned(), got: truncated(&got) });
    }
    if let Some(cid) = legacy_blob {
        return Err(RecordError::LegacyBlob(cid));
    }
    if bytes.len() > MAX_RECORD_BYTES {
        return Err(RecordError::TooLarge(bytes.len()));
    }
    let cid = cid_for(&bytes);
    Ok(Record { bytes, cid, blobs })
}

/// Returns the CID of these bytes as DAG-CBOR, without checking them.
#[must_use]
pub fn cid_for(bytes: &[u8]) -> Cid {
    Digest(Sha256::digest(bytes).into()).to_cid()
}

/// Truncates text for an error message.
fn truncated(text: &str) -> String {
    text.chars().take(MAX_SHOWN_CHARS).collect()
}

const MAX_SHOWN_CHARS: usize = 512;
