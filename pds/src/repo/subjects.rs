//! What likes, reposts, follows and blocks are about: an account has one of each about a subject.

use nacre_commit::MAX_WRITES;
use nacre_syntax::{Nsid, RepoPath};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::prepare::PreparedWrite;
use crate::Pds;
use crate::host::SqlError;
use crate::store::{RecordBlock, StoredRecord};

/// A collection and a subject, hashed to what a row can be named by.
pub(super) type Subject = [u8; SUBJECT_BYTES];

/// What the records of these collections have in common.
#[derive(Deserialize)]
struct About {
    subject: Reference,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Reference {
    Account(String),
    Record { uri: String },
}

impl Pds {
    /// Returns the deletes that make room for a record: of all others about its subject, as far as
    /// one commit takes them.
    pub(crate) fn earlier_about(
        &self,
        write: &PreparedWrite,
    ) -> Result<Vec<PreparedWrite>, SqlError> {
        let (path, Some(record)) = (write.path(), write.record()) else { return Ok(Vec::new()) };
        let collection = path.collection();
        let Some(subject) = subject(&collection, &record.bytes) else { return Ok(Vec::new()) };
        let earlier = self.store.rkeys_about(&subject)?.into_iter();
        let paths = earlier.map(|rkey| RepoPath::from_parts(&collection, &rkey));
        Ok(paths
            .filter(|earlier| earlier != path)
            .take(MAX_WRITES - 1)
            .map(|path| PreparedWrite::Delete { path })
            .collect())
    }

    /// Brings the index up to date with a write that is about to be stored.
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

    /// Returns whether the index has what a record is about, or `None` where it need not.
    pub(super) fn is_subject_indexed(
        &self,
        record: &RecordBlock,
    ) -> Result<Option<bool>, SqlError> {
        let Some(subject) = subject(&record.path.collection(), &record.value) else {
            return Ok(None);
        };
        let rkey = record.path.rkey();
        Ok(Some(self.store.rkeys_about(&subject)?.iter().any(|found| *found == rkey)))
    }
}

fn is_indexed(collection: &Nsid<&str>) -> bool {
    COLLECTIONS.contains(&collection.as_str())
}

/// Returns what a record is about, if it is of a collection that counts.
pub(super) fn subject(collection: &Nsid<&str>, record: &[u8]) -> Option<Subject> {
    if !is_indexed(collection) {
        return None;
    }
    let json = nacre_lexicon::to_json_lossy(record).ok()?;
    let About { subject } = serde_json::from_str(&json).ok()?;
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

/// Half a hash: two subjects that meet would take 2^64 tries, and cost a like.
const SUBJECT_BYTES: usize = 16;
