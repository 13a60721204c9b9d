//! Scheduled work. Each part of the server reports when its work is due, and the host's alarm is
//! set for the earliest.
//!
//! Parts register their tasks once and know nothing of other parts' tasks. Nothing else in `pds`
//! sets the alarm; the Worker sets it itself only while it cannot open the account.

use alloc::rc::{Rc, Weak};
use core::cell::{Cell, RefCell};
use core::error::Error;
use core::fmt;

use futures_core::future::LocalBoxFuture;

use crate::host::{Host, SqlError, with_causes};

/// Recurring work of one part of the server.
pub(crate) trait Task {
    /// Returns when the work is due, in seconds, or `None` if there is nothing to do.
    ///
    /// The time may be in the past. This reads the database, so the scheduler only calls it when
    /// the schedule may have changed.
    fn due_s(&self) -> Result<Option<i64>, SqlError>;

    /// Does the work if it is due. Called at every alarm.
    fn run(&self) -> LocalBoxFuture<'_, Result<(), TaskError>>;

    /// Returns how urgent the work is after an event. Must not read the database.
    ///
    /// An event only changes the schedule if this exceeds the urgency that the alarm was last set
    /// for. Setting the alarm costs a row, so many events share one alarm.
    fn urgency(&self) -> Urgency {
        Urgency::None
    }
}

/// The urgency of the work that events cause.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Urgency {
    /// Events cause no work.
    #[default]
    None,
    /// Within hours.
    Low,
    /// At the next alarm.
    High,
}

/// Why a task failed, for the log. It runs again at the next alarm.
pub(crate) struct TaskError(String);

/// Sets the host's alarm and runs the registered tasks.
pub(crate) struct Scheduler {
    host: Rc<Host>,
    registered: RefCell<Vec<Registered>>,
    /// When the alarm fires, in seconds. `None` if this process does not know.
    alarm_s: Cell<Option<i64>>,
    /// Whether this process has run scheduled work.
    has_run: Cell<bool>,
}

struct Registered {
    task: Weak<dyn Task>,
    /// The urgency that the alarm accounts for.
    scheduled: Cell<Urgency>,
}

impl Scheduler {
    pub(crate) fn new(host: Rc<Host>) -> Self {
        let (alarm_s, has_run) = (Cell::new(None), Cell::new(false));
        Self { host, registered: RefCell::default(), alarm_s, has_run }
    }

    /// Registers a task. It runs after the tasks that were registered before it.
    pub(crate) fn register(&self, task: &Rc<dyn Task>) {
        let task = Rc::downgrade(task);
        self.registered.borrow_mut().push(Registered { task, scheduled: Cell::default() });
    }

    /// Records that the alarm has fired, or that the host runs work for another reason.
    pub(crate) fn alarm_fired(&self) {
        self.has_run.set(true);
        self.forget_alarm();
    }

    /// Runs all work, then sets the next alarm. Work that fails is logged and does not stop the
    /// rest.
    ///
    /// `panics` counts the consecutive attempts that panicked. Each starts with a different piece
    /// of work, so one that panics does not block the rest.
    pub(crate) async fn run(&self, panics: usize) {
        let tasks = self.tasks();
        for index in 0..tasks.len() {
            let Some(task) = tasks.get(panics.wrapping_add(index) % tasks.len()) else { continue };
            if let Err(error) = task.run().await {
                self.host.log.error("task.failed", &error.0);
            }
        }
        self.reschedule();
    }

    /// Sets the alarm for the work that is due first, unless the alarm fires sooner anyway.
    ///
    /// Call this after a change that may make work due sooner. If it fails, the next call retries.
    pub(crate) fn reschedule(&self) {
        if let Err(error) = self.try_reschedule() {
            self.host.log.fault("alarm.failed", &error);
            self.forget_alarm();
        }
    }

    /// Sets the alarm for the work that logged events cause.
    ///
    /// Does nothing if the alarm already accounts for that work. `made_work_due` overrides this: it
    /// states that the same change made other work due.
    pub(crate) fn events_logged(&self, made_work_due: bool) {
        let mut is_needed = made_work_due;
        for registered in &*self.registered.borrow() {
            let urgency = registered.task.upgrade().map_or(Urgency::None, |task| task.urgency());
            if urgency > registered.scheduled.get() {
                registered.scheduled.set(urgency);
                is_needed = true;
            }
        }
        if is_needed {
            self.reschedule();
        }
    }

    fn try_reschedule(&self) -> Result<(), SqlError> {
        let mut first: Option<i64> = None;
        for task in self.tasks() {
            first = [first, task.due_s()?].into_iter().flatten().min();
        }
        let Some(due_s) = first else { return Ok(()) };
        let now_s = self.host.clock.now_s();
        // With a longer pause, an object that sleeps after each request would postpone overdue work
        // forever.
        let pause_s = if self.has_run.get() { MIN_PAUSE_S } else { FIRST_PAUSE_S };
        let time_s = due_s.max(now_s.saturating_add(pause_s));
        // Frequent requests must not postpone due work.
        if self.alarm_s.get().is_some_and(|set_s| (now_s..=time_s).contains(&set_s)) {
            return Ok(());
        }
        self.host.alarm.set(time_s)?;
        self.alarm_s.set(Some(time_s));
        Ok(())
    }

    /// Treats the alarm as not set, so that the next event sets it.
    fn forget_alarm(&self) {
        self.alarm_s.set(None);
        for registered in &*self.registered.borrow() {
            registered.scheduled.set(Urgency::None);
        }
    }

    fn tasks(&self) -> Vec<Rc<dyn Task>> {
        self.registered.borrow().iter().filter_map(|registered| registered.task.upgrade()).collect()
    }
}

impl<E: Error> From<E> for TaskError {
    fn from(error: E) -> Self {
        Self(with_causes(&error))
    }
}

impl fmt::Debug for Scheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scheduler").finish_non_exhaustive()
    }
}

/// The shortest time between two alarms.
pub(crate) const MIN_PAUSE_S: i64 = 60;
/// The shortest time from the start of a process to its first alarm. It is less than the 10 seconds
/// after which an idle Durable Object sleeps.
const FIRST_PAUSE_S: i64 = 5;
