//! One write of a client: one commit, one transaction, one event.

use cid::Cid;
use nacre_commit::{Action, CommitDiff, CommitError, Head, Op};
use nacre_syntax::{Datetime, Did, Tid, TidClock};
use nacre_xrpc::XrpcError;

use super::batch::Batch;
use super::blobs::{BlobChanges, BlobRefusal};
use super::events;
use super::prepare::PreparedWrite;
use crate::Pds;
use crate::api::{Failure, invalid};
use crate::host::SqlError;
use crate::sequencer::byte_count;
use crate::store::{Account, Announced, BlobCounts, PageChanges};

/// What a write came to.
#[derive(Clone, Debug)]
pub(crate) struct Applied {
    pub(crate) commit: Cid,
    pub(crate) rev: Tid,
}

/// Why a write was refused; nothing of it was kept.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum WriteError {
    /// A record refers to a blob that is not here, or is another.
    #[error(transparent)]
    Blob(#[from] BlobRefusal),
    /// The writes do not fit the repository, or each other.
    #[error(transparent)]
    Commit(#[from] CommitError<SqlError>),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] SqlError),
    /// The event would be larger than subscribers take.
    #[error("the event is too large")]
    EventTooLarge,
    /// The repository is being replaced.
    #[error("an import is under way")]
    Importing,
    /// The head is not the one that the client expects.
    #[error("the head is {head}")]
    Swap { head: Cid },
}

/// What a commit leaves to be done later.
struct Due {
    /// Whether no record refers to some blob any more.
    idled: bool,
    /// How long the log of events is.
    event_bytes: i64,
}

impl Pds {
    /// Applies a batch as one commit, all of its writes or none.
    pub(crate) fn apply(
        &self,
        batch: &Batch,
        swap_commit: Option<Cid>,
    ) -> Result<Applied, WriteError> {
        if self.importing.get() {
            return Err(WriteError::Importing);
        }
        let (applied, pages, frame, due) =
            self.store.transaction(|| self.commit(batch, swap_commit))?;
        self.store.keep_pages(pages, applied.rev);
        self.announce(&frame);
        self.wake_for_events(due.event_bytes, due.idled);
        Ok(applied)
    }

    /// Refuses if the head is not the one that a client expects.
    pub(crate) fn expect_commit(&self, expected: Option<Cid>) -> Result<(), WriteError> {
        expect_commit(expected, self.account()?.commit())
    }

    /// Returns a clock for record keys. Each key exceeds every rev and every key generated before.
    pub(crate) fn record_keys(&self) -> Result<TidClock, SqlError> {
        Ok(TidClock::resuming_after(self.account()?.last_tid(), CLOCK_ID))
    }

    /// Makes the empty repository of a new account and tells of it: who it is, that it is active,
    /// its first commit, and where it stands. An account that is not active tells nothing yet.
    pub(crate) fn first_start(&self, active: bool) -> Result<(), WriteError> {
        let identity = &self.config.identity;
        let did = &identity.did;
        let diff = nacre_commit::commit(
            &self.store,
            did,
            None,
            &[],
            self.tid_after(None),
            &self.config.signing_key,
        )?;
        let head = head_of(&diff, did);
        self.store.transaction(|| {
            let pages = self.store.page_changes(&diff)?;
            self.store.insert_account(&head, &diff.bytes, active, &pages)?;
            if !active {
                return Ok(());
            }
            let (did, handle) = (did.as_str(), identity.handle.as_str());
            let (car, time) = (events::commit_car(&diff, &[]), self.now_text());
            self.log_events(
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
    fn commit(
        &self,
        batch: &Batch,
        swap_commit: Option<Cid>,
    ) -> Result<(Applied, PageChanges, Vec<u8>, Due), WriteError> {
        let account = self.account()?;
        expect_commit(swap_commit, account.commit())?;
        let did = &self.config.identity.did;
        let Batch { writes, last_key } = batch;
        let rev = self.tid_after(Some(account.last_tid()).max(*last_key));
        let plain: Vec<_> = writes.iter().map(PreparedWrite::as_write).collect();
        let key = &self.config.signing_key;
        let diff = nacre_commit::commit(&self.store, did, Some(&account.head), &plain, rev, key)?;

        let seq = self.seq_after(account.seq);
        let car = events::commit_car(&diff, writes);
        let frame = events::commit(seq, &diff, &car, &self.now_text());
        if frame.len() > MAX_FRAME_BYTES {
            return Err(WriteError::EventTooLarge);
        }

        let pages = self.store.page_changes(&diff)?;
        let replaced = writes.iter().map(PreparedWrite::path);
        self.store.hold(&pages, replaced, self.now_s())?;
        self.store.put_pages(&pages, rev)?;
        let mut blobs = BlobChanges::default();
        for write in writes {
            let before = match write {
                PreparedWrite::Create { .. } => None,
                _ => self.store.record(write.path())?,
            };
            self.index_subject(write, before.as_ref())?;
            self.move_blob_refs(write, before.as_ref(), rev, &mut blobs)?;
            match write.record() {
                Some(record) => {
                    self.store.put_record(write.path(), &record.cid, rev, &record.bytes)?;
                }
                None => self.store.remove_record(write.path())?,
            }
        }
        self.store.put_event(seq, &frame, self.now_s())?;
        let (counted, idled) = self.settle_blobs(blobs)?;
        let moved = Account {
            active: account.active,
            announced: Some(Announced { rev, cid: diff.cid }),
            head: head_of(&diff, did),
            seq,
            event_bytes: account.event_bytes + byte_count(&frame),
            records: account.records + created(&diff),
            nodes: account.nodes + added_nodes(&diff),
            blobs: BlobCounts {
                expected: account.blobs.expected + counted.expected,
                stored: account.blobs.stored + counted.stored,
            },
        };
        self.store.set_head(&moved, &diff.bytes, &pages)?;
        let due = Due { idled, event_bytes: moved.event_bytes };
        Ok((Applied { commit: diff.cid, rev }, pages, frame, due))
    }

    /// Returns a TID that is newer than `last`, whatever the clock says.
    pub(super) fn tid_after(&self, last: Option<Tid>) -> Tid {
        let mut clock = match last {
            Some(last) => TidClock::resuming_after(last, CLOCK_ID),
            None => TidClock::new(CLOCK_ID),
        };
        clock.next(self.host.clock.now_micros())
    }

    pub(super) fn now_text(&self) -> String {
        Datetime::from_unix_millis(self.host.clock.now_micros() / 1_000).as_str().to_owned()
    }
}

fn expect_commit(expected: Option<Cid>, head: Cid) -> Result<(), WriteError> {
    match expected {
        Some(expected) if expected != head => Err(WriteError::Swap { head }),
        _ => Ok(()),
    }
}

/// Returns how many records there are more than before.
fn created(diff: &CommitDiff) -> i64 {
    let change = |op: &Op| match op.action {
        Action::Create => 1,
        Action::Delete => -1,
        Action::Update => 0,
    };
    diff.ops.iter().map(change).sum()
}

/// Returns how many nodes the tree has more than before.
fn added_nodes(diff: &CommitDiff) -> i64 {
    let count = |nodes: usize| i64::try_from(nodes).unwrap_or(i64::MAX);
    count(diff.new_nodes().count()) - count(diff.retired().count())
}

fn head_of(diff: &CommitDiff, did: &Did) -> Head {
    Head { did: did.clone(), cid: diff.cid, data: diff.commit.data, rev: diff.commit.rev }
}

impl From<WriteError> for Failure {
    fn from(error: WriteError) -> Self {
        let refused = match error {
            WriteError::Blob(refusal) => refusal.into(),
            WriteError::Commit(CommitError::AlreadyExists(path)) => {
                invalid(format!("Record already exists: {}", path.as_str()))
            }
            WriteError::Commit(CommitError::NotFound(path)) => {
                invalid(format!("Could not locate record: {}", path.as_str()))
            }
            WriteError::Commit(CommitError::TooManyWrites(_)) => {
                invalid("Too many writes. Max: 200")
            }
            WriteError::Commit(error) => return Self::fault(error),
            WriteError::Database(error) => return error.into(),
            WriteError::Importing => invalid("An import is under way"),
            WriteError::EventTooLarge => invalid("Too many writes. Max event size: 2MB"),
            WriteError::Swap { head } => {
                XrpcError::new(400, "InvalidSwap", format!("Commit was at {head}"))
            }
        };
        refused.into()
    }
}

/// A single writer needs no clock id of its own.
pub(super) const CLOCK_ID: u16 = 0;
/// As many bytes as the blocks of a `#commit` may have, and as a row of the database.
const MAX_FRAME_BYTES: usize = 2_000_000;
