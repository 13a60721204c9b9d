//! Snapshots: the repository as of one commit, readable while later commits are made. Tables
//! `record`, `page` and `account`.
//!
//! Before a commit replaces pages and records, the store keeps the old ones in memory, once for
//! each open snapshot. This takes little memory, because most commits add records. A snapshot ends
//! when it takes too much memory or its reader pauses for too long.

use alloc::collections::VecDeque;
use alloc::rc::{Rc, Weak};
use core::cell::RefCell;

use cid::Cid;
use nacre_cbor::Digest;
use nacre_syntax::RepoPath;

use super::page_changes::PageChanges;
use super::snapshot_state::{Purpose, SnapshotRecord, SnapshotState};
use super::sql::Store;
use super::tree_page::{PartKind, ROOT_PAGE, TreePage};
use super::values::{integer, text};
use crate::host::{Row, SqlError, Value};

/// A reader of the repository as of one commit.
#[derive(Debug)]
pub(crate) struct Snapshot {
    store: Store,
    state: Rc<RefCell<SnapshotState>>,
    /// The pages on the path to the reader's position, each with the index of its next part.
    stack: Vec<(Rc<TreePage>, usize)>,
    /// Records that were read ahead, in the order of their paths.
    ahead: VecDeque<SnapshotRecord>,
}

/// The result of [`Snapshot::enter`].
#[derive(Debug)]
pub(crate) enum Entered {
    /// The node's bytes.
    Node(Vec<u8>),
    /// The node's page, and so the subtree below, has not changed since the requested rev.
    Unchanged,
}

/// Why a snapshot cannot be read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum SnapshotError {
    /// A page or record is missing or corrupt.
    #[error("a tree page or a record is missing or corrupt")]
    Damaged,
    /// The database failed.
    #[error(transparent)]
    Database(#[from] SqlError),
    /// The snapshot exceeded a limit, or the whole repository was replaced.
    #[error("the snapshot ended: its reader was too slow, or the repository was replaced")]
    Lost,
}

impl Store {
    /// Takes a snapshot of the current commit. Returns `None` if the limit for its purpose is
    /// reached.
    pub(crate) fn snapshot(&self, purpose: Purpose, now_s: i64) -> Option<Snapshot> {
        let state = self.snapshots.open(purpose, now_s)?;
        let (stack, ahead) = (Vec::new(), VecDeque::new());
        Some(Snapshot { store: self.clone(), state, stack, ahead })
    }

    /// Keeps the pages and records that a commit is about to replace, for the open snapshots. Ends
    /// snapshots that are over a limit.
    pub(crate) fn keep_for_snapshots<'p>(
        &self,
        pages: &PageChanges,
        records: impl Iterator<Item = &'p RepoPath> + Clone,
        now_s: i64,
    ) -> Result<(), SqlError> {
        for snapshot in self.snapshots.list().iter().filter_map(Weak::upgrade) {
            let mut state = snapshot.borrow_mut();
            if state.is_over_limit(now_s) {
                state.end();
            }
            if state.is_ended {
                continue;
            }
            for id in pages.replaced() {
                // A new page has no old version. A page that was added after the snapshot is kept
                // needlessly, but no reader asks for it.
                if !state.pages.contains_key(&id)
                    && let Some(page) = self.page(id, false)?
                {
                    state.bytes += page.bytes.len();
                    state.pages.insert(id, page);
                }
            }
            for path in records.clone() {
                if !state.records.contains_key(path.as_str())
                    && let Some(record) = self.snapshot_record(path.as_str())?
                {
                    state.bytes += record.value.as_ref().map_or(0, Vec::len);
                    state.records.insert(path.as_str().to_owned(), record);
                }
            }
        }
        Ok(())
    }

    /// Ends all snapshots, because the whole repository was replaced.
    pub(crate) fn end_snapshots(&self) {
        for snapshot in self.snapshots.list().iter().filter_map(Weak::upgrade) {
            snapshot.borrow_mut().end();
        }
    }

    fn snapshot_record(&self, path: &str) -> Result<Option<SnapshotRecord>, SqlError> {
        self.first(
            "select path, cid, rev, value from record where path = ?",
            &[text(path)],
            read_record,
        )
    }
}

impl Snapshot {
    /// Updates when the reader last continued.
    ///
    /// # Errors
    ///
    /// [`SnapshotError::Lost`] if the snapshot ended.
    pub(crate) fn resume(&self, now_s: i64) -> Result<(), SnapshotError> {
        let mut state = self.state.borrow_mut();
        state.resumed_s = now_s;
        if state.is_ended { Err(SnapshotError::Lost) } else { Ok(()) }
    }

    /// Returns the next node. Nodes are read in pre-order from the root.
    ///
    /// With `since`, a subtree whose page has not changed after that rev is skipped.
    pub(crate) fn enter(
        &mut self,
        node: &Cid,
        since: Option<&str>,
    ) -> Result<Entered, SnapshotError> {
        let digest = Digest::from_cid(node).ok_or(SnapshotError::Damaged)?;
        if self.stack.is_empty() {
            let root = self.page(ROOT_PAGE)?;
            self.stack.push((root, 0));
        }
        loop {
            let (page, next) = self.stack.last_mut().ok_or(SnapshotError::Damaged)?;
            let Some(part) = page.parts.get(*next) else {
                self.stack.pop();
                continue;
            };
            if part.digest != digest {
                return Err(SnapshotError::Damaged);
            }
            *next += 1;
            match part.kind {
                PartKind::Node { .. } => {
                    let bytes = page.node(*next - 1).ok_or(SnapshotError::Damaged)?;
                    return Ok(Entered::Node(bytes.to_vec()));
                }
                PartKind::Reference(id) => {
                    let below = self.page(id)?;
                    if since.is_some_and(|since| below.rev.as_str() <= since) {
                        return Ok(Entered::Unchanged);
                    }
                    self.stack.push((below, 0));
                }
            }
        }
    }

    /// Returns a record and its bytes. Records must be requested in the order of their paths.
    pub(crate) fn record(
        &mut self,
        path: &str,
    ) -> Result<(SnapshotRecord, Vec<u8>), SnapshotError> {
        let replaced = self.state.borrow().records.get(path).cloned();
        let record = match replaced {
            Some(record) => record,
            None => self.record_ahead(path)?,
        };
        let value = match &record.value {
            Some(value) => value.clone(),
            None => self
                .store
                .snapshot_record(path)?
                .filter(|now| now.cid == record.cid)
                .and_then(|now| now.value)
                .ok_or(SnapshotError::Damaged)?,
        };
        Ok((record, value))
    }

    /// Takes a record from the queue of those read ahead, which is filled first if it is empty.
    fn record_ahead(&mut self, path: &str) -> Result<SnapshotRecord, SnapshotError> {
        while self.ahead.front().is_some_and(|record| record.path.as_str() < path) {
            self.ahead.pop_front();
        }
        if self.ahead.is_empty() {
            self.ahead = self
                .store
                .all(
                    "select path, cid, rev, case when length(value) <= 16384 then value end
                     from record where path >= ? order by path limit ?",
                    &[text(path), integer(RECORDS_AHEAD)],
                    read_record,
                )?
                .into();
        }
        match self.ahead.front() {
            Some(record) if record.path == path => {
                Ok(self.ahead.pop_front().ok_or(SnapshotError::Damaged)?)
            }
            _ => Err(SnapshotError::Damaged),
        }
    }

    fn page(&self, id: i64) -> Result<Rc<TreePage>, SnapshotError> {
        let state = self.state.borrow();
        if let Some(page) = state.pages.get(&id) {
            return Ok(Rc::clone(page));
        }
        let bypass_cache = state.purpose == Purpose::Audit;
        self.store.page(id, bypass_cache)?.ok_or(SnapshotError::Damaged)
    }
}

fn read_record(row: &dyn Row) -> Result<SnapshotRecord, SqlError> {
    let value = match row.value(3) {
        Value::Blob(value) => Some(value.into_owned()),
        _ => None,
    };
    Ok(SnapshotRecord { path: row.text(0)?, cid: row.cid(1)?, rev: row.text(2)?, value })
}

/// Number of records that are read ahead at a time, each of up to 16 KiB.
const RECORDS_AHEAD: i64 = 64;
