//! Reset: starts over with another DID if the account was never active.

use alloc::rc::Rc;

use super::ownership::{Ownership, OwnershipError};
use crate::blobs::{Blobs, RemovalError};
use crate::context::Context;
use crate::host::{Host, SqlError, with_causes};
use crate::repo::Repository;
use crate::store::{LeftoverBlobs, Store};

/// Resets the database.
pub(crate) struct Reset {
    ownership: Rc<Ownership>,
    repo: Rc<Repository>,
    blobs: Rc<Blobs>,
    store: Store,
    host: Rc<Host>,
}

/// Why a reset failed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ResetError {
    /// The account was reset, but some blobs were not removed.
    #[error("the account was reset, but its blobs were not removed; the server will retry: {0}")]
    Blobs(String),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] SqlError),
    /// The repository is being replaced.
    #[error("an import or a heal is in progress; try again when it has ended")]
    Replacing,
    /// The account was reset, but the new one did not start.
    #[error("the account was reset, but cannot start: {0}")]
    Start(String),
    /// The account was active, so other servers know it.
    #[error("the account {0} was active: other servers know it, so it cannot be reset")]
    WasActive(String),
}

impl Reset {
    pub(crate) fn new(
        context: &Context,
        ownership: Rc<Ownership>,
        repo: Rc<Repository>,
        blobs: Rc<Blobs>,
    ) -> Self {
        Self {
            ownership,
            repo,
            blobs,
            store: context.store.clone(),
            host: Rc::clone(&context.host),
        }
    }

    /// Empties the database and starts over with the configured DID. Keeps the bytes of blobs,
    /// because the store may already hold blobs of the configured DID.
    ///
    /// # Errors
    ///
    /// [`ResetError`]. [`ResetError::Replacing`] and [`ResetError::WasActive`] change nothing.
    pub(crate) async fn keeping_blobs(&self) -> Result<(), ResetError> {
        self.start_over(LeftoverBlobs::Keep).await
    }

    /// Like [`Self::keeping_blobs`], but also removes the bytes of the blobs that the database
    /// knew. Only use this if the blob store belongs to this account alone.
    ///
    /// # Errors
    ///
    /// As [`Self::keeping_blobs`], and [`ResetError::Blobs`] if a removal failed; the alarm retries
    /// it.
    pub(crate) async fn with_blobs(&self) -> Result<(), ResetError> {
        self.start_over(LeftoverBlobs::Remove).await?;
        let removed = self.blobs.retry_removals().await;
        removed.map_err(|error: RemovalError| ResetError::Blobs(with_causes(&error)))
    }

    async fn start_over(&self, leftover: LeftoverBlobs) -> Result<(), ResetError> {
        if self.repo.lock.is_held() {
            return Err(ResetError::Replacing);
        }
        if let Some(account) = self.store.account()?
            && account.was_active()
        {
            return Err(ResetError::WasActive(account.head.did.to_string()));
        }
        self.ownership.empty_database(leftover)?;
        self.host.log.info("account.reset", "");
        let started = self.ownership.settle().await;
        started.map_err(|error| match error {
            OwnershipError::Database(error) => ResetError::Database(error),
            other => ResetError::Start(other.to_string()),
        })
    }
}
