//! Blob references in data, in the current and the legacy form.
//!
//! Both are recognised by their canonical bytes, so JSON and CBOR share this code.
//!
//! <https://atproto.com/specs/data-model#blob-type>

use alloc::{borrow::ToOwned, string::String, vec::Vec};

use cid::Cid;

use crate::{
    DataError,
    blob_shape::{BlobShape, LegacyShape},
    decode::{Event, walk},
};

/// A reference to a blob.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BlobRef {
    /// The CID of the blob's bytes.
    pub cid: Cid,
    /// The declared media type, which has a `/`.
    pub mime_type: String,
    /// The declared size in bytes.
    pub size: u64,
}

/// A legacy blob reference without `$type`, as old records contain it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LegacyBlobRef {
    /// The CID of the blob's bytes.
    pub cid: Cid,
    /// The declared media type.
    pub mime_type: String,
}

/// The blob references of one record, in the order of the record's bytes.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Blobs {
    /// References in the legacy form.
    pub legacy: Vec<LegacyBlobRef>,
    /// References in the current form.
    pub typed: Vec<BlobRef>,
}

/// Checks DAG-CBOR and returns its blob references.
///
/// # Errors
///
/// Those of [`check`](crate::check).
pub fn blobs(cbor: &[u8]) -> Result<Blobs, DataError> {
    let mut found = Blobs::default();
    walk(cbor, |event: Event<'_, &[u8]>| match event {
        Event::MapEnd(_, Some(blob)) => found.typed.push(blob.into()),
        Event::MapEnd(map, None) => {
            found.legacy.extend(LegacyShape::parse(map).map(LegacyBlobRef::from));
        }
        _ => {}
    })?;
    Ok(found)
}

impl From<BlobShape<'_>> for BlobRef {
    fn from(blob: BlobShape<'_>) -> Self {
        let mime_type = String::from_utf8_lossy(blob.mime_type).into_owned();
        Self { cid: blob.cid(), mime_type, size: blob.size }
    }
}

impl From<LegacyShape<'_>> for LegacyBlobRef {
    fn from(blob: LegacyShape<'_>) -> Self {
        Self { cid: blob.link.to_cid(), mime_type: blob.mime_type.to_owned() }
    }
}
