//! Removing the bytes of blobs, which survives a crash and a store that fails for a while.
//!
//! A blob is forgotten and its removal noted in one transaction, so that no record can come to
//! refer to bytes that are about to go. The note stays until the bytes are gone or the same blob is
//! uploaded again; the alarm retries as long as there is one.

use alloc::collections::BTreeSet;
use core::cell::RefCell;

use cid::Cid;

use super::GRACE_S;
use crate::Pds;
use crate::api::Failure;
use crate::host::SqlError;
use crate::repo::HealError;
use crate::tend::MIN_PAUSE_S;

/// A removal in progress: until it is dropped, the blob cannot be uploaded.
pub(crate) struct Removal<'p> {
    all: &'p RefCell<BTreeSet<Cid>>,
    cid: Cid,
}

/// When removals that failed are retried.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
    retry_s: i64,
}

impl<'p> Removal<'p> {
    /// Starts to remove a blob that is noted in the database. Returns `None` if it is being removed
    /// already.
    pub(crate) fn begin(all: &'p RefCell<BTreeSet<Cid>>, cid: Cid) -> Option<Self> {
        all.borrow_mut().insert(cid).then_some(Self { all, cid })
    }
}

impl Drop for Removal<'_> {
    fn drop(&mut self) {
        self.all.borrow_mut().remove(&self.cid);
    }
}

impl Backoff {
    /// Returns the state after a round in which a removal has failed.
    fn failed(self, now_s: i64) -> Self {
        let pause_s = MIN_PAUSE_S << self.failures.min(MAX_DOUBLINGS);
        Self { failures: self.failures.saturating_add(1), retry_s: now_s.saturating_add(pause_s) }
    }

    /// Returns when to retry; at once if the clock was ahead when that was set.
    fn due_s(self, now_s: i64) -> i64 {
        let latest_s = now_s.saturating_add(MIN_PAUSE_S << MAX_DOUBLINGS);
        if self.retry_s > latest_s { now_s } else { self.retry_s }
    }
}

impl Pds {
    /// Removes the blobs that no record has referred to for a day.
    ///
    /// Keeps them all while an import is staged: its records may refer to them, and it may take
    /// days. A removal that fails does not keep the others from being done. Returns the first
    /// failure.
    pub(crate) async fn remove_idle_blobs(&self) -> Result<(), Failure> {
        if self.store.staging_touched_s()?.is_some() {
            return Ok(());
        }
        let before_s = self.now_s().saturating_sub(GRACE_S);
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

    /// Finishes the removals that have failed or were interrupted, if it is time to retry.
    pub(crate) async fn retry_removals(&self) -> Result<(), Failure> {
        let now_s = self.now_s();
        if !self.store.has_removals()? || self.removal_backoff.get().due_s(now_s) > now_s {
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
                    Err(_) => self.store.forget_removal(&key).map_err(HealError::from),
                };
                if let Err(error) = removed {
                    failure.get_or_insert(error);
                }
            }
        }
        if failure.is_none() {
            self.removal_backoff.set(Backoff::default());
        }
        self.removals_ended(failure)
    }

    /// Returns when removals are to be retried, if there are any.
    pub(crate) fn removals_due_s(&self) -> Result<Option<i64>, SqlError> {
        let is_due = self.store.has_removals()?;
        Ok(is_due.then(|| self.removal_backoff.get().due_s(self.now_s())))
    }

    /// Removes the bytes of a blob, and then the note of its removal.
    pub(crate) async fn finish_removal(&self, removal: Removal<'_>) -> Result<(), HealError> {
        self.host.blobs.remove(&removal.cid).await?;
        Ok(self.store.forget_removal(&removal.cid.to_string())?)
    }

    /// Forgets a blob and notes its removal, if it still is idle and has been since `before_s`.
    /// A wrong mark on a blob that a record refers to is cleared.
    fn begin_removal(&self, cid: Cid, before_s: i64) -> Result<Option<Removal<'_>>, SqlError> {
        let key = cid.to_string();
        let is_due = self.store.transaction(|| {
            let idle_since_s = self.store.blob(&key)?.and_then(|blob| blob.idle_since_s);
            if idle_since_s.is_none_or(|since_s| since_s > before_s) {
                return Ok::<_, SqlError>(false);
            }
            if self.store.is_blob_expected(&key)? {
                self.store.set_blob_idle(&key, None)?;
                return Ok(false);
            }
            self.store.forget_blob(&key)?;
            self.store.put_removal(&key)?;
            Ok(true)
        })?;
        Ok(if is_due { Removal::begin(&self.removing, cid) } else { None })
    }

    /// Finishes one removal. Bytes that an import has brought a reference to are kept.
    async fn retry_removal(&self, cid: Cid) -> Result<(), HealError> {
        let key = cid.to_string();
        if self.adopt(&cid).await? {
            return Ok(self.store.forget_removal(&key)?);
        }
        // An upload may have cancelled it meanwhile.
        if !self.store.is_removal(&key)? || self.store.is_blob_expected(&key)? {
            return Ok(());
        }
        match Removal::begin(&self.removing, cid) {
            Some(removal) => self.finish_removal(removal).await,
            None => Ok(()),
        }
    }

    /// Sets the time of the next retry if a removal has failed.
    pub(crate) fn removals_ended(&self, failure: Option<HealError>) -> Result<(), Failure> {
        let Some(error) = failure else { return Ok(()) };
        self.removal_backoff.set(self.removal_backoff.get().failed(self.now_s()));
        Err(Failure::Fault(format!("a blob was not removed and will be retried: {error}")))
    }
}

/// About an hour between retries.
const MAX_DOUBLINGS: u32 = 6;
