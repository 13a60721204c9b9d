//! One write of a client.

use nacre_lexicon::Record;
use nacre_syntax::RepoPath;

/// A write that has been checked as far as possible without the repository.
#[derive(Clone, Debug)]
pub(crate) enum PreparedWrite {
    /// Writes a record at a path that has none.
    Create { path: RepoPath, record: Record },
    /// Replaces a record.
    Update { path: RepoPath, record: Record },
    /// Removes a record.
    Delete { path: RepoPath },
}

impl PreparedWrite {
    /// Returns the path of the record.
    pub(crate) fn path(&self) -> &RepoPath {
        match self {
            Self::Create { path, .. } | Self::Update { path, .. } | Self::Delete { path } => path,
        }
    }

    /// Returns the new record, unless this is a delete.
    pub(crate) fn record(&self) -> Option<&Record> {
        match self {
            Self::Create { record, .. } | Self::Update { record, .. } => Some(record),
            Self::Delete { .. } => None,
        }
    }

    /// Returns the write as the commit needs it.
    pub(super) fn as_write(&self) -> nacre_commit::Write<'_> {
        use nacre_commit::Write;
        match self {
            Self::Create { path, record } => {
                Write::Create { path: path.as_deref(), cid: record.cid }
            }
            Self::Update { path, record } => {
                Write::Update { path: path.as_deref(), cid: record.cid }
            }
            Self::Delete { path } => Write::Delete { path: path.as_deref() },
        }
    }
}
