//! Errors of writes.

use cid::Cid;
use nacre_commit::CommitError;

use crate::blobs::ReferenceError;
use crate::host::SqlError;

/// Why a batch was refused. None of it was written.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum WriteError {
    /// A record refers to a blob that is not stored, or states a wrong type or size.
    #[error(transparent)]
    Blob(#[from] ReferenceError),
    /// The writes do not fit the repository, or each other.
    #[error(transparent)]
    Commit(#[from] CommitError<SqlError>),
    #[error(transparent)]
    Database(#[from] SqlError),
    /// The event would exceed the limit of subscribers.
    #[error("the event is too large")]
    EventTooLarge,
    /// An import or a heal is replacing the repository.
    #[error("an import or a heal is in progress")]
    Replacing,
    /// The head is not the commit that the client expects.
    #[error("the head is {head}")]
    SwapCommit { head: Cid },
    /// The record is not the one that the client expects.
    #[error("the record is not the expected one")]
    SwapRecord { current: Option<Cid> },
}
