//! The store of blob bytes, and the record of which database owns the account.

use cid::Cid;
use futures_core::future::LocalBoxFuture;

/// The bytes of blobs, by their CIDs.
///
/// Bytes do not pass through the server: a host stores an [`Upload`] before it reports it to the
/// server, and sends the bytes of a [`Download`] itself.
///
/// [`Upload`]: crate::Upload
/// [`Download`]: crate::Download
pub trait Blobs {
    /// Returns the size of a blob in bytes, or `None` if it is not stored.
    fn size(&self, cid: &Cid) -> LocalBoxFuture<'static, Result<Option<u64>, BlobsError>>;

    /// Removes a blob if it is stored.
    fn remove(&self, cid: &Cid) -> LocalBoxFuture<'static, Result<(), BlobsError>>;

    /// Returns up to 1,000 stored blobs, in the order of their CIDs' text, starting after `after`.
    fn list(&self, after: Option<&Cid>) -> LocalBoxFuture<'static, Result<Vec<Cid>, BlobsError>>;
}

/// A failure of the blob store. The text is for the log.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("blobs: {0}")]
pub struct BlobsError(pub String);

/// The id of the database that owns the account, stored outside of any database.
pub trait OwnerMarker {
    /// Writes `id` unless a marker exists. Returns the existing marker's id if it differs.
    fn claim_if_absent(
        &self,
        id: &str,
    ) -> LocalBoxFuture<'static, Result<Option<String>, MarkerError>>;

    /// Writes `id` over any existing marker.
    fn overwrite(&self, id: &str) -> LocalBoxFuture<'static, Result<(), MarkerError>>;
}

/// A failure to read or write the marker. The text is for the log.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("owner marker: {0}")]
pub struct MarkerError(pub String);
