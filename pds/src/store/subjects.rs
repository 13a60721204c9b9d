//! Subjects of records: table `subject`, an index of the collections that have one record per
//! subject.

use nacre_syntax::RecordKey;

use super::sql::Store;
use super::values::{blob, text};
use crate::host::SqlError;

impl Store {
    /// Returns the record keys of a subject.
    pub(crate) fn rkeys_of_subject(&self, subject: &[u8]) -> Result<Vec<RecordKey>, SqlError> {
        self.all("select rkey from subject where subject = ?", &[blob(subject)], |row| {
            row.parsed(0, |rkey| Some(RecordKey::parse(rkey).ok()?.to_owned()))
        })
    }

    /// Stores the subject of a record.
    pub(crate) fn put_subject<S: AsRef<str>>(
        &self,
        subject: &[u8],
        rkey: &RecordKey<S>,
    ) -> Result<(), SqlError> {
        self.run(
            "insert or ignore into subject (subject, rkey) values (?, ?)",
            &[blob(subject), text(rkey.as_str())],
        )
    }

    /// Counts the stored subjects. Reads all rows.
    pub(crate) fn count_subjects(&self) -> Result<u64, SqlError> {
        let counted = self.first("select count(*) from subject", &[], |row| row.integer(0))?;
        Ok(counted.and_then(|count| count.try_into().ok()).unwrap_or_default())
    }

    /// Removes the subject of a record.
    pub(crate) fn remove_subject<S: AsRef<str>>(
        &self,
        subject: &[u8],
        rkey: &RecordKey<S>,
    ) -> Result<(), SqlError> {
        self.run(
            "delete from subject where subject = ? and rkey = ?",
            &[blob(subject), text(rkey.as_str())],
        )
    }
}
