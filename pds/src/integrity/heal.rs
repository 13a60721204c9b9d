//! Repairs: rebuilds derived data (tree pages, indexes, counters) from the commit and the records,
//! and reconciles the blobs in the database with those in the blob store.
//!
//! The commit and the records are not changed. If they do not match, only a backup helps.

use alloc::rc::Rc;

use cid::Cid;
use futures_core::future::LocalBoxFuture;
use nacre_commit::{Commit, Head};
use nacre_lexicon::cid_for;
use nacre_syntax::{RepoPath, Tid};
use serde::Serialize;

use super::checker::Integrity;
use super::report::{Audit, AuditError, Needs};
use crate::blobs::{BlobError, cids_of};
use crate::host::{BlobsError, SqlError};
use crate::repo::{BuiltTree, build_tree, subject};
use crate::scheduler::{Task, TaskError};
use crate::store::{AccountState, RecordBlock};

/// The result of a heal.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Healed {
    /// The faults found before the heal.
    pub found: Vec<String>,
    /// The state after the heal. Its faults cannot be healed.
    #[serde(flatten)]
    pub audit: Audit,
}

/// Why a heal failed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum HealError {
    /// The audit failed.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The blob store failed.
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
    Replacing,
    /// A record does not match its CID.
    #[error("record {0} is damaged; restore a backup or import the repository")]
    Record(RepoPath),
    /// The records are not those of the commit.
    #[error("the records do not match the commit; restore a backup or import the repository")]
    Records,
}

/// The commit that derived data is rebuilt for.
struct Target {
    block: Vec<u8>,
    data: Cid,
    rev: Tid,
}

/// Drops the staging tables of heals that were interrupted.
pub(crate) struct StagedHeals(pub(crate) Rc<Integrity>);

impl Integrity {
    /// Audits everything, then repairs the kinds of faults that were found: rebuilds derived data
    /// from the commit and the records, adopts stored blobs that records name, removes orphaned
    /// blobs of an account that was active, and forgets blobs that are not stored, so that they are
    /// listed as missing. Writes to the repository are refused during the heal.
    ///
    /// # Errors
    ///
    /// [`HealError`]. Repairs made before the error are kept.
    pub(crate) async fn heal(&self) -> Result<Healed, HealError> {
        let before = self.audit_all().await?;
        if before.faults.is_empty() {
            return Ok(Healed { found: Vec::new(), audit: before });
        }
        let guard = self.repo.lock.try_lock().ok_or(HealError::Replacing)?;
        let repaired = self.repair(before.needs).await;
        let dropped = if before.needs.rebuild { self.store.drop_healing() } else { Ok(()) };
        drop(guard);
        // A failed heal may have made work due too.
        self.scheduler.reschedule();
        repaired?;
        dropped?;
        Ok(Healed { found: before.faults, audit: self.audit_all().await? })
    }

    /// Audits the database and the blob store.
    ///
    /// # Errors
    ///
    /// As [`Self::audit`] and [`Self::audit_blobs`].
    pub(crate) async fn audit_all(&self) -> Result<Audit, AuditError> {
        let mut audit = self.audit().await?;
        self.audit_blobs(&mut audit).await?;
        Ok(audit)
    }

    async fn repair(&self, needs: Needs) -> Result<(), HealError> {
        if needs.rebuild {
            let block = self.store.commit_block()?.ok_or(HealError::Commit)?;
            let Commit { data, rev, .. } = Commit::decode(&block).map_err(|_| HealError::Commit)?;
            let target = Target { block, data, rev };
            let tree = self.rebuild(target.rev).await?;
            if tree.root != target.data {
                return Err(HealError::Records);
            }
            self.replace(&target, &tree)?;
        }
        if needs.blobs {
            self.heal_blobs().await?;
        }
        if needs.blobs || needs.blob_marks {
            self.blobs.refresh_marks()?;
        }
        Ok(())
    }

    /// Stages the data that is derived from the records.
    async fn rebuild(&self, rev: Tid) -> Result<BuiltTree, HealError> {
        self.store.transaction(|| self.store.begin_healing())?;
        build_tree(&self.store, rev, |after| {
            let records = self.store.records_after(after)?.into_iter();
            let staged = records.map(|record| self.stage_derived(&record).map(|()| record));
            staged.map(|record| record.map(|record| (record.path, record.cid))).collect()
        })
        .await
    }

    /// Stages the data that is derived from one record.
    fn stage_derived(&self, record: &RecordBlock) -> Result<(), HealError> {
        let RecordBlock { path, cid, value } = record;
        if cid_for(value) != *cid {
            return Err(HealError::Record(path.clone()));
        }
        if let Some(subject) = subject(&path.collection(), value) {
            self.store.stage_healed_subject(&subject, &path.rkey())?;
        }
        for blob in cids_of(value) {
            self.store.stage_healed_blob_ref(&blob, path)?;
        }
        Ok(())
    }

    /// Replaces derived data with the staged data, in one transaction.
    fn replace(&self, target: &Target, tree: &BuiltTree) -> Result<(), HealError> {
        self.store.transaction(|| {
            // The commit may have changed since it was read.
            if self.store.commit_block()?.as_ref() != Some(&target.block) {
                return Err(AuditError::Busy.into());
            }
            self.store.swap_in_healed(self.host.clock.now_s())?;
            let (_, blobs) = self.store.count_blobs()?;
            let account = self.account.state()?;
            let (cid, data, rev) = (cid_for(&target.block), target.data, target.rev);
            let head = Head { cid, data, rev, ..account.head.clone() };
            let (records, nodes) = (self.store.count_records()?, tree.nodes);
            let healed = AccountState { head, records, nodes, blobs, ..(*account).clone() };
            Ok::<_, HealError>(self.store.set_head(&healed, &target.block, &tree.pages)?)
        })?;
        self.store.clear_page_cache();
        self.store.end_snapshots();
        Ok(())
    }
}

impl Task for StagedHeals {
    fn due_s(&self) -> Result<Option<i64>, SqlError> {
        // They take too little space to set an alarm for them.
        Ok(None)
    }

    fn run(&self) -> LocalBoxFuture<'_, Result<(), TaskError>> {
        Box::pin(async {
            if !self.0.repo.lock.is_held() {
                self.0.store.drop_healing()?;
            }
            Ok(())
        })
    }
}

impl From<BlobError> for HealError {
    fn from(error: BlobError) -> Self {
        match error {
            BlobError::Database(error) => Self::Database(error),
            BlobError::Store(error) => Self::Blobs(error),
        }
    }
}
