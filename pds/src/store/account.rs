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
    /// The commit of the greatest rev that subscribers were told of; `None` if the account was
    /// never active. It is not the present one while an imported commit waits for activation.
    pub(crate) announced: Option<Announced>,
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

/// A commit that subscribers were told of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Announced {
    pub(crate) rev: Tid,
    pub(crate) cid: Cid,
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
                 nodes, event_bytes, announced, announced_rev, announced_cid
             from account",
            &[],
            |row| {
                let (rev, cid) = (row.parsed(3, |rev| Tid::parse(rev).ok())?, row.cid(4)?);
                let announced = match row.integer(11)? {
                    0 => None,
                    HEAD_ANNOUNCED => Some(Announced { rev, cid }),
                    _ => {
                        let rev = row.parsed(12, |rev| Tid::parse(rev).ok())?;
                        Some(Announced { rev, cid: row.cid(13)? })
                    }
                };
                Ok(Account {
                    announced,
                    active: row.integer(1)? != 0,
                    seq: row.integer(2)?,
                    event_bytes: row.integer(10)?,
                    records: row.integer(6)?,
                    nodes: row.integer(9)?,
                    blobs: BlobCounts { expected: row.integer(7)?, stored: row.integer(8)? },
                    head: Head {
                        did: row.parsed(0, |did| Some(Did::parse(did).ok()?.to_owned()))?,
                        rev,
                        cid,
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

    /// Inserts the account's row with its first commit, whose tree is empty. An active account
    /// announces it.
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
                  announced, rev, commit_cid, commit_block, data, root_page)
             values (1, ?, ?, 0, 0, 1, 0, 0, ?, ?, ?, ?, ?, ?)",
            &[
                text(head.did.as_str()),
                integer(i64::from(active)),
                integer(if active { HEAD_ANNOUNCED } else { 0 }),
                text(&head.rev.to_string()),
                cid(&head.cid),
                blob(commit_block),
                cid(&head.data),
                blob(pages.root().unwrap_or_default()),
            ],
        )
    }

    /// Moves the account to another commit: its head, what was announced of it, the number of its
    /// event, and the counters.
    pub(crate) fn set_head(
        &self,
        account: &Account,
        commit_block: &[u8],
        pages: &PageChanges,
    ) -> Result<(), SqlError> {
        let (head, announced) = (&account.head, &account.announced);
        // Nearly always it is the head, and nothing else is stored then.
        let is_other = |it: &&Announced| (it.rev, it.cid) != (head.rev, head.cid);
        let other = announced.as_ref().filter(is_other);
        self.run(
            "update account
             set seq = ?, event_bytes = ?, records = ?, nodes = ?, expected_blobs = ?,
                 stored_blobs = ?, rev = ?, commit_cid = ?, commit_block = ?, data = ?,
                 root_page = coalesce(?, root_page),
                 announced = ?, announced_rev = ?, announced_cid = ?",
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
                integer(match announced {
                    None => 0,
                    Some(_) if other.is_none() => HEAD_ANNOUNCED,
                    Some(_) => OTHER_ANNOUNCED,
                }),
                other.map_or(Value::Null, |it| Value::Text(it.rev.to_string().into())),
                other.map_or(Value::Null, |it| cid(&it.cid)),
            ],
        )
    }

    /// Replaces the signed block of the head, over the same tree.
    pub(crate) fn set_commit(
        &self,
        account: &Account,
        commit_block: &[u8],
    ) -> Result<(), SqlError> {
        self.set_head(account, commit_block, &PageChanges::default())
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

    /// Tells whether the account was ever active, so that others may know of it.
    pub(crate) fn was_active(&self) -> bool {
        self.announced.is_some()
    }

    /// Returns the greatest TID in use: the rev of the head, or that of a commit that was announced
    /// before an older one was imported. New revs and record keys exceed it.
    pub(crate) fn last_tid(&self) -> Tid {
        self.announced.map_or(self.head.rev, |announced| announced.rev.max(self.head.rev))
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
/// Values of the column `announced`; 0 means that no commit was announced.
const HEAD_ANNOUNCED: i64 = 1;
const OTHER_ANNOUNCED: i64 = 2;
