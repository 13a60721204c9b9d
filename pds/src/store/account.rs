//! The `account` row: who it is, and the head of its repository.

use cid::Cid;
use nacre_commit::Head;
use nacre_syntax::{Did, Tid};

use super::{PageChanges, Store, blob, cid, integer, text};
use crate::host::{SqlError, Value};

/// The account as it stands.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    /// Whether it takes part in the network.
    pub(crate) active: bool,
    /// The present commit.
    pub(crate) head: Head,
    /// The number of the last event.
    pub(crate) seq: i64,
    /// How many bytes the events have that are kept.
    pub(crate) event_bytes: i64,
    /// How many records there are.
    pub(crate) records: i64,
    /// How many nodes the tree has.
    pub(crate) nodes: i64,
    /// How many blobs records refer to, and how many of these are here.
    pub(crate) blobs: BlobCounts,
}

/// How many blobs records refer to, or how many more than before.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct BlobCounts {
    /// All of them.
    pub(crate) expected: i64,
    /// Those that are here.
    pub(crate) stored: i64,
}

impl Store {
    /// Returns the account, unless it has never been opened.
    pub(crate) fn account(&self) -> Result<Option<Account>, SqlError> {
        self.first(
            "select did, active, seq, rev, commit_cid, data, records, expected_blobs, stored_blobs,
                 nodes, event_bytes
             from account",
            &[],
            |row| {
                Ok(Account {
                    active: row.integer(1)? != 0,
                    seq: row.integer(2)?,
                    event_bytes: row.integer(10)?,
                    records: row.integer(6)?,
                    nodes: row.integer(9)?,
                    blobs: BlobCounts { expected: row.integer(7)?, stored: row.integer(8)? },
                    head: Head {
                        did: row.parsed(0, |did| Some(Did::parse(did).ok()?.to_owned()))?,
                        rev: row.parsed(3, |rev| Tid::parse(rev).ok())?,
                        cid: row.cid(4)?,
                        data: row.cid(5)?,
                    },
                })
            },
        )
    }

    /// Returns the signed block of the present commit.
    pub(crate) fn commit_block(&self) -> Result<Option<Vec<u8>>, SqlError> {
        self.first("select commit_block from account", &[], |row| row.blob(0))
    }

    /// Makes the account's row, at its first commit, whose tree is empty.
    pub(crate) fn insert_account(
        &self,
        head: &Head,
        commit_block: &[u8],
        active: bool,
        pages: &PageChanges,
    ) -> Result<(), SqlError> {
        self.run(
            "insert into account
                 (one, did, active, seq, records, nodes, expected_blobs, stored_blobs,
                  rev, commit_cid, commit_block, data, root_page)
             values (1, ?, ?, 0, 0, 1, 0, 0, ?, ?, ?, ?, ?)",
            &[
                text(head.did.as_str()),
                integer(i64::from(active)),
                text(&head.rev.to_string()),
                cid(&head.cid),
                blob(commit_block),
                cid(&head.data),
                blob(pages.root().unwrap_or_default()),
            ],
        )
    }

    /// Moves the account to another commit: its head, the number of its event, and the counters.
    pub(crate) fn set_head(
        &self,
        account: &Account,
        commit_block: &[u8],
        pages: &PageChanges,
    ) -> Result<(), SqlError> {
        let head = &account.head;
        self.run(
            "update account
             set seq = ?, event_bytes = ?, records = ?, nodes = ?, expected_blobs = ?,
                 stored_blobs = ?, rev = ?, commit_cid = ?, commit_block = ?, data = ?,
                 root_page = coalesce(?, root_page)",
            &[
                integer(account.seq),
                integer(account.event_bytes),
                integer(account.records),
                integer(account.nodes),
                integer(account.blobs.expected),
                integer(account.blobs.stored),
                text(&head.rev.to_string()),
                cid(&head.cid),
                blob(commit_block),
                cid(&head.data),
                pages.root().map_or(Value::Null, blob),
            ],
        )
    }

    /// Counts so many more of the blobs that records refer to as here.
    pub(crate) fn count_stored_blob(&self, change: i64) -> Result<(), SqlError> {
        self.run("update account set stored_blobs = stored_blobs + ?", &[integer(change)])
    }

    /// Sets how many blobs records refer to.
    pub(crate) fn set_blob_counts(&self, counts: BlobCounts) -> Result<(), SqlError> {
        self.run(
            "update account set expected_blobs = ?, stored_blobs = ?",
            &[integer(counts.expected), integer(counts.stored)],
        )
    }

    /// Sets whether the account takes part.
    pub(crate) fn set_active(&self, active: bool) -> Result<(), SqlError> {
        self.run("update account set active = ?", &[integer(i64::from(active))])
    }
}

impl Account {
    /// Returns why the account is not active, in the protocol's words.
    pub(crate) fn status(&self) -> Option<&'static str> {
        (!self.active).then_some(DEACTIVATED)
    }

    /// Returns the rev of the present commit.
    pub(crate) fn rev(&self) -> Tid {
        self.head.rev
    }

    /// Returns the CID of the present commit.
    pub(crate) fn commit(&self) -> Cid {
        self.head.cid
    }
}

/// What an account is, in the protocol's words, whose owner has had it leave.
pub(crate) const DEACTIVATED: &str = "deactivated";
