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
            self.check_blob_ref(&cid, blob, &kept, path)?;
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

    /// Checks what the record at `path` says of a blob. `kept` is what it said of it before.
    ///
    /// A record keeps its blob whatever was said of it: imported records do not always agree with
    /// what was uploaded. A blob of unknown type gets the type that its first record names.
    fn check_blob_ref(
        &self,
        cid: &str,
        blob: &BlobRef,
        kept: &[&ReferencedBlob],
        path: &RepoPath,
    ) -> Result<(), super::WriteError> {
        let Some(stored) = self.store.blob(cid)? else {
            return Err(BlobRefusal::NotFound(cid.to_owned()).into());
        };
        if stored.size != blob.size && !kept.iter().any(|kept| kept.size == Some(blob.size)) {
            let (expected, got) = (stored.size, blob.size);
            return Err(BlobRefusal::Size { expected, got }.into());
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
        Err(BlobRefusal::MimeType { expected, got }.into())
    }

    /// Returns the type of a blob that was just uploaded, by what the upload says of it, what was
    /// known before, and the records that refer to it, which have the last word.
    pub(crate) fn type_of_upload(
        &self,
        received: &Received,
        known: Option<&StoredBlob>,
    ) -> Result<String, SqlError> {
        if let Some(described) = self.type_by_records(&received.cid.to_string(), None, None)? {
            return Ok(described);
        }
        let known = known.filter(|_| received.mime_type == UNKNOWN_TYPE);
        Ok(known.map_or_else(|| received.mime_type.clone(), |known| known.mime_type.clone()))
    }

    /// Gives blobs of unknown type the type that the first record names: those that were uploaded
    /// before the records were imported.
    pub(super) fn type_imported_blobs(&self) -> Result<(), SqlError> {
        let mut last = String::new();
        loop {
            let untyped = self.store.blobs_of_type(UNKNOWN_TYPE, &last)?;
            let Some(end) = untyped.last() else { return Ok(()) };
            last.clone_from(end);
            for cid in &untyped {
                if let Some(mime_type) = self.type_by_records(cid, None, None)? {
                    self.store.set_blob_type(cid, &mime_type)?;
                }
            }
        }
    }

    /// Returns the type that records give a blob: that of the first reference which names one. With
    /// `size`, references that name another size only count if there are no others. `except` is a
    /// path that is left out.
    pub(super) fn type_by_records(
        &self,
        cid: &str,
        except: Option<&RepoPath>,
        size: Option<u64>,
    ) -> Result<Option<String>, SqlError> {
        let fits = |named: Option<u64>| size.is_none() || named.is_none() || named == size;
        let (mut last, mut other) = (String::new(), None);
        loop {
            let paths = self.store.records_with_blob(cid, &last)?;
            let Some(end) = paths.last() else { return Ok(other) };
            end.as_str().clone_into(&mut last);
            for path in paths.iter().filter(|path| except != Some(*path)) {
                let Some(record) = self.store.record(path)? else { continue };
                let blobs = referenced_blobs(&record.value).into_iter();
                for blob in blobs.filter(|blob| blob.cid.to_string() == cid) {
                    let Some(named) = blob.mime_type.filter(|it| is_mime_type(it)) else {
                        continue;
                    };
                    if fits(blob.size) {
                        return Ok(Some(named));
                    }
                    other.get_or_insert(named);
                }
            }
        }
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
