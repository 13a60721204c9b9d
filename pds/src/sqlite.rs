//! [`Sql`] on the SQLite library, for hosts that have an operating system.

use alloc::borrow::Cow;
use std::path::Path;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ToSql, Transaction, TransactionBehavior, params_from_iter};

use crate::host::{Outcome, Row, Sql, SqlError, Value};

/// A database in a file or in memory.
#[derive(Debug)]
pub struct Sqlite {
    connection: Connection,
}

impl Sqlite {
    /// Opens the database at `path`, making it where there is none.
    ///
    /// A transaction is on the disk when it is committed: the log is written ahead and synced.
    ///
    /// # Errors
    ///
    /// [`SqlError`] if the file cannot be opened or is no database.
    pub fn open(path: &Path) -> Result<Self, SqlError> {
        Self::prepare(Connection::open(path)?)
    }

    /// Makes an empty database in memory.
    ///
    /// # Errors
    ///
    /// [`SqlError`] if SQLite has no memory left.
    pub fn in_memory() -> Result<Self, SqlError> {
        Self::prepare(Connection::open_in_memory()?)
    }

    /// Returns how many rows have been inserted, changed or removed since the database was opened.
    #[must_use]
    pub fn rows_written(&self) -> u64 {
        self.connection.total_changes()
    }

    fn prepare(connection: Connection) -> Result<Self, SqlError> {
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "full")?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        Ok(Self { connection })
    }
}

impl Sql for Sqlite {
    fn query(
        &self,
        sql: &'static str,
        params: &[Value<'_>],
        row: &mut dyn FnMut(&dyn Row) -> Result<(), SqlError>,
    ) -> Result<(), SqlError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(params_from_iter(params))?;
        while let Some(found) = rows.next()? {
            row(found)?;
        }
        Ok(())
    }

    fn transaction(&self, body: &mut dyn FnMut() -> Outcome) -> Result<(), SqlError> {
        // Dropped by a panic, it rolls back.
        let transaction =
            Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate)?;
        match body() {
            Outcome::Commit => transaction.commit()?,
            Outcome::Rollback => transaction.rollback()?,
        }
        Ok(())
    }
}

impl Row for rusqlite::Row<'_> {
    fn value(&self, index: usize) -> Value<'_> {
        match self.get_ref(index) {
            Ok(ValueRef::Blob(bytes)) => Value::Blob(Cow::Borrowed(bytes)),
            Ok(ValueRef::Integer(number)) => Value::Integer(number),
            Ok(ValueRef::Text(text)) => Value::Text(String::from_utf8_lossy(text)),
            // The schema has no column of real numbers.
            Ok(ValueRef::Null | ValueRef::Real(_)) | Err(_) => Value::Null,
        }
    }
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Blob(bytes) => ValueRef::Blob(bytes),
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Null => ValueRef::Null,
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}

impl From<rusqlite::Error> for SqlError {
    fn from(error: rusqlite::Error) -> Self {
        Self(error.to_string())
    }
}

/// More than the server has statements.
const STATEMENTS: usize = 256;
