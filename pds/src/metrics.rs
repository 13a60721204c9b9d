//! Metrics: what the server has done since its start and today, as Prometheus text.
//!
//! Counting never writes a row. The totals of the day are stored with the account's row whenever a
//! commit updates it, because a host may drop the server from memory between two requests.

use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use core::cell::{Cell, RefCell};
use core::fmt::Write as _;
use core::time::Duration;

use crate::host::{RowCounts, Sql};
use crate::store::DayTotals;

/// Counts requests, writes and rows.
pub(crate) struct Metrics {
    sql: Rc<dyn Sql>,
    /// Requests by method and status.
    requests: RefCell<BTreeMap<(&'static str, u16), u64>>,
    durations: RefCell<Histogram>,
    /// Written records, including deletes.
    writes: Cell<u64>,
    commits: Cell<u64>,
    today: Cell<DayTotals>,
    /// The rows that `today` includes.
    counted_rows: Cell<RowCounts>,
}

/// Values at the time of a scrape.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Gauges {
    pub(crate) active: bool,
    pub(crate) subscribers: usize,
    /// The lag of the slowest replay.
    pub(crate) replay_lag: Duration,
    pub(crate) last_seq: i64,
    pub(crate) log_bytes: i64,
    pub(crate) records: i64,
    pub(crate) referenced_blobs: i64,
    pub(crate) stored_blobs: i64,
}

/// Durations of requests, in buckets.
#[derive(Clone, Copy, Debug, Default)]
struct Histogram {
    /// The requests of each of [`BUCKETS`], and those that took longer.
    counts: [u64; BUCKETS.len() + 1],
    total: Duration,
}

impl Metrics {
    pub(crate) fn new(sql: Rc<dyn Sql>) -> Self {
        let counted_rows = Cell::new(sql.row_counts());
        Self {
            sql,
            requests: RefCell::default(),
            durations: RefCell::default(),
            writes: Cell::default(),
            commits: Cell::default(),
            today: Cell::default(),
            counted_rows,
        }
    }

    /// Continues the totals that were stored with the account's row.
    pub(crate) fn resume(&self, stored: DayTotals) {
        self.today.set(stored);
    }

    /// Counts a request when its response is known.
    pub(crate) fn count_request(
        &self,
        method: &'static str,
        status: u16,
        duration: Duration,
        now_s: i64,
    ) {
        self.count_status(method, status);
        self.durations.borrow_mut().add(duration);
        let mut today = self.today.get();
        if today.on(now_s) != today {
            // Settles the rows of the day before. Asking for rows is a call to the host.
            today = self.totals_of_day(now_s);
        }
        today.requests += 1;
        today.faults += i64::from(status >= 500);
        self.today.set(today);
    }

    /// Counts a request that panicked. Its duration is unknown, and the totals of the day lack it.
    pub(crate) fn count_panic(&self, method: &'static str) {
        self.count_status(method, 500);
    }

    fn count_status(&self, method: &'static str, status: u16) {
        *self.requests.borrow_mut().entry((method, status)).or_default() += 1;
    }

    /// Returns the totals of the day with a commit that is about to store them.
    pub(crate) fn totals_with(&self, writes: usize, now_s: i64) -> DayTotals {
        let mut today = self.totals_of_day(now_s);
        today.writes += i64::try_from(writes).unwrap_or(i64::MAX);
        today
    }

    /// Counts a commit whose transaction has ended, and which stored `today`.
    pub(crate) fn count_commit(&self, writes: usize, today: DayTotals) {
        self.commits.set(self.commits.get() + 1);
        self.writes.set(self.writes.get() + u64::try_from(writes).unwrap_or(u64::MAX));
        self.today.set(today);
    }

    /// Returns the totals of the day, in UTC. Rows since the last call belong to its day.
    fn totals_of_day(&self, now_s: i64) -> DayTotals {
        let (rows, counted) = (self.sql.row_counts(), self.counted_rows.get());
        let since = |rows: u64, counted: u64| {
            i64::try_from(rows.saturating_sub(counted)).unwrap_or(i64::MAX)
        };
        let mut today = self.today.get();
        if today == DayTotals::default() {
            // Nothing was counted before.
            today = today.on(now_s);
        }
        today.rows_read += since(rows.read, counted.read);
        today.rows_written += since(rows.written, counted.written);
        let today = today.on(now_s);
        self.today.set(today);
        self.counted_rows.set(rows);
        today
    }

    /// Returns all metrics in the Prometheus text format.
    ///
    /// <https://prometheus.io/docs/instrumenting/exposition_formats/>
    pub(crate) fn render(&self, gauges: &Gauges, now_s: i64) -> String {
        let mut text = Text(String::new());
        let version = env!("CARGO_PKG_VERSION");
        text.head("nacre_build_info", "gauge", "The version of the server.");
        text.sample(&format!("nacre_build_info{{version=\"{version}\"}}"), 1);

        text.head("nacre_requests_total", "counter", "Requests since the start.");
        for ((method, status), count) in &*self.requests.borrow() {
            let name = format!("nacre_requests_total{{method=\"{method}\",status=\"{status}\"}}");
            text.sample(&name, *count);
        }
        self.durations.borrow().render(&mut text);

        let rows = self.sql.row_counts();
        let counters = [
            ("nacre_commits_total", "Commits since the start.", self.commits.get()),
            ("nacre_record_writes_total", "Written records since the start.", self.writes.get()),
            ("nacre_sql_rows_read_total", "Rows read since the start.", rows.read),
            ("nacre_sql_rows_written_total", "Rows written since the start.", rows.written),
        ];
        for (name, help, value) in counters {
            text.head(name, "counter", help);
            text.sample(name, value);
        }
        self.render_gauges(gauges, now_s, &mut text);
        text.0
    }

    fn render_gauges(&self, gauges: &Gauges, now_s: i64, text: &mut Text) {
        let today = self.totals_of_day(now_s);
        let subscribers = i64::try_from(gauges.subscribers).unwrap_or(i64::MAX);
        let lag_s = i64::try_from(gauges.replay_lag.as_secs()).unwrap_or(i64::MAX);
        let values = [
            ("nacre_account_active", "Whether the account is active.", gauges.active.into()),
            ("nacre_subscribers", "Subscribers of the event stream.", subscribers),
            ("nacre_replay_lag_seconds", "From the last event sent to the newest, at most.", lag_s),
            ("nacre_last_seq", "Sequence number of the last event.", gauges.last_seq),
            ("nacre_event_log_bytes", "Size of the event log.", gauges.log_bytes),
            ("nacre_records", "Records of the repository.", gauges.records),
            ("nacre_blobs_referenced", "Blobs that records refer to.", gauges.referenced_blobs),
            ("nacre_blobs_stored", "Referenced blobs that are stored.", gauges.stored_blobs),
            ("nacre_today_requests", "Requests since midnight UTC.", today.requests),
            ("nacre_today_faults", "Responses of 500 and above since midnight UTC.", today.faults),
            ("nacre_today_record_writes", "Written records since midnight UTC.", today.writes),
            ("nacre_today_sql_rows_read", "Rows read since midnight UTC.", today.rows_read),
            (
                "nacre_today_sql_rows_written",
                "Rows written since midnight UTC.",
                today.rows_written,
            ),
        ];
        for (name, help, value) in values {
            text.head(name, "gauge", help);
            text.sample(name, value);
        }
    }
}

impl Histogram {
    fn add(&mut self, duration: Duration) {
        let is_within = |(most_ms, _): &(u64, _)| duration <= Duration::from_millis(*most_ms);
        let bucket = BUCKETS.iter().position(is_within).unwrap_or(BUCKETS.len());
        if let Some(count) = self.counts.get_mut(bucket) {
            *count += 1;
        }
        self.total = self.total.saturating_add(duration);
    }

    fn render(&self, text: &mut Text) {
        let name = "nacre_request_duration_seconds";
        text.head(name, "histogram", "Time to the head of the response. Workers count waits only.");
        let limits = BUCKETS.iter().map(|(_, limit)| *limit).chain(["+Inf"]);
        let mut sum = 0;
        for (limit, count) in limits.zip(self.counts) {
            sum += count;
            text.sample(&format!("{name}_bucket{{le=\"{limit}\"}}"), sum);
        }
        let (seconds, micros) = (self.total.as_secs(), self.total.subsec_micros());
        text.sample(&format!("{name}_sum"), format_args!("{seconds}.{micros:06}"));
        text.sample(&format!("{name}_count"), sum);
    }
}

/// Text in the Prometheus format.
struct Text(String);

impl Text {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, value: impl core::fmt::Display) {
        let _ = writeln!(self.0, "{name} {value}");
    }
}

/// The upper limits of the buckets, in milliseconds, and in seconds as text.
const BUCKETS: [(u64, &str); 8] = [
    (1, "0.001"),
    (5, "0.005"),
    (25, "0.025"),
    (100, "0.1"),
    (250, "0.25"),
    (1_000, "1"),
    (5_000, "5"),
    (30_000, "30"),
];
