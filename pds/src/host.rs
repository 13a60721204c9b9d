//! The seam between the server and what runs it: everything that a host gives, on one screen.
//!
//! The server is single-threaded, like the Durable Object it was made for: nothing here is `Send`,
//! and a host runs one [`Pds`](crate::Pds) on one thread. A *turn* is what runs between two awaits;
//! within a turn nothing else of the account runs.

use alloc::borrow::Cow;
use alloc::rc::Rc;
use core::fmt;
use core::time::Duration;

use bytes::Bytes;
use cid::Cid;
use futures_core::future::LocalBoxFuture;

/// What the server runs on.
#[derive(Clone)]
pub struct Host {
    /// The account's database.
    pub sql: Rc<dyn Sql>,
    /// The subscribers' sockets.
    pub sockets: Rc<dyn Sockets>,
    /// The time.
    pub clock: Rc<dyn Clock>,
    /// Randomness fit for secrets.
    pub rng: Rc<dyn Rng>,
    /// The operator's log.
    pub log: Rc<dyn Log>,
    /// What keeps the bytes of blobs.
    pub blobs: Rc<dyn Blobs>,
    /// Names the database that owns the account, where several could be taken for it.
    pub owner_marker: Option<Rc<dyn OwnerMarker>>,
    /// Calls the server at a later time.
    pub alarm: Rc<dyn Alarm>,
    /// Reaches other servers.
    pub http: Rc<dyn Http>,
}

/// A SQLite database that this account has to itself.
pub trait Sql {
    /// Runs one statement and hands each row of its result to `row`, in order.
    ///
    /// Hosts cache statements by the address of `sql`, which is why it is `'static`. At most 100
    /// parameters; text and blobs of at most 2 MB.
    ///
    /// # Errors
    ///
    /// [`SqlError`] if the statement fails, or what `row` returned, which ends the query.
    fn query(
        &self,
        sql: &'static str,
        params: &[Value<'_>],
        row: &mut dyn FnMut(&dyn Row) -> Result<(), SqlError>,
    ) -> Result<(), SqlError>;

    /// Runs `body` in a transaction that is kept or undone as `body` says; a panic undoes it.
    ///
    /// Transactions do not nest.
    ///
    /// # Errors
    ///
    /// [`SqlError`] if the transaction cannot begin or commit; nothing of it is kept then.
    fn transaction(&self, body: &mut dyn FnMut() -> Outcome) -> Result<(), SqlError>;
}

/// Whether a transaction is kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// All that it wrote is kept.
    Commit,
    /// Nothing that it wrote is kept.
    Rollback,
}

/// A parameter of a statement, or a value of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// Bytes.
    Blob(Cow<'a, [u8]>),
    /// An integer; hosts may lose precision beyond 2^53.
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

/// Why the database did not do as it was told. The text is for the log, never for a client.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("database: {0}")]
pub struct SqlError(pub String);

/// The sockets of the event stream's subscribers, which may outlive the server's memory.
pub trait Sockets {
    /// Returns every open socket.
    fn list(&self) -> Vec<SocketId>;

    /// Queues one binary message on each of `sockets`, and returns those that read too slowly to
    /// take it. A socket that is gone is skipped.
    fn send(&self, sockets: &[SocketId], message: &[u8]) -> Vec<SocketId>;

    /// Resolves in a later turn, when `socket` can take more or is gone, so that a long replay
    /// neither fills the memory nor holds up the account.
    fn ready(&self, socket: SocketId) -> LocalBoxFuture<'static, ()>;

    /// Drops what `socket` has not been sent yet, sends `last` and closes it with `code`.
    fn close(&self, socket: SocketId, last: Option<&[u8]>, code: u16);

    /// Returns the bytes last kept with `socket`, none for a new socket, `None` if it is gone.
    fn attachment(&self, socket: SocketId) -> Option<Vec<u8>>;

    /// Keeps up to 2,048 bytes with `socket`, as long as it is open.
    fn set_attachment(&self, socket: SocketId, bytes: &[u8]);
}

/// Names a socket for as long as it is open.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SocketId(pub u64);

/// The bytes of blobs, by their CIDs.
///
/// They neither come nor go through here: a host stores an [`Upload`] before the account is told of
/// it, and sends what a [`Download`] asks for.
///
/// [`Upload`]: crate::blobs::Upload
/// [`Download`]: crate::blobs::Download
pub trait Blobs {
    /// Returns how many bytes a blob has, or `None` if it is not there.
    fn size(&self, cid: &Cid) -> LocalBoxFuture<'static, Result<Option<u64>, BlobsError>>;

    /// Removes a blob, if it is there.
    fn remove(&self, cid: &Cid) -> LocalBoxFuture<'static, Result<(), BlobsError>>;

    /// Returns up to 1,000 of the blobs that are there, after that of the CID `after` in the order
    /// of their text.
    fn list(&self, after: Option<&Cid>) -> LocalBoxFuture<'static, Result<Vec<Cid>, BlobsError>>;
}

/// Why the store of blobs did not do as it was told. The text is for the log.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("blobs: {0}")]
pub struct BlobsError(pub String);

/// A place outside of the database that holds the id of the database that owns the account.
pub trait OwnerMarker {
    /// Writes `id` unless the marker exists. Returns the marker's id if another owner wrote it.
    fn claim_if_absent(
        &self,
        id: &str,
    ) -> LocalBoxFuture<'static, Result<Option<String>, MarkerError>>;

    /// Writes `id`, whatever there is.
    fn overwrite(&self, id: &str) -> LocalBoxFuture<'static, Result<(), MarkerError>>;
}

/// Why the marker could not be read or written. The text is for the log.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("owner marker: {0}")]
pub struct MarkerError(pub String);

/// Calls [`Pds::tend`](crate::Pds::tend) at a later time, once, even if the server has not been in
/// memory meanwhile.
pub trait Alarm {
    /// Sets the time, in seconds since 1970-01-01T00:00:00Z, in place of any that was set. It may
    /// cost a row.
    ///
    /// # Errors
    ///
    /// [`SqlError`] if it could not be kept.
    fn set(&self, time_s: i64) -> Result<(), SqlError>;
}

/// Requests to other servers.
pub trait Http {
    /// Sends a request to the server that its absolute URL names, and returns the whole answer,
    /// whatever its status.
    ///
    /// It is sent when all that has been written is kept. No redirect is followed, no cookie kept.
    /// The URL must be one that the operator vouches for: no host looks whether it leads to a
    /// network that only this machine can reach.
    fn fetch(
        &self,
        request: http::Request<Bytes>,
        limits: FetchLimits,
    ) -> LocalBoxFuture<'static, Result<http::Response<Bytes>, HttpError>>;
}

/// What an answer may take.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FetchLimits {
    /// The most bytes that its body may have.
    pub body_bytes: usize,
    /// The most time until all of it is here.
    pub time: Duration,
}

/// Why there is no answer. The texts are for the operator.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum HttpError {
    /// The server cannot be reached, or does not speak HTTP.
    #[error("no answer: {0}")]
    Failed(String),
    /// The body is over the limit.
    #[error("the answer is too large")]
    TooLarge,
    /// The time was over.
    #[error("no answer in time")]
    TimedOut,
}

/// Tells the time.
pub trait Clock {
    /// Returns microseconds since 1970-01-01T00:00:00Z. It may stand still or step back.
    fn now_micros(&self) -> u64;
}

/// Gives randomness.
pub trait Rng {
    /// Fills `bytes` with randomness fit for secrets.
    fn fill(&self, bytes: &mut [u8]);
}

/// Takes what the operator should know. Nothing that it is given is secret.
pub trait Log {
    /// Notes a fault of ours: what a client was only told "Internal Server Error" about.
    fn error(&self, message: &str);
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").finish_non_exhaustive()
    }
}
