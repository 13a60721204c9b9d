//! Decides whether this database may act for the account.
//!
//! An empty database must never announce an empty repository for a DID that has one: its data may
//! be lost, or may live in another object. If the host has a bucket, a marker in it names the
//! database that owns the account. The marker is read only while the database is empty, so an owner
//! that loses the marker to a claim is not fenced. Blobs in a bucket without a marker also tell of
//! an earlier owner: the account then starts deactivated.
//!
//! # Tricky bits
//!
//! The first start waits for the bucket, and other requests arrive meanwhile. Each of them runs the
//! same idempotent steps and checks the state again after every await. The database records that
//! another owner was seen *before* it overwrites the marker, so a crash between the two still leads
//! to a deactivated account.

use core::cell::Cell;

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use nacre_xrpc::XrpcError;
use sha2::Sha256;

use crate::Pds;
use crate::api::Failure;
use crate::host::{MarkerError, SqlError};
use crate::repo::WriteError;
use crate::store::{Left, MarkerState, Setup, SetupValues};

/// The state of the ownership check.
#[derive(Debug)]
pub(crate) struct Ownership {
    state: Cell<State>,
    /// Whether the marker has been written or read.
    is_marked: Cell<bool>,
}

/// What the server knows about the owner.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// The database is empty and the marker has not been checked.
    Empty,
    /// The database is empty, and the marker named another owner at this time, in seconds.
    Disowned(i64),
    /// The database holds the account of another DID and can only be reset.
    OtherAccount,
    /// The database holds the account.
    Owner,
}

/// Why the server refuses to act for the account.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum OwnershipError {
    /// The database failed.
    #[error(transparent)]
    Database(#[from] SqlError),
    /// The marker names another database.
    #[error(
        "this database is empty, but the bucket says that another one holds the account {0}; move \
         or restore that database to here, or take over with POST /operator/claim"
    )]
    Disowned(String),
    /// The first commit could not be made.
    #[error("the first commit could not be made: {0}")]
    FirstCommit(String),
    /// The marker could not be read or written.
    #[error("the bucket cannot be asked which database holds the account; try again later")]
    Marker(#[from] MarkerError),
    /// The database holds the account of another DID.
    #[error("the database belongs to another DID; POST /operator/reset starts over")]
    OtherAccount,
}

impl Ownership {
    /// Returns the state before the database has been read.
    pub(crate) fn unknown() -> Self {
        Self { state: Cell::new(State::Empty), is_marked: Cell::new(false) }
    }
}

impl Pds {
    /// Checks a database that holds the account or is empty. Creates the account in an empty one if
    /// the host has no owner marker.
    pub(crate) fn check_database(&self) -> Result<(), OwnershipError> {
        if self.store.account()?.is_some() {
            self.ownership.state.set(State::Owner);
            let setup = self.remember_setup()?;
            self.ownership.is_marked.set(setup.marker != MarkerState::Unknown);
            if self.is_marker_due() {
                self.wake();
            }
            return Ok(self.wake_at_start()?);
        }
        match self.host.owner_marker {
            Some(_) => Ok(()),
            None => self.begin(),
        }
    }

    /// Refuses every request except a reset.
    pub(crate) fn refuse_all_but_reset(&self) {
        self.ownership.state.set(State::OtherAccount);
    }

    /// Checks that this database may act for the account, and creates the account in an empty one.
    ///
    /// Idempotent, and safe to run concurrently.
    pub(crate) async fn settle(&self) -> Result<(), OwnershipError> {
        let now_s = self.now_s();
        match self.ownership.state.get() {
            State::Owner => return Ok(()),
            State::OtherAccount => return Err(OwnershipError::OtherAccount),
            // A request from a stranger must not cost a request to the bucket each time.
            State::Disowned(at_s) if (at_s..at_s + ASK_PAUSE_S).contains(&now_s) => {
                return Err(self.disowned());
            }
            State::Disowned(_) | State::Empty => {}
        }
        let Some(marker) = self.host.owner_marker.clone() else { return self.begin() };
        let setup = self.setup()?;
        let asked = marker.claim_if_absent(&setup.owner_id).await;
        // Clients do not see why the bucket failed.
        let other = asked.inspect_err(|error| self.host.log.error(&error.to_string()))?;
        if self.ownership.state.get() == State::Owner {
            return Ok(());
        }
        if other.is_some() {
            self.note_other_owner()?;
            self.ownership.state.set(State::Disowned(now_s));
            return Err(self.disowned());
        }
        // An owner from before there were markers may have left its blobs, and nothing else.
        let listed = self.host.blobs.list(None).await.map_err(|error| MarkerError(error.0));
        let blobs = listed.inspect_err(|error| self.host.log.error(&error.to_string()))?;
        if self.ownership.state.get() == State::Owner {
            return Ok(());
        }
        if !blobs.is_empty() && self.store.account()?.is_none() {
            self.host.log.error(OTHER_BLOBS);
            self.note_other_owner()?;
        }
        self.begin()
    }

    /// Makes this database the owner. An empty one starts with a deactivated account.
    pub(crate) async fn claim(&self) -> Result<(), OwnershipError> {
        if self.ownership.state.get() == State::OtherAccount {
            return Err(OwnershipError::OtherAccount);
        }
        if self.store.account()?.is_none() {
            self.note_other_owner()?;
        }
        let setup = self.setup()?;
        if let Some(marker) = self.host.owner_marker.clone() {
            let put = marker.overwrite(&setup.owner_id).await;
            put.inspect_err(|error| self.host.log.error(&error.to_string()))?;
        }
        self.begin()
    }

    /// Writes the marker for an account from before there were markers, unless the bucket has one.
    pub(crate) async fn put_marker_once(&self) -> Result<(), OwnershipError> {
        let Some(marker) = self.host.owner_marker.clone().filter(|_| self.is_marker_due()) else {
            return Ok(());
        };
        let other = marker.claim_if_absent(&self.setup()?.owner_id).await?;
        if !self.is_marker_due() {
            return Ok(());
        }
        if other.is_some() {
            self.host.log.error(OTHER_MARKER);
        }
        let state = if other.is_some() { MarkerState::Other } else { MarkerState::Own };
        self.store.set_marker(state)?;
        self.ownership.is_marked.set(true);
        Ok(())
    }

    /// Returns whether the alarm still has to write the marker.
    pub(crate) fn is_marker_due(&self) -> bool {
        self.host.owner_marker.is_some()
            && self.ownership.state.get() == State::Owner
            && !self.ownership.is_marked.get()
    }

    /// Deletes the account. The caller has checked that it was never active.
    pub(crate) fn empty_database(&self, left: Left) -> Result<(), SqlError> {
        let setup = self.setup()?;
        let same_did = self
            .store
            .account()?
            .is_none_or(|account| account.head.did == self.config.identity.did);
        let marker = match setup.marker {
            // Another database has, or had, a repository for this DID.
            MarkerState::Other | MarkerState::Taken if same_did => MarkerState::Other,
            _ => MarkerState::Unknown,
        };
        self.store.transaction(|| self.store.empty(marker, left))?;
        self.ownership.state.set(State::Empty);
        self.ownership.is_marked.set(false);
        Ok(())
    }

    /// Returns a warning for each variable that differs from its value at the first start.
    pub(crate) fn setup_warnings(&self) -> Result<Vec<String>, SqlError> {
        let Some(setup) = self.store.setup()? else { return Ok(Vec::new()) };
        let mut warnings = Vec::new();
        if self.host.owner_marker.is_some() && setup.marker == MarkerState::Other {
            warnings.push(OTHER_MARKER.to_owned());
        }
        let Some(then) = &setup.values else { return Ok(warnings) };
        let now = self.setup_values(&setup.salt);
        for (name, now, then) in
            [("HANDLE", &now.handle, &then.handle), ("PDS_HOSTNAME", &now.hostname, &then.hostname)]
        {
            if now != then {
                warnings.push(format!(
                    "{name} is \"{now}\", but this account was set up with \"{then}\""
                ));
            }
        }
        if now.key_fingerprint != then.key_fingerprint {
            warnings
                .push("SIGNING_KEY is not the key that this account was set up with".to_owned());
        }
        Ok(warnings)
    }

    /// Creates the account if the database is empty, and makes this database its owner.
    fn begin(&self) -> Result<(), OwnershipError> {
        let setup = self.setup()?;
        if self.store.account()?.is_none() {
            let was_disowned = setup.marker == MarkerState::Other;
            self.first_start(self.config.initial_active && !was_disowned)?;
        }
        self.remember_setup()?;
        let marker = match setup.marker {
            MarkerState::Other | MarkerState::Taken => MarkerState::Taken,
            MarkerState::Unknown | MarkerState::Own => MarkerState::Own,
        };
        if self.host.owner_marker.is_some() && setup.marker != marker {
            self.store.set_marker(marker)?;
        }
        self.ownership.is_marked.set(true);
        if self.ownership.state.replace(State::Owner) != State::Owner {
            self.wake_at_start()?;
        }
        Ok(())
    }

    /// Records that another owner was seen.
    fn note_other_owner(&self) -> Result<(), SqlError> {
        if self.setup()?.marker == MarkerState::Other {
            return Ok(());
        }
        self.store.set_marker(MarkerState::Other)
    }

    /// Returns the setup row, creating it if needed.
    fn setup(&self) -> Result<Setup, SqlError> {
        if let Some(setup) = self.store.setup()? {
            return Ok(setup);
        }
        let (mut id, mut salt) = ([0; 16], vec![0; 32]);
        self.host.rng.fill(&mut id);
        self.host.rng.fill(&mut salt);
        let owner_id = HEXLOWER.encode(&id);
        self.store.insert_setup(&owner_id, &salt)?;
        Ok(Setup { owner_id, marker: MarkerState::Unknown, salt, values: None })
    }

    /// Records the variables of the first start, once.
    fn remember_setup(&self) -> Result<Setup, SqlError> {
        let setup = self.setup()?;
        if setup.values.is_none() {
            self.store.set_setup_values(&self.setup_values(&setup.salt))?;
        }
        Ok(setup)
    }

    /// Returns the present values of the variables.
    fn setup_values(&self, salt: &[u8]) -> SetupValues {
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(salt)
            .expect("HMAC takes a key of any length");
        mac.update(self.config.signing_key.to_hex().as_bytes());
        SetupValues {
            handle: self.config.identity.handle.as_str().to_owned(),
            hostname: self.config.identity.hostname.clone(),
            key_fingerprint: mac.finalize().into_bytes().to_vec(),
        }
    }

    fn disowned(&self) -> OwnershipError {
        OwnershipError::Disowned(self.config.identity.did.as_str().to_owned())
    }
}

impl From<WriteError> for OwnershipError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Database(error) => Self::Database(error),
            other => Self::FirstCommit(other.to_string()),
        }
    }
}

impl From<OwnershipError> for Failure {
    fn from(error: OwnershipError) -> Self {
        match error {
            OwnershipError::Database(error) => error.into(),
            OwnershipError::FirstCommit(_) => Self::fault(error),
            OwnershipError::Disowned(_)
            | OwnershipError::Marker(_)
            | OwnershipError::OtherAccount => {
                XrpcError::new(503, "AccountNotOpened", error.to_string()).into()
            }
        }
    }
}

/// How long another owner is remembered before the marker is read again.
const ASK_PAUSE_S: i64 = 60;
const OTHER_BLOBS: &str = "the database is empty, but the bucket has blobs of the account: it \
    starts deactivated; import the repository before activating it";
const OTHER_MARKER: &str = "the bucket names another database as the account's owner; if this is \
    the right one, run POST /operator/claim";
