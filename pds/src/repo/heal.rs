//! Making anew what follows from the commit and the records: pages, counters, the indices of
//! subjects and of blobs, and which blobs are here.
//!
//! Records and the commit stay as they are. Where they do not fit each other, something is lost
//! that only a backup has.

use cid::Cid;
use nacre_commit::{Commit, Head};
use nacre_lexicon::cid_for;
use nacre_syntax::RepoPath;
use serde::Serialize;

use super::audit::{Audit, AuditError};
use super::import::Under;
use super::{blobs, subjects};
use crate::Pds;
use crate::host::{BlobsError, SqlError};
use crate::store::{Account, PageChanges, RecordBlock, StoredBlob};

/// What has been healed.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Healed {
    /// What was wrong before.
    pub found: Vec<String>,
    /// What there is now; what is still wrong cannot be healed.
    #[serde(flatten)]
    pub audit: Audit,
}

/// Why nothing could be healed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum HealError {
    /// It could not be found out what is wrong.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The store of blobs failed.
    #[error(transparent)]
    Blobs(#[from] BlobsError),
    /// The commit is lost.
    #[error("the commit is damaged, which only a backup or an import can mend")]
    Commit,
    /// The database failed.
    #[error(transparent)]
    Database(#[from] SqlError),
    /// The repository is being replaced.
    #[error("an import is under way")]
    Importing,
    /// A record is not what its CID says.
    #[error("the record {0} is damaged, which only a backup or an import can mend")]
    Record(RepoPath),
    /// The records are not those of the commit.
    #[error(
        "the records are not those that the commit was made of: records are lost, which only a \
         backup or an import can mend"
    )]
    Records,
}

impl Pds {
    /// Makes anew what can be made of the commit and the records, if anything is wrong with it;
    /// removes blobs that nothing knows of, and forgets those that are not stored, so that they are
    /// listed as missing. Nothing is written to the repository meanwhile.
    ///
    /// # Errors
    ///
    /// [`HealError`]; all is as it was then, but for blobs.
    pub async fn heal(&self) -> Result<Healed, HealError> {
        let before = self.audit_all().await?;
        if before.faults.is_empty() {
            return Ok(Healed { found: Vec::new(), audit: before });
        }
        let Some(under) = Under::begin(&self.importing) else { return Err(HealError::Importing) };
        let mended = self.mend().await;
        drop(under);
        // Also for what is left of an attempt that failed.
        self.wake();
        mended?;
        Ok(Healed { found: before.faults, audit: self.audit_all().await? })
    }

    /// Audits the database and the store of blobs.
    ///
    /// # Errors
    ///
    /// As [`Self::audit`] and [`Self::audit_blobs`].
    pub async fn audit_all(&self) -> Result<Audit, AuditError> {
        let mut audit = self.audit().await?;
        self.audit_blobs(&mut audit).await?;
        Ok(audit)
    }

    async fn mend(&self) -> Result<(), HealError> {
        let block = self.store.commit_block()?.ok_or(HealError::Commit)?;
        let data = Commit::decode(&block).map_err(|_| HealError::Commit)?.data;
        let (root, pages, nodes) = self.rebuild().await?;
        if root != data {
            return Err(HealError::Records);
        }
        self.replace(&block, data, &pages, nodes)?;
        self.heal_blobs().await
    }

    /// Stages what follows from the records, and returns what [`Self::build_tree`] does of them.
    async fn rebuild(&self) -> Result<(Cid, PageChanges, i64), HealError> {
        let head = self.account()?.head;
        // The head's own rev, which no import has: none will go on with this.
        self.store.transaction(|| {
            self.store.drop_staging()?;
            self.store.begin_staging(&head.cid, head.rev, self.now_s())
        })?;
        self.build_tree(head.rev, |after| {
            let records = self.store.records_after(after)?.into_iter();
            let staged = records.map(|record| self.stage_kept(&record).map(|()| record));
            staged.map(|record| record.map(|record| (record.path, record.cid))).collect()
        })
        .await
    }

    /// Stages what follows from a record that stays.
    fn stage_kept(&self, record: &RecordBlock) -> Result<(), HealError> {
        let RecordBlock { path, cid, value } = record;
        if cid_for(value) != *cid {
            return Err(HealError::Record(path.clone()));
        }
        if let Some(subject) = subjects::subject(&path.collection(), value) {
            self.store.stage_subject(&subject, &path.rkey())?;
        }
        for blob in blobs::blobs_of(value) {
            self.store.stage_kept_blob_ref(&blob, path)?;
        }
        Ok(())
    }

    /// Puts what was staged in its place, in one transaction.
    fn replace(
        &self,
        block: &[u8],
        data: Cid,
        pages: &PageChanges,
        nodes: i64,
    ) -> Result<(), SqlError> {
        self.store.transaction(|| {
            self.store.swap_in_derived(self.now_s())?;
            let (_, blobs) = self.store.count_blobs()?;
            let account = self.account()?;
            let head = Head { cid: cid_for(block), data, ..account.head };
            let records = self.store.count_records()?;
            let healed = Account { head, records, nodes, blobs, ..account };
            self.store.set_head(&healed, block, pages)
        })?;
        self.store.forget_pages();
        self.store.lose_snapshots();
        Ok(())
    }

    /// Makes the blobs that are known and those that are stored the same.
    async fn heal_blobs(&self) -> Result<(), HealError> {
        let mut last = String::new();
        loop {
            let page = self.store.blobs_after(&last)?;
            let Some((end, _)) = page.last() else { break };
            last.clone_from(end);
            for (key, known) in page {
                self.heal_known(&key, &known).await?;
            }
        }
        let mut last = None;
        loop {
            let page = self.host.blobs.list(last.as_ref()).await?;
            let Some(end) = page.last() else { break };
            last = Some(*end);
            for cid in page {
                if self.store.blob(&cid.to_string())?.is_none() {
                    self.adopt_or_remove(&cid).await?;
                }
            }
        }
        self.store.transaction(|| {
            let (_, counts) = self.store.count_blobs()?;
            Ok(self.store.set_blob_counts(counts)?)
        })
    }

    /// Forgets a blob whose bytes are not stored as they were counted.
    async fn heal_known(&self, key: &str, known: &StoredBlob) -> Result<(), HealError> {
        let Ok(cid) = Cid::try_from(key) else { return Ok(self.store.forget_blob(key)?) };
        let stored = self.host.blobs.size(&cid).await?;
        if stored == Some(known.size) {
            return Ok(());
        }
        self.store.forget_blob(key)?;
        if stored.is_some() {
            // It was counted while it was hashed: these are other bytes.
            self.remove_forgotten(&cid).await?;
        }
        Ok(())
    }

    /// Takes in a blob that is stored and not known, if it is what a record says; else removes it.
    async fn adopt_or_remove(&self, cid: &Cid) -> Result<(), HealError> {
        let key = cid.to_string();
        let described = match self.store.record_with_blob(&key)? {
            Some(path) => self.store.record(&path)?.and_then(|it| blobs::described(&it.value, cid)),
            None => None,
        };
        if let Some((mime_type, size)) = described
            && self.host.blobs.size(cid).await? == Some(size)
        {
            let blob = StoredBlob { mime_type, size, idle_since_s: None };
            return Ok(self.store.put_blob(&key, &blob)?);
        }
        // It may have been sent just now.
        if self.store.blob(&key)?.is_none() {
            self.remove_forgotten(cid).await?;
        }
        Ok(())
    }
}
