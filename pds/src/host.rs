//! The interface between the server and its host: everything that a host provides.
//!
//! The server is single-threaded, like a Durable Object: nothing here is `Send`, and a host runs
//! one [`Pds`](crate::Pds) on one thread. A *turn* is the code between two awaits. No other code of
//! the server runs within a turn.

mod address;
mod blobs;
mod compute;
mod es256;
mod http;
mod log;
mod sockets;
mod sql;

use alloc::rc::Rc;
use core::fmt;

use nacre_syntax::Datetime;

pub use self::address::is_public;
pub use self::blobs::{Blobs, BlobsError, MarkerError, OwnerMarker};
pub use self::compute::{Compute, Job};
pub use self::es256::{Es256, Es256Error, Es256Key, RustEs256};
pub use self::http::{Destination, Http, HttpError, OutboundRequest};
pub(crate) use self::log::with_causes;
pub use self::log::{Entry, Level, Log, RequestFields};
pub use self::sockets::{SocketId, Sockets};
pub use self::sql::{Outcome, Row, RowCounts, Sql, SqlError, SqlErrorKind, Value};

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
    /// The verifier of ES256 signatures.
    pub es256: Rc<dyn Es256>,
    /// The runner of long computations.
    pub compute: Rc<dyn Compute>,
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

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").finish_non_exhaustive()
    }
}
