//! Rebuilding derived data (tree pages, indexes, counters) from the commit and the records, and
//! matching the blobs in the database with those in the store.
//!
//! Records and the commit stay as they are. If they do not match each other, something is lost that
//! only a backup has.

mod blobs;
mod mentions;

use cid::Cid;
use nacre_commit::{Commit, Head};
use nacre_lexicon::cid_for;
use nacre_syntax::{RepoPath, Tid};
use serde::Serialize;

use super::audit::{Audit, AuditError, Needs};
use super::import::Under;
use super::subjects;
use crate::Pds;
use crate::host::{BlobsError, SqlError};
use crate::store::{Account, PageChanges, RecordBlock};

/// The result of a heal.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Healed {
    /// The faults found before.
    pub found: Vec<String>,
    /// The state after; faults that it still has cannot be healed.
    #[serde(flatten)]
    pub audit: Audit,
}

/// Why nothing could be healed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum HealError {
    /// The faults could not be determined.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The store of blobs failed.
    #[error(transparent)]
    Blobs(#[from] BlobsError),
    /// The commit is lost.
    #[error("the commit is damaged; restore a backup or import the repository")]
    Commit,
    /// The database failed.
    #[error(transparent)]
    Database(#[from] SqlError),
    /// The repository is being replaced.
    #[error("an import or another heal is in progress; try again when it has ended")]
    Importing,
    /// A record does not match its CID.
    #[error("record {0} is damaged; restore a backup or import the repository")]
    Record(RepoPath),
    /// The records are not those of the commit.
    #[error(
        "records are lost: the commit was made from others; restore a backup or import the \
         repository"
    )]
    Records,
}

/// The commit that derived data is rebuilt for.
struct Target {
    block: Vec<u8>,
    data: Cid,
    rev: Tid,
}

impl Pds {
    /// Audits everything, then heals the kinds of faults that were found: rebuilds derived data
    /// from the commit and the records, adopts stored blobs that records name, removes orphaned
    /// blobs of an account that was active, and forgets blobs that are not stored, so that they are
    /// listed as missing. Writes to the repository are refused meanwhile.
    ///
    /// # Errors
    ///
    /// [`HealError`]; everything but blobs is as before then.
    pub async fn heal(&self) -> Result<Healed, HealError> {
        let before = self.audit_all().await?;
        if before.faults.is_empty() {
            return Ok(Healed { found: Vec::new(), audit: before });
        }
        let Some(under) = Under::begin(&self.importing) else { return Err(HealError::Importing) };
        let mended = self.mend(before.needs).await;
        let dropped = if before.needs.rebuild { self.drop_staged_heal() } else { Ok(()) };
        drop(under);
        // Also for whatever an attempt that failed has left.
        self.wake();
        mended?;
        dropped?;
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

    /// Drops what a heal has staged that did not finish.
    pub(crate) fn drop_staged_heal(&self) -> Result<(), SqlError> {
        self.store.drop_healing()
    }

    async fn mend(&self, needs: Needs) -> Result<(), HealError> {
        if needs.rebuild {
            let block = self.store.commit_block()?.ok_or(HealError::Commit)?;
            let Commit { data, rev, .. } = Commit::decode(&block).map_err(|_| HealError::Commit)?;
            let target = Target { block, data, rev };
            let (root, pages, nodes) = self.rebuild(target.rev).await?;
            if root != target.data {
                return Err(HealError::Records);
            }
            self.replace(&target, &pages, nodes)?;
        }
        if needs.blobs {
            self.heal_blobs().await?;
        }
        if needs.blobs || needs.blob_marks {
            self.heal_blob_marks()?;
        }
        Ok(())
    }

    /// Stages what follows from the records. Returns the root, the root's page and the node count.
    async fn rebuild(&self, rev: Tid) -> Result<(Cid, PageChanges, i64), HealError> {
        self.store.transaction(|| self.store.begin_healing())?;
        self.build_tree(rev, |after| {
            let records = self.store.records_after(after)?.into_iter();
            let staged = records.map(|record| self.stage_kept(&record).map(|()| record));
            staged.map(|record| record.map(|record| (record.path, record.cid))).collect()
        })
        .await
    }

    /// Stages what follows from one record.
    fn stage_kept(&self, record: &RecordBlock) -> Result<(), HealError> {
        let RecordBlock { path, cid, value } = record;
        if cid_for(value) != *cid {
            return Err(HealError::Record(path.clone()));
        }
        if let Some(subject) = subjects::subject(&path.collection(), value) {
            self.store.stage_healed_subject(&subject, &path.rkey())?;
        }
        for blob in super::blobs::blobs_of(value) {
            self.store.stage_healed_blob_ref(&blob, path)?;
        }
        Ok(())
    }

    /// Replaces derived data with what was staged, in one transaction.
    fn replace(&self, target: &Target, pages: &PageChanges, nodes: i64) -> Result<(), HealError> {
        self.store.transaction(|| {
            // An activation may have signed another commit meanwhile.
            if self.store.commit_block()?.as_ref() != Some(&target.block) {
                return Err(AuditError::Busy.into());
            }
            self.store.swap_in_healed(self.now_s())?;
            let (_, blobs) = self.store.count_blobs()?;
            let account = self.account()?;
            let (cid, data, rev) = (cid_for(&target.block), target.data, target.rev);
            let head = Head { cid, data, rev, ..account.head };
            let records = self.store.count_records()?;
            let healed = Account { head, records, nodes, blobs, ..account };
            Ok::<_, HealError>(self.store.set_head(&healed, &target.block, pages)?)
        })?;
        self.store.forget_pages();
        self.store.lose_snapshots();
        Ok(())
    }
}
