//! Making anew what follows from the commit and the records: pages, counters, the indices of
//! subjects and of blobs, and which blobs are here.
//!
//! Records and the commit stay as they are. Where they do not fit each other, something is lost
//! that only a backup has.

use core::cell::RefCell;

use cid::Cid;
use nacre_commit::Commit;
use nacre_lexicon::cid_for;
use nacre_mst::{BuildError, Builder};
use nacre_syntax::RepoPath;
use serde::Serialize;

use super::audit::{Audit, AuditError};
use super::import::Under;
use super::{blobs, subjects};
use crate::Pds;
use crate::host::{BlobsError, SqlError};
use crate::store::{Account, PageChanges, PageMaker, StoredBlob};
use crate::turn::pause;

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
        let (pages, nodes) = self.rebuild().await?;
        self.replace(&pages, nodes)?;
        self.heal_blobs().await?;
        drop(under);
        self.wake();
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

    /// Stages what follows from the records. The tree has to be that of the commit.
    async fn rebuild(&self) -> Result<(PageChanges, i64), HealError> {
        let head = self.account()?.head;
        let data = match self.store.commit_block()? {
            Some(block) => Commit::decode(&block).map_err(|_| HealError::Commit)?.data,
            None => return Err(HealError::Commit),
        };
        // The head's own rev, which no import has: none will go on with this.
        self.store.transaction(|| {
            self.store.drop_staging()?;
            self.store.begin_staging(&head.cid, head.rev, self.now_s())
        })?;
        let maker = RefCell::new(PageMaker::new(&self.store, head.rev)?);
        let mut builder = Builder::new(|cid, node: &[u8]| maker.borrow_mut().take(&cid, node));
        let mut last = String::new();
        loop {
            let is_over = self.store.transaction(|| {
                let records = self.store.records_after(&last)?;
                let Some(end) = records.last() else { return Ok(true) };
                last = end.path.as_str().to_owned();
                for record in records {
                    if cid_for(&record.value) != record.cid {
                        return Err(HealError::Record(record.path));
                    }
                    let path = &record.path;
                    if let Some(about) = subjects::subject(&path.collection(), &record.value) {
                        self.store.stage_subject(&about, &path.rkey())?;
                    }
                    for blob in blobs::blobs_of(&record.value) {
                        self.store.stage_kept_blob_ref(&blob, path)?;
                    }
                    let path = record.path.as_str().to_owned();
                    builder.push(path, record.cid).map_err(failed)?;
                }
                Ok(false)
            })?;
            if is_over {
                break;
            }
            pause().await;
        }
        let root = self.store.transaction(|| builder.finish().map_err(failed))?.root();
        if root != data {
            return Err(HealError::Records);
        }
        Ok(maker.into_inner().finish(&root)?)
    }

    /// Puts what was staged in its place, in one transaction.
    fn replace(&self, pages: &PageChanges, nodes: i64) -> Result<(), HealError> {
        self.store.transaction(|| {
            let Some(block) = self.store.commit_block()? else { return Err(HealError::Commit) };
            let commit = Commit::decode(&block).map_err(|_| HealError::Commit)?;
            self.store.swap_in_derived(self.now_s())?;
            let (_, blobs) = self.store.count_blobs()?;
            let mut account = self.account()?;
            (account.head.cid, account.head.data) = (cid_for(&block), commit.data);
            let records = self.store.count_records()?;
            let account = Account { records, nodes, blobs, ..account };
            Ok(self.store.set_head(&account, &block, pages)?)
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
                let Ok(cid) = Cid::try_from(key.as_str()) else {
                    self.store.forget_blob(&key)?;
                    continue;
                };
                match self.host.blobs.size(&cid).await? {
                    Some(size) if size == known.size => continue,
                    // It was counted while it was hashed: these are other bytes.
                    Some(_) => {
                        self.store.forget_blob(&key)?;
                        self.remove_forgotten(&cid).await?;
                    }
                    None => self.store.forget_blob(&key)?,
                }
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

fn failed(error: BuildError<SqlError>) -> HealError {
    match error {
        BuildError::Sink(error) => error.into(),
        // Paths in order, and none too long, are what the records' table has.
        error => SqlError(error.to_string()).into(),
    }
}
