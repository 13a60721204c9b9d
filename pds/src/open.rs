//! Opening an account: migrates its database, and creates the account at the first start.

use crate::Pds;
use crate::config::Config;
use crate::host::{Host, SqlError};
use crate::lifecycle::OwnershipError;
use crate::store::{ANNOUNCED_HEADS, SchemaError, Store};

/// Why an account could not be opened.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The database failed.
    #[error(transparent)]
    Database(#[from] SqlError),
    /// The first commit could not be created.
    #[error("cannot create the first commit: {0}")]
    FirstCommit(String),
    /// The database was written by a newer version of this program.
    #[error("database has schema {found}, but this program only knows schemas up to {known}")]
    NewerSchema {
        /// The version of the database.
        found: i64,
        /// The newest version that this program knows.
        known: i64,
    },
    /// The database has no account, because its first start did not finish.
    #[error("this database has no account")]
    NoAccount,
    /// The database holds the account of another DID.
    #[error("the database belongs to \"{found}\", but DID is \"{configured}\"")]
    OtherAccount {
        /// The DID in the database.
        found: String,
        /// The DID in the variables.
        configured: String,
        /// Whether other servers may know the account. If not, [`Pds::reset`] starts over.
        was_active: bool,
    },
}

impl Pds {
    /// Opens the account: migrates the database and, at the first start, creates an empty
    /// repository. If the host has an owner marker, the first request creates the repository.
    ///
    /// # Errors
    ///
    /// [`OpenError`] if the database fails or is not this account's.
    pub fn open(host: Host, config: Config) -> Result<Self, OpenError> {
        let (pds, version) = Self::open_account(host, config)?;
        if let Some(version) = version {
            pds.upgrade(version)?;
        }
        pds.ownership.check_database()?;
        Ok(pds)
    }

    /// Opens an existing account, for an operator's command.
    ///
    /// # Errors
    ///
    /// As [`Self::open`], and [`OpenError::NoAccount`] if the database has no account.
    pub fn open_existing(host: Host, config: Config) -> Result<Self, OpenError> {
        let (pds, version) = Self::open_account(host, config)?;
        pds.upgrade(version.ok_or(OpenError::NoAccount)?)?;
        Ok(pds)
    }

    /// Opens a copy of an account's database for an audit. Migrates the schema but repairs nothing.
    ///
    /// # Errors
    ///
    /// As [`Self::open_existing`].
    pub fn open_copy(host: Host, config: Config) -> Result<Self, OpenError> {
        let (pds, version) = Self::open_account(host, config)?;
        version.map(|_| pds).ok_or(OpenError::NoAccount)
    }

    /// Opens a database for [`Pds::reset`], whichever account it holds.
    ///
    /// # Errors
    ///
    /// [`OpenError`] if the database fails.
    pub fn open_to_reset(host: Host, config: Config) -> Result<Self, OpenError> {
        let (pds, _) = Self::open_database(host, config)?;
        pds.ownership.refuse_all_but_reset();
        Ok(pds)
    }

    /// Opens a database that is empty or holds the configured account. If it holds an account, also
    /// returns the version of its schema before the migration.
    fn open_account(host: Host, config: Config) -> Result<(Self, Option<i64>), OpenError> {
        let (pds, version) = Self::open_database(host, config)?;
        match pds.store.account()? {
            Some(account) if account.head.did != *pds.account.did() => {
                Err(OpenError::OtherAccount {
                    found: account.head.did.to_string(),
                    configured: pds.account.did().to_string(),
                    was_active: account.was_active(),
                })
            }
            Some(account) => {
                pds.metrics.resume(account.day);
                Ok((pds, Some(version)))
            }
            None => Ok((pds, None)),
        }
    }

    /// Migrates the database. Also returns the version of its schema before the migration.
    fn open_database(host: Host, config: Config) -> Result<(Self, i64), OpenError> {
        let (store, version) = Store::open(host.sql.clone())?;
        Ok((Self::new(host, config, store), version))
    }

    /// Repairs data that was written under schema `version`.
    fn upgrade(&self, version: i64) -> Result<(), SqlError> {
        if version < ANNOUNCED_HEADS { self.activation.repair_head() } else { Ok(()) }
    }
}

impl From<SchemaError> for OpenError {
    fn from(error: SchemaError) -> Self {
        match error {
            SchemaError::Database(error) => Self::Database(error),
            SchemaError::Newer { found, known } => Self::NewerSchema { found, known },
        }
    }
}

impl From<OwnershipError> for OpenError {
    fn from(error: OwnershipError) -> Self {
        match error {
            OwnershipError::Database(error) => Self::Database(error),
            OwnershipError::FirstCommit(problem) => Self::FirstCommit(problem),
            other => Self::FirstCommit(other.to_string()),
        }
    }
}
