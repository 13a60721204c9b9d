//! Long computations on their own threads.

use alloc::rc::Rc;
use core::future::pending;
use core::task::Poll;
use std::panic::resume_unwind;

use futures_core::future::LocalBoxFuture;
use nacre_pds::host::{Compute, Job};
use tokio::sync::Semaphore;
use tokio::task::{spawn_blocking, yield_now};

/// The runtime's threads for blocking work. Jobs beyond [`MAX_JOBS`] wait for their turn, so that
/// they do not take all processors from the account.
pub(crate) struct BlockingThreads(Rc<Semaphore>);

impl Default for BlockingThreads {
    fn default() -> Self {
        Self(Rc::new(Semaphore::new(MAX_JOBS)))
    }
}

impl Compute for BlockingThreads {
    fn run(&self, mut job: Job) -> LocalBoxFuture<'static, ()> {
        let jobs = Rc::clone(&self.0);
        Box::pin(async move {
            let _running = jobs.acquire().await;
            let ran = spawn_blocking(move || while job() == Poll::Pending {}).await;
            match ran.map_err(|error| error.try_into_panic()) {
                Ok(()) => {}
                Err(Ok(panic)) => resume_unwind(panic),
                // The runtime is shutting down, and drops this future too.
                Err(Err(_)) => pending().await,
            }
        })
    }

    fn next_turn(&self) -> LocalBoxFuture<'static, ()> {
        Box::pin(yield_now())
    }
}

/// The most jobs at a time.
const MAX_JOBS: usize = 2;

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn other_tasks_run_during_a_job() {
        let (started, has_started) = oneshot::channel();
        let (stop, stopped) = mpsc::channel();
        let mut started = Some(started);
        let job = Box::new(move || {
            if let Some(started) = started.take() {
                started.send(()).unwrap();
                return Poll::Pending;
            }
            // Blocks its thread until the test, on the thread of the reactor, ends it.
            stopped.recv().unwrap();
            Poll::Ready(())
        });
        let other = async {
            has_started.await.unwrap();
            stop.send(()).unwrap();
        };
        tokio::join!(BlockingThreads::default().run(job), other);
    }

    #[tokio::test]
    #[should_panic(expected = "a fault in a job")]
    async fn panic_in_a_job_is_passed_on() {
        BlockingThreads::default().run(Box::new(|| panic!("a fault in a job"))).await;
    }
}
