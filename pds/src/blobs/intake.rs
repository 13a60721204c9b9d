//! Uploads: the hash, size and type of a blob, computed while its bytes arrive.

use cid::Cid;
use cid::multihash::Multihash;
use sha2::{Digest, Sha256};

use super::mime::sniff;
use crate::body::BodyError;

/// Computes the CID, size and type of a blob while its bytes arrive.
#[derive(Debug)]
pub struct Intake {
    hash: Sha256,
    head: Vec<u8>,
    size: u64,
    limit: u64,
    declared_type: Option<String>,
}

/// A blob that has arrived.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Received {
    /// The CID of its bytes.
    pub cid: Cid,
    /// Its size in bytes.
    pub size: u64,
    /// Its MIME type, `type/subtype`.
    pub mime_type: String,
}

/// Why an upload failed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum UploadError {
    /// The client's fault: its body ended early or does not decode.
    #[error(transparent)]
    Body(BodyError),
    /// The server's fault: the bytes could not be stored.
    #[error("cannot store a blob: {0}")]
    Store(String),
    /// The client's fault: the blob exceeds this limit, in bytes.
    #[error("the blob is larger than {0} bytes")]
    TooLarge(u64),
}

impl Intake {
    /// Starts with no bytes. `limit` is the largest size in bytes, and `declared_type` the type
    /// that the client declares.
    pub(crate) fn new(limit: u64, declared_type: Option<String>) -> Self {
        Self { hash: Sha256::new(), head: Vec::new(), size: 0, limit, declared_type }
    }

    /// Takes the next bytes of the blob.
    ///
    /// # Errors
    ///
    /// [`UploadError::TooLarge`] as soon as the limit is exceeded.
    pub fn take(&mut self, bytes: &[u8]) -> Result<(), UploadError> {
        self.size = self.size.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        if self.size > self.limit {
            return Err(UploadError::TooLarge(self.limit));
        }
        let missing = SNIFFED_BYTES.saturating_sub(self.head.len());
        self.head.extend(bytes.iter().take(missing));
        self.hash.update(bytes);
        Ok(())
    }

    /// Returns the CID, size and type of the whole blob.
    #[must_use]
    pub fn finish(self) -> Received {
        let mime_type = sniff(&self.head, self.declared_type.as_deref());
        Received { cid: raw_cid(&self.hash.finalize().into()), size: self.size, mime_type }
    }
}

/// Returns the CID of the bytes with this SHA-256.
///
/// # Panics
///
/// Never, because 32 bytes fit into a multihash.
#[must_use]
pub fn raw_cid(sha256: &[u8; 32]) -> Cid {
    Cid::new_v1(RAW, Multihash::wrap(SHA2_256, sha256).expect("32 bytes fit"))
}

/// The number of leading bytes that decide the type.
const SNIFFED_BYTES: usize = 8_192;
/// <https://github.com/multiformats/multicodec/blob/master/table.csv>
const RAW: u64 = 0x55;
const SHA2_256: u64 = 0x12;
