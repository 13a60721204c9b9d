//! The database's list of stored blobs, and their types.

use alloc::rc::Rc;

use cid::Cid;
use nacre_lexicon::referenced_blobs;
use nacre_syntax::RepoPath;

use super::in_flight::Removals;
use super::intake::Received;
use super::mime::{UNKNOWN_TYPE, is_mime_type};
use crate::context::Context;
use crate::host::{BlobsError, Host, SqlError};
use crate::scheduler::Scheduler;
use crate::store::{Store, StoredBlob};

/// Keeps the database's list of blobs in step with the host's blob store.
pub(crate) struct Blobs {
    pub(super) store: Store,
    pub(super) host: Rc<Host>,
    pub(super) scheduler: Rc<Scheduler>,
    pub(crate) removals: Removals,
}

/// A failure of the database or of the blob store.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum BlobError {
    #[error(transparent)]
    Database(#[from] SqlError),
    #[error(transparent)]
    Store(#[from] BlobsError),
}

/// Why an uploaded blob was not kept.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum KeepError {
    #[error("the same blob is being removed; upload it again")]
    BeingRemoved,
    #[error(transparent)]
    Database(#[from] SqlError),
    #[error(transparent)]
    Store(#[from] BlobsError),
}

impl Blobs {
    pub(crate) fn new(context: &Context) -> Self {
        Self {
            store: context.store.clone(),
            host: Rc::clone(&context.host),
            scheduler: Rc::clone(&context.scheduler),
            removals: Removals::default(),
        }
    }

    /// Adds a blob to the database, after the host has stored its bytes. The blob is idle until a
    /// record refers to it.
    pub(crate) async fn keep(&self, received: &Received) -> Result<StoredBlob, KeepError> {
        let Received { cid, size, .. } = received;
        let key = cid.to_string();
        if self.removals.is_in_flight(cid) {
            return Err(KeepError::BeingRemoved);
        }
        let stored = self.store.transaction(|| {
            let known = self.store.blob(&key)?;
            let is_referenced = self.store.is_blob_referenced(&key)?;
            let idle_since_s = (!is_referenced).then(|| self.host.clock.now_s());
            let mime_type = self.type_of_upload(received, known.as_ref())?;
            let stored = StoredBlob { mime_type, size: *size, idle_since_s };
            self.store.put_blob(&key, &stored)?;
            if known.is_none() && is_referenced {
                self.store.count_stored_blob(1)?;
            }
            Ok::<_, SqlError>(stored)
        })?;
        // An idle blob with the same bytes may have been removed after these bytes were stored.
        // From here on, the blob has not been idle for long enough to be removed.
        if self.host.blobs.size(cid).await? != Some(*size) {
            self.forget_lost(&key)?;
            let message = format!("blob {cid} was removed while it was uploaded");
            self.host.log.warn("blob.lost", &message);
            return Err(KeepError::BeingRemoved);
        }
        self.scheduler.reschedule();
        Ok(stored)
    }

    /// Forgets a blob whose bytes are not stored. Records may still refer to it.
    pub(crate) fn forget_lost(&self, key: &str) -> Result<(), SqlError> {
        self.store.transaction(|| {
            if self.store.blob(key)?.is_some() && self.store.is_blob_referenced(key)? {
                self.store.count_stored_blob(-1)?;
            }
            self.store.remove_blob(key)
        })
    }

    /// Adds stored bytes to the database if a record refers to them. Returns whether one does.
    ///
    /// The MIME type is that of the first record which describes these bytes; the size is that of
    /// the stored bytes.
    pub(crate) async fn adopt(&self, cid: &Cid) -> Result<bool, BlobError> {
        let key = cid.to_string();
        if !self.store.is_blob_referenced(&key)? {
            return Ok(false);
        }
        let Some(size) = self.host.blobs.size(cid).await? else { return Ok(true) };
        self.store.transaction(|| {
            if self.removals.is_in_flight(cid) || !self.store.is_blob_referenced(&key)? {
                return Ok(false);
            }
            let named = self.type_by_records(&key, None, Some(size))?;
            self.add(&key, named.unwrap_or_else(|| UNKNOWN_TYPE.to_owned()), size)?;
            Ok(true)
        })
    }

    /// Adds a stored blob to the database if it is not there, in the caller's transaction.
    pub(crate) fn add(&self, key: &str, mime_type: String, size: u64) -> Result<(), SqlError> {
        if self.store.blob(key)?.is_some() {
            return Ok(());
        }
        let is_referenced = self.store.is_blob_referenced(key)?;
        let idle_since_s = (!is_referenced).then(|| self.host.clock.now_s());
        self.store.put_blob(key, &StoredBlob { mime_type, size, idle_since_s })?;
        if is_referenced { self.store.count_stored_blob(1) } else { Ok(()) }
    }

    /// Returns whether a blob is in the database, or its removal is pending.
    pub(crate) fn is_known(&self, cid: &Cid) -> Result<bool, SqlError> {
        let key = cid.to_string();
        Ok(self.store.blob(&key)?.is_some() || self.store.is_removal_pending(&key)?)
    }

    /// Recomputes which blobs are idle, and the counters of blobs.
    pub(crate) fn refresh_marks(&self) -> Result<(), SqlError> {
        self.store.transaction(|| {
            self.store.refresh_idle_blobs(self.host.clock.now_s())?;
            let (_, counts) = self.store.count_blobs()?;
            self.store.set_blob_counts(counts)
        })
    }

    /// Gives blobs of unknown type the type that their first record names. Call this after an
    /// import: the blobs may have been uploaded before the records.
    pub(crate) fn type_imported(&self) -> Result<(), SqlError> {
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

    /// Returns the type of a blob that was just uploaded: the type that records name, or that of
    /// the upload, or that of an earlier upload of the same bytes.
    fn type_of_upload(
        &self,
        received: &Received,
        known: Option<&StoredBlob>,
    ) -> Result<String, SqlError> {
        if let Some(named) = self.type_by_records(&received.cid.to_string(), None, None)? {
            return Ok(named);
        }
        let known = known.filter(|_| received.mime_type == UNKNOWN_TYPE);
        Ok(known.map_or_else(|| received.mime_type.clone(), |known| known.mime_type.clone()))
    }

    /// Returns the type that records name for a blob: that of the first reference with one. With
    /// `size`, references that name another size only count if there are no others. Ignores the
    /// record at `except`.
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
}
