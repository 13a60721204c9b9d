//! Blobs: uploads, the records that refer to them, and the removal of unreferenced ones.
//!
//! Bytes do not pass through the server. A host stores an upload under the hash that [`Intake`]
//! computes while the bytes arrive, and reports it afterwards.

mod cleanup;
mod formats;
mod in_flight;
mod intake;
mod mime;
mod references;
mod registry;

pub(crate) use self::cleanup::{IdleBlobs, RemovalError, RemovalRetries};
pub(crate) use self::in_flight::Removal;
pub use self::intake::{Intake, Received, UploadError, raw_cid};
pub(crate) use self::mime::is_mime_type;
pub use self::mime::sniff;
pub(crate) use self::references::{BlobChanges, ReferenceError, cids_of};
pub(crate) use self::registry::{BlobError, Blobs, KeepError};
