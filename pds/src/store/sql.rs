//! `Store`: runs statements on the account's database, alone or in a transaction.

use alloc::rc::Rc;
use core::cell::RefCell;
use core::fmt;

use super::page_cache::PageCache;
use super::row_cache::RowCache;
use super::snapshot_state::OpenSnapshots;
use crate::host::{Outcome, Row, Sql, SqlError, Value};

/// The account's database. Clones share one connection, its caches and the list of snapshots.
///
/// Each file of this folder adds the methods of its own tables.
#[derive(Clone)]
pub(crate) struct Store {
    sql: Rc<dyn Sql>,
    pub(super) page_cache: Rc<RefCell<PageCache>>,
    pub(super) row_cache: Rc<RowCache>,
    pub(super) snapshots: Rc<OpenSnapshots>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

impl Store {
    /// Wraps a database whose schema has not been checked yet.
    pub(super) fn new(sql: Rc<dyn Sql>) -> Self {
        let (page_cache, row_cache) = (Rc::default(), Rc::default());
        Self { sql, page_cache, row_cache, snapshots: Rc::default() }
    }

    /// Runs `body` in one transaction, which commits if `body` succeeds and rolls back otherwise.
    ///
    /// Transactions do not nest.
    pub(crate) fn transaction<T, E: From<SqlError>>(
        &self,
        body: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        let rows = self.row_cache.begin();
        let mut body = Some(body);
        let mut result = None;
        self.sql.transaction(&mut || {
            let Some(body) = body.take() else { return Outcome::Rollback };
            let done = body();
            let outcome = if done.is_ok() { Outcome::Commit } else { Outcome::Rollback };
            result = Some(done);
            outcome
        })?;
        if matches!(result, Some(Ok(_))) {
            rows.committed();
        }
        result.unwrap_or_else(|| Err(SqlError::other("host did not run the transaction").into()))
    }

    /// Forgets the rows kept in memory, so that an audit sees what is stored.
    pub(crate) fn forget_rows(&self) {
        self.row_cache.clear();
    }

    /// Runs a statement that returns no rows.
    pub(super) fn run(&self, sql: &'static str, params: &[Value<'_>]) -> Result<(), SqlError> {
        self.query(sql, params, &mut |_| Ok(()))
    }

    /// Returns the first row, read by `read`, or `None` if there are no rows.
    pub(super) fn first<T>(
        &self,
        sql: &'static str,
        params: &[Value<'_>],
        mut read: impl FnMut(&dyn Row) -> Result<T, SqlError>,
    ) -> Result<Option<T>, SqlError> {
        let mut found = None;
        self.query(sql, params, &mut |row| {
            if found.is_none() {
                found = Some(read(row)?);
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// Returns all rows, each read by `read`. The statement must limit their number.
    pub(super) fn all<T>(
        &self,
        sql: &'static str,
        params: &[Value<'_>],
        mut read: impl FnMut(&dyn Row) -> Result<T, SqlError>,
    ) -> Result<Vec<T>, SqlError> {
        let mut found = Vec::new();
        self.query(sql, params, &mut |row| {
            found.push(read(row)?);
            Ok(())
        })?;
        Ok(found)
    }

    /// Runs a statement and passes each row to `row`.
    pub(super) fn query(
        &self,
        sql: &'static str,
        params: &[Value<'_>],
        row: &mut dyn FnMut(&dyn Row) -> Result<(), SqlError>,
    ) -> Result<(), SqlError> {
        self.row_cache.before_statement(sql);
        self.sql.query(sql, params, row)
    }
}
