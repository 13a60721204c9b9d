//! The state of open snapshots, in memory: the rows that commits have replaced.

use alloc::rc::{Rc, Weak};
use core::cell::{Ref, RefCell};
use std::collections::HashMap;

use cid::Cid;

use super::tree_page::TreePage;

/// The open snapshots. A snapshot closes when its reader drops it.
#[derive(Debug, Default)]
pub(super) struct OpenSnapshots(RefCell<Vec<Weak<RefCell<SnapshotState>>>>);

/// State of one snapshot, shared by its reader and the store.
#[derive(Debug, Default)]
pub(super) struct SnapshotState {
    /// Pages that commits have replaced since the snapshot was taken.
    pub(super) pages: HashMap<i64, Rc<TreePage>>,
    /// Records that commits have replaced since then, by path.
    pub(super) records: HashMap<String, SnapshotRecord>,
    /// Total size of these pages and records.
    pub(super) bytes: usize,
    /// When the reader last continued, in seconds.
    pub(super) resumed_s: i64,
    /// Whether the store has ended the snapshot, so that it can no longer be read.
    pub(super) is_ended: bool,
    pub(super) purpose: Purpose,
}

/// The purpose of a snapshot.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Purpose {
    /// A consistency check of the database. Its reads bypass the page cache.
    Audit,
    /// An export of the repository.
    #[default]
    Export,
}

/// A record of a snapshot.
#[derive(Clone, Debug)]
pub(crate) struct SnapshotRecord {
    pub(super) path: String,
    pub(crate) cid: Cid,
    pub(crate) rev: String,
    /// `None` if the record is too long to be read ahead.
    pub(super) value: Option<Vec<u8>>,
}

impl OpenSnapshots {
    /// Opens a snapshot. Returns `None` if the limit for its purpose is reached.
    pub(super) fn open(&self, purpose: Purpose, now_s: i64) -> Option<Rc<RefCell<SnapshotState>>> {
        let mut snapshots = self.0.borrow_mut();
        snapshots.retain(|snapshot| snapshot.strong_count() > 0);
        let open = snapshots.iter().filter_map(Weak::upgrade);
        let limit = match purpose {
            Purpose::Audit => MAX_AUDITS,
            Purpose::Export => MAX_EXPORTS,
        };
        if open.filter(|state| state.borrow().purpose == purpose).count() >= limit {
            return None;
        }
        let state = SnapshotState { resumed_s: now_s, purpose, ..SnapshotState::default() };
        let state = Rc::new(RefCell::new(state));
        snapshots.push(Rc::downgrade(&state));
        Some(state)
    }

    /// Returns the snapshots. Closed ones do not upgrade.
    pub(super) fn list(&self) -> Ref<'_, Vec<Weak<RefCell<SnapshotState>>>> {
        self.0.borrow()
    }
}

impl SnapshotState {
    /// Ends the snapshot and frees the rows kept for it.
    pub(super) fn end(&mut self) {
        *self = Self { is_ended: true, purpose: self.purpose, ..Self::default() };
    }

    /// Returns whether the reader has paused for too long, or too much is kept for it.
    pub(super) fn is_over_limit(&self, now_s: i64) -> bool {
        self.resumed_s + MAX_PAUSE_S < now_s || self.bytes > MAX_KEPT_BYTES
    }
}

/// Limit of exports at a time.
const MAX_EXPORTS: usize = 16;
/// Limit of audits at a time.
const MAX_AUDITS: usize = 4;
/// Limit of a reader's pause while there are commits.
const MAX_PAUSE_S: i64 = 60;
/// Limit of the rows kept for one snapshot. It is checked before each commit, so one commit may
/// exceed it.
const MAX_KEPT_BYTES: usize = 4 * 1024 * 1024;
