//! Matching the blobs in the database with those in the store. Bytes that any record names stay,
//! and so do all bytes while records may still be to come.

use alloc::collections::BTreeSet;

use cid::Cid;

use super::HealError;
use super::mentions::Mentions;
use crate::Pds;
use crate::blobs::{Removal, UNKNOWN_TYPE};
use crate::host::SqlError;
use crate::store::StoredBlob;
use crate::turn::pause;

impl Pds {
    /// Forgets blobs that are not stored, adopts stored ones that records refer to, and removes
    /// stored ones that no record names.
    pub(super) async fn heal_blobs(&self) -> Result<(), HealError> {
        let mut last = String::new();
        loop {
            let page = self.store.blobs_after(&last)?;
            let Some((end, _)) = page.last() else { break };
            last.clone_from(end);
            for (key, _) in page {
                self.forget_if_lost(&key).await?;
            }
        }
        let mut last = None;
        loop {
            let page = self.host.blobs.list(last.as_ref()).await?;
            let Some(end) = page.last() else { return Ok(()) };
            last = Some(*end);
            let mut orphans = BTreeSet::new();
            for cid in page {
                if !self.is_known(&cid)? && !self.adopt(&cid).await? {
                    orphans.insert(cid);
                }
            }
            self.remove_orphans(orphans).await?;
        }
    }

    /// Makes stored bytes known if a record refers to them. Returns whether one does.
    ///
    /// The MIME type is that of the first record which describes these bytes; the size is what is
    /// stored.
    pub(crate) async fn adopt(&self, cid: &Cid) -> Result<bool, HealError> {
        let key = cid.to_string();
        if !self.store.is_blob_expected(&key)? {
            return Ok(false);
        }
        let Some(size) = self.host.blobs.size(cid).await? else { return Ok(true) };
        self.store.transaction(|| {
            if self.removing.borrow().contains(cid) || !self.store.is_blob_expected(&key)? {
                return Ok(false);
            }
            let named = self.type_by_records(&key, None, Some(size))?;
            self.make_known(&key, named.unwrap_or_else(|| UNKNOWN_TYPE.to_owned()), size)?;
            Ok(true)
        })
    }

    /// Marks blobs as idle or in use, and counts them anew.
    pub(super) fn heal_blob_marks(&self) -> Result<(), SqlError> {
        self.store.transaction(|| {
            self.store.refresh_idle_blobs(self.now_s())?;
            let (_, counts) = self.store.count_blobs()?;
            self.store.set_blob_counts(counts)
        })
    }

    /// Adds a stored blob to the database if it is not there, in the caller's transaction.
    fn make_known(&self, key: &str, mime_type: String, size: u64) -> Result<(), SqlError> {
        if self.store.blob(key)?.is_some() {
            return Ok(());
        }
        let is_expected = self.store.is_blob_expected(key)?;
        let idle_since_s = (!is_expected).then(|| self.now_s());
        self.store.put_blob(key, &StoredBlob { mime_type, size, idle_since_s })?;
        if is_expected { self.store.count_stored_blob(1) } else { Ok(()) }
    }

    /// Forgets a blob whose bytes are not stored. One that is stored with another size stays.
    async fn forget_if_lost(&self, key: &str) -> Result<(), HealError> {
        let Ok(cid) = Cid::try_from(key) else { return Ok(self.forget_lost(key)?) };
        if self.host.blobs.size(&cid).await?.is_some() {
            return Ok(());
        }
        let Some(known) = self.store.blob(key)? else { return Ok(()) };
        self.forget_lost(key)?;
        // It may have been uploaded after the store was asked.
        if let Some(size) = self.host.blobs.size(&cid).await? {
            self.store.transaction(|| self.make_known(key, known.mime_type, size))?;
        }
        Ok(())
    }

    /// Removes stored bytes that no record names, unless their records may still be to come.
    async fn remove_orphans(&self, mut orphans: BTreeSet<Cid>) -> Result<(), HealError> {
        if orphans.is_empty() || self.keeps_orphans()? {
            return Ok(());
        }
        let mut mentions = Mentions::of(&orphans);
        let mut last = String::new();
        loop {
            let records = self.store.records_after(&last)?;
            let Some(end) = records.last() else { break };
            end.path.as_str().clone_into(&mut last);
            records.iter().for_each(|record| mentions.look_in(&record.value));
            pause().await;
        }
        orphans.retain(|cid| !mentions.found.contains(cid));
        let mut failure = None;
        for cid in orphans {
            // Both were looked at before; what follows until the mark is one turn.
            if let Some(removal) = self.begin_orphan_removal(cid)? {
                self.wake();
                match self.finish_removal(removal).await {
                    Err(error @ HealError::Blobs(_)) => drop(failure.get_or_insert(error)),
                    finished => finished?,
                }
            }
        }
        // The alarm retries what the store has refused.
        if let Err(failure) = self.removals_ended(failure) {
            self.failed(failure);
        }
        Ok(())
    }

    /// Marks stored bytes as being removed, unless they are known or a record refers to them.
    fn begin_orphan_removal(&self, cid: Cid) -> Result<Option<Removal<'_>>, SqlError> {
        let key = cid.to_string();
        let is_orphaned = self.store.transaction(|| {
            let is_needed = self.is_known(&cid)? || self.store.is_blob_expected(&key)?;
            if is_needed || self.keeps_orphans()? {
                return Ok::<_, SqlError>(false);
            }
            self.store.put_removal(&key)?;
            Ok(true)
        })?;
        Ok(if is_orphaned { Removal::begin(&self.removing, cid) } else { None })
    }
}
