//! What the server does by itself, when its alarm goes off.

use crate::Pds;
use crate::api::Failure;
use crate::blobs::GRACE_S;
use crate::host::SqlError;
use crate::relays::RelayAlarm;
use crate::sequencer::LogAlarm;

impl Pds {
    /// Does what is due: removes blobs that no record has referred to for a day, what an import has
    /// left that nobody has gone on with for as long, and events that are not kept any longer; goes
    /// on with replays of which the server has no memory; reminds relays of the account.
    ///
    /// A host calls this when its alarm goes off, and may do so at any other time.
    pub async fn tend(&self) {
        self.forget_alarm();
        let done = [
            self.drop_old_staging().map_err(Failure::from),
            self.prune_log().await.map_err(Failure::from),
            self.remove_idle_blobs().await,
        ];
        for failure in done.into_iter().filter_map(Result::err) {
            // The next alarm tries again.
            self.failed(failure);
        }
        self.resume_replays().await;
        if let Err(error) = self.tend_relays().await {
            self.failed(error.into());
        }
        self.wake();
    }

    fn drop_old_staging(&self) -> Result<(), SqlError> {
        match self.store.staging_touched_s()? {
            Some(since_s) if !self.importing.get() && since_s + GRACE_S <= self.now_s() => {
                self.store.transaction(|| self.store.drop_staging())
            }
            _ => Ok(()),
        }
    }

    /// Sets the alarm for what will be due first, unless it goes off sooner anyway. Where that
    /// fails, a later one does it.
    pub(crate) fn wake(&self) {
        let first = || {
            let idle_s = self.store.first_idle()?;
            let import_s = self.store.staging_touched_s()?;
            let kept = idle_s.into_iter().chain(import_s).map(|since_s| since_s + GRACE_S);
            let replays_s = self.has_lost_replays().then_some(0);
            let events = self.log_due_s()?.into_iter().chain(replays_s).chain(self.relays_due_s()?);
            let due_s = kept.chain(events).min();
            let Some(due_s) = due_s else { return Ok(()) };
            let now_s = self.now_s();
            let time_s = due_s.max(now_s.saturating_add(MIN_PAUSE_S));
            // Else whatever is often looked at would put off for ever what is due.
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

    /// Takes the alarm for not set, so that the next event sets it.
    fn forget_alarm(&self) {
        self.alarm_s.set(None);
        self.log_alarm.set(LogAlarm::Unknown);
        self.relay_alarm.set(RelayAlarm::Unknown);
    }
}

/// The least time between two alarms.
const MIN_PAUSE_S: i64 = 60;
