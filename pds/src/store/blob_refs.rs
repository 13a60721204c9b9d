//! References of records to blobs, stored or missing: table `blob_ref`.

use nacre_syntax::{RepoPath, Tid};

use super::account_state::BlobCounts;
use super::sql::Store;
use super::values::{integer, text};
use crate::host::SqlError;

/// Which blobs to list, in the order of CIDs as text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BlobQuery<'a> {
    /// The last CID of the previous page; empty for the first page.
    pub(crate) after: &'a str,
    pub(crate) limit: i64,
}

/// A blob that is not stored, and a record that refers to it.
#[derive(Clone, Debug)]
pub(crate) struct MissingBlob {
    pub(crate) cid: String,
    pub(crate) path: RepoPath,
}

impl Store {
    /// Returns whether any record refers to a blob.
    pub(crate) fn is_blob_referenced(&self, cid: &str) -> Result<bool, SqlError> {
        let found = "select 1 from blob_ref where cid = ? limit 1";
        Ok(self.first(found, &[text(cid)], |_| Ok(()))?.is_some())
    }

    /// Returns whether a record's reference to a blob is stored.
    pub(crate) fn has_blob_ref(&self, cid: &str, path: &RepoPath) -> Result<bool, SqlError> {
        let found = "select 1 from blob_ref where cid = ? and path = ?";
        Ok(self.first(found, &[text(cid), text(path.as_str())], |_| Ok(()))?.is_some())
    }

    /// Returns the next records after a path that refer to a blob, in the order of paths.
    pub(crate) fn records_with_blob(
        &self,
        cid: &str,
        after: &str,
    ) -> Result<Vec<RepoPath>, SqlError> {
        self.all(
            "select path from blob_ref where cid = ? and path > ? order by path limit ?",
            &[text(cid), text(after), integer(RECORDS_AT_ONCE)],
            |row| row.parsed(0, |path| Some(RepoPath::parse(path).ok()?.to_owned())),
        )
    }

    /// Stores a record's reference to a blob.
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

    /// Removes a record's reference to a blob.
    pub(crate) fn remove_blob_ref(&self, cid: &str, path: &RepoPath) -> Result<(), SqlError> {
        self.run(
            "delete from blob_ref where cid = ? and path = ?",
            &[text(cid), text(path.as_str())],
        )
    }

    /// Lists the stored blobs that records refer to. With `since`, only references that were added
    /// after that rev count.
    pub(crate) fn list_blobs(
        &self,
        since: Option<Tid>,
        query: BlobQuery<'_>,
    ) -> Result<Vec<String>, SqlError> {
        let since = since.map(|since| since.to_string()).unwrap_or_default();
        self.all(
            "select distinct blob.cid from blob_ref join blob on blob.cid = blob_ref.cid
             where blob_ref.cid > ? and blob_ref.rev > ? order by blob_ref.cid limit ?",
            &[text(query.after), text(&since), integer(query.limit)],
            |row| row.text(0),
        )
    }

    /// Lists the blobs that records refer to but that are not stored.
    pub(crate) fn list_missing_blobs(
        &self,
        query: BlobQuery<'_>,
    ) -> Result<Vec<MissingBlob>, SqlError> {
        self.all(
            "select cid, min(path) from blob_ref
             where cid > ? and not exists (select 1 from blob where blob.cid = blob_ref.cid)
             group by cid order by cid limit ?",
            &[text(query.after), integer(query.limit)],
            |row| {
                let path = row.parsed(1, |path| Some(RepoPath::parse(path).ok()?.to_owned()))?;
                Ok(MissingBlob { cid: row.text(0)?, path })
            },
        )
    }

    /// Counts the references, and the blobs that they lead to. Reads all rows.
    pub(crate) fn count_blobs(&self) -> Result<(u64, BlobCounts), SqlError> {
        let counted = self.first(
            "select count(*), count(distinct blob_ref.cid), count(distinct blob.cid)
             from blob_ref left join blob on blob.cid = blob_ref.cid",
            &[],
            |row| {
                let references = u64::try_from(row.integer(0)?).unwrap_or_default();
                let (referenced, stored) = (row.integer(1)?, row.integer(2)?);
                Ok((references, BlobCounts { referenced, stored }))
            },
        )?;
        counted.ok_or_else(|| SqlError::other("counting blobs returned no row"))
    }
}

/// Limit of records that one call returns.
const RECORDS_AT_ONCE: i64 = 100;
