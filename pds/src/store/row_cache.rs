//! `RowCache`: rows that nearly every request needs, kept in memory while nothing changes them.
//!
//! Only the server writes to its database, and it runs on one thread. So a row that has been read
//! is current until a statement changes its table or a transaction rolls back. A transaction reads
//! the account's row again, so that no write builds on a row that another process has replaced.

use alloc::rc::Rc;
use core::cell::{Cell, RefCell};

use super::account_state::AccountState;

/// The account's row and the sessions seen last.
#[derive(Debug, Default)]
pub(super) struct RowCache {
    account: RefCell<Option<Rc<AccountState>>>,
    sessions: RefCell<Vec<OpenSession>>,
}

/// A session that exists.
#[derive(Debug)]
struct OpenSession {
    id: String,
    expires_s: i64,
}

/// Forgets all rows when this is dropped, unless the transaction has committed. A panic rolls back
/// as well.
#[derive(Debug)]
pub(super) struct ForgetUnlessCommitted<'c> {
    cache: &'c RowCache,
    committed: Cell<bool>,
}

impl RowCache {
    /// Forgets the rows that a statement may change.
    pub(super) fn before_statement(&self, sql: &str) {
        if sql.starts_with("select") {
            return;
        }
        if sql.contains("account") {
            self.account.take();
        }
        if sql.contains("session") {
            self.sessions.take();
        }
    }

    /// Forgets all rows.
    pub(super) fn clear(&self) {
        self.account.take();
        self.sessions.take();
    }

    /// Begins a transaction. Forgets the account's row.
    pub(super) fn begin(&self) -> ForgetUnlessCommitted<'_> {
        self.account.take();
        ForgetUnlessCommitted { cache: self, committed: Cell::new(false) }
    }

    /// Returns the account's row if it is known.
    pub(super) fn account(&self) -> Option<Rc<AccountState>> {
        self.account.borrow().clone()
    }

    /// Keeps the account's row, as it has just been read or written.
    pub(super) fn keep_account(&self, account: Rc<AccountState>) {
        self.account.replace(Some(account));
    }

    /// Returns when a session expires, in seconds, if it is known to exist.
    pub(super) fn session_expires_s(&self, id: &str) -> Option<i64> {
        let sessions = self.sessions.borrow();
        sessions.iter().find(|session| session.id == id).map(|session| session.expires_s)
    }

    /// Returns the ids of the sessions, and when they expire.
    #[cfg(feature = "dev")]
    pub(super) fn sessions(&self) -> Vec<(String, i64)> {
        let sessions = self.sessions.borrow();
        sessions.iter().map(|session| (session.id.clone(), session.expires_s)).collect()
    }

    /// Keeps a session that has just been read. Forgets the one read first if there are too many.
    pub(super) fn keep_session(&self, id: &str, expires_s: i64) {
        let mut sessions = self.sessions.borrow_mut();
        if sessions.len() >= MAX_SESSIONS {
            sessions.remove(0);
        }
        sessions.push(OpenSession { id: id.to_owned(), expires_s });
    }
}

impl ForgetUnlessCommitted<'_> {
    /// Records that the transaction has committed.
    pub(super) fn committed(&self) {
        self.committed.set(true);
    }
}

impl Drop for ForgetUnlessCommitted<'_> {
    fn drop(&mut self) {
        if !self.committed.get() {
            self.cache.clear();
        }
    }
}

/// The most sessions kept. Only sessions whose tokens this server signed are looked up.
const MAX_SESSIONS: usize = 32;
