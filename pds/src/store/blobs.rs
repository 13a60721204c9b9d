//! Stored blobs and the records that refer to them. The bytes are in the host's store.

use cid::Cid;
use nacre_syntax::{RepoPath, Tid};

use super::{Store, integer, text};
use crate::host::{Row, SqlError, Value};

/// A blob that is here.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct StoredBlob {
    pub(crate) mime_type: String,
    pub(crate) size: u64,
    /// Since when no record refers to it, in seconds; `None` while one does.
    pub(crate) idle_since_s: Option<i64>,
}

/// A blob that is not here, and a record that refers to it.
#[derive(Clone, Debug)]
pub(crate) struct MissingBlob {
    pub(crate) cid: String,
    pub(crate) path: RepoPath,
}

/// Which blobs to list, in the order of their CIDs' text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BlobPage<'a> {
    /// The CID that the page before ended with.
    pub(crate) after: &'a str,
    pub(crate) limit: i64,
}

impl Store {
    /// Returns what is known of a blob, if it is here.
    pub(crate) fn blob(&self, cid: &str) -> Result<Option<StoredBlob>, SqlError> {
        self.first(
            "select mime_type, size, idle_since_s from blob where cid = ?",
            &[text(cid)],
            |row| {
                Ok(StoredBlob {
                    mime_type: row.text(0)?,
                    size: row.integer(1)?.try_into().map_err(|_| damaged())?,
                    idle_since_s: row.optional_integer(2)?,
                })
            },
        )
    }

    /// Notes that a blob is here, which cancels its removal.
    pub(crate) fn put_blob(&self, cid: &str, blob: &StoredBlob) -> Result<(), SqlError> {
        self.forget_removal(cid)?;
        self.run(
            "insert or replace into blob (cid, mime_type, size, idle_since_s) values (?, ?, ?, ?)",
            &[
                text(cid),
                text(&blob.mime_type),
                integer(blob.size),
                blob.idle_since_s.map_or(Value::Null, integer),
            ],
        )
    }

    /// Notes since when no record refers to a blob, or that one does.
    pub(crate) fn set_blob_idle(&self, cid: &str, since_s: Option<i64>) -> Result<(), SqlError> {
        let since_s = since_s.map_or(Value::Null, integer);
        self.run("update blob set idle_since_s = ? where cid = ?", &[since_s, text(cid)])
    }

    /// Sets the type of a blob.
    pub(crate) fn set_blob_type(&self, cid: &str, mime_type: &str) -> Result<(), SqlError> {
        self.run("update blob set mime_type = ? where cid = ?", &[text(mime_type), text(cid)])
    }

    /// Forgets a blob.
    pub(crate) fn forget_blob(&self, cid: &str) -> Result<(), SqlError> {
        self.run("delete from blob where cid = ?", &[text(cid)])
    }

    /// Returns the blobs that no record has referred to since before a time, the first ones first.
    pub(crate) fn blobs_idle_since(&self, time_s: i64) -> Result<Vec<Cid>, SqlError> {
        self.all(
            "select cid from blob where idle_since_s <= ? order by idle_since_s limit ?",
            &[integer(time_s), integer(MAX_IDLE)],
            |row| row.parsed(0, |cid| Cid::try_from(cid).ok()),
        )
    }

    /// Returns when the longest-idle blob became idle.
    pub(crate) fn first_idle(&self) -> Result<Option<i64>, SqlError> {
        self.first(
            "select idle_since_s from blob where idle_since_s is not null
             order by idle_since_s limit 1",
            &[],
            |row| row.integer(0),
        )
    }

    /// Notes that the bytes of a blob are to be removed, until [`Self::forget_removal`].
    pub(crate) fn put_removal(&self, cid: &str) -> Result<(), SqlError> {
        self.run("insert or ignore into removal (cid) values (?)", &[text(cid)])
    }

    /// Forgets a removal that is finished or cancelled.
    pub(crate) fn forget_removal(&self, cid: &str) -> Result<(), SqlError> {
        self.run("delete from removal where cid = ?", &[text(cid)])
    }

    /// Tells whether the bytes of a blob are to be removed.
    pub(crate) fn is_removal(&self, cid: &str) -> Result<bool, SqlError> {
        let found = "select 1 from removal where cid = ?";
        Ok(self.first(found, &[text(cid)], |_| Ok(()))?.is_some())
    }

    /// Returns some of the blobs after a CID whose bytes are to be removed, in the order of CIDs.
    pub(crate) fn removals_after(&self, cid: &str) -> Result<Vec<String>, SqlError> {
        self.all(
            "select cid from removal where cid > ? order by cid limit ?",
            &[text(cid), integer(MAX_IDLE)],
            |row| row.text(0),
        )
    }

    /// Tells whether there is a removal that has not finished.
    pub(crate) fn has_removals(&self) -> Result<bool, SqlError> {
        let found = "select 1 from removal limit 1";
        Ok(self.first(found, &[], |_| Ok(()))?.is_some())
    }

    /// Marks blobs as idle if no record refers to them, and as in use if one does.
    pub(crate) fn refresh_idle_blobs(&self, now_s: i64) -> Result<(), SqlError> {
        self.run(
            "update blob set idle_since_s = null where idle_since_s is not null
             and exists (select 1 from blob_ref where blob_ref.cid = blob.cid)",
            &[],
        )?;
        self.run(
            "update blob set idle_since_s = ? where idle_since_s is null
             and not exists (select 1 from blob_ref where blob_ref.cid = blob.cid)",
            &[integer(now_s)],
        )
    }

    /// Tells whether a record refers to a blob.
    pub(crate) fn is_blob_expected(&self, cid: &str) -> Result<bool, SqlError> {
        let found = "select 1 from blob_ref where cid = ? limit 1";
        Ok(self.first(found, &[text(cid)], |_| Ok(()))?.is_some())
    }

    /// Returns some of the records after a path that refer to a blob, in the order of paths.
    pub(crate) fn records_with_blob(
        &self,
        cid: &str,
        after: &str,
    ) -> Result<Vec<RepoPath>, SqlError> {
        self.all(
            "select path from blob_ref where cid = ? and path > ? order by path limit ?",
            &[text(cid), text(after), integer(MAX_IDLE)],
            |row| row.parsed(0, |path| Some(RepoPath::parse(path).ok()?.to_owned())),
        )
    }

    /// Returns some of the blobs after a CID that have a type and that records refer to, in the
    /// order of CIDs.
    pub(crate) fn blobs_of_type(
        &self,
        mime_type: &str,
        after: &str,
    ) -> Result<Vec<String>, SqlError> {
        self.all(
            "select cid from blob
             where mime_type = ? and idle_since_s is null and cid > ? order by cid limit ?",
            &[text(mime_type), text(after), integer(MAX_IDLE)],
            |row| row.text(0),
        )
    }

    /// Tells whether this record is known to refer to a blob.
    pub(crate) fn has_blob_ref(&self, cid: &str, path: &RepoPath) -> Result<bool, SqlError> {
        let found = "select 1 from blob_ref where cid = ? and path = ?";
        Ok(self.first(found, &[text(cid), text(path.as_str())], |_| Ok(()))?.is_some())
    }

    /// Notes that a record refers to a blob.
    pub(crate) fn put_blob_ref(
        &self,
        cid: &str,
        path: &RepoPath,
        rev: Tid,
    ) -> Result<(), SqlError> {
        self.run(
            "insert or replace into blob_ref (cid, path, rev) values (?, ?, ?)",
            &[text(cid), text(path.as_str()), text(&rev.to_string())],
        )
    }

    /// Forgets that a record refers to a blob.
    pub(crate) fn remove_blob_ref(&self, cid: &str, path: &RepoPath) -> Result<(), SqlError> {
        self.run(
            "delete from blob_ref where cid = ? and path = ?",
            &[text(cid), text(path.as_str())],
        )
    }

    /// Returns the blobs that are here and that a record refers to, of all records or of those
    /// that have come to do so since `since`.
    pub(crate) fn list_blobs(
        &self,
        since: Option<Tid>,
        page: BlobPage<'_>,
    ) -> Result<Vec<String>, SqlError> {
        let since = since.map(|since| since.to_string()).unwrap_or_default();
        self.all(
            "select distinct blob.cid from blob_ref join blob on blob.cid = blob_ref.cid
             where blob_ref.cid > ? and blob_ref.rev > ? order by blob_ref.cid limit ?",
            &[text(page.after), text(&since), integer(page.limit)],
            |row| row.text(0),
        )
    }

    /// Returns the blobs that are not here although a record refers to them.
    pub(crate) fn list_missing_blobs(
        &self,
        page: BlobPage<'_>,
    ) -> Result<Vec<MissingBlob>, SqlError> {
        self.all(
            "select cid, min(path) from blob_ref
             where cid > ? and not exists (select 1 from blob where blob.cid = blob_ref.cid)
             group by cid order by cid limit ?",
            &[text(page.after), integer(page.limit)],
            |row| {
                let path = row.parsed(1, |path| Some(RepoPath::parse(path).ok()?.to_owned()))?;
                Ok(MissingBlob { cid: row.text(0)?, path })
            },
        )
    }

    /// Returns all blobs that are here, a page of them.
    pub(crate) fn blobs_after(&self, after: &str) -> Result<Vec<(String, StoredBlob)>, SqlError> {
        let cids = self.all(
            "select cid from blob where cid > ? order by cid limit ?",
            &[text(after), integer(MAX_IDLE)],
            |row: &dyn Row| row.text(0),
        )?;
        let found = cids.into_iter().filter_map(|cid| match self.blob(&cid) {
            Ok(blob) => Some(Ok((cid, blob?))),
            Err(error) => Some(Err(error)),
        });
        found.collect()
    }

    /// Counts references, referenced blobs, and stored ones among these. Reads all of them.
    pub(crate) fn count_blobs(&self) -> Result<(u64, super::BlobCounts), SqlError> {
        let counted = self.first(
            "select count(*), count(distinct blob_ref.cid), count(distinct blob.cid)
             from blob_ref left join blob on blob.cid = blob_ref.cid",
            &[],
            |row| {
                let references = u64::try_from(row.integer(0)?).unwrap_or_default();
                let (expected, stored) = (row.integer(1)?, row.integer(2)?);
                Ok((references, super::BlobCounts { expected, stored }))
            },
        )?;
        counted.ok_or_else(damaged)
    }
}

fn damaged() -> SqlError {
    SqlError("the blobs cannot be read".to_owned())
}

/// How many blobs are looked at in one turn.
const MAX_IDLE: i64 = 100;
