//! The log of events: sequence numbers and retention.

use alloc::rc::Rc;
use core::cell::Cell;

use futures_core::future::LocalBoxFuture;

use crate::account::Account;
use crate::context::Context;
use crate::host::{Clock, Compute, SqlError};
use crate::scheduler::{Task, TaskError, Urgency};
use crate::store::Store;

/// Numbers and logs events, and prunes them when they are too old or the log is too long.
pub(crate) struct EventLog {
    account: Rc<Account>,
    store: Store,
    clock: Rc<dyn Clock>,
    compute: Rc<dyn Compute>,
    max_age_s: i64,
    max_bytes: i64,
    /// The size of the log after the last event of this process, in bytes.
    last_bytes: Cell<i64>,
}

impl EventLog {
    pub(crate) fn new(context: &Context) -> Self {
        Self {
            account: Rc::clone(&context.account),
            store: context.store.clone(),
            clock: Rc::clone(&context.host.clock),
            compute: Rc::clone(&context.host.compute),
            max_age_s: i64::from(context.config.event_retention_hours) * 3_600,
            max_bytes: i64::from(context.config.event_retention_mib) * 1_048_576,
            last_bytes: Cell::new(0),
        }
    }

    /// Returns the `seq` of an event that follows the event `last`.
    ///
    /// It is the time in milliseconds, or the next free number. So an account whose database was
    /// lost or restored from a backup never reuses a number that subscribers know.
    pub(crate) fn seq_after(&self, last: i64) -> i64 {
        let now_ms = i64::try_from(self.clock.now_micros() / 1_000).unwrap_or_default();
        // Numbers stay exact in JavaScript even if the clock is wrong.
        now_ms.min(nacre_lexicon::MAX_INTEGER / 2).max(last + 1)
    }

    /// Logs events that follow the event `last`, in the caller's transaction. Each of `frames`
    /// encodes the frame of one event, given its `seq`. Returns the frames, which the caller sends
    /// after the transaction.
    pub(crate) fn append(
        &self,
        last: i64,
        frames: &[&dyn Fn(i64) -> Vec<u8>],
    ) -> Result<Vec<Vec<u8>>, SqlError> {
        let (mut seq, mut bytes, mut logged) = (last, 0, Vec::new());
        for frame in frames {
            seq = self.seq_after(seq);
            let frame = frame(seq);
            self.store.put_event(seq, &frame, self.clock.now_s())?;
            bytes += byte_count(&frame);
            logged.push(frame);
        }
        self.store.advance_log(seq, bytes)?;
        Ok(logged)
    }

    /// Records the size of the log after an event, which decides how urgent a prune is.
    pub(super) fn note_size(&self, bytes: i64) {
        self.last_bytes.set(bytes);
    }

    /// Prunes events that are too old, and the oldest events of a log that is too long.
    async fn prune(&self) -> Result<(), SqlError> {
        while self.store.transaction(|| self.prune_some())? {
            self.compute.next_turn().await;
        }
        Ok(())
    }

    /// Prunes one batch of events. Returns whether there may be more to prune.
    fn prune_some(&self) -> Result<bool, SqlError> {
        let before_s = self.clock.now_s().saturating_sub(self.max_age_s);
        let mut excess = self.account.state()?.event_bytes - self.max_bytes;
        let oldest = self.store.oldest_events(EVENTS_AT_ONCE)?;
        let due = oldest.iter().take_while(|event| {
            let is_due = event.made_s <= before_s || excess > 0;
            excess -= event.bytes;
            is_due
        });
        let (count, bytes) =
            due.fold((0, 0), |(count, bytes), event| (count + 1, bytes + event.bytes));
        match oldest.get(..count).and_then(<[_]>::last) {
            Some(last) => self.store.prune_events(last.seq, bytes)?,
            None => return Ok(false),
        }
        Ok(count == oldest.len())
    }
}

impl Task for EventLog {
    fn due_s(&self) -> Result<Option<i64>, SqlError> {
        let Some(oldest) = self.store.oldest_events(1)?.pop() else { return Ok(None) };
        let is_long = self.account.state()?.event_bytes > self.max_bytes;
        let too_old_s = oldest.made_s.saturating_add(self.max_age_s);
        Ok(Some(if is_long { 0 } else { too_old_s.saturating_add(PRUNE_DELAY_S) }))
    }

    fn run(&self) -> LocalBoxFuture<'_, Result<(), TaskError>> {
        Box::pin(async { Ok(self.prune().await?) })
    }

    fn urgency(&self) -> Urgency {
        let is_long = self.last_bytes.get() > self.max_bytes + self.max_bytes / 8;
        if is_long { Urgency::High } else { Urgency::Low }
    }
}

/// Returns the size of a frame as the log counts it.
pub(crate) fn byte_count(frame: &[u8]) -> i64 {
    i64::try_from(frame.len()).unwrap_or(i64::MAX)
}

/// The time for which events that are too old may stay, so that many are pruned at once.
const PRUNE_DELAY_S: i64 = 3_600;
/// The number of events that one turn prunes.
const EVENTS_AT_ONCE: i64 = 500;
