//! Maintenance for operators: audit, heal and reset.

use crate::Pds;
use crate::integrity::{Audit, AuditError, HealError, Healed};
use crate::lifecycle::ResetError;

impl Pds {
    /// Checks the database and the blob store for consistency.
    ///
    /// Other requests are served during the audit. If the repository changes, it starts over.
    ///
    /// # Errors
    ///
    /// [`AuditError`] if the database or the store cannot be read, or the repository keeps
    /// changing.
    pub async fn audit(&self) -> Result<Audit, AuditError> {
        self.integrity.audit_all().await
    }

    /// Checks the database alone.
    ///
    /// # Errors
    ///
    /// As [`Self::audit`].
    pub async fn audit_database(&self) -> Result<Audit, AuditError> {
        self.integrity.audit().await
    }

    /// Audits everything, then repairs the kinds of faults that were found.
    ///
    /// # Errors
    ///
    /// [`HealError`]. Repairs made before the error are kept.
    pub async fn heal(&self) -> Result<Healed, HealError> {
        self.integrity.heal().await
    }

    /// Empties the database and starts over with the configured DID. Keeps the bytes of blobs,
    /// because the store may already hold blobs of the configured DID.
    ///
    /// # Errors
    ///
    /// [`ResetError`]. [`ResetError::Replacing`] and [`ResetError::WasActive`] change nothing.
    pub async fn reset(&self) -> Result<(), ResetError> {
        self.reset.keeping_blobs().await
    }

    /// Like [`Self::reset`], but also removes the bytes of the blobs that the database knew. Only
    /// use this if the blob store belongs to this account alone.
    ///
    /// # Errors
    ///
    /// As [`Self::reset`], and [`ResetError::Blobs`] if a removal failed; the alarm retries it.
    pub async fn reset_with_blobs(&self) -> Result<(), ResetError> {
        self.reset.with_blobs().await
    }
}
