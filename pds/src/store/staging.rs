//! Staging tables of an import: `import` and `import_*`. Once the import is complete, they replace
//! the account's own tables in one transaction.
//!
//! Each row of an import is written once: dropping or renaming a table writes no rows, and a
//! resumed import does not write its staged rows again.

use cid::Cid;
use nacre_syntax::{RecordKey, RepoPath, Tid};
use serde::{Deserialize, Serialize};

use super::records::RecordBlock;
use super::sql::Store;
use super::values::{blob, cid, integer, text};
use crate::host::{SqlError, Value};

/// A staged import.
#[derive(Clone, Debug)]
pub(crate) struct Staged {
    /// Rev of its records.
    pub(crate) rev: Tid,
    /// Whether any blocks are staged: their place in the tree was unknown when they arrived, or
    /// later parts of the same CAR need them.
    pub(crate) has_staged_blocks: bool,
    /// Whether an earlier request staged a part of it.
    pub(crate) is_resumed: bool,
    /// Odd records so far.
    pub(crate) odd: OddRecords,
}

/// Records that violate a current rule and are imported unchanged.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct OddRecords {
    pub(crate) count: u64,
    /// The first ones, at most [`OddRecords::MAX_EXAMPLES`].
    pub(crate) examples: Vec<OddRecord>,
}

/// A record that violates a rule.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct OddRecord {
    pub(crate) path: String,
    pub(crate) reason: String,
}

impl OddRecords {
    /// Limit of the examples.
    pub(crate) const MAX_EXAMPLES: usize = 10;

    /// Counts a record, and adds it to the examples if there is room.
    pub(crate) fn push(&mut self, path: &RepoPath, reason: String) {
        self.count = self.count.saturating_add(1);
        if self.examples.len() < Self::MAX_EXAMPLES {
            self.examples.push(OddRecord { path: path.as_str().to_owned(), reason });
        }
    }
}

impl Store {
    /// Returns the staged import of the commit `root`, if its rev still exceeds `last`. Drops any
    /// other staged import.
    pub(crate) fn staged(&self, root: &Cid, last: Tid) -> Result<Option<Staged>, SqlError> {
        let found =
            self.first("select root, rev, odd_records, odd_examples from import", &[], |row| {
                let count = u64::try_from(row.integer(2)?).unwrap_or_default();
                let examples = row.parsed(3, |examples| serde_json::from_str(examples).ok())?;
                let rev = row.parsed(1, |rev| Tid::parse(rev).ok())?;
                Ok((row.cid(0)?, rev, OddRecords { count, examples }))
            })?;
        match found {
            Some((found, rev, odd)) if found == *root && rev > last => {
                let block = self.first("select 1 from import_block limit 1", &[], |_| Ok(()))?;
                let has_staged_blocks = block.is_some();
                Ok(Some(Staged { rev, has_staged_blocks, is_resumed: true, odd }))
            }
            Some(_) => {
                self.drop_staging()?;
                Ok(None)
            }
            None => Ok(None),
        }
    }

    /// Creates the staging tables for the import of a commit.
    pub(crate) fn begin_staging(&self, root: &Cid, rev: Tid, now_s: i64) -> Result<(), SqlError> {
        for table in TABLES {
            self.run(table, &[])?;
        }
        self.run(
            "insert into import (root, rev, touched_s) values (?, ?, ?)",
            &[cid(root), text(&rev.to_string()), integer(now_s)],
        )
    }

    /// Updates when the last part of the staged import arrived, and its odd records so far.
    pub(crate) fn touch_staging(&self, odd: &OddRecords, now_s: i64) -> Result<(), SqlError> {
        let examples = serde_json::to_string(&odd.examples)
            .map_err(|error| SqlError::other(error.to_string()))?;
        self.run(
            "update import set touched_s = ?, odd_records = ?, odd_examples = ?",
            &[integer(now_s), integer(odd.count), text(&examples)],
        )
    }

    /// Returns when the last part of the staged import arrived, in seconds, or `None` if no import
    /// is staged.
    pub(crate) fn staging_touched_s(&self) -> Result<Option<i64>, SqlError> {
        self.first("select touched_s from import", &[], |row| row.integer(0))
    }

    /// Drops the staged import and the pages that a heal staged.
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

    /// Stages a block whose place in the tree is not known yet.
    pub(crate) fn stage_block(&self, block: &Cid, bytes: &[u8]) -> Result<(), SqlError> {
        self.run(
            "insert or ignore into import_block (cid, bytes) values (?, ?)",
            &[cid(block), blob(bytes)],
        )
    }

    /// Returns a staged block.
    pub(crate) fn staged_block(&self, block: &Cid) -> Result<Option<Vec<u8>>, SqlError> {
        self.first("select bytes from import_block where cid = ?", &[cid(block)], |row| row.blob(0))
    }

    /// Stages records.
    pub(crate) fn stage_records(&self, records: &[RecordBlock], rev: Tid) -> Result<(), SqlError> {
        let rev = rev.to_string();
        let row = |record| staged_row(record, &rev);
        let mut batches = records.chunks_exact(STAGED_AT_ONCE);
        for batch in batches.by_ref() {
            let params: Vec<_> = batch.iter().flat_map(row).collect();
            self.run(STAGE_TEN_RECORDS, &params)?;
        }
        for record in batches.remainder() {
            self.run(STAGE_RECORD, &row(record))?;
        }
        Ok(())
    }

    /// Stages the subject of a record.
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

    /// Stages a record's reference to a blob.
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

    /// Returns the CID of a staged record.
    pub(crate) fn staged_cid(&self, path: &RepoPath) -> Result<Option<Cid>, SqlError> {
        let found = "select cid from import_record where path = ?";
        self.first(found, &[text(path.as_str())], |row| row.cid(0))
    }

    /// Returns the bytes of a staged record.
    pub(crate) fn staged_value(&self, path: &RepoPath) -> Result<Option<Vec<u8>>, SqlError> {
        let value = "select value from import_record where path = ?";
        self.first(value, &[text(path.as_str())], |row| row.blob(0))
    }

    /// Returns the next staged records after a path, in the order of paths, which is that of the
    /// tree.
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

    /// Replaces the records and all derived tables with the staged ones, and marks blobs as idle or
    /// in use. Needs a transaction. The caller must end all snapshots and clear the page cache.
    pub(crate) fn swap_in(&self, now_s: i64) -> Result<(), SqlError> {
        for statement in [
            "drop table record",
            "alter table import_record rename to record",
            "drop table page",
            "alter table import_page rename to page",
            "drop table subject",
            "alter table import_subject rename to subject",
            "drop table blob_ref",
            "alter table import_blob_ref rename to blob_ref",
        ] {
            self.run(statement, &[])?;
        }
        self.refresh_idle_blobs(now_s)?;
        self.drop_staging()
    }

    /// Creates an empty table of staged pages, in place of any that exists.
    pub(super) fn empty_staged_pages(&self) -> Result<(), SqlError> {
        self.run("drop table if exists import_page", &[])?;
        self.run(PAGES, &[])
    }
}

const PAGES: &str = "create table if not exists import_page (
    id integer primary key,
    rev text not null,
    bytes blob not null
) strict";

/// Staging tables. Those that replace a table have its columns.
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
fn staged_row<'r>(record: &'r RecordBlock, rev: &'r str) -> [Value<'r>; 4] {
    [text(record.path.as_str()), cid(&record.cid), text(rev), blob(&record.value)]
}

/// Number of records that [`Store::staged_after`] returns.
const RECORDS_AT_ONCE: i64 = 500;
/// Number of records that one statement stages.
const STAGED_AT_ONCE: usize = 10;
const STAGE_RECORD: &str =
    "insert or ignore into import_record (path, cid, rev, value) values (?, ?, ?, ?)";
const STAGE_TEN_RECORDS: &str = "insert or ignore into import_record (path, cid, rev, value) values
         (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?),
         (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?)";
