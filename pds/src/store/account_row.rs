//! The account: the single row of table `account`, with the repository's head and its counters. The
//! files for events and tree pages update some of its columns.

use alloc::rc::Rc;

use nacre_commit::Head;
use nacre_syntax::{Did, Tid};

use super::account_state::{AccountState, Announced, BlobCounts};
use super::day_totals::DayTotals;
use super::page_changes::PageChanges;
use super::sql::Store;
use super::values::{blob, cid, integer, text};
use crate::host::{SqlError, Value};

impl Store {
    /// Returns the account, or `None` before its first commit. Reads the row unless it is cached.
    pub(crate) fn account(&self) -> Result<Option<Rc<AccountState>>, SqlError> {
        if let Some(cached) = self.row_cache.account() {
            return Ok(Some(cached));
        }
        let account = self.stored_account()?.map(Rc::new);
        if let Some(account) = &account {
            self.row_cache.keep_account(Rc::clone(account));
        }
        Ok(account)
    }

    /// Returns whether all cached rows equal the stored ones.
    #[cfg(feature = "dev")]
    pub(crate) fn has_current_rows(&self) -> Result<bool, SqlError> {
        let stored = self.stored_account()?;
        let is_current = |cached: Rc<AccountState>| stored.as_ref() == Some(&*cached);
        let sessions = self.all("select id, expires_s from session", &[], |row| {
            Ok((row.text(0)?, row.integer(1)?))
        })?;
        let mut cached = self.row_cache.sessions().into_iter();
        let are_current = cached.all(|session| sessions.contains(&session));
        Ok(are_current && self.row_cache.account().is_none_or(is_current))
    }

    /// Reads the account's row, or `None` before its first commit.
    pub(crate) fn stored_account(&self) -> Result<Option<AccountState>, SqlError> {
        self.first(
            "select did, active, seq, rev, commit_cid, data, records, expected_blobs, stored_blobs,
                 nodes, event_bytes, announced, announced_rev, announced_cid,
                 day_totals
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
                Ok(AccountState {
                    announced,
                    active: row.integer(1)? != 0,
                    seq: row.integer(2)?,
                    event_bytes: row.integer(10)?,
                    records: row.integer(6)?,
                    nodes: row.integer(9)?,
                    blobs: BlobCounts { referenced: row.integer(7)?, stored: row.integer(8)? },
                    day: row.parsed(14, |totals| Some(DayTotals::parse(totals)))?,
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

    /// Returns the signed block of the current commit.
    pub(crate) fn commit_block(&self) -> Result<Option<Vec<u8>>, SqlError> {
        self.first("select commit_block from account", &[], |row| row.blob(0))
    }

    /// Inserts the account's row with its first commit, whose tree is empty. The commit counts as
    /// announced if the account is active.
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

    /// Moves the account to another commit: updates all columns except `did` and `active`, which
    /// `account` has as they are.
    pub(crate) fn set_head(
        &self,
        account: &AccountState,
        commit_block: &[u8],
        pages: &PageChanges,
    ) -> Result<(), SqlError> {
        let (head, announced) = (&account.head, &account.announced);
        // The announced commit is nearly always the head, and then its columns stay null.
        let is_other = |it: &&Announced| (it.rev, it.cid) != (head.rev, head.cid);
        let other = announced.as_ref().filter(is_other);
        self.run(
            "update account
             set seq = ?, event_bytes = ?, records = ?, nodes = ?, expected_blobs = ?,
                 stored_blobs = ?, rev = ?, commit_cid = ?, commit_block = ?, data = ?,
                 root_page = coalesce(?, root_page),
                 announced = ?, announced_rev = ?, announced_cid = ?, day_totals = ?",
            &[
                integer(account.seq),
                integer(account.event_bytes),
                integer(account.records),
                integer(account.nodes),
                integer(account.blobs.referenced),
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
                text(&account.day.to_string()),
            ],
        )?;
        self.row_cache.keep_account(Rc::new(account.clone()));
        Ok(())
    }

    /// Moves the account to another commit over the same tree.
    pub(crate) fn set_commit(
        &self,
        account: &AccountState,
        commit_block: &[u8],
    ) -> Result<(), SqlError> {
        self.set_head(account, commit_block, &PageChanges::default())
    }

    /// Adds `change` to the number of referenced blobs that are stored.
    pub(crate) fn count_stored_blob(&self, change: i64) -> Result<(), SqlError> {
        self.run("update account set stored_blobs = stored_blobs + ?", &[integer(change)])
    }

    /// Sets the counters of referenced blobs.
    pub(crate) fn set_blob_counts(&self, counts: BlobCounts) -> Result<(), SqlError> {
        self.run(
            "update account set expected_blobs = ?, stored_blobs = ?",
            &[integer(counts.referenced), integer(counts.stored)],
        )
    }

    /// Activates or deactivates the account.
    pub(crate) fn set_active(&self, active: bool) -> Result<(), SqlError> {
        self.run("update account set active = ?", &[integer(i64::from(active))])
    }
}

/// Values of the column `announced`. 0 means that no commit was announced.
const HEAD_ANNOUNCED: i64 = 1;
const OTHER_ANNOUNCED: i64 = 2;
