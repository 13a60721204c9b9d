//! Records: a row holds a record's bytes, which are also its block.

use cid::Cid;
use nacre_syntax::{Nsid, RecordKey, RepoPath, Tid};

use super::{Store, blob, cid, integer, text};
use crate::host::{Row, SqlError};

/// A record as it is kept.
#[derive(Clone, Debug)]
pub(crate) struct StoredRecord {
    pub(crate) rkey: RecordKey,
    pub(crate) cid: Cid,
    pub(crate) value: Vec<u8>,
}

/// A record as a block of the repository.
#[derive(Clone, Debug)]
pub(crate) struct RecordBlock {
    pub(crate) path: RepoPath,
    pub(crate) cid: Cid,
    pub(crate) value: Vec<u8>,
}

/// Which records of a collection to list: the newest first unless `reverse`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Page<'a> {
    pub(crate) collection: Nsid<&'a str>,
    /// The record key that the page before ended with.
    pub(crate) after: Option<&'a str>,
    pub(crate) limit: i64,
    pub(crate) reverse: bool,
}

impl Store {
    /// Returns one record.
    pub(crate) fn record<S: AsRef<str>>(
        &self,
        path: &RepoPath<S>,
    ) -> Result<Option<StoredRecord>, SqlError> {
        self.first(
            "select path, cid, value from record where path = ?",
            &[text(path.as_str())],
            stored,
        )
    }

    /// Returns the CID of one record.
    pub(crate) fn record_cid<S: AsRef<str>>(
        &self,
        path: &RepoPath<S>,
    ) -> Result<Option<Cid>, SqlError> {
        self.first("select cid from record where path = ?", &[text(path.as_str())], |row| {
            row.cid(0)
        })
    }

    /// Counts the records. It reads them all.
    pub(crate) fn count_records(&self) -> Result<i64, SqlError> {
        let counted = self.first("select count(*) from record", &[], |row| row.integer(0))?;
        Ok(counted.unwrap_or_default())
    }

    /// Returns one page of a collection.
    pub(crate) fn records(&self, page: &Page<'_>) -> Result<Vec<StoredRecord>, SqlError> {
        // A slash is the first of all characters that may follow a collection, but for those of
        // longer collections, which are before it.
        let collection = page.collection.as_str();
        let (mut first, mut behind) = (format!("{collection}/"), format!("{collection}0"));
        if let Some(after) = page.after {
            // The smallest text that is greater.
            let path = format!("{collection}/{after}");
            if page.reverse { first = path + "\0" } else { behind = path }
        }
        let range = [text(&first), text(&behind), integer(page.limit)];
        if page.reverse {
            self.all(
                "select path, cid, value from record where path >= ? and path < ?
                 order by path limit ?",
                &range,
                stored,
            )
        } else {
            self.all(
                "select path, cid, value from record where path >= ? and path < ?
                 order by path desc limit ?",
                &range,
                stored,
            )
        }
    }

    /// Returns the next records after a path, in the order of the tree.
    pub(crate) fn records_after(&self, path: &str) -> Result<Vec<RecordBlock>, SqlError> {
        self.all(
            "select path, cid, value from record where path > ? order by path limit ?",
            &[text(path), integer(RECORDS_AT_ONCE)],
            |row| {
                let (path, cid) = (self::path(row, 0)?, row.cid(1)?);
                Ok(RecordBlock { path, cid, value: row.blob(2)? })
            },
        )
    }

    /// Returns the first collection that has a record and comes after `after` in the order of
    /// paths; `None` for the first of all.
    pub(crate) fn collection_after(&self, after: Option<&str>) -> Result<Option<Nsid>, SqlError> {
        let behind = after.map(|after| format!("{after}0")).unwrap_or_default();
        self.first(
            "select path from record where path >= ? order by path limit 1",
            &[text(&behind)],
            |row| Ok(path(row, 0)?.collection().to_owned()),
        )
    }

    /// Writes a record, in place of one that may be there.
    pub(crate) fn put_record(
        &self,
        path: &RepoPath,
        record: &Cid,
        rev: Tid,
        value: &[u8],
    ) -> Result<(), SqlError> {
        self.run(
            "insert or replace into record (path, cid, rev, value) values (?, ?, ?, ?)",
            &[text(path.as_str()), cid(record), text(&rev.to_string()), blob(value)],
        )
    }

    /// Removes a record.
    pub(crate) fn remove_record(&self, path: &RepoPath) -> Result<(), SqlError> {
        self.run("delete from record where path = ?", &[text(path.as_str())])
    }
}

fn stored(row: &dyn Row) -> Result<StoredRecord, SqlError> {
    Ok(StoredRecord {
        rkey: path(row, 0)?.rkey().to_owned(),
        cid: row.cid(1)?,
        value: row.blob(2)?,
    })
}

fn path(row: &dyn Row, index: usize) -> Result<RepoPath, SqlError> {
    row.parsed(index, |path| Some(RepoPath::parse(path).ok()?.to_owned()))
}

const RECORDS_AT_ONCE: i64 = 32;
