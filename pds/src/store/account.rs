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
    /// How many records there are.
    pub(crate) records: i64,
}

impl Store {
    /// Returns the account, unless it has never been opened.
    pub(crate) fn account(&self) -> Result<Option<Account>, SqlError> {
        self.first(
            "select did, active, seq, rev, commit_cid, data, records from account",
            &[],
            |row| {
                Ok(Account {
                    active: row.integer(1)? != 0,
                    seq: row.integer(2)?,
                    records: row.integer(6)?,
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

    /// Makes the account's row, at its first commit.
    pub(crate) fn insert_account(
        &self,
        head: &Head,
        commit_block: &[u8],
        active: bool,
        pages: &PageChanges,
    ) -> Result<(), SqlError> {
        self.run(
            "insert into account
                 (one, did, active, seq, records, rev, commit_cid, commit_block, data, root_page)
             values (1, ?, ?, 0, 0, ?, ?, ?, ?, ?)",
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

    /// Moves the head to another commit, with the number of its event and that of records.
    pub(crate) fn set_head(
        &self,
        head: &Head,
        commit_block: &[u8],
        seq: i64,
        records: i64,
        pages: &PageChanges,
    ) -> Result<(), SqlError> {
        self.run(
            "update account
             set seq = ?, records = ?, rev = ?, commit_cid = ?, commit_block = ?, data = ?,
                 root_page = coalesce(?, root_page)",
            &[
                integer(seq),
                integer(records),
                text(&head.rev.to_string()),
                cid(&head.cid),
                blob(commit_block),
                cid(&head.data),
                pages.root().map_or(Value::Null, blob),
            ],
        )
    }

    /// Sets the number of the last event.
    pub(crate) fn set_seq(&self, seq: i64) -> Result<(), SqlError> {
        self.run("update account set seq = ?", &[integer(seq)])
    }
}

impl Account {
    /// Returns why the account is not active, in the protocol's words.
    pub(crate) fn status(&self) -> Option<&'static str> {
        (!self.active).then_some("deactivated")
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
