//! [`Sql`] implemented with the SQLite library, for hosts with an operating system.

use alloc::borrow::Cow;
use alloc::sync::Arc;
use core::cell::Cell;
use core::sync::atomic::{AtomicU64, Ordering};
use std::fs::File;
use std::io;
use std::path::Path;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, ToSql, Transaction, TransactionBehavior, params_from_iter};

use crate::host::{Outcome, Row, RowCounts, Sql, SqlError, SqlErrorKind, Value};

/// A database in a file or in memory.
#[derive(Debug)]
pub struct Sqlite {
    connection: Connection,
    rows_read: Cell<u64>,
}

/// The write-ahead log of a database from [`Sqlite::open_logged`], whose commits do not wait for
/// the disk.
#[derive(Debug)]
pub struct WriteAheadLog {
    file: File,
    commits: Arc<AtomicU64>,
}

impl Sqlite {
    /// Opens the database at `path`, or creates it if it does not exist.
    ///
    /// Each commit syncs the write-ahead log, so a committed transaction is on disk.
    ///
    /// # Errors
    ///
    /// [`SqlError`] if the file cannot be opened or is not a database.
    pub fn open(path: &Path) -> Result<Self, SqlError> {
        Self::prepare(Connection::open(path)?, "full")
    }

    /// Opens the database at `path`, or creates it if it does not exist, for a host that waits for
    /// the disk itself.
    ///
    /// A committed transaction survives a crash of the process. It survives a power failure once a
    /// [`WriteAheadLog::sync`] that began after the commit has returned. A power failure before
    /// that loses whole transactions, the latest ones only.
    ///
    /// # Errors
    ///
    /// [`SqlError`] if a file cannot be opened or is not a database.
    pub fn open_logged(path: &Path) -> Result<(Self, WriteAheadLog), SqlError> {
        // With "normal", SQLite only waits for the disk before and after a checkpoint, and when it
        // restarts the log.
        let mut sqlite = Self::prepare(Connection::open(path)?, "normal")?;
        sqlite.connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
        let commits = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&commits);
        sqlite.connection.commit_hook(Some(move || {
            counted.fetch_add(1, Ordering::Relaxed);
            false
        }))?;
        // The first read creates the log. It stays the same file until the connection is closed.
        let _: i64 = sqlite.connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        let mut name = path.as_os_str().to_owned();
        name.push("-wal");
        // Windows only syncs files that are open for writing.
        let file = File::options().read(true).write(true).open(name);
        let file = file.map_err(|error| {
            SqlError::other(format!("cannot open the write-ahead log: {error}"))
        })?;
        Ok((sqlite, WriteAheadLog { file, commits }))
    }

    /// Creates an empty database in memory.
    ///
    /// # Errors
    ///
    /// [`SqlError`] if SQLite cannot allocate memory.
    pub fn in_memory() -> Result<Self, SqlError> {
        Self::prepare(Connection::open_in_memory()?, "full")
    }

    fn prepare(connection: Connection, synchronous: &'static str) -> Result<Self, SqlError> {
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", synchronous)?;
        connection.set_prepared_statement_cache_capacity(MAX_CACHED_STATEMENTS);
        Ok(Self { connection, rows_read: Cell::new(0) })
    }
}

impl WriteAheadLog {
    /// Returns how many transactions have been committed since the database was opened.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    /// Blocks until every transaction committed so far is on disk. May be called from any thread.
    ///
    /// # Errors
    ///
    /// The I/O error. The content of the disk is unknown then, and a retry that succeeds proves
    /// nothing: operating systems report a lost page only once.
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
            self.rows_read.set(self.rows_read.get() + 1);
            row(found)?;
        }
        Ok(())
    }

    fn row_counts(&self) -> RowCounts {
        RowCounts { read: self.rows_read.get(), written: self.connection.total_changes() }
    }

    fn transaction(&self, body: &mut dyn FnMut() -> Outcome) -> Result<(), SqlError> {
        // A panic in `body` drops it, which rolls back.
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
        let kind = match error.sqlite_error_code() {
            Some(ErrorCode::ConstraintViolation) => SqlErrorKind::Constraint,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => SqlErrorKind::Busy,
            Some(ErrorCode::TooBig) => SqlErrorKind::TooLarge,
            _ => SqlErrorKind::Other,
        };
        Self::new(kind, error.to_string())
    }
}

/// Enough to cache every statement of the server.
const MAX_CACHED_STATEMENTS: usize = 256;
/// The length of the log, in pages, at which a commit also runs a checkpoint: 16 MiB. A page that
/// changes with every write is then copied to the database once for hundreds of writes.
const CHECKPOINT_PAGES: u32 = 4_000;

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
    fn errors_have_kinds() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.sqlite");
        let sqlite = Sqlite::open(&path).unwrap();
        let kind = |sqlite: &Sqlite, sql: &'static str| {
            sqlite.query(sql, &[], &mut |_| Ok(())).map_err(|error| error.kind)
        };
        assert_eq!(kind(&sqlite, "CREATE TABLE t (x INTEGER PRIMARY KEY)"), Ok(()));
        assert_eq!(kind(&sqlite, "INSERT INTO t VALUES (1)"), Ok(()));
        let conflict = kind(&sqlite, "INSERT INTO t VALUES (1)");
        assert_eq!(conflict, Err(SqlErrorKind::Constraint));
        assert_eq!(kind(&sqlite, "SELECT zeroblob(2000000000)"), Err(SqlErrorKind::TooLarge));
        assert_eq!(kind(&sqlite, "SELEC 1"), Err(SqlErrorKind::Other));
        let other = Sqlite::open(&path).unwrap();
        other.connection.busy_timeout(core::time::Duration::ZERO).unwrap();
        assert_eq!(kind(&sqlite, "BEGIN IMMEDIATE"), Ok(()));
        assert_eq!(kind(&other, "INSERT INTO t VALUES (2)"), Err(SqlErrorKind::Busy));
    }

    #[test]
    fn wal_counts_commits_and_is_the_file_that_they_append_to() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.sqlite");
        let (sqlite, log) = Sqlite::open_logged(&path).unwrap();
        let before_first = log.commits();
        write(&sqlite, "CREATE TABLE t (x INTEGER)");
        let length_before = log.file.metadata().unwrap().len();
        write(&sqlite, "INSERT INTO t VALUES (1)");
        sqlite.query("INSERT INTO t VALUES (2)", &[], &mut |_| Ok(())).unwrap();
        assert_eq!(log.commits() - before_first, 3);
        write(&sqlite, "INSERT INTO absent VALUES (3)");
        assert_eq!(log.commits() - before_first, 3, "rollbacks are not counted");
        log.sync().unwrap();
        assert!(log.file.metadata().unwrap().len() > length_before, "the file is the WAL");
    }

    #[test]
    fn wal_stays_the_same_file_after_a_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.sqlite");
        let (sqlite, log) = Sqlite::open_logged(&path).unwrap();
        write(&sqlite, "CREATE TABLE t (x BLOB)");
        let page = "INSERT INTO t VALUES (zeroblob(4000))";
        for _ in 0..2 * CHECKPOINT_PAGES {
            write(&sqlite, page);
        }
        let length = log.file.metadata().unwrap().len();
        assert!(
            length < 2 * 4_096 * u64::from(CHECKPOINT_PAGES),
            "checkpoints bound the log, which has {length} bytes"
        );
        let mut name = path.into_os_string();
        name.push("-wal");
        let written = std::fs::read(name).unwrap();
        let mut synced = Vec::new();
        io::Read::read_to_end(&mut &log.file, &mut synced).unwrap();
        assert!(written == synced, "the synced file is the one that SQLite writes");
    }
}
