//! What the account keeps in its database. All SQL text of the project stands below this folder.
//!
//! One write of a client is one transaction, and nothing in a transaction waits. A record is one
//! row, which is both its index entry and its block; the tree lies on pages of some dozens of
//! nodes; the finished frame of an event is one row; everything that changes with each commit is in
//! the one `account` row.

mod account;
mod attempts;
mod blobs;
mod bulk;
mod events;
mod healing;
mod page;
mod records;
mod relays;
mod schema;
mod sessions;
mod setup;
mod snapshot;
mod staging;
mod subjects;
mod subscribers;
mod tree;

use alloc::borrow::Cow;
use alloc::rc::{Rc, Weak};
use core::cell::RefCell;
use core::fmt;

use cid::Cid;

use crate::host::{Outcome, Row, Sql, SqlError, Value};

pub(crate) use self::account::{Account, Announced, BlobCounts, DEACTIVATED};
pub(crate) use self::blobs::{BlobPage, StoredBlob};
pub(crate) use self::bulk::PageMaker;
pub(crate) use self::page::Found;
pub(crate) use self::records::{Page, RecordBlock, StoredRecord};
pub(crate) use self::relays::RelayState;
pub(crate) use self::schema::ANNOUNCED_HEADS;
pub(crate) use self::setup::{Left, MarkerState, Setup, SetupValues};
use self::snapshot::Held;
pub(crate) use self::snapshot::{Entered, Purpose, Snapshot, SnapshotError};
pub(crate) use self::staging::{OddRecord, OddRecords, Staged};
pub(crate) use self::subscribers::Subscriber;
pub(crate) use self::tree::PageChanges;
use self::tree::Pages;

/// The account's database, by what is kept in it.
#[derive(Clone)]
pub(crate) struct Store {
    sql: Rc<dyn Sql>,
    pages: Rc<RefCell<Pages>>,
    snapshots: Rc<RefCell<Vec<Weak<RefCell<Held>>>>>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

impl Store {
    /// Runs `body` in one transaction: all of its writes are kept if it succeeds, none if not.
    pub(crate) fn transaction<T, E: From<SqlError>>(
        &self,
        body: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        let mut body = Some(body);
        let mut result = None;
        self.sql.transaction(&mut || {
            let Some(body) = body.take() else { return Outcome::Rollback };
            let done = body();
            let outcome = if done.is_ok() { Outcome::Commit } else { Outcome::Rollback };
            result = Some(done);
            outcome
        })?;
        result.unwrap_or_else(|| Err(SqlError("a host skipped a transaction".to_owned()).into()))
    }

    fn run(&self, sql: &'static str, params: &[Value<'_>]) -> Result<(), SqlError> {
        self.sql.query(sql, params, &mut |_| Ok(()))
    }

    /// Returns what `read` makes of the first row, if there is one.
    fn first<T>(
        &self,
        sql: &'static str,
        params: &[Value<'_>],
        mut read: impl FnMut(&dyn Row) -> Result<T, SqlError>,
    ) -> Result<Option<T>, SqlError> {
        let mut found = None;
        self.sql.query(sql, params, &mut |row| {
            if found.is_none() {
                found = Some(read(row)?);
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// Returns what `read` makes of each row; the statement bounds their number.
    fn all<T>(
        &self,
        sql: &'static str,
        params: &[Value<'_>],
        mut read: impl FnMut(&dyn Row) -> Result<T, SqlError>,
    ) -> Result<Vec<T>, SqlError> {
        let mut found = Vec::new();
        self.sql.query(sql, params, &mut |row| {
            found.push(read(row)?);
            Ok(())
        })?;
        Ok(found)
    }
}

impl dyn Row + '_ {
    fn integer(&self, index: usize) -> Result<i64, SqlError> {
        match self.value(index) {
            Value::Integer(number) => Ok(number),
            _ => Err(unexpected("an integer", index)),
        }
    }

    fn text(&self, index: usize) -> Result<String, SqlError> {
        match self.value(index) {
            Value::Text(text) => Ok(text.into_owned()),
            _ => Err(unexpected("text", index)),
        }
    }

    fn optional_integer(&self, index: usize) -> Result<Option<i64>, SqlError> {
        if self.value(index) == Value::Null { Ok(None) } else { self.integer(index).map(Some) }
    }

    fn optional_text(&self, index: usize) -> Result<Option<String>, SqlError> {
        if self.value(index) == Value::Null { Ok(None) } else { self.text(index).map(Some) }
    }

    fn blob(&self, index: usize) -> Result<Vec<u8>, SqlError> {
        match self.value(index) {
            Value::Blob(bytes) => Ok(bytes.into_owned()),
            _ => Err(unexpected("a blob", index)),
        }
    }

    /// Reads a column that holds what `parse` makes its values of.
    fn parsed<T>(
        &self,
        index: usize,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, SqlError> {
        parse(&self.text(index)?).ok_or_else(|| unexpected("text of its type", index))
    }

    fn cid(&self, index: usize) -> Result<Cid, SqlError> {
        match self.value(index) {
            Value::Blob(bytes) => Cid::try_from(&*bytes).map_err(|_| unexpected("a CID", index)),
            _ => Err(unexpected("a CID", index)),
        }
    }
}

fn unexpected(what: &str, index: usize) -> SqlError {
    SqlError(format!("column {index} does not hold {what}"))
}

fn text(text: &str) -> Value<'_> {
    Value::Text(Cow::Borrowed(text))
}

fn blob(bytes: &[u8]) -> Value<'_> {
    Value::Blob(Cow::Borrowed(bytes))
}

fn cid(cid: &Cid) -> Value<'static> {
    Value::Blob(Cow::Owned(cid.to_bytes()))
}

/// An integer that is far below 2^53, as all that we keep are.
fn integer(number: impl TryInto<i64>) -> Value<'static> {
    number.try_into().map_or(Value::Null, Value::Integer)
}
