//! Batches of writes, applied in order, and their net effect on each path.

use alloc::collections::BTreeMap;
use alloc::collections::btree_map::Entry;

use cid::Cid;
use nacre_commit::CommitError;
use nacre_lexicon::Record;
use nacre_syntax::{RepoPath, Tid};

use super::error::WriteError;
use super::write::PreparedWrite;
use crate::host::SqlError;
use crate::store::Store;

/// The writes of one commit, at most one for each path.
#[derive(Clone, Debug, Default)]
pub(crate) struct Batch {
    pub(crate) writes: Vec<PreparedWrite>,
    /// The greatest record key generated for these writes. The commit's rev exceeds it, and later
    /// keys exceed that rev, so no key is generated twice.
    pub(crate) last_key: Option<Tid>,
}

impl From<PreparedWrite> for Batch {
    fn from(write: PreparedWrite) -> Self {
        Self { writes: vec![write], last_key: None }
    }
}

/// Applies writes in order to a view of the repository, so that each write sees those before it.
pub(crate) struct NetWrites<'s> {
    store: &'s Store,
    paths: BTreeMap<RepoPath, PathState>,
}

/// A path that the batch has written to.
struct PathState {
    /// The position of the first write to the path, which orders the net writes.
    order: usize,
    /// The CID of the record at the path before the batch.
    before: Option<Cid>,
    /// The record at the path after the writes so far.
    now: Option<Current>,
}

/// A record that a path has after some writes.
enum Current {
    /// The record from before the batch.
    Unchanged,
    Written(Record),
}

impl<'s> NetWrites<'s> {
    pub(crate) fn new(store: &'s Store) -> Self {
        Self { store, paths: BTreeMap::new() }
    }

    /// Applies one write.
    ///
    /// # Errors
    ///
    /// [`CommitError::AlreadyExists`] for a create at a path that has a record after the writes so
    /// far, and [`CommitError::NotFound`] for an update or a delete at a path that has none.
    pub(crate) fn push(&mut self, write: PreparedWrite) -> Result<(), WriteError> {
        let now = &mut self.state(write.path())?.now;
        *now = match (write, now.is_some()) {
            (PreparedWrite::Create { path, .. }, true) => {
                return Err(CommitError::AlreadyExists(path).into());
            }
            (PreparedWrite::Update { path, .. } | PreparedWrite::Delete { path }, false) => {
                return Err(CommitError::NotFound(path).into());
            }
            (PreparedWrite::Create { record, .. } | PreparedWrite::Update { record, .. }, _) => {
                Some(Current::Written(record))
            }
            (PreparedWrite::Delete { .. }, true) => None,
        };
        Ok(())
    }

    /// Returns the net write of each path whose record changed, in the order in which the batch
    /// first wrote to the paths.
    pub(crate) fn finish(self) -> Vec<PreparedWrite> {
        let mut paths: Vec<_> = self.paths.into_iter().collect();
        paths.sort_unstable_by_key(|(_, state)| state.order);
        paths.into_iter().filter_map(|(path, state)| state.net(path)).collect()
    }

    fn state(&mut self, path: &RepoPath) -> Result<&mut PathState, SqlError> {
        let order = self.paths.len();
        Ok(match self.paths.entry(path.clone()) {
            Entry::Occupied(state) => state.into_mut(),
            Entry::Vacant(entry) => {
                let before = self.store.record_cid(path)?;
                entry.insert(PathState { order, before, now: before.map(|_| Current::Unchanged) })
            }
        })
    }
}

impl PathState {
    /// Returns the write that has the net effect of all writes to the path.
    fn net(self, path: RepoPath) -> Option<PreparedWrite> {
        match (self.before, self.now) {
            (None, Some(Current::Written(record))) => Some(PreparedWrite::Create { path, record }),
            (Some(before), Some(Current::Written(record))) if record.cid != before => {
                Some(PreparedWrite::Update { path, record })
            }
            (Some(_), None) => Some(PreparedWrite::Delete { path }),
            _ => None,
        }
    }
}
