//! The in-memory host, except its sockets.

use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use core::cell::{Cell, RefCell};

use bytes::Bytes;
use cid::Cid;
use futures_core::future::LocalBoxFuture;

use super::Recorder;
use super::later::later;
use super::network::Network;
use super::recorded_log::RecordedLog;
use super::slices::Slices;
use crate::body::Body;
use crate::config::{Config, new_account};
use crate::host::{
    Alarm, Blobs, BlobsError, Clock, Host, HttpError, MarkerError, Outcome, OwnerMarker, Rng, Row,
    RowCounts, RustEs256, Sql, SqlError, Value,
};
use crate::sqlite::Sqlite;

/// An in-memory host. Clones share their state.
#[derive(Clone, Debug)]
pub struct Memory {
    parts: Rc<Parts>,
    sockets: Rc<Recorder>,
    slices: Rc<Slices>,
}

#[derive(Debug)]
struct Parts {
    sqlite: Sqlite,
    /// The number of statements that the server has run.
    statements: Cell<u64>,
    /// The number of steps that still succeed, or `None` if all do.
    steps_left: Cell<Option<u64>>,
    /// Whether only one step fails.
    fails_once: Cell<bool>,
    now_micros: Cell<u64>,
    /// The state of the random number generator.
    random: Cell<u64>,
    log: Rc<RecordedLog>,
    blobs: Rc<RefCell<BTreeMap<Cid, Bytes>>>,
    alarm_s: Cell<Option<i64>>,
    owner_marker: RefCell<Option<Marker>>,
    network: Network,
}

/// The id of the database that owns the account, if any. Clones share the marker.
pub type Marker = Rc<RefCell<Option<String>>>;

impl Memory {
    /// Creates an empty host with seeded randomness.
    ///
    /// # Panics
    ///
    /// If the database cannot be created.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let parts = Parts {
            sqlite: Sqlite::in_memory().expect("a database in memory can be opened"),
            statements: Cell::new(0),
            steps_left: Cell::new(None),
            fails_once: Cell::new(false),
            now_micros: Cell::new(START_MICROS),
            random: Cell::new(seed),
            log: Rc::default(),
            blobs: Rc::default(),
            alarm_s: Cell::new(None),
            owner_marker: RefCell::default(),
            network: Network::default(),
        };
        Self { parts: Rc::new(parts), sockets: Rc::default(), slices: Rc::default() }
    }

    /// Returns the host that a server runs on.
    #[must_use]
    pub fn host(&self) -> Host {
        Host {
            sql: self.parts.clone(),
            sockets: self.sockets.clone(),
            clock: self.parts.clone(),
            rng: self.parts.clone(),
            es256: Rc::new(RustEs256),
            compute: self.slices.clone(),
            log: Rc::<RecordedLog>::clone(&self.parts.log),
            blobs: self.parts.clone(),
            owner_marker: self.parts.owner_marker.borrow().as_ref().map(|_| {
                let marker: Rc<dyn OwnerMarker> = self.parts.clone();
                marker
            }),
            alarm: self.parts.clone(),
            http: Rc::new(self.parts.network.clone()),
        }
    }

    /// Returns the sockets.
    #[must_use]
    pub fn sockets(&self) -> &Recorder {
        &self.sockets
    }

    /// Returns how many slices of long computations have run.
    #[must_use]
    pub fn slices(&self) -> u64 {
        self.slices.count()
    }

    /// Moves the clock forward, or back if `seconds` is negative.
    pub fn move_clock(&self, seconds: i64) {
        let now = self.parts.now_micros.get();
        self.parts.now_micros.set(now.saturating_add_signed(seconds.saturating_mul(1_000_000)));
    }

    /// Returns the time of the clock, in seconds.
    #[must_use]
    pub fn now_s(&self) -> i64 {
        i64::try_from(self.parts.now_micros.get() / 1_000_000).unwrap_or(i64::MAX)
    }

    /// Makes every step after the next `steps` fail. `None` makes all steps succeed again.
    ///
    /// A step is a statement, the begin or the commit of a transaction, or an operation on blobs,
    /// the owner marker or the alarm.
    pub fn fail_after(&self, steps: Option<u64>) {
        self.parts.steps_left.set(steps);
        self.parts.fails_once.set(false);
    }

    /// Makes one step fail, after the next `steps`.
    pub fn fail_once(&self, steps: u64) {
        self.parts.steps_left.set(Some(steps));
        self.parts.fails_once.set(true);
    }

    /// Returns whether a fault is pending.
    #[must_use]
    pub fn fails(&self) -> bool {
        self.parts.steps_left.get().is_some()
    }

    /// Returns the messages of logged warnings and errors, and empties the log.
    #[must_use]
    pub fn take_log(&self) -> Vec<String> {
        self.parts.log.take_problems()
    }

    /// Returns all log entries as JSON, and empties the log.
    #[must_use]
    pub fn take_log_entries(&self) -> Vec<String> {
        self.parts.log.take_entries()
    }

    /// Returns the blob store, so that tests can add and inspect blobs.
    #[must_use]
    pub fn blobs(&self) -> Rc<RefCell<BTreeMap<Cid, Bytes>>> {
        Rc::clone(&self.parts.blobs)
    }

    /// Gives an owner marker to servers that are opened from now on. Hosts may share it.
    pub fn set_owner_marker(&self, marker: &Marker) {
        *self.parts.owner_marker.borrow_mut() = Some(Rc::clone(marker));
    }

    /// Returns the time that the alarm is set to, in seconds, or `None` if it is not set.
    #[must_use]
    pub fn alarm_s(&self) -> Option<i64> {
        self.parts.alarm_s.get()
    }

    /// Clears the alarm, as a host does when its alarm fires.
    pub fn forget_alarm(&self) {
        self.parts.alarm_s.set(None);
    }

    /// Answers requests to other servers with `serve` from now on. Without it, they fail.
    ///
    /// The extensions of the request contain its [`Destination`](crate::host::Destination). Time
    /// limits do not apply.
    pub fn serve_others<F, B>(&self, serve: F)
    where
        F: FnMut(http::Request<Bytes>) -> Result<http::Response<B>, HttpError> + 'static,
        B: Into<Body>,
    {
        self.parts.network.serve(serve);
    }

    /// Returns how many rows the server has read and written.
    #[must_use]
    pub fn rows(&self) -> RowCounts {
        self.parts.sqlite.row_counts()
    }

    /// Returns how many statements the server has run.
    #[must_use]
    pub fn statements(&self) -> u64 {
        self.parts.statements.get()
    }

    /// Returns the database, for direct access. Injected faults do not apply to it.
    #[must_use]
    pub fn sql(&self) -> &dyn Sql {
        &self.parts.sqlite
    }
}

/// Creates the configuration of a test account: host name `pds.test`, handle `alice.test`.
///
/// # Panics
///
/// If the password is empty or longer than 72 bytes.
#[must_use]
pub fn account(host: &Memory, password: &str) -> Config {
    let vars = new_account("pds.test", "alice.test", password, &*host.parts)
        .expect("a test account is well-formed");
    let var =
        |name: &str| vars.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
    Config::from_vars(var).expect("a new account's variables are well-formed")
}

impl Sql for Parts {
    fn query(
        &self,
        sql: &'static str,
        params: &[Value<'_>],
        row: &mut dyn FnMut(&dyn Row) -> Result<(), SqlError>,
    ) -> Result<(), SqlError> {
        self.step()?;
        self.statements.set(self.statements.get() + 1);
        // The limits of the strictest host.
        if params.len() > 100 || params.iter().any(is_too_large) {
            return Err(SqlError::other("a parameter exceeds the limits"));
        }
        self.sqlite.query(sql, params, row)
    }

    fn row_counts(&self) -> RowCounts {
        self.sqlite.row_counts()
    }

    /// Begin and commit are steps, like statements.
    fn transaction(&self, body: &mut dyn FnMut() -> Outcome) -> Result<(), SqlError> {
        self.step()?;
        let mut committing = Ok(());
        self.sqlite.transaction(&mut || {
            if body() == Outcome::Rollback {
                return Outcome::Rollback;
            }
            committing = self.step();
            if committing.is_ok() { Outcome::Commit } else { Outcome::Rollback }
        })?;
        committing
    }
}

impl Parts {
    fn blobs_step(&self) -> Result<(), BlobsError> {
        self.step().map_err(|error| BlobsError(error.text))
    }

    /// Counts a step, and fails it if a fault is due.
    fn step(&self) -> Result<(), SqlError> {
        if let Some(left) = self.steps_left.get() {
            let Some(left) = left.checked_sub(1) else {
                if self.fails_once.get() {
                    self.steps_left.set(None);
                }
                return Err(SqlError::other("injected fault"));
            };
            self.steps_left.set(Some(left));
        }
        Ok(())
    }
}

fn is_too_large(value: &Value<'_>) -> bool {
    match value {
        Value::Blob(bytes) => bytes.len() > 2_000_000,
        Value::Integer(number) => number.unsigned_abs() > 1 << 53,
        Value::Null => false,
        Value::Text(text) => text.len() > 2_000_000,
    }
}

impl Clock for Parts {
    fn now_micros(&self) -> u64 {
        self.now_micros.get()
    }
}

impl Rng for Parts {
    /// splitmix64: random enough for tests, and the same for each seed.
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let state = self.random.get().wrapping_add(0x9E37_79B9_7F4A_7C15);
            self.random.set(state);
            let mut word = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            word ^= word >> 31;
            for (byte, random) in chunk.iter_mut().zip(word.to_le_bytes()) {
                *byte = random;
            }
        }
    }
}

impl Blobs for Parts {
    fn size(&self, cid: &Cid) -> LocalBoxFuture<'static, Result<Option<u64>, BlobsError>> {
        let blobs = self.blobs.borrow();
        let size = blobs.get(cid).and_then(|bytes| u64::try_from(bytes.len()).ok());
        later(self.blobs_step().map(|()| size))
    }

    fn remove(&self, cid: &Cid) -> LocalBoxFuture<'static, Result<(), BlobsError>> {
        let step = self.blobs_step();
        if step.is_ok() {
            self.blobs.borrow_mut().remove(cid);
        }
        later(step)
    }

    fn list(&self, after: Option<&Cid>) -> LocalBoxFuture<'static, Result<Vec<Cid>, BlobsError>> {
        let after = after.map(ToString::to_string);
        let blobs = self.blobs.borrow();
        let mut found: Vec<_> = blobs.keys().map(|cid| (cid.to_string(), *cid)).collect();
        found.sort();
        found.retain(|(text, _)| after.as_ref().is_none_or(|after| text > after));
        found.truncate(1_000);
        later(self.blobs_step().map(|()| found.into_iter().map(|(_, cid)| cid).collect()))
    }
}

impl OwnerMarker for Parts {
    fn claim_if_absent(
        &self,
        id: &str,
    ) -> LocalBoxFuture<'static, Result<Option<String>, MarkerError>> {
        let step = self.step().map_err(|error| MarkerError(error.text));
        let marker = self.owner_marker.borrow().clone().unwrap_or_default();
        let mut owner = marker.borrow_mut();
        let other = match &*owner {
            Some(owner) => Some(owner.clone()).filter(|owner| owner != id),
            None => {
                if step.is_ok() {
                    *owner = Some(id.to_owned());
                }
                None
            }
        };
        later(step.map(|()| other))
    }

    fn overwrite(&self, id: &str) -> LocalBoxFuture<'static, Result<(), MarkerError>> {
        let step = self.step().map_err(|error| MarkerError(error.text));
        if let (Ok(()), Some(marker)) = (&step, &*self.owner_marker.borrow()) {
            *marker.borrow_mut() = Some(id.to_owned());
        }
        later(step)
    }
}

impl Alarm for Parts {
    fn set(&self, time_s: i64) -> Result<(), SqlError> {
        self.step()?;
        self.alarm_s.set(Some(time_s));
        Ok(())
    }
}

/// 2026-01-01T00:00:00Z.
const START_MICROS: u64 = 1_767_225_600_000_000;
