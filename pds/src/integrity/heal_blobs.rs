//! Repairs of blobs: reconciles the database with the blob store. Bytes that any record names
//! are kept, and so are all bytes while their records may still arrive.

use alloc::collections::BTreeSet;

use cid::Cid;

use super::checker::Integrity;
use super::mentions::Mentions;
use crate::blobs::{BlobError, Removal};
use crate::host::SqlError;
use crate::turn::pause;

impl Integrity {
    /// Forgets blobs that are not stored, adopts stored ones that records refer to, and removes
    /// stored ones that no record names.
    pub(super) async fn heal_blobs(&self) -> Result<(), BlobError> {
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
                if !self.blobs.is_known(&cid)? && !self.blobs.adopt(&cid).await? {
                    orphans.insert(cid);
                }
            }
            self.remove_orphans(orphans).await?;
        }
    }

    /// Forgets a blob whose bytes are not stored. Keeps a blob that is stored with another size.
    async fn forget_if_lost(&self, key: &str) -> Result<(), BlobError> {
        let Ok(cid) = Cid::try_from(key) else { return Ok(self.blobs.forget_lost(key)?) };
        if self.host.blobs.size(&cid).await?.is_some() {
            return Ok(());
        }
        let Some(known) = self.store.blob(key)? else { return Ok(()) };
        self.blobs.forget_lost(key)?;
        // The blob may have been uploaded after the store was asked.
        if let Some(size) = self.host.blobs.size(&cid).await? {
            self.store.transaction(|| self.blobs.add(key, known.mime_type, size))?;
        }
        Ok(())
    }

    /// Removes stored bytes that no record names, unless their records may still arrive.
    async fn remove_orphans(&self, mut orphans: BTreeSet<Cid>) -> Result<(), BlobError> {
        if orphans.is_empty() || self.keeps_orphans()? {
            return Ok(());
        }
        let mut mentions = Mentions::of(&orphans);
        let mut last = String::new();
        loop {
            let records = self.store.records_after(&last)?;
            let Some(end) = records.last() else { break };
            end.path.as_str().clone_into(&mut last);
            records.iter().for_each(|record| mentions.search(&record.value));
            pause().await;
        }
        orphans.retain(|cid| !mentions.found.contains(cid));
        let mut failure = None;
        for cid in orphans {
            if let Some(removal) = self.begin_orphan_removal(cid)? {
                self.scheduler.reschedule();
                match self.blobs.finish_removal(removal).await {
                    Err(error @ BlobError::Store(_)) => drop(failure.get_or_insert(error)),
                    finished => finished?,
                }
            }
        }
        // The alarm retries the removals that failed.
        if let Err(error) = self.blobs.removals_ended(failure) {
            self.host.log.fault("blob.removal_failed", &error);
        }
        Ok(())
    }

    /// Adds a pending removal of stored bytes, unless they are known or a record refers to them.
    fn begin_orphan_removal(&self, cid: Cid) -> Result<Option<Removal<'_>>, SqlError> {
        let key = cid.to_string();
        let is_orphaned = self.store.transaction(|| {
            let is_needed = self.blobs.is_known(&cid)? || self.store.is_blob_referenced(&key)?;
            if is_needed || self.keeps_orphans()? {
                return Ok::<_, SqlError>(false);
            }
            self.store.put_removal(&key)?;
            Ok(true)
        })?;
        Ok(if is_orphaned { self.blobs.removals.begin(cid) } else { None })
    }
}
