//! The removal of blobs. It survives crashes and failures of the blob store.
//!
//! One transaction forgets a blob and adds a pending removal, so no record can refer to bytes that
//! are about to go. The removal stays pending until the bytes are gone or the same blob is uploaded
//! again. The alarm retries while any removal is pending.

use alloc::rc::Rc;

use cid::Cid;
use futures_core::future::LocalBoxFuture;

use super::in_flight::Removal;
use super::registry::{BlobError, Blobs};
use crate::host::SqlError;
use crate::scheduler::{Task, TaskError};

/// Removes blobs that have been idle for a day.
pub(crate) struct IdleBlobs(pub(crate) Rc<Blobs>);

/// Retries removals that failed or were interrupted.
pub(crate) struct RemovalRetries(pub(crate) Rc<Blobs>);

/// Why blobs were not removed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum RemovalError {
    #[error(transparent)]
    Database(#[from] SqlError),
    #[error("cannot remove a blob, will retry: {0}")]
    NotRemoved(BlobError),
}

impl Blobs {
    /// Retries the pending removals if the back-off has ended.
    ///
    /// # Errors
    ///
    /// The first [`RemovalError`]. A removal that fails does not stop the others.
    pub(crate) async fn retry_removals(&self) -> Result<(), RemovalError> {
        let now_s = self.host.clock.now_s();
        if !self.store.has_removals()? || self.removals.retry_s(now_s) > now_s {
            return Ok(());
        }
        let (mut last, mut failure) = (String::new(), None);
        loop {
            let page = self.store.removals_after(&last)?;
            let Some(end) = page.last() else { break };
            last.clone_from(end);
            for key in page {
                let removed = match Cid::try_from(key.as_str()) {
                    Ok(cid) => self.retry_removal(cid).await,
                    Err(_) => self.store.clear_removal(&key).map_err(BlobError::from),
                };
                if let Err(error) = removed {
                    failure.get_or_insert(error);
                }
            }
        }
        if failure.is_none() {
            self.removals.end_back_off();
        }
        self.removals_ended(failure)
    }

    /// Removes the bytes of a blob, then clears its pending removal.
    pub(crate) async fn finish_removal(&self, removal: Removal<'_>) -> Result<(), BlobError> {
        self.host.blobs.remove(&removal.cid).await?;
        Ok(self.store.clear_removal(&removal.cid.to_string())?)
    }

    /// Ends a round of removals. Backs off and returns the error if one of them failed.
    pub(crate) fn removals_ended(&self, failure: Option<BlobError>) -> Result<(), RemovalError> {
        let Some(error) = failure else { return Ok(()) };
        self.removals.back_off(self.host.clock.now_s());
        Err(RemovalError::NotRemoved(error))
    }

    /// Removes the blobs that no record has referred to for a day.
    ///
    /// Keeps them all while an import is staged, because its records may refer to them. An import
    /// may take days. A removal that fails does not stop the others.
    async fn remove_idle(&self) -> Result<(), RemovalError> {
        if self.store.staging_touched_s()?.is_some() {
            return Ok(());
        }
        let before_s = self.host.clock.now_s().saturating_sub(GRACE_S);
        let mut failure = None;
        for cid in self.store.blobs_idle_since(before_s)? {
            if let Some(removal) = self.begin_removal(cid, before_s)?
                && let Err(error) = self.finish_removal(removal).await
            {
                failure.get_or_insert(error);
            }
        }
        self.removals_ended(failure)
    }

    /// Forgets a blob and adds its pending removal, if it became idle at `before_s` or earlier.
    /// Clears the idle mark of a blob that a record refers to.
    fn begin_removal(&self, cid: Cid, before_s: i64) -> Result<Option<Removal<'_>>, SqlError> {
        let key = cid.to_string();
        let is_due = self.store.transaction(|| {
            let idle_since_s = self.store.blob(&key)?.and_then(|blob| blob.idle_since_s);
            if idle_since_s.is_none_or(|since_s| since_s > before_s) {
                return Ok::<_, SqlError>(false);
            }
            if self.store.is_blob_referenced(&key)? {
                self.store.set_blob_idle(&key, None)?;
                return Ok(false);
            }
            self.store.remove_blob(&key)?;
            self.store.put_removal(&key)?;
            Ok(true)
        })?;
        Ok(if is_due { self.removals.begin(cid) } else { None })
    }

    /// Retries one removal. Keeps bytes that an imported record refers to.
    async fn retry_removal(&self, cid: Cid) -> Result<(), BlobError> {
        let key = cid.to_string();
        if self.adopt(&cid).await? {
            return Ok(self.store.clear_removal(&key)?);
        }
        // An upload may have cancelled the removal.
        if !self.store.is_removal_pending(&key)? || self.store.is_blob_referenced(&key)? {
            return Ok(());
        }
        match self.removals.begin(cid) {
            Some(removal) => self.finish_removal(removal).await,
            None => Ok(()),
        }
    }
}

impl Task for IdleBlobs {
    fn due_s(&self) -> Result<Option<i64>, SqlError> {
        let Some(idle_s) = self.0.store.longest_idle_s()? else { return Ok(None) };
        // Idle blobs are kept while an import is staged.
        let is_kept = self.0.store.staging_touched_s()?.is_some();
        Ok((!is_kept).then_some(idle_s + GRACE_S))
    }

    fn run(&self) -> LocalBoxFuture<'_, Result<(), TaskError>> {
        Box::pin(async { Ok(self.0.remove_idle().await?) })
    }
}

impl Task for RemovalRetries {
    fn due_s(&self) -> Result<Option<i64>, SqlError> {
        let is_due = self.0.store.has_removals()?;
        Ok(is_due.then(|| self.0.removals.retry_s(self.0.host.clock.now_s())))
    }

    fn run(&self) -> LocalBoxFuture<'_, Result<(), TaskError>> {
        Box::pin(async { Ok(self.0.retry_removals().await?) })
    }
}

/// The time for which an idle blob is kept. A draft may use it, or a record that is deleted and
/// written again.
const GRACE_S: i64 = 86_400;
