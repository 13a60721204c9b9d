//! What an import has brought so far: tables beside the account's, which take their place at once
//! when all of it is there.
//!
//! A table that is dropped or renamed costs no rows, and what is there already is not written
//! again; so an import costs what it brings, once, however often it is begun.

use cid::Cid;
use nacre_syntax::{RecordKey, RepoPath, Tid};

use super::{Store, blob, cid, integer, text};
use crate::host::SqlError;

/// An import that has begun.
#[derive(Clone, Debug)]
pub(crate) struct Staged {
    /// The rev that its records get.
    pub(crate) rev: Tid,
    /// Whether blocks wait whose place was not known when they came.
    pub(crate) has_parked: bool,
}

impl Store {
    /// Returns what there is of an import of this commit, whose rev is still greater than `head`;
    /// drops any other.
    pub(crate) fn staged(&self, root: &Cid, head: Tid) -> Result<Option<Staged>, SqlError> {
        let found = self.first("select root, rev from import", &[], |row| {
            Ok((row.cid(0)?, row.parsed(1, |rev| Tid::parse(rev).ok())?))
        })?;
        match found {
            Some((found, rev)) if found == *root && rev > head => {
                let parked = self.first("select 1 from import_block limit 1", &[], |_| Ok(()))?;
                Ok(Some(Staged { rev, has_parked: parked.is_some() }))
            }
            Some(_) => {
                self.drop_staging()?;
                Ok(None)
            }
            None => Ok(None),
        }
    }

    /// Begins the import of a commit.
    pub(crate) fn begin_staging(&self, root: &Cid, rev: Tid, now_s: i64) -> Result<(), SqlError> {
        for table in TABLES {
            self.run(table, &[])?;
        }
        self.run(
            "insert into import (root, rev, began_s) values (?, ?, ?)",
            &[cid(root), text(&rev.to_string()), integer(now_s)],
        )
    }

    /// Returns when the import began that has not come to its end, if there is one.
    pub(crate) fn staging_since(&self) -> Result<Option<i64>, SqlError> {
        self.first("select began_s from import", &[], |row| row.integer(0))
    }

    /// Forgets all that was staged.
    pub(crate) fn drop_staging(&self) -> Result<(), SqlError> {
        for statement in [
            "drop table if exists import_block",
            "drop table if exists import_record",
            "drop table if exists import_page",
            "drop table if exists import_subject",
            "drop table if exists import_blob_ref",
            "delete from import",
        ] {
            self.run(statement, &[])?;
        }
        Ok(())
    }

    /// Keeps a block whose place is not known yet.
    pub(crate) fn park(&self, block: &Cid, bytes: &[u8]) -> Result<(), SqlError> {
        self.run(
            "insert or ignore into import_block (cid, bytes) values (?, ?)",
            &[cid(block), blob(bytes)],
        )
    }

    /// Returns a block whose place was not known when it came.
    pub(crate) fn parked(&self, block: &Cid) -> Result<Option<Vec<u8>>, SqlError> {
        self.first("select bytes from import_block where cid = ?", &[cid(block)], |row| row.blob(0))
    }

    /// Stages a record.
    pub(crate) fn stage_record(
        &self,
        path: &RepoPath,
        record: &Cid,
        rev: Tid,
        value: &[u8],
    ) -> Result<(), SqlError> {
        self.run(
            "insert or ignore into import_record (path, cid, rev, value) values (?, ?, ?, ?)",
            &[text(path.as_str()), cid(record), text(&rev.to_string()), blob(value)],
        )
    }

    /// Stages what a record is about.
    pub(crate) fn stage_subject<S: AsRef<str>>(
        &self,
        subject: &[u8],
        rkey: &RecordKey<S>,
    ) -> Result<(), SqlError> {
        self.run(
            "insert or ignore into import_subject (subject, rkey) values (?, ?)",
            &[blob(subject), text(rkey.as_str())],
        )
    }

    /// Stages that a record refers to a blob.
    pub(crate) fn stage_blob_ref(
        &self,
        blob: &str,
        path: &RepoPath,
        rev: Tid,
    ) -> Result<(), SqlError> {
        self.run(
            "insert or ignore into import_blob_ref (cid, path, rev) values (?, ?, ?)",
            &[text(blob), text(path.as_str()), text(&rev.to_string())],
        )
    }

    /// Stages that a record which is here, and stays, refers to a blob.
    pub(crate) fn stage_kept_blob_ref(&self, blob: &str, path: &RepoPath) -> Result<(), SqlError> {
        self.run(
            "insert or ignore into import_blob_ref (cid, path, rev)
             select ?, path, rev from record where path = ?",
            &[text(blob), text(path.as_str())],
        )
    }

    /// Returns the bytes of a staged record.
    pub(crate) fn staged_value(&self, path: &RepoPath) -> Result<Option<Vec<u8>>, SqlError> {
        let value = "select value from import_record where path = ?";
        self.first(value, &[text(path.as_str())], |row| row.blob(0))
    }

    /// Returns the next staged records after a path, in the order of the tree.
    pub(crate) fn staged_after(&self, path: &str) -> Result<Vec<(RepoPath, Cid)>, SqlError> {
        self.all(
            "select path, cid from import_record where path > ? order by path limit ?",
            &[text(path), integer(RECORDS_AT_ONCE)],
            |row| {
                let path = row.parsed(0, |path| Some(RepoPath::parse(path).ok()?.to_owned()))?;
                Ok((path, row.cid(1)?))
            },
        )
    }

    /// Puts what was staged in the place of what was there, and says of each blob anew whether it
    /// is idle. Exports that are under way end.
    pub(crate) fn swap_in(&self, now_s: i64) -> Result<(), SqlError> {
        self.run("drop table record", &[])?;
        self.run("alter table import_record rename to record", &[])?;
        self.swap_in_derived(now_s)
    }

    /// Puts what was staged in the place of all that follows from the records.
    pub(crate) fn swap_in_derived(&self, now_s: i64) -> Result<(), SqlError> {
        for statement in [
            "drop table page",
            "alter table import_page rename to page",
            "drop table subject",
            "alter table import_subject rename to subject",
            "drop table blob_ref",
            "alter table import_blob_ref rename to blob_ref",
            "update blob set idle_since_s = null where idle_since_s is not null
             and exists (select 1 from blob_ref where blob_ref.cid = blob.cid)",
        ] {
            self.run(statement, &[])?;
        }
        self.run(
            "update blob set idle_since_s = ? where idle_since_s is null
             and not exists (select 1 from blob_ref where blob_ref.cid = blob.cid)",
            &[integer(now_s)],
        )?;
        self.drop_staging()
    }

    /// Empties the staged pages: nodes are put on pages once all records are there.
    pub(super) fn empty_staged_pages(&self) -> Result<(), SqlError> {
        self.run("drop table if exists import_page", &[])?;
        self.run(PAGES, &[])
    }
}

const PAGES: &str = "create table import_page (
    id integer primary key,
    rev text not null,
    bytes blob not null
) strict";

/// The tables, as those that they take the place of.
const TABLES: [&str; 5] = [
    "create table import_block (
        cid blob primary key,
        bytes blob not null
    ) strict, without rowid",
    "create table import_record (
        path text primary key,
        cid blob not null,
        rev text not null,
        value blob not null
    ) strict, without rowid",
    PAGES,
    "create table import_subject (
        subject blob not null,
        rkey text not null,
        primary key (subject, rkey)
    ) strict, without rowid",
    "create table import_blob_ref (
        cid text not null,
        path text not null,
        rev text not null,
        primary key (cid, path)
    ) strict, without rowid",
];
const RECORDS_AT_ONCE: i64 = 500;
