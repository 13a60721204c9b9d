//! [`Sql`] on the SQLite library, for hosts that have an operating system.

use alloc::borrow::Cow;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};
use std::fs::File;
use std::io;
use std::path::Path;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ToSql, Transaction, TransactionBehavior, params_from_iter};

use crate::host::{Outcome, Row, Sql, SqlError, Value};

/// A database in a file or in memory.
#[derive(Debug)]
pub struct Sqlite {
    connection: Connection,
}

/// The write-ahead log of a database whose commits do not wait for the disk, which
/// [`Sqlite::open_logged`] opens.
#[derive(Debug)]
pub struct WriteAheadLog {
    file: File,
    commits: Arc<AtomicU64>,
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
        Self::prepare(Connection::open(path)?, "full")
    }

    /// Opens the database at `path`, making it where there is none, for a host that waits for the
    /// disk itself.
    ///
    /// A transaction is in the log when it is committed, which a killed process does not take back,
    /// and on the disk once a [`WriteAheadLog::sync`] that began later has ended. Where the power
    /// fails in between, the last transactions are gone, all of one or nothing, and no earlier one.
    ///
    /// # Errors
    ///
    /// [`SqlError`] if a file cannot be opened or is no database.
    pub fn open_logged(path: &Path) -> Result<(Self, WriteAheadLog), SqlError> {
        // With "normal", SQLite waits for the disk only before and after it moves pages from the
        // log to the database, and when it begins the log anew.
        let mut sqlite = Self::prepare(Connection::open(path)?, "normal")?;
        sqlite.connection.pragma_update(None, "wal_autocheckpoint", LOGGED_PAGES)?;
        let commits = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&commits);
        sqlite.connection.commit_hook(Some(move || {
            counted.fetch_add(1, Ordering::Relaxed);
            false
        }))?;
        // The first read makes the log; it stays the same file until the connection is closed.
        let _: i64 = sqlite.connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        let mut name = path.as_os_str().to_owned();
        name.push("-wal");
        // Windows syncs only what is open for writing.
        let file = File::options().read(true).write(true).open(name);
        let file = file.map_err(|error| SqlError(format!("the write-ahead log: {error}")))?;
        Ok((sqlite, WriteAheadLog { file, commits }))
    }

    /// Makes an empty database in memory.
    ///
    /// # Errors
    ///
    /// [`SqlError`] if SQLite has no memory left.
    pub fn in_memory() -> Result<Self, SqlError> {
        Self::prepare(Connection::open_in_memory()?, "full")
    }

    /// Returns how many rows have been inserted, changed or removed since the database was opened.
    #[must_use]
    pub fn rows_written(&self) -> u64 {
        self.connection.total_changes()
    }

    fn prepare(connection: Connection, synchronous: &'static str) -> Result<Self, SqlError> {
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", synchronous)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        Ok(Self { connection })
    }
}

impl WriteAheadLog {
    /// Returns how many transactions have been committed since the database was opened.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    /// Waits until every transaction that has been committed is on the disk. Any thread may.
    ///
    /// # Errors
    ///
    /// What the disk says. What it holds is not known then, and another attempt proves nothing:
    /// systems report a lost page once.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
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
/// The length in pages at which the log is moved to the database, within the commit that makes it
/// so long: 16 MiB, so that pages that change with every write are moved once for hundreds of them.
const LOGGED_PAGES: u32 = 4_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn write(sqlite: &Sqlite, sql: &'static str) {
        let mut body = || match sqlite.query(sql, &[], &mut |_| Ok(())) {
            Ok(()) => Outcome::Commit,
            Err(_) => Outcome::Rollback,
        };
        sqlite.transaction(&mut body).unwrap();
    }

    #[test]
    fn wal_counts_commits_and_grows_when_it_is_synced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.sqlite");
        let (sqlite, log) = Sqlite::open_logged(&path).unwrap();
        let none = log.commits();
        write(&sqlite, "CREATE TABLE t (x INTEGER)");
        let before = log.file.metadata().unwrap().len();
        write(&sqlite, "INSERT INTO t VALUES (1)");
        sqlite.query("INSERT INTO t VALUES (2)", &[], &mut |_| Ok(())).unwrap();
        assert_eq!(log.commits() - none, 3);
        write(&sqlite, "INSERT INTO absent VALUES (3)");
        assert_eq!(log.commits() - none, 3, "rollbacks are not counted");
        log.sync().unwrap();
        assert!(log.file.metadata().unwrap().len() > before, "the file is the WAL");
    }

    #[test]
    fn wal_stays_the_same_file_after_a_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.sqlite");
        let (sqlite, log) = Sqlite::open_logged(&path).unwrap();
        write(&sqlite, "CREATE TABLE t (x BLOB)");
        let page = "INSERT INTO t VALUES (zeroblob(4000))";
        for _ in 0..2 * LOGGED_PAGES {
            write(&sqlite, page);
        }
        let length = log.file.metadata().unwrap().len();
        assert!(
            length < 2 * 4_096 * u64::from(LOGGED_PAGES),
            "{length}: checkpoints bound the length"
        );
        let mut name = path.into_os_string();
        name.push("-wal");
        let now = std::fs::read(name).unwrap();
        let mut ours = Vec::new();
        io::Read::read_to_end(&mut &log.file, &mut ours).unwrap();
        assert!(now == ours, "the synced file is the one that SQLite writes");
    }
}
