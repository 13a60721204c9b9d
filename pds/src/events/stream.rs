//! Delivery of events from transactions to subscribers.

use alloc::rc::Rc;

use super::log::EventLog;
use super::subscribers::Subscribers;
use crate::account::Account;
use crate::context::Context;
use crate::host::SqlError;
use crate::scheduler::Scheduler;
use crate::store::Store;

/// Logs events and sends them to subscribers.
pub(crate) struct EventStream {
    pub(crate) log: Rc<EventLog>,
    pub(crate) subscribers: Rc<Subscribers>,
    account: Rc<Account>,
    store: Store,
    scheduler: Rc<Scheduler>,
}

impl EventStream {
    pub(crate) fn new(context: &Context, log: Rc<EventLog>, subscribers: Rc<Subscribers>) -> Self {
        Self {
            log,
            subscribers,
            account: Rc::clone(&context.account),
            store: context.store.clone(),
            scheduler: Rc::clone(&context.scheduler),
        }
    }

    /// Runs `change` in one transaction, then sends the frames that it logged and returned.
    pub(crate) fn publish(
        &self,
        change: impl FnOnce() -> Result<Vec<Vec<u8>>, SqlError>,
    ) -> Result<(), SqlError> {
        let (frames, log_bytes) = self.store.transaction(|| {
            let frames = change()?;
            Ok::<_, SqlError>((frames, self.account.state()?.event_bytes))
        })?;
        frames.iter().for_each(|frame| self.subscribers.send(frame));
        self.log.note_size(log_bytes);
        // The change may have made other work due.
        self.scheduler.events_logged(true);
        Ok(())
    }

    /// Sends the frame of a commit, after its transaction. `log_bytes` is the size of the log then,
    /// and `made_work_due` states whether the commit made other work due.
    pub(crate) fn send_commit(&self, frame: &[u8], log_bytes: i64, made_work_due: bool) {
        self.subscribers.send(frame);
        self.log.note_size(log_bytes);
        self.scheduler.events_logged(made_work_due);
    }
}
