//! Stored blobs: table `blob`. Their bytes are in the host's blob store.
//!
//! A blob that no record refers to is *idle*.

use cid::Cid;

use super::sql::Store;
use super::values::{integer, text};
use crate::host::{SqlError, Value};

/// A stored blob.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct StoredBlob {
    pub(crate) mime_type: String,
    pub(crate) size: u64,
    /// When the blob became idle, in seconds; `None` while a record refers to it.
    pub(crate) idle_since_s: Option<i64>,
}

impl Store {
    /// Returns a blob, or `None` if it is not stored.
    pub(crate) fn blob(&self, cid: &str) -> Result<Option<StoredBlob>, SqlError> {
        self.first(
            "select mime_type, size, idle_since_s from blob where cid = ?",
            &[text(cid)],
            |row| {
                let negative = |_| SqlError::other("the size of a blob is negative");
                Ok(StoredBlob {
                    mime_type: row.text(0)?,
                    size: row.integer(1)?.try_into().map_err(negative)?,
                    idle_since_s: row.optional_integer(2)?,
                })
            },
        )
    }

    /// Returns the next stored blobs after a CID, in the order of CIDs as text.
    pub(crate) fn blobs_after(&self, after: &str) -> Result<Vec<(String, StoredBlob)>, SqlError> {
        let cids = self.all(
            "select cid from blob where cid > ? order by cid limit ?",
            &[text(after), integer(BLOBS_AT_ONCE)],
            |row| row.text(0),
        )?;
        let found = cids.into_iter().filter_map(|cid| match self.blob(&cid) {
            Ok(blob) => Some(Ok((cid, blob?))),
            Err(error) => Some(Err(error)),
        });
        found.collect()
    }

    /// Returns the next blobs after a CID that have this MIME type and are not idle, in the order
    /// of CIDs as text.
    pub(crate) fn blobs_of_type(
        &self,
        mime_type: &str,
        after: &str,
    ) -> Result<Vec<String>, SqlError> {
        self.all(
            "select cid from blob
             where mime_type = ? and idle_since_s is null and cid > ? order by cid limit ?",
            &[text(mime_type), text(after), integer(BLOBS_AT_ONCE)],
            |row| row.text(0),
        )
    }

    /// Returns blobs that became idle at `time_s` or earlier, the longest-idle first.
    pub(crate) fn blobs_idle_since(&self, time_s: i64) -> Result<Vec<Cid>, SqlError> {
        self.all(
            "select cid from blob where idle_since_s <= ? order by idle_since_s limit ?",
            &[integer(time_s), integer(BLOBS_AT_ONCE)],
            |row| row.parsed(0, |cid| Cid::try_from(cid).ok()),
        )
    }

    /// Returns when the longest-idle blob became idle, in seconds, or `None` if no blob is idle.
    pub(crate) fn longest_idle_s(&self) -> Result<Option<i64>, SqlError> {
        self.first(
            "select idle_since_s from blob where idle_since_s is not null
             order by idle_since_s limit 1",
            &[],
            |row| row.integer(0),
        )
    }

    /// Inserts or replaces a blob, and cancels its pending removal.
    pub(crate) fn put_blob(&self, cid: &str, blob: &StoredBlob) -> Result<(), SqlError> {
        self.clear_removal(cid)?;
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

    /// Marks a blob as idle since a time, or as in use.
    pub(crate) fn set_blob_idle(&self, cid: &str, since_s: Option<i64>) -> Result<(), SqlError> {
        let since_s = since_s.map_or(Value::Null, integer);
        self.run("update blob set idle_since_s = ? where cid = ?", &[since_s, text(cid)])
    }

    /// Sets the MIME type of a blob.
    pub(crate) fn set_blob_type(&self, cid: &str, mime_type: &str) -> Result<(), SqlError> {
        self.run("update blob set mime_type = ? where cid = ?", &[text(mime_type), text(cid)])
    }

    /// Removes the row of a blob; its bytes stay.
    pub(crate) fn remove_blob(&self, cid: &str) -> Result<(), SqlError> {
        self.run("delete from blob where cid = ?", &[text(cid)])
    }

    /// Marks every blob as idle or in use, according to the references in `blob_ref`.
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
}

/// Limit of blobs that one call returns.
const BLOBS_AT_ONCE: i64 = 100;
