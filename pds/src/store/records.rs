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
            "select rkey, cid, value from record where collection = ? and rkey = ?",
            &[text(path.collection().as_str()), text(path.rkey().as_str())],
            stored,
        )
    }

    /// Returns the CID of one record.
    pub(crate) fn record_cid<S: AsRef<str>>(
        &self,
        path: &RepoPath<S>,
    ) -> Result<Option<Cid>, SqlError> {
        self.first(
            "select cid from record where collection = ? and rkey = ?",
            &[text(path.collection().as_str()), text(path.rkey().as_str())],
            |row| row.cid(0),
        )
    }

    /// Returns the bytes of one record, if it was last written after `since` where one is given.
    pub(crate) fn record_block(
        &self,
        path: &RepoPath<&str>,
        since: Option<&str>,
    ) -> Result<Option<Vec<u8>>, SqlError> {
        self.first(
            "select value from record where collection = ? and rkey = ? and rev > ?",
            &[
                text(path.collection().as_str()),
                text(path.rkey().as_str()),
                text(since.unwrap_or_default()),
            ],
            |row| row.blob(0),
        )
    }

    /// Returns one page of a collection.
    pub(crate) fn records(&self, page: &Page<'_>) -> Result<Vec<StoredRecord>, SqlError> {
        let collection = text(page.collection.as_str());
        let limit = integer(page.limit);
        match (page.reverse, page.after) {
            (false, None) => self.all(
                "select rkey, cid, value from record where collection = ?
                 order by rkey desc limit ?",
                &[collection, limit],
                stored,
            ),
            (false, Some(after)) => self.all(
                "select rkey, cid, value from record where collection = ? and rkey < ?
                 order by rkey desc limit ?",
                &[collection, text(after), limit],
                stored,
            ),
            (true, None) => self.all(
                "select rkey, cid, value from record where collection = ?
                 order by rkey limit ?",
                &[collection, limit],
                stored,
            ),
            (true, Some(after)) => self.all(
                "select rkey, cid, value from record where collection = ? and rkey > ?
                 order by rkey limit ?",
                &[collection, text(after), limit],
                stored,
            ),
        }
    }

    /// Returns the first collection that has a record and comes after `after` in order.
    pub(crate) fn collection_after(&self, after: &str) -> Result<Option<String>, SqlError> {
        self.first(
            "select collection from record where collection > ? order by collection limit 1",
            &[text(after)],
            |row| row.text(0),
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
            "insert into record (collection, rkey, cid, rev, value) values (?, ?, ?, ?, ?)
             on conflict do update
             set cid = excluded.cid, rev = excluded.rev, value = excluded.value",
            &[
                text(path.collection().as_str()),
                text(path.rkey().as_str()),
                cid(record),
                text(&rev.to_string()),
                blob(value),
            ],
        )
    }

    /// Removes a record.
    pub(crate) fn remove_record(&self, path: &RepoPath) -> Result<(), SqlError> {
        self.run(
            "delete from record where collection = ? and rkey = ?",
            &[text(path.collection().as_str()), text(path.rkey().as_str())],
        )
    }
}

fn stored(row: &dyn Row) -> Result<StoredRecord, SqlError> {
    Ok(StoredRecord {
        rkey: row.parsed(0, |rkey| Some(RecordKey::parse(rkey).ok()?.to_owned()))?,
        cid: row.cid(1)?,
        value: row.blob(2)?,
    })
}
