//! The repository: the state that its operations share, and its clock.

use alloc::rc::Rc;

use nacre_syntax::{Tid, TidClock};

use super::lock::ReplacementLock;
use crate::account::Account;
use crate::blobs::Blobs;
use crate::context::Context;
use crate::events::EventStream;
use crate::host::{Host, SqlError};
use crate::metrics::Metrics;
use crate::scheduler::Scheduler;
use crate::store::Store;

/// The account's repository. Its operations are in the files beside this one.
pub(crate) struct Repository {
    pub(super) account: Rc<Account>,
    pub(super) events: Rc<EventStream>,
    pub(super) blobs: Rc<Blobs>,
    pub(super) store: Store,
    pub(super) host: Rc<Host>,
    pub(super) scheduler: Rc<Scheduler>,
    pub(super) metrics: Rc<Metrics>,
    /// Held while an import or a heal replaces the repository.
    pub(crate) lock: ReplacementLock,
}

impl Repository {
    pub(crate) fn new(context: &Context, events: Rc<EventStream>, blobs: Rc<Blobs>) -> Self {
        Self {
            account: Rc::clone(&context.account),
            events,
            blobs,
            store: context.store.clone(),
            host: Rc::clone(&context.host),
            scheduler: Rc::clone(&context.scheduler),
            metrics: Rc::clone(&context.metrics),
            lock: ReplacementLock::default(),
        }
    }

    /// Returns a clock for record keys. Each key exceeds all earlier revs and keys.
    pub(crate) fn record_keys(&self) -> Result<TidClock, SqlError> {
        Ok(TidClock::resuming_after(self.account.state()?.last_tid(), CLOCK_ID))
    }

    /// Returns a TID that exceeds `last`, even if the host's clock is behind.
    pub(crate) fn tid_after(&self, last: Option<Tid>) -> Tid {
        let mut clock = match last {
            Some(last) => TidClock::resuming_after(last, CLOCK_ID),
            None => TidClock::new(CLOCK_ID),
        };
        clock.next(self.host.clock.now_micros())
    }
}

/// The server is the only writer, so any clock id will do.
const CLOCK_ID: u16 = 0;
