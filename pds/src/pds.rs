//! The server: one account on one host.

use core::net::IpAddr;

use crate::body::{Request, Response};
use crate::config::Config;
use crate::host::{Host, SocketId, SqlError};

/// One account's server. A host keeps one of these on one thread and hands it every event.
#[derive(Debug)]
pub struct Pds {
    pub(crate) host: Host,
    pub(crate) config: Config,
}

/// What a host does with an answered request.
#[derive(Debug)]
pub enum Reply {
    /// Sends this response.
    Response(Response),
    /// Accepts the WebSocket, then calls [`Pds::subscribe`] with it.
    Upgrade(Subscription),
}

/// A subscription to the event stream that has been allowed but not begun.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Subscription {
    /// The last `seq` that the subscriber has; `None` for new events only.
    pub(crate) cursor: Option<i64>,
}

/// Why an account could not be opened.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The database failed.
    #[error(transparent)]
    Database(#[from] SqlError),
    /// The database holds the account of another DID.
    #[error("the database belongs to {0}, which is not the configured DID")]
    OtherAccount(String),
    /// The database was written by a newer version of this program.
    #[error("the database has schema {found}, and this program knows schemas up to {known}")]
    NewerSchema {
        /// The version found.
        found: i64,
        /// The newest version that this program knows.
        known: i64,
    },
}

impl Pds {
    /// Opens the account: brings the database up to date and, at the first start, makes an empty
    /// repository.
    ///
    /// # Errors
    ///
    /// [`OpenError`] if the database fails or is not this account's.
    pub fn open(host: Host, config: Config) -> Result<Self, OpenError> {
        Ok(Self { host, config })
    }

    /// Answers one request. `peer` is the client's address, where the host knows it.
    pub async fn handle(&self, _request: Request, _peer: Option<IpAddr>) -> Reply {
        Reply::Response(Response::default())
    }

    /// Serves a subscriber that has just been accepted: replays what it missed and leaves it live.
    pub async fn subscribe(&self, _socket: SocketId, _subscription: Subscription) {}
}
