//! The output gate: no output reveals a commit that is not on disk yet.
//!
//! A commit does not wait for the disk. Its visible effects do: every response, every frame to a
//! subscriber and every removal of a file takes the [`OutputGate::position`] and waits until it is
//! synced. One sync, on its own thread, releases everything that was waiting when it started, so
//! concurrent writes share a sync and none of them blocks the executor. Durable Objects have the
//! same gate.

use alloc::sync::Arc;
use core::cell::Cell;
use std::io;

use nacre_pds::sqlite::WriteAheadLog;
use tokio::sync::Notify;
use tokio::task::spawn_blocking;

/// The log that commits are written to.
pub(crate) trait CommitLog: Send + Sync {
    /// Returns the number of commits in the log.
    fn commits(&self) -> u64;

    /// Blocks until all commits in the log are on disk.
    fn sync(&self) -> io::Result<()>;
}

/// Holds back output until the commits before it are on disk. The default never waits.
#[derive(Default)]
pub(crate) struct OutputGate {
    log: Option<Arc<dyn CommitLog>>,
    /// The number of commits known to be on disk.
    synced: Cell<u64>,
    /// Wakes the sync loop when output waits for a commit that is not on disk.
    sync_requested: Notify,
    /// Wakes waiting output when more commits are on disk.
    sync_completed: Notify,
}

/// A position in the commit log: the number of commits before it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct LogPosition(u64);

impl OutputGate {
    pub(crate) fn new(log: Arc<dyn CommitLog>) -> Self {
        Self { log: Some(log), ..Self::default() }
    }

    /// Returns the position after all commits made so far.
    pub(crate) fn position(&self) -> LogPosition {
        LogPosition(self.log.as_ref().map_or(0, |log| log.commits()))
    }

    /// Waits until all commits before a position are on disk. Returns whether it had to wait.
    pub(crate) async fn wait_until_synced(&self, position: LogPosition) -> bool {
        let mut has_waited = false;
        loop {
            let completed = self.sync_completed.notified();
            if self.synced.get() >= position.0 {
                return has_waited;
            }
            has_waited = true;
            self.sync_requested.notify_one();
            completed.await;
        }
    }

    /// Syncs the log whenever output waits for it. Returns only if a sync fails; the gate then
    /// stays closed.
    pub(crate) async fn run(&self) -> io::Error {
        loop {
            let LogPosition(commits) = self.position();
            match &self.log {
                Some(log) if commits > self.synced.get() => {
                    let log = Arc::clone(log);
                    match spawn_blocking(move || log.sync()).await {
                        Ok(Ok(())) => {}
                        Ok(Err(error)) => return error,
                        Err(error) => return error.into(),
                    }
                    self.synced.set(commits);
                    self.sync_completed.notify_waiters();
                }
                _ => self.sync_requested.notified().await,
            }
        }
    }
}

impl CommitLog for WriteAheadLog {
    fn commits(&self) -> u64 {
        self.commits()
    }

    fn sync(&self) -> io::Result<()> {
        self.sync()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use core::sync::atomic::{AtomicU64, Ordering};
    use std::sync::Mutex;
    use std::sync::mpsc::{self, Receiver, Sender};

    use alloc::rc::Rc;
    use tokio::task::{LocalSet, spawn_local, yield_now};

    use super::*;

    /// A log whose syncs complete when the test says so.
    pub(crate) struct TestLog {
        pub(crate) commits: AtomicU64,
        pub(crate) syncs: AtomicU64,
        disk: Mutex<Receiver<io::Result<()>>>,
    }

    impl TestLog {
        pub(crate) fn new() -> (Arc<Self>, Sender<io::Result<()>>) {
            let (sender, receiver) = mpsc::channel();
            let disk = Mutex::new(receiver);
            let log = Self { commits: AtomicU64::new(0), syncs: AtomicU64::new(0), disk };
            (Arc::new(log), sender)
        }
    }

    impl CommitLog for TestLog {
        fn commits(&self) -> u64 {
            self.commits.load(Ordering::SeqCst)
        }

        fn sync(&self) -> io::Result<()> {
            self.syncs.fetch_add(1, Ordering::SeqCst);
            self.disk.lock().unwrap().recv().unwrap()
        }
    }

    /// Runs a test while the gate runs.
    pub(crate) async fn while_running(gate: &Rc<OutputGate>, test: impl Future<Output = ()>) {
        let tasks = LocalSet::new();
        let gate = Rc::clone(gate);
        tasks.spawn_local(async move { gate.run().await });
        tasks.run_until(test).await;
    }

    /// Runs all tasks until they wait for the disk.
    pub(crate) async fn settle() {
        for _ in 0..100 {
            yield_now().await;
        }
    }

    #[tokio::test]
    async fn one_sync_releases_all_output_that_waited_when_it_started() {
        let (log, disk) = TestLog::new();
        let gate = Rc::new(OutputGate::new(Arc::<TestLog>::clone(&log)));
        let written = |commits| {
            log.commits.store(commits, Ordering::SeqCst);
            let (gate, position) = (Rc::clone(&gate), gate.position());
            spawn_local(async move { gate.wait_until_synced(position).await })
        };
        let body = async {
            gate.wait_until_synced(gate.position()).await;
            let first = written(1);
            while log.syncs.load(Ordering::SeqCst) == 0 {
                yield_now().await;
            }
            let late: Vec<_> = (2..50).map(written).collect();
            settle().await;
            assert!(!first.is_finished(), "released before the sync completed");
            disk.send(Ok(())).unwrap();
            first.await.unwrap();
            settle().await;
            assert!(late.iter().all(|late| !late.is_finished()), "released by an earlier sync");
            disk.send(Ok(())).unwrap();
            for late in late {
                late.await.unwrap();
            }
            assert_eq!(log.syncs.load(Ordering::SeqCst), 2);
            gate.wait_until_synced(gate.position()).await;
        };
        while_running(&gate, body).await;
    }

    #[tokio::test]
    async fn failed_sync_leaves_the_gate_closed() {
        let (log, disk) = TestLog::new();
        let gate = Rc::new(OutputGate::new(Arc::<TestLog>::clone(&log)));
        log.commits.store(1, Ordering::SeqCst);
        let (waiting, position) = (Rc::clone(&gate), gate.position());
        let body = async {
            let passed = spawn_local(async move { waiting.wait_until_synced(position).await });
            disk.send(Err(io::ErrorKind::StorageFull.into())).unwrap();
            assert_eq!(gate.run().await.kind(), io::ErrorKind::StorageFull);
            settle().await;
            assert!(!passed.is_finished());
        };
        LocalSet::new().run_until(body).await;
    }

    #[tokio::test]
    async fn default_gate_does_not_wait() {
        let gate = OutputGate::default();
        gate.wait_until_synced(gate.position()).await;
    }
}
