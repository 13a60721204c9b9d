//! Scheduled work, which the alarm starts.

use crate::Pds;
use crate::api::Failure;
use crate::blobs::GRACE_S;
use crate::host::SqlError;
use crate::relays::RelayAlarm;
use crate::sequencer::LogAlarm;

impl Pds {
    /// Does the work that is due: removes blobs that have been idle for a day, prunes the event
    /// log, drops stale import staging, resumes replays that the server has no memory of, and asks
    /// relays to crawl.
    ///
    /// A host calls this when its alarm goes off, and may call it at any other time. A part of the
    /// work that fails is logged and retried at the next alarm; the others are done all the same.
    pub async fn tend(&self) {
        self.tend_after(0).await;
    }

    /// Does the work that is due, after `panics` attempts in a row that panicked.
    ///
    /// Each attempt starts with another part of the work, so that one that panics does not keep the
    /// others from being done.
    pub async fn tend_after(&self, panics: usize) {
        self.has_tended.set(true);
        self.forget_alarm();
        if let Err(error) = self.settle().await {
            self.host.log.error(&error.to_string());
            return;
        }
        for part in 0..PARTS {
            let done = match panics.wrapping_add(part) % PARTS {
                0 => self.drop_old_staging().map_err(Failure::from),
                1 => self.prune_log().await.map_err(Failure::from),
                2 => self.remove_idle_blobs().await,
                3 => self.retry_removals().await,
                4 => {
                    self.resume_replays().await;
                    Ok(())
                }
                5 => self.put_marker_once().await.map_err(Failure::from),
                _ => self.tend_relays().await.map_err(Failure::from),
            };
            if let Err(failure) = done {
                self.failed(failure);
            }
        }
        self.wake();
    }

    /// Drops the staging of interrupted heals, and of imports that have not been resumed for a day.
    fn drop_old_staging(&self) -> Result<(), SqlError> {
        if self.importing.get() {
            return Ok(());
        }
        self.drop_staged_heal()?;
        match self.store.staging_touched_s()? {
            Some(since_s) if since_s + GRACE_S <= self.now_s() => {
                self.store.transaction(|| self.store.drop_staging())
            }
            _ => Ok(()),
        }
    }

    /// Sets the alarm for the work that is due first, unless it goes off sooner anyway. If that
    /// fails, the next call tries again.
    pub(crate) fn wake(&self) {
        let first = || {
            let idle_s = self.store.first_idle()?;
            let import_s = self.store.staging_touched_s()?;
            // Idle blobs stay as long as an import is staged.
            let kept = import_s.or(idle_s).into_iter().map(|since_s| since_s + GRACE_S);
            let replays_s = self.has_lost_replays().then_some(0);
            let events = self.log_due_s()?.into_iter().chain(replays_s).chain(self.relays_due_s()?);
            let marker_s = self.is_marker_due().then_some(0);
            let due_s = kept.chain(self.removals_due_s()?).chain(events).chain(marker_s).min();
            let Some(due_s) = due_s else { return Ok(()) };
            let now_s = self.now_s();
            // An object that sleeps after each request would postpone overdue work for ever by a
            // longer pause.
            let pause_s = if self.has_tended.get() { MIN_PAUSE_S } else { FIRST_PAUSE_S };
            let time_s = due_s.max(now_s.saturating_add(pause_s));
            // Frequent requests must not postpone due work.
            let is_sooner = |set_s: &i64| (now_s..=time_s).contains(set_s);
            if self.alarm_s.get().as_ref().is_some_and(is_sooner) {
                return Ok(());
            }
            self.host.alarm.set(time_s)?;
            self.alarm_s.set(Some(time_s));
            Ok(())
        };
        if let Err(error) = first() {
            self.host.log.error(&SqlError::to_string(&error));
            self.forget_alarm();
        }
    }

    /// Treats the alarm as not set, so that the next event sets it.
    fn forget_alarm(&self) {
        self.alarm_s.set(None);
        self.log_alarm.set(LogAlarm::Unknown);
        self.relay_alarm.set(RelayAlarm::Unknown);
    }
}

/// The number of parts of the scheduled work.
const PARTS: usize = 7;
/// The shortest time between two alarms.
pub(crate) const MIN_PAUSE_S: i64 = 60;
/// The shortest time from the start of a process to its first alarm; less than the 10 seconds after
/// which an idle Durable Object sleeps.
const FIRST_PAUSE_S: i64 = 5;
