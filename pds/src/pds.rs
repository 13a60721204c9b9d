//! The server: one account on one host.

use alloc::collections::{BTreeMap, BTreeSet};
use core::cell::{Cell, RefCell};
use core::net::IpAddr;

use cid::Cid;
use http::{Method, StatusCode};
use nacre_syntax::AtIdentifier;
use nacre_xrpc::XrpcError;
use serde_json::json;

use crate::api::{self, Call, Failure};
use crate::blobs::{Backoff, Download, Upload};
use crate::body::{Request, Response};
use crate::config::Config;
use crate::host::{Host, SocketId, SqlError};
use crate::ownership::{Ownership, OwnershipError};
use crate::relays::{Polled, RelayAlarm};
use crate::sequencer::LogAlarm;
use crate::store::{ANNOUNCED_HEADS, Account, Store};
use crate::{front, routes};

/// One account's server. A host keeps one of these on one thread and hands it every event.
#[derive(Debug)]
pub struct Pds {
    pub(crate) host: Host,
    pub(crate) config: Config,
    pub(crate) store: Store,
    /// Whether this database may act for the account.
    pub(crate) ownership: Ownership,
    /// Whether an import is under way.
    pub(crate) importing: Cell<bool>,
    /// What the alarm is set to, as far as this process knows, in seconds.
    pub(crate) alarm_s: Cell<Option<i64>>,
    /// Whether this process has done scheduled work.
    pub(crate) has_tended: Cell<bool>,
    /// What the alarm is set for, as far as the log of events goes.
    pub(crate) log_alarm: Cell<LogAlarm>,
    /// What the alarm is set for, as far as relays go.
    pub(crate) relay_alarm: Cell<RelayAlarm>,
    /// Whether relays have been asked nothing since the account was opened.
    pub(crate) is_new: Cell<bool>,
    /// What relays answered last, by URL.
    pub(crate) polled: RefCell<BTreeMap<String, Polled>>,
    /// The subscribers that are just being sent what they missed.
    pub(crate) replaying: RefCell<BTreeSet<SocketId>>,
    /// The blobs that are just being removed.
    pub(crate) removing: RefCell<BTreeSet<Cid>>,
    /// When removals that failed are retried.
    pub(crate) removal_backoff: Cell<Backoff>,
}

/// What a host does with an answered request.
#[derive(Debug)]
pub enum Reply {
    /// Sends this response.
    Response(Response),
    /// Sends this response with the bytes of a blob.
    Download(Download),
    /// Stores the body by its hash, then calls [`Pds::keep_blob`].
    Upload(Upload),
    /// Accepts the WebSocket, then calls [`Pds::subscribe`] with it.
    Upgrade(Subscription),
}

/// A subscription to the event stream that has been allowed but not begun.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Subscription {
    /// The last `seq` that the subscriber has, or that there was when it asked for what comes next.
    pub(crate) cursor: i64,
    /// Where it comes from, if the host knows.
    pub(crate) network: Option<IpAddr>,
}

/// Why an account could not be opened.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The database failed.
    #[error(transparent)]
    Database(#[from] SqlError),
    /// The first commit could not be made.
    #[error("the first commit could not be made: {0}")]
    FirstCommit(String),
    /// The database was written by a newer version of this program.
    #[error("the database has schema {found}, and this program knows schemas up to {known}")]
    NewerSchema {
        /// The version found.
        found: i64,
        /// The newest version that this program knows.
        known: i64,
    },
    /// The database has no account, as its first start did not finish.
    #[error("there is no account in this database")]
    NoAccount,
    /// The database holds the account of another DID.
    #[error("the database belongs to \"{found}\", but DID is \"{configured}\"")]
    OtherAccount {
        /// The DID in the database.
        found: String,
        /// The DID in the variables.
        configured: String,
        /// Whether others may know of the account; if not, [`Pds::reset`] starts over.
        was_active: bool,
    },
}

impl Pds {
    /// Opens the account: migrates the database and, at the first start, creates an empty
    /// repository. If the host has an owner marker, the first request creates it instead.
    ///
    /// # Errors
    ///
    /// [`OpenError`] if the database fails or is not this account's.
    pub fn open(host: Host, config: Config) -> Result<Self, OpenError> {
        let (pds, version) = Self::on_account(host, config)?;
        if version.is_some_and(|version| version < ANNOUNCED_HEADS) {
            pds.mend_head()?;
        }
        pds.check_database()?;
        Ok(pds)
    }

    /// Opens an account that has been started before, for a command of its operator.
    ///
    /// # Errors
    ///
    /// As [`Self::open`], and [`OpenError::NoAccount`] if there is none.
    pub fn open_existing(host: Host, config: Config) -> Result<Self, OpenError> {
        let (pds, version) = Self::on_account(host, config)?;
        if version.ok_or(OpenError::NoAccount)? < ANNOUNCED_HEADS {
            pds.mend_head()?;
        }
        Ok(pds)
    }

    /// Opens the copy of an account's database for an audit: its schema is migrated, and nothing in
    /// it is mended.
    ///
    /// # Errors
    ///
    /// As [`Self::open_existing`].
    pub fn open_copy(host: Host, config: Config) -> Result<Self, OpenError> {
        let (pds, version) = Self::on_account(host, config)?;
        version.map(|_| pds).ok_or(OpenError::NoAccount)
    }

    /// Migrates a database that is empty or holds the configured account. Also returns the version
    /// that its schema had before, if it holds an account.
    fn on_account(host: Host, config: Config) -> Result<(Self, Option<i64>), OpenError> {
        let (pds, version) = Self::new(host, config)?;
        match pds.store.account()? {
            Some(account) if account.head.did != pds.config.identity.did => {
                Err(OpenError::OtherAccount {
                    found: account.head.did.to_string(),
                    configured: pds.config.identity.did.to_string(),
                    was_active: account.was_active(),
                })
            }
            Some(_) => Ok((pds, Some(version))),
            None => Ok((pds, None)),
        }
    }

    /// Migrates the database, without looking for an account. Also returns the version that its
    /// schema had before.
    pub(crate) fn new(host: Host, config: Config) -> Result<(Self, i64), OpenError> {
        let (store, version) = Store::open(host.sql.clone())?;
        let pds = Self {
            host,
            config,
            store,
            ownership: Ownership::unknown(),
            importing: Cell::new(false),
            alarm_s: Cell::default(),
            has_tended: Cell::default(),
            log_alarm: Cell::default(),
            relay_alarm: Cell::default(),
            is_new: Cell::new(true),
            polled: RefCell::default(),
            replaying: RefCell::default(),
            removing: RefCell::default(),
            removal_backoff: Cell::default(),
        };
        Ok((pds, version))
    }

    /// Returns the account's DID.
    #[must_use]
    pub fn did(&self) -> &str {
        self.config.identity.did.as_str()
    }

    /// Answers one request. `peer` is the client's address, where the host knows it.
    pub async fn handle(&self, request: Request, peer: Option<IpAddr>) -> Reply {
        let (parts, body) = request.into_parts();
        if let Some(response) = front::answer(&self.config.identity, &parts) {
            return Reply::Response(response);
        }
        let head = parts.clone();
        let answer = self.answer(Call { parts, body, peer }).await;
        let mut reply = answer.unwrap_or_else(|failure| Reply::Response(self.failed(failure)));
        match &mut reply {
            Reply::Response(response) | Reply::Download(Download { response, .. }) => {
                front::finish(&head, response);
            }
            Reply::Upgrade(_) | Reply::Upload(_) => {}
        }
        reply
    }

    /// Returns the account; there is one once the server is open.
    pub(crate) fn account(&self) -> Result<Account, SqlError> {
        self.store.account()?.ok_or_else(|| SqlError("the account has no row".to_owned()))
    }

    /// Tells whether a DID or a handle names the account.
    pub(crate) fn is_ours<S: AsRef<str>>(&self, name: &AtIdentifier<S>) -> bool {
        let identity = &self.config.identity;
        name.as_did().is_some_and(|did| identity.is_did(did.as_str()))
            || name.as_handle().is_some_and(|handle| handle.to_normalized() == identity.handle)
    }

    /// Returns the time in seconds.
    pub(crate) fn now_s(&self) -> i64 {
        i64::try_from(self.host.clock.now_micros() / 1_000_000).unwrap_or(i64::MAX)
    }

    async fn answer(&self, call: Call) -> Result<Reply, Failure> {
        let path = call.parts.uri.path();
        // These two change the owner.
        let decides = ["/operator/claim", "/operator/reset"].contains(&path);
        let settled = if decides { Ok(()) } else { self.settle().await };
        if path == "/xrpc/_health" {
            return Ok(Reply::Response(self.health(&call.parts.method, settled)?));
        }
        settled?;
        if let Some(command) = path.strip_prefix("/operator/") {
            let command = command.to_owned();
            return routes::dispatch_operator(self, &command, call).await;
        }
        if !path.starts_with("/xrpc/") {
            return Err(XrpcError::not_found("Not Found").into());
        }
        let nsid = nacre_xrpc::method(path)?.as_str().to_owned();
        routes::dispatch(self, &nsid, call).await
    }

    /// Answers a monitor: the version, and whether the database does its work.
    fn health(
        &self,
        method: &Method,
        settled: Result<(), OwnershipError>,
    ) -> Result<Response, Failure> {
        nacre_xrpc::Kind::Query.expect_verb(method.as_str())?;
        let version = concat!("nacre ", env!("CARGO_PKG_VERSION"));
        let healthy = settled.and_then(|()| Ok(self.store.account()?));
        let (status, body) = match healthy {
            Ok(_) => (StatusCode::OK, json!({ "version": version })),
            Err(error) => {
                let shown = match Failure::from(error) {
                    Failure::Refused(error) => error.message.into_owned(),
                    Failure::Fault(cause) => {
                        self.host.log.error(&cause);
                        "Service Unavailable".to_owned()
                    }
                };
                let body = json!({ "version": version, "error": shown });
                (StatusCode::SERVICE_UNAVAILABLE, body)
            }
        };
        Ok(front::typed(status, "application/json", body.to_string().into()))
    }

    pub(crate) fn failed(&self, failure: Failure) -> Response {
        match failure {
            Failure::Fault(cause) => {
                self.host.log.error(&cause);
                api::refusal(&XrpcError::internal())
            }
            Failure::Refused(error) => api::refusal(&error),
        }
    }
}

impl From<OwnershipError> for OpenError {
    fn from(error: OwnershipError) -> Self {
        match error {
            OwnershipError::Database(error) => Self::Database(error),
            OwnershipError::FirstCommit(problem) => Self::FirstCommit(problem),
            other => Self::FirstCommit(other.to_string()),
        }
    }
}
