//! Which records are about what: an index of the collections that have one record a subject.

use nacre_syntax::RecordKey;

use super::{Store, blob, text};
use crate::host::SqlError;

impl Store {
    /// Returns the keys of the records about a subject.
    pub(crate) fn rkeys_about(&self, subject: &[u8]) -> Result<Vec<RecordKey>, SqlError> {
        self.all("select rkey from subject where subject = ?", &[blob(subject)], |row| {
            row.parsed(0, |rkey| Some(RecordKey::parse(rkey).ok()?.to_owned()))
        })
    }

    /// Notes what a record is about.
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

    /// Counts what records are about. It reads all of it.
    pub(crate) fn count_subjects(&self) -> Result<u64, SqlError> {
        let counted = self.first("select count(*) from subject", &[], |row| row.integer(0))?;
        Ok(counted.and_then(|count| count.try_into().ok()).unwrap_or_default())
    }

    /// Forgets what a record was about.
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
