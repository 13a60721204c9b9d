//! The interface between the server and its host: everything that a host provides.
//!
//! The server is single-threaded, like a Durable Object: nothing here is `Send`, and a host runs
//! one [`Pds`](crate::Pds) on one thread. A *turn* is the code between two awaits. No other code of
//! the server runs within a turn.

use alloc::borrow::Cow;
use alloc::rc::Rc;
use core::error::Error;
use core::fmt;
use core::time::Duration;

use bytes::Bytes;
use cid::Cid;
use futures_core::future::LocalBoxFuture;
use nacre_syntax::Datetime;

/// Everything that the server runs on.
#[derive(Clone)]
pub struct Host {
    /// The account's database.
    pub sql: Rc<dyn Sql>,
    /// The subscribers' sockets.
    pub sockets: Rc<dyn Sockets>,
    /// The time.
    pub clock: Rc<dyn Clock>,
    /// Cryptographically secure randomness.
    pub rng: Rc<dyn Rng>,
    /// The operator's log.
    pub log: Rc<dyn Log>,
    /// The store of blob bytes.
    pub blobs: Rc<dyn Blobs>,
    /// The record of which database owns the account. `None` if the host has only one database.
    pub owner_marker: Option<Rc<dyn OwnerMarker>>,
    /// The alarm that starts scheduled work.
    pub alarm: Rc<dyn Alarm>,
    /// The client for requests to other servers.
    pub http: Rc<dyn Http>,
}

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

/// The sockets of the event stream's subscribers. They may outlive the server's memory.
pub trait Sockets {
    /// Returns every open socket.
    fn list(&self) -> Vec<SocketId>;

    /// Queues one binary message on each of `sockets`. Returns the sockets whose queues are full.
    /// Skips closed sockets.
    fn send(&self, sockets: &[SocketId], message: &[u8]) -> Vec<SocketId>;

    /// Resolves in a later turn, once `socket` has room for more or is closed. A long replay waits
    /// for this, so that it neither fills memory nor blocks other requests.
    fn ready(&self, socket: SocketId) -> LocalBoxFuture<'static, ()>;

    /// Drops the queue of `socket`, sends `last` and closes the socket with `code`.
    fn close(&self, socket: SocketId, last: Option<&[u8]>, code: u16);

    /// Returns the bytes last stored with `socket`: empty for a new socket, `None` for a closed
    /// one.
    fn attachment(&self, socket: SocketId) -> Option<Vec<u8>>;

    /// Stores up to 2,048 bytes with `socket` until it closes.
    fn set_attachment(&self, socket: SocketId, bytes: &[u8]);
}

/// The id of an open socket.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SocketId(pub u64);

/// The bytes of blobs, by their CIDs.
///
/// Bytes do not pass through the server: a host stores an [`Upload`] before it reports it to the
/// server, and sends the bytes of a [`Download`] itself.
///
/// [`Upload`]: crate::Upload
/// [`Download`]: crate::Download
pub trait Blobs {
    /// Returns the size of a blob in bytes, or `None` if it is not stored.
    fn size(&self, cid: &Cid) -> LocalBoxFuture<'static, Result<Option<u64>, BlobsError>>;

    /// Removes a blob if it is stored.
    fn remove(&self, cid: &Cid) -> LocalBoxFuture<'static, Result<(), BlobsError>>;

    /// Returns up to 1,000 stored blobs, in the order of their CIDs' text, starting after `after`.
    fn list(&self, after: Option<&Cid>) -> LocalBoxFuture<'static, Result<Vec<Cid>, BlobsError>>;
}

/// A failure of the blob store. The text is for the log.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("blobs: {0}")]
pub struct BlobsError(pub String);

/// The id of the database that owns the account, stored outside of any database.
pub trait OwnerMarker {
    /// Writes `id` unless a marker exists. Returns the existing marker's id if it differs.
    fn claim_if_absent(
        &self,
        id: &str,
    ) -> LocalBoxFuture<'static, Result<Option<String>, MarkerError>>;

    /// Writes `id` over any existing marker.
    fn overwrite(&self, id: &str) -> LocalBoxFuture<'static, Result<(), MarkerError>>;
}

/// A failure to read or write the marker. The text is for the log.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("owner marker: {0}")]
pub struct MarkerError(pub String);

/// Calls [`Pds::run_due_work`](crate::Pds::run_due_work) once, at a set time, even if the host has
/// dropped the server from memory since.
pub trait Alarm {
    /// Sets the time, in seconds since 1970-01-01T00:00:00Z, and replaces any earlier one. May cost
    /// a row written.
    ///
    /// # Errors
    ///
    /// [`SqlError`] if the time could not be stored.
    fn set(&self, time_s: i64) -> Result<(), SqlError>;
}

/// Requests to other servers.
pub trait Http {
    /// Sends a request to an absolute URL and returns the whole response, whatever its status.
    ///
    /// The request is sent once everything written so far is durable. Does not follow redirects and
    /// keeps no cookies. Only call this with operator-configured URLs: private addresses are not
    /// blocked yet.
    fn fetch(
        &self,
        request: http::Request<Bytes>,
        limits: FetchLimits,
    ) -> LocalBoxFuture<'static, Result<http::Response<Bytes>, HttpError>>;
}

/// Limits on a response.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FetchLimits {
    /// The largest body, in bytes.
    pub body_bytes: usize,
    /// The longest time until the whole response has arrived.
    pub time: Duration,
}

/// Why a request got no response. The messages are for the operator.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum HttpError {
    /// The server is unreachable or does not speak HTTP.
    #[error("no response: {0}")]
    Failed(String),
    /// The body exceeds the limit.
    #[error("the response is too large")]
    TooLarge,
    /// The time limit passed.
    #[error("the request timed out")]
    TimedOut,
}

/// The clock.
pub trait Clock {
    /// Returns microseconds since 1970-01-01T00:00:00Z. The clock may stand still or step back.
    fn now_micros(&self) -> u64;
}

/// The source of randomness.
pub trait Rng {
    /// Fills `bytes` with cryptographically secure random bytes.
    fn fill(&self, bytes: &mut [u8]);
}

/// The operator's log. Messages contain no secrets.
pub trait Log {
    /// Logs a fault of the server, or a warning. Clients see no more of a fault than "Internal
    /// Server Error".
    fn error(&self, message: &str);
}

impl dyn Clock {
    /// Returns the time in seconds.
    pub(crate) fn now_s(&self) -> i64 {
        i64::try_from(self.now_micros() / 1_000_000).unwrap_or(i64::MAX)
    }

    /// Returns the time as an AT Protocol datetime, with milliseconds.
    pub(crate) fn now_text(&self) -> String {
        Datetime::from_unix_millis(self.now_micros() / 1_000).as_str().to_owned()
    }
}

impl dyn Log {
    /// Logs a fault with its causes.
    pub(crate) fn fault(&self, error: &impl Error) {
        self.error(&with_causes(error));
    }
}

/// Returns the messages of an error and its sources, separated by colons.
pub(crate) fn with_causes(error: &impl Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").finish_non_exhaustive()
    }
}
