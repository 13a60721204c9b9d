//! Applying writes: one batch is one commit, one transaction and one event.

use cid::Cid;
use nacre_commit::{Action, CommitDiff, Head, Op};
use nacre_syntax::{Did, Tid};

use super::batch::Batch;
use super::error::WriteError;
use super::repository::Repository;
use super::write::PreparedWrite;
use crate::blobs::BlobChanges;
use crate::events::{self, byte_count};
use crate::store::{AccountState, Announced, BlobCounts, DayTotals, PageChanges};

/// The commit of a batch.
#[derive(Clone, Debug)]
pub(crate) struct Applied {
    pub(crate) commit: Cid,
    pub(crate) rev: Tid,
}

/// The results of a committed transaction, for the work after it.
struct Committed {
    applied: Applied,
    pages: PageChanges,
    frame: Vec<u8>,
    /// The size of the event log, in bytes.
    log_bytes: i64,
    /// Whether a blob has become idle.
    has_idle_blob: bool,
    /// The totals of the day that it stored.
    day: DayTotals,
}

impl Repository {
    /// Applies a batch as one commit: all of its writes, or none.
    pub(crate) fn apply(
        &self,
        batch: &Batch,
        swap_commit: Option<Cid>,
    ) -> Result<Applied, WriteError> {
        if self.lock.is_held() {
            return Err(WriteError::Replacing);
        }
        let committed = self.store.transaction(|| self.commit(batch, swap_commit))?;
        let Committed { applied, pages, frame, log_bytes, has_idle_blob, day } = committed;
        self.metrics.count_commit(batch.writes.len(), day);
        self.store.cache_pages(pages, applied.rev);
        self.events.send_commit(&frame, log_bytes, has_idle_blob);
        Ok(applied)
    }

    /// Fails if the head is not the commit that a client expects.
    pub(crate) fn expect_commit(&self, expected: Option<Cid>) -> Result<(), WriteError> {
        expect_commit(expected, self.account.state()?.commit())
    }

    /// Creates the empty repository of a new account. An active account logs its first events:
    /// `#identity`, `#account`, `#commit` and `#sync`.
    pub(crate) fn first_commit(&self, active: bool) -> Result<(), WriteError> {
        let did = self.account.did();
        let key = self.account.signing_key();
        let rev = self.tid_after(None);
        let diff = nacre_commit::commit(&self.store, did, None, &[], rev, key)?;
        let head = head_of_diff(&diff, did);
        self.store.transaction(|| {
            let pages = self.store.page_changes(&diff)?;
            self.store.insert_account(&head, &diff.bytes, active, &pages)?;
            if !active {
                return Ok(());
            }
            let (did, handle) = (did.as_str(), self.account.handle().as_str());
            let car = events::commit_car(&diff, core::iter::empty());
            let time = self.host.clock.now_text();
            self.events.log.append(
                0,
                &[
                    &|seq| events::identity(seq, did, handle, &time),
                    &|seq| events::account(seq, did, None, &time),
                    &|seq| events::commit(seq, &diff, &car, &time),
                    &|seq| events::sync(seq, &diff.commit, &diff.cid, &diff.bytes, &time),
                ],
            )?;
            Ok(())
        })
    }

    /// The transaction of [`Self::apply`].
    fn commit(&self, batch: &Batch, swap_commit: Option<Cid>) -> Result<Committed, WriteError> {
        let account = self.account.state()?;
        expect_commit(swap_commit, account.commit())?;
        let did = self.account.did();
        let Batch { writes, last_key } = batch;
        let rev = self.tid_after(Some(account.last_tid()).max(*last_key));
        let plain: Vec<_> = writes.iter().map(PreparedWrite::as_write).collect();
        let key = self.account.signing_key();
        let diff = nacre_commit::commit(&self.store, did, Some(&account.head), &plain, rev, key)?;

        let seq = self.events.log.seq_after(account.seq);
        let car = events::commit_car(&diff, writes.iter().filter_map(PreparedWrite::record));
        let frame = events::commit(seq, &diff, &car, &self.host.clock.now_text());
        if frame.len() > MAX_FRAME_BYTES {
            return Err(WriteError::EventTooLarge);
        }

        let now_s = self.host.clock.now_s();
        let pages = self.store.page_changes(&diff)?;
        let replaced = writes.iter().map(PreparedWrite::path);
        self.store.keep_for_snapshots(&pages, replaced, now_s)?;
        self.store.put_pages(&pages, rev)?;
        let mut blobs = BlobChanges::default();
        for write in writes {
            self.apply_write(write, rev, &mut blobs)?;
        }
        self.store.put_event(seq, &frame, now_s)?;
        let (counted, has_idle_blob) = self.blobs.settle_references(blobs)?;
        let log_bytes = account.event_bytes + byte_count(&frame);
        let updated = AccountState {
            active: account.active,
            announced: Some(Announced { rev, cid: diff.cid }),
            head: head_of_diff(&diff, did),
            seq,
            event_bytes: log_bytes,
            records: account.records + added_records(&diff),
            nodes: account.nodes + added_nodes(&diff),
            blobs: BlobCounts {
                referenced: account.blobs.referenced + counted.referenced,
                stored: account.blobs.stored + counted.stored,
            },
            day: self.metrics.totals_with(writes.len(), now_s),
        };
        self.store.set_head(&updated, &diff.bytes, &pages)?;
        let applied = Applied { commit: diff.cid, rev };
        let day = updated.day;
        Ok(Committed { applied, pages, frame, log_bytes, has_idle_blob, day })
    }

    /// Writes one record, its index entries and its references to blobs.
    fn apply_write(
        &self,
        write: &PreparedWrite,
        rev: Tid,
        blobs: &mut BlobChanges,
    ) -> Result<(), WriteError> {
        let path = write.path();
        let before = match write {
            PreparedWrite::Create { .. } => None,
            _ => self.store.record(path)?,
        };
        self.index_subject(write, before.as_ref())?;
        let old = before.as_ref().map(|before| &*before.value);
        let new = write.record().map(|record| &*record.blobs).unwrap_or_default();
        self.blobs.move_references(path, old, new, rev, blobs)?;
        match write.record() {
            Some(record) => self.store.put_record(path, &record.cid, rev, &record.bytes)?,
            None => self.store.remove_record(path)?,
        }
        Ok(())
    }
}

fn expect_commit(expected: Option<Cid>, head: Cid) -> Result<(), WriteError> {
    match expected {
        Some(expected) if expected != head => Err(WriteError::SwapCommit { head }),
        _ => Ok(()),
    }
}

/// Returns the change of the number of records.
fn added_records(diff: &CommitDiff) -> i64 {
    let change = |op: &Op| match op.action {
        Action::Create => 1,
        Action::Delete => -1,
        Action::Update => 0,
    };
    diff.ops.iter().map(change).sum()
}

/// Returns the change of the number of tree nodes.
fn added_nodes(diff: &CommitDiff) -> i64 {
    let count = |nodes: usize| i64::try_from(nodes).unwrap_or(i64::MAX);
    count(diff.new_nodes().count()) - count(diff.retired().count())
}

fn head_of_diff(diff: &CommitDiff, did: &Did) -> Head {
    Head { did: did.clone(), cid: diff.cid, data: diff.commit.data, rev: diff.commit.rev }
}

/// The largest frame: the limit on the blocks of a `#commit`, and on a row of the database.
const MAX_FRAME_BYTES: usize = 2_000_000;
