//! A batch of writes, applied in order, and its net effect on each path.

use alloc::collections::BTreeMap;
use alloc::collections::btree_map::Entry;

use cid::Cid;
use nacre_commit::CommitError;
use nacre_lexicon::Record;
use nacre_syntax::{RepoPath, Tid};

use super::WriteError;
use super::prepare::PreparedWrite;
use crate::Pds;
use crate::host::SqlError;

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

/// Applies writes in order to a view of the repository, each one seeing those before it.
pub(crate) struct NetWrites<'p> {
    pds: &'p Pds,
    paths: BTreeMap<RepoPath, PathState>,
}

/// A path that the batch has written to.
struct PathState {
    /// The position of the first write to the path, which orders the net writes.
    order: usize,
    /// The CID of the record there before the batch.
    before: Option<Cid>,
    now: Option<Now>,
}

/// The record at a path after the writes so far.
enum Now {
    /// The one from before the batch.
    Before,
    Written(Record),
}

impl<'p> NetWrites<'p> {
    pub(crate) fn new(pds: &'p Pds) -> Self {
        Self { pds, paths: BTreeMap::new() }
    }

    /// Applies one write.
    ///
    /// # Errors
    ///
    /// [`CommitError::AlreadyExists`] for a create at a path that has a record by now,
    /// [`CommitError::NotFound`] for an update or a delete at one that has none.
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
                Some(Now::Written(record))
            }
            (PreparedWrite::Delete { .. }, true) => None,
        };
        Ok(())
    }

    /// Returns the net write of each path that does not end as it began, in the order in which the
    /// batch first wrote to them.
    pub(crate) fn finish(self) -> Vec<PreparedWrite> {
        let mut paths: Vec<_> = self.paths.into_iter().collect();
        paths.sort_unstable_by_key(|(_, state)| state.order);
        paths.into_iter().filter_map(|(path, state)| state.net(path)).collect()
    }

    fn state(&mut self, path: &RepoPath) -> Result<&mut PathState, SqlError> {
        let order = self.paths.len();
        Ok(match self.paths.entry(path.clone()) {
            Entry::Occupied(state) => state.into_mut(),
            Entry::Vacant(place) => {
                let before = self.pds.store.record_cid(path)?;
                place.insert(PathState { order, before, now: before.map(|_| Now::Before) })
            }
        })
    }
}

impl PathState {
    fn net(self, path: RepoPath) -> Option<PreparedWrite> {
        match (self.before, self.now) {
            (None, Some(Now::Written(record))) => Some(PreparedWrite::Create { path, record }),
            (Some(before), Some(Now::Written(record))) if record.cid != before => {
                Some(PreparedWrite::Update { path, record })
            }
            (Some(_), None) => Some(PreparedWrite::Delete { path }),
            _ => None,
        }
    }
}
