//! Records: table `record`. The bytes of a record are also its block in the repository.

use cid::Cid;
use nacre_syntax::{Nsid, RecordKey, RepoPath, Tid};

use super::sql::Store;
use super::values::{blob, cid, integer, text};
use crate::host::{Row, SqlError};

/// A record, without its collection.
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

/// Which records of a collection to list: by descending record key, or ascending if `reverse`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RecordQuery<'a> {
    pub(crate) collection: Nsid<&'a str>,
    /// The last record key of the previous page.
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

    /// Counts the records. Reads all rows.
    pub(crate) fn count_records(&self) -> Result<i64, SqlError> {
        let counted = self.first("select count(*) from record", &[], |row| row.integer(0))?;
        Ok(counted.unwrap_or_default())
    }

    /// Lists records of a collection.
    pub(crate) fn records(&self, query: &RecordQuery<'_>) -> Result<Vec<StoredRecord>, SqlError> {
        // The paths of the collection start with its name and a slash, and "0" is the character
        // after the slash. Collections that extend the name by "-" or "." sort before the slash.
        let collection = query.collection.as_str();
        let (mut first, mut behind) = (format!("{collection}/"), format!("{collection}0"));
        if let Some(after) = query.after {
            // Appending a NUL gives the smallest text that is greater than the path.
            let path = format!("{collection}/{after}");
            if query.reverse { first = path + "\0" } else { behind = path }
        }
        let range = [text(&first), text(&behind), integer(query.limit)];
        if query.reverse {
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

    /// Returns the next records after a path, in the order of paths, which is that of the tree.
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

    /// Returns the next collection after `after` that has records, or the first one for `None`, in
    /// the order of paths.
    pub(crate) fn collection_after(&self, after: Option<&str>) -> Result<Option<Nsid>, SqlError> {
        let behind = after.map(|after| format!("{after}0")).unwrap_or_default();
        self.first(
            "select path from record where path >= ? order by path limit 1",
            &[text(&behind)],
            |row| Ok(path(row, 0)?.collection().to_owned()),
        )
    }

    /// Inserts or replaces a record.
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

/// Number of records that [`Store::records_after`] returns.
const RECORDS_AT_ONCE: i64 = 32;
