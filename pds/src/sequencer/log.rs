//! The log of events: their numbers, and how long it gets.

use crate::Pds;
use crate::host::SqlError;
use crate::turn::pause;

/// What the alarm is set for, as far as the log goes; what comes later is more urgent.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum LogAlarm {
    /// Nothing, or nothing that this process knows of.
    #[default]
    Unknown,
    /// The age of the oldest event.
    Age,
    /// The size of the log.
    Size,
}

impl Pds {
    /// Returns the number of an event that is made now, after one of the number `last`.
    ///
    /// It is the time in milliseconds, or the next one where that has been used: an account whose
    /// database is lost, or restored from a backup, uses no number again that subscribers know.
    pub(crate) fn seq_after(&self, last: i64) -> i64 {
        let now_ms = i64::try_from(self.host.clock.now_micros() / 1_000).unwrap_or_default();
        // Where a clock goes mad, numbers stay exact in JavaScript.
        now_ms.min(nacre_lexicon::MAX_INTEGER / 2).max(last + 1)
    }

    /// Logs events after one of the number `last`, each made for its own number, in the caller's
    /// transaction; returns them, to be announced once that is over.
    pub(crate) fn log_events(
        &self,
        last: i64,
        made: &[&dyn Fn(i64) -> Vec<u8>],
    ) -> Result<Vec<Vec<u8>>, SqlError> {
        let (mut seq, mut bytes, mut frames) = (last, 0, Vec::new());
        for make in made {
            seq = self.seq_after(seq);
            let frame = make(seq);
            self.store.put_event(seq, &frame, self.now_s())?;
            bytes += byte_count(&frame);
            frames.push(frame);
        }
        self.store.count_events(seq, bytes)?;
        Ok(frames)
    }

    /// Makes sure that the alarm is set for what events bring with them, after some have been made:
    /// it costs a row, so it is set once for many, unless `anyway` something else is due as well.
    pub(crate) fn wake_for_events(&self, event_bytes: i64, anyway: bool) {
        let relays = self.relay_alarm_needed();
        let log = if event_bytes > self.most_bytes() + self.most_bytes() / 8 {
            LogAlarm::Size
        } else {
            LogAlarm::Age
        };
        if anyway || log > self.log_alarm.get() || relays > self.relay_alarm.get() {
            self.log_alarm.set(log.max(self.log_alarm.get()));
            self.relay_alarm.set(relays.max(self.relay_alarm.get()));
            self.wake();
        }
    }

    /// Returns when events are to be removed, in seconds, if there are any.
    pub(crate) fn log_due_s(&self) -> Result<Option<i64>, SqlError> {
        let Some(oldest) = self.store.oldest_events(1)?.pop() else { return Ok(None) };
        let is_long = self.account()?.event_bytes > self.most_bytes();
        let too_old_s = oldest.made_s.saturating_add(self.most_age_s());
        Ok(Some(if is_long { 0 } else { too_old_s.saturating_add(GATHERED_S) }))
    }

    /// Removes events that are too old, and the oldest ones of a log that is too long.
    pub(crate) async fn prune_log(&self) -> Result<(), SqlError> {
        while self.store.transaction(|| self.prune_some())? {
            pause().await;
        }
        Ok(())
    }

    /// Removes some; returns whether there may be more to remove.
    fn prune_some(&self) -> Result<bool, SqlError> {
        let before_s = self.now_s().saturating_sub(self.most_age_s());
        let mut over = self.account()?.event_bytes - self.most_bytes();
        let oldest = self.store.oldest_events(EVENTS_AT_ONCE)?;
        let due = oldest.iter().take_while(|event| {
            let is_due = event.made_s <= before_s || over > 0;
            over -= event.bytes;
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

    fn most_age_s(&self) -> i64 {
        i64::from(self.config.event_retention_hours) * 3_600
    }

    fn most_bytes(&self) -> i64 {
        i64::from(self.config.event_retention_mib) * 1_048_576
    }
}

/// Returns how many bytes a frame has, as the log counts them.
pub(crate) fn byte_count(frame: &[u8]) -> i64 {
    i64::try_from(frame.len()).unwrap_or(i64::MAX)
}

/// How long events that are too old may stay, so that many are removed at once.
const GATHERED_S: i64 = 3_600;
/// How many events are removed in one turn.
const EVENTS_AT_ONCE: i64 = 500;
