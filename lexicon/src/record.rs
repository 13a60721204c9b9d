//! Records: data with a `$type`, ready to be stored.
//!
//! <https://atproto.com/specs/record-key>, <https://atproto.com/specs/data-model>

use alloc::{borrow::ToOwned, string::String, vec::Vec};

use cid::Cid;
use sha2::{Digest, Sha256};

use crate::{
    BlobRef, MAX_RECORD_BYTES, RecordError,
    encode::{Encoded, encode},
    link::dag_cbor_cid,
};

/// A record as a repository stores it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Record {
    /// The canonical DAG-CBOR.
    pub bytes: Vec<u8>,
    /// The hash of those bytes.
    pub cid: Cid,
    /// The blobs that the record refers to, repeated ones too.
    pub blobs: Vec<BlobRef>,
}

/// Makes a record of this collection out of JSON.
///
/// A missing `$type` is filled in with the collection. Schemas are not looked at.
///
/// # Errors
///
/// [`RecordError::Type`] if the record is of another type, [`RecordError::LegacyBlob`] if it has a
/// blob reference in the old form, [`RecordError::TooLarge`] if it is over [`MAX_RECORD_BYTES`],
/// and [`RecordError::Data`] if it is not data at all.
pub fn record_from_json(json: &str, collection: &str) -> Result<Record, RecordError> {
    let Encoded { bytes, blobs, legacy_blob, other_type } = encode(json, Some(collection))?;
    if let Some(got) = other_type {
        return Err(RecordError::Type { expected: collection.to_owned(), got: shortened(&got) });
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

/// Returns the CID of these bytes as DAG-CBOR; they are not looked at.
#[must_use]
pub fn cid_for(bytes: &[u8]) -> Cid {
    dag_cbor_cid(&Sha256::digest(bytes).into())
}

/// Keeps an error message short, whatever was sent.
fn shortened(text: &str) -> String {
    text.chars().take(MAX_SHOWN_CHARS).collect()
}

const MAX_SHOWN_CHARS: usize = 512;
