//! Staging tables of a heal: `healed_subject`, `healed_blob_ref` and `import_page`.
//!
//! The first two are separate from those of an import, so that a heal does not disturb a resumable
//! import.

use nacre_syntax::{RecordKey, RepoPath};

use super::sql::Store;
use super::values::{blob, text};
use crate::host::SqlError;

impl Store {
    /// Starts a heal with empty staging tables.
    pub(crate) fn begin_healing(&self) -> Result<(), SqlError> {
        self.drop_healing()?;
        TABLES.iter().try_for_each(|table| self.run(table, &[]))
    }

    /// Drops the staging tables of a heal.
    ///
    /// `import_page` may hold pages that an import staged. Dropping these is harmless, because an
    /// import stages its pages at the end, from its records.
    pub(crate) fn drop_healing(&self) -> Result<(), SqlError> {
        for statement in [
            "drop table if exists healed_subject",
            "drop table if exists healed_blob_ref",
            "drop table if exists import_page",
        ] {
            self.run(statement, &[])?;
        }
        Ok(())
    }

    /// Stages the subject of a record.
    pub(crate) fn stage_healed_subject<S: AsRef<str>>(
        &self,
        subject: &[u8],
        rkey: &RecordKey<S>,
    ) -> Result<(), SqlError> {
        self.run(
            "insert or ignore into healed_subject (subject, rkey) values (?, ?)",
            &[blob(subject), text(rkey.as_str())],
        )
    }

    /// Stages a record's reference to a blob, with the rev of the record.
    pub(crate) fn stage_healed_blob_ref(
        &self,
        blob: &str,
        path: &RepoPath,
    ) -> Result<(), SqlError> {
        self.run(
            "insert or ignore into healed_blob_ref (cid, path, rev)
             select ?, path, rev from record where path = ?",
            &[text(blob), text(path.as_str())],
        )
    }

    /// Replaces pages, subjects and blob references with the staged ones, and marks blobs as idle
    /// or in use. Needs a transaction. The caller must end all snapshots and clear the page cache.
    pub(crate) fn swap_in_healed(&self, now_s: i64) -> Result<(), SqlError> {
        for statement in [
            "drop table page",
            "alter table import_page rename to page",
            "drop table subject",
            "alter table healed_subject rename to subject",
            "drop table blob_ref",
            "alter table healed_blob_ref rename to blob_ref",
        ] {
            self.run(statement, &[])?;
        }
        self.refresh_idle_blobs(now_s)
    }
}

/// Staging tables, with the columns of the tables that they replace.
const TABLES: [&str; 2] = [
    "create table healed_subject (
        subject blob not null,
        rkey text not null,
        primary key (subject, rkey)
    ) strict, without rowid",
    "create table healed_blob_ref (
        cid text not null,
        path text not null,
        rev text not null,
        primary key (cid, path)
    ) strict, without rowid",
];
