//! Long computations, which must not delay other requests.

use alloc::sync::Arc;
use core::task::Poll;
use std::sync::OnceLock;

use futures_core::future::LocalBoxFuture;

/// Runs computations that take longer than a turn may.
pub trait Compute {
    /// Calls `job` until it is done. The future is ready once it is.
    ///
    /// Other requests are served in the meantime: the host runs jobs on other threads, or ends the
    /// turn after each call. A host of the second kind runs one job at a time, in the order of
    /// arrival. The queue has no limit of its own, so a caller limits the rate of its jobs.
    ///
    /// # Panics
    ///
    /// The future panics if the job does.
    fn run(&self, job: Job) -> LocalBoxFuture<'static, ()>;
}

/// A computation in slices. Each call runs the next one, which takes 2 to 4 ms on Workers, and
/// returns whether it was the last.
pub type Job = Box<dyn FnMut() -> Poll<()> + Send>;

impl dyn Compute {
    /// Calls `step` as a [`Job`], and returns its result.
    pub(crate) async fn result_of<T: Copy + Send + Sync + 'static>(
        &self,
        mut step: impl FnMut() -> Poll<T> + Send + 'static,
    ) -> T {
        let result = Arc::new(OnceLock::new());
        let written = Arc::clone(&result);
        self.run(Box::new(move || {
            step().map(|value| {
                let _ = written.set(value);
            })
        }))
        .await;
        *result.get().expect("a host calls a job until it is done")
    }
}
