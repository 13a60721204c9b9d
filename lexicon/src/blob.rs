//! Blob references inside of data, in the present form and in the old one.
//!
//! Both are recognised by their canonical bytes, so what JSON gave and what CBOR gave take one way.
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
    /// The hash of the blob's bytes.
    pub cid: Cid,
    /// What the blob is said to be; has a `/`.
    pub mime_type: String,
    /// How many bytes the blob is said to have.
    pub size: u64,
}

/// A blob reference in the form without `$type`, which old records still hold.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LegacyBlobRef {
    /// The hash of the blob's bytes.
    pub cid: Cid,
    /// What the blob is said to be.
    pub mime_type: String,
}

/// The blob references of one record, in the order of the record's bytes.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Blobs {
    /// References in the old form.
    pub legacy: Vec<LegacyBlobRef>,
    /// References in the present form.
    pub typed: Vec<BlobRef>,
}

/// Returns the blob references in DAG-CBOR, which is checked on the way.
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
