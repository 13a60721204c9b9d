//! The repository of one commit, for a reader who takes his time while others are made.
//!
//! A commit keeps for each snapshot what it replaces, in memory: pages and records, each once. That
//! is little, as commits mostly add, and it is limited, as is the time that a reader may rest; a
//! snapshot that goes over a limit is lost.

use alloc::collections::VecDeque;
use alloc::rc::{Rc, Weak};
use core::cell::RefCell;
use std::collections::HashMap;

use cid::Cid;
use nacre_syntax::RepoPath;

use super::page::{Page, Place, ROOT};
use super::{PageChanges, Store, integer, text};
use crate::host::{Row, SqlError, Value};

/// The repository of one commit.
#[derive(Debug)]
pub(crate) struct Snapshot {
    store: Store,
    held: Rc<RefCell<Held>>,
    /// The pages on the way to where the reader is, and which part of each comes next.
    stack: Vec<(Rc<Page>, usize)>,
    /// Records that were read ahead.
    ahead: VecDeque<SnapshotRecord>,
}

/// What commits have replaced since a snapshot was taken.
#[derive(Debug, Default)]
pub(super) struct Held {
    pages: HashMap<i64, Rc<Page>>,
    records: HashMap<String, SnapshotRecord>,
    bytes: usize,
    /// When its reader was here last, in seconds.
    seen_s: i64,
    is_lost: bool,
    purpose: Purpose,
}

/// What a snapshot is taken for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Purpose {
    /// A check of the database, which reads pages past those in memory.
    Audit,
    /// An export.
    #[default]
    Export,
}

/// A record of a snapshot.
#[derive(Clone, Debug)]
pub(crate) struct SnapshotRecord {
    path: String,
    pub(crate) cid: Cid,
    pub(crate) rev: String,
    /// `None` for one that is too long to be read ahead.
    value: Option<Vec<u8>>,
}

/// What comes of going on to a node.
#[derive(Debug)]
pub(crate) enum Entered {
    /// The node's bytes.
    Node(Vec<u8>),
    /// Nothing on the node's page has changed after the rev that was asked for.
    Unchanged,
}

/// Why a snapshot cannot be read on.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum SnapshotError {
    /// A page or record is missing or corrupt.
    #[error("a page of the tree is missing or corrupt")]
    Damaged,
    /// The database could not be read.
    #[error(transparent)]
    Database(#[from] SqlError),
    /// It went over a limit.
    #[error("the reader was too slow for what was written meanwhile")]
    Lost,
}

impl Store {
    /// Takes a snapshot. Returns `None` if the limit for its purpose is reached.
    pub(crate) fn snapshot(&self, purpose: Purpose, now_s: i64) -> Option<Snapshot> {
        let mut snapshots = self.snapshots.borrow_mut();
        snapshots.retain(|snapshot| snapshot.strong_count() > 0);
        let open = snapshots.iter().filter_map(Weak::upgrade);
        let limit = match purpose {
            Purpose::Audit => MAX_AUDITS,
            Purpose::Export => MAX_EXPORTS,
        };
        if open.filter(|held| held.borrow().purpose == purpose).count() >= limit {
            return None;
        }
        let held = Rc::new(RefCell::new(Held { seen_s: now_s, purpose, ..Held::default() }));
        snapshots.push(Rc::downgrade(&held));
        let (stack, ahead) = (Vec::new(), VecDeque::new());
        Some(Snapshot { store: self.clone(), held, stack, ahead })
    }

    /// Keeps what a commit is about to replace for those who still read it.
    pub(crate) fn hold<'p>(
        &self,
        pages: &PageChanges,
        records: impl Iterator<Item = &'p RepoPath> + Clone,
        now_s: i64,
    ) -> Result<(), SqlError> {
        for snapshot in self.snapshots.borrow().iter().filter_map(Weak::upgrade) {
            let mut held = snapshot.borrow_mut();
            if held.seen_s + MAX_REST_S < now_s || held.bytes > MAX_HELD_BYTES {
                held.lose();
            }
            if held.is_lost {
                continue;
            }
            for id in pages.replaced() {
                // There is none where one is new. Of one that was new after the snapshot, what is
                // kept is asked for by nobody.
                if !held.pages.contains_key(&id)
                    && let Some(page) = self.page(id, false)?
                {
                    held.bytes += page.bytes.len();
                    held.pages.insert(id, page);
                }
            }
            for path in records.clone() {
                if !held.records.contains_key(path.as_str())
                    && let Some(record) = self.snapshot_record(path.as_str())?
                {
                    held.bytes += record.value.as_ref().map_or(0, Vec::len);
                    held.records.insert(path.as_str().to_owned(), record);
                }
            }
        }
        Ok(())
    }

    /// Ends all snapshots, as of what they are of nothing is left.
    pub(crate) fn lose_snapshots(&self) {
        for snapshot in self.snapshots.borrow().iter().filter_map(Weak::upgrade) {
            snapshot.borrow_mut().lose();
        }
    }

    fn snapshot_record(&self, path: &str) -> Result<Option<SnapshotRecord>, SqlError> {
        self.first(
            "select path, cid, rev, value from record where path = ?",
            &[text(path)],
            SnapshotRecord::read,
        )
    }
}

impl Held {
    fn lose(&mut self) {
        *self = Self { is_lost: true, purpose: self.purpose, ..Self::default() };
    }
}

impl Snapshot {
    /// Says that the reader goes on.
    pub(crate) fn resume(&self, now_s: i64) -> Result<(), SnapshotError> {
        let mut held = self.held.borrow_mut();
        held.seen_s = now_s;
        if held.is_lost { Err(SnapshotError::Lost) } else { Ok(()) }
    }

    /// Returns the node that comes next in pre-order, beginning with the root.
    pub(crate) fn enter(
        &mut self,
        node: &Cid,
        since: Option<&str>,
    ) -> Result<Entered, SnapshotError> {
        let digest = super::page::Digest::of(node).ok_or(SnapshotError::Damaged)?;
        if self.stack.is_empty() {
            let root = self.page(ROOT)?;
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
            match part.place {
                Place::Here { .. } => {
                    let bytes = page.node(*next - 1).ok_or(SnapshotError::Damaged)?;
                    return Ok(Entered::Node(bytes.to_vec()));
                }
                Place::Elsewhere(id) => {
                    let below = self.page(id)?;
                    if since.is_some_and(|since| below.rev.as_str() <= since) {
                        return Ok(Entered::Unchanged);
                    }
                    self.stack.push((below, 0));
                }
            }
        }
    }

    /// Returns a record. They are asked for in order.
    pub(crate) fn record(
        &mut self,
        path: &str,
    ) -> Result<(SnapshotRecord, Vec<u8>), SnapshotError> {
        let held = self.held.borrow().records.get(path).cloned();
        let record = match held {
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
                    SnapshotRecord::read,
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

    fn page(&self, id: i64) -> Result<Rc<Page>, SnapshotError> {
        let held = self.held.borrow();
        if let Some(page) = held.pages.get(&id) {
            return Ok(Rc::clone(page));
        }
        let is_fresh = held.purpose == Purpose::Audit;
        self.store.page(id, is_fresh)?.ok_or(SnapshotError::Damaged)
    }
}

impl SnapshotRecord {
    fn read(row: &dyn Row) -> Result<Self, SqlError> {
        let value = match row.value(3) {
            Value::Blob(value) => Some(value.into_owned()),
            _ => None,
        };
        Ok(Self { path: row.text(0)?, cid: row.cid(1)?, rev: row.text(2)?, value })
    }
}

/// The most exports at a time.
const MAX_EXPORTS: usize = 16;
/// The most audits at a time.
const MAX_AUDITS: usize = 4;
/// How long a reader may rest while there are writes.
const MAX_REST_S: i64 = 60;
/// What is kept for one reader, and a commit's worth more.
const MAX_HELD_BYTES: usize = 4 * 1024 * 1024;
/// How many records are read at a time, each of up to 16 KiB.
const RECORDS_AHEAD: i64 = 64;
