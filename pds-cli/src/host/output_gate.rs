//! The output gate: nothing leaves the process that says more than the disk holds.
//!
//! A commit does not wait for the disk. What would tell of it does: every answer, every frame to a
//! subscriber and every removal of a file asks for [`Gate::now`] and waits. One sync, in a thread
//! of its own, lets everything pass that asked before it began, so that many writes at a time cost
//! one wait and a write costs none of the executor's time. Durable Objects have the same gate.

use alloc::sync::Arc;
use core::cell::Cell;
use std::io;

use nacre_pds::sqlite::WriteAheadLog;
use tokio::sync::Notify;
use tokio::task::spawn_blocking;

/// Where commits are written and what makes them last.
pub(crate) trait Log: Send + Sync {
    /// Returns how many commits have been made.
    fn commits(&self) -> u64;

    /// Waits until all commits that have been made are on the disk.
    fn sync(&self) -> io::Result<()>;
}

/// A gate before everything that leaves; the default is always open.
#[derive(Default)]
pub(crate) struct Gate {
    log: Option<Arc<dyn Log>>,
    /// How many commits are known to be on the disk.
    synced: Cell<u64>,
    /// Woken when something waits for a commit that is not.
    wanted: Notify,
    /// Woken when there are more.
    opened: Notify,
}

/// A moment in the order of commits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Moment(u64);

impl Gate {
    pub(crate) fn new(log: Arc<dyn Log>) -> Self {
        Self { log: Some(log), ..Self::default() }
    }

    /// Returns the moment after all commits that have been made.
    pub(crate) fn now(&self) -> Moment {
        Moment(self.log.as_ref().map_or(0, |log| log.commits()))
    }

    /// Waits until what had been committed at a moment is on the disk; returns whether it had to.
    pub(crate) async fn pass(&self, moment: Moment) -> bool {
        let mut has_waited = false;
        loop {
            let opened = self.opened.notified();
            if self.synced.get() >= moment.0 {
                return has_waited;
            }
            has_waited = true;
            self.wanted.notify_one();
            opened.await;
        }
    }

    /// Opens the gate again and again; returns only when the disk fails, and it stays shut.
    pub(crate) async fn tend(&self) -> io::Error {
        loop {
            let Moment(commits) = self.now();
            match &self.log {
                Some(log) if commits > self.synced.get() => {
                    let log = Arc::clone(log);
                    match spawn_blocking(move || log.sync()).await {
                        Ok(Ok(())) => {}
                        Ok(Err(error)) => return error,
                        Err(error) => return error.into(),
                    }
                    self.synced.set(commits);
                    self.opened.notify_waiters();
                }
                _ => self.wanted.notified().await,
            }
        }
    }
}

impl Log for WriteAheadLog {
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

    /// A log whose disk does what a test tells it to.
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

    impl Log for TestLog {
        fn commits(&self) -> u64 {
            self.commits.load(Ordering::SeqCst)
        }

        fn sync(&self) -> io::Result<()> {
            self.syncs.fetch_add(1, Ordering::SeqCst);
            self.disk.lock().unwrap().recv().unwrap()
        }
    }

    /// Runs a test while the gate is opened as the disk allows.
    pub(crate) async fn while_tended(gate: &Rc<Gate>, test: impl Future<Output = ()>) {
        let tending = LocalSet::new();
        let gate = Rc::clone(gate);
        tending.spawn_local(async move { gate.tend().await });
        tending.run_until(test).await;
    }

    /// Lets everything run that does not wait for the disk.
    pub(crate) async fn settle() {
        for _ in 0..100 {
            yield_now().await;
        }
    }

    #[tokio::test]
    async fn one_sync_serves_all_that_asked_before_it_began() {
        let (log, disk) = TestLog::new();
        let gate = Rc::new(Gate::new(Arc::<TestLog>::clone(&log)));
        let written = |commits| {
            log.commits.store(commits, Ordering::SeqCst);
            let (gate, moment) = (Rc::clone(&gate), gate.now());
            spawn_local(async move { gate.pass(moment).await })
        };
        let body = async {
            gate.pass(gate.now()).await;
            let first = written(1);
            while log.syncs.load(Ordering::SeqCst) == 0 {
                yield_now().await;
            }
            let late: Vec<_> = (2..50).map(written).collect();
            settle().await;
            assert!(!first.is_finished(), "the disk has said nothing yet");
            disk.send(Ok(())).unwrap();
            first.await.unwrap();
            settle().await;
            assert!(late.iter().all(|late| !late.is_finished()), "made after the sync began");
            disk.send(Ok(())).unwrap();
            for late in late {
                late.await.unwrap();
            }
            assert_eq!(log.syncs.load(Ordering::SeqCst), 2);
            gate.pass(gate.now()).await;
        };
        while_tended(&gate, body).await;
    }

    #[tokio::test]
    async fn a_disk_that_fails_leaves_the_gate_shut() {
        let (log, disk) = TestLog::new();
        let gate = Rc::new(Gate::new(Arc::<TestLog>::clone(&log)));
        log.commits.store(1, Ordering::SeqCst);
        let (waiting, moment) = (Rc::clone(&gate), gate.now());
        let body = async {
            let passed = spawn_local(async move { waiting.pass(moment).await });
            disk.send(Err(io::ErrorKind::StorageFull.into())).unwrap();
            assert_eq!(gate.tend().await.kind(), io::ErrorKind::StorageFull);
            settle().await;
            assert!(!passed.is_finished());
        };
        LocalSet::new().run_until(body).await;
    }

    #[tokio::test]
    async fn the_default_is_open() {
        let gate = Gate::default();
        gate.pass(gate.now()).await;
    }
}
