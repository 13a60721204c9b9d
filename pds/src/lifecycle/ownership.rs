//! Ownership: decides whether this database may act for the account.
//!
//! An empty database must never announce an empty repository for a DID that already has one: its
//! data may be lost, or may live in another object. If the host has a bucket, a marker in it names
//! the database that owns the account. The marker is only checked while the database is empty, so
//! an owner that loses the marker to a claim is not fenced. Blobs in a bucket without a marker also
//! indicate an earlier owner: the account then starts deactivated.
//!
//! # Tricky bits
//!
//! The first start waits for the bucket, and other requests arrive in the meantime. Each of them
//! runs the same idempotent steps and checks the state again after every await. The database
//! records that another owner was seen *before* it overwrites the marker, so a crash between the
//! two still leads to a deactivated account.

use alloc::rc::Rc;
use core::cell::Cell;

use futures_core::future::LocalBoxFuture;

use crate::account::{Account, OTHER_OWNER, SetupRecord};
use crate::context::Context;
use crate::host::{Host, MarkerError, SqlError};
use crate::relays::Relays;
use crate::repo::{Repository, WriteError};
use crate::scheduler::{Scheduler, Task, TaskError};
use crate::store::{LeftoverBlobs, MarkerState, Store};

/// Checks and claims ownership, and creates the account in an empty database.
pub(crate) struct Ownership {
    account: Rc<Account>,
    setup: Rc<SetupRecord>,
    repo: Rc<Repository>,
    relays: Rc<Relays>,
    store: Store,
    host: Rc<Host>,
    scheduler: Rc<Scheduler>,
    /// Whether a new account starts active.
    initial_active: bool,
    progress: Progress,
}

/// The progress of the check.
#[derive(Debug, Default)]
struct Progress {
    state: Cell<State>,
    /// Whether the marker has been written or read.
    is_marked: Cell<bool>,
}

/// The owner of the account, as far as it is known.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum State {
    /// The database is empty and the marker has not been checked.
    #[default]
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
        "this database is empty, but the bucket names another database as the owner of {0}; \
         restore that database here, or take over with POST /operator/claim"
    )]
    Disowned(String),
    /// The first commit could not be created.
    #[error("cannot create the first commit: {0}")]
    FirstCommit(String),
    /// The marker could not be read or written.
    #[error("cannot check in the bucket which database owns the account; try again later")]
    Marker(#[from] MarkerError),
    /// The database holds the account of another DID.
    #[error("this database belongs to another DID; send POST /operator/reset to start over")]
    OtherAccount,
}

impl Ownership {
    pub(crate) fn new(
        context: &Context,
        setup: Rc<SetupRecord>,
        repo: Rc<Repository>,
        relays: Rc<Relays>,
    ) -> Self {
        Self {
            account: Rc::clone(&context.account),
            setup,
            repo,
            relays,
            store: context.store.clone(),
            host: Rc::clone(&context.host),
            scheduler: Rc::clone(&context.scheduler),
            initial_active: context.config.initial_active,
            progress: Progress::default(),
        }
    }

    /// Checks a database that holds the account or is empty. Creates the account in an empty one if
    /// the host has no owner marker.
    pub(crate) fn check_database(&self) -> Result<(), OwnershipError> {
        if self.store.account()?.is_some() {
            self.progress.state.set(State::Owner);
            let setup = self.setup.remember_values()?;
            self.progress.is_marked.set(setup.marker != MarkerState::Unknown);
            if self.is_marker_due() {
                self.scheduler.reschedule();
            }
            return Ok(self.relays.schedule_first()?);
        }
        match self.host.owner_marker {
            Some(_) => Ok(()),
            None => self.begin(),
        }
    }

    /// Refuses every request except a reset.
    pub(crate) fn refuse_all_but_reset(&self) {
        self.progress.state.set(State::OtherAccount);
    }

    /// Checks that this database may act for the account, and creates the account in an empty one.
    ///
    /// Idempotent, and safe to run concurrently.
    pub(crate) async fn settle(&self) -> Result<(), OwnershipError> {
        let now_s = self.host.clock.now_s();
        match self.progress.state.get() {
            State::Owner => return Ok(()),
            State::OtherAccount => return Err(OwnershipError::OtherAccount),
            // Anyone can send requests, so not each of them may cost a request to the bucket.
            State::Disowned(at_s) if (at_s..at_s + ASK_PAUSE_S).contains(&now_s) => {
                return Err(self.disowned());
            }
            State::Disowned(_) | State::Empty => {}
        }
        let Some(marker) = self.host.owner_marker.clone() else { return self.begin() };
        let setup = self.setup.get()?;
        let claimed = marker.claim_if_absent(&setup.owner_id).await;
        // Clients do not see why the bucket failed.
        let other = claimed.inspect_err(|error| self.host.log.fault("marker.failed", error))?;
        if self.progress.state.get() == State::Owner {
            return Ok(());
        }
        if other.is_some() {
            self.note_other_owner()?;
            self.progress.state.set(State::Disowned(now_s));
            return Err(self.disowned());
        }
        // An earlier owner without a marker may have left nothing but blobs.
        let listed = self.host.blobs.list(None).await.map_err(|error| MarkerError(error.0));
        let blobs = listed.inspect_err(|error| self.host.log.fault("blobs.failed", error))?;
        if self.progress.state.get() == State::Owner {
            return Ok(());
        }
        if !blobs.is_empty() && self.store.account()?.is_none() {
            self.host.log.warn("account.found_blobs", OTHER_BLOBS);
            self.note_other_owner()?;
        }
        self.begin()
    }

    /// Makes this database the owner. An empty one starts with a deactivated account.
    pub(crate) async fn claim(&self) -> Result<(), OwnershipError> {
        if self.progress.state.get() == State::OtherAccount {
            return Err(OwnershipError::OtherAccount);
        }
        if self.store.account()?.is_none() {
            self.note_other_owner()?;
        }
        let setup = self.setup.get()?;
        if let Some(marker) = self.host.owner_marker.clone() {
            let written = marker.overwrite(&setup.owner_id).await;
            written.inspect_err(|error| self.host.log.fault("marker.failed", error))?;
        }
        self.begin()
    }

    /// Writes the marker for an account that was started without one, unless one exists by now.
    async fn put_marker_once(&self) -> Result<(), OwnershipError> {
        let Some(marker) = self.host.owner_marker.clone().filter(|_| self.is_marker_due()) else {
            return Ok(());
        };
        let other = marker.claim_if_absent(&self.setup.get()?.owner_id).await?;
        if !self.is_marker_due() {
            return Ok(());
        }
        if other.is_some() {
            self.host.log.warn("account.other_owner", OTHER_OWNER);
        }
        let state = if other.is_some() { MarkerState::Other } else { MarkerState::Own };
        self.store.set_marker(state)?;
        self.progress.is_marked.set(true);
        Ok(())
    }

    /// Returns whether the alarm still has to write the marker.
    fn is_marker_due(&self) -> bool {
        self.host.owner_marker.is_some()
            && self.progress.state.get() == State::Owner
            && !self.progress.is_marked.get()
    }

    /// Deletes the account. The caller must have checked that it was never active.
    pub(crate) fn empty_database(&self, leftover: LeftoverBlobs) -> Result<(), SqlError> {
        let setup = self.setup.get()?;
        let same_did =
            self.store.account()?.is_none_or(|account| account.head.did == *self.account.did());
        let marker = match setup.marker {
            // Another database has, or had, a repository for this DID.
            MarkerState::Other | MarkerState::Taken if same_did => MarkerState::Other,
            _ => MarkerState::Unknown,
        };
        self.store.transaction(|| self.store.empty(marker, leftover))?;
        self.progress.state.set(State::Empty);
        self.progress.is_marked.set(false);
        Ok(())
    }

    /// Creates the account if the database is empty, and makes this database its owner.
    fn begin(&self) -> Result<(), OwnershipError> {
        let setup = self.setup.get()?;
        if self.store.account()?.is_none() {
            let was_disowned = setup.marker == MarkerState::Other;
            self.repo.first_commit(self.initial_active && !was_disowned)?;
        }
        self.setup.remember_values()?;
        let marker = match setup.marker {
            MarkerState::Other | MarkerState::Taken => MarkerState::Taken,
            MarkerState::Unknown | MarkerState::Own => MarkerState::Own,
        };
        if self.host.owner_marker.is_some() && setup.marker != marker {
            self.store.set_marker(marker)?;
        }
        self.progress.is_marked.set(true);
        if self.progress.state.replace(State::Owner) != State::Owner {
            self.relays.schedule_first()?;
        }
        Ok(())
    }

    /// Records that another owner was seen.
    fn note_other_owner(&self) -> Result<(), SqlError> {
        if self.setup.get()?.marker == MarkerState::Other {
            return Ok(());
        }
        self.store.set_marker(MarkerState::Other)
    }

    fn disowned(&self) -> OwnershipError {
        OwnershipError::Disowned(self.account.did().as_str().to_owned())
    }
}

impl Task for Ownership {
    fn due_s(&self) -> Result<Option<i64>, SqlError> {
        Ok(self.is_marker_due().then_some(0))
    }

    fn run(&self) -> LocalBoxFuture<'_, Result<(), TaskError>> {
        Box::pin(async { Ok(self.put_marker_once().await?) })
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

/// The time for which another owner is remembered before the marker is read again.
const ASK_PAUSE_S: i64 = 60;
const OTHER_BLOBS: &str = "this database is empty, but the bucket has blobs, so the account starts \
    deactivated; import its repository before you activate it";
