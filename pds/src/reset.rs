//! Starting over with another DID while the account was never active.

use nacre_xrpc::XrpcError;

use crate::Pds;
use crate::api::Failure;
use crate::config::Config;
use crate::host::{Host, SqlError};
use crate::ownership::OwnershipError;
use crate::pds::OpenError;
use crate::store::Left;

/// Why a database was not reset.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ResetError {
    /// The account was reset, but blobs are left over.
    #[error("the account was reset, but its blobs were not removed; the server will retry: {0}")]
    Blobs(String),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] SqlError),
    /// An import is under way.
    #[error("an import or a heal is in progress; try again when it has ended")]
    Importing,
    /// The account was reset, but the new one did not start.
    #[error("the account was reset, but cannot start: {0}")]
    Start(String),
    /// The account was active, so other servers know it.
    #[error("the account {0} was active: other servers know it, so it cannot be reset")]
    WasActive(String),
}

impl Pds {
    /// Opens a database for [`Pds::reset`], whichever account it holds.
    ///
    /// # Errors
    ///
    /// [`OpenError`] if the database fails.
    pub fn open_to_reset(host: Host, config: Config) -> Result<Self, OpenError> {
        let (pds, _) = Self::new(host, config)?;
        pds.refuse_all_but_reset();
        Ok(pds)
    }

    /// Empties the database and starts over with the configured DID. Blobs stay in their store: the
    /// configured DID may have some there already.
    ///
    /// # Errors
    ///
    /// [`ResetError`]; nothing has changed if the account was ever active or the database fails.
    pub async fn reset(&self) -> Result<(), ResetError> {
        self.start_over(Left::Blobs).await
    }

    /// Like [`Self::reset`], but also removes the blobs that the database knew. Others stay: they
    /// may belong to another account. For a store of blobs that is this account's alone.
    ///
    /// # Errors
    ///
    /// As [`Self::reset`], and [`ResetError::Blobs`] if a removal failed; the alarm retries it.
    pub async fn reset_with_blobs(&self) -> Result<(), ResetError> {
        self.start_over(Left::Removals).await?;
        match self.retry_removals().await {
            Ok(()) => Ok(()),
            Err(Failure::Fault(cause)) => Err(ResetError::Blobs(cause)),
            Err(Failure::Refused(error)) => Err(ResetError::Blobs(error.message.into_owned())),
        }
    }

    async fn start_over(&self, left: Left) -> Result<(), ResetError> {
        if self.importing.get() {
            return Err(ResetError::Importing);
        }
        if let Some(account) = self.store.account()?
            && account.was_active()
        {
            return Err(ResetError::WasActive(account.head.did.to_string()));
        }
        self.empty_database(left)?;
        let started = self.settle().await;
        started.map_err(|error| match error {
            OwnershipError::Database(error) => ResetError::Database(error),
            other => ResetError::Start(other.to_string()),
        })
    }
}

impl From<ResetError> for Failure {
    fn from(error: ResetError) -> Self {
        match error {
            ResetError::Blobs(_) => Self::fault(error),
            ResetError::Database(error) => error.into(),
            ResetError::Importing | ResetError::Start(_) => {
                XrpcError::new(503, "ServiceUnavailable", error.to_string()).into()
            }
            ResetError::WasActive(_) => {
                XrpcError::new(409, "AccountWasActive", error.to_string()).into()
            }
        }
    }
}
