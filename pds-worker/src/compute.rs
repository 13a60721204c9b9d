//! Long computations on the object's one thread.

use alloc::rc::Rc;
use core::time::Duration;

use futures_core::future::LocalBoxFuture;
use nacre_pds::host::{Compute, Job};
use tokio::sync::Mutex;
use worker::Delay;

/// Runs one job at a time, with a timer after each slice, which lets the runtime deliver other
/// events.
#[derive(Default)]
pub(crate) struct SlicedCompute {
    /// Held by the job that runs. Those that wait get it in the order of arrival.
    running: Rc<Mutex<()>>,
}

impl Compute for SlicedCompute {
    fn run(&self, mut job: Job) -> LocalBoxFuture<'static, ()> {
        let running = Rc::clone(&self.running);
        Box::pin(async move {
            let _running = running.lock().await;
            while job().is_pending() {
                Delay::from(Duration::ZERO).await;
            }
        })
    }
}
