//! References from records to blobs. A blob becomes permanent with its first reference and idle
//! when the last one ends, in the transaction that writes the record.

use alloc::collections::{BTreeMap, BTreeSet};

use nacre_lexicon::{BlobRef, ReferencedBlob, referenced_blobs};
use nacre_syntax::{RepoPath, Tid};

use super::mime::{UNKNOWN_TYPE, is_mime_type};
use super::registry::Blobs;
use crate::host::SqlError;
use crate::store::BlobCounts;

/// Why a record cannot refer to a blob as it does.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum ReferenceError {
    #[error(transparent)]
    Database(#[from] SqlError),
    #[error("Could not find blob: {0}")]
    NotFound(String),
    #[error("Referenced Mimetype does not match stored blob. Expected: {expected}, Got: {got}")]
    MimeType { expected: String, got: String },
    #[error("Referenced Size does not match stored blob. Expected: {expected}, Got: {got}")]
    Size { expected: u64, got: u64 },
}

/// The blobs whose references the writes of a commit change, by CID, and whether a record referred
/// to each of them before the commit.
#[derive(Debug, Default)]
pub(crate) struct BlobChanges(BTreeMap<String, bool>);

impl Blobs {
    /// Updates the references of the record at `path` from its old block to the blobs of its new
    /// one, in the caller's transaction.
    pub(crate) fn move_references(
        &self,
        path: &RepoPath,
        old: Option<&[u8]>,
        new: &[BlobRef],
        rev: Tid,
        changes: &mut BlobChanges,
    ) -> Result<(), ReferenceError> {
        let old = old.map(referenced_blobs).unwrap_or_default();
        let mut lost: BTreeSet<_> = old.iter().map(|blob| blob.cid.to_string()).collect();
        for blob in new {
            let cid = blob.cid.to_string();
            let kept: Vec<_> = old.iter().filter(|old| old.cid == blob.cid).collect();
            self.check_reference(&cid, blob, &kept, path)?;
            lost.remove(&cid);
            if kept.is_empty() {
                self.note(&cid, changes)?;
                self.store.put_blob_ref(&cid, path, rev)?;
            }
        }
        for cid in lost {
            self.note(&cid, changes)?;
            self.store.remove_blob_ref(&cid, path)?;
        }
        Ok(())
    }

    /// Makes blobs permanent or idle, after all writes of a commit. Returns the changes of the
    /// counters, and whether a blob has become idle.
    pub(crate) fn settle_references(
        &self,
        changes: BlobChanges,
    ) -> Result<(BlobCounts, bool), SqlError> {
        let mut has_idle = false;
        let mut counts = BlobCounts::default();
        for (cid, before) in changes.0 {
            let now = self.store.is_blob_referenced(&cid)?;
            if now == before {
                continue;
            }
            let change = if now { 1 } else { -1 };
            counts.referenced += change;
            if self.store.blob(&cid)?.is_some() {
                counts.stored += change;
                self.store.set_blob_idle(&cid, (!now).then(|| self.host.clock.now_s()))?;
                has_idle |= !now;
            }
        }
        Ok((counts, has_idle))
    }

    /// Checks a reference of the record at `path`. `kept` are the references to the same blob that
    /// the record had before.
    ///
    /// A record may keep a reference as it was, because imported records do not always agree with
    /// the uploads. A blob of unknown type gets the type that its first record names.
    fn check_reference(
        &self,
        cid: &str,
        blob: &BlobRef,
        kept: &[&ReferencedBlob],
        path: &RepoPath,
    ) -> Result<(), ReferenceError> {
        let Some(stored) = self.store.blob(cid)? else {
            return Err(ReferenceError::NotFound(cid.to_owned()));
        };
        if stored.size != blob.size && !kept.iter().any(|kept| kept.size == Some(blob.size)) {
            let (expected, got) = (stored.size, blob.size);
            return Err(ReferenceError::Size { expected, got });
        }
        if stored.mime_type == blob.mime_type {
            return Ok(());
        }
        if stored.mime_type == UNKNOWN_TYPE
            && is_mime_type(&blob.mime_type)
            && self.type_by_records(cid, Some(path), None)?.is_none()
        {
            return Ok(self.store.set_blob_type(cid, &blob.mime_type)?);
        }
        if !kept.is_empty() {
            return Ok(());
        }
        let (expected, got) = (stored.mime_type, blob.mime_type.clone());
        Err(ReferenceError::MimeType { expected, got })
    }

    /// Records whether a record referred to a blob before the commit. Call this before the blob's
    /// references change.
    fn note(&self, cid: &str, changes: &mut BlobChanges) -> Result<(), SqlError> {
        if !changes.0.contains_key(cid) {
            changes.0.insert(cid.to_owned(), self.store.is_blob_referenced(cid)?);
        }
        Ok(())
    }
}

/// Returns the CIDs of the blobs that a record refers to, in any form.
pub(crate) fn cids_of(record: &[u8]) -> BTreeSet<String> {
    referenced_blobs(record).iter().map(|blob| blob.cid.to_string()).collect()
}
