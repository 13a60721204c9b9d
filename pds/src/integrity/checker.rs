//! `Integrity`: the part of the server that checks and repairs.

use alloc::rc::Rc;

use crate::account::{Account, SetupRecord};
use crate::blobs::Blobs;
use crate::context::Context;
use crate::host::{Host, SqlError};
use crate::repo::Repository;
use crate::scheduler::Scheduler;
use crate::store::Store;

/// Checks the repository, its indexes and counters, and the blobs, and repairs what it can.
pub(crate) struct Integrity {
    pub(super) account: Rc<Account>,
    pub(super) setup: Rc<SetupRecord>,
    pub(super) repo: Rc<Repository>,
    pub(super) blobs: Rc<Blobs>,
    pub(super) store: Store,
    pub(super) host: Rc<Host>,
    pub(super) scheduler: Rc<Scheduler>,
}

impl Integrity {
    pub(crate) fn new(
        context: &Context,
        setup: Rc<SetupRecord>,
        repo: Rc<Repository>,
        blobs: Rc<Blobs>,
    ) -> Self {
        Self {
            account: Rc::clone(&context.account),
            setup,
            repo,
            blobs,
            store: context.store.clone(),
            host: Rc::clone(&context.host),
            scheduler: Rc::clone(&context.scheduler),
        }
    }

    /// Returns whether stored bytes that no record names are kept. They are kept while their
    /// records may still arrive: if the account was never active here, or an import is staged.
    pub(super) fn keeps_orphans(&self) -> Result<bool, SqlError> {
        let was_active = self.account.state()?.was_active();
        Ok(!was_active || self.store.staging_touched_s()?.is_some())
    }
}
