//! Whether this database may act for the account.
//!
//! A database that has been lost, or that another object of the same account looks for in another
//! place, is an empty one, and an empty database must never announce an empty repository for a DID
//! that has one. Where there is a bucket, it holds a marker that names the database that owns the
//! account. The marker is read only when the database is empty: an owner that loses it to another
//! one is not fenced.
//!
//! # Tricky bits
//!
//! The first start waits for the bucket, and other requests may come meanwhile. Each of them settles
//! the matter for itself: what is written, here and in the bucket, is the same however often, and
//! after each wait what it was waiting for is looked at anew. The database remembers that it has
//! seen the marker of another one *before* it overwrites that, so that after a crash between the two
//! it still starts deactivated.

use core::cell::Cell;

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use nacre_xrpc::XrpcError;
use sha2::Sha256;

use crate::Pds;
use crate::api::Failure;
use crate::host::{MarkerError, SqlError};
use crate::repo::WriteError;
use crate::store::{MarkerState, Setup, SetupValues};

/// How the account stands with its database.
#[derive(Debug)]
pub(crate) struct Ownership {
    standing: Cell<Standing>,
    /// Whether the bucket has been asked.
    is_marked: Cell<bool>,
}

/// What the server may do with the database.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Standing {
    /// The database is empty, and the bucket is to be asked.
    Empty,
    /// The database is empty, and at this time, in seconds, the bucket named another owner.
    Disowned(i64),
    /// It holds the account of another DID, and can only be reset.
    OtherAccount,
    /// It holds the account.
    Owner,
}

/// Why the server does not act for the account.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum OwnershipError {
    /// The database failed.
    #[error(transparent)]
    Database(#[from] SqlError),
    /// The bucket names another database.
    #[error(
        "this database is empty, but the bucket says that another one holds the account {0}; move or \
         restore that database to here, or take over with POST /operator/claim"
    )]
    Disowned(String),
    /// The first commit could not be made.
    #[error("the first commit could not be made: {0}")]
    FirstCommit(String),
    /// The bucket failed.
    #[error("the bucket cannot be asked which database holds the account; try again later")]
    Marker(#[from] MarkerError),
    /// The database holds the account of another DID.
    #[error("the database belongs to another DID; POST /operator/reset starts over")]
    OtherAccount,
}

impl Ownership {
    /// Of a database that has not been looked at.
    pub(crate) fn unknown() -> Self {
        Self { standing: Cell::new(Standing::Empty), is_marked: Cell::new(false) }
    }
}

impl Pds {
    /// Finds out how things stand with a database that has the account or is empty, and makes the
    /// account in an empty one unless the bucket has to be asked.
    pub(crate) fn look_at_database(&self) -> Result<(), OwnershipError> {
        if self.store.account()?.is_some() {
            self.ownership.standing.set(Standing::Owner);
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

    /// Takes the database for that of another DID: only a reset is let in.
    pub(crate) fn refuse_all_but_reset(&self) {
        self.ownership.standing.set(Standing::OtherAccount);
    }

    /// Makes sure that this database may act for the account, and makes the account in an empty one
    /// that may.
    pub(crate) async fn settle(&self) -> Result<(), OwnershipError> {
        let now_s = self.now_s();
        match self.ownership.standing.get() {
            Standing::Owner => return Ok(()),
            Standing::OtherAccount => return Err(OwnershipError::OtherAccount),
            // Strangers' requests must not cost one to the bucket each.
            Standing::Disowned(at_s) if (at_s..at_s + ASK_PAUSE_S).contains(&now_s) => {
                return Err(self.disowned());
            }
            Standing::Disowned(_) | Standing::Empty => {}
        }
        let Some(marker) = self.host.owner_marker.clone() else { return self.begin() };
        let setup = self.setup()?;
        let asked = marker.claim_if_absent(&setup.owner_id).await;
        // Clients are not told what is the matter with the bucket.
        let other = asked.inspect_err(|error| self.host.log.error(&error.to_string()))?;
        if self.ownership.standing.get() == Standing::Owner {
            return Ok(());
        }
        if other.is_some() {
            self.note_other_owner()?;
            self.ownership.standing.set(Standing::Disowned(now_s));
            return Err(self.disowned());
        }
        self.begin()
    }

    /// Makes this database the account's owner, whoever was. An empty one starts deactivated.
    pub(crate) async fn claim(&self) -> Result<(), OwnershipError> {
        if self.ownership.standing.get() == Standing::OtherAccount {
            return Err(OwnershipError::OtherAccount);
        }
        if self.store.account()?.is_none() {
            self.note_other_owner()?;
        }
        let setup = self.setup()?;
        if let Some(marker) = self.host.owner_marker.clone() {
            marker.overwrite(&setup.owner_id).await?;
        }
        self.begin()
    }

    /// Puts the marker of a database that has the account, and no marker yet, into the bucket, if
    /// there is none.
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

    /// Tells whether the alarm has to see to the marker.
    pub(crate) fn is_marker_due(&self) -> bool {
        self.host.owner_marker.is_some()
            && self.ownership.standing.get() == Standing::Owner
            && !self.ownership.is_marked.get()
    }

    /// Empties the database of an account that was never active, whoever's it is.
    pub(crate) fn empty_database(&self) -> Result<(), SqlError> {
        let setup = self.setup()?;
        let same_did = self
            .store
            .account()?
            .is_none_or(|account| account.head.did == self.config.identity.did);
        let marker = match setup.marker {
            // Elsewhere there is, or was, more of this DID than here.
            MarkerState::Other | MarkerState::Taken if same_did => MarkerState::Other,
            _ => MarkerState::Unknown,
        };
        self.store.transaction(|| self.store.empty(marker))?;
        self.ownership.standing.set(Standing::Empty);
        self.ownership.is_marked.set(false);
        Ok(())
    }

    /// Returns what differs between the variables and what the account was set up with.
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

    /// Makes the account if there is none, and takes the database for its owner.
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
        if self.ownership.standing.replace(Standing::Owner) != Standing::Owner {
            self.wake_at_start()?;
        }
        Ok(())
    }

    /// Remembers that the bucket names another database.
    fn note_other_owner(&self) -> Result<(), SqlError> {
        if self.setup()?.marker == MarkerState::Other {
            return Ok(());
        }
        self.store.set_marker(MarkerState::Other)
    }

    /// Returns the setup, made if there is none.
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

    /// Remembers what the account is set up with, the first time.
    fn remember_setup(&self) -> Result<Setup, SqlError> {
        let setup = self.setup()?;
        if setup.values.is_none() {
            self.store.set_setup_values(&self.setup_values(&setup.salt))?;
        }
        Ok(setup)
    }

    /// Returns what the variables say now.
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

/// How long to believe what the bucket said of another owner.
const ASK_PAUSE_S: i64 = 60;
const OTHER_MARKER: &str = "the bucket names another database as the account's owner; if this is the \
    right one, run POST /operator/claim";
