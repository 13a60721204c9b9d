//! Staging tables of a heal. They are its own, so that a resumable import stays as it is.

use nacre_syntax::{RecordKey, RepoPath};

use super::{Store, blob, text};
use crate::host::SqlError;

impl Store {
    /// Starts a heal with empty staging tables.
    pub(crate) fn begin_healing(&self) -> Result<(), SqlError> {
        self.drop_healing()?;
        TABLES.iter().try_for_each(|table| self.run(table, &[]))
    }

    /// Drops everything that a heal has staged, and the pages staged by it or by an import.
    ///
    /// An import rebuilds its pages from its records at the end, so it loses nothing by this.
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

    /// Stages the reference of a record to a blob, dated by the record's rev.
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

    /// Replaces pages and indexes with the staged ones, in the caller's transaction.
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

/// The tables, each with the columns of the one that it replaces.
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
