//! The time at which the server wants to be called.

use alloc::rc::Rc;
use core::future::pending;
use core::time::Duration;
use std::time::{SystemTime, UNIX_EPOCH};

use nacre_pds::Pds;
use nacre_pds::host::{Alarm, SqlError};
use tokio::select;
use tokio::sync::watch;
use tokio::time::sleep;

/// An alarm that goes off in this process. It is not kept: who starts finds out what is due.
#[derive(Debug, Default)]
pub(crate) struct ProcessAlarm(watch::Sender<Option<i64>>);

impl ProcessAlarm {
    /// Calls the server at its start and whenever the alarm goes off, for ever.
    pub(crate) async fn serve(self: Rc<Self>, pds: Rc<Pds>) {
        let mut changes = self.0.subscribe();
        loop {
            pds.tend().await;
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
