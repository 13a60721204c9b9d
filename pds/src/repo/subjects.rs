//! Subjects of likes, reposts, follows and blocks. An account should have at most one of each per
//! subject.

use nacre_commit::MAX_WRITES;
use nacre_syntax::{Nsid, RepoPath};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::repository::Repository;
use super::write::PreparedWrite;
use crate::host::SqlError;
use crate::store::{RecordBlock, StoredRecord};

/// The hash of a collection and a subject, which is the key of its row.
pub(crate) type Subject = [u8; SUBJECT_BYTES];

/// The property that the records of the indexed collections share.
#[derive(Deserialize)]
struct WithSubject {
    subject: Reference,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Reference {
    Account(String),
    Record { uri: String },
}

impl Repository {
    /// Returns deletes for the other records with the same subject as a new record, as many as fit
    /// into its commit.
    pub(crate) fn deletes_of_same_subject(
        &self,
        write: &PreparedWrite,
    ) -> Result<Vec<PreparedWrite>, SqlError> {
        let (path, Some(record)) = (write.path(), write.record()) else { return Ok(Vec::new()) };
        let collection = path.collection();
        let Some(subject) = subject(&collection, &record.bytes) else { return Ok(Vec::new()) };
        let earlier = self.store.rkeys_of_subject(&subject)?.into_iter();
        let paths = earlier.map(|rkey| RepoPath::from_parts(&collection, &rkey));
        Ok(paths
            .filter(|earlier| earlier != path)
            .take(MAX_WRITES - 1)
            .map(|path| PreparedWrite::Delete { path })
            .collect())
    }

    /// Updates the index for a write that is about to be stored, in the caller's transaction.
    pub(super) fn index_subject(
        &self,
        write: &PreparedWrite,
        before: Option<&StoredRecord>,
    ) -> Result<(), SqlError> {
        let path = write.path();
        let collection = path.collection();
        if !is_indexed(&collection) {
            return Ok(());
        }
        if let Some(before) = before
            && let Some(subject) = subject(&collection, &before.value)
        {
            self.store.remove_subject(&subject, &path.rkey())?;
        }
        if let Some(record) = write.record()
            && let Some(subject) = subject(&collection, &record.bytes)
        {
            self.store.put_subject(&subject, &path.rkey())?;
        }
        Ok(())
    }

    /// Returns whether the index has the subject of a record, or `None` if the record has none.
    pub(crate) fn is_subject_indexed(
        &self,
        record: &RecordBlock,
    ) -> Result<Option<bool>, SqlError> {
        let Some(subject) = subject(&record.path.collection(), &record.value) else {
            return Ok(None);
        };
        let rkey = record.path.rkey();
        Ok(Some(self.store.rkeys_of_subject(&subject)?.iter().any(|found| *found == rkey)))
    }
}

fn is_indexed(collection: &Nsid<&str>) -> bool {
    COLLECTIONS.contains(&collection.as_str())
}

/// Returns the subject of a record, if its collection is indexed.
pub(crate) fn subject(collection: &Nsid<&str>, record: &[u8]) -> Option<Subject> {
    if !is_indexed(collection) {
        return None;
    }
    let json = nacre_lexicon::to_json_lossy(record).ok()?;
    let WithSubject { subject } = serde_json::from_str(&json).ok()?;
    let (Reference::Account(name) | Reference::Record { uri: name }) = subject;
    let hash = Sha256::new()
        .chain_update(collection.as_str())
        .chain_update([0])
        .chain_update(name)
        .finalize();
    hash.first_chunk().copied()
}

const COLLECTIONS: [&str; 4] =
    ["app.bsky.feed.like", "app.bsky.feed.repost", "app.bsky.graph.block", "app.bsky.graph.follow"];

/// Half of a SHA-256. A collision takes 2^64 attempts, and only harms the owner who causes it.
const SUBJECT_BYTES: usize = 16;
