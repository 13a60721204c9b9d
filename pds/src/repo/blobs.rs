//! Which blobs records refer to: in a record's own transaction, a blob becomes permanent by the
//! first reference to it and idle by the end of the last.

use alloc::collections::{BTreeMap, BTreeSet};

use nacre_lexicon::{BlobRef, ReferencedBlob, referenced_blobs};
use nacre_syntax::{RepoPath, Tid};
use nacre_xrpc::XrpcError;

use super::prepare::PreparedWrite;
use crate::Pds;
use crate::blobs::{Received, UNKNOWN_TYPE, is_mime_type};
use crate::host::SqlError;
use crate::store::{BlobCounts, RecordBlock, StoredBlob, StoredRecord};

/// Why a record cannot refer to a blob as it does.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum BlobRefusal {
    #[error("Could not find blob: {0}")]
    NotFound(String),
    #[error("Referenced Mimetype does not match stored blob. Expected: {expected}, Got: {got}")]
    MimeType { expected: String, got: String },
    #[error("Referenced Size does not match stored blob. Expected: {expected}, Got: {got}")]
    Size { expected: u64, got: u64 },
}

/// The blobs that the writes of a commit have gained or lost references to, and whether a record
/// referred to them before.
#[derive(Debug, Default)]
pub(super) struct BlobChanges(BTreeMap<String, bool>);

impl Pds {
    /// Moves the references from what a record was to what it is to be.
    pub(super) fn move_blob_refs(
        &self,
        write: &PreparedWrite,
        before: Option<&StoredRecord>,
        rev: Tid,
        changes: &mut BlobChanges,
    ) -> Result<(), super::WriteError> {
        let path = write.path();
        let old = before.map(|before| referenced_blobs(&before.value)).unwrap_or_default();
        let mut lost: BTreeSet<_> = old.iter().map(|blob| blob.cid.to_string()).collect();
        for blob in write.record().iter().flat_map(|record| &record.blobs) {
            let cid = blob.cid.to_string();
            let kept: Vec<_> = old.iter().filter(|old| old.cid == blob.cid).collect();
            self.check_blob_ref(&cid, blob, &kept)?;
            lost.remove(&cid);
            if kept.is_empty() {
                self.note_blob(&cid, changes)?;
                self.store.put_blob_ref(&cid, path, rev)?;
            }
        }
        for cid in lost {
            self.note_blob(&cid, changes)?;
            self.store.remove_blob_ref(&cid, path)?;
        }
        Ok(())
    }

    /// Checks what a record says of a blob. `kept` is what the record said of it before.
    ///
    /// A record keeps its blob whatever was said of it: imported records do not always agree with
    /// what was uploaded. A blob of unknown type gets the type that its first record names.
    fn check_blob_ref(
        &self,
        cid: &str,
        blob: &BlobRef,
        kept: &[&ReferencedBlob],
    ) -> Result<(), super::WriteError> {
        let Some(stored) = self.store.blob(cid)? else {
            return Err(BlobRefusal::NotFound(cid.to_owned()).into());
        };
        if stored.size != blob.size && !kept.iter().any(|kept| kept.size == Some(blob.size)) {
            let (expected, got) = (stored.size, blob.size);
            return Err(BlobRefusal::Size { expected, got }.into());
        }
        if stored.mime_type == blob.mime_type || !kept.is_empty() {
            return Ok(());
        }
        if stored.mime_type == UNKNOWN_TYPE
            && is_mime_type(&blob.mime_type)
            && !self.store.is_blob_expected(cid)?
        {
            let mime_type = blob.mime_type.clone();
            return Ok(self.store.put_blob(cid, &StoredBlob { mime_type, ..stored })?);
        }
        let (expected, got) = (stored.mime_type, blob.mime_type.clone());
        Err(BlobRefusal::MimeType { expected, got }.into())
    }

    /// Returns the type of a blob that was just uploaded, by what the upload says of it, what was
    /// known before, and the records that refer to it, which have the last word.
    pub(crate) fn type_of_upload(
        &self,
        received: &Received,
        known: Option<&StoredBlob>,
    ) -> Result<String, SqlError> {
        let described = |path: &RepoPath| {
            let Some(record) = self.store.record(path)? else { return Ok(None) };
            let mut blobs = referenced_blobs(&record.value).into_iter();
            let mut types = blobs.by_ref().filter(|blob| blob.cid == received.cid);
            Ok::<_, SqlError>(types.find_map(|blob| blob.mime_type.filter(|it| is_mime_type(it))))
        };
        let key = received.cid.to_string();
        let mut last = String::new();
        loop {
            let paths = self.store.records_with_blob(&key, &last)?;
            let Some(end) = paths.last() else { break };
            last = end.as_str().to_owned();
            for path in &paths {
                if let Some(mime_type) = described(path)? {
                    return Ok(mime_type);
                }
            }
        }
        let known = known.filter(|_| received.mime_type == UNKNOWN_TYPE);
        Ok(known.map_or_else(|| received.mime_type.clone(), |known| known.mime_type.clone()))
    }

    /// Makes blobs permanent or idle after all writes of a commit; returns how many more there are
    /// than before, and whether one has become idle.
    pub(super) fn settle_blobs(
        &self,
        changes: BlobChanges,
    ) -> Result<(BlobCounts, bool), SqlError> {
        let mut idled = false;
        let mut counts = BlobCounts::default();
        for (cid, before) in changes.0 {
            let now = self.store.is_blob_expected(&cid)?;
            if now == before {
                continue;
            }
            let change = if now { 1 } else { -1 };
            counts.expected += change;
            if self.store.blob(&cid)?.is_some() {
                counts.stored += change;
                self.store.set_blob_idle(&cid, (!now).then(|| self.now_s()))?;
                idled |= !now;
            }
        }
        Ok((counts, idled))
    }

    /// Returns how many blobs a record refers to, and one of them that the index lacks.
    pub(super) fn audit_blob_refs(
        &self,
        record: &RecordBlock,
    ) -> Result<(u64, Option<String>), SqlError> {
        let (mut references, mut unknown) = (0, None);
        for cid in blobs_of(&record.value) {
            references += 1;
            if !self.store.has_blob_ref(&cid, &record.path)? {
                unknown = Some(cid);
            }
        }
        Ok((references, unknown))
    }

    fn note_blob(&self, cid: &str, changes: &mut BlobChanges) -> Result<(), SqlError> {
        if !changes.0.contains_key(cid) {
            changes.0.insert(cid.to_owned(), self.store.is_blob_expected(cid)?);
        }
        Ok(())
    }
}

/// Returns the CIDs of the blobs that a record refers to, in any form.
pub(super) fn blobs_of(record: &[u8]) -> BTreeSet<String> {
    referenced_blobs(record).iter().map(|blob| blob.cid.to_string()).collect()
}

impl From<BlobRefusal> for XrpcError {
    fn from(refusal: BlobRefusal) -> Self {
        let name = match refusal {
            BlobRefusal::NotFound(_) => "BlobNotFound",
            BlobRefusal::MimeType { .. } => "InvalidMimeType",
            BlobRefusal::Size { .. } => "InvalidSize",
        };
        Self::new(400, name, refusal.to_string())
    }
}
