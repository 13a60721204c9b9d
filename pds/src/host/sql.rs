//! The account's database.

use alloc::borrow::Cow;

/// A SQLite database that holds this account only.
pub trait Sql {
    /// Runs one statement and passes each row of its result to `row`, in order.
    ///
    /// Takes at most 100 parameters, and text and blobs of at most 2 MB. `sql` is `'static` because
    /// hosts cache compiled statements by its address.
    ///
    /// # Errors
    ///
    /// [`SqlError`] if the statement fails. An error that `row` returns ends the query and is
    /// returned as is.
    fn query(
        &self,
        sql: &'static str,
        params: &[Value<'_>],
        row: &mut dyn FnMut(&dyn Row) -> Result<(), SqlError>,
    ) -> Result<(), SqlError>;

    /// Runs `body` in a transaction, then commits or rolls back, as the [`Outcome`] says. A panic
    /// rolls back. Transactions do not nest.
    ///
    /// # Errors
    ///
    /// [`SqlError`] if the transaction cannot begin or commit; nothing is written then.
    fn transaction(&self, body: &mut dyn FnMut() -> Outcome) -> Result<(), SqlError>;

    /// Returns the rows that statements have read and written so far.
    fn row_counts(&self) -> RowCounts;
}

/// Rows that statements have read and written since the database was opened.
///
/// Hosts count as exactly as they can: Workers count what Cloudflare bills, other hosts count the
/// rows that were returned and changed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct RowCounts {
    /// Rows read.
    pub read: u64,
    /// Rows inserted, updated or deleted.
    pub written: u64,
}

/// The outcome of a transaction.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// Keeps everything that it wrote.
    Commit,
    /// Undoes everything that it wrote.
    Rollback,
}

/// A parameter of a statement, or a value of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// Bytes.
    Blob(Cow<'a, [u8]>),
    /// An integer. Hosts may lose precision beyond 2^53.
    Integer(i64),
    /// No value.
    Null,
    /// Text.
    Text(Cow<'a, str>),
}

/// One row of a result.
pub trait Row {
    /// Returns the value in the column at `index`, counted from 0; [`Value::Null`] past the last.
    fn value(&self, index: usize) -> Value<'_>;
}

/// A failure of the database. The text is for the log, never for a client.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("database: {text}")]
pub struct SqlError {
    /// What failed, as far as the server can react to it.
    pub kind: SqlErrorKind,
    /// The host's description.
    pub text: String,
}

/// The kind of a database failure. Each host maps its own errors to it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum SqlErrorKind {
    /// Another connection holds a lock.
    Busy,
    /// A statement violates a constraint of its table.
    Constraint,
    /// Any other failure, including a database that does not hold what the server wrote.
    Other,
    /// A limit of the host's plan is reached. Retrying helps once the limit is reset.
    QuotaExceeded,
    /// A value exceeds the host's limit on text and blobs.
    TooLarge,
}

impl SqlError {
    /// Makes an error of a kind.
    pub fn new(kind: SqlErrorKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }

    /// Makes an error of the kind [`SqlErrorKind::Other`].
    pub fn other(text: impl Into<String>) -> Self {
        Self::new(SqlErrorKind::Other, text)
    }
}
