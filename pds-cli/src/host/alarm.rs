//! The alarm that starts scheduled work.

use alloc::rc::Rc;
use core::future::pending;
use core::time::Duration;
use std::time::{SystemTime, UNIX_EPOCH};

use nacre_pds::Pds;
use nacre_pds::host::{Alarm, SqlError};
use tokio::select;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// An alarm in memory. It need not survive a restart, because starting the server runs due work.
#[derive(Debug, Default)]
pub(crate) struct ProcessAlarm(watch::Sender<Option<i64>>);

impl ProcessAlarm {
    /// Runs due work at the start and whenever the alarm goes off, until the future is dropped.
    ///
    /// After a panic, logs it and retries a minute later.
    pub(crate) async fn serve(self: Rc<Self>, pds: Rc<Pds>) {
        let mut changes = self.0.subscribe();
        let mut panics = 0_usize;
        loop {
            // A separate task contains a panic. The set aborts it together with this one.
            let mut work = JoinSet::new();
            let account = Rc::clone(&pds);
            work.spawn_local(async move { account.run_due_work_after(panics).await });
            match work.join_next().await {
                Some(Err(error)) if error.is_panic() => {
                    panics = panics.saturating_add(1);
                    tracing::error!(
                        event = "task.panicked",
                        "scheduled work panicked; retrying in {RETRY_S} s"
                    );
                    self.retry();
                }
                _ => panics = 0,
            }
            loop {
                let time_s = *changes.borrow_and_update();
                select! {
                    () = until(time_s) => break,
                    _ = changes.changed() => {}
                }
            }
            self.0.send_replace(None);
        }
    }

    /// Sets the alarm for a retry unless it is already set for an earlier time.
    fn retry(&self) {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let retry_s = i64::try_from(since.as_secs()).unwrap_or(i64::MAX).saturating_add(RETRY_S);
        self.0.send_modify(|set| *set = Some(set.map_or(retry_s, |set_s| set_s.min(retry_s))));
    }
}

impl Alarm for ProcessAlarm {
    fn set(&self, time_s: i64) -> Result<(), SqlError> {
        self.0.send_replace(Some(time_s));
        Ok(())
    }
}

async fn until(time_s: Option<i64>) {
    let Some(time_s) = time_s else { return pending().await };
    let time = UNIX_EPOCH + Duration::from_secs(time_s.try_into().unwrap_or(0));
    sleep(time.duration_since(SystemTime::now()).unwrap_or_default()).await;
}

/// The delay before a retry after a panic.
const RETRY_S: i64 = 60;

#[cfg(test)]
mod tests {
    use core::cell::Cell;

    use nacre_pds::config::{Config, new_account};
    use nacre_pds::host::{Clock, Host, Level, RustEs256};
    use nacre_pds::sqlite::Sqlite;
    use tokio::task::LocalSet;

    use super::super::blob_folder::BlobFolder;
    use super::super::compute::BlockingThreads;
    use super::super::http_client::HttpClient;
    use super::super::system::SystemRng;
    use super::*;
    use crate::logging::ProcessLog;

    /// A clock that panics a given number of times and counts its reads.
    #[derive(Default)]
    struct FragileClock {
        panics: Cell<u32>,
        reads: Cell<u32>,
    }

    impl Clock for FragileClock {
        fn now_micros(&self) -> u64 {
            self.reads.set(self.reads.get() + 1);
            if let Some(left) = self.panics.get().checked_sub(1) {
                self.panics.set(left);
                panic!("the clock is broken");
            }
            1_800_000_000_000_000
        }
    }

    #[tokio::test(start_paused = true)]
    async fn panic_in_scheduled_work_does_not_end_the_alarm() {
        let vars = new_account("pds.test", "alice.test", "password", &SystemRng).unwrap();
        let var = |name: &str| vars.iter().find(|var| var.0 == name).map(|var| var.1.clone());
        let (clock, alarm) = (Rc::<FragileClock>::default(), Rc::<ProcessAlarm>::default());
        let host = Host {
            sql: Rc::new(Sqlite::in_memory().unwrap()),
            sockets: Rc::<super::super::sockets::Subscribers>::default(),
            clock: Rc::<FragileClock>::clone(&clock),
            rng: Rc::new(SystemRng),
            es256: Rc::new(RustEs256),
            compute: Rc::new(BlockingThreads::default()),
            log: Rc::new(ProcessLog { level: Level::Error }),
            blobs: Rc::new(BlobFolder::new("blobs".into())),
            alarm: Rc::<ProcessAlarm>::clone(&alarm),
            owner_marker: None,
            http: Rc::new(HttpClient::default()),
        };
        let pds = Rc::new(Pds::open(host, Config::from_vars(var).unwrap()).unwrap());
        clock.panics.set(3);
        LocalSet::new()
            .run_until(async {
                let serving = tokio::task::spawn_local(Rc::clone(&alarm).serve(pds));
                // With the clock paused, timers fire as soon as all tasks wait.
                while clock.panics.get() > 0 {
                    sleep(Duration::from_secs(1)).await;
                }
                let reads = clock.reads.get();
                while clock.reads.get() == reads {
                    sleep(Duration::from_secs(1)).await;
                }
                assert!(!serving.is_finished());
                serving.abort();
            })
            .await;
    }
}
