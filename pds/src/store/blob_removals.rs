//! Pending removals: table `removal`, the blobs whose bytes the host still has to delete.

use super::sql::Store;
use super::values::{integer, text};
use crate::host::SqlError;

impl Store {
    /// Adds a pending removal of a blob's bytes.
    pub(crate) fn put_removal(&self, cid: &str) -> Result<(), SqlError> {
        self.run("insert or ignore into removal (cid) values (?)", &[text(cid)])
    }

    /// Clears a pending removal that is done or cancelled.
    pub(crate) fn clear_removal(&self, cid: &str) -> Result<(), SqlError> {
        self.run("delete from removal where cid = ?", &[text(cid)])
    }

    /// Returns whether the removal of a blob's bytes is pending.
    pub(crate) fn is_removal_pending(&self, cid: &str) -> Result<bool, SqlError> {
        let found = "select 1 from removal where cid = ?";
        Ok(self.first(found, &[text(cid)], |_| Ok(()))?.is_some())
    }

    /// Returns whether any removal is pending.
    pub(crate) fn has_removals(&self) -> Result<bool, SqlError> {
        let found = "select 1 from removal limit 1";
        Ok(self.first(found, &[], |_| Ok(()))?.is_some())
    }

    /// Returns the next blobs after a CID whose removal is pending, in the order of CIDs as text.
    pub(crate) fn removals_after(&self, cid: &str) -> Result<Vec<String>, SqlError> {
        self.all(
            "select cid from removal where cid > ? order by cid limit ?",
            &[text(cid), integer(REMOVALS_AT_ONCE)],
            |row| row.text(0),
        )
    }
}

/// Limit of removals that one call returns.
const REMOVALS_AT_ONCE: i64 = 100;
